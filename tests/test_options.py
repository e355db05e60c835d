"""Options: said once, with their limits; the spec, the command line and the manifest know no others."""

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from llmsynthor.errors import SpecError
from llmsynthor.options import Budget, Method, changed, key_of, options_of, written
from llmsynthor.spec.reading.document import SettingsPart


@pytest.mark.parametrize(
    ("group", "given", "word"),
    [
        (Method, {"align": "perfect"}, "align: unknown alignment.*exact or none"),
        (Method, {"iterations": -1}, "iterations: the number is too small"),
        (Method, {"proposals": 21}, "proposals: the number is too large"),
        (Method, {"temperature": float("nan")}, "temperature"),
        (Method, {"estimate": "yes"}, "estimate: a value of another kind.*True or False"),
        (Method, {"proposals": 2.5}, "proposals: a value of another kind.*whole number"),
        (Budget, {"calls": True}, "max_calls: a value of another kind"),
        (Budget, {"cost": 1.0}, "max_cost: the price of tokens is not known"),
    ],
)
def test_senseless_options_are_refused(group: Any, given: dict[str, Any], word: str) -> None:
    """An option that makes no sense is refused where it is said, with what to give instead."""
    with pytest.raises(SpecError, match=word):
        group(**given)


def test_all_problems_come_at_once() -> None:
    """Two wrong options are two problems of one error."""
    with pytest.raises(SpecError) as caught:
        Method(proposals=0, temperature=5)
    assert [problem.where for problem in caught.value.problems] == ["proposals", "temperature"]


def test_whole_numbers_of_other_libraries_are_taken() -> None:
    """A numpy integer is a whole number."""
    assert Method(proposals=np.int64(3)).proposals == 3  # type: ignore[arg-type]  # what notebooks hand over


def test_changed_keeps_what_is_not_given() -> None:
    """Only what is given changes; None means not given."""
    method = Method(proposals=3, temperature=0.2)
    assert changed(method, {"proposals": 4, "temperature": None}) == replace(method, proposals=4)
    assert changed(Budget(calls=3), {"max_seconds": 9.0}) == Budget(calls=3, seconds=9.0)


def test_spec_knows_every_option() -> None:
    """The `synthesis:` section of a spec has a key for every field, and no others but records, seed and llm."""
    keys = {key_of(option) for group in (Method, Budget) for option in options_of(group)}
    assert set(SettingsPart.model_fields) == keys | {"records", "seed", "llm"}
    assert set(written(Method(), Budget())) == keys
    assert len(options_of(Method)) == len(fields(Method))


def test_price_of_tokens() -> None:
    """What tokens cost follows from both prices; without one of them it is unknown, not nothing."""
    assert Budget(prompt_price=1, completion_price=10).price(2_000_000, 100_000) == pytest.approx(3.0)
    assert Budget(prompt_price=1).price(5, 5) is None
