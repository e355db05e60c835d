"""The cells of all targets, rules and priors: their weights, shares, and which of them must be met."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.grid import Projection
from llmsynthor.spec.targets import Table

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Potential:
    """A fixed log-weight per cell of a projection: a structural zero (-inf), or the shape that a prior asks for."""

    projection: Projection
    values: Floats


def is_free(table: Table) -> bool:
    """Whether how many records a table is about is left to others: it has a universe, and its counts are not absolute."""
    return table.universe is not None and table.base is None


def scaled_to(goal: Floats, counts: Integers, free: Sequence[tuple[int, int]]) -> Floats:
    """Bring the groups of cells in `free` to the size that they have in `counts`; a copy."""
    goal = goal.copy()
    for first, last in free:
        total = goal[first:last].sum()
        goal[first:last] *= counts[first:last].sum() / total if total > 0 else 1.0
    return goal


def table_distances(tables: Sequence[tuple[int, int]], counts: Integers, goal: Floats) -> Floats:
    """Total variation distance of each table from its goal, shape (tables,); a table is a range of cells."""
    return np.array([np.abs(counts[a:b] - goal[a:b]).sum() / (2 * max(goal[a:b].sum(), 1e-300)) for a, b in tables])
