"""The command line: parses and prints, nothing else."""

import json
import os
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from llmsynthor.cli import auditing, formats
from llmsynthor.cli.heard import run_heard
from llmsynthor.cli.library import library_app
from llmsynthor.cli.options import with_options
from llmsynthor.cli.printing import print_solution
from llmsynthor.cli.saying import (
    ENDING,
    FORMATS,
    OPTION,
    complain,
    complain_of,
    in_front,
    refuse_deep,
    say,
    set_up_log,
    tell,
    watcher,
)
from llmsynthor.cli.scenario import scenario_app
from llmsynthor.errors import LLMSynthorError, Problem, RunFolderError, SpecError
from llmsynthor.options import Budget, Method, Server, changed
from llmsynthor.texts import hide

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Macro-statistics in, micro-records out: realistic records whose aggregates match your tables.",
)
models_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Embedded models: list them, fetch one.")
app.add_typer(models_app, name="models")
app.add_typer(scenario_app, name="scenario")
app.add_typer(library_app, name="library")
formats.add_to(app)
auditing.add_to(app)

SpecPath = Annotated[Path, typer.Argument(metavar="SPEC", help="A spec.yaml, or the folder that holds it.")]
RunPath = Annotated[Path, typer.Argument(metavar="DIR", help="A run folder.")]


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        say(f"llmsynthor {version('llmsynthor')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
    log_format: Annotated[str, typer.Option(help="text, or json: one JSON object a line on stderr.")] = "text",
) -> None:
    """Macro-statistics in, micro-records out."""
    if log_format not in FORMATS:
        raise SpecError(
            Problem(where=OPTION, what="there is no such form", found=log_format, advice="use text or json")
        )
    set_up_log(log_format)


@app.command()
def check(
    spec: SpecPath,
    llm: Annotated[str | None, typer.Option(help="The model whose calls are counted, as in synthesize.")] = None,
) -> None:
    """Find every problem of a spec at once, and say how many LLM calls a run will make. Makes no call itself."""
    from llmsynthor.run.check import examine
    from llmsynthor.spec.specification import Spec

    loaded = Spec.load(spec)
    found = examine(loaded, llm)
    for warning in found.warnings:
        say(f"warning: {warning}")
    counts = f"{len(loaded.schema.units)} units, {len(loaded.targets)} targets, {len(loaded.rules)} rules"
    say(f'"{loaded.name}" can be read: {counts}.')
    say(f"Size: {found.size}.")
    took = (
        "not measured on this machine yet" if found.seconds is None else f"about {found.seconds / 60:.1f} minutes here"
    )
    for text in (*found.texts, *([found.scenario] if found.scenario else [])):
        say(f"{text[:1].upper()}{text[1:]}.")
    if found.library:
        say(f"{found.library}.")
    if found.measuring:
        said = f"up to {found.measuring} of these calls ask it about known tables, once, to see how far to believe it"
        say(f"{found.model} is not known here yet: {said}.")
    matters = "" if found.texts else "; the number of records does not matter"
    say(
        f"Expected LLM calls: at most {found.calls} with {found.model} ({found.questions} short ones that score choices; "
        f"{took}), 0 with --llm none{matters}."
    )


