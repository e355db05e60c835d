"""The base measure of the cells, as a prior for the alignment.

Cells weigh what they hold of a number's base density: in proportion to their width (whole numbers: to how many they are) where
nothing is said, and as the finest table has it where one cuts the number more coarsely than the grid. A table of price by
category in six intervals says, for every category, how the density of the price runs: where another table cuts the price finer,
each category's records are spread over the finer cells as its own smooth density asks; without such a prior all categories would
share one shape.
"""

from collections.abc import Sequence
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.density import smooth_density
from llmsynthor.aims.goals import Goal, Goals
from llmsynthor.aims.grid import Axis, project_columns
from llmsynthor.alignment.cells import Potential
from llmsynthor.population.encode import Codes
from llmsynthor.spec.levels import Interval, Level

LARGEST_LOG_RATIO = 2.0
FEWEST_RECORDS = 30.0
SMALLEST = 1e-12

Floats = NDArray[np.float64]


def shape_potentials(goals: Goals, records: int) -> tuple[Potential, ...]:
    """Log-weights of the cells of each numeric variable: overall, and by the rows of every coarser table."""
    found = []
    for position, axis in enumerate(goals.grid.axes):
        if not isinstance(axis.levels[0], Interval):
            continue
        having = [goal for goal in goals.given if axis.name in goal.table.columns]
        logs = _overall(goals, position, having)
        if np.ptp(logs) > 1e-9:
            found.append(_potential(goals, [axis.name], [axis.levels], logs))
        if not axis.uneven:
            found += [p for goal in having if (p := _by_rows(goals, position, goal, records)) is not None]
    return tuple(found)


def _overall(goals: Goals, position: int, having: Sequence[Goal]) -> Floats:
    """Log-weights of an axis: within the cells of the finest table that of the base density; between them what is not told."""
    axis, spread = goals.grid.axes[position], goals.spread(position)
    told = [goal for goal in having if goal.table.universe is None]
    if not told:
        return np.asarray(np.log(np.maximum(spread, SMALLEST)))
    finest = max(told, key=lambda goal: goal.shape[goal.table.columns.index(axis.name)])
    for level in finest.levels[finest.table.columns.index(axis.name)]:
        inside = axis.within(level)
        spread[inside] = spread[inside] / spread[inside].sum() if spread[inside].sum() > 0 else 1.0
    return np.asarray(np.log(np.maximum(spread, 1e-9)))


def _rows(goal: Goal, name: str) -> Floats:
    """Shares of a table as (rows, cells of the named variable)."""
    column = goal.table.columns.index(name)
    shares = np.moveaxis(goal.shares.reshape(goal.shape), column, -1)
    return shares.reshape(-1, goal.shape[column])


def _masses(axis: Axis, goal: Goal, shares: Floats) -> Floats:
    """Spread the shares of a table's intervals over the axis; share of each fine cell within its interval."""
    intervals = [level for level in goal.levels[goal.table.columns.index(axis.name)] if isinstance(level, Interval)]
    edges = np.array([intervals[0].low, *(level.high for level in intervals)])
    fine = axis.measure
    contiguous = all(a.high == b.low for a, b in pairwise(intervals))
    if contiguous and shares.sum() > 0:
        integer = bool(getattr(axis.variable, "integer", False))
        ends = np.clip(np.ceil(axis.breaks) if integer else axis.breaks, edges[0], edges[-1])
        fine = smooth_density(edges, shares, integer=integer).held(ends) + 1e-6 * fine / fine.sum()
    for level in intervals:
        inside = axis.within(level)
        fine[inside] = fine[inside] / fine[inside].sum() if fine[inside].sum() > 0 else 1.0
    return np.asarray(np.maximum(fine, 1e-9))


def _by_rows(goals: Goals, position: int, goal: Goal, records: int) -> Potential | None:
    """How far each row's shape departs from that of the whole table, where the axis is finer than the table."""
    axis = goals.grid.axes[position]
    column = goal.table.columns.index(axis.name)
    if len(goal.shape) == 1 or goal.shape[column] >= axis.size:
        return None
    rows = _rows(goal, axis.name)
    whole = np.log(_masses(axis, goal, rows.sum(axis=0)))
    enough = rows.sum(axis=1) * records >= FEWEST_RECORDS
    logs = [
        np.log(_masses(axis, goal, row)) - whole if ok else np.zeros(axis.size)
        for row, ok in zip(rows, enough, strict=True)
    ]
    names = [name for name in goal.table.columns if name != axis.name] + [axis.name]
    levels = [levels for k, levels in enumerate(goal.levels) if k != column] + [axis.levels]
    return _potential(goals, names, levels, np.clip(np.array(logs), -LARGEST_LOG_RATIO, LARGEST_LOG_RATIO))


def _potential(goals: Goals, names: Sequence[str], levels: Sequence[Sequence[Level]], values: Floats) -> Potential:
    projection = project_columns(goals.grid, names, levels, None)
    return Potential(projection=projection, values=values.ravel())


SHRINKAGE = 0.1
"""Records per cell of a pair table that independence is worth, beside those that were counted."""


STAY = 16.0
"""Log-weight with which a record of a starting population holds on to what it is."""


def dependence_tree(goals: Goals, codes: Codes) -> tuple[Potential, ...]:
    """Log-weights of single variables and of the pairs of the tree of largest mutual information."""
    grid = goals.grid
    counts = [np.bincount(codes[:, k], minlength=size) + SHRINKAGE for k, size in enumerate(grid.sizes)]
    shares = [np.asarray(own / own.sum()) for own in counts]
    pairs = {pair: _pair_shares(codes, *pair, shares) for pair in combinations(range(len(grid.axes)), 2)}
    found = [
        Potential(projection=project_columns(grid, [axis.name], [axis.levels], None), values=np.log(own))
        for axis, own in zip(grid.axes, shares, strict=True)
    ]
    for a, b in _tree(pairs, shares):
        one, other = grid.axes[a], grid.axes[b]
        projection = project_columns(grid, [one.name, other.name], [one.levels, other.levels], None)
        values = np.log(pairs[a, b] / np.outer(shares[a], shares[b])).ravel()
        found.append(Potential(projection=projection, values=values))
    return tuple(found)


def _pair_shares(codes: Codes, a: int, b: int, shares: list[Floats]) -> Floats:
    size = (len(shares[a]), len(shares[b]))
    counts = np.bincount(codes[:, a].astype(np.int64) * size[1] + codes[:, b], minlength=size[0] * size[1])
    blended = counts.reshape(size) + SHRINKAGE * counts.size * np.outer(shares[a], shares[b])
    return np.asarray(blended / blended.sum())


def _tree(pairs: dict[tuple[int, int], Floats], shares: list[Floats]) -> list[tuple[int, int]]:
    if not pairs:
        return []
    from scipy.sparse import csr_array  # noqa: PLC0415  (heavy)
    from scipy.sparse.csgraph import minimum_spanning_tree  # noqa: PLC0415  (heavy)

    information = {
        (a, b): float((own * np.log(own / np.outer(shares[a], shares[b]))).sum()) for (a, b), own in pairs.items()
    }
    rows, columns = zip(*information, strict=True)
    costs = 1.0 / (1e-6 + np.array(list(information.values())))
    tree = minimum_spanning_tree(csr_array((costs, (rows, columns)), shape=(len(shares), len(shares)))).tocoo()
    return [(int(min(a, b)), int(max(a, b))) for a, b in zip(tree.row, tree.col, strict=True)]
