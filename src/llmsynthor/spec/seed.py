"""A few real records that a spec brings along: evidence of dependence, never records to be copied."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """Records by unit in the spec's variables, `weight` the column of the top unit that says how many records each row stands for.

    "none" says that every row counts alike. Two seeds are equal where their `digest` is.
    """

    frames: Mapping[str, pl.DataFrame] = field(compare=False, repr=False)
    weight: str | None = None
    digest: str = ""
