"""Means: a numeric variable's mean, overall or by groups, as a weight that tilts the cells of the variable.

The information projection on a mean is an exponential tilt, weight exp(λ·x); λ is found in the fit beside the tables' θ.
What is left after the tables are met exactly is made up inside the cells, where it costs no table anything (`shift_means`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmsynthor.spec.schema import Numeric
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Statistic
from llmsynthor.synthesis.grid import Grid
from llmsynthor.synthesis.projection import Projection, project_columns

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A mean on the grid. Cells are those of groups × the variable's axis, row-major; `means` has an entry per group."""

    target: Statistic
    axis: int
    projection: Projection
    middles: Floats
    means: Floats

    @property
    def groups(self) -> int:
        return len(self.means)

    def current(self, counts: Floats) -> Floats:
        """Means of the groups when every record lies in the middle of its cell; NaN for an empty group."""
        table = counts.reshape(self.groups, -1)
        with np.errstate(invalid="ignore"):
            return np.asarray(table @ self.middles / table.sum(axis=1))


def bring_moments(spec: Spec, grid: Grid) -> tuple[Moment, ...]:
    """Collect the means of the grid's unit."""
    means = [t for t in spec.targets if t.unit == grid.unit.name and isinstance(t, Statistic) and t.statistic == "mean"]
    return tuple(_moment(target, grid) for target in means)


def _moment(target: Statistic, grid: Grid) -> Moment:
    axis = grid.position(target.variable)
    levels = [list(dict.fromkeys(cell[k] for cell in target.cells)) for k in range(len(target.by))]
    shape = [len(column) for column in levels]
    means = np.full(shape, np.nan) if shape else np.array(target.values[0])
    for cell, value in zip(target.cells, target.values, strict=True):
        if shape:
            means[tuple(column.index(level) for column, level in zip(levels, cell, strict=True))] = value
    own = grid.axes[axis]
    projection = project_columns(grid, [*target.by, own.name], [*levels, own.levels], target.universe)
    middles = (own.breaks[:-1] + own.breaks[1:]) / 2
    if isinstance(own.variable, Numeric) and own.variable.integer:
        middles = (np.ceil(own.breaks[:-1]) + np.ceil(own.breaks[1:]) - 1) / 2
    return Moment(target=target, axis=axis, projection=projection, middles=middles, means=np.atleast_1d(means).ravel())


def tilt(moment: Moment, theta: Floats, counts: Floats, step: float) -> Floats:
    """Move the tilt of every group towards its mean by a damped Newton step; `theta` and `counts` per cell of the moment."""
    table = counts.reshape(moment.groups, -1) + 1e-3
    mean = table @ moment.middles / table.sum(axis=1)
    spread = table @ moment.middles**2 / table.sum(axis=1) - mean**2
    change = step * np.nan_to_num(moment.means - mean) / np.maximum(spread, 1e-12)
    limit = 3.0 / max(float(np.ptp(moment.middles)), 1e-12)
    centred = moment.middles - moment.middles.mean()
    return np.asarray(theta + np.outer(np.clip(change, -limit, limit), centred).ravel())


def shift_means(
    moments: Sequence[Moment], values: Floats, low: Floats, high: Floats, codes: NDArray[np.int32]
) -> Floats:
    """Move values inside their cells [low, high) until the means of one variable hold, as far as the cells allow.

    All moments are of the same variable; shape of values, low, high (records,).
    """
    for moment in moments:
        cells = moment.projection.of(codes)
        group = np.where(cells >= 0, cells // len(moment.middles), -1)
        for number, mean in enumerate(moment.means):
            records = np.flatnonzero(group == number)
            if len(records) and np.isfinite(mean):
                integer = bool(np.all(values == np.floor(values)) and np.all(low == np.floor(low)))
                move = _shift_integers if integer else _shift_numbers
                values[records] = move(values[records], low[records], high[records], mean)
    return values


def _shift_numbers(values: Floats, low: Floats, high: Floats, mean: float) -> Floats:
    place = np.clip((values - low) / (high - low), 1e-9, 1 - 1e-9)
    few, many = -12.0, 12.0
    for _ in range(80):
        power = (few + many) / 2
        moved = low + (high - low) * place ** np.exp(power)
        few, many = (power, many) if moved.mean() > mean else (few, power)
    return np.asarray(np.clip(moved, low, np.nextafter(high, low)))


def _shift_integers(values: Floats, low: Floats, high: Floats, mean: float) -> Floats:
    missing = round(mean * len(values) - values.sum())
    step = 1 if missing > 0 else -1
    moved = values.copy()
    while missing != 0:
        room = (moved + 1 <= high - 1) if step > 0 else (moved - 1 >= low)
        candidates = np.flatnonzero(room)[: abs(missing)]
        if not len(candidates):
            break
        moved[candidates] += step
        missing -= step * len(candidates)
    return moved
