"""Means and totals of a numeric variable, overall or by groups, as a weight that tilts the cells of the variable.

The information projection on a mean is an exponential tilt, weight exp(λ·x); λ is found in the fit beside the tables' θ.
The correction keeps every sum within reach of values moved inside their cells, and there it is made up (`shift`),
where it costs no table anything.
"""

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.grid import Axis, Grid, Projection, project_columns
from llmsynthor.aims.laws import (
    base_density,
    expected_laws,
    fixed_shares,
    law_with_mean,
    table_shares,
)
from llmsynthor.aims.uses import Use, Uses
from llmsynthor.spec.levels import Level
from llmsynthor.spec.schema import Numeric
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Statistic

SMALLEST = -600.0
"""Smallest log-weight: exp of it is a number."""

COMPUTED_CELLS = 8
"""Values of a derived number cannot be moved: an error of its sums is weighed in so many parts of the range of its values."""

NEAR = 0.05
"""Where no table says what the cells of a number hold, records go to cells until its mean holds with values in this part of
the cells around their centres; the rest is moved inside them."""

SHARED = 0.02
"""The same where sums of a number move others with it, such as those of what is derived from it: all must be within reach."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A mean or a total on the grid. Cells are those of groups × the variable's axis, row-major; `values` (groups,).

    `cells` (groups,) name the groups, `errors` (groups,) are margins of error, zero where none are given. `lows` and `highs` are
    the least and the largest value in each cell of the axis, `centres` the mean of the values expected there, `base` what it holds
    by the base density; the tilt leaves each `segment` of cells what it holds. `start` (groups × cells,) are log-weights under
    which the groups have about their means. `near` is the part of the cells around their centres with which the mean must be
    within reach. `sized` says that the numbers of the groups' records are known, and with them the means `expected`. A total
    belongs to a population of `population` records, and is scaled to the records asked for; None says that it is meant for just
    those. A derived number has no axis of codes: its `axis` is -1, its cells are its values, and `unit` is in what an error of
    its sums is weighed; a parent's number has neither, but its cells have ends.
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
    centres: Floats
    start: Floats
    base: Floats
    segment: NDArray[np.int64]
    near: float = 1.0
    sized: bool = True
    expected: Floats | None = None
    population: float | None = None
    unit: float = 0.0

    @property
    def widths(self) -> Floats:
        """Typical distance of two cells where each group's records lie, shape (groups,): the unit in which its error is weighed."""
        if self.axis < 0:
            return np.full(self.groups, self.unit)
        if len(self.lows) < 2:
            return np.ones(self.groups)
        apart = np.diff(self.centres)
        if not self.start.any():
            return np.full(self.groups, float(np.median(apart)))
        own = np.maximum(np.append(apart, apart[-1]), np.insert(apart, 0, apart[0]))
        held = np.exp(self.start.reshape(self.groups, -1)) * self.base
        return np.asarray(held @ own / held.sum(axis=1))

    @property
    def ends(self) -> tuple[Floats, Floats]:
        """Least and largest value of each cell that the walk of records from cell to cell may count on, both shape (cells,)."""
        low, high = (self.centres + self.near * (ends - self.centres) for ends in (self.lows, self.highs))
        return low, high

    @property
    def groups(self) -> int:
        return len(self.values)

    @property
    def hidden(self) -> float:
        """What rounding may hide in a value."""
        return max(0.5 * self.target.resolution, 1e-9)

    def precision(self, unit: Floats | float, floor: float) -> Floats:
        """How much each group's value weighs beside others: importance over squared error, measured in `unit`, `floor` at least."""
        return np.asarray(self.target.importance / ((self.errors / unit) ** 2 + floor**2))

    @property
    def aims(self) -> Floats:
        """What the values of each group's records are compared with: the mean, zero for a total of nobody knows how many."""
        if not self.is_total:
            return self.values
        return self.expected if self.sized and self.axis >= 0 and self.expected is not None else np.zeros(self.groups)

    @property
    def is_total(self) -> bool:
        return self.target.statistic == "total"

    @property
    def room(self) -> Floats:
        """What the sum of each group may be out of reach, shape (groups,): half a whole number, half a step of a derived one.

        Where records go from cell to cell as they like, it is half of what one of them changes.
        """
        if self.axis < 0:
            return np.full(self.groups, 0.5 * self.unit + 1e-9)
        least = np.full(self.groups, 0.5 + 1e-6) if self.whole else 1e-9 * np.abs(np.nan_to_num(self.values))
        return least if self.near >= 1 else np.maximum(least, 0.5 * self.widths)

    def totals(self, records: float) -> Floats:
        """Wanted sums of the groups, zero for a mean: what the records' values less the mean add up to."""
        if not self.is_total:
            return np.zeros(self.groups)
        return self.values * (records / self.population if self.population else 1.0)

    def means(self, counts: Floats, records: float) -> Floats:
        """Wanted means of groups with so many records each, shape (groups,)."""
        return self.totals(records) / np.maximum(counts, 1e-9) if self.is_total else self.values


def bring_moments(spec: Spec, grid: Grid, uses: Uses) -> tuple[Moment, ...]:
    """Collect the means and totals of the grid's unit."""
    return tuple(
        _moment(target, grid, uses)
        for target in spec.targets
        if isinstance(target, Statistic) and target.unit == grid.unit.name and target.statistic in ("mean", "total")
    )


