"""The work of one partition: its records made, counted and kept, whoever does it. The same order gives the same bytes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from llmsynthor.evaluation.compare import Comparison, compare, count_table
from llmsynthor.evaluation.ends import Status
from llmsynthor.evaluation.rules import rules_broken
from llmsynthor.options import Method
from llmsynthor.partitions.plan import Plan
from llmsynthor.partitions.shared import Tally
from llmsynthor.partitions.slices import Cut, Part, Quota, part_of
from llmsynthor.records.levels import as_texts
from llmsynthor.records.linked import Nested, nest
from llmsynthor.records.measure import statistic_cells
from llmsynthor.records.run_folder import RunFolder
from llmsynthor.run.tables import accounts, disagreements_frame, judged, records_frames
from llmsynthor.spec.inputs import derived_below, target_columns
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Statistic, Table
from llmsynthor.synthesis.believing import Said
from llmsynthor.synthesis.loop import synthesize_part
from llmsynthor.synthesis.outcome import Options

WORK = "partitions"
"""Folder of what partitions have come to, in the run folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """What all partitions share: the spec with what a model said of it, how it is cut, and the folder that all can write to."""

    spec: Spec
    said: Said
    plan: Plan
    cuts: tuple[Cut, ...]
    method: Method
    seed: int
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """Make a partition to its quotas. `stage` first: only its counts are wanted; made: its records are kept."""

    number: int
    quotas: tuple[Quota, ...] = ()
    stage: Literal["first", "made"] = "made"

    @property
    def digest(self) -> str:
        return sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What came of an order: records by unit, counts by target, and for each target of the partition what became of it there.

    `statistics` are means, totals and quantiles of its own zones: got, wanted, slack and step, each (cells,). `ends` are the
    statuses of its targets, `used` what reconciling made of their values, `reasons` why some cannot be met.
    """

    number: int
    digest: str
    made: dict[str, int]
    tallies: dict[int, Tally]
    statistics: dict[int, list[list[float]]]
    ends: dict[int, str]
    used: dict[int, list[float]]
    others: dict[int, list[str]]
    reasons: dict[int, str]
    rounding: list[int]
    rules_broken: dict[str, int]
    disagreements: list[dict[str, Any]]
    sentence: str

    def text(self) -> str:
        """As JSON, every number as it is."""
        plain = {name: getattr(self, name) for name in self.__slots__ if name != "tallies"}
        tallies = {
            number: [t.got.tolist(), t.universe, None if t.counts is None else t.counts.tolist()]
            for number, t in self.tallies.items()
        }
        return json.dumps({**plain, "tallies": tallies}, ensure_ascii=False)

    @classmethod
    def of(cls, text: str) -> "Done":
        """Read it back."""
        plain = json.loads(text)
        numbered = {name: {int(k): v for k, v in plain[name].items()} for name in NUMBERED}
        tallies = {
            k: Tally(got=np.array(got), universe=universe, counts=None if counts is None else np.array(counts))
            for k, (got, universe, counts) in numbered.pop("tallies").items()
        }
        return cls(**{**plain, **numbered, "tallies": tallies})


NUMBERED = ("tallies", "statistics", "ends", "used", "others", "reasons")


def do(whole: Whole, order: Order) -> Done:
    """Make the records of a partition, or read what was made of the same order before."""
    partition = whole.plan.partitions[order.number]
    folder, kept = RunFolder(path=Path(whole.folder)), f"{WORK}/{partition.name}/{order.stage}.json"
    before = _before(folder.path / kept, order, whole)
    if before is not None:
        return before
    part = part_of(whole.spec, whole.plan, whole.cuts, partition, order.quotas)
    seed = int(np.random.SeedSequence([whole.seed, order.number]).generate_state(1)[0] >> 1)
    method = {name: getattr(whole.method, name) for name in ("align", "proposals", "temperature", "estimate", "zones")}
    options = Options(**method, iterations=0, records=partition.records, seed=seed, workers=1)
    outcome = synthesize_part(part.spec, options, whole.said)
    frames = records_frames(part.spec, outcome, seed=seed)
    if order.stage == "made":  # what is missed is looked at for contradictions
        comparisons, outcome = judged(part.spec, outcome, frames)
    else:
        comparisons = compare(part.spec, frames, accounts(outcome))
    done = Done(
        number=order.number,
        digest=order.digest,
        made={unit: frame.height for unit, frame in frames.items()},
        tallies=_tallies(whole, order.number, part, frames, comparisons),
        statistics=_statistics(part, whole, comparisons),
        ends={own: str(c.status) for own, c in _numbered(part, comparisons)},
        used={own: c.account.used.tolist() for own, c in _numbered(part, comparisons) if c.account.used is not None},
        others={own: list(c.account.others) for own, c in _numbered(part, comparisons) if c.account.others},
        reasons={own: c.account.reason for own, c in _numbered(part, comparisons) if c.status is Status.CANNOT},
        rounding=[own for own, c in _numbered(part, comparisons) if c.account.only_rounding],
        rules_broken=rules_broken(part.spec, frames),
        disagreements=disagreements_frame(outcome, comparisons).to_dicts(),
        sentence=outcome.stop_reason,
    )
    if order.stage == "made":
        for unit, frame in as_texts(frames).items():
            (folder.path / published_name(unit, partition.name)).unlink(missing_ok=True)
            folder.write_parquet(f"{WORK}/{partition.name}/{unit}.parquet", frame)
    folder.write_text(kept, done.text())
    return done


def _before(path: Path, order: Order, whole: Whole) -> Done | None:
    """What was made of the same order, where it is whole."""
    if not path.is_file():
        return None
    try:
        done = Done.of(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    name = whole.plan.partitions[order.number].name
    places = [(path.parent / f"{unit}.parquet", Path(whole.folder) / published_name(unit, name)) for unit in done.made]
    there = order.stage == "first" or all(one.is_file() or other.is_file() for one, other in places)
    return done if done.digest == order.digest and there else None


def _numbered(part: Part, comparisons: Sequence[Comparison]) -> list[tuple[int, Comparison]]:
    """Comparisons with the number of the whole's target; none of those that were added to the part."""
    numbers = {id(target): own for own, target in zip(part.sources, part.spec.targets, strict=True)}
    return [(numbers[id(c.target)], c) for c in comparisons if id(c.target) in numbers]


