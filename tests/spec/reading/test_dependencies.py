"""The `dependencies` section: pairs to ask about, to skip, and how far to trust."""

from pathlib import Path
from typing import Any

import pytest

from llmsynthor.errors import SpecError
from llmsynthor.spec.reading.files import load, save


def test_pairs_are_read_in_both_forms(document: dict[str, Any]) -> None:
    """A pair may be a list of names or one text; a single name in skip stands for all its pairs."""
    document["dependencies"] = {"ask": [["age", "employment"]], "skip": ["sex"], "trust": {"age, employment": 0.5}}
    found = load(document).dependencies
    assert found.ask == (frozenset({"age", "employment"}),)
    assert set(found.skip) == {frozenset({"sex", "age"}), frozenset({"sex", "employment"})}
    assert found.trust == {frozenset({"age", "employment"}): 0.5}


def test_file_and_back_is_the_identity(document: dict[str, Any], tmp_path: Path) -> None:
    """What is written is read again as the same section."""
    document["dependencies"] = {"ask": ["age, employment"], "skip": ["sex"], "trust": {"employment, age": 2.0}}
    spec = load(document)
    assert load(save(spec, tmp_path)).dependencies == spec.dependencies


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ({"ask": [["age", "wealth"]]}, "no such variable"),
        ({"ask": [["age"]]}, "this is no pair"),
        ({"skip": [["age", "age"]]}, "this is no pair"),
        ({"trust": {"age, sex": -1}}, "trust is a factor"),
        ({"trust": {"age, sex": 50}}, "trust is a factor"),
        ({"ask": ["age, sex"], "skip": ["age"]}, "asked and skipped"),
        ({"veto": []}, "dependencies.veto"),
    ],
)
def test_what_is_wrong_is_named(document: dict[str, Any], section: dict[str, Any], said: str) -> None:
    """Unknown names, pairs of one, factors out of range and contradictions are refused with their place."""
    document["dependencies"] = section
    with pytest.raises(SpecError, match=said):
        load(document)
