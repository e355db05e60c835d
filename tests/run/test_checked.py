"""check from Python: all problems at once, and nothing raised."""

from typing import Any

import pytest

import llmsynthor as ls
from tests.homes import HOMES


def test_errors_are_told_not_raised(document: Any) -> None:
    """A wrong spec is not ok, and each problem has its place; there are no calls to count."""
    document["targets"][1]["cells"][0]["sex"] = "Femal"
    document["targets"][2]["unit"] = "people"
    checked = ls.check(document)
    assert not checked.ok
    assert checked.calls is None
    assert len(checked.problems) == 2
    assert str(checked).count("error: ") == 2


def test_warnings_leave_a_spec_ok(document: Any) -> None:
    """Two tables that disagree are worth a look, and a run can be made."""
    rows = [{"sex": "Male", "share": 0.9}, {"sex": "Female", "share": 0.1}]
    document["targets"].append({"name": "other source", "unit": "person", "cells": rows})
    checked = ls.check(document, llm="none")
    assert checked.ok
    assert checked.calls == 0
    assert any("other source" in str(problem) for problem in checked.problems)


def test_calls_are_those_of_the_model(document: Any) -> None:
    """With a model there are calls, as `llmsynthor check` says."""
    checked = ls.check(ls.read_spec(document), llm="openai:any")
    assert checked.calls is not None
    assert checked.calls > 0
    assert "openai:any" in str(checked)


@pytest.mark.slow
def test_universes_with_functions_over_others_are_checked() -> None:
    """A universe that looks at the record before is no reason to fail: all kinds of target are looked through."""
    assert ls.check(HOMES, llm="none").ok
