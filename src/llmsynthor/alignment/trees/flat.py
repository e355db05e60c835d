"""Nested records as the kernels read them: the codes of a top record and all below it behind each other, each with its place."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.aims import Aims
from llmsynthor.aims.layout import Layout, Place
from llmsynthor.alignment.trees import kernels
from llmsynthor.alignment.trees.program import Compiled, compile_aims
from llmsynthor.alignment.trees.world import make_world
from llmsynthor.population.roster import Roster, in_order

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]

MOST_ROWS = 1_024
"""A top record grows to more rows than this only where one has them from the start."""

SPARE, LEAST_SPARE = 0.5, 50_000
"""Room for records that outgrow their place: so much of what all records take, and so many codes in a block at least."""

GROWS = 0.5
"""Room that each record has to grow where it stands, as a part of what it takes, beside one more row."""


class Arena(NamedTuple):
    """Codes of all top records: record k begins at `start[k]` and has room for `capacity[k]` codes.

    A record that outgrows its place moves behind the others of its block, whose free part is `tail[block]`, shape (blocks, 2).
    `changed` (top records,) says which were changed since.
    """

    codes: NDArray[np.int16] | NDArray[np.int32]
    start: NDArray[np.int64]
    capacity: NDArray[np.int64]
    tail: NDArray[np.int64]
    changed: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Rows of each unit below each top record, shape (units, top records), and the codes that they take, (top records,)."""

    rows: NDArray[np.int64]
    codes: NDArray[np.int64]


def sizes_of(roster: Roster, layout: Layout) -> Sizes:
    """Measure the top records of a roster that is in order."""
    records = len(roster)
    rows = np.ones((len(layout.units), records), dtype=np.int64)
    tops = [np.arange(records)]
    for unit in range(1, len(layout.units)):
        above = tops[layout.parent(unit)]
        rows[unit] = np.bincount(above, roster.length[unit], records)
        tops.append(np.repeat(above, roster.length[unit]))
    own = np.array([layout.n_own(unit) for unit in range(len(layout.units))])
    return Sizes(rows=rows, codes=own @ rows)


def pack(roster: Roster, layout: Layout, blocks: int = 1, spare: float = 0.0) -> Arena:
    """Lay out a roster in so many blocks of equal numbers of top records; `spare` is room beside what they take."""
    roster = in_order(roster, layout, np.arange(len(roster)))
    sizes, records = sizes_of(roster, layout), len(roster)
    ends = np.linspace(0, records, blocks + 1).astype(np.int64)
    largest = max((column.axis.size for columns in layout.columns for column in columns), default=1)
    capacity = sizes.codes.copy()
    if spare > 0:
        capacity += (GROWS * capacity).astype(np.int64) + max(map(layout.n_own, range(len(layout.units))))
    start, tail, at = np.zeros(records, dtype=np.int64), np.zeros((blocks, 2), dtype=np.int64), 0
    for block in range(blocks):
        own = slice(int(ends[block]), int(ends[block + 1]))
        start[own] = at + np.cumsum(capacity[own]) - capacity[own]
        used = at + int(capacity[own].sum())
        at = used + (max(int(spare * (used - at)), LEAST_SPARE, 5 * int(capacity.max(initial=1))) if spare > 0 else 0)
        tail[block] = used, at
    codes: NDArray[np.int16] | NDArray[np.int32] = np.zeros(at, dtype=np.int32)
    if largest < np.iinfo(np.int16).max:
        codes = np.zeros(at, dtype=np.int16)
    for unit, places in enumerate(_places(sizes, start, layout)):
        codes[places] = roster.codes[unit]
    return Arena(codes=codes, start=start, capacity=capacity, tail=tail, changed=np.ones(records, dtype=np.bool_))


def _places(sizes: Sizes, start: NDArray[np.int64], layout: Layout) -> list[NDArray[np.int64]]:
    """Where the codes of each unit's records stand, shape (records, own variables)."""
    found, before = [], start.copy()
    for unit, rows in enumerate(sizes.rows):
        n_own = layout.n_own(unit)
        rank = np.arange(int(rows.sum())) - np.repeat(np.cumsum(rows) - rows, rows)
        found.append((np.repeat(before, rows) + rank * n_own)[:, None] + np.arange(n_own)[None, :])
        before = before + rows * n_own
    return found


