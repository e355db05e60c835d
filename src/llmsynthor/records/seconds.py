"""Standard deviations and correlations of records, summed block after block."""

import numpy as np
from numpy.typing import NDArray

from llmsynthor.records.linked import Nested, column
from llmsynthor.spec.schema import Numeric, Schema
from llmsynthor.spec.targets import Statistic

Floats = NDArray[np.float64]

SUMS = 6
"""What is summed in each cell: records, x, y, x², y², xy."""


def power_sums(nested: Nested, target: Statistic, cells: NDArray[np.int64]) -> Floats:
    """Sums of powers of the target's variables in each cell, about the middle of their ranges: shape (cells of target, 6).

    A record in no cell (-1), or without one of the values, is left out. Of a deviation y is x.
    """
    names = (target.variable, target.other or target.variable)
    x, y = (_centred(nested, target.unit, name) for name in names)
    inside = (cells >= 0) & ~np.isnan(x) & ~np.isnan(y)
    x, y, own = x[inside], y[inside], cells[inside]
    parts = (np.ones(len(x)), x, y, x * x, y * y, x * y)
    return np.stack([np.bincount(own, weights=part, minlength=len(target.cells)) for part in parts], axis=1)


def _centred(nested: Nested, unit: str, name: str) -> Floats:
    values = column(nested, unit, name).cast(float).fill_null(float("nan")).to_numpy()
    return np.asarray(values - middle(nested.schema, unit, name))


def middle(schema: Schema, unit: str, name: str) -> float:
    """The middle of a variable's range."""
    _, variable = schema.find(unit, name)
    assert isinstance(variable, Numeric)
    return (variable.range.low + variable.range.high) / 2


def second_moment(target: Statistic, sums: Floats) -> Floats:
    """The deviation (of all records, not of a sample) or the correlation of each cell; NaN where there is none.

    >>> about = dict(name="", unit="", cells=((),), values=(1.0,), by=(), variable="x")
    >>> second_moment(Statistic(statistic="deviation", **about), np.array([[2, 0, 0, 2, 2, 2.0]]))
    array([1.])
    """
    records = np.where(sums[:, 0] > 0, sums[:, 0], np.nan)
    x, y, xx, yy, xy = (sums[:, k] / records for k in range(1, SUMS))
    spread_x, spread_y = (np.sqrt(np.maximum(square - mean**2, 0.0)) for square, mean in ((xx, x), (yy, y)))
    if target.statistic == "deviation":
        return np.asarray(spread_x)
    both = spread_x * spread_y
    return np.asarray((xy - x * y) / np.where(both > 0, both, np.nan))


def second_rounding(target: Statistic, counts: Floats) -> Floats:
    """What a deviation or correlation of so many records may be off with half a typical record's square or product."""
    records = np.maximum(counts, 1.0)
    if target.statistic == "deviation":
        return np.asarray(0.25 * np.abs(target.values) / records)
    return np.asarray(0.5 / records)
