"""The command line: parses and prints, nothing else."""

import json
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from llmsynthor.cli.options import with_options
from llmsynthor.errors import LLMSynthorError
from llmsynthor.options import Budget, Method, Server, changed

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Macro-statistics in, micro-records out: realistic records whose aggregates match your tables.",
)
MOST_WARNINGS, MOST_ENDS = 5, 20
models_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Embedded models: list them, fetch one.")
app.add_typer(models_app, name="models")

SpecPath = Annotated[Path, typer.Argument(metavar="SPEC", help="A spec.yaml, or the folder that holds it.")]
RunPath = Annotated[Path, typer.Argument(metavar="DIR", help="A run folder.")]


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        typer.echo(f"llmsynthor {version('llmsynthor')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Macro-statistics in, micro-records out."""


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
        typer.echo(f"warning: {warning}")
    counts = f"{len(loaded.schema.units)} units, {len(loaded.targets)} targets, {len(loaded.rules)} rules"
    typer.echo(f'"{loaded.name}" can be read: {counts}.')
    took = (
        "not measured on this machine yet" if found.seconds is None else f"about {found.seconds / 60:.1f} minutes here"
    )
    typer.echo(
        f"Expected LLM calls: at most {found.calls} with {found.model} ({found.questions} short ones that score choices; "
        f"{took}), 0 with --llm none; the number of records does not matter."
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
    workers: Annotated[int | None, typer.Option(help="Threads of the alignment; changes no result.")] = None,
    start: Annotated[
        Path | None, typer.Option(help="Records to begin with (Parquet, CSV): few are changed, no model is used.")
    ] = None,
    weight: Annotated[str | None, typer.Option(help="Column of weights of the start; none: rows count alike.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the interrupted run in the folder.")] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace another run in the folder; its ledger is kept.")
    ] = False,
    **options: Any,
) -> None:
    """Make records that meet the tables of a spec."""
    from llmsynthor.run.synthesize import synthesize as make

    given: dict[str, Any] = {
        "records": records,
        "llm": llm,
        "seed": seed,
        "workers": workers,
        "start": start,
        "weight": weight,
    }
    with _ending_on_interrupt():
        solution = make(spec, **given, **options, out=out, resume=resume, force=force, progress=True)
    _print_solution(solution, out)
    raise typer.Exit(solution.exit_code)


def _print_solution(solution: Any, out: Path) -> None:
    summary, usage = solution.manifest["alignment"], solution.manifest["usage"]
    for unit, frame in solution.records.items():
        typer.echo(f"{frame.height:,} records: {out / 'records' / unit}.parquet")
    _print_ends(summary, solution.alignment.rows(named=True), out)
    disagreements = {kind: n for kind, n in summary["disagreements"].items() if n}
    if disagreements:
        kinds = ", ".join(
            f"{n:,} explained by {kind}" if kind != "conflict" else f"{n:,} real" for kind, n in disagreements.items()
        )
        typer.echo(f"sources disagree about cells ({kinds}): {out / 'disagreements.csv'}")
    warnings = solution.manifest["warnings"]
    for warning in warnings[:MOST_WARNINGS]:
        typer.echo(f"warning: {warning}")
    if len(warnings) > MOST_WARNINGS:
        typer.echo(f"{len(warnings) - MOST_WARNINGS} more warnings are in {out / 'run.json'}")
    changes = solution.manifest["start_changes"]
    if changes:
        typer.echo(f"{changes['changed']:,} of {changes['records']:,} records of the starting population were changed")
    for rule, broken in solution.manifest["rules_broken"].items():
        if broken:
            typer.echo(f'rule "{rule}" is broken by {broken:,} records')
    if usage:
        tokens = usage["prompt_tokens"] + usage["completion_tokens"]
        typer.echo(
            f"LLM: {usage['calls']} calls, {tokens:,} tokens, {usage['seconds']:.0f} s, {usage['dropped']} dropped"
        )
    typer.echo(f"Stopped: {solution.stop_reason}")
    typer.echo(f"Report: {out / 'report.html'}")


