"""Parts of spec.yaml that others are made of: the strict model, and where and from whom things are."""

from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

WORDS = {"yes": True, "on": True, "no": False, "off": False}
"""Words for true and false where nothing but these can be meant; elsewhere they are texts."""


class Part(BaseModel):
    """Strict: nothing unknown is accepted, and nothing is coerced but a yes or no where true or false is asked for."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def words_for_truth(cls, said: Any) -> Any:
        if not isinstance(said, dict):
            return said
        kinds = {name: {field.annotation, *get_args(field.annotation)} for name, field in cls.model_fields.items()}
        return {
            name: WORDS.get(own.casefold(), own)
            if isinstance(own, str) and bool in kinds.get(name, ()) and str not in kinds[name]
            else own
            for name, own in said.items()
        }


class CrosswalkPart(Part):
    """`columns` say how the file calls the levels, where it calls them otherwise."""

    model_config = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)

    file: Any = None
    cells: list[dict[str, Any]] | None = None
    columns: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def one_origin(self) -> "CrosswalkPart":
        if (self.file is None) == (self.cells is None):
            raise ValueError("give either `file` or `cells` (rows in the spec), one of the two")
        return self


class OutlinePart(Part):
    file: str
    key: str


class GeographyPart(Part):
    """`levels` are coarse to fine; `geometry` says by level where outlines are."""

    levels: list[str] = Field(min_length=1)
    crosswalk: CrosswalkPart
    geometry: dict[str, OutlinePart] = Field(default_factory=dict)


class SourcePart(Part):
    """Who says what targets say; `importance` and `trust` hold for its targets where these say none of their own."""

    title: str = ""
    publisher: str = ""
    year: int | None = None
    licence: str = ""
    importance: float | None = Field(default=None, gt=0)
    trust: float | None = Field(default=None, gt=0, le=1)


class SeedPart(Part):
    """`records` is a file or a frame, or one for each unit; a column of weights is named, or "none"."""

    model_config = ConfigDict(extra="forbid", strict=True, arbitrary_types_allowed=True)

    records: Any
    weight: str | None = None

    @model_validator(mode="before")
    @classmethod
    def plain(cls, said: Any) -> Any:
        """What is no mapping with records stands for the records themselves."""
        return said if isinstance(said, dict) and "records" in said else {"records": said}
