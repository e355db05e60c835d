"""Options settled: single ones over whole ones, whole ones over the spec."""

from typing import Any

import pytest

import llmsynthor as ls
from llmsynthor.run.settings import ELSEWHERE, KEYS, Further, resolve


def test_who_wins(document: Any) -> None:
    """A single option wins over a Method, a Method over the spec's, and the spec's over the defaults."""
    document["synthesis"] = {"records": 50, "proposals": 3, "temperature": 0.1, "max_calls": 9}
    spec = ls.read_spec(document)
    assert resolve(spec, {}).method == ls.Method(proposals=3, temperature=0.1)
    assert resolve(spec, {"proposals": 4}).method == ls.Method(proposals=4, temperature=0.1)
    assert resolve(spec, {"proposals": 4}, method=ls.Method()).method == ls.Method(proposals=4)
    assert resolve(spec, {}, budget=ls.Budget(seconds=5)).budget == ls.Budget(seconds=5)
    assert resolve(spec, {"max_calls": 2, "records": 7}).budget == ls.Budget(calls=2)


@pytest.mark.slow
def test_same_run_however_it_is_said(document: Any, tmp_path: Any) -> None:
    """An option by itself, in a Method, or in the spec leads to the same run: one may be repeated as the other."""
    out = tmp_path / "out"
    one = ls.synthesize(document, records=50, llm="none", iterations=1, out=out)
    two = ls.synthesize(document, records=50, llm="none", method=ls.Method(iterations=1), out=out)
    document["synthesis"] = {"iterations": 1}
    three = ls.synthesize(document, records=50, llm="none")
    assert one.manifest["arguments"] == two.manifest["arguments"] == three.manifest["arguments"]


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"itertions": 3}, 'no such option.*itertions.*"iterations"'),
        ({"records": 2.5}, "no whole number"),
        ({"seed": True}, "no whole number"),
        ({"max_cost": 3.0}, "price of tokens is not known"),
        ({"temperature": "hot"}, "a value of another kind"),
        ({"workers": 0}, "no number of workers"),
        ({"workers": -3}, "no number of workers"),
        ({"weight": "w"}, "no records that it weighs"),
    ],
)
def test_senseless_options_are_errors_of_the_tree(document: Any, given: dict[str, Any], word: str) -> None:
    """A misspelt option or a value of another kind is a SpecError, like everything that fails."""
    with pytest.raises(ls.SpecError, match=word):
        ls.synthesize(document, **{"records": 5, "llm": "none", **given})


def test_every_option_may_be_given_singly() -> None:
    """What `synthesize` names as further options are those of Method, Budget and Server, and what is said of start and folder."""
    assert set(Further.__annotations__) == {*KEYS, *ELSEWHERE}
