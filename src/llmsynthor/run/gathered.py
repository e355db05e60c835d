"""What a run in partitions leaves: its solution, made of counts, with records that stay in their files."""

import json
from dataclasses import asdict
from typing import Any

import numpy as np
import polars as pl

from llmsynthor.aims.aims import set_aims
from llmsynthor.errors import Problem, SpecError
from llmsynthor.evaluation.compare import alignment_frame
from llmsynthor.evaluation.ends import Status, count_ends
from llmsynthor.evaluation.kept import COUNTS, counts_frame
from llmsynthor.executors.executor import Executor
from llmsynthor.llm.ledger import Ledger
from llmsynthor.llm.recorded import Recorded
from llmsynthor.options import Method
from llmsynthor.population.roster import Roster
from llmsynthor.records.parts import Parts
from llmsynthor.records.run_folder import RunFolder
from llmsynthor.run.dependencies import dependencies_frame
from llmsynthor.run.library import library_frame
from llmsynthor.run.partitioned import Made, make_all, make_whole
from llmsynthor.run.solution import Solution
from llmsynthor.run.tables import (
    DISAGREEMENTS,
    estimated_frames,
    estimation_words,
    history_frame,
    proposals_frame,
)
from llmsynthor.spec.checks.checks import warnings
from llmsynthor.spec.specification import Spec
from llmsynthor.synthesis.believing import Believed, believe
from llmsynthor.synthesis.journal import Journal
from llmsynthor.synthesis.outcome import Notify, Options, Outcome, Progress
from llmsynthor.synthesis.stop import StopReason


def refuse_partitions(spec: Spec, method: Method, *, has_folder: bool, has_start: bool, has_model: bool) -> None:
    """Raise SpecError for what a run in partitions cannot be, before anything is made."""
    problems = []
    if not has_folder:
        advice = "name a folder with `out`: partitions write their records into it"
        problems.append(Problem(where="partition", what="there is no folder", advice=advice))
    if has_start:
        advice = "leave out one of them"
        problems.append(Problem(where="partition", what="a starting population is changed as a whole", advice=advice))
    if method.align == "none":
        advice = "use --align exact"
        problems.append(
            Problem(where="partition", what="the loop of the paper alone makes no partitions", advice=advice)
        )
    texts = [f"{unit.name}.{text.name}" for unit in spec.schema.units for text in unit.texts]
    if has_model and texts:
        what = "texts are written from all records together, and partitions have none together"
        advice = "leave out `partition`, or use --llm none: texts stay empty then"
        problems.append(Problem(where="partition", what=what, found=", ".join(texts), advice=advice))
    if problems:
        raise SpecError(*problems)


def make_in_partitions(
    spec: Spec, options: Options, model: Recorded | None, executor: Executor, *, folder: RunFolder, notify: Notify
) -> tuple[Made, Believed | None]:
    """Ask the model once, for all; then make partition after partition."""
    believed = None
    if model is not None or options.library is not None:
        journal = Journal(options=options, model=model, notify=notify)
        believed = believe(set_aims(spec), options, model, journal)
    whole = make_whole(spec, believed, options, folder.path)

    def tell(stage: str, done: int, of: int) -> None:
        notify(
            Progress(
                stage="partitions",
                iteration=done,
                iterations=of,
                discrepancy=None,
                calls=0,
                expected_calls=0,
                message={"first": "by their own tables", "made": "to all tables", "written": "written"}[stage],
            )
        )

    return make_all(whole, executor, tell), believed


def gathered(
    spec: Spec, made: Made, believed: Believed | None, manifest: dict[str, Any], *, folder: RunFolder, ledger: Ledger
) -> Solution:
    """The solution, with counts kept in the folder; `manifest` takes in what is known now."""
    folder.write_parquet(COUNTS, counts_frame(made.comparisons))
    outcome = _outcome(spec, made, believed)
    alignment = _summary(made)
    broken = any(made.rules_broken.values())
    stop = StopReason.RULES_BROKEN if broken else StopReason.MISSED if alignment["unmet"] else StopReason.ALIGNED
    manifest |= {
        "dependency": {"groups": [asdict(group) for group in outcome.groups], "estimation": estimation_words(outcome)},
        "alignment": alignment,
        "warnings": [str(problem) for problem in warnings(spec)],
        "rules_broken": made.rules_broken,
        "start_changes": None,
        "made": made.records,
        "partitions": made.lines,
        "stage": "done",
        "status": "done",
        "stop": stop.name,
        "stop_reason": made.reason,
    }
    return Solution(
        spec=spec,
        records=Parts(folder=folder.path, schema=spec.schema, made=made.records),
        alignment=alignment_frame(made.comparisons, start={}, fitted={}),
        dependencies=dependencies_frame(outcome),
        estimated=estimated_frames(outcome),
        library=library_frame(outcome),
        proposals=proposals_frame(outcome, pl.DataFrame({"proposal_id": []}, schema={"proposal_id": pl.Int64})),
        history=history_frame(()),
        disagreements=pl.DataFrame(made.disagreements, schema=DISAGREEMENTS, orient="row"),
        manifest=json.loads(json.dumps(manifest)),  # as it is read back
        ledger=ledger,
    )


def _outcome(spec: Spec, made: Made, believed: Believed | None) -> Outcome:
    """What the model said, in the form that tables are made of; it holds no records."""
    aims = believed.aims if believed is not None else set_aims(spec)
    return Outcome(
        aims=aims,
        roster=Roster.empty(aims.layout),
        groups=believed.groups if believed is not None else (),
        proposals=(),
        history=(),
        report=None,
        stop_reason=made.reason,
        estimations=believed.estimations if believed is not None else (),
        compositions=believed.compositions if believed is not None else (),
        consulted=believed.consulted if believed is not None else (),
    )


def _summary(made: Made) -> dict[str, Any]:
    """The figures of the manifest."""
    given = [c for c in made.comparisons if c.status is not Status.LEANED]
    tables = [c for c in given if not np.isnan(c.tvd)]
    worst = max(tables, key=lambda c: c.tvd, default=None)
    kinds = ("rounding", "margin of error", "conflict")
    return {
        "targets": len(given),
        "mean_tvd": round(float(np.mean([c.tvd for c in tables])), 9) if tables else None,
        "worst_tvd": round(worst.tvd, 9) if worst else None,
        "worst_table": worst.target.name if worst else None,
        "disagreements": {kind: sum(entry["kind"] == kind for entry in made.disagreements) for kind in kinds},
        "contradictions": [],
        "ends": count_ends(c.status for c in given),
        "unmet": [c.target.name for c in given if c.status.is_unmet],
    }
