"""Who yields where not all can be met: what the model said and proposed goes before tables, and of tables the less important.

Only what is needed yields: estimates and held records are let go only where tables are nearer without them, for a few top records
before all, since whoever is corrected without an estimate forgets it; and importance and margins of error decide only where tables
are further off than rounding explains.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.goals import Goal
from llmsynthor.alignment.cells import WHOLE
from llmsynthor.alignment.effort import Floats, Told
from llmsynthor.alignment.schedule import DEAR, STUCK, walk
from llmsynthor.alignment.trees.correct import COARSE, Cooling, Corrected, copy, correct, in_cells, misses, soft
from llmsynthor.alignment.trees.engine import Pressure, State, Trees
from llmsynthor.alignment.trees.program import Compiled

NEARER = 0.9
"""What is let go must bring the records that are missing below this part of what they were."""

PARTS = (0.02, 0.2, 1.0)
"""For which part of the top records something is let go, one after the other. On 14,874 family households with a library a single
householder of 15 was missing: without the library for all, the couples' age gap was 8.5 years off, for 297 of them 0.65."""

LEAST_FREED = 64
"""Top records for which it is let go at least."""

FREED = 100_000
"""Number of the draw of those records."""

DEAREST = 30.0
"""The price of the most important target's records at most, where those of the least important cost one."""

FIRM, SURE = 0.5, 10.0
"""What the last record within a margin of error costs, and one of a target without, where there are such margins."""

SLIGHT = 1e-3
"""Part of its price that an error within rounding or a margin of error costs."""

CYCLES, GIVE_UP = 12, 3
"""Coolings under the prices of importance at most, and how many of them without a gain end it."""

LATER, EACH, LAST = 10_000, 2_000, 20_000
"""Numbers of the first chunk of moves after something was let go, by how much more for every larger part, and under the prices of
importance."""

FIRST = 30_000
"""Number of the first chunk of moves after sums have given way."""

SUMS_GAVE_WAY = "the tables went before means and totals"
LET_GO = "what the model said and proposed gave way to the tables"
WEIGHED = "then the more important targets were brought nearer first"


def settle(trees: Trees, corrected: Corrected, weight: Floats, held: NDArray[np.bool_], told: Told) -> Corrected:
    """Go on from a correction that has not met everything."""
    lean, records, let_go = soft(trees), len(held), False
    if held.any() or np.any(weight[lean] != 0):
        plain = np.where(lean, 0.0, weight)
        said = trees.leans or held.any()  # a smooth shape is nobody's word: it is let go as a whole
        for number, part in enumerate(PARTS if said else PARTS[-1:]):
            before = _missing(trees, corrected)
            if before <= 0:
                break
            freed = _freed(trees, corrected, part, number)
            state = State(arena=copy(corrected.arena), counts=corrected.counts.copy(), moved=corrected.moved)
            again = correct(trees, state, plain, ~freed, told, fine=True, first=LATER + number * EACH)
            if _missing(trees, again) >= NEARER * before:
                continue
            let_go = bool(said)
            words = f"; {_gave_way(int(freed.sum()), records)}" if let_go else ""
            corrected = replace(again, sentence=again.sentence + words)
            if freed.all():
                weight, held = plain, ~freed
    corrected = tables_first(trees, corrected, weight, held, told)
    if trees.compiled.worst(corrected.counts, corrected.goal) >= DEAR:
        corrected = weigh(trees, corrected, weight, held, told)
    return replace(corrected, let_go=let_go)


