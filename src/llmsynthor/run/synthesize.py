"""One run from spec to records: the Python API's `synthesize`, and the folder that it leaves behind."""

import platform
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl

from llmsynthor import prompts
from llmsynthor.errors import LLMError, Problem, RunFolderError, SpecError
from llmsynthor.evaluation.compare import alignment_frame, compare
from llmsynthor.evaluation.rules import rules_broken
from llmsynthor.llm import speed
from llmsynthor.llm.ledger import Budget, Ledger, Recorded
from llmsynthor.llm.opening import Choice, choose
from llmsynthor.records.measure import read_start, start_digest
from llmsynthor.records.run_folder import LEDGER, RunFolder, claim, unwritable
from llmsynthor.report.page import write_report
from llmsynthor.run.check import refuse_impossible
from llmsynthor.run.tables import (
    dependencies_frame,
    disagreements_frame,
    estimated_frames,
    estimation_words,
    history_frame,
    proposals_frame,
    records_frames,
    start_summary,
    summary,
    yielded,
)
from llmsynthor.spec.checks.checks import warnings
from llmsynthor.spec.reading.files import digest, save
from llmsynthor.spec.specification import Settings, Spec
from llmsynthor.synthesis.loop import synthesize as run_loop
from llmsynthor.synthesis.outcome import Options, Outcome, Progress, explained

Notify = Callable[[Progress], None]

LIBRARIES = ("numpy", "polars", "scipy", "numba")


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """Records and how they came about.

    `records` maps each unit to a polars frame (`.to_pandas()` works); `alignment`, `disagreements`, `dependencies`, `proposals`
    and `history` are the tables of the run folder, `estimated` those that the LLM estimated by their file names, `manifest` its
    run.json. `exit_code` is 0 when every target and rule holds, 1 otherwise.
    """

    spec: Spec
    records: dict[str, pl.DataFrame]
    alignment: pl.DataFrame
    proposals: pl.DataFrame
    history: pl.DataFrame
    disagreements: pl.DataFrame
    dependencies: pl.DataFrame
    estimated: dict[str, pl.DataFrame]
    manifest: dict[str, Any]
    ledger: Ledger
    start: Mapping[str, pl.DataFrame] | None = None

    @property
    def stop_reason(self) -> str:
        return str(self.manifest["stop_reason"])

    @property
    def exit_code(self) -> int:
        return 1 if self.manifest["alignment"]["unmet"] or any(self.manifest["rules_broken"].values()) else 0

    def save(self, folder: str | Path) -> Path:
        """Write the run folder; raises RunFolderError when the folder holds another run or something else."""
        taken = claim(Path(folder), self.manifest, resume=False, force=False)
        _write_all(self, taken)
        return taken.path


def synthesize(  # noqa: PLR0913  (the options of the command line, each a keyword)
    spec: Spec | str | Path | Mapping[str, Any],
    *,
    records: int | None = None,
    llm: str | Choice | None = None,
    seed: int | None = None,
    align: str | None = None,
    max_calls: int | None = None,
    max_seconds: float | None = None,
    iterations: int | None = None,
    proposals: int | None = None,
    temperature: float | None = None,
    estimate: bool | None = None,
    base_url: str | None = None,
    workers: int | None = None,
    start: Any = None,
    out: str | Path | None = None,
    resume: bool = False,
    force: bool = False,
    progress: Notify | None = None,
) -> Solution:
    """Make `records` records of the top unit that meet the spec's targets.

    What is left out is taken from the spec's `synthesis` section, then from the defaults (`llm` "local", `align` "exact",
    `seed` 0). With `start`, records in the spec's variables (a frame, or a Parquet or CSV file: a seed sample, an older
    synthetic population), those are changed as little as the tables ask, and no model is used. With `out` the run folder is
    written while it works, and its ledger answers what was asked before.

    Raises SpecError, DataError, RunFolderError, LLMError.
    """
    spec = spec if isinstance(spec, Spec) else Spec.load(spec)
    given = {
        "records": records,
        "seed": seed,
        "llm": llm if isinstance(llm, str) else None,
        "align": align,
        "max_calls": max_calls,
        "max_seconds": max_seconds,
        "iterations": iterations,
        "proposals": proposals,
        "temperature": temperature,
        "estimate": estimate,
    }
    settings = resolve(spec, given)
    refuse_impossible(spec)
    begin = read_start(spec, start) if start is not None else None
    if begin is not None:
        llm, settings = _without_model(llm, settings)
    if not isinstance(llm, Choice):
        settings = replace(settings, llm=settings.llm or "local")
    choice = llm if isinstance(llm, Choice) else choose(settings.llm or "local", base_url=base_url)
    manifest = _manifest(spec, settings, choice, base_url)
    if begin is not None:
        manifest["start"] = start_digest(spec, begin)
    folder = claim(Path(out), manifest, resume=resume, force=force) if out is not None else None
    ledger = Ledger(folder.ledger if folder is not None else None)
    budget = Budget(calls=settings.max_calls, seconds=settings.max_seconds)
    model = (
        Recorded(identity=choice.identity, open_model=choice.open_model, ledger=ledger, budget=budget)
        if choice
        else None
    )
    work = _Work(
        spec=spec, settings=settings, model=model, manifest=manifest, folder=folder, workers=workers, start=begin
    )
    return work.run(progress or (lambda _: None), ledger)


