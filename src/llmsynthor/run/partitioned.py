"""A run in partitions: made side by side, their counts added up, what spans them shared out, the whole judged.

The driver holds the spec, the plan and counts; records pass from those who make them into files.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from llmsynthor.evaluation.compare import (
    Comparison,
    accounted,
    judge_statistic,
    judge_table,
)
from llmsynthor.evaluation.ends import Account, Status
from llmsynthor.executors.executor import Executor
from llmsynthor.partitions.plan import plan_partitions
from llmsynthor.partitions.shared import first_quotas, last_quotas, spanning
from llmsynthor.partitions.slices import Quota, cut_targets, zones_of
from llmsynthor.records.run_folder import unwritable
from llmsynthor.run.parts import Done, Order, Publication, Whole, do, publish
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Statistic, Table, stated_population
from llmsynthor.synthesis.believing import Believed, Said
from llmsynthor.synthesis.outcome import Options

LAST_ROUNDS = 3
"""How often what some partitions could not do is handed to others at most."""

MOST_REASONS = 3
"""Partitions whose reasons are told, of those in which a target cannot be met."""

Tell = Callable[[str, int, int], None]
"""Told the stage, how many partitions of it are made, and of how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """All partitions together: how each target ended, who yielded, and a line for each partition."""

    whole: Whole
    comparisons: tuple[Comparison, ...]
    disagreements: list[dict[str, Any]]
    rules_broken: dict[str, int]
    records: dict[str, int]
    lines: list[dict[str, Any]]
    reason: str


def make_whole(spec: Spec, believed: Believed | None, options: Options, folder: Path) -> Whole:
    """Lay out the partitions, with what a model said of the whole; raises SpecError."""
    said = believed.said if believed is not None else None
    if said is not None and believed is not None:
        soft = tuple(table for table in said.tables if table.name not in said.weights)
        spec = replace(spec, schema=believed.aims.spec.schema, targets=(*spec.targets, *soft))
    plan = plan_partitions(spec, options.records, str(options.partition), options.partition_records)
    return Whole(
        spec=spec,
        said=said or Said(),
        plan=plan,
        cuts=cut_targets(spec, plan),
        method=options,
        seed=options.seed,
        folder=str(folder),
    )


def make_all(whole: Whole, executor: Executor, tell: Tell) -> Made:
    """Make every partition, share out what spans them, publish the records, judge the whole. Raises RunFolderError."""
    numbers = [partition.number for partition in whole.plan.partitions if partition.records]
    quotas: list[list[Quota]] = [[] for _ in whole.plan.partitions]
    try:
        if spanning(whole.cuts):
            first = _round([Order(number=p, stage="first") for p in numbers], whole, executor, tell)
            tallies = [first[p].tallies if p in first else {} for p in range(len(quotas))]
            quotas = first_quotas(whole.spec, whole.plan, whole.cuts, tallies)
        done = _round([Order(number=p, quotas=tuple(quotas[p])) for p in numbers], whole, executor, tell)
        for _ in range(LAST_ROUNDS if spanning(whole.cuts) else 0):
            tallies = [done[p].tallies if p in done else {} for p in range(len(quotas))]
            changed = last_quotas(whole.spec, whole.plan, whole.cuts, quotas, tallies)
            if not changed:
                break
            for p, own in changed.items():
                quotas[p] = own
            again = [Order(number=p, quotas=tuple(quotas[p])) for p in sorted(changed)]
            done |= _round(again, whole, executor, tell)
        _publish(whole, done, executor, tell)
    except OSError as cause:
        raise unwritable(Path(whole.folder), cause) from cause
    return _made(whole, [done[p] for p in sorted(done)])


def _round(orders: Sequence[Order], whole: Whole, executor: Executor, tell: Tell) -> dict[int, Done]:
    found: dict[int, Done] = {}
    stage = orders[0].stage if orders else "made"
    longest = sorted(orders, key=lambda order: -whole.plan.partitions[order.number].records)  # none is left for the end
    for _, done in executor.each(do, whole, longest):
        found[done.number] = done
        tell(stage, len(found), len(orders))
    return found


def _publish(whole: Whole, done: Mapping[int, Done], executor: Executor, tell: Tell) -> None:
    before = dict.fromkeys((unit.name for unit in whole.spec.schema.units), 0)
    orders = []
    for p in sorted(done):
        orders.append(Publication(number=p, before=tuple(before.items())))
        for unit, number in done[p].made.items():
            before[unit] += number
    for number, _ in enumerate(executor.each(publish, whole, orders)):
        tell("written", number + 1, len(orders))


