"""Records that take the place of others of the same shape: as many children, grandchildren and so on."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.layout import Layout
from llmsynthor.population.roster import Roster, rows_below

Rows = NDArray[np.int64]


def seat(layout: Layout, roster: Roster, guests: Roster, *, frame: int = -1, rng: np.random.Generator) -> Roster:
    """Put the guests in the place of top records of the same shape, drawn at random; guests without one are left out.

    Their origin goes with them: a guest is known by its `proposal`. With a `frame`, a column of the top unit, they take over that
    of the record whose place they take: its zone.
    """
    codes, origin = tuple(own.copy() for own in roster.codes), roster.proposal.copy()
    places: dict[tuple[int, ...], list[int]] = {}
    for top, shape in enumerate(shapes(layout, roster)):
        if origin[top] < 0:
            places.setdefault(shape, []).append(top)
    order = {shape: [own[int(k)] for k in rng.permutation(len(own))] for shape, own in sorted(places.items())}
    for guest, shape in enumerate(shapes(layout, guests)):
        if order.get(shape):
            top = order[shape].pop()
            mine, theirs = _rows(layout, roster, top), _rows(layout, guests, guest)
            zone = codes[0][top, frame]
            for unit, own in enumerate(codes):
                own[mine[unit]] = guests.codes[unit][theirs[unit]]
            if frame >= 0:
                codes[0][top, frame] = zone
            origin[top] = guests.proposal[guest]
    return replace(roster, codes=codes, proposal=origin)


def shapes(layout: Layout, roster: Roster) -> list[tuple[int, ...]]:
    """The numbers of records below each top record, unit by unit and parent by parent."""
    pieces: list[list[int]] = [[] for _ in range(len(roster))]
    tops = [np.arange(len(roster))]
    for unit in range(1, len(layout.units)):
        above = layout.parent(unit)
        for top, length in zip(tops[above].tolist(), roster.length[unit].tolist(), strict=True):
            pieces[top].append(length)
        below = np.zeros(roster.sizes[unit], dtype=np.int64)
        below[rows_below(roster.start[unit], roster.length[unit])[0]] = np.repeat(tops[above], roster.length[unit])
        tops.append(below)
    return [tuple(piece) for piece in pieces]


def _rows(layout: Layout, roster: Roster, top: int) -> list[Rows]:
    """Rows of one top record and of all below it, unit by unit, parents in the order of their rows above."""
    found = [np.array([top], dtype=np.int64)]
    for unit in range(1, len(layout.units)):
        above = found[layout.parent(unit)]
        found.append(rows_below(roster.start[unit][above], roster.length[unit][above])[0])
    return found
