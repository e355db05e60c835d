"""Records drawn from proposals of whole records; those that break a rule are left out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.aims import Aims
from llmsynthor.aims.layout import Place
from llmsynthor.population.roster import Roster
from llmsynthor.proposals.proposal import Proposal, level_weights
from llmsynthor.proposals.wholes import Codes, Member, Whole, children_of

Compute = Callable[[Roster], Mapping[Place, Codes]]

Room = Callable[[Roster], int]

NOTHING_MISSING = "dropped: nothing is missing where it would add records"

TRIES = 16
"""Candidates drawn for each record asked for; those that break a rule are left out."""


def draw_whole(
    aims: Aims, whole: Whole, compute: Compute, *, rng: np.random.Generator, room: Room | None = None
) -> tuple[Roster, Proposal]:
    """Draw so many records from a proposal as it counts, none that breaks a rule; says what became of it.

    `compute` gives the code of every computed column of a roster; `room` says for how many records like the candidates there
    is room.
    """
    nothing = Roster.empty(aims.layout)
    if whole.member is None or not whole.proposal.count:
        return nothing, whole.proposal
    codes, rule = _draw(aims, whole.member, whole.proposal.count, compute, rng)
    if not len(codes[0]):
        return nothing, replace(whole.proposal, count=0, status=f"dropped: each of its records breaks a rule ({rule})")
    members = list(_preorder(whole.member))
    used = min(len(codes[0]), whole.proposal.count)
    if room is not None:
        used = min(used, room(_roster(aims, members, codes)))
    if not used:
        return nothing, replace(whole.proposal, count=0, status=NOTHING_MISSING)
    roster = _roster(aims, members, [own[:used] for own in codes])
    told = replace(whole.proposal, count=used)
    return replace(roster, proposal=np.full(used, told.number, dtype=np.int64)), told


def _preorder(member: Member) -> Iterator[Member]:
    yield member
    for child in member.below:
        yield from _preorder(child)


def _draw(
    aims: Aims, member: Member, count: int, compute: Compute, rng: np.random.Generator
) -> tuple[list[Codes], str]:
    """Candidates that break no rule, for every record in preorder, each shape (candidates, variables); the rule most broken."""
    number, members = TRIES * count, list(_preorder(member))
    codes = [_codes(aims, own, number, rng) for own in members]
    allowed, broken = np.ones(number, dtype=bool), dict[str, int]()
    for own, drawn in zip(members, codes, strict=True):
        for zeros in aims.own[own.unit].zeros:
            bad = zeros.forbidden[zeros.projection.of(drawn)]
            name = zeros.rule.name if zeros.rule is not None else "a combination that no table has"
            broken[name] = broken.get(name, 0) + int(bad.sum())
            allowed &= ~bad
    codes = [drawn[allowed] for drawn in codes]
    kept = np.ones(len(codes[0]), dtype=bool)
    for name, bad in _broken(aims, member, codes, compute):
        broken[name] = broken.get(name, 0) + int(bad.sum())
        kept &= ~bad
    return [drawn[kept] for drawn in codes], max(broken, key=lambda name: broken[name], default="")


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


def _broken(
    aims: Aims, member: Member, codes: Sequence[Codes], compute: Compute
) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Whether each candidate breaks a rule across its records, rule by rule, shape (candidates,)."""
    number, members = len(codes[0]), list(_preorder(member))
    if not aims.broken or not number:
        return
    computed = compute(_roster(aims, members, codes))
    for (unit, column), rule in aims.broken:
        per = sum(own.unit == unit for own in members)
        if per:
            yield rule.name, (computed[unit, column] == 1).reshape(number, per).any(axis=1)


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
