"""One run from spec to records: the Python API's `synthesize`, and the folder that it leaves behind."""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Unpack

import polars as pl

from llmsynthor.errors import AskingEndedError, OutageError
from llmsynthor.evaluation.compare import alignment_frame, compare
from llmsynthor.evaluation.rules import rules_broken
from llmsynthor.executors.executor import Executor, choose_executor
from llmsynthor.llm import speed
from llmsynthor.llm.ledger import Ledger
from llmsynthor.llm.opening import Choice, choose
from llmsynthor.llm.recorded import Recorded
from llmsynthor.options import Budget, Method, Server, changed
from llmsynthor.records.levels import as_enums
from llmsynthor.records.measure import read_start, start_digest
from llmsynthor.records.run_folder import claim
from llmsynthor.records.weights import with_weights
from llmsynthor.run.check import refuse_impossible
from llmsynthor.run.dependencies import dependencies_frame
from llmsynthor.run.gathered import gathered, make_in_partitions, refuse_partitions
from llmsynthor.run.judged import nearest
from llmsynthor.run.library import library_frame
from llmsynthor.run.manifest import Standing, first_manifest
from llmsynthor.run.progress import watched
from llmsynthor.run.propose import synthesize_beside
from llmsynthor.run.scenario import Place
from llmsynthor.run.settings import Further, refuse_odd, resolve, single_options, without_model
from llmsynthor.run.size import measure_size, refuse_too_large
from llmsynthor.run.solution import Solution, write_all, write_spec
from llmsynthor.run.tables import (
    disagreements_frame,
    estimated_frames,
    estimation_words,
    history_frame,
    proposals_frame,
    start_summary,
    summary,
)
from llmsynthor.run.texts import with_texts
from llmsynthor.spec.checks.checks import warnings
from llmsynthor.spec.specification import Settings, Spec
from llmsynthor.synthesis.consulting import library_of
from llmsynthor.synthesis.loop import synthesize as run_loop
from llmsynthor.synthesis.outcome import Options, Outcome, Progress
from llmsynthor.synthesis.stop import StopReason

Notify = Callable[[Progress], None]


def synthesize(
    spec: Spec | str | os.PathLike[str] | Mapping[str, Any],
    *,
    records: int | None = None,
    seed: int | None = None,
    llm: str | Choice | None = None,
    method: Method | None = None,
    budget: Budget | None = None,
    out: str | os.PathLike[str] | None = None,
    progress: Notify | bool | None = None,
    **further: Unpack[Further],
) -> Solution:
    """Make `records` records of the top unit that meet the spec's targets.

    What is left out is taken from the spec's `synthesis` section, then from the defaults (`llm` "local", `align` "exact",
    `seed` 0). A `method` or a `budget` is taken whole in place of the spec's; single options of them (`align`, `max_calls`, …)
    win over all. With `out` the run folder is written while it works, and its ledger answers what was asked before. `progress`
    is True for a bar, or called with each event. `Further` names all else that may be given.

    Raises SpecError, DataError, RunFolderError, LLMError.

    >>> import llmsynthor as ls
    >>> coins = ls.Spec(units=[ls.unit("toss", side=ls.category("head", "tail"))])
    >>> ls.synthesize(coins, records=10, llm="none", method=ls.Method(estimate=False)).records["toss"].height
    10
    """
    spec = spec if isinstance(spec, Spec) else Spec.load(spec)
    if spec.beside.adjustments or spec.beside.instead_of:
        asked: dict[str, Any] = {
            "records": records,
            "seed": seed,
            "llm": llm,
            "method": method,
            "budget": budget,
            "progress": progress,
        }
        asked |= {key: value for key, value in further.items() if key not in ("accept", "resume", "force")}
        place = Place(
            out=Path(out) if out is not None else None,
            resume=further.get("resume", False),
            force=further.get("force", False),
        )
        return synthesize_beside(spec, asked, make=synthesize, place=place, accept=further.get("accept", False))
    refuse_odd(further)
    server = changed(further.get("server") or Server(), further)
    given = {"records": records, "seed": seed, "llm": llm if isinstance(llm, str) else None, **single_options(further)}
    settings = resolve(spec, given, method=method, budget=budget)
    start, weight = further.get("start"), further.get("weight")
    model_asked = isinstance(llm, Choice) or settings.llm != "none"
    _refuse(spec, settings, further, has_folder=out is not None, model_asked=model_asked)
    begin = with_weights(read_start(spec, start), spec.schema, weight) if start is not None else None
    if begin is not None:
        llm, settings = without_model(llm, settings)
    if not isinstance(llm, Choice):
        settings = replace(settings, llm=settings.llm or "local")
    choice = llm if isinstance(llm, Choice) else choose(settings.llm or "local", server=server)
    library = library_of(settings.method.library)
    manifest = first_manifest(spec, settings, choice, server)
    if library is not None:
        manifest["library"] = {"name": library.name, "digest": library.digest}
    if begin is not None:
        manifest["start"] = start_digest(spec, begin)
    resume, force = further.get("resume", False), further.get("force", False)
    folder = claim(Path(out), manifest, resume=resume, force=force) if out is not None else None
    with Standing(manifest=manifest, folder=folder, model=None) as standing, watched(progress) as notify:
        ledger = Ledger(folder.ledger if folder is not None else None)
        standing.model = _recorded(choice, ledger, settings.budget)
        workers = further.get("workers")
        order = _Order(spec=spec, options=_options(settings, workers), start=begin)
        if order.options.partition is not None:
            engine = further.get("engine") or "threads"
            executor = choose_executor(engine, workers=workers) if isinstance(engine, str) else engine
            return _make_parts(order, standing, ledger, notify, executor)
        return _make(order, standing, ledger, notify)


