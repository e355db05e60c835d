"""What `check` says of specs that can be run but leave something open."""

from typing import Any

import pytest

from llmsynthor.spec.checks.checks import warnings
from llmsynthor.spec.specification import Spec

MEAN = {"name": "income", "unit": "person", "universe": "age >= 16", "mean": "income", "cells": [{"mean": 30_000}]}
AGES = {"name": "ages", "unit": "person", "cells": [{"age": "0-15", "count": 20}, {"age": "16+", "count": 80}]}


def said(targets: list[dict[str, Any]], forbid: str = "") -> list[str]:
    """The warnings about a number outside the universe of what is told of it."""
    variables = {"age": {"kind": "integer", "range": [0, 100]}, "income": {"kind": "integer", "range": [0, 400_000]}}
    rules = [{"name": "rule", "unit": "person", "forbid": forbid}] if forbid else []
    document = {"llmsynthor": 1, "units": {"person": {"variables": variables}}, "targets": targets, "rules": rules}
    return [str(problem) for problem in warnings(Spec.load(document)) if "outside" in problem.what]


def test_a_number_told_in_a_universe_alone_is_pointed_out() -> None:
    """Children would have any income: the warning names universe, range and what to write."""
    (warning,) = said([AGES, MEAN])
    assert "units.person.variables.income" in warning
    assert "age >= 16" in warning
    assert "400000" in warning
    assert "forbid: not (age >= 16) and income > 0" in warning


@pytest.mark.parametrize(
    ("targets", "forbid"),
    [
        ([AGES, MEAN], "age < 16 and income > 0"),
        ([AGES, MEAN, {"name": "all", "unit": "person", "mean": "income", "cells": [{"mean": 25_000}]}], ""),
        ([AGES], ""),
    ],
)
def test_nothing_is_said_where_a_rule_or_a_target_of_all_tells(targets: list[dict[str, Any]], forbid: str) -> None:
    """A rule about it, a target of all records, or no target in a universe: no such warning."""
    assert said(targets, forbid) == []
