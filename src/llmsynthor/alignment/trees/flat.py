"""What stays the same through an alignment of nested records, and the sums over all of them that every stage takes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.aims import Aims
from llmsynthor.aims.layout import Layout, Place
from llmsynthor.alignment.cells import table_distances
from llmsynthor.alignment.parallel import in_parallel
from llmsynthor.alignment.trees import kernels, kernels_moves
from llmsynthor.alignment.trees.program import Compiled, compile_aims
from llmsynthor.population.roster import Roster

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]
Notify = Callable[[str, int, Floats], None]

STACK = 128
"""Values that an expression may hold at once; it is nested less deeply than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How long the stages may work. No clock decides: only counts and what is left to gain.

    θ is fitted on `chains` top records or the `share` of those asked for, whichever is more; `blocks` of at least
    `block_records` top records are corrected side by side, and the number of workers changes nothing. From `large` top records on
    only some `visited` of those in crowded cells are touched as soon as the penalty is full.
    """

    chains: int = 20_000
    share: float = 0.05
    fit_sweeps: int = 60
    settle_sweeps: int = 4
    correct_sweeps: int = 100
    chunk: int = 2_048
    blocks: int = 8
    block_records: int = 12_500
    large: int = 50_000
    visited: int = 50_000
    rounding: float = 1.0
    workers: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """The aims as the kernels read them, how many top records, from which seed, with how much effort."""

    aims: Aims
    compiled: Compiled
    records: int
    seed: int
    effort: Effort
    notify: Notify = field(default=lambda stage, sweep, tvd: None)

    def told(self, stage: str, sweep: int, counts: Counts, goal: Floats) -> None:
        self.notify(stage, sweep, table_distances(self.compiled.tables, counts, goal))


class Flat(NamedTuple):
    """A roster as the kernels read it: codes of all units behind each other, and where each parent's children are."""

    codes: NDArray[np.int16] | NDArray[np.int32]
    first: NDArray[np.int64]
    link: NDArray[np.int64]
    start: NDArray[np.int32]
    length: NDArray[np.int32]


class Space(NamedTuple):
    """Room for one top record with all below it (see `kernels`), laid out as `Program` is."""

    ints: NDArray[np.int64]
    reals: Floats
    n_units: int
    n_columns: int
    n_tables: int
    record: int
    unit: int
    ancestor: int
    low: int
    high: int
    first: int
    code: int
    cell: int
    old: int
    moved: int
    logged: int
    value: int
    old_value: int
    stack: int
    frame: int


class Ledger(NamedTuple):
    """What a further record in each cell adds to the log-weight, kept current with the counts where the kernels are told so."""

    gain: Floats
    counts: Counts
    penalty: Floats
    targets: Floats


def flatten(roster: Roster, layout: Layout) -> Flat:
    """Lay out a roster for the kernels; the codes are copied."""
    largest = max((column.axis.size for columns in layout.columns for column in columns), default=1)
    kind = np.int16 if largest < np.iinfo(np.int16).max else np.int32
    first = np.cumsum([0, *(codes.size for codes in roster.codes)])[:-1]
    link = np.cumsum([0, *(len(start) for start in roster.start)])[:-1]
    return Flat(
        codes=np.concatenate([codes.astype(kind).ravel() for codes in roster.codes]),
        first=first.astype(np.int64),
        link=link.astype(np.int64),
        start=np.concatenate(roster.start).astype(np.int32),
        length=np.concatenate(roster.length).astype(np.int32),
    )


def unflatten(flat: Flat, roster: Roster) -> Roster:
    """Read the kernels' arrays back into a roster of the same sizes."""
    codes = []
    for own, first in zip(roster.codes, flat.first, strict=True):
        codes.append(flat.codes[first : first + own.size].reshape(own.shape).astype(np.int32))
    parts = [slice(at, at + len(own)) for own, at in zip(roster.start, flat.link, strict=True)]
    return Roster(
        codes=tuple(codes),
        start=tuple(flat.start[part].copy() for part in parts),
        length=tuple(flat.length[part].copy() for part in parts),
        proposal=roster.proposal,
    )


def most_rows(compiled: Compiled, roster: Flat) -> int:
    """Rows that a top record may come to have while whole records change places: as many children as any parent has."""
    parent, n_units = compiled.arrays["parent"], compiled.program.n_units
    ends = [*roster.link[1:], len(roster.length)]
    rows = [1] * n_units
    for unit in range(n_units - 1, 0, -1):
        rows[int(parent[unit])] += rows[unit] * int(roster.length[roster.link[unit] : ends[unit]].max(initial=0))
    return rows[0]


