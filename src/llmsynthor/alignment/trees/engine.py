"""The engine of nested records: how they are counted and changed. A schedule knows no more of them than this."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.aims import Aims
from llmsynthor.alignment.effort import in_parallel
from llmsynthor.alignment.trees import kernels, kernels_visits
from llmsynthor.alignment.trees.flat import Arena, Counts, Floats, Space, make_space
from llmsynthor.alignment.trees.pool import Pool
from llmsynthor.alignment.trees.program import Compiled
from llmsynthor.alignment.trees.sums import Sums

MOVES = 20.0
"""Moves tried in a visit of two records of usual size."""

SPACES = 6


class Ledger(NamedTuple):
    """What a further record in each cell is worth, and what the counts are; shape (cells,), sums (groups,).

    `weight` are log-weights, `bad` marks forbidden cells. An error d of a cell costs `linear` |d| + `square` d². The values that
    a cell adds to the sum of its `group` lie between `low` and `high`; sums out of reach by more than `slack` cost `pull` each.
    """

    weight: Floats
    bad: NDArray[np.int64]
    counts: Counts
    goal: Floats
    linear: Floats
    square: Floats
    group: Counts
    low: Floats
    high: Floats
    lowest: Floats
    highest: Floats
    pull: Floats
    slack: Floats


class Way(NamedTuple):
    """How visits go: `moves` a row; the share of moves of `single` records, of them `renew`ed, of the others `swap`s.

    `walk` and `anew` are the cumulative shares of basic moves (see `kernels_moves.basic`); rows before `lowest` stay. What a
    record that has not changed yet loses by a change is `stay`.
    """

    moves: float
    single: float
    renew: float
    swap: float
    walk: tuple[float, float, float]
    anew: tuple[float, float, float]
    lowest: int
    stay: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure:
    """What weighs on the records: log-weights, and what errors of cells and sums cost; shape (cells,) and (groups,)."""

    weight: Floats
    linear: Floats
    square: Floats
    pull: Floats
    stay: float = 0.0


@dataclass(slots=True)
class State:
    """Records with the counts of their cells."""

    arena: Arena
    counts: Counts
    moved: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trees:
    """The aims as the kernels read them, and what new rows are drawn from."""

    aims: Aims
    compiled: Compiled
    pool: Pool
    sums: Sums
    bad: NDArray[np.int64]
    seed: int
    rows: int
    chunk: int = 2_048
    workers: int | None = None
    spaces: dict[int, tuple[Space, ...]] = field(default_factory=dict)

    def room(self, block: int) -> tuple[Space, ...]:
        """Workspaces of a block: two records, each with its changed copy and a spare one."""
        if block not in self.spaces:
            self.spaces[block] = tuple(make_space(self.compiled.program, self.rows) for _ in range(SPACES))
        return self.spaces[block]

    def count(self, arena: Arena) -> Counts:
        """Count the records in every cell of every table, shape (cells,)."""
        n_cells, records = len(self.compiled.fixed), len(arena.start)
        size = max(self.chunk, n_cells // 4)

        def part(first: int) -> Counts:
            counts = np.zeros(n_cells, dtype=np.int64)
            space = make_space(self.compiled.program, self.rows)
            last = min(first + size, records)
            kernels.count_chunk(self.compiled.program, arena.codes, arena.start, space, first, last, counts)
            return counts

        return sum(in_parallel(part, range(0, records, size), self.workers), np.zeros(n_cells, dtype=np.int64))

    def mark(self, arena: Arena, chances: Floats) -> Floats:
        """The largest of the chances (cells,) of the cells that each top record is in: (top records,)."""
        found, records = np.zeros(len(arena.start)), len(arena.start)

        def part(first: int) -> None:
            space = make_space(self.compiled.program, self.rows)
            last = min(first + self.chunk, records)
            kernels.mark_chunk(self.compiled.program, arena.codes, arena.start, space, first, last, chances, found)

        in_parallel(part, range(0, records, self.chunk), self.workers)
        return found

    def sizes(self, counts: Counts, arena: Arena) -> tuple[float, ...]:
        """Records of every unit."""
        return self.sums.sizes(counts, len(arena.start))

    def goal(self, counts: Counts, arena: Arena) -> Floats:
        """Wanted records per cell."""
        return self.compiled.goal(counts, self.sums.wanted_sizes(counts, len(arena.start)))

    def visit(
        self, state: State, order: Sequence[NDArray[np.int64]], free: NDArray[np.bool_], pressure: Pressure, number: int
    ) -> None:
        """Visit the records in `order`, block by block, in place; the counts stay current.

        Each block makes up its part of what is missing, so that the number of workers changes nothing.
        """
        blocks, goal = len(state.arena.tail), self.goal(state.counts, state.arena)
        sums = self.sums.current(state.counts, len(state.arena.start))
        missing = (goal - state.counts) / blocks
        ends = np.linspace(0, len(state.arena.start), blocks + 1).astype(np.int64)
        records = len(state.arena.start)
        way = usual_way(self.compiled, state.counts, records, pressure.stay, sum(self.sizes(state.counts, state.arena)))

        def part(block: int) -> tuple[Counts, int]:
            counts = state.counts.copy() if blocks == 1 else np.zeros_like(state.counts)
            ledger = Ledger(
                weight=pressure.weight,
                bad=self.bad,
                counts=counts,
                goal=counts + missing,
                linear=pressure.linear,
                square=pressure.square,
                group=self.sums.group,
                low=self.sums.low,
                high=self.sums.high,
                lowest=sums.lowest / blocks,
                highest=sums.highest / blocks,
                pull=pressure.pull,
                slack=self.sums.slack / blocks,
            )
            partners = np.flatnonzero(free[ends[block] : ends[block + 1]]) + ends[block]
            made = kernels_visits.visit_all(
                self.compiled.program,
                self.pool,
                ledger,
                state.arena,
                self.room(block),
                order[block],
                partners,
                block,
                way,
                (self.seed, number),
            )
            return (counts - state.counts if blocks == 1 else counts), made

        for counts, made in in_parallel(part, range(blocks), self.workers):
            state.counts = state.counts + counts
            state.moved += made


def usual_way(compiled: Compiled, counts: Counts, records: int, stay: float, rows: float) -> Way:
    """The mixture of moves that crosses walls."""
    return Way(
        moves=MOVES / 2 / max(rows / max(records, 1), 1.0),
        single=0.70,
        renew=0.07,
        swap=0.67,
        walk=(0.6, 0.8, 0.95),
        anew=(0.3, 0.9, 0.9),
        lowest=0,
        stay=stay,
    )


def in_blocks(chosen: NDArray[np.int64], records: int, blocks: int) -> list[NDArray[np.int64]]:
    """Share out records, in their order, to the blocks that they stand in."""
    ends = np.linspace(0, records, blocks + 1).astype(np.int64)
    of = partial(np.searchsorted, ends, side="right")
    number = of(chosen) - 1
    return [chosen[number == block] for block in range(blocks)]
