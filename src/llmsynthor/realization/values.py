"""Realization: codes become values. Inside a cell, numbers follow the smooth density that the neighbouring cells imply."""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

from llmsynthor.aims.goals import Goal, Goals
from llmsynthor.aims.grid import Axis, Grid, draw_evenly, whole_or_not
from llmsynthor.realization.seconds import meet_seconds
from llmsynthor.realization.shift import shift_means
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
    frame = meet_seconds(goals, codes, frame, free)
    return _keep_rules(goals, codes, frame, rng)


def smooth_cumulative(breaks: Floats, shares: Floats) -> PchipInterpolator:
    """Interpolate the cumulative shares at the breaks, monotonically; shape (breaks,) and (breaks - 1,)."""
    cumulative = np.concatenate([[0.0], np.cumsum(shares / shares.sum())])
    return PchipInterpolator(breaks, cumulative)


def smooth_values(breaks: Floats, shares: Floats, cells: NDArray[np.int64], rng: np.random.Generator) -> Floats:
    """Draw a value inside each given cell from the smooth density, stratified over the records of the cell."""
    cumulative = smooth_cumulative(breaks, shares)
    values = np.empty(len(cells))
    for cell in np.unique(cells):
        records = np.flatnonzero(cells == cell)
        strata = (rng.permutation(len(records)) + rng.random(len(records))) / len(records)
        values[records] = _inverse(cumulative, breaks[cell], breaks[cell + 1], strata)
    return values


def _inverse(cumulative: PchipInterpolator, low: float, high: float, strata: Floats) -> Floats:
    points = np.linspace(low, high, 33)
    mass = np.maximum.accumulate(cumulative(points))
    if mass[-1] - mass[0] <= 1e-12:
        values = low + (high - low) * strata
    else:
        values = np.interp(mass[0] + (mass[-1] - mass[0]) * strata, mass, points)
    return np.asarray(np.clip(values, low, np.nextafter(high, low)))


def draw_column(
    goals: Goals, codes: Codes, position: int, rng: np.random.Generator, known: Floats | None = None
) -> pl.Series:
    """Draw the values of one column inside the cells of its codes; `known` as in `realize`."""
    axis = goals.grid.axes[position]
    if isinstance(axis.variable, Category):
        names = pl.Series(axis.name, [str(level) for level in axis.levels], dtype=pl.String)
        return names.gather(pl.Series(codes[:, position].astype(np.uint32)))
    drawn = _numbers(goals, codes, position, rng)
    values = _typed(axis, drawn if known is None else np.where(np.isnan(known), drawn, known))
    moments = [moment for moment in goals.moments if moment.axis == position]
    if not moments:
        return values
    low, high = axis.breaks[codes[:, position]], axis.breaks[codes[:, position] + 1]
    return _typed(axis, shift_means(moments, values.to_numpy().astype(np.float64), low, high, codes))


def _typed(axis: Axis, values: Floats) -> pl.Series:
    return pl.Series(axis.name, whole_or_not(axis, values))


def _numbers(goals: Goals, codes: Codes, position: int, rng: np.random.Generator) -> Floats:
    axis = goals.grid.axes[position]
    cells = codes[:, position].astype(np.int64)
    overall: Floats = np.bincount(cells, minlength=axis.size) + np.float64(1e-9)
    values = np.empty(len(cells))
    for records in _groups(goals, codes, position):
        own: Floats = np.bincount(cells[records], minlength=axis.size) + np.float64(1e-9)
        shares = own if len(records) >= FEWEST_RECORDS else overall
        values[records] = smooth_values(axis.breaks, shares, cells[records], rng)
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


def finest_table(tables: Sequence[Goal], name: str) -> Goal | None:
    """Find the table that cuts a variable into most cells; among equals the one with more columns."""
    having = [goal for goal in tables if name in goal.table.columns]
    if not having:
        return None
    return max(having, key=lambda goal: (goal.shape[goal.table.columns.index(name)], len(goal.shape)))


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
