"""The coded records of all units and the order they stand in; a flat unit is a roster without children."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.layout import Codes, Layout

NO_PROPOSAL = -1
"""Origin of a record that alignment alone made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """Coded records of all units.

    `codes[u]` (records, own variables). The children in unit u of a parent record p are records `start[u][p]` to
    `start[u][p] + length[u][p]` (not in); both are empty for the top unit. `proposal` (top records,) is the proposal that a record
    was drawn from, or NO_PROPOSAL.
    """

    codes: tuple[Codes, ...]
    start: tuple[NDArray[np.int32], ...]
    length: tuple[NDArray[np.int32], ...]
    proposal: NDArray[np.int64]

    def __post_init__(self) -> None:
        if len(self.codes[0]) != len(self.proposal):
            raise ValueError(f"{len(self.codes[0])} records, but {len(self.proposal)} origins")

    @classmethod
    def flat(cls, codes: Codes, proposal: NDArray[np.int64] | None = None) -> "Roster":
        """Records of one unit with nothing below them, codes of shape (records, variables)."""
        nothing = np.zeros(0, dtype=np.int32)
        origin = np.full(len(codes), NO_PROPOSAL, dtype=np.int64) if proposal is None else proposal
        return cls(codes=(codes,), start=(nothing,), length=(nothing,), proposal=origin)

    @classmethod
    def empty(cls, layout: Layout) -> "Roster":
        """No records, of all units."""
        nothing = tuple(np.zeros(0, dtype=np.int32) for _ in layout.units)
        codes = tuple(np.zeros((0, layout.n_own(unit)), dtype=np.int32) for unit in range(len(layout.units)))
        return cls(codes=codes, start=nothing, length=nothing, proposal=np.zeros(0, dtype=np.int64))

    def __len__(self) -> int:
        return len(self.codes[0])

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(len(codes) for codes in self.codes)


def joined(rosters: Sequence[Roster]) -> Roster:
    """Put the records of rosters behind each other, unit by unit."""
    units = range(len(rosters[0].codes))
    before = [np.cumsum([0, *(len(roster.codes[unit]) for roster in rosters)]) for unit in units]
    starts = [
        [(r.start[unit] + first).astype(np.int32) for r, first in zip(rosters, before[unit], strict=False)]
        for unit in units
    ]
    return Roster(
        codes=tuple(np.concatenate([roster.codes[unit] for roster in rosters]) for unit in units),
        start=tuple(np.concatenate(own) for own in starts),
        length=tuple(np.concatenate([roster.length[unit] for roster in rosters]) for unit in units),
        proposal=np.concatenate([roster.proposal for roster in rosters]),
    )


def rows_below(start: NDArray[np.int32], length: NDArray[np.int32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of all children, parent by parent, and the rank of each among its siblings, from 0.

    >>> rows_below(np.array([5, 0], dtype=np.int32), np.array([2, 1], dtype=np.int32))
    (array([5, 6, 0]), array([0, 1, 0]))
    """
    rank = np.arange(int(length.sum())) - np.repeat(np.cumsum(length) - length, length)
    return np.repeat(start.astype(np.int64), length) + rank, rank


def in_order(roster: Roster, layout: Layout, order: NDArray[np.int64]) -> Roster:
    """Put the top records into an order, and children behind each other in the order of their parents."""
    sources = [np.asarray(order, dtype=np.int64)]
    starts, lengths = [roster.start[0]], [roster.length[0]]
    for unit in range(1, len(layout.units)):
        above = sources[layout.parent(unit)]
        length = roster.length[unit][above]
        sources.append(rows_below(roster.start[unit][above], length)[0])
        starts.append((np.cumsum(length) - length).astype(np.int32))
        lengths.append(length)
    return replace(
        roster,
        codes=tuple(own[source] for own, source in zip(roster.codes, sources, strict=True)),
        start=tuple(starts),
        length=tuple(lengths),
        proposal=roster.proposal[order],
    )


def changed_tops(layout: Layout, before: Roster, after: Roster) -> NDArray[np.bool_]:
    """Say of every top record whether it, or anything below it, is not as it was: (top records,).

    Children count in their order: a record that gained, lost or exchanged one has changed.
    """
    found = (before.codes[0] != after.codes[0]).any(axis=1)
    tops = (np.arange(len(before)), np.arange(len(after)))
    kept = [tops]
    for unit in range(1, len(layout.units)):
        above = kept[layout.parent(unit)]
        sides = []
        for roster, own in zip((before, after), above, strict=True):
            length = roster.length[unit]
            rows, rank = rows_below(roster.start[unit], length)
            sides.append((np.repeat(own, length), rank, roster.codes[unit][rows], rows))
        (one, _, mine, _), (other, _, theirs, _) = sides
        counts = [np.bincount(side, minlength=len(found)) for side in (one, other)]
        found |= counts[0] != counts[1]
        same = [~found[side] for side in (one, other)]
        differ = (mine[same[0]] != theirs[same[1]]).any(axis=1)
        found[one[same[0]][differ]] = True
        below = []
        for (own, _, _, rows), roster in zip(sides, (before, after), strict=True):
            top = np.zeros(roster.sizes[unit], dtype=np.int64)
            top[rows] = own
            below.append(top)
        kept.append((below[0], below[1]))
    return np.asarray(found)
