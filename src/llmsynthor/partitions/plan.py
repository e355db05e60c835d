"""The plan of a run in partitions: which zones each holds, and how many records of the top unit it makes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmsynthor.errors import Problem, SpecError
from llmsynthor.geography.levels import Geography, Located
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Table

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """Neighbouring zones that are made together: `rows` of the geography from the first to the last (not in)."""

    number: int
    rows: tuple[int, int]
    records: int

    @property
    def name(self) -> str:
        """Its name in files.

        >>> Partition(number=7, rows=(0, 3), records=10).name
        'part-00007'
        """
        return f"part-{self.number:05d}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All partitions of a run; `place` is where the records of the top unit lie, in `geography`."""

    place: Located
    geography: Geography
    partitions: tuple[Partition, ...]

    def owners(self, level: str) -> Mapping[str, tuple[int, ...]]:
        """The partitions that each zone of a level has rows in."""
        position, found = self.geography.levels.index(level), dict[str, dict[int, None]]()
        for partition in self.partitions:
            for row in self.geography.rows[slice(*partition.rows)]:
                found.setdefault(row[position], {})[partition.number] = None
        return {zone: tuple(numbers) for zone, numbers in found.items()}

    def level_of(self, unit: str, top: str, column: str) -> str | None:
        """The level whose zones a column of a unit's target holds; None where it holds none of the plan's place."""
        owner, _, name = column.rpartition(".")
        if (owner or unit) != top:
            return None
        names = dict(zip(self.place.variables, self.place.levels, strict=True))
        return names.get(name)


def plan_partitions(spec: Spec, records: int, level: str, most: int) -> Plan:
    """Cut the zones of a level into partitions of about `most` records of the top unit, in the order of the geography.

    A zone of the level is never cut. How many records each gets follows from the table of most importance that counts all of
    the top unit by this or a finer level: the sums up to each partition are rounded, so that all add up exactly. Depends on
    the spec and these numbers alone. Raises SpecError.
    """
    place, geography = _place(spec, level)
    ends = _ends(spec, records, place, geography, level)
    position = geography.levels.index(level)
    names = [row[position] for row in geography.rows]
    last = [k + 1 for k in range(len(names)) if k + 1 == len(names) or names[k + 1] != names[k]]
    partitions, first = list[Partition](), 0
    for number, end in enumerate(last):
        following = last[number + 1] if number + 1 < len(last) else None
        if following is None or ends[following] - ends[first] > most:
            made = int(ends[end] - ends[first])
            partitions.append(Partition(number=len(partitions), rows=(first, end), records=made))
            first = end
    return Plan(place=place, geography=geography, partitions=tuple(partitions))


def _place(spec: Spec, level: str) -> tuple[Located, Geography]:
    top = spec.schema.top
    if not top.places:
        advice = f"give {top.name} a `geography`, or leave out `partition`"
        problem = Problem(
            where="partition", what="there are no zones to make partitions of", found=level, advice=advice
        )
        raise SpecError(problem)
    place = top.places[0]
    if level not in place.levels:
        what = f"the geography of {top.name} has no such level"
        advice = f"use one of: {', '.join(place.levels)}"
        raise SpecError(Problem(where="partition", what=what, found=level, advice=advice))
    return place, next(own for own in spec.geographies if own.name == place.geography)


def _ends(spec: Spec, records: int, place: Located, geography: Geography, level: str) -> Integers:
    """Records of the top unit before each row of the geography, and in all: (rows + 1,)."""
    least = geography.levels.index(level)
    found = [(t, k, own) for t in spec.targets if isinstance(t, Table) for k, own in _counting(spec, t, place)]
    usable = [entry for entry in found if geography.levels.index(entry[2]) >= least]
    if not usable:
        advice = f"give a table of {spec.schema.top.name} records by {level}, or use a coarser level"
        what = f"no table says how many {spec.schema.top.name} records each {level} has"
        raise SpecError(Problem(where="partition", what=what, advice=advice))
    table, column, own = max(usable, key=lambda entry: (entry[0].importance, geography.levels.index(entry[2])))
    sums: dict[str, float] = {}
    for cell, value in zip(table.cells, table.values, strict=True):
        sums[str(cell[column])] = sums.get(str(cell[column]), 0.0) + max(value, 0.0)
    position = geography.levels.index(own)
    shares = _spread([row[position] for row in geography.rows], sums)
    ends = np.cumsum(shares) * (records / max(shares.sum(), 1e-300))
    ends[-1] = records
    return np.concatenate([[0], np.floor(ends + 0.5).astype(np.int64)])


def _counting(spec: Spec, table: Table, place: Located) -> list[tuple[int, str]]:
    """The columns of a table of all top records that hold zones, with their levels."""
    if table.unit != spec.schema.top.name or table.universe is not None or table.base is not None or table.trust < 1:
        return []
    levels = dict(zip(place.variables, place.levels, strict=True))
    return [(k, levels[name]) for k, name in enumerate(table.columns) if name in levels]


def _spread(zones: Sequence[str], sums: Mapping[str, float]) -> NDArray[np.float64]:
    """What each row has of its zone: all of it is with the last of its rows, so that no row is cut."""
    return np.array(
        [sums.get(zone, 0.0) if k + 1 == len(zones) or zones[k + 1] != zone else 0.0 for k, zone in enumerate(zones)]
    )
