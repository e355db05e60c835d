"""A unit drawn from the array of all combinations of its variables, where that is small: exact where kinds are rare and far apart.

Between kinds with a rule to each (a household of at most twelve, an institution of at least a hundred) chains of records hardly
ever change, so that neither their log-weights nor the numbers of rare kinds could be learnt from them. Here the information
projection is found by iterative proportional fitting (Deming and Stephan 1940), and rows are drawn by systematic sampling, every
kind in its number.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.goals import Goals
from llmsynthor.aims.grid import Projection
from llmsynthor.aims.moments import Moment
from llmsynthor.alignment.cells import NEVER, Potential
from llmsynthor.alignment.directions import follow
from llmsynthor.alignment.effort import Codes, Floats
from llmsynthor.alignment.rows.engine import Rows

Integers = NDArray[np.int64]

MOST = 300_000
"""Combinations at most, of variables that hang together."""

ROUNDS, NEAR = 200, 0.02
"""Rounds of fitting at most, and records that no cell is further off at their end."""

MOVED = 0.01
"""Log-weights of a direction that move by less are settled."""

STEEPEST, HALVINGS = 40.0, 60
"""Log-weight that a tilt gives a value beside its nearest neighbour at most, and how finely it is found."""

MEANS_NEAR = 1e-3
"""Part of its distance to the nearer end of the range that a mean may be off at the end of the fitting."""

SEARCHED = 60
"""Rounds after which tables that still disagree are taken to exclude each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Variables that hang together: their axes and numbers of values, and the shares of all combinations, shape (combinations,)."""

    axes: tuple[int, ...]
    sizes: tuple[int, ...]
    shares: Floats

    def draw(self, records: int, *, rng: np.random.Generator) -> Codes:
        """Draw rows, each combination as often as it is expected, rounded up or down; shape (records, axes)."""
        order = np.argsort(self.sizes, kind="stable")
        by_kind = np.arange(len(self.shares)).reshape(self.sizes).transpose(order).ravel()
        ends = np.cumsum(self.shares[by_kind]) * records
        points = np.arange(records) + rng.random()
        chosen = by_kind[np.minimum(np.searchsorted(ends, points, side="right"), len(ends) - 1)]
        return np.stack(np.unravel_index(rng.permutation(chosen), self.sizes), axis=1).astype(np.int32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dense:
    """Blocks of variables that have nothing to do with each other, and the log-weights (cells,) that give them."""

    blocks: tuple[Block, ...]
    theta: Floats

    def draw(self, records: int, *, rng: np.random.Generator) -> Codes:
        """Draw rows, shape (records, variables)."""
        codes = np.zeros((records, sum(len(block.axes) for block in self.blocks)), dtype=np.int32)
        for block in self.blocks:
            codes[:, list(block.axes)] = block.draw(records, rng=rng)
        return codes


def is_walled(goals: Goals) -> bool:
    """Whether rules over several variables make the arrays worth their while, and they are small enough."""
    walls = any(len(zeros.projection.axes) > 1 for zeros in goals.zeros)
    sizes = goals.grid.sizes
    return walls and all(0 < np.prod([float(sizes[axis]) for axis in axes]) <= MOST for axes in _apart(goals, ()))


def _projections(goals: Goals, potentials: Sequence[Potential]) -> list[Projection]:
    """Of tables, quantiles, moments, rules and potentials, in the order in which their cells are numbered."""
    return [
        *(goal.projection for goal in goals.tables),
        *(goal.projection for goal in goals.quantiles),
        *(moment.projection for moment in goals.moments),
        *(zeros.projection for zeros in goals.zeros),
        *(potential.projection for potential in potentials),
    ]


def _apart(goals: Goals, potentials: Sequence[Potential]) -> list[tuple[int, ...]]:
    """Axes that hang together by a target, a rule or a potential, in sets that do not."""
    joined = [{axis} for axis in range(len(goals.grid.sizes))]
    for part in _projections(goals, potentials):
        touched = [axes for axes in joined if axes & set(part.axes)]
        joined = [axes for axes in joined if not axes & set(part.axes)]
        joined.append(set().union(*touched))
    return sorted(tuple(sorted(axes)) for axes in joined if axes)


def solve(rows: Rows, potentials: tuple[Potential, ...]) -> Dense | None:
    """Fit the arrays of all combinations to the tables, quantiles, means and totals of a unit; nothing where none is possible."""
    goals, compiled = rows.goals, rows.compiled
    projections = _projections(goals, potentials)
    starts = np.cumsum([1, *(projection.size for projection in projections)])
    theta = compiled.fixed.copy()
    goal = rows.goal(np.zeros(len(theta), dtype=np.int64))
    theta[compiled.is_led & (goal <= 0) & ~compiled.is_slack & ~(compiled.is_free & (compiled.shares > 0))] = NEVER
    blocks = []
    for axes in _apart(goals, potentials):
        if np.prod([float(goals.grid.sizes[axis]) for axis in axes]) > MOST:
            return None
        laid = [
            (number, _cells(part, axes, goals.grid.sizes, int(starts[number]), outside=len(theta)))
            for number, part in enumerate(projections)
            if set(part.axes) <= set(axes)
        ]
        block = _solve_block(rows, theta, axes, laid, starts)
        if block is None:
            return None
        blocks.append(block)
    return Dense(blocks=tuple(blocks), theta=theta)


def _solve_block(
    rows: Rows, theta: Floats, axes: tuple[int, ...], laid: Sequence[tuple[int, Integers]], starts: Integers
) -> Block | None:
    """Fit one array; `theta` is changed in place where its targets are."""
    sizes = tuple(rows.goals.grid.sizes[axis] for axis in axes)
    logs = np.zeros(int(np.prod(sizes)))
    for _, place in laid:
        logs += np.append(theta, 0.0)[place]
    if not np.isfinite(logs).any():
        return None
    mass, off = np.exp(logs - logs[np.isfinite(logs)].max()), np.inf
    for round_ in range(ROUNDS):
        mass, before = mass / mass.sum(), off
        off = _round(rows, theta, mass, laid, starts)
        if off < NEAR or (round_ > SEARCHED and off > 0.99 * before):
            break
    total = mass.sum()
    return Block(axes=axes, sizes=sizes, shares=mass / total) if np.isfinite(total) and total > 0 else None


def _round(rows: Rows, theta: Floats, mass: Floats, laid: Sequence[tuple[int, Integers]], starts: Integers) -> float:
    """Scale the array to one target after the other, in place; returns the records by which a cell was off at most."""
    n_targets, off = len(rows.goals.tables) + len(rows.goals.quantiles), 0.0
    for number, place in laid:
        if number >= n_targets + len(rows.goals.moments):
            break
        cells = slice(int(starts[number]), int(starts[number + 1]))
        counts = np.bincount(place, mass, len(theta) + 1)[:-1] * (rows.records / mass.sum())
        before = theta[cells].copy()
        directed = [d for d in rows.compiled.directions if d.first == cells.start]
        if directed:
            follow(directed, theta, counts, 1.0)
            off = max(off, *(float(np.abs(theta[cells] - before).max()) * NEAR / MOVED for _ in directed))
        elif number < n_targets:
            goal = rows.goal(counts)
            told = (goal[cells] > 0) & (counts[cells] > 0)
            change = np.where(told, np.log(np.maximum(goal[cells], 1e-300) / np.maximum(counts[cells], 1e-300)), 0.0)
            theta[cells] = (before + change) / (1.0 + rows.compiled.decay[cells])
            rows.compiled.centre(theta)
            if rows.compiled.is_hard[cells].all():
                off = max(off, float(np.abs(counts[cells] - goal[cells]).max(initial=0.0)))
        else:
            moment = rows.goals.moments[number - n_targets]
            theta[cells] = before + lean(moment, counts[cells], rows.records)
            off = max(off, NEAR / MEANS_NEAR * missed(moment, counts[cells], rows.records))
        moved = np.zeros(len(theta) + 1)
        moved[cells] = np.where(np.isfinite(before), np.clip(theta[cells] - before, -50.0, 50.0), 0.0)
        mass *= np.exp(moved)[place]
    return off


def _leaning(moment: Moment, counts: Floats, records: float) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Records by group and cell, the mean that each group is to have, and which groups can be tilted at all.

    A group that rules leave but one value is not: it would raise the weights of values that it cannot have.
    """
    table = counts.reshape(moment.groups, -1)
    held = table.sum(axis=1)
    wanted = moment.means(held, records)
    least, most = (np.where(table > 0, moment.centres, end).T for end in (np.inf, -np.inf))
    told = np.isfinite(wanted) & (held > 0) & (most.max(axis=0) > least.min(axis=0))
    return table, wanted, told


