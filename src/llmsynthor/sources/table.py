"""What every published table is, whatever its format: dimensions with codes and labels, values, marks and margins of error."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import polars as pl

VALUE, MARGIN, FLAG = "value", "margin", "flag"
"""Columns of a long table beside those of its dimensions."""

Role = Literal["", "zone", "time", "measure", "cell"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimension:
    """One thing that a table is cut by.

    `codes` in the order of the file; `labels` say in words what codes mean, where the file does; `total` is the code that the
    file itself calls the sum of the others. A `cell` dimension holds whole cells: its labels are paths such as
    `Total:!!Male:!!Under 5 years`, parted by `!!`.
    """

    name: str
    codes: tuple[str, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    label: str = ""
    role: Role = ""
    total: str | None = None

    def label_of(self, code: str) -> str:
        return self.labels.get(code, code)

    def shown(self, code: str) -> str:
        """A code with its label: `M (Male)`."""
        label = self.labels.get(code, "")
        return f"{code} ({label})" if label and label != code else code


@dataclass(frozen=True, slots=True, kw_only=True)
class LongTable:
    """A table as published, a row for each cell.

    `frame` has a column of codes (text) for each dimension; `value` (float, null where there is none), `flag` (text, null where
    there is nothing to say: what stands in place of the value or beside it) and, if the file has any, `margin` (float, 90 %, null
    where none is known, 0 where the value is controlled). `layout` is said where a spec has to say it too: of a matrix.
    """

    format: str
    dimensions: tuple[Dimension, ...]
    frame: pl.DataFrame
    title: str = ""
    notes: tuple[str, ...] = ()
    shares: bool = False
    layout: str = ""

    def __getitem__(self, name: str) -> Dimension:
        for dimension in self.dimensions:
            if dimension.name == name:
                return dimension
        raise KeyError(name)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(dimension.name for dimension in self.dimensions)

    @property
    def has_margins(self) -> bool:
        return MARGIN in self.frame.columns

    def of_role(self, role: Role) -> Iterator[Dimension]:
        return (dimension for dimension in self.dimensions if dimension.role == role)


class SourceError(ValueError):
    """A file that cannot be read as a table; says what is the matter, what to do, and what was found."""

    def __init__(self, what: str, advice: str, found: str = "") -> None:
        super().__init__(what)
        self.what, self.advice, self.found = what, advice, found


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How a person says that a file is to be read; what is not said is found in the file.

    `keys` are all columns that hold no values, `known_keys` some of them; `columns` are those that hold values.
    """

    format: str | None = None
    sheet: str | int | None = None
    cells: str | None = None
    head: int | None = None
    skip_rows: int = 0
    separator: str | None = None
    decimal: Literal[".", ","] | None = None
    encoding: str | None = None
    layout: Literal["long", "wide", "matrix"] | None = None
    keys: tuple[str, ...] = ()
    known_keys: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    values: str | None = None
    labels: str | None = None
    matrix: str | None = None
    language: str | None = None


def built(
    format_name: str,
    dimensions: Sequence[Dimension],
    columns: Mapping[str, Sequence[str]],
    values: Sequence[float | None],
    flags: Sequence[str | None],
    *,
    margins: Sequence[float | None] | None = None,
    title: str = "",
    notes: Sequence[str] = (),
) -> LongTable:
    """Put a long table together of columns of equal length."""
    data: dict[str, pl.Series] = {
        dimension.name: pl.Series(columns[dimension.name], dtype=pl.String) for dimension in dimensions
    }
    data[VALUE] = pl.Series(values, dtype=pl.Float64)
    data[FLAG] = pl.Series(flags, dtype=pl.String)
    if margins is not None:
        data[MARGIN] = pl.Series(margins, dtype=pl.Float64)
    return LongTable(
        format=format_name, dimensions=tuple(dimensions), frame=pl.DataFrame(data), title=title, notes=tuple(notes)
    )


def distinct(texts: Sequence[str]) -> tuple[str, ...]:
    """Each text once, in the order in which they come first."""
    return tuple(dict.fromkeys(texts))


def free_name(name: str, taken: Sequence[str]) -> str:
    """A name that is not taken, and none of the value's own columns."""
    taken = [*taken, VALUE, MARGIN, FLAG]
    plain = name.strip() or "dimension"
    return next(own for own in (plain, *(f"{plain}_{k}" for k in range(2, len(taken) + 3))) if own not in taken)
