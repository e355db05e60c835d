"""The coded records of all units and the order they stand in; a flat unit is a roster without children."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.layout import Codes, Layout


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """Coded records of all units.

    `codes[u]` (records, own variables). The children in unit u of a parent record p are records `start[u][p]` to
    `start[u][p] + length[u][p]` (not in); both are empty for the top unit. `proposal` (top records,) is where a record comes
    from, -1 where alignment alone made it.
    """

    codes: tuple[Codes, ...]
    start: tuple[NDArray[np.int32], ...]
    length: tuple[NDArray[np.int32], ...]
    proposal: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.codes[0])

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(len(codes) for codes in self.codes)


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