def unpack(arena: Arena, layout: Layout, proposal: NDArray[np.int64]) -> Roster:
    """Read the records back, in the order of their top records."""
    records, n_units = len(arena.start), len(layout.units)
    codes, lengths, starts = list[NDArray[np.int32]](), [np.zeros(0, np.int32)], [np.zeros(0, np.int32)]
    before, tops = arena.start.copy(), list[NDArray[np.int64]]()
    for unit in range(n_units):
        parent, n_own = layout.parent(unit), layout.n_own(unit)
        if parent < 0:
            tops.append(np.arange(records))
        else:
            column = layout.count_column(unit)[1]
            length = layout.values[parent, column].astype(np.int32)[codes[parent][:, column]]
            lengths.append(length)
            starts.append((np.cumsum(length) - length).astype(np.int32))
            tops.append(np.repeat(tops[parent], length))
        rows = np.bincount(tops[unit], minlength=records)
        rank = np.arange(len(tops[unit])) - np.repeat(np.cumsum(rows) - rows, rows)
        places = (before[tops[unit]] + rank * n_own)[:, None] + np.arange(n_own)[None, :]
        codes.append(arena.codes[places].astype(np.int32))
        before = before + rows * n_own
    return Roster(codes=tuple(codes), start=tuple(starts), length=tuple(lengths), proposal=proposal)


def roomy(arena: Arena, layout: Layout) -> Arena:
    """The same records, laid out anew where those that moved have used up half of the room of a block."""
    free, whole = arena.tail[:, 1] - arena.tail[:, 0], np.diff(arena.tail[:, 1], prepend=0)
    if (free >= np.maximum(SPARE / (1 + SPARE) * whole, LEAST_SPARE) / 2).all():
        return arena
    again = unpack(arena, layout, np.zeros(len(arena.start), dtype=np.int64))
    return pack(again, layout, len(arena.tail), SPARE)._replace(changed=arena.changed)


def most_rows(compiled: Compiled, roster: Roster, layout: Layout) -> int:
    """Rows that a top record may come to have: as many as counts allow, within reason."""
    rows = [1.0] * len(layout.units)
    for unit in range(len(layout.units) - 1, 0, -1):
        rows[layout.parent(unit)] += rows[unit] * float(layout.values[layout.count_column(unit)].max())
    held = int(sizes_of(roster, layout).rows.sum(axis=0).max(initial=1))
    return int(min(rows[0], max(MOST_ROWS, 2 * held)))


def computed_codes(aims: Aims, roster: Roster) -> dict[Place, NDArray[np.int32]]:
    """Code of every computed column of every record, at the values that the alignment reckons with."""
    compiled, layout = compile_aims(aims, ()), aims.layout
    ordered = in_order(roster, layout, np.arange(len(roster)))
    arena, sizes = pack(ordered, layout), [roster.sizes[unit] for unit, _ in layout.order]
    starts = np.cumsum([0, *sizes])
    codes = np.zeros(starts[-1], dtype=np.int32)
    world, spaces = make_world(compiled, int(sizes_of(ordered, layout).rows.sum(axis=0).max(initial=1)))
    kernels.columns_chunk(world, arena.codes, arena.start, spaces[0], 0, len(roster), codes, starts[:-1].copy())
    sources = _sources(roster, layout)
    found = {}
    for (unit, position), first, last in zip(layout.order, starts, starts[1:], strict=False):
        own = np.zeros(last - first, dtype=np.int32)
        own[sources[unit]] = codes[first:last]
        found[unit, position] = own
    return found


def _sources(roster: Roster, layout: Layout) -> list[NDArray[np.int64]]:
    """Rows of a roster in the order in which they stand below their top records."""
    numbered = [np.arange(size, dtype=np.int32)[:, None] for size in roster.sizes]
    ordered = in_order(
        Roster(codes=tuple(numbered), start=roster.start, length=roster.length, proposal=roster.proposal),
        layout,
        np.arange(len(roster)),
    )
    return [own[:, 0].astype(np.int64) for own in ordered.codes]