def _moment(target: Statistic, grid: Grid, uses: Uses) -> Moment:
    use = uses[grid.unit.name, target.variable]
    entry, own = grid.function(target.variable), grid.axis(target.variable)
    assert isinstance(own.variable, Numeric)
    stated = stated_groups(target, uses)
    lows, highs = own.breaks[:-1], own.breaks[1:] if entry is None else own.breaks[:-1]
    if entry is None and own.variable.integer:
        lows, highs = np.ceil(lows), np.ceil(highs) - 1
    size = len(stated.values)
    law = law_of(own, use, target, stated.expected) if entry is None else unknown_law(lows, size)
    projection = project_columns(grid, [*target.by, own.name], [*stated.levels, own.levels], target.universe)
    sized = not np.isnan(stated.expected[~np.isnan(stated.values)]).any()
    return Moment(
        target=target,
        axis=grid.position(target.variable) if entry is None else -1,
        projection=projection,
        values=stated.values,
        cells=stated.cells,
        lows=lows,
        highs=highs,
        errors=stated.errors,
        whole=own.variable.integer,
        near=NEAR if entry is None and sized and not is_tabled(use) else 1.0,
        sized=sized,
        expected=stated.expected,
        population=target.base or uses.populations[target.unit],
        unit=0.0
        if entry is None or len(lows) < 2
        else max(float(np.diff(lows).min()), float(np.ptp(lows)) / COMPUTED_CELLS),
        **law,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stated:
    """What a mean or total states, in the row-major order of its groups: `levels` of its columns, `cells` (groups,) of them.

    `values` (groups,) are NaN where nothing is stated, `errors` margins of error, `expected` the means that are asked for.
    """

    levels: tuple[tuple[Level, ...], ...]
    cells: tuple[tuple[Level, ...], ...]
    values: Floats
    errors: Floats
    expected: Floats


def stated_groups(target: Statistic, uses: Uses) -> Stated:
    """Put the values of a mean or total in the order of its groups."""
    levels = tuple(tuple(dict.fromkeys(cell[k] for cell in target.cells)) for k in range(len(target.by)))
    values, errors = np.full([len(column) for column in levels], np.nan), np.zeros([len(column) for column in levels])
    expected = values.copy()
    margins = target.margins_of_error or (0.0,) * len(target.cells)
    for cell, value, error, mean in zip(target.cells, target.values, margins, uses.asked[target], strict=True):
        place = tuple(column.index(level) for column, level in zip(levels, cell, strict=True))
        values[place], errors[place], expected[place] = value, error, mean
    return Stated(
        levels=levels,
        cells=tuple(product(*levels)),
        values=values.ravel(),
        errors=errors.ravel(),
        expected=expected.ravel(),
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
        **unknown_law(points, 1),
    )


def is_overall(target: Statistic) -> bool:
    return not target.by and target.universe is None


def is_tabled(use: Use) -> bool:
    return table_shares(use) is not None


def centres_of(axis: Axis, use: Use, *, overall: bool = False) -> Floats:
    """Mean of the values expected in each cell, over all that means say of the variable.

    Where a table fixes how all records lie, the mean of all (`overall`) is reckoned with the law of all: what a part's mean asks
    for would put other values into wide cells, and the few narrow ones of a tail would have to make up for it.
    """
    laws = expected_laws(use, overall=overall and is_tabled(use))
    held = np.stack([np.maximum(law.held(axis.breaks), 1e-12) for law in laws])
    centres = np.stack([law.centres(axis.breaks, whole=use.integer) for law in laws])
    return np.asarray((held * centres).sum(axis=0) / held.sum(axis=0))


def law_of(axis: Axis, use: Use, target: Statistic, means: Floats) -> dict[str, Any]:
    """Base, segments and first log-weights of a moment; zero where a table says how the groups' records lie.

    Where a table fixes what cells of all records hold, a mean of all records moves them inside those alone. A quantile has weights
    of its own: beside a deviation, only the fit tells what it needs.
    """
    variable = use.number
    base, fixed = base_density(use), None
    if is_overall(target) and is_tabled(use):
        base, fixed = fixed_shares(use)
    held = np.maximum(base.held(axis.breaks), 1e-300)
    logs = np.zeros((len(means), axis.size))
    if not is_tabled(use):
        for group, mean in enumerate(means):
            if variable.range.low < mean < variable.range.high:
                law = law_with_mean(variable, base, float(mean), fixed)
                logs[group] = np.log(np.maximum(law.held(axis.breaks), 1e-300) / held)
    segment = np.zeros(axis.size, dtype=np.int64)
    if fixed is not None:
        segment = np.clip(np.searchsorted(fixed.breaks, axis.breaks[:-1], side="right") - 1, 0, len(fixed.shares) - 1)
    return {
        "centres": centres_of(axis, use, overall=is_overall(target)),
        "base": held,
        "segment": segment,
        "start": np.maximum(logs, SMALLEST).ravel(),
    }


def unknown_law(points: Floats, groups: int) -> dict[str, Any]:
    """The same of a derived number: how many records have each of its values follows from others."""
    size = len(points)
    return {
        "centres": points,
        "base": np.full(size, 1.0 / size),
        "segment": np.zeros(size, dtype=np.int64),
        "start": np.zeros(groups * size),
    }
