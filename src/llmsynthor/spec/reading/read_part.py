"""The `read:` part of a target, and a table that is a sheet of a workbook: how a file as published becomes a long table."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator

from llmsynthor.spec.reading.parts import Part


def _text(value: Any) -> Any:
    """Codes that are written as numbers are texts: 101 is "101"."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _texts(value: Any) -> Any:
    """One code, or a list of them."""
    return [_text(own) for own in value] if isinstance(value, list) else [_text(value)]


Code = Annotated[str, BeforeValidator(_text)]
Codes = Annotated[list[str], BeforeValidator(_texts)]
Between = Annotated[list[float], Field(min_length=2, max_length=2)]


def _coded_keys(value: Any) -> Any:
    return {_text(key): own for key, own in value.items()} if isinstance(value, dict) else value


CodeMap = Annotated[dict[str, Code], BeforeValidator(_coded_keys)]


class ReadPart(Part):
    """How a file is to be read; what is left out is found in the file, and what cannot be found is asked for.

    `zone` and `columns` say which column or dimension of the file a variable is; `cells` what each column of a wide table counts,
    `label` how a path of labels is made of variables; `levels` translate codes or labels of a variable.
    """

    format: str | None = None
    sheet: str | int | None = None
    range: str | None = None
    head: int | None = Field(default=None, ge=0, le=20)
    skip_rows: int = Field(default=0, ge=0)
    separator: str | None = Field(default=None, min_length=1, max_length=1)
    decimal: Literal[".", ","] | None = None
    encoding: str | None = None
    layout: Literal["long", "wide", "matrix"] | None = None
    matrix: str | None = None
    language: str | None = None
    labels: str | None = None
    zone: str | dict[str, str] | None = None
    columns: dict[str, str] = Field(default_factory=dict)
    label: str | None = None
    cells: dict[Code, dict[str, Code]] | None = None
    levels: dict[str, CodeMap] = Field(default_factory=dict)
    ignore: Codes | dict[str, Codes] = Field(default_factory=list)
    where: dict[str, Codes] = Field(default_factory=dict)
    suppressed: dict[Code, Literal["open"] | float | Between] = Field(default_factory=dict)

    @field_validator("ignore", mode="before")
    @classmethod
    def _ignored(cls, value: Any) -> Any:
        return {key: _texts(own) for key, own in value.items()} if isinstance(value, dict) else value


class SheetPart(Part):
    """A table in a workbook: `{file: income.xlsx, sheet: Data, cells: "A5:G64", head: 2}`."""

    file: str
    sheet: str | int | None = None
    cells: str | None = None
    head: int | None = Field(default=None, ge=0, le=20)