@app.command()
@with_options(Method, Budget, Server)
def synthesize(
    spec: SpecPath,
    out: Annotated[Path, typer.Option(help="Folder of the run: new, empty, or of the same run.")],
    records: Annotated[int | None, typer.Option(help="Number of records of the top unit.")] = None,
    llm: Annotated[
        str | None, typer.Option(help="none, local, local:NAME, local:/path.gguf, openai:MODEL, scripted:FILE.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Same seed, same bytes.")] = None,
    workers: Annotated[int | None, typer.Option(help="Threads or actors that work at once; changes no result.")] = None,
    engine: Annotated[str, typer.Option(help="Who makes partitions: threads, or ray (extra ray).")] = "threads",
    address: Annotated[
        str | None, typer.Option(help="Address of the Ray cluster; auto for the one of this machine.")
    ] = None,
    start: Annotated[
        Path | None, typer.Option(help="Records to begin with (Parquet, CSV): few are changed, no model is used.")
    ] = None,
    weight: Annotated[str | None, typer.Option(help="Column of weights of the start; none: rows count alike.")] = None,
    accept: Annotated[
        bool,
        typer.Option("--accept", help="Apply all that the scenario proposes, as scenario.csv in the folder has it."),
    ] = False,
    scenario_only: Annotated[
        bool, typer.Option("--scenario-only", help="Only propose adjustments, into scenario.csv: make no records.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the interrupted run in the folder.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace another run in the folder; its ledger is kept.")
    ] = False,
    **options: Any,
) -> None:
    """Make records that meet the tables of a spec."""
    from llmsynthor.cli.scenario import announce_proposals, print_proposed, propose_only
    from llmsynthor.executors.executor import choose_executor
    from llmsynthor.run.synthesize import synthesize as make

    if scenario_only:
        with _ending_on_interrupt():
            propose_only(spec, out, llm=llm, seed=seed, options=options)
        raise typer.Exit
    given: dict[str, Any] = {
        "engine": choose_executor(engine, workers=workers, address=address)
        if engine != "threads" or address
        else engine,
        "records": records,
        "llm": llm,
        "seed": seed,
        "workers": workers,
        "start": start,
        "weight": weight,
    }
    with _ending_on_interrupt():
        announce_proposals(spec, out, llm)
        solution = make(
            spec, **given, **options, out=out, resume=resume, force=force, accept=accept, progress=watcher()
        )
    print_solution(solution, print_proposed(solution, out))
    raise typer.Exit(solution.exit_code)


@app.command()
def measure(
    spec: SpecPath,
    data: Annotated[list[Path], typer.Argument(metavar="DATA...", help="CSV or Parquet files of records.")],
    out: Annotated[Path, typer.Option(help="Folder for the tables.")],
    epsilon: Annotated[
        float | None, typer.Option(help="Add noise for differential privacy of this budget (extra dp).")
    ] = None,
    contributions: Annotated[int, typer.Option(help="Most records of one person, with --epsilon.")] = 1,
    weight: Annotated[str | None, typer.Option(help="Column of weights of the data; none: rows count alike.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace edited tables; each is kept beside the new one.")
    ] = False,
) -> None:
    """Write the spec's tables as they are in micro-data, or with noise that makes them safe to give away."""
    from llmsynthor.records import release
    from llmsynthor.records.measure import measure as measure_data
    from llmsynthor.records.measure import write_measured
    from llmsynthor.spec.specification import Spec

    loaded = Spec.load(spec)
    if epsilon is None:
        measured = measure_data(loaded, data, weight=weight)
        paths = write_measured(measured, out, force=force)
    else:
        measured, spent = release.release(loaded, data, epsilon=epsilon, contributions=contributions, weight=weight)
        paths = write_measured(measured, out, force=force)
        say(str(release.write_accounting(spent, out, epsilon=epsilon, contributions=contributions)))
    for entry, path in zip(measured, paths, strict=True):
        outside = f" ({entry.outside:,} records in no cell)" if entry.outside else ""
        say(f"{path}{outside}")


@app.command()
def evaluate(
    run_folder: RunPath,
    reference: Annotated[Path | None, typer.Option(help="Folder or Parquet file of reference records.")] = None,
) -> None:
    """Print figures of a finished run as JSON."""
    from llmsynthor.evaluation.metrics import evaluate as evaluate_run

    say(json.dumps(evaluate_run(run_folder, reference), indent=1, allow_nan=False))


@app.command()
def report(run_folder: RunPath) -> None:
    """Write the report of a run folder anew."""
    from llmsynthor.report.page import write_report

    say(str(write_report(run_folder)))