def missed(moment: Moment, counts: Floats, records: float) -> float:
    """By what part of its distance to the nearer end of the range the mean of a group is off, the most of all groups."""
    table, wanted, told = _leaning(moment, counts, records)
    points = moment.centres
    mean = table @ points / np.maximum(table.sum(axis=1), 1e-300)
    room = np.minimum(wanted - points.min(), points.max() - wanted)
    off = np.where(told & (room > 0), np.abs(mean - wanted) / np.where(room > 0, room, 1.0), 0.0)
    return float(np.nan_to_num(off).max(initial=0.0))


def lean(moment: Moment, counts: Floats, records: float) -> Floats:
    """The exponential tilt that gives every group of a moment its mean, and leaves its weight as a whole; shape (cells,)."""
    table, wanted, told = _leaning(moment, counts, records)
    held, points = table.sum(axis=1), moment.centres
    reach = max(float(np.ptp(points)), 1e-12)
    away = (points - np.where(told, wanted, 0.0)[:, None]) / reach
    gaps = np.diff(np.unique(points))
    steepest = STEEPEST * reach / max(float(gaps.min(initial=reach)), 1e-12)
    low, high = np.full(len(held), -steepest), np.full(len(held), steepest)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        logs = middle[:, None] * away
        above = (table * np.exp(logs - logs.max(axis=1, keepdims=True)) * away).sum(axis=1) > 0
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    logs = np.where(told, middle, 0.0)[:, None] * away
    top = logs.max(axis=1, keepdims=True)
    mass = (table * np.exp(logs - top)).sum(axis=1) / np.maximum(held, 1e-300)
    scale = np.where(told, np.log(np.maximum(mass, 1e-300)) + top[:, 0], 0.0)
    return np.asarray((logs - scale[:, None]).ravel())


def _cells(
    projection: Projection, axes: tuple[int, ...], every: tuple[int, ...], start: int, *, outside: int
) -> Integers:
    """The cell, numbered from `start`, of every combination of the axes; `every` are the sizes of all."""
    index = np.zeros([every[axis] for axis in axes], dtype=np.int64)
    for axis, offset in zip(projection.axes, projection.offsets, strict=True):
        index += offset.reshape([-1 if other == axis else 1 for other in axes])
    found = projection.cells[index.ravel()]
    return np.where(found >= 0, found + start, outside)