def resolve(spec: Spec, given: Mapping[str, Any]) -> Settings:
    """Let what the caller gives win over the spec; raises SpecError for values that make no sense."""
    chosen: dict[str, Any] = {
        f.name: given.get(f.name) if given.get(f.name) is not None else getattr(spec.settings, f.name)
        for f in fields(Settings)
    }
    least = {
        "records": 1,
        "proposals": 1,
        "seed": 0,
        "iterations": 0,
        "max_calls": 0,
        "max_seconds": 0,
        "temperature": 0,
    }
    problems = [
        Problem(where=name, what="the number is too small", found=str(chosen[name]), advice=f"give {low} or more")
        for name, low in least.items()
        if chosen[name] is not None and float(chosen[name]) < low
    ]
    if chosen["records"] is None:
        advice = "give --records N, or synthesis: {records: N} in the spec"
        problems.append(Problem(where="records", what="the number of records is not given", advice=advice))
    if chosen["align"] not in (None, "exact", "none"):
        problems.append(
            Problem(where="align", what="unknown alignment", found=str(chosen["align"]), advice="use exact or none")
        )
    if chosen["align"] == "none" and chosen["llm"] == "none":
        advice = "use --align exact, or name a model with --llm"
        problems.append(
            Problem(where="align", what="without alignment and without an LLM nothing makes records", advice=advice)
        )
    if problems:
        raise SpecError(*problems)
    return Settings(**chosen)


def _without_model(llm: str | Choice | None, settings: Settings) -> tuple[str, Settings]:
    """A starting population says what the model would: refuse to be given both."""
    if (llm if llm is not None else settings.llm) not in (None, "none") or settings.align == "none":
        advice = "use --llm none and --align exact with --start"
        problem = Problem(where="start", what="a starting population takes the place of the model", advice=advice)
        if llm is not None or settings.align == "none":
            raise SpecError(problem)
    return "none", replace(settings, llm="none")


