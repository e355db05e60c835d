"""Correction: counts walk to all units' tables in whole records; weights of targets that are missed go on adapting."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.goals import Goal
from llmsynthor.alignment.cells import WHOLE
from llmsynthor.alignment.effort import Counts, Floats, Told
from llmsynthor.alignment.schedule import STUCK, walk
from llmsynthor.alignment.trees.engine import MOVES, USUAL, Pressure, State, Trees, in_blocks
from llmsynthor.alignment.trees.flat import Arena

COOLING = (3.0, 2.2, 1.6, 1.2, 0.9, 0.7, 0.55, 0.45, 0.38, 0.3)
COARSE = (0.7, 0.55, 0.45, 0.36, 0.3, 0.25, 0.2, 0.15)
FINE = (0.45, 0.36, 0.3, 0.25, 0.2, 0.15)
"""Temperatures: one record too many costs its inverse. One cooling, coarse cycles, then fine ones."""

WANDER = 12
"""Fine cycles without a gain that go on from where they are, or a trap would never be left; later ones begin from the best."""

COLD, MILD = (0.1,) * 30, (0.2, 0.16, 0.13, 0.1, 0.1, 0.1)
"""Temperatures of records that a draw has brought so near that nothing but what is left may change, and of their later cycles."""

NEARLY = 0.02
"""Part of the records in the tables' cells up to which a draw that holds a frame is better than what a fit makes of it."""

NEAR, LEAST_NEAR = 0.25, 8.0
"""Fine cycles begin when so many records are off, for each cell that must be met, or so many in all."""

CYCLES, GIVE_UP_COARSE, GIVE_UP_FINE, GIVE_UP_COLD, GIVE_UP_LEANT = 60, 15, 25, 10, 6
"""Cycles at most, and after how many without a gain the correction ends: fine ones sooner where the records lean towards something
that no table demands, since that can be let go for those that need it."""

HIDDEN, GIVE_UP_HIDDEN = 2.0, 3
"""Where stated values are scaled up, so that their last digit stands for so many records or more, what is left may be no more than
that hides: then fewer cycles without a gain end it."""

EASE_AFTER, EASING, MOST_EASE = 3, 1.5, 8.0
"""After so many cycles without a gain sums may be off more than before, and how much more at most: tables come first."""

LET_CHANGE, IN_TURN = 2, 4
"""After so many fine cycles without a gain numbers of children in zones may change as well, for the rest of so many."""

CHUNK = 3.0
"""Moves tried per record at each temperature."""

LEAST_MOVES = 10_000
FEW = 20_000
"""Fine chunks are no longer than those of so many records: however many there are, few are off."""

SEEN = 25_000
"""Of more records only a part, another every time, is looked through for those in cells that are off."""

CROWDED, LACKING = 0.15, 0.3
"""Share of the visits that go to records of an over-full cell, and of one that lacks records."""

NUDGE, NUDGE_ANCHORED = 0.1, 0.05
DEARER, DEAREST, FORGET = 0.1, 2.0, 0.9
"""By how much the weight of a missed target moves, and how much dearer an error becomes as long as it stays."""

FURTHEST = 12.0
"""How far the weight of a missed target moves at most: where tables exclude each other it would go on for ever."""

STAYING = 4.0
"""What the first change of a given record costs at temperature one: as much as four errors of a cell."""

MISSED = 0.75


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected:
    """The best population found, its counts and what they should be, why the correction ended, and how many moves it made.

    `let_go` says that held records were given up.
    """

    arena: Arena
    counts: Counts
    goal: Floats
    sentence: str
    moved: int
    let_go: bool = False


class Cooling:
    """Chunks of moves at temperatures that fall, cycle by cycle; the records of the least price are kept."""

    gain, warm, fine = 1.0, False, False

    def __init__(
        self, trees: Trees, state: State, held: NDArray[np.bool_], told: Told, *, begin: Sequence[float]
    ) -> None:
        self.trees, self.state, self.held, self.told = trees, state, held, told
        self.to_come, self.cycles = list(begin), 0
        self.kept = copy(state.arena), state.counts.copy()

    def keep(self) -> None:
        """Remember the records."""
        self.kept = copy(self.state.arena), self.state.counts.copy()

    def back(self) -> None:
        """Return to the records that were kept; they stay as they are."""
        arena, counts = self.kept
        self.state.arena, self.state.counts = copy(arena), counts.copy()

    def is_over(self) -> bool:
        """Whether the cycle's temperatures are used up."""
        return not self.to_come

    def step(self, number: int) -> None:
        """One chunk of moves at the next temperature."""
        most = FEW if self.fine else len(self.state.arena.start)
        step(self.trees, self.state, self.held, self.pressure(self.to_come.pop(0)), number, most)
        self.adapt()
        self.told("correct", number, self.state.counts, self.trees.goal(self.state.counts, self.state.arena))

    def pressure(self, temperature: float) -> Pressure:
        """What weighs on the records."""
        raise AssertionError(temperature)

    def adapt(self) -> None:
        """Change what weighs on the records, after a chunk."""


