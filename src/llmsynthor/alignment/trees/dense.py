"""A unit drawn from the array of all combinations of its variables, where that is small: exact where kinds are rare and far apart.

Between kinds with a rule to each (a household of at most twelve, an institution of at least a hundred) chains of records hardly
ever change, so that neither their log-weights nor the numbers of rare kinds could be learnt from them. Here the information
projection is found by iterative proportional fitting (Deming and Stephan 1940), and rows are drawn by systematic sampling, every
kind in its number.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.goals import Goals
from llmsynthor.aims.moments import Moment
from llmsynthor.aims.projection import Projection
from llmsynthor.alignment.cells import Potential
from llmsynthor.alignment.rows.draw import NEVER
from llmsynthor.alignment.rows.effort import Codes, Floats, Task

MOST = 100_000
"""Combinations at most."""

ROUNDS, NEAR = 200, 0.02
"""Rounds of fitting at most, and records that no cell is further off at their end."""

STEEPEST, HALVINGS = 40.0, 40
"""Log-weight that a tilt gives one end of a number's range beside the other at most, and how finely it is found."""

SEARCHED = 60
"""Rounds after which tables that still disagree are taken to exclude each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dense:
    """Shares of all combinations, shape (combinations,), and the log-weights (cells,) that give them."""

    shares: Floats
    theta: Floats
    sizes: tuple[int, ...]

    def draw(self, records: int, *, rng: np.random.Generator) -> Codes:
        """Draw rows, each combination as often as it is expected, rounded up or down."""
        order = np.argsort(self.sizes, kind="stable")
        by_kind = np.arange(len(self.shares)).reshape(self.sizes).transpose(order).ravel()
        ends = np.cumsum(self.shares[by_kind]) * records
        points = np.arange(records) + rng.random()
        chosen = by_kind[np.minimum(np.searchsorted(ends, points, side="right"), len(ends) - 1)]
        codes = np.stack(np.unravel_index(rng.permutation(chosen), self.sizes), axis=1)
        return np.ascontiguousarray(codes, dtype=np.int32)


def is_walled(goals: Goals) -> bool:
    """Whether rules over several variables, or means and totals, make the array worth its while, and it is small enough."""
    walls = any(len(zeros.projection.axes) > 1 for zeros in goals.zeros) or bool(goals.moments)
    return walls and 0 < float(np.prod(goals.grid.sizes, dtype=np.float64)) <= MOST


def solve(task: Task, potentials: tuple[Potential, ...]) -> Dense | None:
    """Fit the array of all combinations to the tables, quantiles, means and totals of a unit; nothing where none is possible."""
    goals, compiled, sizes = task.goals, task.compiled, task.goals.grid.sizes
    targets = [*(goal.projection for goal in goals.tables), *(goal.projection for goal in goals.quantiles)]
    moments = [moment.projection for moment in goals.moments]
    behind = [*(zeros.projection for zeros in goals.zeros), *(potential.projection for potential in potentials)]
    projections = [*targets, *moments, *behind]
    starts = np.cumsum([1, *(projection.size for projection in projections)])
    theta, logs = compiled.fixed.copy(), np.zeros(int(np.prod(sizes)))
    laid = zip(projections, starts, strict=False)
    places = [_cells(projection, sizes, int(start), outside=len(theta)) for projection, start in laid]
    goal = compiled.goal(np.zeros(len(theta), dtype=np.int64), task.records)
    theta[compiled.is_target & (goal <= 0) & ~compiled.is_slack & ~_free(task)] = NEVER
    for place in places:
        logs += np.append(theta, 0.0)[place]
    if not np.isfinite(logs).any():
        return None
    mass, off = np.exp(logs - logs[np.isfinite(logs)].max()), np.inf
    for round_ in range(ROUNDS):
        mass, before = mass / mass.sum(), off
        off = _round(task, theta, mass, (places, starts))
        if off < NEAR or (round_ > SEARCHED and off > 0.99 * before):
            break
    total = mass.sum()
    return Dense(shares=mass / total, theta=theta, sizes=sizes) if np.isfinite(total) and total > 0 else None


def _free(task: Task) -> NDArray[np.bool_]:
    """Cells of tables of a part of the records, whose number no target says."""
    found = np.zeros(len(task.compiled.fixed), dtype=np.bool_)
    for first, last in task.compiled.free:
        found[first:last] = task.compiled.shares[first:last] > 0
    return found


def _round(task: Task, theta: Floats, mass: Floats, laid: tuple[list[NDArray[np.int64]], NDArray[np.int64]]) -> float:
    """Scale the array to one target after the other, in place; returns the records by which a cell was off at most."""
    places, starts = laid
    n_targets, off = len(task.goals.tables) + len(task.goals.quantiles), 0.0
    for number in range(n_targets + len(task.goals.moments)):
        cells = slice(int(starts[number]), int(starts[number + 1]))
        counts = np.bincount(places[number], mass, len(theta) + 1)[:-1] * (task.records / mass.sum())
        before = theta[cells].copy()
        if number < n_targets:
            goal = task.compiled.goal(counts, task.records)
            told = (goal[cells] > 0) & (counts[cells] > 0)
            change = np.where(told, np.log(np.maximum(goal[cells], 1e-300) / np.maximum(counts[cells], 1e-300)), 0.0)
            theta[cells] = (before + change) / (1.0 + task.compiled.decay[cells])
            if task.compiled.is_hard[cells].all():
                off = max(off, float(np.abs(counts[cells] - goal[cells]).max(initial=0.0)))
        else:
            moment = task.goals.moments[number - n_targets]
            theta[cells] = before + lean(moment, counts[cells], task.records)
        moved = np.zeros(len(theta) + 1)
        moved[cells] = np.where(np.isfinite(before), np.clip(theta[cells] - before, -50.0, 50.0), 0.0)
        mass *= np.exp(moved)[places[number]]
    return off


def lean(moment: Moment, counts: Floats, records: float) -> Floats:
    """The exponential tilt that gives every group of a moment its mean, and leaves its weight as a whole; shape (cells,)."""
    table = counts.reshape(moment.groups, -1)
    held, points = table.sum(axis=1), moment.centres
    wanted = moment.means(held, records)
    told = np.isfinite(wanted) & (held > 0)
    away = (points - np.where(told, wanted, 0.0)[:, None]) / max(float(np.ptp(points)), 1e-12)
    low, high = np.full(len(held), -STEEPEST), np.full(len(held), STEEPEST)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        logs = middle[:, None] * away
        above = (table * np.exp(logs - logs.max(axis=1, keepdims=True)) * away).sum(axis=1) > 0
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    logs = np.where(told, middle, 0.0)[:, None] * away
    mass = (table * np.exp(logs)).sum(axis=1) / np.maximum(held, 1e-300)
    return np.asarray((logs - np.log(np.where(told, mass, 1.0))[:, None]).ravel())


def _cells(projection: Projection, sizes: tuple[int, ...], start: int, *, outside: int) -> NDArray[np.int64]:
    """The cell, numbered from `start`, of every combination."""
    index = np.zeros(sizes, dtype=np.int64)
    for axis, offset in zip(projection.axes, projection.offsets, strict=True):
        index += offset.reshape([-1 if k == axis else 1 for k in range(len(sizes))])
    found = projection.cells[index.ravel()]
    return np.where(found >= 0, found + start, outside)
