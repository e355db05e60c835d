"""Categories of records: as Enum in the order of the spec in memory, as plain text in files and in what computes."""

from collections.abc import Mapping

import polars as pl
import polars.selectors as cs

from llmsynthor.spec.schema import Category, Schema


def as_enums(frames: Mapping[str, pl.DataFrame], schema: Schema) -> dict[str, pl.DataFrame]:
    """Give category columns, derived ones too, the type Enum; one that holds something else stays text."""
    found = {}
    for unit in schema.units:
        if unit.name in frames:
            frame = frames[unit.name]
            variables = (*unit.coded, *(derived.variable for derived in unit.derived))
            enums = {
                v.name: pl.Enum(v.levels) for v in variables if isinstance(v, Category) and v.name in frame.columns
            }
            fitting = [
                frame[name].cast(pl.String).cast(enum)
                for name, enum in enums.items()
                if set(frame[name].cast(pl.String).drop_nulls().unique()) <= set(enum.categories)
            ]
            found[unit.name] = frame.with_columns(fitting)
    return found


def as_texts(frames: Mapping[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """Give Enum and Categorical columns the type String."""
    return {name: as_text(frame) for name, frame in frames.items()}


def as_text(frame: pl.DataFrame) -> pl.DataFrame:
    """One frame with its categories as plain text."""
    return frame.with_columns((cs.enum() | cs.categorical()).cast(pl.String))
