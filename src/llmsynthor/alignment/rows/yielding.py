"""What is tried where sweeps alone do not meet all: swaps, then who yields.

Means, totals and quantiles go before tables; of what is left, importance and margins of error decide.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from llmsynthor.alignment.cells import WHOLE
from llmsynthor.alignment.effort import Codes, Floats, Told
from llmsynthor.alignment.results import DONE
from llmsynthor.alignment.rows.correct import Annealing, Pressure
from llmsynthor.alignment.rows.engine import Rows, State
from llmsynthor.alignment.rows.swap import exchange, swap
from llmsynthor.alignment.rows.walled import wall_in
from llmsynthor.alignment.schedule import DEAR, walk

SWAP_ROUNDS = 10
GENTLE = 0.01
"""Pull of means beside tables that are to stay as they are."""

LEAST_WEIGHT = 1e-4
LAST, LATER, WALLED = 1_000, 2_000, 5_000
"""Numbers of the first sweep under the weights of importance, of the first after means were given up, and behind a wall."""

WEIGHED = "then the more important targets were brought nearer first"
YIELDED = "the tables went before means, totals and quantiles"


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected:
    """The best population found, why the correction ended, and how many moves it made."""

    state: State
    sentence: str

    @property
    def moved(self) -> int:
        return self.state.moved


def correct(rows: Rows, codes: Codes, theta: Floats, stay: Floats, told: Told) -> Corrected:
    """Anneal the penalty until every cell is within rounding, or nothing more is gained.

    `stay` (records,) is the log-weight with which a record holds on to what it is. All targets weigh the same.
    """
    state = rows.state(np.ascontiguousarray(codes))
    if _worst(rows, state) < WHOLE and not state.means.missing().any():
        return Corrected(state=state, sentence=DONE)
    course = Annealing(rows, state, _evenly(rows, theta, stay), told)
    return Corrected(state=state, sentence=walk(course))


def settle(rows: Rows, corrected: Corrected, theta: Floats, stay: Floats, told: Told) -> Corrected:
    """Go on from a correction that has not met everything: swap, give up means for tables, or weigh targets by importance."""
    state, even = corrected.state, _evenly(rows, theta, stay)
    if _swap_rounds(rows, state, (stay == 0) | rows.keep):
        return replace(corrected, sentence=DONE)
    if wall_in(rows, state, even, told, first=WALLED):
        return replace(corrected, sentence=DONE)
    nobody_stays = not (stay > 0).any()
    if nobody_stays and _worst(rows, state) < WHOLE and exchange(rows, state):
        return replace(corrected, sentence=DONE)
    if _spare_tables(rows, state, even, told):
        made_up = nobody_stays and exchange(rows, state)
        return replace(corrected, sentence=DONE if made_up else f"{DONE}; {YIELDED}")
    dearer = rows.compiled.weight[rows.compiled.is_hard]
    if not dearer.size or np.ptp(dearer) <= 0 or _worst(rows, state) < DEAR:
        return corrected
    weight = even.weight * np.clip(rows.compiled.weight / dearer.max(), LEAST_WEIGHT, 1.0)
    sentence = walk(Annealing(rows, state, replace(even, weight=weight), told, strong=True), first=LAST)
    return replace(corrected, sentence=f"{sentence}; {WEIGHED}")


def met(rows: Rows, codes: Codes, theta: Floats, told: Told) -> Codes:
    """Records corrected as far as that goes, none of them held."""
    free = np.zeros(len(codes))
    corrected = correct(rows, codes, theta, free, told)
    done = corrected.sentence.startswith(DONE)
    return (corrected if done else settle(rows, corrected, theta, free, told)).state.codes


def _evenly(rows: Rows, theta: Floats, stay: Floats) -> Pressure:
    """All targets weigh the same."""
    return Pressure(theta=theta, stay=stay, weight=np.where(rows.compiled.is_hard, 1.0, 0.0))


def _worst(rows: Rows, state: State, cells: NDArray[np.bool_] | None = None) -> float:
    return rows.compiled.worst(state.counts, rows.goal(state.counts), cells)


def _spare_tables(rows: Rows, state: State, even: Pressure, told: Told) -> bool:
    """Where means, totals and quantiles are out of the tables' reach, give up those; says whether all tables are met then."""
    last = rows.compiled.tables[-1][1] if rows.compiled.tables else 0
    of_tables = rows.compiled.is_hard & (np.arange(len(state.counts)) < last)
    numeric = bool(rows.goals.moments or rows.goals.quantiles)
    if not numeric or not of_tables.any() or _worst(rows, state, of_tables) < WHOLE:
        return False
    weight, met = np.where(of_tables, 1.0, 0.0), False
    for stage, pull in enumerate((0.0, GENTLE)):
        before, state.pull = state.codes.copy(), pull
        walk(Annealing(rows, state, replace(even, weight=weight), told, strong=True), first=LATER + 1_000 * stage)
        if _worst(rows, state, of_tables) >= WHOLE:
            again = rows.state(before)
            state.codes, state.counts, state.means = again.codes, again.counts, again.means
            break
        met = True
    state.pull = 1.0
    return met


def _swap_rounds(rows: Rows, state: State, free: NDArray[np.bool_]) -> bool:
    """Swap until every cell is within rounding, or no swap helps; says whether all are."""
    for _ in range(SWAP_ROUNDS):
        if _worst(rows, state) < WHOLE:
            return not state.means.missing().any()
        made = swap(rows, state.codes, state.counts, rows.goal(state.counts), free)
        state.moved += 2 * made
        state.means = rows.sums(rows.count(state.codes))
        if not made:
            return False
    return False
