"""Fit: log-weights of the cells of all units' tables, by stochastic dual ascent over whole valid records.

After each sweep a weight moves by a step times log(target / current) (Tieleman 2008; Younes 1999). A penalty on the squared
error of the counts keeps the weights from overshooting where walls make the records slow to follow.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.tilting import tilt
from llmsynthor.alignment.rows.draw import NEVER
from llmsynthor.alignment.trees.engine import Pressure, State, Trees, in_blocks
from llmsynthor.alignment.trees.flat import Counts, Floats

SWEEPS = 25
STEP, SLOWER = 0.5, 6.0
"""The first step of a weight, and how much smaller the last is."""

DRAG = 1.5
"""What a squared error costs, times the records wanted: weights alone would overshoot where walls make the records slow."""

PATIENCE, LEAST = 4, 8
"""Sweeps without gain after which the weights have settled, and sweeps at least."""

Told = Callable[[str, int, Counts, Floats], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """Log-weights (cells,), and the counts before the first sweep."""

    weight: Floats
    first: Counts


def fit(trees: Trees, state: State, weight: Floats, told: Told, *, sweeps: int = SWEEPS) -> Fitted:
    """Move the weights until all tables are at the noise of the records' number; the records are changed in place."""
    compiled, records = trees.compiled, len(state.arena.start)
    first, free = state.counts.copy(), np.ones(records, dtype=np.bool_)
    weight, best, patience = weight.copy(), np.inf, PATIENCE
    average = weight.copy()
    goal = trees.goal(state.counts, state.arena)
    soft = compiled.is_target & ~compiled.is_hard & (goal <= 0)
    weight[soft] = np.minimum(weight[soft], NEVER)
    for sweep in range(sweeps):
        pressure = Pressure(
            weight=weight,
            linear=np.zeros_like(goal),
            square=np.where(compiled.is_hard & ~compiled.is_slack, DRAG / (np.maximum(goal, 0.0) + 1.0), 0.0),
            pull=np.zeros(len(trees.sums.scale)),
        )
        order = np.random.default_rng([trees.seed, 7, sweep]).permutation(records)[: max(records // 2, 1)]
        trees.visit(state, in_blocks(order, records, len(state.arena.tail)), free, pressure, sweep)
        goal = trees.goal(state.counts, state.arena)
        step = STEP / (1.0 + SLOWER * sweep / sweeps)
        move_weights(trees, state, weight, goal, step)
        average += (weight - average) * (1.0 if sweep < 10 else 0.25)
        told("fit", sweep, state.counts, goal)
        learn = compiled.is_hard & (goal > 0)
        noise = float(np.mean((state.counts - goal)[learn] ** 2 / np.maximum(goal[learn], 1.0))) if learn.any() else 0.0
        patience = PATIENCE if noise < 0.95 * best else patience - 1
        best = min(best, noise)
        if sweep >= LEAST and patience <= 0:
            break
    return Fitted(weight=average, first=first)


def move_weights(trees: Trees, state: State, weight: Floats, goal: Floats, step: float) -> None:
    """Move the weights of all targets, in place; soft ones are drawn back to zero."""
    compiled, counts = trees.compiled, state.counts
    told: NDArray[np.bool_] = compiled.is_target & (goal > 0)
    change = np.clip(step * np.log((goal[told] + 1.0) / (counts[told] + 1.0)), -1.0, 1.0)
    weight[told] = np.maximum((weight[told] + change) / (1.0 + step * compiled.decay[told]), NEVER)
    sizes = trees.sizes(counts, state.arena)
    for unit, first, moment in compiled.moments:
        cells = slice(first, first + moment.projection.size)
        weight[cells] = tilt(moment, weight[cells], counts[cells].astype(np.float64), step, sizes[unit])
