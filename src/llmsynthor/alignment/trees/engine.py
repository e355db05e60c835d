"""The engine of nested records: how they are counted and changed. A schedule knows no more of them than this."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.aims import Aims
from llmsynthor.aims.goals import Goal
from llmsynthor.alignment.parallel import in_parallel
from llmsynthor.alignment.trees import fields as key
from llmsynthor.alignment.trees import kernels, kernels_visits
from llmsynthor.alignment.trees.flat import Arena, Counts, Floats, roomy
from llmsynthor.alignment.trees.kernels import World
from llmsynthor.alignment.trees.kernels_visits import Way
from llmsynthor.alignment.trees.pool import Pool
from llmsynthor.alignment.trees.program import Compiled
from llmsynthor.alignment.trees.sums import Current, Sums
from llmsynthor.alignment.trees.world import Ledger, errors_of, make_world, write_ledger
from llmsynthor.alignment.trees.zoned import Booleans, Zoned
from llmsynthor.spec.targets import LIBRARY

MOVES = 20.0
"""Moves tried in a visit of two records of usual size."""

CHUNK = 2_048
"""Top records that a worker takes at once."""

SPACES = 6

USUAL = 16.0
"""Records of all units in a large top record: members of a larger one are all drawn anew more rarely, as that seldom succeeds."""

NEAR = 12
"""Partners that are alike are drawn from so many on either side."""


def make_ledger(
    sums: Sums, bad: NDArray[np.int64], error: Floats, pressure: "Pressure", current: Current, parts: int
) -> Ledger:
    """Put everything in its column; each of so many `parts` of the records makes up its own part of a sum."""
    zero = np.zeros(len(error))
    cells = (pressure.weight, bad, error, pressure.linear, pressure.square, sums.group, sums.low, sums.high)
    ends = (
        *(current.lowest / parts, current.highest / parts, pressure.pull, sums.slack / parts, sums.step),
        *(current.members / parts, sums.empty),
    )
    return Ledger(
        cells=np.ascontiguousarray(np.stack([zero + column for column in cells], axis=1)),
        sums=np.ascontiguousarray(np.stack(ends, axis=1)),
    )


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
    """The aims as the kernels read them, and what new rows are drawn from.

    `bad` marks forbidden cells; `rows` is how many a top record may have; `line` is the top variable in which partners are alike
    more often than not, -1 for none. `zoned` says where in the frame cells lie.
    """

    aims: Aims
    compiled: Compiled
    pool: Pool
    sums: Sums
    bad: NDArray[np.int64]
    seed: int
    rows: int
    line: int = -1
    chunk: int = CHUNK
    workers: int | None = None
    zoned: Zoned | None = None
    worlds: dict[int, tuple[World, tuple[int, ...]]] = field(default_factory=dict)

    @property
    def leans(self) -> bool:
        """Whether the records lean towards something that no table demands."""
        return bool(self.aims.beliefs) or bool(self.compiled.is_soft.any())

    @property
    def is_informed(self) -> bool:
        """Whether some of what the records lean towards was counted elsewhere: it comes from a library."""
        tables = (piece.goal.table for piece in self.compiled.pieces if isinstance(piece.goal, Goal))
        return any(table.trust < 1 and table.source.startswith(LIBRARY) for table in tables)

    def world(self, block: int) -> tuple[World, tuple[int, ...]]:
        """What a block works on, with workspaces for two records, each with its changed copy and a spare one."""
        if block not in self.worlds:
            self.worlds[block] = make_world(
                self.compiled, self.rows, pool=self.pool, sums=len(self.sums.scale), spaces=SPACES if block >= 0 else 1
            )
        return self.worlds[block]

    def set_open(self, blocks: int, more: Sequence[int]) -> None:
        """Let the numbers of records change that no table fixes, and those of the units in `more`."""
        arrays = self.compiled.program.arrays
        chosen = [u for u in arrays["open_unit"].tolist() if arrays["is_open"][u] == 1 or u in more]
        for block in range(blocks):
            ints = self.world(block)[0].ints
            ints[key.N_OPEN] = len(chosen)
            ints[ints[key.OPEN_UNIT] : ints[key.OPEN_UNIT] + len(chosen)] = chosen

    def count(self, arena: Arena) -> Counts:
        """Count the records in every cell of every table, shape (cells,)."""
        n_cells, records = len(self.compiled.fixed), len(arena.start)
        size = max(self.chunk, n_cells // 4)

        def part(first: int) -> Counts:
            counts = np.zeros(n_cells, dtype=np.int64)
            world, spaces = self.world(-1) if records <= size else make_world(self.compiled, self.rows)
            last = min(first + size, records)
            kernels.count_chunk(world, arena.codes, arena.start, spaces[0], first, last, counts)
            return counts

        return sum(in_parallel(part, range(0, records, size), self.workers), np.zeros(n_cells, dtype=np.int64))

    def mark(self, arena: Arena, cells: Booleans, firsts: Sequence[int] | None = None) -> Booleans:
        """Which top records are in one of the cells (cells, kinds) of each kind: (top records, kinds).

        With `firsts` only those of the chunks that begin there are looked at.
        """
        records, zones = (
            len(arena.start),
            None if self.zoned is None else self.zoned.holding(np.asarray(cells.any(axis=1))),
        )
        found = np.zeros((records, cells.shape[1]), dtype=np.bool_)
        starts = range(0, records, self.chunk) if firsts is None else firsts
        alone = self.workers == 1 or len(starts) < 2

        def part(first: int) -> None:
            tops = np.arange(first, min(first + self.chunk, records))
            if zones is not None and self.zoned is not None:
                tops = tops[zones[arena.codes[arena.start[tops] + self.zoned.column]]]
            if len(tops):
                world, spaces = self.world(-1) if alone else make_world(self.compiled, self.rows)
                kernels.mark_chunk(world, arena.codes, arena.start, spaces[0], tops, cells, found)

        in_parallel(part, starts, self.workers)
        return found

    def partners(self, arena: Arena, free: NDArray[np.bool_], first: int, last: int) -> NDArray[np.int64]:
        """The records of a block that are free to change, those alike in the variable with most values beside each other."""
        found = np.flatnonzero(free[first:last]) + first
        if self.line < 0:
            return found
        codes = arena.codes[arena.start[found] + self.line]
        return found[np.argsort(codes, kind="stable")]

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

        Each block makes up its part of what is missing, in whole records, and one in turn the rest: quarters of a record are made
        up by none. The number of workers changes nothing.
        """
        if len(self.compiled.program.arrays["open_unit"]):
            state.arena = roomy(state.arena, self.aims.layout)
        blocks, goal = len(state.arena.tail), self.goal(state.counts, state.arena)
        sums = self.sums.current(state.counts, len(state.arena.start))
        lacking = goal - state.counts
        each = np.trunc(lacking / blocks)
        shares = [each + (lacking - blocks * each) * (block == number % blocks) for block in range(blocks)]
        ends = np.linspace(0, len(state.arena.start), blocks + 1).astype(np.int64)
        records = len(state.arena.start)
        way = usual_way(
            records, sum(self.sizes(state.counts, state.arena)), pressure.stay, NEAR if self.line >= 0 else 0
        )

        def part(block: int) -> tuple[Counts, int]:
            (world, spaces), missing = self.world(block), shares[block]
            write_ledger(world, make_ledger(self.sums, self.bad, -missing, pressure, sums, blocks))
            partners = self.partners(state.arena, free, int(ends[block]), int(ends[block + 1]))
            made = kernels_visits.visit_all(
                world,
                state.arena,
                spaces,
                order[block],
                partners,
                block,
                way,
                (self.seed, number),
            )
            return np.rint(errors_of(world, len(missing)) + missing).astype(np.int64), made

        for counts, made in in_parallel(part, range(blocks), self.workers):
            state.counts = state.counts + counts
            state.moved += made


