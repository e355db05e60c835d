"""Fit: log-weights of the cells of all units' tables, over whole valid records.

A penalty on the squared error of the counts keeps the weights from overshooting where walls make the records slow to follow.
"""

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.tilting import tilt
from llmsynthor.alignment.cells import NEVER, noise
from llmsynthor.alignment.directions import follow
from llmsynthor.alignment.effort import Counts, Floats, Told
from llmsynthor.alignment.engine import Pace
from llmsynthor.alignment.schedule import rake
from llmsynthor.alignment.trees.engine import Pressure, State, Trees, in_blocks

PACE = Pace(sweeps=25, least=8, gain=0.95, averaged=10)

LEANING = Pace(sweeps=75, least=60, gain=0.95, averaged=30)
"""Where a model has said something: what is said of relatives crosses walls slowly, and no table's noise tells when it has settled.

Measured on family households: after 25 sweeps the mean error of twelve queries was 0.33, after 75 it was 0.13."""

LONGER, UNSETTLED = Pace(sweeps=200, least=120, gain=0.95, averaged=60), 2.0
"""Where the noise of the tables is more than so many times chance after that, sums pull records along that tables hold back."""

ONWARDS = 1_000
"""Number of the first sweep of those."""

STEP, SLOWER = 0.5, 6.0
"""The first step of a weight, and how much smaller the last is."""

KNOWN_STEP, KNOWN_SLOWER = 0.2, 2.0
"""The same where a library knows who lives with whom: large first steps overshoot what slow records have to follow, and small last
ones do not bring it back. On 3,000 family households (one seed each) second members of another race than the householder, 8.5 % in
the library, came to 6.1 % under the usual steps and to 7.2 % under these, further ones, 8.7 %, to 4.9 % and 6.3 %; further members
under 18 with a householder of 65 or more, 3.1 %, to 2.6 % and 2.7 %. The mean of twelve queries did not tell the two apart."""

BY_CHANCE = 3.0
"""Up to so many standard deviations of a count, weights that a library tells move by its error, beyond them by the logarithm."""

DRAG = 1.5
"""What a squared error costs, times the records wanted: weights alone would overshoot where walls make the records slow."""


def fit(trees: Trees, state: State, weight: Floats, told: Told) -> Floats:
    """Log-weights (cells,) under which tables are at the noise of the records' number; the records are changed in place."""
    weight, goal = weight.copy(), trees.goal(state.counts, state.arena)
    soft = trees.compiled.is_led & ~trees.compiled.is_hard & (goal <= 0)
    weight[soft] = np.minimum(weight[soft], NEVER)
    visits = Visits(trees, state)
    found = rake(visits, weight, told)
    if trees.leans or len(trees.sums.scale) < 2 or visits.noise() <= UNSETTLED:
        return found
    visits.pace, visits.first = LONGER, ONWARDS
    return rake(visits, found, told)


def lacking(goal: Floats, counts: Counts, *, even: bool) -> Floats:
    """How far each cell is from its goal, about in parts of it, shape (cells,).

    The logarithm of counts that chance scatters is lower than that of their mean: it lets cells of less than one record come
    to up to 1.4 times their goal, and where tables are cut finely such combinations are many. The error itself (`even`) does not.

    >>> rare = np.full(100_000, 0.2)
    >>> drawn = np.random.default_rng(1).poisson(rare)
    >>> [round(abs(float(lacking(rare, drawn, even=even).mean())), 2) for even in (False, True)]
    [0.05, 0.0]
    """
    ratio = np.log((goal + 1.0) / (counts + 1.0))
    if not even:
        return np.asarray(ratio)
    error = goal - counts
    return np.where(np.abs(error) <= BY_CHANCE * np.sqrt(goal + 1.0), error / (goal + 1.0), ratio)


class Visits:
    """Top records that weights are fitted on: half of them are visited in a sweep."""

    def __init__(self, trees: Trees, state: State) -> None:
        self.trees, self.state, self.pace = trees, state, LEANING if trees.leans else PACE
        self.goal, self.first = trees.goal(state.counts, state.arena), 0
        self.step, self.slower = (KNOWN_STEP, KNOWN_SLOWER) if trees.is_informed else (STEP, SLOWER)

    def noise(self) -> float:
        """Mean squared error of the tables' cells now, in what chance explains."""
        return noise(self.state.counts, self.goal, self._judged(self.goal))

    def sweep(self, weight: Floats, number: int) -> tuple[Counts, Floats]:
        """Visit records under fixed weights and what errors cost beside them."""
        trees, state, compiled, records = self.trees, self.state, self.trees.compiled, len(self.state.arena.start)
        pressure = Pressure(
            weight=weight,
            linear=np.zeros_like(self.goal),
            square=np.where(compiled.is_hard & ~compiled.is_slack, DRAG / (np.maximum(self.goal, 0.0) + 1.0), 0.0),
            pull=np.zeros(len(trees.sums.scale)),
        )
        number += self.first
        order = np.random.default_rng([trees.seed, 7, number]).permutation(records)[: max(records // 2, 1)]
        every = np.ones(records, dtype=np.bool_)
        trees.visit(state, in_blocks(order, records, len(state.arena.tail)), every, pressure, number)
        self.goal = trees.goal(state.counts, state.arena)
        return state.counts, self.goal

    def rake(self, weight: Floats, counts: Counts, goal: Floats, number: int) -> NDArray[np.bool_]:
        """Move the weights of all targets; soft ones are drawn back to zero."""
        compiled, step = self.trees.compiled, self.step / (1.0 + self.slower * number / self.pace.sweeps)
        told = compiled.is_led & (goal > 0)
        change = np.clip(step * lacking(goal[told], counts[told], even=self.trees.is_informed), -1.0, 1.0)
        weight[told] = np.maximum((weight[told] + change) / (1.0 + step * compiled.decay[told]), NEVER)
        compiled.centre(weight)
        follow(compiled.directions, weight, counts, step)
        sizes = self.trees.sizes(counts, self.state.arena)
        for unit, first, moment in compiled.moments:
            cells = slice(first, first + moment.projection.size)
            weight[cells] = tilt(moment, weight[cells], counts[cells].astype(np.float64), step, sizes[unit])
        return self._judged(goal)

    def _judged(self, goal: Floats) -> NDArray[np.bool_]:
        judged: NDArray[np.bool_] = self.trees.compiled.is_hard & (goal > 0)
        return judged
