"""The schedule of an alignment, for either engine: fit, correct, yield.

Fit moves log-weights until tables are at the noise of the records; correct walks the counts to the targets in whole records and
returns to the best; who yields is asked only where not all is met.
"""

from itertools import count

import numpy as np

from llmsynthor.alignment.cells import noise
from llmsynthor.alignment.effort import Counts, Floats, Notify, Told
from llmsynthor.alignment.engine import Course, End, Engine, Fitting, State
from llmsynthor.alignment.results import DONE, Aligned, Report

PATIENCE = 4
"""Sweeps without gain after which weights have settled."""

LATER = 0.25
"""Part of a sweep's weights in the average, from the engine's first averaged sweep on."""

DEAR = 2.0
"""Errors of so many records in a cell are no rounding: from there on importance decides who yields."""

STUCK = "the last sweeps brought no cell nearer to its target"


def run_stages(engine: Engine[State, End], notify: Notify | None = None) -> Aligned:
    """Fit, correct, and let yield what must; `notify(stage, sweep, tvd per table)` is told how it goes."""

    def told(stage: str, sweep: int, counts: Counts, goal: Floats) -> None:
        if notify is not None:
            notify(stage, sweep, engine.cells.distances(counts, goal))

    fitted = engine.fit(told)
    corrected = engine.correct(fitted, told)
    if not corrected.sentence.startswith(DONE):
        corrected = engine.settle(fitted, corrected, told)
    report = Report(
        start=fitted.first,
        fitted=fitted.fitted,
        final=engine.final(corrected),
        sentence=corrected.sentence,
        moved=corrected.moved,
    )
    return engine.aligned(fitted, corrected, report)


def rake(fitting: Fitting, weight: Floats, told: Told) -> Floats:
    """Move log-weights until the tables are at the noise of the records' number; returns their average over the sweeps.

    `weight` (cells,) is changed in place. Stochastic dual ascent with persistent chains (Tieleman 2008; Younes 1999).
    """
    pace, average, finite = fitting.pace, weight.copy(), np.isfinite(weight)
    best, patience = np.inf, PATIENCE
    for sweep in range(pace.sweeps):
        counts, goal = fitting.sweep(weight, sweep)
        judged = fitting.rake(weight, counts, goal, sweep)
        average[finite] += (weight[finite] - average[finite]) * (1.0 if sweep < pace.averaged else LATER)
        told("fit", sweep, counts, goal)
        now = noise(counts, goal, judged)
        patience = PATIENCE if now < pace.gain * best else patience - 1
        best = min(best, now)
        if sweep >= pace.least and patience <= 0:
            break
    return average


def walk(course: Course, *, first: int = 0) -> str:
    """Take steps until everything is met or nothing more is gained, and return to the best; says why it ended.

    `first` is the number of the first step: no two steps of an alignment have the same.
    """
    least, stalled, gained = np.inf, 0, False
    for number in count(first):
        missing, met = course.look()
        if met:
            return DONE
        gained = gained or missing < course.gain * least - 1e-9
        if missing < least - 1e-9:
            least = missing
            course.keep()
        if course.is_over():
            stalled, gained = 0 if gained else stalled + (not course.warm), False
            reason = course.turn(stalled, least)
            if reason:
                break
        course.step(number)
    course.back()
    return reason