class Adapting(Cooling):
    """The correction: the weights of missed targets go on adapting.

    `fine` once few records are off, `cold` if from the start; `ease` is how much more than their slack sums may be off that values
    can be moved for; `anchored` ones begin every fine cycle from the best. Given records hold on to what they are (`stay`).
    """

    def __init__(
        self,
        trees: Trees,
        state: State,
        weight: Floats,
        held: NDArray[np.bool_],
        told: Told,
        *,
        stay: bool,
        fine: bool,
    ) -> None:
        self.cold = not stay and _is_near(trees, state)
        self.stay, self.fine, self.anchored = stay, fine or stay or self.cold, stay or self.cold
        begin = COLD if self.cold else FINE if self.fine else COOLING
        super().__init__(trees, state, held, told, begin=begin)
        self.sums, self.ease = trees.sums, 1.0
        self.begun, self.weight = weight, weight.copy()
        self.dear, self.pulled = np.ones(len(weight)), np.ones(len(trees.sums.scale))
        self.leant = trees.leans and bool(np.any(weight[soft(trees)] != 0))
        trees.set_open(len(state.arena.tail), _numbers_off(trees, state))

    def look(self) -> tuple[float, bool]:
        """Records by which cells are off, and sums, beyond what rounding explains."""
        missing = misses(self.trees, self.state, self.trees.goal(self.state.counts, self.state.arena))
        return missing, missing <= 0

    def turn(self, stalled: int, least: float) -> str:
        """Coarse cycles first, then fine ones; sums are eased, and fine cycles anchored, as nothing is gained."""
        self.cycles += 1
        fine = GIVE_UP_LEANT if self.leant else GIVE_UP_FINE
        patience = GIVE_UP_COLD if self.cold else fine if self.fine else GIVE_UP_COARSE
        if self.fine and _is_hidden(self.trees, self.state):
            patience = min(patience, GIVE_UP_HIDDEN)
        if self.cycles > CYCLES or stalled >= patience:
            return STUCK
        if (stalled + 1) % EASE_AFTER == 0:
            self.ease = min(self.ease * EASING, MOST_EASE)
            self.trees = replace(self.trees, sums=self.sums.eased(self.ease))
        near = max(LEAST_NEAR, NEAR * float(self.trees.compiled.is_hard.sum()))
        self.fine = self.fine or least <= near
        self.anchored = self.anchored or (self.fine and stalled >= WANDER)
        if self.anchored:
            self.back()
        stuck = self.trees.aims.own[0].frame >= 0 and self.fine and (stalled + 1) % IN_TURN >= LET_CHANGE
        every = range(1, len(self.trees.aims.layout.units))
        self.trees.set_open(len(self.state.arena.tail), every if stuck else _numbers_off(self.trees, self.state))
        self.to_come = list(MILD if self.cold else FINE if self.fine else COARSE)
        return ""

    def pressure(self, temperature: float) -> Pressure:
        """Errors cost by the record, sums out of reach by their scale."""
        return Pressure(
            weight=self.weight,
            linear=np.where(self.trees.compiled.is_hard, self.dear / temperature, 0.0),
            square=np.zeros(len(self.weight)),
            pull=self.pulled * self.trees.sums.scale / temperature,
            stay=STAYING / temperature if self.stay else 0.0,
        )

    def adapt(self) -> None:
        """Move the weights of what is missed, within reason."""
        nudge = NUDGE_ANCHORED if self.anchored else NUDGE
        adapt(self.trees, self.state, (self.weight, self.dear, self.pulled), nudge)
        np.clip(self.weight, self.begun - FURTHEST, self.begun + FURTHEST, out=self.weight)


def correct(
    trees: Trees,
    state: State,
    weight: Floats,
    held: NDArray[np.bool_],
    told: Told,
    *,
    stay: float = 0.0,
    fine: bool = False,
    first: int = 0,
) -> Corrected:
    """Walk until every cell is within rounding, or nothing more is gained; held top records stay.

    With `stay` the records are given ones: each holds on to what it is (see STAYING), and nothing is warmed up, nor is it where
    they are nearly met (`fine`). `first` numbers the first chunk of moves.
    """
    sentence = walk(Adapting(trees, state, weight, held, told, stay=stay > 0, fine=fine), first=first)
    counts = trees.count(state.arena)
    goal = trees.goal(counts, state.arena)
    return Corrected(arena=state.arena, counts=counts, goal=goal, sentence=sentence, moved=state.moved)


def _is_near(trees: Trees, state: State) -> bool:
    """Whether records whose frame is held are so near already that nothing needs to be warmed up."""
    goal = trees.goal(state.counts, state.arena)
    return trees.aims.own[0].frame >= 0 and misses(trees, state, goal) <= NEARLY * goal[trees.compiled.is_hard].sum()