def _made(whole: Whole, done: Sequence[Done]) -> Made:
    records = {
        unit.name: sum(own.made.get(unit.name, 0) for own in done)
        for unit in whole.spec.schema.units
        if any(unit.name in own.made for own in done)
    }
    comparisons = tuple(_comparisons(whole, done, records))
    unlike = [entry for own in done for entry in own.disagreements]
    names = {own.number: whole.plan.partitions[own.number] for own in done}
    unmet = [c.target.name for c in comparisons if c.status.is_unmet]
    met = "nothing was left to correct" if not unmet else f"{len(unmet)} targets are off"
    return Made(
        whole=whole,
        comparisons=comparisons,
        disagreements=unlike,
        rules_broken={rule.name: sum(own.rules_broken.get(rule.name, 0) for own in done) for rule in whole.spec.rules},
        records=records,
        lines=[
            {
                "name": names[own.number].name,
                "zones": dict(zones_of(whole.plan, names[own.number])),
                "records": own.made,
                "unmet": [whole.spec.targets[k].name for k, end in own.ends.items() if Status(end).is_unmet],
                "stop_reason": own.sentence,
            }
            for own in done
        ],
        reason=f"aligned in {len(done)} partitions: {met}",
    )


def _comparisons(whole: Whole, done: Sequence[Done], records: Mapping[str, int]) -> Iterator[Comparison]:
    for number, target in enumerate(whole.spec.targets):
        if target.unit not in records or not any(number in own.tallies or number in own.statistics for own in done):
            continue
        found = _table(whole, number, done, records) if isinstance(target, Table) else _statistic(whole, number, done)
        judged = accounted(found, _account(whole, number, done))
        yield _as_parts(
            judged, [Status(own.ends[number]) for own in done if number in own.ends], spans=whole.cuts[number].spans
        )


def _table(whole: Whole, number: int, done: Sequence[Done], records: Mapping[str, int]) -> Comparison:
    table = whole.spec.targets[number]
    assert isinstance(table, Table)
    got, universe = np.zeros(len(table.cells)), 0.0
    for own in done:
        if number in own.tallies:
            got[whole.cuts[number].cells[own.number]] += own.tallies[number].got
            universe += own.tallies[number].universe
    return judge_table(table, got, universe, records)


def _statistic(whole: Whole, number: int, done: Sequence[Done]) -> Comparison:
    """Of partitions' own zones as they were judged there; one that spans, from the sums of all."""
    target = whole.spec.targets[number]
    assert isinstance(target, Statistic)
    parts = np.full((4, len(target.cells)), np.nan)
    parts[1], parts[2:] = target.values, 0.0
    if not whole.cuts[number].spans:
        for own in done:
            if number in own.statistics:
                parts[:, whole.cuts[number].cells[own.number]] = own.statistics[number]
        return judge_statistic(target, *parts)
    sums, counts, records, makers = np.zeros(len(target.cells)), np.zeros(len(target.cells)), 0.0, 0
    for own in done:
        tally = own.tallies.get(number)
        if tally is not None and tally.counts is not None:
            cells = whole.cuts[number].cells[own.number]
            sums[cells] += tally.got
            counts[cells] += tally.counts
            records, makers = records + tally.universe, makers + 1
    slack = makers * (0.5 + 1e-6) * np.ones(len(sums))  # each partition's sum is rounded
    wanted = np.array(target.values)
    if target.statistic == "total":
        population = target.base or stated_population(whole.spec.targets, target.unit)
        return judge_statistic(target, sums, wanted * (records / population if population else 1.0), slack, 0 * sums)
    got = sums / np.where(counts > 0, counts, np.nan)
    return judge_statistic(target, got, wanted, slack / np.maximum(counts, 1.0), 0 * sums)


def _account(whole: Whole, number: int, done: Sequence[Done]) -> Account | None:
    """What the partitions made of a target: the values that they were led to, and who it yielded to."""
    target = whole.spec.targets[number]
    others = sorted({other for own in done for other in own.others.get(number, ())})
    if whole.cuts[number].spans:
        return None
    used = np.array(target.values, dtype=np.float64)
    for own in done:
        if number in own.used:
            used[whole.cuts[number].cells[own.number]] = own.used[number]
    led = [own for own in done if number in own.used]
    reason = _reason(whole, number, done)
    if not led:
        return Account(reason=reason) if reason else None
    only_rounding = all(number in own.rounding for own in led)
    return Account(used=used, others=tuple(others), only_rounding=only_rounding, reason=reason)


def _reason(whole: Whole, number: int, done: Sequence[Done]) -> str:
    """Why a target cannot be met, where that was shown in all partitions that do not meet it."""
    unmet = [own for own in done if number in own.ends and Status(own.ends[number]).is_unmet]
    if not all(number in own.reasons for own in unmet):
        return ""
    said = [f"{whole.plan.partitions[own.number].name}: {own.reasons[number]}" for own in unmet[:MOST_REASONS]]
    return "; ".join(said) + (f"; and {len(unmet) - MOST_REASONS:,} more" if len(unmet) > MOST_REASONS else "")


def _as_parts(comparison: Comparison, ends: Sequence[Status], *, spans: bool) -> Comparison:
    """A table of zones that every partition met is met: whole records of a partition are rounded within it.

    A cell may so be off by a record and a fraction of what it is of all partitions.
    """
    if spans or not comparison.status.is_unmet or not ends or any(end.is_unmet for end in ends):
        return comparison
    order = list(Status)
    return replace(comparison, status=max([*ends, Status.ROUNDING], key=order.index))
