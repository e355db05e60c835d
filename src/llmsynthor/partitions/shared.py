"""What covers several partitions: their counts added up, and the quotas that are made of them.

One round of map and reduce: every partition is made to its own tables and says how its records lie in the cells of what spans;
the counts are raked to the whole's table, keeping what each partition's own tables say of the same columns; rounded, they are the
quotas to which every partition is made again. What some could not do is handed to others in a last round.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from llmsynthor.partitions.plan import Plan
from llmsynthor.partitions.quotas import rake, rake_groups, round_quotas, round_sum
from llmsynthor.partitions.slices import Cut, Quota
from llmsynthor.spec.levels import Interval, Level
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Statistic, Table, stated_population

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How a partition's records lie in the cells of a target that it has: `got` records, of a mean or total sums of values.

    `universe` is the number of records that the target is about; `counts` (cells,) are the records of each group of a mean.
    """

    got: Floats
    universe: float
    counts: Floats | None = None


Tallies = Mapping[int, Tally]
"""By the number of the target."""


def spanning(cuts: Sequence[Cut]) -> tuple[int, ...]:
    """Numbers of the targets that several partitions share."""
    return tuple(number for number, cut in enumerate(cuts) if cut.spans)


def first_quotas(spec: Spec, plan: Plan, cuts: Sequence[Cut], tallies: Sequence[Tallies]) -> list[list[Quota]]:
    """The quotas of each partition, of what it made by its own tables alone; `tallies[p]` are those of partition p."""
    found: list[list[Quota]] = [[] for _ in plan.partitions]
    for number in spanning(cuts):
        target = spec.targets[number]
        made = [(p, own[number]) for p, own in enumerate(tallies) if number in own]
        if not made:
            continue
        if isinstance(target, Statistic):
            values = _means(spec, target, [tally for _, tally in made], [cuts[number].cells[p] for p, _ in made])
        elif target.trust < 1:
            values = [_leaning(target, tally) for _, tally in made]
        else:
            values = _counts(spec, plan, cuts, number, made)
        for (p, _), own in zip(made, values, strict=True):
            found[p].append(Quota(target=number, values=tuple(own.tolist())))
    return found


def _counts(
    spec: Spec, plan: Plan, cuts: Sequence[Cut], number: int, made: Sequence[tuple[int, Tally]]
) -> list[Floats]:
    """Whole numbers for each partition that made something, summing to the table."""
    table = spec.targets[number]
    assert isinstance(table, Table)
    start = np.zeros((len(made), len(table.cells)))
    for row, (p, tally) in enumerate(made):
        start[row, cuts[number].cells[p]] = tally.got
    mine = np.zeros(start.shape, dtype=bool)
    for row, (p, _) in enumerate(made):
        mine[row, cuts[number].cells[p]] = True
    rows = np.rint([tally.universe for _, tally in made]).astype(np.int64)
    columns = wanted_counts(spec, plan, table, float(rows.sum()))
    if table.base is not None:
        rows = round_sum(rows.astype(np.float64), int(columns.sum()))
    groupings = [groups for groups in _groupings(spec, cuts, table) if groups.max() > 0]
    wanted = rake(np.where(mine, start, 0.0), rows.astype(np.float64), columns.astype(np.float64), allowed=mine)
    if groupings and table.universe is None:
        sums = [_grouped(start, groups) for groups in groupings]
        wanted = rake_groups(wanted, sums, groupings, columns.astype(np.float64))
    best = max(groupings, key=lambda groups: int(groups.max()), default=None) if table.universe is None else None
    quotas = round_quotas(
        wanted, rows, columns, allowed=mine, groups=best, sums=_grouped(start, best) if best is not None else None
    )
    return [quotas[row, cuts[number].cells[p]].astype(np.float64) for row, (p, _) in enumerate(made)]


def wanted_counts(spec: Spec, plan: Plan, table: Table, universe: float) -> Integers:
    """Whole records that a table wants in each cell, of so many in its universe."""
    values = np.maximum(np.array(table.values), 0.0)
    if table.base is not None and table.base.unit == spec.schema.top.name:
        records = sum(partition.records for partition in plan.partitions)
        wanted = values * (records / table.base.records)
        return round_sum(wanted, int(np.rint(wanted.sum())))
    return round_sum(values / values.sum() * universe, int(np.rint(universe)))


def _groupings(spec: Spec, cuts: Sequence[Cut], table: Table) -> Iterator[Integers]:
    """For each local table that shares columns with one that spans: the group of each of its cells, (cells,)."""
    for number, (other, cut) in enumerate(zip(spec.targets, cuts, strict=True)):
        if cut.spans or not isinstance(other, Table) or other.trust < 1 or other.base is not None:
            continue
        if other.unit != table.unit or other.universe is not None or number == table.number:
            continue
        shared = [name for name in table.columns if name in other.columns]
        levels = [_coarsest(table, other, name) for name in shared]
        if all(len(own) < 2 for own in levels):
            continue
        found = np.zeros(len(table.cells), dtype=np.int64)
        for name, own in zip(shared, levels, strict=True):
            column = table.columns.index(name)
            found = found * len(own) + np.array([_holder(cell[column], own) for cell in table.cells])
        yield np.unique(found, return_inverse=True)[1].astype(np.int64)


def _coarsest(one: Table, other: Table, name: str) -> tuple[Level, ...]:
    """Levels that both tables can be summed to."""
    mine, theirs = ({cell[table.columns.index(name)] for cell in table.cells} for table in (one, other))
    if not all(isinstance(level, Interval) for level in mine | theirs):
        return tuple(sorted(mine, key=str)) if mine == theirs else (next(iter(mine)),)
    cuts = sorted(_ends(mine) & _ends(theirs))
    return tuple(Interval(a, b) for a, b in pairwise(cuts))


