"""Q: what is missing, cell by cell, and how to say it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.goals import Goal, Goals
from llmsynthor.population.aggregate import aggregate

Floats = NDArray[np.float64]

OFF_TARGET = 3.0
"""A cell that is so many records off is not off by rounding: contradictions are looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Discrepancy:
    """Directed discrepancy of one table in records, target − current: positive where records are missing; shape (cells,)."""

    goal: Goal
    missing: Floats

    wanted: float

    @property
    def share_missing(self) -> float:
        """Records still missing as a share of those wanted."""
        return float(np.maximum(self.missing, 0).sum() / self.wanted)


def discrepancies(goals: Sequence[Goal], codes: NDArray[np.int32], *, records: int) -> tuple[Discrepancy, ...]:
    """Compare the records there are with a population of `records` that meets the tables."""
    wanted = [records * goal.universe_share for goal in goals]
    return tuple(
        Discrepancy(goal=goal, missing=goal.shares * n - aggregate(codes, goal), wanted=n)
        for goal, n in zip(goals, wanted, strict=True)
    )


def total_variation(goal: Goal, codes: NDArray[np.int32]) -> float:
    """Total variation distance between a table's shares and those of the records; 1 where there are no records."""
    counts = aggregate(codes, goal)
    return float(np.abs(goal.shares - counts / counts.sum()).sum() / 2) if counts.sum() else 1.0


def off_target(goals: Goals, codes: np.ndarray) -> tuple[str, ...]:
    """Name the tables of which a cell is further off than rounding explains, the worst first."""
    errors = {}
    for goal in goals.given:
        counts = aggregate(codes, goal)
        wanted = goal.shares * (len(codes) if goal.table.universe is None else counts.sum())
        errors[goal.name] = float(np.abs(counts - wanted).max())
    return tuple(name for name in sorted(errors, key=lambda name: -errors[name]) if errors[name] >= OFF_TARGET)
