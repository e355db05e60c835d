"""Standard deviations and correlations as targets: means of squares and products of codes' values about their means.

With the mean m known, a deviation d says that (x - m)² has the mean d²; with deviations known too, a correlation r says that
(x - m)(y - n) has the mean r · d · e. Each is a mean of a number that every cell fixes, up to how values lie inside it: it enters
the fit as a tilt and the correction as a sum to keep, and values are moved inside their cells at the end (`realization/seconds`).
What the spec does not give of means and deviations is taken from its tables, or from the law of largest entropy (`laws`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.grid import Axis, Grid, project_columns
from llmsynthor.aims.laws import law_shares
from llmsynthor.aims.moments import Moment, moment_of_points
from llmsynthor.aims.uses import Uses
from llmsynthor.spec.levels import Interval, Level
from llmsynthor.spec.schema import Numeric
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Statistic, Table

Floats = NDArray[np.float64]

LARGEST_PRODUCT = 100_000
"""Joint cells of two numbers and the groups of a correlation that are told apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Centre:
    """About what a variable's values are reckoned: their mean and deviation, as far as they are known beforehand."""

    mean: float
    deviation: float


def bring_seconds(spec: Spec, grid: Grid, uses: Uses) -> tuple[Moment, ...]:
    """Collect the deviations and correlations of the grid's unit, a moment for each group."""
    return tuple(
        moment
        for target in spec.targets
        if isinstance(target, Statistic) and target.unit == grid.unit.name
        if target.statistic in ("deviation", "correlation")
        for moment in _of_groups(target, spec, grid, uses)
    )


def _of_groups(target: Statistic, spec: Spec, grid: Grid, uses: Uses) -> Iterator[Moment]:
    for cell, value in zip(target.cells, target.values, strict=True):
        names = target.variables
        axes = [grid.axis(name) for name in names]
        if target.other and np.prod([axis.size for axis in axes], dtype=float) > LARGEST_PRODUCT:
            continue
        levels: list[Sequence[Level]] = [*([level] for level in cell), *(axis.levels for axis in axes)]
        projection = project_columns(grid, [*target.by, *names], levels, target.universe)
        places, inside = [middles(axis, grid) for axis in axes], inner_variance(axes[0], grid)
        centres = [centre_of(axis, target, cell, spec, grid, uses) for axis in axes]
        if target.other:
            scaled = [(at - c.mean) / max(c.deviation, 1e-12) for at, c in zip(places, centres, strict=True)]
            points, wanted = np.outer(*scaled).ravel(), value
        else:
            variance = max(value, 1e-12) ** 2
            points = ((places[0] - centres[0].mean) ** 2 + inside) / variance
            wanted = 1.0
        yield moment_of_points(target, cell, projection, wanted, points)
        for axis, centre in zip(axes, centres, strict=True) if target.other else ():
            if _is_unsaid(axis.name, target, cell, spec, grid):
                yield _deviation(axis, centre, target, cell, grid)


def _is_unsaid(name: str, target: Statistic, cell: Sequence[Level], spec: Spec, grid: Grid) -> bool:
    """Whether nothing says how far a variable of a correlation deviates: then it must not grow, or the correlation falls."""
    if grid.function(name) is not None or _stated("deviation", name, target, cell, spec) is not None:
        return False
    if _mixed(name, target, cell, spec) is not None:
        return False
    return all(not isinstance(t, Table) or t.unit != target.unit or name not in t.columns for t in spec.targets)


def _deviation(axis: Axis, centre: Centre, target: Statistic, cell: Sequence[Level], grid: Grid) -> Moment:
    """The deviation that the law of largest entropy has, as if it were stated."""
    levels: list[Sequence[Level]] = [*([level] for level in cell), axis.levels]
    projection = project_columns(grid, [*target.by, axis.name], levels, target.universe)
    points = ((middles(axis, grid) - centre.mean) ** 2 + inner_variance(axis, grid)) / max(centre.deviation, 1e-12) ** 2
    own = replace(
        target,
        name=f"deviation of {axis.name} for {target.name}",
        statistic="deviation",
        variable=axis.name,
        other="",
        cells=(cell,),
        values=(centre.deviation,),
        margins_of_error=None,
    )
    return moment_of_points(own, cell, projection, 1.0, points)


def ends_of(axis: Axis, grid: Grid) -> tuple[Floats, Floats]:
    """Least and largest value of each cell, both shape (cells,)."""
    lows, highs = axis.breaks[:-1], axis.breaks[1:]
    if grid.function(axis.name) is not None:
        return lows, lows
    if isinstance(axis.variable, Numeric) and axis.variable.integer:
        return np.ceil(lows), np.ceil(highs) - 1
    return lows, highs


def middles(axis: Axis, grid: Grid) -> Floats:
    """Middle of the values of each cell."""
    low, high = ends_of(axis, grid)
    return np.asarray((low + high) / 2)


def inner_variance(axis: Axis, grid: Grid) -> Floats:
    """Variance of values that lie evenly in a cell."""
    low, high = ends_of(axis, grid)
    whole = isinstance(axis.variable, Numeric) and axis.variable.integer and grid.function(axis.name) is None
    return np.asarray(((high - low + 1) ** 2 - 1) / 12 if whole else (high - low) ** 2 / 12)


