"""Quantiles: the grid is cut at the value, and each group's records are shared out below and above it.

A share p of the records lies below the value. Where an integer can be the value itself, at most p lie below and at most 1 − p
above: the records on the spot may count to either side.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.cuts import breaks_at, intervals_between, quantile_cuts
from llmsynthor.aims.grid import Axis, Grid, Projection, project_columns
from llmsynthor.spec.levels import Interval, Level
from llmsynthor.spec.schema import Numeric
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Statistic

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantileGoal:
    """A quantile on the grid. Every group has three cells: below the value, on it (integers only), above it.

    `shares` (groups × 3,) are those within a group; how many records a group has is no concern of a quantile.
    """

    target: Statistic
    projection: Projection
    shares: Floats
    on_spot: tuple[bool, ...]

    @property
    def trust(self) -> float:
        return 1.0

    @property
    def weights(self) -> Floats:
        return np.full(len(self.shares), self.target.importance)

    def parts(self, first: int) -> Iterator[tuple[int, int]]:
        """First and last cell of the groups whose shares are fixed, where the goal's cells begin at `first`."""
        yield from ((first + 3 * k, first + 3 * k + 3) for k, on in enumerate(self.on_spot) if not on)

    def between(self, first: int) -> Iterator[tuple[int, float]]:
        """First cell and share of the groups where records on the spot may count to either side."""
        share = self.target.probability or 0.0
        yield from ((first + 3 * k, share) for k, on in enumerate(self.on_spot) if on)


def bring_quantiles(spec: Spec, grid: Grid) -> tuple[QuantileGoal, ...]:
    """Collect the quantiles of the grid's unit."""
    return tuple(
        quantile_goal(
            target,
            grid.axis(target.variable),
            lambda levels, t=target: project_columns(grid, [*t.by, t.variable], levels, t.universe),  # type: ignore[misc]
        )
        for target in spec.targets
        if isinstance(target, Statistic) and target.statistic == "quantile" and target.unit == grid.unit.name
    )


def quantile_goal(
    target: Statistic, axis: Axis, project: Callable[[Sequence[Sequence[Level]]], Projection]
) -> QuantileGoal:
    """Lay out a quantile of the variable of an axis; `project` gives the projection of groups and of cells of the variable."""
    assert isinstance(axis.variable, Numeric)
    integer = axis.variable.integer
    spots = [quantile_cuts(value, integer=integer) for value in target.values]
    intervals = intervals_between(breaks_at(axis.variable, {cut for spot in spots for cut in spot}))
    levels = [list(dict.fromkeys(cell[k] for cell in target.cells)) for k in range(len(target.by))]
    projection = project([*levels, intervals])
    order = {cell: number for number, cell in enumerate(target.cells)}
    groups = int(np.prod([len(column) for column in levels]))
    shape = [len(column) for column in levels]
    side = np.full((groups, len(intervals)), -1, dtype=np.int64)
    for group in range(groups):
        where = np.unravel_index(group, shape) if shape else ()
        number = order.get(tuple(column[int(k)] for column, k in zip(levels, where, strict=True)))
        if number is not None:
            side[group] = [3 * number + _side(interval, spots[number]) for interval in intervals]
    cells = np.where(projection.cells >= 0, side.ravel()[np.maximum(projection.cells, 0)], -1)
    share = target.probability or 0.0
    return QuantileGoal(
        target=target,
        projection=replace(projection, cells=cells, size=3 * len(target.cells)),
        shares=np.tile([share, 0.0, 1 - share], len(target.cells)),
        on_spot=tuple(len(spot) == 2 for spot in spots),
    )


def _side(interval: Interval, spot: tuple[float, ...]) -> int:
    """0 below, 1 on the spot, 2 above."""
    return 0 if interval.high <= spot[0] else 2 if interval.low >= spot[-1] else 1