def make_space(compiled: Compiled, rows: int) -> Space:
    """Make room for top records of so many rows."""
    program, arrays = compiled.program, compiled.arrays
    n_units, n_tables, n_computed = program.n_units, program.n_tables, max(program.n_computed, 1)
    n_columns = int(max([*arrays["n_own"], *(arrays["column"] + 1)]))
    whole = {
        "record": rows,
        "unit": rows,
        "ancestor": rows * n_units,
        "low": rows * n_units,
        "high": rows * n_units,
        "first": n_units + 1,
        "code": rows * n_columns,
        "cell": rows * n_tables,
        "old": 3 * rows * n_computed,
        "moved": 3 * rows * n_tables,
        "logged": 2,
    }
    real = {"value": rows * n_columns, "old_value": rows * n_computed, "stack": STACK, "frame": 4 * STACK}
    starts: dict[str, int] = {}
    for sizes in (whole, real):
        starts |= dict(zip(sizes, np.cumsum([0, *sizes.values()]).tolist(), strict=False))
    return Space(
        ints=np.zeros(sum(whole.values()), dtype=np.int64),
        reals=np.zeros(sum(real.values())),
        n_units=n_units,
        n_columns=n_columns,
        n_tables=n_tables,
        **starts,
    )


def count(task: Task, roster: Flat, records: int) -> Counts:
    """Count the records in every cell of every table, shape (cells,)."""
    program, n_cells = task.compiled.program, len(task.compiled.fixed)
    rows = most_rows(task.compiled, roster)

    def part(first: int) -> Counts:
        counts = np.zeros(n_cells, dtype=np.int64)
        last = min(first + size, records)
        kernels.count_chunk(program, roster, make_space(task.compiled, rows), first, last, counts)
        return counts

    size = max(task.effort.chunk, n_cells // 4)
    return sum(in_parallel(part, range(0, records, size), task.effort.workers), np.zeros(n_cells, dtype=np.int64))


def mark(task: Task, roster: Flat, chances: Floats, records: int, sweep: int = 0) -> NDArray[np.bool_]:
    """Mark each top record with the largest of the chances (cells,) of the cells that it has rows in: (records,)."""
    found, rows = np.zeros(records, dtype=np.bool_), most_rows(task.compiled, roster)

    def part(first: int) -> None:
        space, last = make_space(task.compiled, rows), min(first + task.effort.chunk, records)
        kernels.marked_chunk(task.compiled.program, roster, space, first, last, chances, (task.seed, sweep), found)

    in_parallel(part, range(0, records, task.effort.chunk), task.effort.workers)
    return found


def sweep_all(task: Task, roster: Flat, records: int, theta: Floats, sweep: int) -> None:
    """Redraw every variable of every record once and propose a swap for each top record, in place, under fixed weights."""
    compiled = task.compiled
    rows = most_rows(compiled, roster)
    nothing = np.zeros(0)
    ledger = Ledger(gain=theta, counts=np.zeros(0, dtype=np.int64), penalty=nothing, targets=nothing)
    free, live = np.ones(records, dtype=np.bool_), False

    def part(first: int) -> None:
        spaces = tuple(make_space(compiled, rows) for _ in range(4))
        bounds = (first, min(first + task.effort.chunk, records))
        tops = np.arange(*bounds)
        kernels_moves.sweep(
            compiled.program,
            roster,
            spaces,
            ledger,
            live,
            compiled.crossing,
            tops,
            (free, bounds),
            (1, False),
            (task.seed, sweep),
        )

    in_parallel(part, range(0, records, task.effort.chunk), task.effort.workers)


def computed_codes(aims: Aims, roster: Roster) -> dict[Place, NDArray[np.int32]]:
    """Code of every computed column of every record, at the values that the alignment reckons with."""
    compiled, layout = compile_aims(aims, ()), aims.layout
    flat = flatten(roster, layout)
    starts = np.cumsum([0, *(roster.sizes[unit] for unit, _ in layout.order)])
    codes = np.zeros(starts[-1], dtype=np.int32)
    space = make_space(compiled, most_rows(compiled, flat))
    kernels.columns_chunk(compiled.program, flat, space, 0, len(roster), codes, starts.astype(np.int64))
    return {place: codes[a:b] for place, a, b in zip(layout.order, starts, starts[1:], strict=False)}
