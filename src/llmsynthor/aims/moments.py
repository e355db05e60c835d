"""Means and totals of a numeric variable, overall or by groups, as a weight that tilts the cells of the variable.

The information projection on a mean is an exponential tilt, weight exp(λ·x); λ is found in the fit beside the tables' θ.
The correction keeps every sum within reach of values moved inside their cells, and there it is made up (`shift`),
where it costs no table anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.grid import Grid
from llmsynthor.aims.projection import Projection, project_columns
from llmsynthor.spec.levels import Level
from llmsynthor.spec.schema import Numeric
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Statistic, last_digit
from llmsynthor.spec.targets import stated_population as population_of

COMPUTED_CELLS = 8
"""Values of a derived number cannot be moved: an error of its sums is weighed in so many parts of the range of its values."""

LARGEST_STEP = 3.0
"""Largest change of a tilt in one sweep, in units of one over the range of the variable."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A mean or a total on the grid. Cells are those of groups × the variable's axis, row-major; `values` (groups,).

    `cells` (groups,) name the groups, `errors` (groups,) are margins of error, zero where none are given. `lows` and `highs` are
    the least and the largest value in each cell of the axis. A total belongs to a population of `population` records, and is
    scaled to the records asked for; None says that it is meant for just those. A derived number has no axis of codes: its `axis`
    is -1, its cells are its values, and `unit` is in what an error of its sums is weighed.
    """

    target: Statistic
    axis: int
    projection: Projection
    values: Floats
    cells: tuple[tuple[Level, ...], ...]
    lows: Floats
    highs: Floats
    errors: Floats
    whole: bool
    population: float | None = None
    unit: float = 0.0

    @property
    def middles(self) -> Floats:
        return np.asarray((self.lows + self.highs) / 2)

    @property
    def width(self) -> float:
        """Typical distance of two cells: the unit in which an error of a mean is weighed."""
        if self.axis < 0:
            return self.unit
        return float(np.median(np.diff(self.middles))) if len(self.lows) > 1 else 1.0

    @property
    def groups(self) -> int:
        return len(self.values)

    @property
    def hidden(self) -> float:
        """What rounding may hide in a value."""
        return max(0.5 * last_digit(self.target.values), 1e-9)

    def precision(self, unit: Floats | float, floor: float) -> Floats:
        """How much each group's value weighs beside others: importance over squared error, measured in `unit`, `floor` at least."""
        return np.asarray(self.target.importance / ((self.errors / unit) ** 2 + floor**2))

    @property
    def is_total(self) -> bool:
        return self.target.statistic == "total"

    @property
    def room(self) -> Floats:
        """What the sum of each group may be off: half a whole number, half a step of a derived one; shape (groups,)."""
        if self.axis < 0:
            return np.full(self.groups, 0.5 * self.width + 1e-9)
        return np.full(self.groups, 0.5 + 1e-6) if self.whole else 1e-9 * np.abs(np.nan_to_num(self.values))

    def totals(self, records: float) -> Floats:
        """Wanted sums of the groups, zero for a mean: what the records' values less the mean add up to."""
        if not self.is_total:
            return np.zeros(self.groups)
        return self.values * (records / self.population if self.population else 1.0)

    def means(self, counts: Floats, records: float) -> Floats:
        """Wanted means of groups with so many records each, shape (groups,)."""
        return self.totals(records) / np.maximum(counts, 1e-9) if self.is_total else self.values


def bring_moments(spec: Spec, grid: Grid) -> tuple[Moment, ...]:
    """Collect the means and totals of the grid's unit."""
    return tuple(
        _moment(target, grid, target.base or stated_population(spec, target.unit))
        for target in spec.targets
        if isinstance(target, Statistic) and target.unit == grid.unit.name and target.statistic in ("mean", "total")
    )


def stated_population(spec: Spec, unit: str) -> float | None:
    """The number of records that the tables of counts speak of: the most important one's total, the first among equals."""
    return population_of(spec.targets, unit)


def _moment(target: Statistic, grid: Grid, population: float | None) -> Moment:
    entry, own = grid.function(target.variable), grid.axis(target.variable)
    levels = [list(dict.fromkeys(cell[k] for cell in target.cells)) for k in range(len(target.by))]
    values, errors = np.full([len(column) for column in levels], np.nan), np.zeros([len(column) for column in levels])
    margins = target.margins_of_error or (0.0,) * len(target.cells)
    for cell, value, error in zip(target.cells, target.values, margins, strict=True):
        place = tuple(column.index(level) for column, level in zip(levels, cell, strict=True))
        values[place], errors[place] = value, error
    lows, highs = own.breaks[:-1], own.breaks[1:] if entry is None else own.breaks[:-1]
    if entry is None and isinstance(own.variable, Numeric) and own.variable.integer:
        lows, highs = np.ceil(lows), np.ceil(highs) - 1
    projection = project_columns(grid, [*target.by, own.name], [*levels, own.levels], target.universe)
    return Moment(
        target=target,
        axis=grid.position(target.variable) if entry is None else -1,
        projection=projection,
        values=values.ravel(),
        cells=tuple(product(*levels)),
        lows=lows,
        highs=highs,
        errors=errors.ravel(),
        whole=isinstance(own.variable, Numeric) and own.variable.integer,
        population=population,
        unit=0.0
        if entry is None or len(lows) < 2
        else max(float(np.diff(lows).min()), float(np.ptp(lows)) / COMPUTED_CELLS),
    )


