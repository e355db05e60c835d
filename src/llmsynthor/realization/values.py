"""Realization: codes become values. Inside a cell, numbers follow the smooth density that the neighbouring cells imply."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmsynthor.aims.density import Density, smooth_density
from llmsynthor.aims.goals import Goals, finest_table
from llmsynthor.aims.grid import Axis, Grid, draw_evenly, whole_or_not
from llmsynthor.realization.pairing import pair_values
from llmsynthor.realization.seconds import meet_seconds
from llmsynthor.realization.shift import shift_means
from llmsynthor.realization.tilt import tilt_inside
from llmsynthor.records.evaluate import evaluate
from llmsynthor.spec.rules import Rule
from llmsynthor.spec.schema import Category, Numeric

FEWEST_RECORDS = 30
"""A group with fewer records has no shape of its own worth following; it takes the shape of all records."""

REDRAWS = 5_000

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]


def realize(
    goals: Goals, codes: Codes, *, rng: np.random.Generator, known: Mapping[str, Floats] | None = None
) -> pl.DataFrame:
    """Draw a value for every code; returns one column per coded variable, in the order of the unit.

    `known` holds values that records have already, NaN where they have none. A number never leaves its cell, so no table is
    spoilt. Where a rule cuts through a cell, values are drawn again until it holds. Source of the interpolation: Fritsch and
    Carlson (1980), monotone piecewise cubic.
    """
    known = known or {}
    columns = {
        axis.name: draw_column(goals, codes, k, rng, known.get(axis.name)) for k, axis in enumerate(goals.grid.axes)
    }
    frame = pl.DataFrame(columns)
    free = {name: np.isnan(values) for name, values in known.items()}
    codes, frame = pair_values(goals, codes, frame, free, rng)
    frame = meet_seconds(goals, codes, frame, free)
    kept = _keep_rules(goals, codes, frame, rng)
    return kept if kept is frame else _mend_means(goals, codes, kept)


def smooth_values(
    breaks: Floats, shares: Floats, cells: NDArray[np.int64], rng: np.random.Generator, *, integer: bool = False
) -> Floats:
    """Draw a value inside each given cell from the smooth density, stratified over the records of the cell."""
    return values_inside(smooth_density(breaks, shares, integer=integer), breaks, cells, rng)


def values_inside(density: Density, breaks: Floats, cells: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """Draw a value inside each given cell from a density, stratified over the records of the cell."""
    order = np.lexsort((rng.random(len(cells)), cells))
    first = np.flatnonzero(np.diff(cells[order], prepend=-1))
    size = np.diff(np.append(first, len(cells)))
    rank = np.arange(len(cells)) - np.repeat(first, size)
    strata = np.empty(len(cells))
    strata[order] = (rank + rng.random(len(cells))) / np.repeat(size, size)
    return density.inside(breaks[cells], breaks[cells + 1], strata)


def draw_column(
    goals: Goals, codes: Codes, position: int, rng: np.random.Generator, known: Floats | None = None
) -> pl.Series:
    """Draw the values of one column inside the cells of its codes; `known` as in `realize`."""
    axis = goals.grid.axes[position]
    if isinstance(axis.variable, Category):
        names = pl.Series(axis.name, [str(level) for level in axis.levels], dtype=pl.String)
        return names.gather(pl.Series(codes[:, position].astype(np.uint32)))
    drawn = _numbers(goals, codes, position, rng)
    moments = [moment for moment in goals.moments if moment.axis == position]
    if moments:
        free = np.ones(len(codes), dtype=bool) if known is None else np.isnan(known)
        drawn = tilt_inside(goals, position, drawn, codes, free)
    values = _typed(axis, drawn if known is None else np.where(np.isnan(known), drawn, known))
    if not moments:
        return values
    low, high = axis.breaks[codes[:, position]], axis.breaks[codes[:, position] + 1]
    return _typed(axis, shift_means(moments, values.to_numpy().astype(np.float64), low, high, codes))


def _typed(axis: Axis, values: Floats) -> pl.Series:
    return pl.Series(axis.name, whole_or_not(axis, values))


def _numbers(goals: Goals, codes: Codes, position: int, rng: np.random.Generator) -> Floats:
    axis = goals.grid.axes[position]
    cells = codes[:, position].astype(np.int64)
    integer = bool(getattr(axis.variable, "integer", False))
    breaks = np.ceil(axis.breaks) if integer else axis.breaks
    if axis.uneven or finest_table(goals.given, axis.name) is None:
        return values_inside(goals.density(position), breaks, cells, rng)
    overall: Floats = np.bincount(cells, minlength=axis.size) + np.float64(1e-9)
    values = np.empty(len(cells))
    for records in _groups(goals, codes, position):
        own: Floats = np.bincount(cells[records], minlength=axis.size) + np.float64(1e-9)
        shares = own if len(records) >= FEWEST_RECORDS else overall
        values[records] = smooth_values(breaks, shares, cells[records], rng, integer=integer)
    return values


def _groups(goals: Goals, codes: Codes, position: int) -> list[NDArray[np.int64]]:
    """Split the records by the other columns of the table that says most about the variable's shape."""
    goal = finest_table(goals.given, goals.grid.axes[position].name)
    if goal is None or len(goal.shape) == 1:
        return [np.arange(len(codes))]
    column = goal.table.columns.index(goals.grid.axes[position].name)
    cells = np.unravel_index(np.maximum(goal.projection.of(codes), 0), goal.shape)
    others = [cells[k] for k in range(len(goal.shape)) if k != column]
    group = np.ravel_multi_index(others, [size for k, size in enumerate(goal.shape) if k != column])
    order = np.argsort(group, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(group[order])) + 1) if len(codes) else []


