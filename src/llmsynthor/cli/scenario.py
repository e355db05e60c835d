"""What the command line does and says of scenarios: proposals, and the bench that scores who proposes."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from llmsynthor.cli.saying import say
from llmsynthor.files import read_text
from llmsynthor.options import Budget, Server, changed

scenario_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Scenarios: how well a model knows what changes."
)


@scenario_app.callback()
def root() -> None:
    """Scenarios: how well a model knows what changes."""


def propose_only(spec: Path, out: Path, *, llm: str | None, seed: int | None, options: dict[str, Any]) -> None:
    """Write proposals and print them; nothing is made, nothing applied."""
    from llmsynthor.run.propose import propose
    from llmsynthor.spec.specification import Spec

    loaded = Spec.load(spec)
    _say_expected(loaded, llm)
    budget, server = changed(loaded.settings.budget, options), changed(Server(), options)
    made = propose(
        loaded, llm=llm or loaded.settings.llm or "local", seed=seed or 0, budget=budget, server=server, out=out
    )
    for own in made.adjustments:
        say(f"{own.unit}: {own.where.text} {own.words} ({own.origin}; {own.reason})")
    if made.neutral is not None:
        say(f"For a sentence without effect the model moves {made.neutral:.0%} of the cells.")
    if made.note:
        say(f"note: {made.note}")
    say(f"{len(made.adjustments)} adjustments proposed, none applied: {out / 'scenario.csv'}")
    say("Edit them there (accepted: yes), or accept all with --accept.")


def announce_proposals(spec: Path, out: Path, llm: str | None) -> None:
    """Say before a run how many calls its scenario's proposals take, where none wait in the folder already."""
    from llmsynthor.spec.specification import Spec

    path = spec / "spec.yaml" if spec.is_dir() else spec
    try:
        waits = "instead_of" in read_text(path) and not (out / "scenario.csv").is_file()
    except (OSError, ValueError):
        return  # what is wrong with it is said when it is read
    if waits:
        _say_expected(Spec.load(spec), llm)


def _say_expected(spec: Any, llm: str | None) -> None:
    from llmsynthor.run.propose import expected_proposals

    expected = expected_proposals(spec, llm or spec.settings.llm or "local")
    if expected.calls:
        say(f"{str(expected).capitalize()}.")


def print_proposed(solution: Any, out: Path) -> Path:
    """Say that proposals wait, where a scenario was not applied; returns the folder of the records that were made."""
    from llmsynthor.run.scenario import BASE

    waiting = (out / "scenario.csv").is_file() and "scenario" not in solution.manifest and (out / BASE).is_dir()
    if waiting:
        say(f"No adjustment was accepted: this is the base population. Proposals are in {out / 'scenario.csv'};")
        say("write yes under accepted there, or repeat the command with --accept.")
    return out / BASE if waiting else out


@scenario_app.command()
def bench(
    llm: Annotated[str, typer.Option(help="The model that is scored, as in synthesize.")] = "local",
    out: Annotated[Path | None, typer.Option(help="Folder for cases.csv and the ledger of questions.")] = None,
    cases: Annotated[int | None, typer.Option(help="Only so many of the cases, evenly chosen.", min=1)] = None,
    base_url: Annotated[str | None, typer.Option(help="Address of an OpenAI-compatible server.")] = None,
) -> None:
    """Score a model on real changes: weekday to Sunday and Saturday, October to December and July; no records are made."""
    from llmsynthor.run.bench import score

    found = score(llm, out=out, cases=cases, budget=Budget(), server=changed(Server(), {"base_url": base_url}))
    for row in found.rows:
        say(
            f"{row['change']:24} {row['table']:12} closed {row['closed']:6.1%}  "
            f"signs {row['right']}/{row['moving']} of {row['proposed']}"
        )
    say(json.dumps(found.summary, indent=1))
    say(found.verdict)