def moment_of_points(
    target: Statistic, cell: tuple[Level, ...], projection: Projection, wanted: float, points: Floats
) -> Moment:
    """The mean of a number that each cell of the projection fixes, in one group: `points` (cells,), weighed in ones."""
    return Moment(
        target=target,
        axis=-1,
        projection=projection,
        values=np.array([wanted]),
        cells=(cell,),
        lows=points,
        highs=points,
        errors=np.zeros(1),
        whole=False,
        unit=1.0,
    )


def tilt(moment: Moment, theta: Floats, counts: Floats, step: float, records: float) -> Floats:
    """Move the tilt of every group towards its mean by a damped Newton step; `theta` and `counts` per cell of the moment.

    For a mean a group keeps its weight as a whole, so that tables of the groups are not disturbed; a total may need more records
    as well as larger values.
    """
    middles = moment.middles
    table = counts.reshape(moment.groups, -1) + 1e-3
    limit = LARGEST_STEP / max(float(np.ptp(middles)), 1e-12)
    if moment.is_total:
        change = step * np.nan_to_num(moment.totals(records) - table @ middles) / np.maximum(table @ middles**2, 1e-12)
        return np.asarray(theta + np.outer(np.clip(change, -limit, limit), middles).ravel())
    mean = table @ middles / table.sum(axis=1)
    spread = table @ middles**2 / table.sum(axis=1) - mean**2
    wanted = moment.means(table.sum(axis=1), records)
    change = step * np.nan_to_num(wanted - mean) / np.maximum(spread, 1e-12)
    delta = np.outer(np.clip(change, -limit, limit), middles - middles.mean())
    mass = (table * np.exp(delta)).sum(axis=1) / table.sum(axis=1)
    return np.asarray(theta + (delta - np.log(mass)[:, None]).ravel())


class Reach(NamedTuple):
    """Which means the records can take by moving values inside their cells, as flat arrays.

    A record in a cell adds `low[cell]` to `lowest[group[cell]]` and `high[cell]` to `highest`: the ends of the cell less the
    mean. A mean is within reach while its lowest sum is not above 0 and its highest not below. For a total the ends are those
    of the cell, and the sums begin at minus the total. Group 0 is no group; `first` to `last` (not in) are the tables of the
    program that are means. `slack` (groups,) is what a sum may be out of reach: half a unit of whole numbers.
    """

    first: int
    last: int
    group: NDArray[np.int64]
    low: Floats
    high: Floats
    lowest: Floats
    highest: Floats
    penalty: Floats
    slack: Floats

    def missing(self) -> Floats:
        """How far each sum is out of reach, in widths of a cell."""
        out = np.maximum(self.lowest, 0.0) - np.minimum(self.highest, 0.0)
        return np.asarray(np.maximum(out - self.slack, 0.0) * np.sqrt(self.penalty))


def reach(
    moments: Sequence[Moment], first_table: int, first_cell: int, counts: NDArray[np.int64], records: float
) -> Reach:
    """Lay out the means behind the tables; `counts` (cells,) are the records as they are now."""
    group = np.zeros(len(counts), dtype=np.int64)
    low, high = np.zeros(len(counts)), np.zeros(len(counts))
    penalty, start, slack = [0.0], [0.0], [0.0]
    cell = first_cell
    for moment in moments:
        size, totals = len(moment.lows), moment.totals(records)
        for number, value in enumerate(moment.values):
            here = slice(cell + number * size, cell + (number + 1) * size)
            if np.isfinite(value):
                group[here] = len(penalty)
                mean = 0.0 if moment.is_total else value
                low[here], high[here] = moment.lows - mean, moment.highs - mean
                penalty.append(1.0 / moment.width**2)
                slack.append(float(moment.room[number]))
                start.append(-totals[number])
        cell += moment.projection.size
    lowest, highest = (np.bincount(group, ends * counts, len(penalty)) + np.array(start) for ends in (low, high))
    return Reach(
        first=first_table,
        last=first_table + len(moments),
        group=group,
        low=low,
        high=high,
        lowest=lowest,
        highest=highest,
        penalty=np.array(penalty),
        slack=np.array(slack),
    )