@app.command("suggest-rules")
@with_options(Budget, Server)
def suggest_rules(
    spec: SpecPath,
    llm: Annotated[str, typer.Option(help="The model that is asked, as in synthesize.")] = "local",
    seed: Annotated[int, typer.Option(help="Seed of the written answers.")] = 0,
    run: Annotated[
        Path | None, typer.Option(help="A folder whose ledger answers what was asked before, and keeps what is asked.")
    ] = None,
    **options: Any,
) -> None:
    """Print rules that a model would suggest, with its reasons, for you to accept. Changes nothing."""
    from llmsynthor.run import advise
    from llmsynthor.spec.specification import Spec

    loaded = Spec.load(spec)
    with _ending_on_interrupt():
        budget, server = changed(Budget(), options), changed(Server(), options)
        found = advise.suggest_rules(loaded, llm=llm, seed=seed, budget=budget, server=server, run=run)
    say(advise.write_rules(found, loaded.schema.top.name).rstrip("\n"))


@models_app.command("list")
def models_list() -> None:
    """List the embedded models and whether they are here."""
    from llmsynthor.llm import models

    for model in models.MODELS:
        here = "fetched" if models.path_of(model).is_file() else "not fetched"
        default = ", default" if model.name == models.DEFAULT else ""
        say(f"{model.name:20} {model.bytes / 1e6:7,.0f} MB  {model.licence}  {here}{default}")


@models_app.command("fetch")
def models_fetch(name: Annotated[str, typer.Argument(metavar="NAME")]) -> None:
    """Download a model's weights, verify them and keep them in the cache folder."""
    from llmsynthor.llm import models

    def notify(done: int, parts: int) -> None:
        if sys.stderr.isatty() or done == parts:
            tell(f"part {done} of {parts}")

    with _ending_on_interrupt():
        say(str(models.fetch(name, notify=notify)))


@app.command()
@with_options(Budget)
def ledger(
    run_folder: RunPath,
    export: Annotated[
        Path | None, typer.Option(help="Write every row as JSON lines to this file; - prints them.")
    ] = None,
    **options: Any,
) -> None:
    """Print what a run asked of its model, by stage: calls, tokens, seconds, what came to nothing; cost where prices are given."""
    from llmsynthor.run import account

    rows = account.read_ledger(run_folder)
    if export is None:
        say(account.account(rows, changed(Budget(), options)))
    elif str(export) == "-":
        for line in account.export_lines(rows):
            say(line)
    elif export.exists():
        advice = "name a new file"
        raise RunFolderError(Problem(where=str(export), what="there is a file of this name", advice=advice))
    else:
        export.write_text("".join(f"{line}\n" for line in account.export_lines(rows)), encoding="utf-8")
        say(str(export))


@contextmanager
def _ending_on_interrupt() -> Iterator[None]:
    """End at once on Ctrl-C: a model may still be writing in its thread, and nobody waits for it."""
    try:
        yield
    except KeyboardInterrupt:
        if threading.current_thread() is not threading.main_thread():
            raise typer.Exit(130) from None  # the main thread has heard it, and ends the process
        _tell_of_interrupt()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(130)


def _tell_of_interrupt() -> None:
    ENDING.set()
    tell("interrupted; what was done is kept: the same command (a run with --resume) goes on")


def main() -> None:
    """Run the command line; errors become sentences and exit codes, signals are heard whatever goes on."""
    sys.exit(run_heard(_run, tell=_tell_of_interrupt))


def _run() -> int:
    set_up_log("text")
    try:
        refuse_deep(sys.argv[1:])
        app(in_front(sys.argv[1:]))
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    except LLMSynthorError as error:
        complain_of(error)
        return error.exit_code
    except OSError as error:
        complain(f"{error}. See that the folder can be written and has room.")
        return 2
    except MemoryError:
        complain("the machine has not the memory for this. Ask for fewer records, or give coarser tables.")
        return 2
    except Exception as error:  # noqa: BLE001  (the one place where everything ends in a sentence)
        if os.environ.get("LLMSYNTHOR_DEBUG"):
            sys.stderr.write(hide(traceback.format_exc()))
        complain(
            f"{type(error).__name__}: {error}. This is a defect: please report it; LLMSYNTHOR_DEBUG=1 shows where."
        )
        return 70
    return 0


if __name__ == "__main__":
    main()
