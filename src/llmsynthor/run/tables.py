"""The tables of a run: records, proposals, history and disagreements as frames, and the figures of its manifest."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmsynthor.aims.aims import Aims
from llmsynthor.aims.goals import Goal
from llmsynthor.aims.reconcile import SAME, say_entry
from llmsynthor.alignment.align import computed_codes
from llmsynthor.dependence.kin.beliefs import Belief
from llmsynthor.evaluation.compare import Comparison, accounted, compare
from llmsynthor.evaluation.ends import Account, Status, count_ends
from llmsynthor.population.encode import Starting
from llmsynthor.population.roster import Roster, changed_tops
from llmsynthor.realization.values import realize
from llmsynthor.records.linked import nest
from llmsynthor.spec.levels import Interval
from llmsynthor.spec.reading.files import table_frame
from llmsynthor.spec.specification import Spec
from llmsynthor.synthesis.outcome import Outcome, Step, explained

Floats = NDArray[np.float64]

HISTORY = {
    "iteration": pl.Int64,
    "stage": pl.String,
    "discrepancy": pl.Float64,
    "tvd": pl.Float64,
    "worst_tvd": pl.Float64,
    "records": pl.Int64,
    "calls": pl.Int64,
    "tokens": pl.Int64,
    "seconds": pl.Float64,
}
PROPOSALS = {
    "proposal_id": pl.Int64,
    "iteration": pl.Int64,
    "values": pl.String,
    "count": pl.Int64,
    "asked": pl.Int64,
    "records": pl.Int64,
    "reason": pl.String,
    "guidance": pl.String,
    "call_id": pl.String,
    "status": pl.String,
}


DISAGREEMENTS = {
    "target": pl.String,
    "others": pl.String,
    "universe": pl.String,
    "cell": pl.String,
    "stated": pl.Float64,
    "others_stated": pl.String,
    "used": pl.Float64,
    "yielded": pl.Float64,
    "kind": pl.String,
}


def estimated_frames(outcome: Outcome) -> dict[str, pl.DataFrame]:
    """The estimated tables in the long format, by file name: edit one and name it in the spec to pin it.

    What a model says of who belongs together is no table of shares: `times` says how many times as often as without it.
    """
    found = {
        pair_file(outcome, own.unit, table.columns): table_frame(table)
        for own in outcome.estimations
        for table in own.tables
    }
    beliefs = [belief for own in outcome.compositions for belief in own.beliefs]
    return found | {belief_file(b): table_frame(b.table).rename({"share": "times"}) for b in beliefs}


def belief_file(belief: Belief) -> str:
    """Name the file of what was said about one role."""
    return f"{belief.table.unit}-{belief.in_words.replace(' ', '-')}.csv"


def pair_file(outcome: Outcome, unit: str, pair: Sequence[str]) -> str:
    """Name the file of an estimated table; with its unit where several have some."""
    return estimate_file(pair) if len(outcome.estimations) == 1 else f"{unit}-{estimate_file(pair)}"


def estimation_words(outcome: Outcome) -> str:
    """What was asked and estimated, in a sentence."""
    several = len(outcome.estimations) > 1
    said = [f"{found.unit}: {found.sentence}" if several else found.sentence for found in outcome.estimations]
    return "; ".join([*said, *(found.sentence for found in outcome.compositions if found.sentence)])


def estimate_file(pair: Sequence[str]) -> str:
    """Name the file of an estimated table."""
    return f"{'-by-'.join(pair)}.csv"


def rounded(value: float) -> float | None:
    """Six digits, None for what is not known."""
    return None if np.isnan(value) else round(float(value), 6)


def records_frames(spec: Spec, outcome: Outcome, *, seed: int) -> dict[str, pl.DataFrame]:
    """The records of every unit that was made, as values; those of a starting population that stayed keep theirs."""
    rng, aims = np.random.default_rng([seed, 30]), outcome.aims
    known = _known(outcome)
    if aims.needs_trees and (len(aims.layout.units) > 1 or aims.layout.n_own(0) < len(aims.layout.columns[0])):
        computed = computed_codes(aims, outcome.roster)
        from llmsynthor.realization.linked import realize_nested  # noqa: PLC0415  (solvers are heavy)

        frames = realize_nested(aims, outcome.roster, computed, rng=rng, schema=spec.schema, known=known)
    else:
        top = {name: values for (_, name), values in known.items()}
        values = realize(outcome.aims.own[0], outcome.roster.codes[0], rng=rng, known=top)
        frames = {spec.schema.top.name: _with_origin(spec, values, outcome.roster.proposal)}
    if outcome.starting is not None:
        frames = _beside_start(outcome.starting, outcome.roster, aims, frames)
    return frames


def _known(outcome: Outcome) -> dict[tuple[int, str], NDArray[np.float64]]:
    """Numbers of a starting population whose cells did not change, by unit and variable; NaN where they did."""
    starting, found = outcome.starting, dict[tuple[int, str], NDArray[np.float64]]()
    if starting is None:
        return found
    for number, own in enumerate(outcome.aims.own):
        before, after = starting.roster.codes[number], outcome.roster.codes[number]
        frame = starting.frames[own.grid.unit.name]
        for position, axis in enumerate(own.grid.axes):
            if isinstance(axis.levels[0], Interval) and len(before) == len(after):
                values = frame[axis.name].cast(pl.Float64).to_numpy()[starting.rows[number]]
                found[number, axis.name] = np.where(before[:, position] == after[:, position], values, np.nan)
    return found


def _with_origin(spec: Spec, values: pl.DataFrame, proposal: NDArray[np.int64]) -> pl.DataFrame:
    unit = spec.schema.top
    texts = [pl.lit(None, dtype=pl.String).alias(text.name) for text in unit.texts]
    origin = pl.Series("proposal_id", proposal)
    computed = nest({unit.name: values}, spec.schema).frames[unit.name]
    frame = computed.with_columns(texts).select([variable.name for variable in unit.shown])
    frame = frame.with_columns(pl.select(pl.when(origin >= 0).then(origin).alias("proposal_id"))["proposal_id"])
    return frame.select(pl.int_range(1, frame.height + 1, dtype=pl.Int64).alias(f"{unit.name}_id"), pl.all())


def _beside_start(
    starting: Starting, roster: Roster, aims: Aims, frames: Mapping[str, pl.DataFrame]
) -> dict[str, pl.DataFrame]:
    """Say of every top record which it was, and whether it or one below changed."""
    top = aims.layout.units[0].name
    told = {"start_row": starting.rows[0] + 1, "start_changed": changed_tops(aims.layout, starting.roster, roster)}
    return {**frames, top: frames[top].with_columns(pl.Series(name, values) for name, values in told.items())}


def proposals_frame(outcome: Outcome, frame: pl.DataFrame) -> pl.DataFrame:
    """One row per proposal, with the records that are left of it."""
    left = dict(frame["proposal_id"].drop_nulls().value_counts().iter_rows())
    rows = [
        {
            "proposal_id": p.number,
            "iteration": p.iteration,
            "values": json.dumps({name: str(level) for name, level in p.values.items()}, ensure_ascii=False),
            "count": p.count,
            "asked": p.asked,
            "records": left.get(p.number, 0),
            "reason": p.reason,
            "guidance": p.guidance,
            "call_id": p.call_id,
            "status": p.status,
        }
        for p in outcome.proposals
    ]
    return pl.DataFrame(rows, schema=PROPOSALS, orient="row")


def history_frame(history: Sequence[Step]) -> pl.DataFrame:
    """One row per iteration or sweep."""
    return pl.DataFrame([asdict(step) for step in history], schema=HISTORY, orient="row")


def disagreements_frame(outcome: Outcome, comparisons: Sequence[Comparison]) -> pl.DataFrame:
    """One row per target and cell on which sources disagree; `yielded` in records, positive where the cell was raised.

    Of a mean or total all is in its own unit.
    """
    shares = {c.target.name: c.records for c in comparisons}
    rows = [
        {
            "target": entry.table,
            "others": "; ".join(entry.others),
            "universe": entry.universe,
            "cell": say_entry(entry),
            "stated": round(entry.stated, 9),
            "others_stated": "; ".join(f"{share:.9g}" for share in entry.others_stated),
            "used": round(entry.used, 9),
            "yielded": round((entry.used - entry.stated) * (1.0 if entry.statistic else shares[entry.table]), 3),
            "kind": entry.kind,
        }
        for entry in outcome.disagreements
    ]
    return pl.DataFrame(rows, schema=DISAGREEMENTS, orient="row")


def accounts(outcome: Outcome) -> dict[str, Account]:
    """What reconciling made of each target whose sources disagree, and who it yielded to."""
    found: dict[str, Account] = {}
    for goal, _ in outcome.tables:
        if goal.trust >= 1 and float(np.abs(goal.shares - goal.stated).max()) > SAME:
            found[goal.name] = _account(outcome, goal.name, _used(goal))
    for moment in (moment for goals in (*outcome.aims.own, *outcome.aims.goals) for moment in goals.moments):
        if any(entry.table == moment.target.name for entry in outcome.disagreements):
            used = dict(zip(moment.cells, moment.values.tolist(), strict=True))
            values = np.array([used[cell] for cell in moment.target.cells])
            found[moment.target.name] = _account(outcome, moment.target.name, values)
    return found


def _used(goal: Goal) -> Floats:
    """The shares that records were led to, on the scale of the table's values and in the order of its cells, shape (cells,)."""
    places = [{level: k for k, level in enumerate(column)} for column in goal.levels]
    cells = [tuple(place[level] for place, level in zip(places, cell, strict=True)) for cell in goal.table.cells]
    return np.asarray(goal.shares.reshape(goal.shape)[tuple(np.array(cells).T)] * sum(goal.table.values))


