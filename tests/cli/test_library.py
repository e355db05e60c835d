"""The commands of libraries: what they print, and what they write."""

from pathlib import Path

import polars as pl
from typer.testing import CliRunner

from llmsynthor.cli.commands import app
from tests.library.people import records

runner = CliRunner()

SPEC = """
llmsynthor: 1
units:
  person:
    variables:
      age: {kind: integer, range: [0, 100]}
      sex: {kind: category, levels: [female, male], label: Sex}
targets:
  - {name: sex, unit: person, cells: [{sex: female, share: 0.5}, {sex: male, share: 0.5}]}
  - name: age
    unit: person
    cells:
      - {age: "[0, 16)", share: 0.19}
      - {age: "[16, 35)", share: 0.25}
      - {age: "[35, 50)", share: 0.2}
      - {age: "[50, 65)", share: 0.18}
      - {age: "[65, 100)", share: 0.18}
"""


def said(*words: str) -> str:
    result = runner.invoke(app, ["library", *words])
    assert result.exit_code == 0, result.output
    return result.output


def test_list_and_show_say_what_there_is() -> None:
    """`list` names the shipped libraries, `show` has sources, licence, digest, variables and levels."""
    assert all(name in said("list") for name in ("acs2024", "nhts2022"))
    shown = said("show", "acs2024")
    for words in ("public domain", "digest", "Marital status", "has health insurance", "who lives with whom"):
        assert words in shown


def test_match_says_what_is_used_and_writes_it(tmp_path: Path) -> None:
    """`match` says of every variable what it is in the library, and writes the same as a table."""
    (tmp_path / "spec.yaml").write_text(SPEC, encoding="utf-8")
    told = said("match", str(tmp_path / "spec.yaml"), "--llm", "none", "--out", str(tmp_path / "matches.csv"))
    assert "2 of 2 variables are matched with acs2024" in told
    assert pl.read_csv(tmp_path / "matches.csv")["like"].to_list() == ["age", "sex"]


def test_build_writes_a_library_and_its_recipe(tmp_path: Path) -> None:
    """`build` makes a library of a file, and says that its recipe was guessed."""
    records()["persons"].select("age", "work").write_csv(tmp_path / "person.csv")
    told = said("build", str(tmp_path / "person.csv"), "--out", str(tmp_path / "out"))
    assert "guessed" in told
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"person.zip", "person.yaml"}
    assert "has a paid job" not in said("show", str(tmp_path / "out" / "person.zip"))