def _print_ends(summary: Any, rows: Any, out: Path) -> None:
    """How many targets ended how, and those that are not exact by name, the worst first."""
    from llmsynthor.evaluation.ends import Status, say_ends

    tvd = (
        f"; TVD mean {summary['mean_tvd']:.5f}, worst {summary['worst_tvd']:.5f} ({summary['worst_table']})"
        if summary["mean_tvd"] is not None
        else ""
    )
    typer.echo(f"{say_ends(summary['ends'])}{tvd}")
    order = list(Status)
    given = [
        row for row in rows if row["source"] == "given" and order.index(row["status"]) >= order.index(Status.YIELDED)
    ]
    named = sorted(given, key=lambda row: -order.index(row["status"]))
    for row in named[:MOST_ENDS]:
        typer.echo(f'"{row["name"]}" {row["end"]}')
    if len(named) > MOST_ENDS:
        typer.echo(f"{len(named) - MOST_ENDS} more are in {out / 'alignment.csv'}")


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
) -> None:
    """Write the spec's tables as they are in micro-data, or with noise that makes them safe to give away."""
    from llmsynthor.records import release
    from llmsynthor.records.measure import measure as measure_data
    from llmsynthor.records.measure import write_measured
    from llmsynthor.spec.specification import Spec

    loaded = Spec.load(spec)
    if epsilon is None:
        measured = measure_data(loaded, data, weight=weight)
    else:
        measured, spent = release.release(loaded, data, epsilon=epsilon, contributions=contributions, weight=weight)
        out.mkdir(parents=True, exist_ok=True)
        typer.echo(str(release.write_accounting(spent, out, epsilon=epsilon, contributions=contributions)))
    for entry, path in zip(measured, write_measured(measured, out), strict=True):
        outside = f" ({entry.outside:,} records in no cell)" if entry.outside else ""
        typer.echo(f"{path}{outside}")


@app.command()
def evaluate(
    run_folder: RunPath,
    reference: Annotated[Path | None, typer.Option(help="Folder or Parquet file of reference records.")] = None,
) -> None:
    """Print figures of a finished run as JSON."""
    from llmsynthor.evaluation.metrics import evaluate as evaluate_run

    typer.echo(json.dumps(evaluate_run(run_folder, reference), indent=1, allow_nan=False))


@app.command()
def report(run_folder: RunPath) -> None:
    """Write the report of a run folder anew."""
    from llmsynthor.report.page import write_report

    typer.echo(str(write_report(run_folder)))


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
    typer.echo(advise.write_rules(found, loaded.schema.top.name), nl=False)


@models_app.command("list")
def models_list() -> None:
    """List the embedded models and whether they are here."""
    from llmsynthor.llm import models

    for model in models.MODELS:
        here = "fetched" if models.path_of(model).is_file() else "not fetched"
        default = ", default" if model.name == models.DEFAULT else ""
        typer.echo(f"{model.name:20} {model.bytes / 1e6:7,.0f} MB  {model.licence}  {here}{default}")


@models_app.command("fetch")
def models_fetch(name: Annotated[str, typer.Argument(metavar="NAME")]) -> None:
    """Download a model's weights, verify them and keep them in the cache folder."""
    from llmsynthor.llm import models

    def notify(done: int, parts: int) -> None:
        if sys.stderr.isatty() or done == parts:
            typer.echo(f"part {done} of {parts}", err=True)

    with _ending_on_interrupt():
        typer.echo(str(models.fetch(name, notify=notify)))


@contextmanager
def _ending_on_interrupt() -> Iterator[None]:
    """End at once on Ctrl-C: a model may still be writing in its thread, and nobody waits for it."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("interrupted; what was done is kept: the same command (a run with --resume) goes on", err=True)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(130)


def main() -> None:
    """Run the command line; errors become sentences and exit codes."""
    try:
        app()
    except LLMSynthorError as error:
        for problem in error.problems:
            typer.echo(f"error: {problem}", err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        typer.echo(f"error: {error}. See that the folder can be written and has room.", err=True)
        sys.exit(2)
    except Exception as error:  # noqa: BLE001  (the one place where everything ends in a sentence)
        if os.environ.get("LLMSYNTHOR_DEBUG"):
            traceback.print_exc()
        typer.echo(
            f"error: {type(error).__name__}: {error}. This is a defect: please report it; LLMSYNTHOR_DEBUG=1 shows where.",
            err=True,
        )
        sys.exit(70)


if __name__ == "__main__":
    main()
