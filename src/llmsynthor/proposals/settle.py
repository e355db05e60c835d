"""Records drawn from proposals of whole records; those that break a rule are left out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.aims import Aims
from llmsynthor.aims.layout import Place
from llmsynthor.population.roster import Roster, joined
from llmsynthor.proposals.proposal import Proposal, level_weights
from llmsynthor.proposals.wholes import Codes, Member, Whole, children_of

Compute = Callable[[Roster], Mapping[Place, Codes]]

TRIES = 16
"""Candidates drawn for each record asked for; those that break a rule are left out."""


def draw_wholes(
    aims: Aims, wholes: Sequence[Whole], compute: Compute, *, rng: np.random.Generator
) -> tuple[Roster, tuple[Proposal, ...]]:
    """Draw so many records from each proposal as it counts, none that breaks a rule; says what became of each.

    `compute` gives the code of every computed column of a roster.
    """
    drawn, told = [Roster.empty(aims.layout)], list[Proposal]()
    for whole in wholes:
        if whole.member is None or not whole.proposal.count:
            told.append(whole.proposal)
            continue
        codes = _draw(aims, whole.member, whole.proposal.count, compute, rng)
        used = min(len(codes[0]), whole.proposal.count)
        if not used:
            told.append(replace(whole.proposal, count=0, status="dropped: each of its records breaks a rule"))
            continue
        roster = _roster(aims, list(_preorder(whole.member)), [own[:used] for own in codes])
        drawn.append(replace(roster, proposal=np.full(used, whole.proposal.number, dtype=np.int64)))
        told.append(replace(whole.proposal, count=used))
    return joined(drawn), tuple(told)


def _preorder(member: Member) -> Iterator[Member]:
    yield member
    for child in member.below:
        yield from _preorder(child)


def _draw(aims: Aims, member: Member, count: int, compute: Compute, rng: np.random.Generator) -> list[Codes]:
    """Codes of candidates that break no rule, for every record in preorder, each shape (candidates, variables)."""
    number, members = TRIES * count, list(_preorder(member))
    codes = [_codes(aims, own, number, rng) for own in members]
    allowed = np.ones(number, dtype=bool)
    for own, drawn in zip(members, codes, strict=True):
        for zeros in aims.own[own.unit].zeros:
            allowed &= ~zeros.forbidden[zeros.projection.of(drawn)]
    codes = [drawn[allowed] for drawn in codes]
    broken = _broken(aims, member, codes, compute)
    return [drawn[~broken] for drawn in codes]


def _codes(aims: Aims, member: Member, number: int, rng: np.random.Generator) -> Codes:
    grid, margins = aims.own[member.unit].grid, aims.own[member.unit].margins()
    columns = [
        rng.choice(axis.size, size=number, p=level_weights(axis, member.values.get(axis.name), margin, evenly=False))
        for axis, margin in zip(grid.axes, margins, strict=True)
    ]
    for child in children_of(aims, member.unit):
        column = aims.layout.count_column(child)
        count = sum(below.unit == child for below in member.below)
        columns[column[1]] = np.full(number, int(np.flatnonzero(aims.layout.values[column] == count)[0]))
    return np.stack(columns, axis=1).astype(np.int32)


def _broken(aims: Aims, member: Member, codes: Sequence[Codes], compute: Compute) -> NDArray[np.bool_]:
    """Whether each candidate breaks a rule across its records, shape (candidates,)."""
    number, members = len(codes[0]), list(_preorder(member))
    found = np.zeros(number, dtype=bool)
    if not aims.broken or not number:
        return found
    roster = _roster(aims, members, codes)
    computed = compute(roster)
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
