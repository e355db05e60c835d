"""What is said of a run that was made."""

from pathlib import Path
from typing import Any

from llmsynthor.cli.saying import say

MOST_WARNINGS, MOST_ENDS = 5, 20


def print_solution(solution: Any, out: Path) -> None:
    """Where the records are, how well they fit, what the model took, why the run ended."""
    summary, usage = solution.manifest["alignment"], solution.manifest["usage"]
    from llmsynthor.records.parts import are_parts, heights  # noqa: PLC0415  (--help is quick)

    for unit, number in heights(solution.records).items():
        say(f"{number:,} records: {out / 'records' / unit}{'/*.parquet' if are_parts(out, unit) else '.parquet'}")
    _print_ends(summary, solution.alignment.rows(named=True), out)
    disagreements = {kind: n for kind, n in summary["disagreements"].items() if n}
    if disagreements:
        kinds = ", ".join(
            f"{n:,} explained by {kind}" if kind != "conflict" else f"{n:,} real" for kind, n in disagreements.items()
        )
        say(f"sources disagree about cells ({kinds}): {out / 'disagreements.csv'}")
    warnings = solution.manifest["warnings"]
    for warning in warnings[:MOST_WARNINGS]:
        say(f"warning: {warning}")
    if len(warnings) > MOST_WARNINGS:
        say(f"{len(warnings) - MOST_WARNINGS} more warnings are in {out / 'run.json'}")
    changes, scenario = solution.manifest["start_changes"], solution.manifest.get("scenario")
    if scenario:
        _print_scenario(scenario, out)
    elif changes:
        say(f"{changes['changed']:,} of {changes['records']:,} records of the starting population were changed")
    for rule, broken in solution.manifest["rules_broken"].items():
        if broken:
            say(f'rule "{rule}" is broken by {broken:,} records')
    for text in solution.manifest.get("texts", ()):
        again = sum(text["asked_again"].values())
        say(
            f'text "{text["text"]}": {text["written"]:,} of {text["records"]:,} written, {text["distinct"]:,} different; '
            f"{text['calls']:,} calls ({text['calls_expected']:,} expected), {again:,} texts were asked for again"
        )
    if usage:
        tokens = usage["prompt_tokens"] + usage["completion_tokens"]
        say(f"LLM: {usage['calls']} calls, {tokens:,} tokens, {usage['seconds']:.0f} s, {usage['dropped']} dropped")
    say(f"Stopped: {solution.stop_reason}")
    say(f"Report: {out / 'report.html'}")


def _print_scenario(scenario: Any, out: Path) -> None:
    """Each adjustment as it was and is, and how many records changed for all of them."""
    for own in scenario["adjustments"]:
        aimed = f", {own['aimed']:,.0f} asked" if abs(own["aimed"] - own["after"]) >= 1 else ""
        say(f"{own['where']} {own['said']}: {own['before']:,} → {own['after']:,}{aimed} ({own['origin']})")
    kept = scenario["worst_kept_tvd"]
    worst = "" if kept is None else f"; tables of other variables differ by a TVD of at most {kept:.5f}"
    say(f"{scenario['records_changed']:,} records are not as in {out / 'base'}{worst}")
    say(f"Before and after, cell by cell: {out / 'before_after.csv'}")


def _print_ends(summary: Any, rows: Any, out: Path) -> None:
    """How many targets ended how, and those that are not exact by name, the worst first."""
    from llmsynthor.evaluation.ends import Status, say_ends  # noqa: PLC0415  (--help is quick)

    tvd = (
        f"; TVD mean {summary['mean_tvd']:.5f}, worst {summary['worst_tvd']:.5f} ({summary['worst_table']})"
        if summary["mean_tvd"] is not None
        else ""
    )
    say(f"{say_ends(summary['ends'])}{tvd}")
    order = list(Status)
    given = [
        row for row in rows if row["source"] == "given" and order.index(row["status"]) >= order.index(Status.YIELDED)
    ]
    named = sorted(given, key=lambda row: -order.index(row["status"]))
    for row in named[:MOST_ENDS]:
        say(f'"{row["name"]}" {row["end"]}')
    if len(named) > MOST_ENDS:
        say(f"{len(named) - MOST_ENDS} more are in {out / 'alignment.csv'}")
