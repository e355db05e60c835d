"""What the model says yields to tables and rules, no further than it must."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from llmsynthor.alignment.trees.correct import DONE, Corrected, correct, in_surplus
from llmsynthor.alignment.trees.flat import Flat, Floats, Task, flatten, unflatten
from llmsynthor.population.order import put_in_order
from llmsynthor.population.roster import Roster

SHARES = (0.02, 0.2, 1.0)
"""Shares of the top records that forget what the model says, one after the other, until tables and rules are met."""

PAYS = 0.5
"""A share has to bring what is missing down to so much of what it was, or mend broken rules, or nothing is forgotten for it."""

OFF = 3.0
"""All forget what the model says only for a cell that is so many records off, or for a rule."""


def correct_yielding(task: Task, flat: Flat, roster: Roster, theta: Floats) -> Corrected:
    """Walk to the tables; estimates and beliefs yield where that does not succeed with them.

    They are forgotten first for the top records that are in a cell with too many, then for a share of all, drawn at random, of
    those in such cells as many again, and all that break a rule; these are annealed anew, the rest keeps what the model says.
    """
    sizes, held = roster.sizes, roster.proposal >= 0
    found = correct(task, flat, sizes, theta, held)
    if found.sentence == DONE:
        return found
    yielding = np.where(_soft(task), 0.0, theta)
    ordered = flatten(put_in_order(task.aims, unflatten(found.roster, roster)), task.aims.layout)
    last = correct(task, ordered, sizes, yielding, held, last=True)
    found = replace(last, moved=found.moved + last.moved)
    if (yielding == theta).all():
        return found
    if last.moved:
        found = replace(
            found, sentence=f"{last.sentence}; what the model says yielded for records in cells with too many"
        )
    quiet = replace(task, notify=lambda stage, sweep, tvd: None)
    for number, share in enumerate(SHARES):
        broken, excess, worst = _missing(task, found)
        if not broken and (excess <= 0 or (share >= 1 and worst < OFF)):
            break
        free = _free(task, found, share, len(held))
        more = correct(quiet, found.roster, sizes, yielding, held | ~free)
        now_broken, now_excess, _ = _missing(task, more)
        if now_broken < broken or (now_broken == broken and now_excess <= PAYS * excess):
            sentence = (
                f"{more.sentence}; what the model says yielded for {(free & ~held).mean():.0%} of the top records"
            )
            found = replace(more, sentence=sentence, moved=found.moved + more.moved)
            task.told("correct", number, found.counts, found.goal)
    return found


def _free(task: Task, found: Corrected, share: float, records: int) -> NDArray[np.bool_]:
    """Top records that may change: a share of all, as many again of those in a cell with too many, and all that break a rule."""
    drawn = np.random.default_rng([task.seed, 5]).random((2, records))
    crowded = in_surplus(task, found, task.compiled.is_hard, records)
    thinned = crowded & (drawn[1] * max(crowded.mean(), share) < share)
    return np.asarray((drawn[0] < share) | thinned | in_surplus(task, found, task.compiled.is_rule, records))


def _missing(task: Task, found: Corrected) -> tuple[int, float, float]:
    """Records that break a rule, the squared errors beyond rounding, and the largest error."""
    error = np.abs(found.counts - found.goal)[task.compiled.is_hard]
    beyond = np.maximum(error - task.effort.rounding - 1e-6, 0.0)
    return int(found.counts[task.compiled.is_rule].sum()), float((beyond**2).sum()), float(error.max(initial=0.0))


def _soft(task: Task) -> NDArray[np.bool_]:
    """The cells whose weights only lean: estimates and beliefs. They yield where tables are not met with them."""
    compiled, beliefs = task.compiled, sum(projection.size for _, projection, _ in task.aims.beliefs)
    soft = compiled.is_target & ~compiled.is_hard
    soft[len(soft) - beliefs :] = True
    return np.asarray(soft)