def usual_way(records: int, rows: float, stay: float, near: int) -> Way:
    """The mixture of moves that crosses walls."""
    return Way(
        moves=MOVES / 2 / max(rows / max(records, 1), 1.0),
        single=0.70,
        renew=0.03 * min(1.0, USUAL / max(rows / max(records, 1), 1.0)),
        swap=0.67,
        walk=(0.6, 0.8, 0.95),
        anew=(0.3, 0.9, 0.9),
        lowest=0,
        stay=stay,
        near=near,
    )


def in_blocks(chosen: NDArray[np.int64], records: int, blocks: int) -> list[NDArray[np.int64]]:
    """Share out records, in their order, to the blocks that they stand in."""
    ends = np.linspace(0, records, blocks + 1).astype(np.int64)
    of = partial(np.searchsorted, ends, side="right")
    number = of(chosen) - 1
    return [chosen[number == block] for block in range(blocks)]


MANY = 8
"""A top variable with fewer values, such as a zone, divides the records into too few kinds for partners to matter."""


def most_values(compiled: Compiled) -> int:
    """The top variable with most values of those that hard tables name, -1 where none has many."""
    sizes = dict[int, int]()
    for number, (a, _) in enumerate(compiled.targets):
        piece = compiled.pieces[number]
        if not compiled.is_hard[a]:
            continue
        for (unit, axis), offsets in zip(piece.places, piece.projection.offsets, strict=True):
            if unit == 0 and axis < int(compiled.program.arrays["n_own"][0]):
                sizes[axis] = max(sizes.get(axis, 0), len(np.unique(offsets)))
    best = max(sizes, key=lambda axis: sizes[axis], default=-1)
    return best if best >= 0 and sizes[best] >= MANY else -1
