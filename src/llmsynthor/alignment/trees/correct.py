"""Correction: sweeps and swaps with an annealed penalty on the squared error of the counts of all units' tables jointly."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from llmsynthor.alignment.parallel import in_parallel
from llmsynthor.alignment.trees import kernels_moves
from llmsynthor.alignment.trees.flat import (
    Counts,
    Flat,
    Floats,
    Ledger,
    Task,
    count,
    make_space,
    mark,
    most_rows,
)
from llmsynthor.alignment.trees.kernels_moves import HALF_A_RECORD
from llmsynthor.alignment.trees.program import Compiled, with_every_move

FULL_STRENGTH = 4.0
WEAK, GROWTH = 0.1, 1.6
"""The penalty of a squared error of one record begins with the first and grows by the second from sweep to sweep."""

LAST_STRENGTH = 64.0
"""Where nothing more is gained, every third sweep asks for nothing but the counts."""

GIVE_UP = 12
SWAPS = 3
"""Swaps proposed for each top record in a sweep."""

BROKEN = 1e6
"""A record that breaks a rule beside a squared error of one record."""

DONE = "nothing was left to correct"


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected:
    """The best population found, its counts and what they should be, why the correction ended, and how many moves it made."""

    roster: Flat
    counts: Counts
    goal: Floats
    sentence: str
    moved: int


@dataclass(slots=True)
class _State:
    roster: Flat
    counts: Counts
    moved: int = 0


def correct(
    task: Task, roster: Flat, sizes: tuple[int, ...], theta: Floats, held: NDArray[np.bool_], *, last: bool = False
) -> Corrected:
    """Anneal the penalty until every cell is within rounding, or nothing more is gained; held top records stay, and `roster` as is.

    As a `last` resort the penalty is full at once, and only top records in a cell with too many are touched, with every move.
    """
    if last:
        task = replace(task, compiled=with_every_move(task.compiled))
    compiled, effort, records = task.compiled, task.effort, sizes[0]
    state = _State(roster=_copy(roster), counts=count(task, roster, records))
    hard = compiled.is_hard
    kept, best, stalled = roster, np.inf, 0
    sentence = "the sweeps set for correction are used up"
    for sweep in range(effort.correct_sweeps):
        goal = compiled.goal(state.counts, sizes)
        total = squared_error(compiled, state.counts, goal)
        if total < best - 1e-9:
            best, stalled = total, 0
            kept = _copy(state.roster)
        if total < BROKEN and np.abs((state.counts - goal)[hard]).max(initial=0.0) < effort.rounding - 1e-9:
            kept, sentence = state.roster, DONE
            break
        if stalled >= GIVE_UP:
            sentence = "the last sweeps brought no cell nearer to its target"
            break
        strength = FULL_STRENGTH if last else min(FULL_STRENGTH, WEAK * GROWTH**sweep)
        strong = strength >= FULL_STRENGTH
        if stalled % 3 == 2:
            strength = LAST_STRENGTH
        focus = last or (strong and (stalled > 0 or records >= effort.large))
        _step(task, state, sizes, theta, ~held, (strength, sweep, focus))
        stalled += strong
        task.told("correct", sweep, state.counts, goal)
    counts = count(task, kept, records)
    goal = compiled.goal(counts, sizes)
    return Corrected(roster=kept, counts=counts, goal=goal, sentence=sentence, moved=state.moved)


def squared_error(compiled: Compiled, counts: Counts, goal: Floats) -> float:
    """Sum the squared errors of all cells that must be met; a broken rule weighs more than any of them."""
    error = (counts - goal)[compiled.is_hard]
    return float((error**2).sum()) + BROKEN * int(counts[compiled.is_rule].sum())


def in_surplus(task: Task, corrected: Corrected, cells: NDArray[np.bool_], records: int) -> NDArray[np.bool_]:
    """Mark the top records with a row in one of `cells` that holds more records too many than rounding explains: (records,)."""
    beyond = corrected.counts - corrected.goal >= task.effort.rounding - 1e-6
    return mark(task, corrected.roster, np.where(cells & beyond, 1.0, 0.0), records)


def _crowded(task: Task, state: _State, goal: Floats, free: NDArray[np.bool_], stream: int) -> NDArray[np.integer]:
    """Draw top records that are free to change from the cells that hold too many: `visited` in all, from each in proportion.

    Whoever breaks a rule is among them.
    """
    compiled = task.compiled
    surplus = np.where(compiled.is_hard & (state.counts - goal > HALF_A_RECORD), state.counts - goal, 0.0)
    wanted = task.effort.visited * surplus / max(surplus.sum(), 1.0)
    chances = wanted / np.maximum(state.counts, 1) / max(free.mean(), 1 / len(free))
    chances[compiled.is_rule] = 1.0
    return np.flatnonzero(free & mark(task, state.roster, chances, len(free), stream))


def _copy(roster: Flat) -> Flat:
    return roster._replace(codes=roster.codes.copy(), start=roster.start.copy(), length=roster.length.copy())


def _step(
    task: Task,
    state: _State,
    sizes: tuple[int, ...],
    theta: Floats,
    free: NDArray[np.bool_],
    way: tuple[float, int, bool],
) -> None:
    """One sweep, in place: in blocks side by side while there is much to do, then as a whole."""
    strength, sweep, focus = way
    compiled, records = task.compiled, sizes[0]
    rows = most_rows(compiled, state.roster)
    penalty = np.where(compiled.is_hard | compiled.is_rule, strength, 0.0)
    goal = compiled.goal(state.counts, sizes)
    blocks = max(1, min(task.effort.blocks, records // task.effort.block_records)) if strength < FULL_STRENGTH else 1
    ends = np.linspace(0, records, blocks + 1).astype(np.int64)
    sampled = focus and records >= task.effort.large
    tops = _crowded(task, state, goal, free, 2_000_000 + sweep) if sampled else np.flatnonzero(free)
    missing = (goal - state.counts) / blocks
    before = state.counts

    def part(block: int) -> tuple[Counts, int]:
        counts = before.copy() if blocks == 1 else np.zeros_like(before)
        wanted = counts + missing
        ledger = Ledger(
            gain=theta - penalty * (2.0 * (counts - wanted) + 1.0), counts=counts, penalty=penalty, targets=wanted
        )
        spaces = tuple(make_space(compiled, rows) for _ in range(4))
        live, bounds = True, (int(ends[block]), int(ends[block + 1]))
        visited = tops[slice(*np.searchsorted(tops, bounds))]
        made = kernels_moves.sweep(
            compiled.program,
            state.roster,
            spaces,
            ledger,
            live,
            compiled.crossing,
            visited,
            (free, bounds),
            (SWAPS, focus),
            (task.seed, 1_000_000 + sweep),
        )
        return (counts - before if blocks == 1 else counts), made

    for counts, made in in_parallel(part, range(blocks), task.effort.workers):
        state.counts = state.counts + counts
        state.moved += made
