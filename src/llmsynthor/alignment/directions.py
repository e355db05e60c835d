"""Directions: estimates that enter the fit as half-spaces, E[L] ≥ c, with one multiplier θ ≥ 0 on a fixed potential L.

Among all populations with that much of a dependence the fit takes the nearest to the prior. A truth that satisfies the bounds is
never farther from that than without them (the Pythagorean inequality of information projections on convex sets; Csiszár 1975),
and where given tables or other estimates imply as much already, the bound does nothing: no dependence is counted twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.goals import Goal
from llmsynthor.alignment.effort import Counts, Floats

STEEPEST = 1.0
"""How far a multiplier goes in a step at most, in multiples of what was estimated."""

LARGEST = 6.0
"""Largest multiplier: a direction that records cannot follow is given up there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Direction:
    """The cells from `first` to `last` (not in), the potential L of each (cells,), and what its mean is to be at least."""

    first: int
    last: int
    potential: Floats
    floor: float

    def multiplier(self, weight: Floats) -> float:
        """θ, read off the log-weights θ · L of its cells."""
        own = self.potential
        return float(weight[self.first : self.last] @ own) / max(float(own @ own), 1e-300)


def directions_of(targets: Sequence[object], starts: Sequence[int]) -> tuple[Direction, ...]:
    """The directions among targets, each with the first cell of its table."""
    return tuple(
        Direction(first=first, last=first + goal.projection.size, potential=potential_of(goal), floor=goal.table.floor)
        for goal, first in zip(targets, starts, strict=False)
        if isinstance(goal, Goal) and goal.table.floor is not None
    )


def potential_of(goal: Goal) -> Floats:
    """The interaction of an estimated pair table: the logarithm of its shares by those of independence, centred; (cells,)."""
    shares = np.maximum(goal.shares.reshape(goal.shape), 1e-12)
    rows, columns = shares.sum(axis=1), shares.sum(axis=0)
    lift = np.log(shares / np.outer(rows, columns))
    over_columns, over_rows = lift @ columns, rows @ lift
    return np.asarray(lift - over_columns[:, None] - over_rows[None, :] + rows @ lift @ columns).ravel()


def follow(directions: Sequence[Direction], weight: Floats, counts: Counts | Floats, step: float) -> None:
    """Move every multiplier by a part of a Newton step, in place, never below zero."""
    for direction in directions:
        cells = slice(direction.first, direction.last)
        held = np.asarray(counts[cells], dtype=np.float64)
        total = held.sum()
        if total <= 0:
            continue
        shares, own = held / total, direction.potential
        mean = float(shares @ own)
        spread = max(float(shares @ own**2) - mean**2, 1e-9)
        change = float(np.clip((direction.floor - mean) / spread, -STEEPEST, STEEPEST))
        weight[cells] = min(max(0.0, direction.multiplier(weight) + step * change), LARGEST) * own


def is_directed(directions: Sequence[Direction], cells: int) -> NDArray[np.bool_]:
    """Cells of directions, (cells,): they have no shares to be led to."""
    found = np.zeros(cells, dtype=np.bool_)
    for direction in directions:
        found[direction.first : direction.last] = True
    return found
