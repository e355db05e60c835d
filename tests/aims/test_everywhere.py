"""A condition that ranges, rules or zeros make true of every record is recognised, and no other."""

from typing import Any

import pytest

from llmsynthor.aims.everywhere import holds_everywhere, same_everywhere
from llmsynthor.spec.expressions import parse
from llmsynthor.spec.specification import Spec


def homes(*rules: tuple[str, str], least: int = 1, youngest: int = 0, targets: Any = ()) -> Spec:
    """Households with persons, with rules as (unit, expression)."""
    household = {
        "variables": {
            "size": {"kind": "integer", "range": [least, 6]},
            "tenure": {"kind": "category", "levels": ["own", "rent"]},
        },
        "derived": {"head_age": {"kind": "integer", "range": [0, 101], "expression": "first(person.age)"}},
    }
    person = {
        "parent": "household",
        "count": "size",
        "variables": {
            "age": {"kind": "integer", "range": [youngest, 101]},
            "income": {"kind": "number", "range": [0, 100_000]},
            "job": {"kind": "category", "levels": ["yes", "no", "child"]},
        },
    }
    return Spec.load(
        {
            "llmsynthor": 1,
            "units": {"household": household, "person": person},
            "targets": list(targets),
            "rules": [{"unit": unit, "forbid": forbid} for unit, forbid in rules],
        }
    )


HEADS = [{"unit": "household", "cells": [{"head_age": "0-14", "count": 0}, {"head_age": "15+", "count": 5}]}]


@pytest.mark.parametrize(
    ("spec", "condition", "unit"),
    [
        (homes(), "size >= 1", "household"),
        (homes(), "income >= 0", "person"),
        (homes(youngest=15), "head_age >= 15", "household"),
        (homes(("household", "first(person.age) < 15")), "head_age >= 15", "household"),
        (homes(("household", "head_age < 15")), "head_age >= 15", "household"),
        (homes(("person", "position == 1 and age < 15")), "head_age >= 15", "household"),
        (homes(("person", "age < 15")), "head_age > 14", "household"),
        (homes(("household", "tenure == 'rent'")), "household.tenure == 'own'", "person"),
        (homes(("person", "(age < 16) != (job == 'child')"), ("person", "job == 'child'")), "age >= 16", "person"),
        (homes(targets=HEADS), "head_age >= 15", "household"),
        (homes(("household", "not any(person.age >= 18)")), "count(person.age >= 18) >= 1", "household"),
        (homes(("household", "head_age < 18")), "any(person.age >= 18)", "household"),
        (homes(("household", "not all(person.age < 60)")), "all(person.age < 60)", "household"),
        (
            homes(("person", "position == 1 and job != 'yes'"), ("person", "job == 'yes' and age < 20")),
            "head_age >= 20",
            "household",
        ),
    ],
)
def test_what_is_true_of_all_is_known(spec: Spec, condition: str, unit: str) -> None:
    """By a range, a rule of the unit, of its first child, of a parent, by rules together, or by a table's zeros."""
    assert holds_everywhere(parse(condition), unit, spec)


@pytest.mark.parametrize(
    ("spec", "condition", "unit"),
    [
        (homes(), "head_age >= 15", "household"),
        (homes(("household", "first(person.age) < 15")), "head_age >= 16", "household"),
        (homes(("person", "position == 2 and age < 15")), "head_age >= 15", "household"),
        (homes(("person", "age < 15"), least=0), "head_age >= 15", "household"),
        (homes(("person", "age < 16 and job != 'child'")), "job != 'child'", "person"),
        (homes(), "sum(person.age) >= 0", "household"),
        (homes(("household", "head_age < 18")), "all(person.age >= 18)", "household"),
        (homes(("household", "head_age < 18")), "count(person.age >= 18) >= 2", "household"),
    ],
)
def test_what_may_be_false_is_no_such_condition(spec: Spec, condition: str, unit: str) -> None:
    """A record may break it, may have nobody to ask, or it cannot be enumerated: nothing is claimed."""
    assert not holds_everywhere(parse(condition), unit, spec)


def test_equal_conditions_are_known() -> None:
    """Two spellings of one universe are one, also where only a rule makes them so; others are not."""
    spec = homes(("person", "(age < 16) != (job == 'child')"))

    def same(one: str, other: str) -> bool:
        return same_everywhere(parse(one), parse(other), "person", spec)

    assert same("age >= 16", "age > 15")
    assert same("age >= 16", "job != 'child'")
    assert not same("age >= 16", "age >= 15")
    assert not same("income >= 15", "income > 15")
