"""Contradictions are named, and as small as they can be."""

from typing import Any

import pytest

from llmsynthor.aims.cuts import build_grid
from llmsynthor.aims.feasibility import Contradiction, find_contradictions
from llmsynthor.aims.goals import bring_to_grid
from llmsynthor.run.check import examine
from llmsynthor.run.synthesize import synthesize
from llmsynthor.spec.specification import Spec

LEVELS = ["0", "1"]


def document(rules: list[dict[str, Any]], **tables: dict[tuple[str, ...], list[float]]) -> dict[str, Any]:
    """Tables over binary variables a, b, c, d: name → {columns: counts, row-major}."""
    targets = []
    for name, table in tables.items():
        for columns, counts in table.items():
            cells = []
            for number, count in enumerate(counts):
                bits = format(number, f"0{len(columns)}b")
                cells.append({**dict(zip(columns, bits, strict=True)), "count": count})
            targets.append({"name": name, "unit": "r", "cells": cells})
    variables = {name: {"kind": "category", "levels": LEVELS} for name in "abcd"}
    return {"llmsynthor": 1, "units": {"r": {"variables": variables}}, "targets": targets, "rules": rules}


def contradictions(document: dict[str, Any]) -> tuple[Contradiction, ...]:
    spec = Spec.load(document)
    goals = bring_to_grid(spec, build_grid(spec, spec.schema.top))
    return find_contradictions(goals, [goal.name for goal in goals.tables])


EQUAL, OPPOSITE = [50, 0, 0, 50], [0, 50, 50, 0]
EVEN = [25, 25, 25, 25]


def test_three_pairs_that_cannot_hold_together() -> None:
    """a = b, b = c and a ≠ c agree on every margin and yet cannot be: all three are named, the fourth is not."""
    found = contradictions(
        document([], ab={("a", "b"): EQUAL}, bc={("b", "c"): EQUAL}, ac={("a", "c"): OPPOSITE}, cd={("c", "d"): EVEN})
    )
    assert found == (Contradiction(targets=("ab", "bc", "ac"), rules=()),)


def test_rule_against_a_table() -> None:
    """A rule that leaves a margin too little room is named with the tables that need it, and other rules are not."""
    rules = [
        {"name": "wall", "unit": "r", "forbid": "a == '1' and b == '0'"},
        {"name": "other", "unit": "r", "forbid": "c == '1' and d == '1'"},
    ]
    found = contradictions(document(rules, a={("a",): [40, 60]}, b={("b",): [70, 30]}, c={("c",): [50, 50]}))
    assert found == (Contradiction(targets=("a", "b"), rules=("wall",)),)


def test_nothing_is_found_where_all_can_hold() -> None:
    """Tables of one population contradict nothing."""
    assert contradictions(document([], ab={("a", "b"): [10, 20, 30, 40]}, bc={("b", "c"): [15, 25, 35, 25]})) == ()


@pytest.mark.slow
def test_run_ends_with_the_best_and_names_it() -> None:
    """A run on targets that cannot hold ends with exactly the records asked for, exit code 1, and the names."""
    solution = synthesize(
        document([], ab={("a", "b"): EQUAL}, bc={("b", "c"): EQUAL}, ac={("a", "c"): OPPOSITE}), records=300, llm="none"
    )
    assert solution.records["r"].height == 300
    assert solution.exit_code == 1
    assert solution.manifest["alignment"]["contradictions"] == [
        'target "ab" and target "bc" and target "ac" cannot hold together (a 0, b 0: 50 stated, at most 0 by the others)'
    ]


def test_importance_says_which_of_them_yields() -> None:
    """Where not all can hold, the least important is given up and the others are met."""
    tables = document([], ab={("a", "b"): EQUAL}, bc={("b", "c"): EQUAL}, ac={("a", "c"): OPPOSITE})
    tables["targets"][0]["importance"] = tables["targets"][1]["importance"] = 1_000
    solution = synthesize(tables, records=300, llm="none")
    assert dict(solution.alignment.select("name", "status").iter_rows()) == {
        "ab": "exact",
        "bc": "exact",
        "ac": "cannot be met",
    }


def test_check_warns_before_any_call() -> None:
    """`check` finds it without a run."""
    said = [
        str(problem)
        for problem in examine(
            Spec.load(document([], ab={("a", "b"): EQUAL}, bc={("b", "c"): EQUAL}, ac={("a", "c"): OPPOSITE}))
        ).warnings
    ]
    assert any("cannot hold together" in sentence for sentence in said)


def ages(**statistic: Any) -> dict[str, Any]:
    cells = [{"age": "0-19", "count": 50}, {"age": "20-39", "count": 50}]
    return {
        "llmsynthor": 1,
        "units": {"r": {"variables": {"age": {"kind": "integer", "range": [0, 40]}}}},
        "targets": [{"name": "ages", "unit": "r", "cells": cells}, {"name": "number", "unit": "r", **statistic}],
    }


def test_numbers_that_tables_leave_no_room_for() -> None:
    """A mean, total or quantile is named with the table that excludes it; at the very edge of the cells none is."""
    named = (Contradiction(targets=("ages", "number"), rules=()),)
    for value, expected in ((30, named), (29, ()), (10, ()), (9, named)):
        assert contradictions(ages(mean="age", cells=[{"mean": value}])) == expected
        assert contradictions(ages(total="age", cells=[{"total": 100 * value}])) == expected
    for value, expected in ((25, ()), (20, ()), (15, named)):
        assert contradictions(ages(quantile="age", probability=0.8, cells=[{"quantile": value}])) == expected
    assert contradictions(ages(total="age", cells=[{"total": 9900}])) == (Contradiction(targets=("number",), rules=()),)


def test_totals_that_means_of_other_groups_exclude_are_told_in_all() -> None:
    """Where each month's total could hold by itself, the words say what all of them add up to and what the means need."""
    months, channels = [{"month": m, "count": 500} for m in "ab"], [{"channel": c, "percent": 50} for c in "xy"]
    units = {
        "order": {
            "variables": {
                "month": {"kind": "category", "levels": ["a", "b"]},
                "channel": {"kind": "category", "levels": ["x", "y"]},
                "amount": {"kind": "number", "range": [1, 2000]},
            }
        }
    }
    totals = [{"month": "a", "total": 26_000}, {"month": "b", "total": 28_000}]
    means = [{"channel": "x", "mean": 50}, {"channel": "y", "mean": 60}]
    targets = [
        {"name": "months", "unit": "order", "cells": months},
        {"name": "channels", "unit": "order", "cells": channels},
        {"name": "revenue", "unit": "order", "total": "amount", "by": ["month"], "cells": totals},
        {"name": "basket", "unit": "order", "mean": "amount", "by": ["channel"], "cells": means},
    ]
    said = [
        str(problem) for problem in examine(Spec.load({"llmsynthor": 1, "units": units, "targets": targets})).warnings
    ]
    (named,) = [words for words in said if "cannot hold together" in words]
    assert "total of amount over all that are listed: 54,000 stated, at least 55,000 by the others" in named