@dataclass(slots=True)
class _Work:
    spec: Spec
    settings: Settings
    model: Recorded | None
    manifest: dict[str, Any]
    folder: RunFolder | None
    workers: int | None
    start: Mapping[str, pl.DataFrame] | None = None

    def run(self, progress: Notify, ledger: Ledger) -> Solution:
        """Work through the stages; whatever ends the run early is written to the manifest before it is passed on."""
        stage = "start"

        def notify(event: Progress) -> None:
            nonlocal stage
            if event.stage != stage:
                stage = event.stage
                self.note(stage, "running", f"the run is in its stage {stage}")
            progress(event)

        try:
            self.note(stage, "running", "the run has begun")
            if self.folder is not None:
                _write_spec(self.spec, self.folder)
            solution = self.finish(
                run_loop(self.spec, self.options(), self.model, notify=notify, start=self.start), ledger, notify
            )
            if self.folder is not None:
                _write_all(solution, self.folder)
        except KeyboardInterrupt:
            self.end_early(
                stage, "interrupted", f"interrupted in the stage {stage}; the same command with --resume goes on"
            )
            raise
        except (LLMError, RunFolderError) as error:
            with suppress(RunFolderError):  # on a full disk there may be room for the line that says so
                self.end_early(stage, "failed", str(error))
            raise
        if self.model is not None and self.model.spent.new:
            speed.remember(self.model.identity, ledger.mean_seconds(self.model.identity))
        return solution

    def note(self, stage: str, status: str, reason: str) -> None:
        """Keep the manifest on disk at what the run has come to."""
        usage = self.model.spent.totals() if self.model is not None else {}
        self.manifest |= {"usage": usage, "stage": stage, "status": status, "stop_reason": reason}
        if self.folder is not None:
            self.folder.write_manifest(self.manifest)

    def end_early(self, stage: str, status: str, reason: str) -> None:
        """Leave a manifest and a report that say where the run ended."""
        self.note(stage, status, reason)
        if self.folder is not None:
            write_report(self.folder.path)

    def options(self) -> Options:
        named = {
            name: getattr(self.settings, name)
            for name in ("seed", "align", "iterations", "proposals", "temperature", "estimate")
        }
        set_ones: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
        return Options(records=self.settings.records or 0, workers=self.workers, **set_ones)

    def finish(self, outcome: Outcome, ledger: Ledger, notify: Notify) -> Solution:
        rounds = self.options().rounds
        notify(
            Progress(stage="realize", iteration=rounds, iterations=rounds, discrepancy=None, calls=0, expected_calls=0)
        )
        unit = self.spec.schema.top.name
        records = records_frames(self.spec, outcome, seed=self.options().seed)
        comparisons = compare(self.spec, records)
        outcome = explained(outcome, {c.target.name for c in comparisons if c.status == "unmet"})
        estimates = compare(replace(outcome.spec, targets=outcome.leaned), records)
        names = [goal.name for goal, _ in outcome.tables]
        start = dict(zip(names, outcome.report.start, strict=True)) if outcome.report else {}
        fitted = dict(zip(names, outcome.report.fitted, strict=True)) if outcome.report else {}
        self.manifest |= {
            "dependency": {
                "groups": [asdict(group) for group in outcome.groups],
                "estimation": estimation_words(outcome),
                "trust": {found.unit: asdict(found.trust) for found in outcome.estimations if found.trust},
            },
            "alignment": summary(comparisons, outcome),
            "warnings": [str(problem) for problem in warnings(self.spec)],
            "rules_broken": rules_broken(self.spec, records),
            "start_changes": start_summary(outcome),
            "usage": self.model.spent.totals() if self.model is not None else {},
            "stage": "done",
            "status": "done",
            "stop_reason": outcome.stop_reason,
        }
        return Solution(
            spec=self.spec,
            records=records,
            alignment=alignment_frame([*comparisons, *estimates], start=start, fitted=fitted, yielded=yielded(outcome)),
            dependencies=dependencies_frame(outcome),
            estimated=estimated_frames(outcome),
            proposals=proposals_frame(outcome, records[unit]),
            history=history_frame(outcome.history),
            disagreements=disagreements_frame(outcome),
            manifest=dict(self.manifest),
            ledger=ledger,
            start=self.start,
        )


def _manifest(spec: Spec, settings: Settings, choice: Choice | None, base_url: str | None) -> dict[str, Any]:
    versions = {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}
    words = settings.llm or (choice.identity.name if choice else "none")
    model = {"name": choice.identity.name, "digest": choice.identity.digest} if choice else None
    return {
        "llmsynthor": version("llmsynthor"),
        "versions": versions,
        "spec": {"name": spec.name, "digest": digest(spec), "source": "spec/spec.yaml"},
        "arguments": {**asdict(settings), "llm": words, "base_url": base_url},
        "model": model,
        "prompts": prompts.digests(),
    }


def _write_spec(spec: Spec, folder: RunFolder) -> None:
    try:
        save(spec, folder.path / "spec")
        (folder.path / "estimated").mkdir(exist_ok=True)
    except OSError as cause:
        raise unwritable(folder.path, cause) from cause


def _write_all(solution: Solution, folder: RunFolder) -> None:
    _write_spec(solution.spec, folder)
    try:
        if solution.ledger.path != folder.ledger:
            solution.ledger.copy_to(folder.path / LEDGER)
    except (OSError, sqlite3.Error) as cause:
        raise unwritable(folder.path, cause) from cause
    for unit, frame in solution.records.items():
        folder.write_parquet(f"records/{unit}.parquet", frame)
    folder.write_csv("alignment.csv", solution.alignment)
    folder.write_csv("disagreements.csv", solution.disagreements)
    folder.write_csv("dependencies.csv", solution.dependencies)
    for name, table in solution.estimated.items():
        folder.write_csv(f"estimated/{name}", table)
    for unit, frame in (solution.start or {}).items():
        folder.write_parquet(f"start/{unit}.parquet" if len(solution.start or {}) > 1 else "start.parquet", frame)
    folder.write_parquet("proposals.parquet", solution.proposals)
    folder.write_parquet("history.parquet", solution.history)
    folder.write_manifest(solution.manifest)
    write_report(folder.path)
