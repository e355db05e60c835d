"""Which records are like which: the columns that an adjustment leaves alone, as codes, those that tell most first."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmsynthor.records.linked import Nested, column
from llmsynthor.spec.inputs import Column, base_columns
from llmsynthor.spec.schema import Category, Coded, Schema, Text, Unit

Codes = NDArray[np.int64]
BINS = 12
"""A number with more values than this is cut at its quantiles."""

MOST_KEYS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """`keys[k]` (records,) numbers the groups of records that are alike in the k + 1 columns that tell most."""

    keys: tuple[Codes, ...]


def moved_columns(names: frozenset[Column], unit: str, schema: Schema) -> tuple[str, ...]:
    """Own variables of a unit that a condition over `names` is computed from: what moves with it."""
    needed = frozenset[Column]().union(*(base_columns(name, schema) for name in names))
    own = {name for owner, name in needed if owner == unit}
    return tuple(variable.name for variable in schema[unit].coded if variable.name in own)


def kept_columns(moved: Sequence[str], unit: Unit, schema: Schema) -> tuple[str, ...]:
    """Columns of a unit and of those above it that stay as they are when `moved` change."""
    changed = frozenset((unit.name, name) for name in moved)
    own = [variable.name for variable in unit.coded if variable.name not in moved]
    own += [d.name for d in unit.derived if not d.hidden and not base_columns((unit.name, d.name), schema) & changed]
    above = [f"{parent.name}.{v.name}" for parent in schema.ancestors(unit.name) for v in parent.coded]
    return (*own, *above)


def likeness(nested: Nested, unit: str, moved: Sequence[str]) -> Likeness:
    """Order the kept columns by what they tell about the moved ones, beyond chance, and number their groups."""
    schema = nested.schema
    wanted = _joined([codes_of(nested, unit, name) for name in moved])
    kept = [codes_of(nested, unit, name) for name in kept_columns(moved, schema[unit], schema)]
    told = [_information(own, wanted) for own in kept]
    order = [k for k in np.argsort(-np.array(told), kind="stable") if told[k] > 0] if kept else []
    keys = list[Codes]()
    for k in order[:MOST_KEYS]:
        keys.append(kept[k] if not keys else _joined([keys[-1], kept[k]]))
    return Likeness(keys=tuple(keys))


def codes_of(nested: Nested, unit: str, name: str) -> Codes:
    """Number the values of a column; numbers with many values by their quantiles."""
    owner, _, _ = name.rpartition(".")
    _, variable = nested.schema.find(unit, name) if owner else (unit, nested.schema[unit].variable(name))
    return _codes(column(nested, unit, name), variable)


def _codes(values: pl.Series, variable: Coded | Text) -> Codes:
    if isinstance(variable, Category):
        return _numbered(values.cast(pl.String).fill_null("").to_numpy())
    numbers = values.cast(pl.Float64).fill_null(0.0).to_numpy()
    if len(np.unique(numbers)) > BINS:
        edges = np.unique(np.quantile(numbers, np.linspace(0, 1, BINS + 1)[1:-1]))
        return np.searchsorted(edges, numbers, side="right").astype(np.int64)
    return _numbered(numbers)


def _numbered(values: NDArray[np.generic]) -> Codes:
    return np.asarray(np.unique(values, return_inverse=True)[1], dtype=np.int64)


def _joined(columns: Sequence[Codes]) -> Codes:
    """Number the combinations of columns."""
    found = np.zeros(len(columns[0]), dtype=np.int64)
    for own in columns:
        found = _numbered(found * (int(own.max(initial=0)) + 1) + own)
    return found


def _information(one: Codes, other: Codes) -> float:
    """Mutual information in nats, less what chance alone would show (Miller 1955)."""
    rows, columns = int(one.max(initial=0)) + 1, int(other.max(initial=0)) + 1
    cells, counts = np.unique(one * columns + other, return_counts=True)
    n = len(one)
    first, second = np.bincount(one, minlength=rows), np.bincount(other, minlength=columns)
    expected = first[cells // columns] * second[cells % columns] / n
    chance = (np.count_nonzero(first) - 1) * (np.count_nonzero(second) - 1) / (2 * n)
    return float((counts / n * np.log(counts / expected)).sum() - chance)
