"""Scenarios on the command line: proposals are printed and written, nothing is made; what waits is said."""

from pathlib import Path

from tests.cli.test_commands import answer

SPEC = """
llmsynthor: 1
units: {trip: {variables: {hour: {kind: integer, unit: o'clock}, mode: category}}}
targets:
  - {name: hour, cells: [{hour: "[0, 20)", count: 30}, {hour: "[20, 24)", count: 10}]}
  - {name: mode, cells: [{mode: Car, count: 30}, {mode: Bus, count: 10}]}
scenario: There will be a concert from 20 to 24.
instead_of: It is an ordinary weekday.
synthesis: {records: 200, seed: 1, llm: none}
"""


def test_a_scenario_is_proposed_then_accepted(tmp_path: Path) -> None:
    """First only scenario.csv, then a base that waits, then the hours that were accepted; each step says what comes next."""
    spec, out = tmp_path / "spec.yaml", tmp_path / "out"
    spec.write_text(SPEC, encoding="utf-8")
    only = answer("synthesize", spec, "--out", out, "--scenario-only")
    assert only.returncode == 0
    assert "20 <= hour and hour < 24 × 1.2 (named in the sentence" in only.stdout
    assert "none applied" in only.stdout
    assert [entry.name for entry in out.iterdir()] == ["scenario.csv"]
    waiting = answer("synthesize", spec, "--out", out)
    assert "No adjustment was accepted" in waiting.stdout
    made = answer("synthesize", spec, "--out", out, "--accept")
    assert made.returncode == 0
    assert "20 <= hour and hour < 24 × 1.2: 50 → 60" in made.stdout
    assert "10 records are not as in" in made.stdout


def test_the_bench_needs_a_model() -> None:
    """Without a model there is nothing to score: the input is wrong, and said so."""
    refused = answer("scenario", "bench", "--llm", "none")
    assert refused.returncode == 2
    assert "scores a language model" in refused.stderr
