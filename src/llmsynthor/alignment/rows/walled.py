"""Correction behind a wall: errors of less than a record are cheap, whole ones dear, so that records wander until all are inside.

Where tables are many and thin, the squared error has valleys in which a cell stands a hair over one record off and every single
change makes others worse. To be met is a matter of inside or outside: a state in which all errors are below one record can be
reached on level ground, along states that are as good as one another.
"""

import numpy as np

from llmsynthor.alignment.cells import WHOLE
from llmsynthor.alignment.effort import Told
from llmsynthor.alignment.rows.correct import Annealing, Pressure, Way, step
from llmsynthor.alignment.rows.engine import Rows, State
from llmsynthor.alignment.schedule import STUCK, walk

SOFT, HARDER, HARDEST = 0.5, 1.5, 4.0
"""The penalty of a squared error behind the wall; how it grows from sweep to sweep once all are inside, and how far."""

WALL, HIGHER, HIGHEST = 8.0, 1.05, 16.0
"""What a whole record of error costs in log-weight; how that grows from sweep to sweep, and how far."""

NEAR = 5.0
"""Where a cell is off by more records than this, the wall is not tried: something else is in the way. Nor is it for sums alone."""

PATIENCE, DEAR_PATIENCE = 16, 3
"""Sweeps without gain after which this is given up, where sweeps are cheap and where not."""


class Walled(Annealing):
    """Sweeps behind a wall, until all cells are inside; then some more that bring them nearer to their goals."""

    def __init__(self, rows: Rows, state: State, pressure: Pressure, told: Told) -> None:
        super().__init__(rows, state, pressure, told)
        self.soft, self.inside = SOFT, False
        self.patience = PATIENCE if self.cheap else DEAR_PATIENCE

    def look(self) -> tuple[float, bool]:
        """Records off in cells that are a whole record off, and the sums; where there are none, the squared error below one."""
        state, goal = self.state, self.rows.goal(self.state.counts)
        error, off = np.abs(state.counts - goal)[self.hard], state.pull * state.means.missing()
        self.told("correct", self.sweeps, state.counts, goal)
        missed = float(error[error >= WHOLE].sum() + off.sum())
        self.inside = missed == 0
        if not self.inside:
            return 1.0 + missed, False
        squared = float((error**2).sum())
        return squared / (1.0 + squared), self.soft >= HARDEST

    def turn(self, stalled: int, least: float) -> str:
        """Go on until so many sweeps have gained nothing."""
        return STUCK if stalled >= self.patience else ""

    def step(self, number: int) -> None:
        """One sweep; the wall grows, and once all are inside the penalty too."""
        if self.inside:
            self.soft = min(self.soft * HARDER, HARDEST)
        wall = min(WALL * HIGHER**self.sweeps, HIGHEST)
        way = Way(sweep=number, strong=True, stalled=0, pull=self.final, wall=wall)
        stay = self.pressure.stay if self.rows.keep else np.zeros_like(self.pressure.stay)
        step(self.rows, self.state, self.pressure.theta, stay, self.soft * self.pressure.weight, way)
        self.sweeps, self.warm = self.sweeps + 1, False


def wall_in(rows: Rows, state: State, even: Pressure, told: Told, *, first: int) -> bool:
    """Bring the last cells inside rounding from behind a wall, in place; says whether all targets are met."""
    if not WHOLE <= rows.compiled.worst(state.counts, rows.goal(state.counts)) <= NEAR:
        return False
    walk(Walled(rows, state, even, told), first=first)
    state.means = rows.sums(state.counts)
    return rows.compiled.worst(state.counts, rows.goal(state.counts)) < WHOLE and not state.means.missing().any()
