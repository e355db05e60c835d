"""What counts of parents and of children say together: how many children a parent has on average.

A table is read as a distribution, so a table of persons in shares says nothing of how many there are. Counts do, beside counts of
their households: their ratio is the mean of the count variable, and so of its open last group ("4 and more").
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from llmsynthor.aims.density import open_end
from llmsynthor.aims.laws import table_shares
from llmsynthor.aims.uses import Use, read_uses
from llmsynthor.aims.zones import Room, possible_total, unmet_rooms, zone_columns
from llmsynthor.errors import Problem
from llmsynthor.spec.checks.units import sizes_of, slack, tables_of
from llmsynthor.spec.levels import Interval
from llmsynthor.spec.schema import Numeric
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Statistic, Table

AGREE = 0.01
"""Totals of tables of the same records that differ by no more are of one source, or of sources that agree."""


def with_implied_means(spec: Spec, narrow: Sequence[Room]) -> Spec:
    """Add the means of count variables that follow from counts; they are aimed at as if they were stated."""
    return replace(spec, targets=(*spec.targets, *implied_means(spec, narrow)))


def implied_means(spec: Spec, narrow: Sequence[Room]) -> Iterator[Statistic]:
    """The mean number of children of each unit that follows from counts, where tables of the count variable leave it open.

    Tables of children in zones that are too `narrow` for them count as many as there can be.
    """
    uses = read_uses(spec)
    zones = {f"{spec.schema.top.name}.{zone}" for zone in zone_columns(spec)}
    for unit in spec.schema.units[1:]:
        parent = spec.schema[str(unit.parent)]
        count = parent.variable(str(unit.count))
        assert isinstance(count, Numeric)
        if any(not stated.by for stated in uses[parent.name, count.name].stated("mean", "total")):
            continue
        parents, children = _counts(spec, parent.name), _counts(spec, unit.name)
        low, high = sizes_of(spec, unit).mean
        children = [
            table for table in children if zones & set(table.columns)
        ] or children  # they say most of how many there are
        if not _agree(parents) or not _agree(children) or high - low < 1e-9:
            continue
        mean = possible_total(children[0], narrow) / sum(parents[0].values)
        if low < mean < high:
            name = f'{unit.name} records of each {parent.name}, by the counts of "{children[0].name}" and "{parents[0].name}"'
            yield Statistic(
                name=name,
                unit=parent.name,
                statistic="mean",
                variable=count.name,
                by=(),
                cells=((),),
                values=(mean,),
                importance=min(table.importance for table in (children[0], parents[0])),
                number=children[0].number,
            )


def _counts(spec: Spec, unit: str) -> list[Table]:
    found = [table for table in tables_of(spec, unit) if table.value == "count" and table.trust >= 1]
    return sorted(found, key=lambda table: -table.importance)


def _agree(tables: Sequence[Table]) -> bool:
    """Whether the tables speak of one number of records."""
    totals = [sum(table.values) for table in tables]
    room = AGREE + max((slack(table) for table in tables), default=0.0)
    return bool(totals) and min(totals) > 0 and max(totals) - min(totals) <= room * max(totals)


def assumed_ends(spec: Spec) -> Iterator[Problem]:
    """Name open last groups of which nothing says how their records are spread."""
    uses = read_uses(spec)
    implied = [(mean.unit, mean.variable) for mean in implied_means(spec, unmet_rooms(spec))]
    for unit in spec.schema.units:
        for variable in unit.coded:
            if isinstance(variable, Numeric) and (unit.name, variable.name) not in implied:
                yield from _assumed_end(uses[unit.name, variable.name], spec)


def _assumed_end(use: Use, spec: Spec) -> Iterator[Problem]:
    variable, unit, fixed = use.number, use.unit, table_shares(use)
    if fixed is None or fixed.shares[-1] <= 0 or any(True for _ in use.stated("mean", "total")):
        return
    law = open_end(fixed.breaks, integer=variable.integer)
    last = Interval(float(fixed.breaks[-2]), float(fixed.breaks[-1]))
    quantiles = use.stated("quantile")
    if not law or any(last.low <= value < last.high for target in quantiles for value in target.values):
        return
    how = "as Pareto's law has it" if law == "pareto" else "by the same part from value to value"
    children = [child.name for child in spec.schema.children(unit.name) if child.count == variable.name]
    advice = f"state a mean or a total of {variable.name}"
    if children:
        advice += f", or counts (not shares) of {unit.name} and {children[0]} records"
    yield Problem(
        where=fixed.where,
        what=f"{variable.name} {last.low:g}+ is spread by assumption: nothing says how far up its records lie",
        found=f"{fixed.shares[-1] / fixed.shares.sum():.1%} of the {unit.name} records in {last}",
        advice=f"{advice}; without it they fall off {how}",
        severity="warning",
    )