def _ends(levels: set[Level]) -> set[float]:
    return {end for level in levels if isinstance(level, Interval) for end in (level.low, level.high)}


def _holder(level: Level, coarse: Sequence[Level]) -> int:
    for number, candidate in enumerate(coarse):
        if level == candidate:
            return number
        if isinstance(level, Interval) and isinstance(candidate, Interval) and candidate.holds(level):
            return number
    return 0


def _grouped(counts: Floats, groups: Integers) -> Floats:
    """Sum cells (partitions, cells) to groups (partitions, groups)."""
    found = np.zeros((len(counts), int(groups.max()) + 1))
    for group in range(found.shape[1]):
        found[:, group] = counts[:, groups == group].sum(axis=1)
    return found


def _means(spec: Spec, target: Statistic, made: Sequence[Tally], cells: Sequence[Integers]) -> list[Floats]:
    """The mean that each group of each partition is led to: its own, moved so that all together have the whole's mean or total."""
    sums, counts = np.zeros(len(target.cells)), np.zeros(len(target.cells))
    for tally, own in zip(made, cells, strict=True):
        assert tally.counts is not None
        sums[own] += tally.got
        counts[own] += tally.counts
    wanted = np.array(target.values)
    if target.statistic == "total":
        records = sum(tally.universe for tally in made)
        population = target.base or stated_population(spec.targets, target.unit)
        wanted = wanted * (records / population if population else 1.0) / np.maximum(counts, 1.0)
    overall = sums / np.maximum(counts, 1.0)
    found = []
    for tally, own in zip(made, cells, strict=True):
        assert tally.counts is not None
        mean = tally.got / np.where(tally.counts > 0, tally.counts, np.nan)
        scale = wanted[own] / np.where(overall[own] != 0, overall[own], np.nan)
        found.append(np.where((overall[own] > 0) & (wanted[own] > 0), mean * scale, mean + wanted[own] - overall[own]))
    return found


def _leaning(table: Table, tally: Tally) -> Floats:
    """An estimated table for one partition: its odds ratios with the margins of the partition, (cells,)."""
    places = [{level: k for k, level in enumerate(dict.fromkeys(c))} for c in zip(*table.cells, strict=True)]
    index = tuple(np.array([place[cell[k]] for cell in table.cells]) for k, place in enumerate(places))
    shape = [len(place) for place in places]
    dense, made = np.zeros(shape), np.zeros(shape)
    dense[index], made[index] = np.maximum(table.values, 0.0), tally.got
    for _ in range(50):
        for axis in range(len(shape)):
            others = tuple(k for k in range(len(shape)) if k != axis)
            scale = made.sum(axis=others) / np.maximum(dense.sum(axis=others), 1e-300)
            dense = np.moveaxis(np.moveaxis(dense, axis, -1) * scale, -1, axis)
    return np.asarray(dense[index])


def last_quotas(
    spec: Spec, plan: Plan, cuts: Sequence[Cut], quotas: Sequence[Sequence[Quota]], tallies: Sequence[Tallies]
) -> dict[int, list[Quota]]:
    """New quotas of those partitions that take over what others could not do; empty where nothing is left, or nobody can.

    What all partitions lack together is moved within those that are near their quotas, the largest first, from cells that hold
    too many in all to those that lack records: each begins with what it has made, so its number of records stays.
    """
    given = [{quota.target: np.array(quota.values) for quota in own} for own in quotas]
    changed = set[int]()
    for number in spanning(cuts):
        table = spec.targets[number]
        if not isinstance(table, Table) or table.trust < 1:
            continue
        made = [p for p, own in enumerate(given) if number in own and number in tallies[p]]
        off = np.zeros(len(table.cells))
        for p in made:
            off[cuts[number].cells[p]] += tallies[p][number].got
        off -= wanted_counts(spec, plan, table, sum(tallies[p][number].universe for p in made))
        near = [p for p in made if np.abs(tallies[p][number].got - given[p][number]).max(initial=0.0) <= NEAR]
        for p in sorted(near, key=lambda p: -plan.partitions[p].records):
            if not (off <= -1).any() or not (off >= 1).any():
                break
            quota = tallies[p][number].got.copy()
            if _take_over(quota, off, cuts[number].cells[p]):
                given[p][number] = quota
                changed.add(p)
    return {
        p: [Quota(target=number, values=tuple(values.tolist())) for number, values in given[p].items()] for p in changed
    }


NEAR = 1.5
"""A partition whose cells are off their quotas by no more can take over what others cannot."""

MOST_TAKEN = 0.1
"""Part of a cell's records that one partition gives up at most."""


def _take_over(quota: Floats, off: Floats, cells: Integers) -> bool:
    """Move records of a quota from cells with too many in all to those with too few, in place; whether any was moved."""
    moved = False
    room = np.floor(MOST_TAKEN * quota)
    while True:
        surplus, lack = int(np.argmax(np.where(room >= 1, off[cells], -np.inf))), int(np.argmin(off[cells]))
        if off[cells][surplus] < 1 or off[cells][lack] > -1 or room[surplus] < 1:
            return moved
        number = float(np.floor(min(off[cells][surplus], -off[cells][lack], room[surplus])))
        quota[surplus] -= number
        room[surplus] -= number
        quota[lack] += number
        off[cells[surplus]] -= number
        off[cells[lack]] += number
        moved = True