def _tallies(
    whole: Whole, number: int, part: Part, frames: Mapping[str, pl.DataFrame], comparisons: Sequence[Comparison]
) -> dict[int, Tally]:
    """Counts of the partition's own tables, and of all that spans."""
    found = {
        own: Tally(got=c.got, universe=_universe(c, frames))
        for own, c in _numbered(part, comparisons)
        if isinstance(c.target, Table) and not whole.cuts[own].spans
    }
    spans = [k for k, cut in enumerate(whole.cuts) if cut.spans and len(cut.cells[number])]
    if not spans:
        return found
    needed = frozenset[tuple[str, str]]().union(*(target_columns(whole.spec.targets[k]) for k in spans))
    nested = nest(frames, part.spec.schema, only=derived_below(needed, part.spec.schema))
    return found | {k: _spanning(whole, nested, k, number) for k in spans}


def _universe(comparison: Comparison, frames: Mapping[str, pl.DataFrame]) -> float:
    target = comparison.target
    return float(frames[target.unit].height if target.universe is None else comparison.got.sum())


def _spanning(whole: Whole, nested: Nested, number: int, partition: int) -> Tally:
    target, kept = whole.spec.targets[number], whole.cuts[number].cells[partition]
    cells = tuple(target.cells[k] for k in kept)
    if isinstance(target, Table):
        own = replace(target, cells=cells, values=tuple(target.values[k] for k in kept), margins_of_error=None)
        got, universe = count_table(nested, own)
        return Tally(got=got, universe=universe)
    mean = replace(target, cells=cells, values=tuple(target.values[k] for k in kept), margins_of_error=None)
    every, values = statistic_cells(nested, mean)
    inside = every >= 0
    counts = np.bincount(every[inside], minlength=len(cells)).astype(np.float64)
    sums = np.bincount(every[inside], weights=values[inside], minlength=len(cells)).astype(np.float64)
    return Tally(got=sums, universe=float(len(every)), counts=counts)


def _statistics(part: Part, whole: Whole, comparisons: Sequence[Comparison]) -> dict[int, list[list[float]]]:
    return {
        own: [c.got.tolist(), c.wanted.tolist(), c.slack.tolist(), c.step.tolist()]
        for own, c in _numbered(part, comparisons)
        if isinstance(c.target, Statistic) and not whole.cuts[own].spans
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """Number the records of a partition behind those of the partitions before it: `before` by unit."""

    number: int
    before: tuple[tuple[str, int], ...]


def publish(whole: Whole, order: Publication) -> int:
    """Move a partition's records to where all are one data set, with ids of the whole; returns its number."""
    partition, folder = whole.plan.partitions[order.number], RunFolder(path=Path(whole.folder))
    before = dict(order.before)
    ids = {f"{unit}_id": first for unit, first in before.items()}
    for unit in before:
        made = folder.path / WORK / partition.name / f"{unit}.parquet"
        if not made.is_file():  # it is there already
            continue
        frame = pl.read_parquet(made, glob=False)
        moved = [pl.col(name) + first for name, first in ids.items() if name in frame.columns]
        folder.write_parquet(published_name(unit, partition.name), frame.with_columns(moved))
        made.unlink()
    return order.number


def published_name(unit: str, name: str) -> str:
    """Where the records of a unit of a partition stand in the run folder.

    >>> published_name("person", "part-00002")
    'records/person/part-00002.parquet'
    """
    return f"records/{unit}/{name}.parquet"