def _refuse(spec: Spec, settings: Settings, further: Further, *, has_folder: bool, model_asked: bool) -> None:
    """Refuse what is too large, and what cannot be."""
    if settings.method.partition is not None:
        started = further.get("start") is not None
        refuse_partitions(spec, settings.method, has_folder=has_folder, has_start=started, has_model=model_asked)
    refuse_too_large(
        measure_size(spec, _at_once(settings, further.get("workers"))),
        calls=settings.method.rounds * settings.method.proposals if model_asked else 0,
        has_budget=settings.budget.calls is not None,
    )
    refuse_impossible(spec)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """What is to be made, all options settled."""

    spec: Spec
    options: Options
    start: Mapping[str, pl.DataFrame] | None


def _at_once(settings: Settings, workers: int | None) -> int | None:
    """Records that are in memory at once, of partitions those that are made side by side."""
    most = settings.method.partition_records * (workers or os.cpu_count() or 1)
    return min(settings.records or 0, most) if settings.method.partition is not None else settings.records


def _recorded(choice: Choice | None, ledger: Ledger, budget: Budget) -> Recorded | None:
    if choice is None:
        return None
    return Recorded(identity=choice.identity, open_model=choice.open_model, ledger=ledger, budget=budget)


def _options(settings: Settings, workers: int | None) -> Options:
    return Options(records=settings.records or 0, seed=settings.seed or 0, workers=workers, **asdict(settings.method))


def _make(order: _Order, standing: Standing, ledger: Ledger, progress: Notify) -> Solution:
    """Work through the stages."""
    folder, model = standing.folder, standing.model

    def notify(event: Progress) -> None:
        standing.begin(event.stage)
        progress(event)

    standing.note(StopReason.RUNNING, "running", "the run has begun")
    if folder is not None:
        standing.manifest["files"] = write_spec(order.spec, folder)
    outcome = run_loop(order.spec, order.options, model, notify=notify, start=order.start)
    solution = _finish(order, outcome, standing, ledger, notify)
    if folder is not None:
        write_all(solution, folder, standing.manifest["files"])
    standing.ended = True
    if model is not None and model.spent.new:
        speed.remember(model.identity, ledger.mean_seconds(model.identity))
    return solution


