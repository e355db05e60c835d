"""Conditions on exact values of real numbers."""

import pytest

from llmsynthor.spec.checks.exact import exact_problems
from llmsynthor.spec.specification import Spec


def spec(kind: str, condition: str) -> Spec:
    units = {
        "order": {
            "variables": {
                "value": {"kind": "number", "range": [0, 500]},
                "shipping": {"kind": kind, "range": [0, 50]},
            }
        }
    }
    return Spec.load(
        {
            "llmsynthor": 1,
            "units": units,
            "targets": [{"unit": "order", "mean": "value", "cells": [{"mean": 60}]}],
            "rules": [{"unit": "order", "forbid": condition}],
        }
    )


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("value > 100 and shipping > 0", "always true"),
        ("0 >= shipping and value > 100", "never true"),
        ("value > 100 and shipping == 5", "never true"),
        ("value > 100 and shipping != 5", "always true"),
    ],
)
def test_a_condition_on_an_exact_real_number_is_told(condition: str, said: str) -> None:
    """A rule that hangs on a real number being exactly something is named, with what it comes to; one on an integer is not."""
    (found,) = exact_problems(spec("number", condition))
    assert said in found.what
    assert found.severity == "warning"
    assert not list(exact_problems(spec("integer", condition)))


def test_comparisons_inside_the_range_are_nothing_to_tell() -> None:
    """Real numbers above or below a value inside their range are an ordinary condition."""
    assert not list(exact_problems(spec("number", "value > 100 and shipping >= 5")))
    assert not list(exact_problems(spec("number", "value < shipping")))
