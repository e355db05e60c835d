"""Why runs end."""

import json
from pathlib import Path
from typing import Any

import pytest

import llmsynthor as ls
from llmsynthor.synthesis.stop import StopReason


def script(tmp_path: Path, *answers: Any) -> str:
    path = tmp_path / "script.json"
    path.write_text(json.dumps({"answers": list(answers), "repeat": True}), encoding="utf-8")
    return f"scripted:{path}"


PLAN = {"proposal_1": {"age": "[16, 65)", "sex": "Male", "employment": "Employed", "count": 9, "reason": "men work"}}
GROUPS = {"groups": [{"variables": ["age", "employment"], "reason": "children do not work"}]}


def test_met_targets_are_a_success(document: Any) -> None:
    """When all is met the reason says so, and is the same value for every such run."""
    solution = ls.synthesize(document, records=400, llm="none")
    assert solution.stop is StopReason.ALIGNED
    assert solution.stop.is_success
    assert str(solution.stop).endswith(".")


def test_contradictions_are_told_from_misses(document: Any) -> None:
    """Targets that exclude each other end a run otherwise than targets that are met."""
    document["targets"].append({"name": "mean age", "unit": "person", "mean": "age", "cells": [{"mean": 90}]})
    solution = ls.synthesize(document, records=400, llm="none")
    assert solution.stop is StopReason.CONTRADICTED
    assert not solution.stop.is_success
    assert solution.unmet


@pytest.mark.parametrize(
    ("answers", "given", "reason"),
    [
        ((GROUPS, PLAN), {"iterations": 2}, StopReason.ITERATIONS_USED),
        ((GROUPS, PLAN), {"max_calls": 2}, StopReason.BUDGET_SPENT),
        (("nonsense",), {"iterations": 9}, StopReason.ANSWERS_UNUSABLE),
    ],
)
def test_loop_alone_says_why_it_ended(
    document: Any, tmp_path: Path, answers: Any, given: dict[str, Any], reason: StopReason
) -> None:
    """The paper's loop ends with its own reasons."""
    llm = script(tmp_path, *answers)
    solution = ls.synthesize(document, records=400, llm=llm, align="none", proposals=1, **given)
    assert solution.stop is reason


def test_budget_of_tokens_and_of_money_ends_asking(document: Any, tmp_path: Path) -> None:
    """Tokens and cost are limits like calls: what was made so far is kept."""
    llm = script(tmp_path, GROUPS, PLAN)
    for budget in (ls.Budget(tokens=0), ls.Budget(cost=0, prompt_price=1, completion_price=1)):
        solution = ls.synthesize(document, records=400, llm=llm, budget=budget)
        assert solution.manifest["usage"]["calls"] == 0
        assert "is spent" in solution.stop_reason
        assert solution.stop is StopReason.ALIGNED
