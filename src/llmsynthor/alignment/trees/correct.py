"""Correction: counts walk to all units' tables in whole records; weights of targets that are missed go on adapting."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmsynthor.alignment.trees.engine import MOVES, Pressure, State, Trees, in_blocks
from llmsynthor.alignment.trees.fit import Told
from llmsynthor.alignment.trees.flat import Arena, Counts, Floats

COOLING = (3.0, 2.2, 1.6, 1.2, 0.9, 0.7, 0.55, 0.45, 0.38, 0.3)
CYCLE = (0.7, 0.55, 0.45, 0.36, 0.3, 0.25, 0.2, 0.15)
"""Temperatures: one record too many costs its inverse. One slow cooling, then cycles."""

COLD = 0.15
CYCLES, GIVE_UP, STUCK = 60, 12, 2
CHUNK = 3.0
"""Moves tried per record at each temperature."""

LEAST_MOVES = 10_000
CROWDED, LACKING = 0.3, 0.15
"""Share of the visits that go to records of an over-full cell, and of one that lacks records."""

NUDGE = 0.05
DEARER, DEAREST, FORGET = 0.1, 4.0, 0.9
"""By how much the weight of a missed target moves, and how much dearer an error becomes as long as it stays."""

MISSED = 0.75
DONE = "nothing was left to correct"


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected:
    """The best population found, its counts and what they should be, why the correction ended, and how many moves it made."""

    arena: Arena
    counts: Counts
    goal: Floats
    sentence: str
    moved: int


def correct(
    trees: Trees, state: State, weight: Floats, held: NDArray[np.bool_], told: Told, *, stay: float = 0.0
) -> Corrected:
    """Walk until every cell is within rounding, or nothing more is gained; held top records stay."""
    hard = trees.compiled.is_hard
    weight, dear, blocks = weight.copy(), np.ones(len(weight)), len(state.arena.tail)
    trees.set_open(blocks, every=False)
    pulled = np.ones(len(trees.sums.scale))
    best, kept, stalled, number = np.inf, copy(state.arena), 0, 0
    sentence = "the sweeps set for correction are used up"
    for temperature in (*COOLING, *(CYCLE * CYCLES)):
        goal = trees.goal(state.counts, state.arena)
        total = misses(trees, state, goal)
        if total < best - 1e-9:
            best, stalled, kept = total, 0, copy(state.arena)
        if is_done(trees, state, goal):
            kept, sentence = copy(state.arena), DONE
            break
        stalled += 1
        if number >= len(COOLING) and stalled > GIVE_UP * len(CYCLE):
            sentence = "the last sweeps brought no cell nearer to its target"
            break
        if stalled > STUCK * len(CYCLE) and number > len(COOLING):
            trees.set_open(blocks, every=True)
        pressure = Pressure(
            weight=weight,
            linear=np.where(hard, dear / temperature, 0.0),
            square=np.zeros_like(goal),
            pull=pulled * trees.sums.scale / temperature,
            stay=stay,
        )
        _step(trees, state, held, pressure, number)
        adapt(trees, state, weight, dear, pulled)
        told("correct", number, state.counts, trees.goal(state.counts, state.arena))
        number += 1
    counts = trees.count(kept)
    return Corrected(arena=kept, counts=counts, goal=trees.goal(counts, kept), sentence=sentence, moved=state.moved)


def copy(arena: Arena) -> Arena:
    """The same records in arrays of their own."""
    return Arena(*(part.copy() for part in arena))


def misses(trees: Trees, state: State, goal: Floats) -> float:
    """Records by which cells are off, and sums in widths of a cell, beyond what rounding explains."""
    error = np.abs(state.counts - goal)[trees.compiled.is_hard]
    sums = trees.sums.missing(state.counts, len(state.arena.start))
    return float(np.where(error >= 1.0 - 1e-9, error, 0.0).sum() + sums.sum())


def is_done(trees: Trees, state: State, goal: Floats) -> bool:
    """Whether every cell is within a record of its target and every sum within reach."""
    return misses(trees, state, goal) <= 0.0


def _step(trees: Trees, state: State, held: NDArray[np.bool_], pressure: Pressure, number: int) -> None:
    """One chunk of moves, in place: most records at random, some from over-full cells and some from those that lack records."""
    records, blocks = len(state.arena.start), len(state.arena.tail)
    rng = np.random.default_rng([trees.seed, 8, number])
    visits = int(max(CHUNK * records, LEAST_MOVES) / MOVES)
    free = np.flatnonzero(~held)
    if not len(free):
        return
    order, first = rng.choice(free, visits), 0
    for share, sign in ((CROWDED, 1.0), (LACKING, -1.0)):
        listed, last = _in_cells(trees, state, ~held, sign), first + int(share * visits)
        if len(listed):
            order[first:last] = rng.choice(listed, last - first)
            first = last
    rng.shuffle(order)
    trees.visit(state, in_blocks(order, records, blocks), ~held, pressure, 1_000_000 + number)


def _in_cells(trees: Trees, state: State, free: NDArray[np.bool_], sign: float) -> NDArray[np.int64]:
    """Top records that are free to change and in a cell with too many (sign 1) or too few."""
    goal = trees.goal(state.counts, state.arena)
    off = np.where(trees.compiled.is_hard & (sign * (state.counts - goal) >= MISSED), 1.0, 0.0)
    return np.flatnonzero(free & (trees.mark(state.arena, off) > 0))


def adapt(trees: Trees, state: State, weight: Floats, dear: Floats, pulled: Floats) -> None:
    """Move the weights of missed targets by the sign of what they miss, and make their errors dearer; in place."""
    hard, goal = trees.compiled.is_hard, trees.goal(state.counts, state.arena)
    error = np.where(hard, state.counts - goal, 0.0)
    missed = np.abs(error) >= MISSED
    weight[missed] -= NUDGE * np.sign(error[missed])
    dear[:] = np.where(missed, np.minimum(dear + DEARER, DEAREST), 1.0 + (dear - 1.0) * FORGET)
    records = len(state.arena.start)
    out = trees.sums.missing(state.counts, records) > 0
    pulled[:] = np.where(out, np.minimum(pulled + DEARER, DEAREST), 1.0 + (pulled - 1.0) * FORGET)
