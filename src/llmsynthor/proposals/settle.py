"""Records drawn from proposals of whole records take the place of others of the same shape."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.aims import Aims
from llmsynthor.alignment.trees.flat import computed_codes
from llmsynthor.population.roster import Roster
from llmsynthor.proposals.proposal import Proposal, level_weights
from llmsynthor.proposals.wholes import Codes, Member, Rows, Whole, _children

TRIES = 16
"""Candidates drawn for each record asked for; those that break a rule are left out."""


def settle_in(
    aims: Aims, roster: Roster, wholes: Sequence[Whole], *, rng: np.random.Generator
) -> tuple[Roster, tuple[Proposal, ...]]:
    """Put records drawn from the proposals in the place of others of the same shape; says what became of each."""
    codes, origin = tuple(own.copy() for own in roster.codes), roster.proposal.copy()
    told = []
    for whole in wholes:
        if whole.member is None:
            told.append(whole.proposal)
            continue
        rows = _of_shape(aims, roster, whole.member, np.flatnonzero(origin < 0))
        drawn = _draw(aims, whole.member, whole.proposal.count, rng)
        used = min(len(drawn[0]), len(rows[0]), whole.proposal.count)
        if not used:
            why = "no record has its shape" if len(drawn[0]) else "each of its records breaks a rule"
            told.append(replace(whole.proposal, count=0, status=f"dropped: {why}"))
            continue
        chosen = rng.choice(len(rows[0]), size=used, replace=False)
        for k, member in enumerate(_preorder(whole.member)):
            codes[member.unit][rows[k][chosen]] = drawn[k][:used]
        origin[rows[0][chosen]] = whole.proposal.number
        told.append(replace(whole.proposal, count=used))
    return replace(roster, codes=codes, proposal=origin), tuple(told)


def _preorder(member: Member) -> Iterator[Member]:
    yield member
    for child in member.below:
        yield from _preorder(child)


def _of_shape(aims: Aims, roster: Roster, member: Member, tops: Rows) -> list[Rows]:
    """Rows of every record of a member's shape, in preorder, each shape (top records that have the shape,)."""

    def follow(member: Member, rows: Rows) -> Iterator[tuple[NDArray[np.bool_], list[Rows]]]:
        fits, found = np.ones(len(rows), dtype=bool), [rows]
        for child in _children(aims, member.unit):
            own = [m for m in member.below if m.unit == child]
            fits &= roster.length[child][rows] == len(own)
            for rank, below in enumerate(own):
                at = np.minimum(roster.start[child][rows].astype(np.int64) + rank, roster.sizes[child] - 1)
                for also, more in follow(below, at):
                    fits &= also
                    found += more
        yield fits, found

    fits, found = next(iter(follow(member, tops)))
    return [rows[fits] for rows in found]


def _draw(aims: Aims, member: Member, count: int, rng: np.random.Generator) -> list[Codes]:
    """Codes of candidates that break no rule, for every record in preorder, each shape (candidates, variables)."""
    number, members = TRIES * count, list(_preorder(member))
    codes = [_codes(aims, own, number, rng) for own in members]
    allowed = np.ones(number, dtype=bool)
    for own, drawn in zip(members, codes, strict=True):
        for zeros in aims.own[own.unit].zeros:
            allowed &= ~zeros.forbidden[zeros.projection.of(drawn)]
    codes = [drawn[allowed] for drawn in codes]
    broken = _broken(aims, member, codes)
    return [drawn[~broken] for drawn in codes]


def _codes(aims: Aims, member: Member, number: int, rng: np.random.Generator) -> Codes:
    grid, margins = aims.own[member.unit].grid, aims.own[member.unit].margins()
    columns = [
        rng.choice(axis.size, size=number, p=level_weights(axis, member.values.get(axis.name), margin, evenly=False))
        for axis, margin in zip(grid.axes, margins, strict=True)
    ]
    for child in _children(aims, member.unit):
        column = aims.layout.count_column(child)
        count = sum(below.unit == child for below in member.below)
        columns[column[1]] = np.full(number, int(np.flatnonzero(aims.layout.values[column] == count)[0]))
    return np.stack(columns, axis=1).astype(np.int32)


def _broken(aims: Aims, member: Member, codes: Sequence[Codes]) -> NDArray[np.bool_]:
    """Whether each candidate breaks a rule across its records, shape (candidates,)."""
    number, members = len(codes[0]), list(_preorder(member))
    found = np.zeros(number, dtype=bool)
    if not aims.broken or not number:
        return found
    roster = _roster(aims, members, codes)
    computed = computed_codes(aims, roster)
    for (unit, column), _ in aims.broken:
        per = sum(own.unit == unit for own in members)
        if per:
            found |= (computed[unit, column] == 1).reshape(number, per).any(axis=1)
    return found


def _roster(aims: Aims, members: Sequence[Member], codes: Sequence[Codes]) -> Roster:
    """Candidates as a roster: every unit's records candidate by candidate, in preorder."""
    number, units = len(codes[0]), range(len(aims.layout.units))
    own = [[k for k, member in enumerate(members) if member.unit == unit] for unit in units]
    stacked = [
        np.stack([codes[k] for k in ranks], axis=1).reshape(number * len(ranks), -1)
        if ranks
        else np.zeros((0, len(aims.own[unit].grid.axes)), dtype=np.int32)
        for unit, ranks in enumerate(own)
    ]
    starts, lengths = [np.zeros(0, dtype=np.int32)], [np.zeros(0, dtype=np.int32)]
    for unit in list(units)[1:]:
        parents = own[aims.layout.parent(unit)]
        length = np.tile([sum(m.unit == unit for m in members[k].below) for k in parents], number).astype(np.int32)
        lengths.append(length)
        starts.append((np.cumsum(length) - length).astype(np.int32))
    return Roster(
        codes=tuple(stacked), start=tuple(starts), length=tuple(lengths), proposal=np.full(number, -1, dtype=np.int64)
    )