def _keep_rules(goals: Goals, codes: Codes, frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Draw the numbers of forbidden records again, inside their cells, until every rule holds."""
    doubtful = [zeros for zeros in goals.zeros if zeros.doubtful.any()]
    rules = [zeros.rule for zeros in doubtful if zeros.rule is not None]
    first = np.flatnonzero(broken_records(frame, rules)) if doubtful and frame.height else np.zeros(0, dtype=np.int64)
    if not len(first):
        return frame
    positions = sorted({axis for zeros in doubtful for axis in zeros.projection.axes})
    numeric = [k for k in positions if isinstance(goals.grid.axes[k].variable, Numeric)]
    part, left = frame[first], np.arange(len(first))
    for _ in range(REDRAWS):
        part = _redraw(goals.grid, codes[first], part, left, numeric, rng)
        left = left[broken_records(part[left], rules)]
        if not len(left):
            break
    mended = [frame[axis.name].scatter(first, part[axis.name]) for axis in (goals.grid.axes[k] for k in numeric)]
    return frame.with_columns(mended)


def _mend_means(goals: Goals, codes: Codes, frame: pl.DataFrame) -> pl.DataFrame:
    """Make up for what rules have cost means, with records whose cells no rule cuts through: those move as they like."""
    doubtful = [zeros for zeros in goals.zeros if zeros.doubtful.any()]
    held = {number: np.zeros(len(codes), dtype=bool) for zeros in doubtful for number in zeros.projection.axes}
    for zeros in doubtful:
        for number in zeros.projection.axes:
            held[number] |= zeros.doubtful[zeros.projection.of(codes)]
    changed = []
    for position, still in sorted(held.items()):
        axis = goals.grid.axes[position]
        moments = [moment for moment in goals.moments if moment.axis == position]
        if moments and not still.all():
            values = frame[axis.name].to_numpy().astype(np.float64)
            low, high = axis.breaks[codes[:, position]], axis.breaks[codes[:, position] + 1]
            least = 1.0 if frame[axis.name].dtype.is_integer() else 1e-9 * (axis.breaks[-1] - axis.breaks[0])
            ends = np.where(still, values, low), np.where(still, values + least, high)
            moved = shift_means(moments, values, *ends, codes)
            changed.append(_typed(axis, np.where(still, values, moved)))
    return frame.with_columns(changed)


def broken_records(frame: pl.DataFrame, rules: Sequence[Rule]) -> NDArray[np.bool_]:
    """Say which records break a rule, shape (records,)."""
    broken = np.zeros(frame.height, dtype=bool)
    for rule in rules:
        broken |= evaluate(rule.forbid, frame).fill_null(value=False).to_numpy()
    return broken


def _redraw(
    grid: Grid,
    codes: Codes,
    frame: pl.DataFrame,
    records: NDArray[np.int64],
    positions: Sequence[int],
    rng: np.random.Generator,
) -> pl.DataFrame:
    changed = [
        frame[grid.axes[k].name].scatter(records, draw_evenly(grid.axes[k], codes[records, k], rng)) for k in positions
    ]
    return frame.with_columns(changed)