def centre_of(axis: Axis, target: Statistic, cell: Sequence[Level], spec: Spec, grid: Grid, uses: Uses) -> Centre:
    """Mean and deviation of a variable in a group: as given there, else as the tables have them."""
    name = axis.name
    at, inside = middles(axis, grid), inner_variance(axis, grid)
    stated, deviation = (_stated(kind, name, target, cell, spec) for kind in ("mean", "deviation"))
    mixed = _mixed(name, target, cell, spec) if stated is None or deviation is None else None
    mean = mixed.mean if stated is None and mixed is not None else stated
    deviation = mixed.deviation if deviation is None and mixed is not None else deviation
    shares = _shares(name, target, cell, spec, axis)
    if shares is None and grid.function(name) is not None:
        shares = np.full(axis.size, 1.0 / axis.size)
    elif shares is None:
        shares = law_shares(uses[grid.unit.name, name], axis.breaks, stated)
    spread = float(np.sqrt(shares @ ((at - shares @ at) ** 2 + inside)))
    return Centre(
        mean=float(shares @ at) if mean is None else mean, deviation=spread if deviation is None else deviation
    )


def _mixed(name: str, target: Statistic, cell: Sequence[Level], spec: Spec) -> Centre | None:
    """What deviations and means by finer groups say of all of them together, by the shares that tables give the groups."""
    finer = [
        t
        for t in spec.targets
        if isinstance(t, Statistic) and (t.statistic, t.variable, t.unit) == ("deviation", name, target.unit)
        if set(t.by) > set(target.by) and t.universe is None and target.universe is None
    ]
    wanted = dict(zip(target.by, cell, strict=True))
    for other in finer:
        found = []
        for levels, deviation in zip(other.cells, other.values, strict=True):
            group = dict(zip(other.by, levels, strict=True))
            mean = _stated("mean", name, other, levels, spec)
            if mean is not None and all(group[key] == level for key, level in wanted.items()):
                found.append((_size(group, target.unit, spec), mean, deviation))
        if found:
            weight, means, deviations = np.array(found).T
            weight = weight / weight.sum() if weight.sum() > 0 else np.full(len(weight), 1 / len(weight))
            mean = float(weight @ means)
            return Centre(mean=mean, deviation=float(np.sqrt(weight @ (deviations**2 + (means - mean) ** 2))))
    return None


def _size(group: Mapping[str, Level], unit: str, spec: Spec) -> float:
    """Share of a group by the first table that has its columns; alike where there is none."""
    for table in spec.targets:
        if (
            isinstance(table, Table)
            and table.unit == unit
            and table.universe is None
            and set(group) <= set(table.columns)
        ):
            rows = (dict(zip(table.columns, levels, strict=True)) for levels in table.cells)
            inside = [all(_within(row[key], level) for key, level in group.items()) for row in rows]
            return float(np.array(table.values) @ inside / sum(table.values))
    return 0.0


def _stated(kind: str, name: str, target: Statistic, cell: Sequence[Level], spec: Spec) -> float | None:
    """What a target of the same group says."""
    wanted = dict(zip(target.by, cell, strict=True))
    for other in spec.targets:
        if not isinstance(other, Statistic) or (other.statistic, other.variable, other.unit) != (
            kind,
            name,
            target.unit,
        ):
            continue
        if str(other.universe or "") != str(target.universe or ""):
            continue
        for levels, value in zip(other.cells, other.values, strict=True):
            if dict(zip(other.by, levels, strict=True)) == wanted:
                return value
    return None


def _shares(name: str, target: Statistic, cell: Sequence[Level], spec: Spec, axis: Axis) -> Floats | None:
    """Shares of a variable's cells in a group: from the table with most of the group's columns, spread evenly inside its cells.

    None where no table has the variable.
    """
    wanted = dict(zip(target.by, cell, strict=True))
    tables = [
        t
        for t in spec.targets
        if isinstance(t, Table) and t.unit == target.unit and name in t.columns and t.trust >= 1
        if t.universe is None or str(t.universe) == str(target.universe or "")
    ]
    width = np.diff(axis.breaks)
    best = max(tables, key=lambda t: (len(set(t.columns) & set(target.by)), len(t.cells)), default=None)
    shares = np.zeros(axis.size)
    if best is not None:
        place = best.columns.index(name)
        for levels, value in zip(best.cells, best.values, strict=True):
            own = dict(zip(best.columns, levels, strict=True))
            if all(_within(own[other], level) for other, level in wanted.items() if other in own and other != name):
                level = levels[place]
                assert isinstance(level, Interval)
                inside = (axis.breaks[:-1] >= level.low) & (axis.breaks[1:] <= level.high)
                shares[inside] += max(value, 0.0) * width[inside] / max(width[inside].sum(), 1e-300)
    return np.asarray(shares / shares.sum()) if shares.sum() > 0 else None


def _within(level: Level, other: Level) -> bool:
    return level == other or (isinstance(level, Interval) and isinstance(other, Interval) and other.holds(level))
