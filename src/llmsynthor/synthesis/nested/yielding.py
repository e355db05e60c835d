"""What the model says yields to tables and rules, no further than it must."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from llmsynthor.synthesis.nested.correct import DONE, Corrected, correct, in_surplus, squared_error
from llmsynthor.synthesis.nested.layout import Roster
from llmsynthor.synthesis.nested.order import put_in_order
from llmsynthor.synthesis.nested.task import Flat, Floats, Task, flatten, unflatten

SHARES = (0.02, 0.2, 1.0)
"""Shares of the top records that forget what the model says, one after the other, until tables and rules are met."""

PAYS = 0.5
"""A share has to bring the squared error down to so much of what it was, or nothing is forgotten for it."""


def correct_yielding(task: Task, flat: Flat, roster: Roster, theta: Floats) -> Corrected:
    """Walk to the tables; estimates and beliefs yield where that does not succeed with them.

    They are forgotten first for the few top records that are in a cell with too many, then for these and a share of the others,
    drawn at random and annealed anew: the rest keeps what the model says of it.
    """
    sizes, held = roster.sizes, roster.proposal >= 0
    found = correct(task, flat, sizes, theta, held)
    if found.sentence == DONE:
        return found
    yielding = np.where(_soft(task), 0.0, theta)
    ordered = flatten(put_in_order(task.aims, unflatten(found.roster, roster)), task.aims.layout)
    found = correct(task, ordered, sizes, yielding, held, last=True)
    if (yielding == theta).all():
        return found
    drawn = np.random.default_rng([task.seed, 5]).random(len(held))
    error = squared_error(task.compiled, found.counts, found.goal)
    for share in SHARES:
        if _is_met(task, found):
            break
        kept = (drawn >= share) & ~in_surplus(task, found, len(held))
        more = correct(task, found.roster, sizes, yielding, held | kept)
        left = squared_error(task.compiled, more.counts, more.goal)
        if left <= PAYS * error:
            sentence = f"{more.sentence}; what the model says yielded for {share:.0%} of the top records"
            found, error = replace(more, sentence=sentence), left
    return found


def _is_met(task: Task, found: Corrected) -> bool:
    """No rule is broken and no cell further off than a record, as a table within tolerance may be."""
    error = np.abs(found.counts - found.goal)[task.compiled.is_hard]
    return bool((error <= task.effort.rounding + 1e-6).all() and not found.counts[task.compiled.is_rule].any())


def _soft(task: Task) -> NDArray[np.bool_]:
    """The cells whose weights only lean: estimates and beliefs. They yield where tables are not met with them."""
    compiled, beliefs = task.compiled, sum(projection.size for _, projection, _ in task.aims.beliefs)
    soft = compiled.is_target & ~compiled.is_hard
    soft[len(soft) - beliefs :] = True
    return np.asarray(soft)