def _account(outcome: Outcome, name: str, used: Floats) -> Account:
    entries = [entry for entry in outcome.disagreements if entry.table == name]
    others = {other for entry in entries for other in entry.others}
    if not entries:  # it states what the one that yielded states, and moves with it
        others = {entry.table for entry in outcome.disagreements if not entry.statistic} - {name}
    return Account(
        used=used,
        others=tuple(sorted(others)),
        only_rounding=bool(entries) and all(entry.kind == "rounding" for entry in entries),
    )


def judged(spec: Spec, outcome: Outcome, records: Mapping[str, pl.DataFrame]) -> tuple[tuple[Comparison, ...], Outcome]:
    """Say how each target ended; what was missed is looked at for contradictions, which the outcome then has."""
    comparisons = compare(spec, records, accounts(outcome))
    outcome = explained(outcome, {c.target.name for c in comparisons if c.status is Status.MISSED})
    return _with_reasons(comparisons, outcome), outcome


def _with_reasons(comparisons: Sequence[Comparison], outcome: Outcome) -> tuple[Comparison, ...]:
    """Say of each target that is off and stands in a contradiction that it cannot be met, and why."""
    reasons: dict[str, str] = {}
    for contradiction in outcome.contradictions:
        for name in contradiction.targets:
            reasons.setdefault(name, str(contradiction))
    return tuple(
        accounted(c, replace(c.account, reason=reasons[c.target.name])) if c.target.name in reasons else c
        for c in comparisons
    )


