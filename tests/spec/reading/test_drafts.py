"""Specs built in Python: the same as those that are read, and checked alike."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

import llmsynthor as ls


def homes(**more: Any) -> ls.Spec:
    """Households with persons, every kind of part."""
    said: dict[str, Any] = {
        "name": "homes",
        "context": "Households of a small town, 2024.",
        "units": [
            ls.unit(
                "household",
                size=ls.integer(1, 6, label="Persons"),
                tenure=ls.category("Owned", "Rented"),
                rent=ls.number(0, 3000, unit="EUR"),
                note=ls.text("What they say of their home.", max_words=9),
                workers=ls.derived("min(3, count(person.job == 'Works'))", ls.integer(0, 4)),
            ),
            ls.unit("person", of="household", count="size", age=ls.integer(0, 100), job=ls.category("Works", "Rests")),
        ],
        "targets": [
            ls.table({"Owned": 0.6, "Rented": 0.4}, unit="household", columns=["tenure"], source="census 2024"),
            ls.table(pl.DataFrame({"job": ["Works", "Rests"], "count": [50, 70]}), unit="person", tolerance=0.1),
            ls.mean(
                "age", unit="person", by=["job"], table=[{"job": "Works", "mean": 40}, {"job": "Rests", "mean": 35}]
            ),
            ls.total("rent", unit="household", value=90_000),
            ls.quantile("rent", 0.5, unit="household", value=800, name="median rent", importance=2.0),
        ],
        "rules": [ls.forbid("age < 16 and job == 'Works'", unit="person", name="child labour")],
    }
    return ls.Spec(**{**said, **more})


def test_built_is_what_is_read(tmp_path: Path) -> None:
    """A spec built in Python, saved and read again is the same spec."""
    spec = homes(synthesis={"records": 100, "proposals": 3, "max_calls": 7})
    assert ls.read_spec(spec.save(tmp_path)) == spec
    assert spec.settings.method == ls.Method(proposals=3)
    assert spec.settings.budget == ls.Budget(calls=7)


def test_every_part_arrives() -> None:
    """Units hang together, targets keep their kinds, and what else they say is kept."""
    spec = homes()
    household, person = spec.schema.units
    assert (person.parent, person.count) == ("household", "size")
    assert [d.name for d in household.derived] == ["workers"]
    assert [t.name for t in household.texts] == ["note"]
    kinds = [getattr(target, "statistic", "table") for target in spec.targets]
    assert kinds == ["table", "table", "mean", "total", "quantile"]
    assert (spec.targets[0].source, spec.targets[1].tolerance, spec.targets[4].importance) == ("census 2024", 0.1, 2.0)
    assert [rule.name for rule in spec.rules] == ["child labour"]


def test_names_that_are_no_keywords_stand_in_a_mapping() -> None:
    """Variables may be called what Python or `unit` keep for themselves."""
    spec = ls.Spec(units=[ls.unit("trip", variables={"of": ls.category("a", "b"), "count": ls.integer(0, 5)})])
    assert [v.name for v in spec.schema.top.variables] == ["of", "count"]


def test_lookups_and_targets_as_mappings() -> None:
    """A variable may be looked up in a frame, and a target said as a spec writes it."""
    zones = pl.DataFrame({"zone": ["a", "b"], "district": ["North", "South"]})
    looked_up = ls.lookup(zones, by=["zone"], value="district")
    spec = ls.Spec(
        units=[ls.unit("trip", zone=ls.category("a", "b"), km=ls.number(0, 9), district=looked_up)],
        targets=[
            ls.table({"North": 1, "South": 2}, unit="trip", columns=["district"]),
            {"unit": "trip", "mean": "km", "cells": [{"mean": 4}]},
        ],
    )
    assert [d.name for d in spec.schema.top.derived] == ["district"]
    assert len(spec.targets) == 2


def test_all_problems_come_at_once() -> None:
    """Parts of the wrong kind, names given twice and wrong tables and rules are told in one error, with their places."""
    with pytest.raises(ls.SpecError) as caught:
        homes(
            units=[*[ls.unit("person", age=ls.integer(0, 9))] * 2, "household"],
            targets=[ls.table(7, unit="person"), ls.unit("person"), ls.table({"a": 1}, unit="person", columns=["sex"])],
            rules=[ls.forbid("age <", unit="person"), 5],
        )
    told = {problem.where: str(problem) for problem in caught.value.problems}
    assert {"units.person", "units.[2]", "targets[1]", "rules[1]"} <= told.keys()
    with pytest.raises(ls.SpecError) as caught:
        homes(
            targets=[ls.table(7, unit="person"), ls.unit("person"), ls.table({"a": 1}, unit="person", columns=["sex"])],
            rules=[ls.forbid("age <", unit="person"), 5],
        )
    told = {problem.where: str(problem) for problem in caught.value.problems}
    assert {"targets[0]", "targets[1]", "targets[2]", "rules[0]", "rules[1]"} <= told.keys()
    assert "no variable" in told["targets[2]"]


def test_unknown_words_are_refused() -> None:
    """What a spec does not know is an error, in Spec as in its parts."""
    with pytest.raises(ls.SpecError, match="colour"):
        homes(colour="red")
    with pytest.raises(ls.SpecError, match="shade"):
        homes(targets=[ls.table({"Works": 1}, unit="person", columns=["job"], shade=1)])
    with pytest.raises(ls.SpecError, match="units"):
        ls.Spec(name="nothing", units=[])


def test_short_and_rich_forms() -> None:
    """A spec shows itself in a line, and in a notebook as tables with every value escaped."""
    spec = homes(name="<b>homes</b>")
    assert repr(spec) == '<Spec "<b>homes</b>": 2 units (household, person), 5 targets, 1 rules>'
    html = spec._repr_html_()
    assert "&lt;b&gt;homes" in html
    for word in ("tenure", "Owned, Rented", "median rent", "child labour", "workers"):
        assert word in html
