"""What a partition is asked for: the spec of its zones alone, cut out of the whole.

A target with a column of zones is cut to those of the partition; one without covers all partitions (it *spans*), as does one by
zones so large that several partitions share them. Of those a partition gets its quota.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from llmsynthor.errors import Problem, SpecError
from llmsynthor.geography.levels import Geography
from llmsynthor.partitions.plan import Partition, Plan
from llmsynthor.spec.reading.geographies import with_place
from llmsynthor.spec.schema import Schema, Unit
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Base, Statistic, Table, Target

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]

EVERYWHERE = "(all)"
"""Behind the name of a geography that other places of the records go on using whole."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Which cells of a target each partition has: `cells[number]`, positions among all; `spans` where others have them too."""

    spans: bool
    cells: tuple[Integers, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """What a partition gets of a target that spans: a value for each of its cells; counts of records, or the mean of each group."""

    target: int
    values: tuple[float, ...]


def cut_targets(spec: Spec, plan: Plan) -> tuple[Cut, ...]:
    """Say for every target which of its cells each partition has; raises SpecError for what cannot be shared out."""
    cuts = tuple(_cut(spec, target, plan) for target in spec.targets)
    problems = [
        Problem(
            where=target.where,
            what=f"a {target.statistic} of all partitions together cannot be shared out among them",
            advice=f"give it by {plan.place.levels[-1]} or another level of zones, or leave out `partition`",
        )
        for target, cut in zip(spec.targets, cuts, strict=True)
        if cut.spans and isinstance(target, Statistic) and target.statistic not in ("mean", "total")
    ]
    if problems:
        raise SpecError(*problems)
    return cuts


def _cut(spec: Spec, target: Target, plan: Plan) -> Cut:
    columns = target.columns if isinstance(target, Table) else target.by
    levels = [plan.level_of(target.unit, spec.schema.top.name, name) for name in columns]
    every = tuple(np.arange(len(target.cells)) for _ in plan.partitions)
    if not any(levels):
        return Cut(spans=True, cells=every)
    order = plan.geography.levels
    column = max((k for k, level in enumerate(levels) if level), key=lambda k: order.index(str(levels[k])))
    owners = plan.owners(str(levels[column]))
    held: list[list[int]] = [[] for _ in plan.partitions]
    for number, cell in enumerate(target.cells):
        for owner in owners.get(str(cell[column]), ()):
            held[owner].append(number)
    spans = any(len(numbers) > 1 for numbers in owners.values())
    return Cut(spans=spans, cells=tuple(np.array(own, dtype=np.int64) for own in held))


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The spec of one partition; `sources[k]` is the number of the whole's target that its target k was cut from."""

    spec: Spec
    sources: tuple[int, ...]


def part_of(spec: Spec, plan: Plan, cuts: Sequence[Cut], partition: Partition, quotas: Sequence[Quota]) -> Part:
    """The spec of a partition: its zones, its cells of targets, and the quotas of what spans; without a quota that is left out."""
    place = plan.place
    rows = plan.geography.rows[slice(*partition.rows)]
    own = replace(plan.geography, rows=rows, outlines={})
    units = tuple(_placed(unit, own, place.place, top=unit is spec.schema.top) for unit in spec.schema.units)
    others = any(p.geography == own.name for unit in units for p in unit.places if p.geography == own.name) and any(
        p.geography == own.name + EVERYWHERE for unit in units for p in unit.places
    )
    whole = (replace(plan.geography, name=own.name + EVERYWHERE, outlines={}),) if others else ()
    geographies = tuple(own if each.name == own.name else each for each in spec.geographies) + whole
    given = {quota.target: quota for quota in quotas}
    targets, sources = list[Target](), list[int]()
    scale = partition.records / max(sum(p.records for p in plan.partitions), 1)
    for number, (target, cut) in enumerate(zip(spec.targets, cuts, strict=True)):
        kept = cut.cells[partition.number]
        if not len(kept) or (cut.spans and number not in given):
            continue
        found = (
            _with_quota(target, kept, given[number], spec.schema, partition.records)
            if cut.spans
            else _local(target, kept, scale)
        )
        if found is not None:
            targets.append(found)
            sources.append(number)
    part = replace(spec, schema=Schema(units=units), targets=tuple(targets), geographies=geographies, notes=())
    return Part(spec=part, sources=tuple(sources))


def _placed(unit: Unit, geography: Geography, place: str, *, top: bool) -> Unit:
    """The unit with the zones of the partition at its first place; other places keep all zones."""
    if not unit.places:
        return unit
    mine = unit.places[0] if top and unit.places[0].place == place else None
    places = tuple(
        own if own is mine or own.geography != geography.name else replace(own, geography=geography.name + EVERYWHERE)
        for own in unit.places
    )
    if mine is None:
        return replace(unit, places=places)
    bare = replace(
        unit,
        variables=tuple(v for v in unit.variables if v.name not in mine.variables),
        derived=tuple(d for d in unit.derived if d.name not in mine.variables),
        places=(),
    )
    return replace(with_place(bare, geography, mine), places=places)


def _local(target: Target, kept: Integers, scale: float) -> Target | None:
    """The cells of a target that only this partition has; None where nothing is left to say."""
    values, cells = [target.values[k] for k in kept], tuple(target.cells[k] for k in kept)
    margins = target.margins_of_error
    found = replace(
        target,
        cells=cells,
        values=tuple(values),
        margins_of_error=tuple(margins[k] for k in kept) if margins is not None else None,
    )
    if isinstance(found, Statistic):
        return replace(found, base=found.base * scale) if found.base is not None else found
    if found.base is not None:
        found = replace(found, base=replace(found.base, records=found.base.records * scale))
    return found if any(values) else None


def _with_quota(target: Target, kept: Integers, quota: Quota, schema: Schema, records: int) -> Target | None:
    """A target that spans, with the partition's quota: absolute counts for so many top records."""
    cells = tuple(target.cells[k] for k in kept)
    if isinstance(target, Statistic):
        number = [k for k, value in enumerate(quota.values) if np.isfinite(value)]
        if not number:
            return None
        return replace(
            target,
            statistic="mean",
            cells=tuple(cells[k] for k in number),
            values=tuple(quota.values[k] for k in number),
            margins_of_error=None,
            base=None,
        )
    if not any(quota.values):
        return None
    if target.universe is None or target.trust < 1:  # how many there are in all follows from the partition's own tables
        return replace(target, cells=cells, values=quota.values, value="share", margins_of_error=None, rounding=None)
    base = Base(target=target.name, unit=schema.top.name, records=float(records), universe=target.universe)
    return replace(target, cells=cells, values=quota.values, value="count", margins_of_error=None, base=base)


def zones_of(plan: Plan, partition: Partition) -> Mapping[str, int]:
    """How many zones of each level a partition has rows in."""
    rows = plan.geography.rows[slice(*partition.rows)]
    return {level: len({row[k] for row in rows}) for k, level in enumerate(plan.geography.levels)}