def _is_hidden(trees: Trees, state: State) -> bool:
    """Whether what cells are off is no more than the last digit of what is stated, and sums are within reach."""
    compiled, goal = trees.compiled, trees.goal(state.counts, state.arena)
    off = np.where(compiled.is_hard, np.abs(state.counts - goal), 0.0)
    off[off < WHOLE] = 0.0
    for piece, (a, b) in zip(compiled.pieces, compiled.targets, strict=False):
        if not isinstance(piece.goal, Goal) or piece.goal.table.value != "count" or not off[a:b].any():
            continue
        table = piece.goal.table
        hides = 0.5 * table.resolution * float(goal[a:b].sum()) / max(abs(sum(table.values)), 1e-300)
        if 2.0 * hides >= HIDDEN:
            off[a:b] = np.maximum(off[a:b] - hides - 1.0, 0.0)
    return not off.any() and not trees.sums.missing(state.counts, len(state.arena.start)).any()


def _numbers_off(trees: Trees, state: State) -> list[int]:
    """Units of which a table of nothing else is missed: it is met from the start unless rules took some of them away."""
    layout, compiled = trees.aims.layout, trees.compiled
    off = compiled.is_hard & (np.abs(state.counts - trees.goal(state.counts, state.arena)) >= 1.0)
    pieces = zip(compiled.pieces, compiled.tables, strict=False)
    missed = {piece.places[0] for piece, (a, b) in pieces if len(piece.places) == 1 and off[a:b].any()}
    return [unit for unit in range(1, len(layout.units)) if layout.count_column(unit) in missed]


def copy(arena: Arena) -> Arena:
    """The same records in arrays of their own."""
    return Arena(
        codes=arena.codes.copy(),
        start=arena.start.copy(),
        capacity=arena.capacity.copy(),
        tail=arena.tail.copy(),
        changed=arena.changed.copy(),
    )


def soft(trees: Trees) -> NDArray[np.bool_]:
    """Cells whose weights no table demands: of estimates, beliefs and smooth shapes, shape (cells,)."""
    compiled, beliefs = trees.compiled, len(trees.aims.beliefs)
    found = compiled.is_target & ~compiled.is_hard
    found[compiled.starts[len(compiled.pieces) - beliefs] :] = True
    return found


def misses(trees: Trees, state: State, goal: Floats) -> float:
    """Records by which cells are off, and sums in widths of a cell, beyond what rounding explains."""
    sums = trees.sums.missing(state.counts, len(state.arena.start))
    return float(trees.compiled.missed(state.counts, goal) + sums.sum())


def step(trees: Trees, state: State, held: NDArray[np.bool_], pressure: Pressure, number: int, most: int) -> None:
    """One chunk of moves, in place: most records at random, some from over-full cells and some from those that lack records.

    It is as long as a chunk for `most` records at most, and longer where top records are large.
    """
    records, blocks = len(state.arena.start), len(state.arena.tail)
    rng = np.random.default_rng([trees.seed, 8, number])
    large = max(sum(trees.sizes(state.counts, state.arena)) / (USUAL * records), 1.0)
    free = np.flatnonzero(~held)
    visits = int(max(CHUNK * min(len(free), most) * large, LEAST_MOVES) / MOVES)
    if not len(free):
        return
    order, first = rng.choice(free, visits), 0
    firsts = _looked_at(trees, records, rng)
    off = in_cells(trees, state, firsts)
    for kind, share in enumerate((CROWDED, LACKING)):
        listed, last = np.flatnonzero(~held & off[:, kind]), first + int(share * visits)
        if len(listed):
            order[first:last] = rng.choice(listed, last - first)
            first = last
    rng.shuffle(order)
    trees.visit(state, in_blocks(order, records, blocks), ~held, pressure, 1_000_000 + number)


def _looked_at(trees: Trees, records: int, rng: np.random.Generator) -> list[int] | None:
    """Where the parts of the records begin that are looked through for those in cells that are off; None for all of them."""
    if records <= SEEN:
        return None
    parts = np.arange(0, records, trees.chunk)
    chosen = rng.choice(parts, max(SEEN // trees.chunk, 1), replace=False)
    return [int(first) for first in np.sort(chosen)]


def in_cells(trees: Trees, state: State, firsts: list[int] | None) -> NDArray[np.bool_]:
    """Which top records are in a cell with too many, and which in one with too few: (top records, 2)."""
    error = state.counts - trees.goal(state.counts, state.arena)
    off = trees.compiled.is_hard[:, None] & (np.stack([error, -error], axis=1) >= MISSED)
    return trees.mark(state.arena, off, firsts)


def adapt(trees: Trees, state: State, adapted: tuple[Floats, Floats, Floats], nudge: float) -> None:
    """Move the weights of missed targets by the sign of what they miss, and make their errors dearer; in place.

    `adapted` are log-weights and prices of errors (cells,), and prices of sums out of reach (groups,).
    """
    weight, dear, pulled = adapted
    hard, goal = trees.compiled.is_hard, trees.goal(state.counts, state.arena)
    error = np.where(hard, state.counts - goal, 0.0)
    missed = np.abs(error) >= MISSED
    weight[missed] -= nudge * np.sign(error[missed])
    dear[:] = np.where(missed, np.minimum(dear + DEARER, DEAREST), 1.0 + (dear - 1.0) * FORGET)
    out = trees.sums.missing(state.counts, len(state.arena.start)) > 0
    pulled[:] = np.where(out, np.minimum(pulled + DEARER, DEAREST), 1.0 + (pulled - 1.0) * FORGET)
