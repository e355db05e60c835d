"""Values moved inside their cells until deviations and correlations hold: there it costs no table anything.

Means, totals and the sums of the groups are kept at the same time. A deviation and a correlation are made linear about the
values as they are, solved for by steps that no value leaves its cell with, and made linear again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmsynthor.aims.goals import Goals
from llmsynthor.aims.grid import whole_or_not
from llmsynthor.aims.moments import Moment
from llmsynthor.aims.seconds import UNSAID
from llmsynthor.realization.shift import shift_means

ROUNDS, STEPS = 12, 25
CLOSE = 1e-10
LARGEST_SHARE = 0.8
"""A step takes a value at most so far towards the nearer end of its cell."""

MARGIN = 0.02
"""This part of a cell at its ends is left alone: what cells cannot give does not press all their values against them."""

MOST_ROWS = 400
"""Sums that are kept at a time; where there are more, deviations and correlations stay as the fit has them."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A sum of the values of some records, each times its weight, and what it is to become."""

    records: NDArray[np.int64]
    weights: Floats
    wanted: float


def meet_seconds(
    goals: Goals, codes: NDArray[np.int32], frame: pl.DataFrame, free: Mapping[str, NDArray[np.bool_]]
) -> pl.DataFrame:
    """Move values of variables that have deviations or correlations, as far as cells allow; of those named only `free` ones."""
    said = [moment for moment in goals.moments if moment.target.source != UNSAID]
    seconds = [moment for moment in said if moment.target.statistic in ("deviation", "correlation")]
    for position, axis in enumerate(goals.grid.axes):
        own = [moment for moment in seconds if axis.name == (moment.target.other or moment.target.variable)]
        means = [moment for moment in goals.moments if moment.axis == position]
        if not own or sum(moment.groups for moment in (*own, *means)) > MOST_ROWS:
            continue
        breaks = axis.breaks
        low, high = breaks[codes[:, position]], breaks[codes[:, position] + 1]
        values = frame[axis.name].to_numpy().astype(np.float64)
        whole = frame[axis.name].dtype.is_integer()
        moved = _meet(own, means, values + (0.5 if whole else 0.0), (low, high), codes, frame, free.get(axis.name))
        moved = np.clip(np.floor(moved) if whole else moved, low, np.nextafter(high, low))
        if means:
            moved = shift_means(means, moved, low, high, codes)
        frame = frame.with_columns(pl.Series(axis.name, whole_or_not(axis, moved)))
    return frame


def _meet(
    seconds: Sequence[Moment],
    means: Sequence[Moment],
    values: Floats,
    ends: tuple[Floats, Floats],
    codes: NDArray[np.int32],
    frame: pl.DataFrame,
    free: NDArray[np.bool_] | None,
) -> Floats:
    groups = [(moment, np.flatnonzero(moment.projection.of(codes) >= 0)) for moment in seconds]
    kept = [_kept(records, values) for _, records in groups if len(records)]
    for moment in means:
        cells = moment.projection.of(codes)
        group = np.where(cells >= 0, cells // len(moment.lows), -1)
        kept += [_kept(np.flatnonzero(group == number), values) for number in range(moment.groups)]
    low, high = ends
    for _ in range(ROUNDS):
        rows = [row for moment, records in groups if (row := _row(moment, records, values, frame)) is not None]
        off = [abs(float(row.weights @ values[row.records]) - row.wanted) / max(len(row.records), 1) for row in rows]
        if not rows or max(off) < CLOSE:
            break
        values = _step([*rows, *kept], values, low, high, free)
    return values


def _kept(records: NDArray[np.int64], values: Floats) -> _Row:
    return _Row(records=records, weights=np.ones(len(records)), wanted=float(values[records].sum()))


def _row(moment: Moment, records: NDArray[np.int64], values: Floats, frame: pl.DataFrame) -> _Row | None:
    """A deviation or correlation, linear about the values as they are."""
    target = moment.target
    wanted = target.values[target.cells.index(moment.cells[0])]
    own = values[records]
    if len(own) < 2 or own.std() <= 0:
        return None
    apart = own - own.mean()
    if target.statistic == "deviation":
        weights = apart / own.std()  # the deviation's own gradient, times the number of records
        return _Row(records=records, weights=weights, wanted=float(weights @ own) + len(own) * (wanted - own.std()))
    other = frame[target.variable].to_numpy().astype(np.float64)[records]
    if other.std() <= 0:
        return None
    across = (other - other.mean()) / other.std()
    now = float(np.mean(across * apart) / own.std())
    weights = (across - now * apart / own.std()) / own.std()
    return _Row(records=records, weights=weights, wanted=float(weights @ own) + len(own) * (wanted - now))


def _step(rows: Sequence[_Row], values: Floats, low: Floats, high: Floats, free: NDArray[np.bool_] | None) -> Floats:
    """Move values towards the wanted sums, each in proportion to the room that it has."""
    matrix = np.zeros((len(rows), len(values)))
    for number, row in enumerate(rows):
        matrix[number, row.records] = row.weights
    wanted = np.array([row.wanted for row in rows])
    for _ in range(STEPS):
        room = np.maximum(np.minimum(values - low, high - values) - MARGIN * (high - low), 0.0)
        room = room if free is None else np.where(free, room, 0.0)
        gap = wanted - matrix @ values
        if np.abs(gap).max() < CLOSE * len(values):
            break
        normal = (matrix * room) @ matrix.T
        size = float(np.trace(normal)) / len(rows)
        if size < CLOSE * len(values):
            break  # no value has room left
        normal[np.diag_indices(len(rows))] += 1e-9 * size
        pull = np.linalg.lstsq(normal, gap, rcond=1e-12)[0] @ matrix
        values = values + room * np.clip(pull, -LARGEST_SHARE, LARGEST_SHARE)
    return values