def _freed(trees: Trees, corrected: Corrected, part: float, number: int) -> NDArray[np.bool_]:
    """The top records for which something is let go: half of them from cells with too many, the others any; (top records,)."""
    records = len(corrected.arena.start)
    size = max(int(part * records), LEAST_FREED)
    if size >= records:
        return np.ones(records, dtype=np.bool_)
    rng, freed = np.random.default_rng([trees.seed, 13, FREED + number]), np.zeros(records, dtype=np.bool_)
    crowded = np.flatnonzero(in_cells(trees, State(arena=corrected.arena, counts=corrected.counts), None)[:, 0])
    freed[rng.choice(crowded, min(size // 2, len(crowded)), replace=False)] = True
    freed[rng.choice(np.flatnonzero(~freed), size - int(freed.sum()), replace=False)] = True
    return freed


def _gave_way(freed: int, records: int) -> str:
    """What is said of it."""
    return LET_GO if freed == records else f"for {freed:,} of {records:,} top records {LET_GO}"


def tables_first(trees: Trees, corrected: Corrected, weight: Floats, held: NDArray[np.bool_], told: Told) -> Corrected:
    """Where tables are missed and there are sums, meet the tables without these, then bring the sums as near as that leaves."""
    if len(trees.sums.scale) < 2 or _off(trees, corrected) <= 0:
        return corrected
    state = State(arena=copy(corrected.arena), counts=corrected.counts.copy(), moved=corrected.moved)
    alone = correct(replace(trees, sums=trees.sums.muted()), state, weight, held, told, first=FIRST)
    if _off(trees, alone) >= NEARER * _off(trees, corrected):
        return corrected
    state = State(arena=copy(alone.arena), counts=alone.counts.copy(), moved=alone.moved)
    both = correct(trees, state, weight, held, told, fine=True, first=2 * FIRST)
    best = both if _off(trees, both) <= _off(trees, alone) else alone
    return replace(best, sentence=f"{best.sentence}; {SUMS_GAVE_WAY}") if _missing(trees, best) > 0 else best


def _off(trees: Trees, corrected: Corrected) -> float:
    """Records by which cells of tables are off, beyond what rounding explains."""
    return trees.compiled.missed(corrected.counts, corrected.goal)


class Priced(Cooling):
    """Coolings under fixed prices, each from the best so far: importance a record; for a margin of error the squared error over its
    square. Weights that went on adapting would go round in circles where tables exclude each other.
    """

    def __init__(
        self, trees: Trees, state: State, weight: Floats, held: NDArray[np.bool_], told: Told, *, goal: Floats
    ) -> None:
        super().__init__(trees, state, held, told, begin=COARSE)
        self.weight, (self.linear, self.square, self.room) = weight, prices(trees.compiled, goal)

    def look(self) -> tuple[float, bool]:
        """The price of all errors."""
        return _price(self.trees, self.state, self.linear, self.room), False

    def turn(self, stalled: int, least: float) -> str:
        """Another cooling from the best."""
        self.cycles += 1
        if self.cycles >= CYCLES or stalled >= GIVE_UP:
            return STUCK
        self.back()
        self.to_come = list(COARSE)
        return ""

    def pressure(self, temperature: float) -> Pressure:
        """What the prices say at a temperature."""
        return Pressure(
            weight=self.weight,
            linear=np.where(self.trees.compiled.is_hard, self.linear / temperature, 0.0),
            square=self.square / temperature,
            pull=self.trees.sums.scale / temperature,
        )


def weigh(trees: Trees, corrected: Corrected, weight: Floats, held: NDArray[np.bool_], told: Told) -> Corrected:
    """Cool under fixed prices; the state of the least price is kept."""
    state = State(arena=copy(corrected.arena), counts=corrected.counts.copy(), moved=corrected.moved)
    course = Priced(trees, state, weight, held, told, goal=corrected.goal)
    before, _ = course.look()
    walk(course, first=LAST)
    if course.look()[0] >= before - 1e-9:
        return corrected
    uneven = np.ptp(course.linear[trees.compiled.is_hard]) > 0
    return replace(
        corrected,
        arena=state.arena,
        counts=state.counts,
        goal=trees.goal(state.counts, state.arena),
        sentence=f"{corrected.sentence}; {WEIGHED}" if uneven else corrected.sentence,
        moved=state.moved,
    )


def prices(compiled: Compiled, goal: Floats) -> tuple[Floats, Floats, Floats]:
    """What a record too many costs in each cell, what its square does, and what a margin of error lets pass, in records."""
    linear, square, room = np.zeros(len(goal)), np.zeros(len(goal)), np.zeros(len(goal))
    for piece, (a, b) in zip(compiled.pieces, compiled.targets, strict=False):
        told = piece.goal
        linear[a:b] = told.table.importance if isinstance(told, Goal) else compiled.weight[a:b]
        if isinstance(told, Goal):
            room[a:b] = told.errors * goal[a:b].sum()
    hard = compiled.is_hard
    least = max(float(linear[hard].min(initial=np.inf)), 1e-300)
    linear = np.where(hard, np.minimum(linear / least, DEAREST), 0.0)
    rough = hard & (room > 1.0)
    if rough.any():
        square[rough] = FIRM * linear[rough] * room[rough].mean() / room[rough] ** 2 / 2.0
        linear[~rough] *= SURE
    return np.where(rough, SLIGHT * linear, linear), square, room


def _price(trees: Trees, state: State, linear: Floats, room: Floats) -> float:
    """Errors beyond rounding and margins of error, each at the price of its target."""
    goal, hard = trees.goal(state.counts, state.arena), trees.compiled.is_hard
    error = np.abs(state.counts - goal)
    rough = hard & (room > 1.0)
    beyond = np.where(rough, np.maximum(error - room, 0.0), np.where(error >= WHOLE, error, 0.0))
    dear = np.where(rough, linear / SLIGHT, linear)
    sums = trees.sums.missing(state.counts, len(state.arena.start)).sum()
    return float((dear * beyond)[hard].sum() + (SLIGHT * dear * error)[hard].sum() + sums)


def _missing(trees: Trees, corrected: Corrected) -> float:
    return misses(trees, State(arena=corrected.arena, counts=corrected.counts), corrected.goal)