def start_summary(outcome: Outcome) -> dict[str, int] | None:
    """How much of a starting population is left."""
    if outcome.starting is None:
        return None
    starting, layout = outcome.starting, outcome.aims.layout
    changed = changed_tops(layout, starting.roster, outcome.roster)
    pairs = zip(starting.roster.codes, outcome.roster.codes, strict=True)
    return {
        "rows": starting.frames[layout.units[0].name].height,
        "records": len(changed),
        "changed": int(changed.sum()),
        "values_changed": sum(int((a != b).sum()) for a, b in pairs if a.shape == b.shape),
    }


def summary(comparisons: Sequence[Comparison], outcome: Outcome) -> dict[str, Any]:
    """The figures of the manifest: how the targets were met, and what cannot be."""
    tables = [c for c in comparisons if not np.isnan(c.tvd)]
    worst = max(tables, key=lambda c: c.tvd, default=None)
    return {
        "targets": len(comparisons),
        "mean_tvd": round(float(np.mean([c.tvd for c in tables])), 9) if tables else None,
        "worst_tvd": round(worst.tvd, 9) if worst else None,
        "worst_table": worst.target.name if worst else None,
        "disagreements": {
            kind: sum(entry.kind == kind for entry in outcome.disagreements)
            for kind in ("rounding", "margin of error", "conflict")
        },
        "contradictions": [str(contradiction) for contradiction in outcome.contradictions],
        "ends": count_ends(c.status for c in comparisons),
        "unmet": [c.target.name for c in comparisons if c.status.is_unmet],
    }
