"""A spec with only names, kinds and a few tables works: what it leaves out is taken from the tables, and assumptions are said."""

from pathlib import Path

import pytest

import llmsynthor as ls
from llmsynthor.errors import SpecError
from llmsynthor.spec.schema import Category, Numeric
from llmsynthor.spec.specification import Spec

BARE = """
llmsynthor: 1
units:
  person:
    variables: {age: integer, sex: category, town: {kind: category}}
targets:
  - {table: age.csv}
  - {cells: [{sex: Female, share: 0.5}, {sex: Male, share: 0.5}]}
  - cells:
      - {town: Old, sex: Female, count: 3}
      - {town: New, sex: Female, count: 2}
      - {town: Old, sex: Male, count: 4}
      - {town: New, sex: Male, count: 1}
rules:
  - {forbid: "age < 18 and town == 'New'"}
"""


def bare(folder: Path) -> Spec:
    (folder / "age.csv").write_text("age,count\nunder 18,20\n18-39,30\n40-64,35\n65+,15\n", encoding="utf-8")
    (folder / "spec.yaml").write_text(BARE, encoding="utf-8")
    return Spec.load(folder)


def test_names_kinds_and_tables_are_enough(tmp_path: Path) -> None:
    """Levels and ranges come from the tables, targets and rules belong to the only unit, and every target is met."""
    spec = bare(tmp_path)
    age, sex, town = spec.schema.top.variables
    assert isinstance(age, Numeric)
    assert isinstance(sex, Category)
    assert isinstance(town, Category)
    assert (age.range.low, age.range.high) == (0, 90)
    assert sex.levels == ("Female", "Male")
    assert town.levels == ("Old", "New")
    solution = ls.synthesize(spec, records=500, llm="none", seed=1)
    assert solution.exit_code == 0


def test_what_is_assumed_is_said(tmp_path: Path) -> None:
    """An open class has an end that nobody stated: a warning names it, and a stated range is taken as it is."""
    assert any("[0, 90]" in str(note) for note in bare(tmp_path).notes)
    stated = BARE.replace("age: integer", "age: {kind: integer, range: [0, 100]}")
    (tmp_path / "spec.yaml").write_text(stated, encoding="utf-8")
    spec = Spec.load(tmp_path)
    assert spec.notes == ()
    assert isinstance(spec.schema.top.variables[0], Numeric)
    assert spec.schema.top.variables[0].range.high == 100


def test_a_filled_spec_survives(tmp_path: Path) -> None:
    """Written and read again it is equal: what was told stands in it."""
    spec = bare(tmp_path)
    assert Spec.load(spec.save(tmp_path / "saved")) == spec


def test_what_no_table_tells_is_still_missing() -> None:
    """A variable without levels that no table names is an error."""
    with pytest.raises(SpecError, match="levels"):
        Spec.load({"llmsynthor": 1, "units": {"person": {"variables": {"sex": "category"}}}})


def test_several_units_must_be_named() -> None:
    """With two units a target says whose it is."""
    units = {
        "home": {"variables": {"n": {"kind": "integer", "range": [1, 3]}}},
        "person": {"parent": "home", "count": "n", "variables": {"sex": "category"}},
    }
    with pytest.raises(SpecError, match="unit"):
        Spec.load(
            {"llmsynthor": 1, "units": units, "targets": [{"cells": [{"n": 1, "count": 2}, {"n": 2, "count": 2}]}]}
        )
