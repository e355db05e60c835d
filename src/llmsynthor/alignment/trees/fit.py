"""Fit: log-weights θ of the cells of all units' tables, by stochastic dual ascent with persistent chains of whole top records.

As in `synthesis.fit`; a redraw is drawn from the tables of its own unit and accepted by those that computed columns and other
units bring in (Metropolis within Gibbs).
"""

from dataclasses import dataclass

import numpy as np

from llmsynthor.alignment.deal import Drawn
from llmsynthor.alignment.draw import NEVER
from llmsynthor.alignment.trees.flat import Counts, Flat, Floats, Task, count, flatten, sweep_all

PATIENCE, LEAST_SWEEPS = 8, 12

SAME_WAY = 3.0
"""A step is shared by a third of the tables that a redraw touches: they seldom all pull the same way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """Chains drawn under `theta` (cells,), and the counts before the first sweep."""

    roster: Flat
    theta: Floats
    first: Counts


def first_theta(task: Task, drawn: Drawn) -> Floats:
    """Begin with the weights under which each unit was drawn from its own tables."""
    compiled, theta = task.compiled, task.compiled.fixed.copy()
    for (a, b), piece in zip(compiled.tables, compiled.pieces, strict=False):
        own = task.aims.own[piece.unit]
        known = [k for k, goal in enumerate(own.tables) if getattr(piece.goal, "table", None) is goal.table]
        if known and known[0] in drawn.theta[piece.unit]:
            theta[a:b] += drawn.theta[piece.unit][known[0]]
    return theta


def fit(task: Task, drawn: Drawn) -> Fitted:
    """Move θ until all tables of the chains are at the noise of their number."""
    compiled, roster = task.compiled, flatten(drawn.roster, task.aims.layout)
    sizes, records = drawn.roster.sizes, len(drawn.roster)
    counts = first = count(task, roster, records)
    theta = first_theta(task, drawn)
    wanted = compiled.goal(counts, sizes)
    theta = np.where(compiled.is_target & (wanted <= 0), np.minimum(theta, NEVER), theta)
    learn = compiled.is_target & (wanted > 0)
    overlap, patience, best = _overlap(task), PATIENCE, np.inf
    average, done = theta.copy(), False
    for sweep in range(task.effort.fit_sweeps):
        sweep_all(task, roster, records, theta, sweep)
        counts = count(task, roster, records)
        goal = compiled.goal(counts, sizes)
        told = learn & (goal > 0)
        step = 1.0 / overlap / (1.0 + sweep / 20.0)
        moved = theta[told] + step * np.log(goal[told] / np.maximum(counts[told], 0.5))
        theta[told] = np.maximum(moved / (1.0 + step * compiled.decay[told]), NEVER)
        average += (theta - average) * (1.0 if sweep < 5 else 0.25)
        task.told("fit", sweep, counts, goal)
        noise = float(np.mean((counts[told] - goal[told]) ** 2 / np.maximum(goal[told], 1.0))) if told.any() else 0.0
        patience = PATIENCE if noise < 0.98 * best else patience - 1
        best = min(best, noise)
        done = sweep >= LEAST_SWEEPS and patience <= 0 and not counts[compiled.is_rule].any()
        if done:
            break
    return Fitted(roster=roster, theta=average, first=first)


def _overlap(task: Task) -> float:
    """Tables that share a step: a part of those that the redraw of one variable touches, typically; at least one."""
    arrays = task.compiled.arrays
    singles = np.diff(arrays["move_axis_ptr"]) == 1
    touched = (np.diff(arrays["local_ptr"]) + np.diff(arrays["far_ptr"]))[singles]
    return max(1.0, float(np.median(touched)) / SAME_WAY) if touched.size else 1.0
