"""Cross-tables of finished records, cut as the spec's tables cut them."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmsynthor.errors import DataError, Problem
from llmsynthor.records.linked import Nested, column, nest
from llmsynthor.records.measure import level_codes, numeric
from llmsynthor.spec.inputs import derived_below
from llmsynthor.spec.levels import Interval, number_text
from llmsynthor.spec.schema import Category, Coded, Numeric, Schema, Text
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Table

MOST_VALUES, EVEN_PARTS, MOST_CELLS = 30, 10, 1_000_000
"""A whole number without a table is shown value by value up to so many, else in so many parts; and the most cells of a table."""


def crosstab(
    spec: Spec, frames: Mapping[str, pl.DataFrame], names: Sequence[str], *, unit: str | None = None
) -> pl.DataFrame:
    """Count records by the named columns: these as Enum in their order, `count`, `share`. Raises DataError."""
    if not names:
        raise DataError(Problem(where="table", what="no column is named", advice="name one or more variables"))
    at = unit if unit is not None else _lowest(spec.schema, names)
    if at not in {known.name for known in spec.schema.units}:
        advice = f"use one of: {', '.join(known.name for known in spec.schema.units)}"
        raise DataError(Problem(where="table", what="there is no such unit", found=at, advice=advice))
    full = [_full(spec.schema, at, name) for name in names]
    nested = nest(
        frames, spec.schema, only=derived_below(frozenset((owner, name) for owner, name in full), spec.schema)
    )
    columns = [_coded(spec, nested, at, owner, name) for owner, name in full]
    shape = [len(levels) for _, levels in columns]
    if np.prod(shape, dtype=np.float64) > MOST_CELLS:
        advice = "name fewer columns"
        raise DataError(Problem(where="table", what=f"it would have more than {MOST_CELLS:,} cells", advice=advice))
    inside = np.all([codes < len(levels) for codes, levels in columns], axis=0)
    flat = np.ravel_multi_index([codes[inside] for codes, _ in columns], shape)
    counts = np.bincount(flat, minlength=int(np.prod(shape)))
    places = np.unravel_index(np.arange(len(counts)), shape)
    shown = [
        pl.Series(name, [levels[k] for k in place], dtype=pl.Enum(levels))
        for name, place, (_, levels) in zip(names, places, columns, strict=True)
    ]
    share = counts / max(int(counts.sum()), 1)
    return pl.DataFrame([*shown, pl.Series("count", counts), pl.Series("share", share)])


def _lowest(schema: Schema, names: Sequence[str]) -> str:
    """The first unit, from above, of whose records all columns can be said."""
    for unit in schema.units:
        if all(_owner(schema, unit.name, name) is not None for name in names):
            return unit.name
    strange = next((n for n in names if all(_owner(schema, u.name, n) is None for u in schema.units)), ", ".join(names))
    every = [v.name for u in schema.units for v in (*u.coded, *(derived.variable for derived in u.derived))]
    close = get_close_matches(strange, every, 1)
    advice = f'did you mean "{close[0]}"?' if close else f"use variables of one unit: {', '.join(every)}"
    raise DataError(Problem(where="table", what="no unit has these columns", found=strange, advice=advice))


def _full(schema: Schema, at: str, name: str) -> tuple[str, str]:
    owner = _owner(schema, at, name)
    if owner is None:
        advice = f"use variables of {at} and of the units above it that are no texts"
        raise DataError(Problem(where="table", what=f"{at} has no such column", found=name, advice=advice))
    return owner, name.rpartition(".")[2]


def _owner(schema: Schema, at: str, name: str) -> str | None:
    """The unit that has a column, `at` or one above it."""
    prefix, _, plain = name.rpartition(".")
    for unit in (schema[at], *schema.ancestors(at)):
        known = {v.name for v in (*unit.coded, *(derived.variable for derived in unit.derived))}
        if plain in known and prefix in ("", unit.name):
            return unit.name
    return None


def _coded(spec: Spec, nested: Nested, at: str, owner: str, name: str) -> tuple[NDArray[np.int64], list[str]]:
    """Codes of the records' values, and what each code is called; one past the last is no level."""
    variable = spec.schema[owner].variable(name)
    assert not isinstance(variable, Text)
    values = column(nested, at, name if owner == at else f"{owner}.{name}")
    if isinstance(variable, Category):
        return level_codes(values, variable.levels), list(variable.levels)
    numbers = numeric(values)
    breaks = _breaks(spec, owner, variable, numbers)
    known = (numbers >= breaks[0]) & (numbers < breaks[-1])
    codes = np.where(known, np.searchsorted(breaks, numbers, side="right") - 1, len(breaks) - 1).astype(np.int64)
    ends = [Interval(float(low), float(high)) for low, high in pairwise(breaks)]
    return codes, [_shown(interval, variable) for interval in ends]


def _shown(interval: Interval, variable: Numeric) -> str:
    whole = variable.integer and interval.high - interval.low == 1
    return number_text(interval.low) if whole else str(interval)


def _breaks(spec: Spec, owner: str, variable: Numeric, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where a number is cut: at all cuts of the spec's tables, else by value, else in even parts."""
    low, high = variable.range.low, variable.range.high
    cuts = {low, high, *_cuts(spec, owner, variable)}
    if len(cuts) > 2:
        return np.array(sorted(cuts))
    distinct = np.unique(numbers[np.isfinite(numbers)])
    if variable.integer and high - low <= MOST_VALUES:
        return np.arange(low, high + 1)
    if variable.integer and len(distinct) <= MOST_VALUES:
        return np.unique(np.array([low, high, *(end for value in distinct for end in (value, value + 1))]))
    even = np.linspace(low, high, EVEN_PARTS + 1)
    return np.unique(np.round(even)) if variable.integer else even


def _cuts(spec: Spec, owner: str, variable: Coded) -> set[float]:
    found = set()
    for target in spec.targets:
        for place, name in enumerate(target.columns if isinstance(target, Table) else target.by):
            prefix, _, plain = name.rpartition(".")
            if plain == variable.name and (prefix or target.unit) == owner:
                levels = [cell[place] for cell in target.cells]
                found |= {end for level in levels if isinstance(level, Interval) for end in (level.low, level.high)}
    return found