def _make_parts(order: _Order, standing: Standing, ledger: Ledger, progress: Notify, executor: Executor) -> Solution:
    """Work through partitions; the records stay in their files."""
    folder = standing.folder
    assert folder is not None

    def notify(event: Progress) -> None:
        standing.begin(event.stage)
        progress(event)

    standing.note(StopReason.RUNNING, "running", "the run has begun")
    standing.manifest["files"] = write_spec(order.spec, folder)
    made, believed = make_in_partitions(
        order.spec, order.options, standing.model, executor, folder=folder, notify=notify
    )
    standing.manifest |= {"usage": standing.usage}
    solution = gathered(order.spec, made, believed, standing.manifest, folder=folder, ledger=ledger)
    write_all(solution, folder, standing.manifest["files"])
    standing.ended = True
    return solution


def _finish(order: _Order, outcome: Outcome, standing: Standing, ledger: Ledger, notify: Notify) -> Solution:
    """Give the records their values, and compare them with what was wanted."""
    spec, rounds = order.spec, order.options.rounds
    notify(Progress(stage="realize", iteration=rounds, iterations=rounds, discrepancy=None, calls=0, expected_calls=0))
    made = nearest(spec, outcome, order.options, notify)
    outcome, comparisons = made.outcome, made.comparisons
    records, texts = with_texts(spec, made.records, order.options, standing.model, notify=notify)
    estimates = compare(replace(outcome.spec, targets=outcome.leaned), records)
    names = [goal.name for goal, _ in outcome.tables]
    start = dict(zip(names, outcome.report.start, strict=True)) if outcome.report else {}
    fitted = dict(zip(names, outcome.report.fitted, strict=True)) if outcome.report else {}
    standing.manifest |= {
        "dependency": _dependency(outcome),
        "alignment": summary(comparisons, outcome),
        "warnings": [str(problem) for problem in warnings(spec)],
        "rules_broken": rules_broken(spec, records),
        "start_changes": start_summary(outcome),
        **({"texts": texts} if texts else {}),
    }
    ended = standing.model.ended if standing.model is not None else None
    reason = outcome.stop_reason
    reason += f"; {ended}" if ended is not None and str(ended) not in reason else ""
    if standing.model is not None and standing.model.scoring:
        standing.manifest["scoring"] = standing.model.scoring
    standing.manifest |= {
        "usage": standing.usage,
        "stage": "done",
        "status": "done",
        "stop": _stop(outcome, standing.manifest, ended).name,
        "stop_reason": reason,
    }
    return Solution(
        spec=spec,
        records=as_enums(records, spec.schema),
        alignment=alignment_frame([*comparisons, *estimates], start=start, fitted=fitted),
        dependencies=dependencies_frame(outcome),
        estimated=estimated_frames(outcome),
        library=library_frame(outcome),
        proposals=proposals_frame(outcome, records[spec.schema.top.name]),
        history=history_frame(outcome.history),
        disagreements=disagreements_frame(outcome, comparisons),
        manifest=json.loads(json.dumps(standing.manifest)),  # as it is read back
        ledger=ledger,
        start=order.start,
    )


def _dependency(outcome: Outcome) -> dict[str, Any]:
    return {
        "groups": [asdict(group) for group in outcome.groups],
        "estimation": estimation_words(outcome),
        "trust": {found.unit: asdict(found.trust) for found in outcome.estimations if found.trust},
    }


def _stop(outcome: Outcome, manifest: Mapping[str, Any], ended: AskingEndedError | None) -> StopReason:
    """Why it ended: a server that is away, the loop where it ran alone, else it shows in what was made."""
    alignment = manifest["alignment"]
    if isinstance(ended, OutageError):
        return StopReason.SERVER_AWAY
    if outcome.stop is not None:
        return outcome.stop
    if any(manifest["rules_broken"].values()):
        return StopReason.RULES_BROKEN
    if not alignment["unmet"]:
        return StopReason.ALIGNED
    return StopReason.CONTRADICTED if alignment["contradictions"] else StopReason.MISSED
