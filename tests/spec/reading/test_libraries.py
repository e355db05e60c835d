"""Rules by name: what fits is said in the spec's words, what does not is left out with a word."""

from pathlib import Path
from typing import Any

import pytest

from llmsynthor.errors import SpecError
from llmsynthor.spec.checks.checks import warnings
from llmsynthor.spec.reading.files import digest, load, save
from llmsynthor.spec.reading.libraries import NAMES, read_library
from llmsynthor.spec.specification import Spec


def document(rules: list[Any], *, unit: str = "person", age: str = "age", job: str = "Employed") -> dict[str, Any]:
    """Households whose members have an age and an employment, under names of one's choice."""
    return {
        "llmsynthor": 1,
        "units": {
            "household": {
                "variables": {
                    "size": {"kind": "integer", "range": [1, 5]},
                    "householder_type": {"kind": "category", "levels": ["Couple", "Single"]},
                }
            },
            unit: {
                "parent": "household",
                "count": "size",
                "variables": {
                    age: {"kind": "integer", "range": [0, 100]},
                    "employment": {"kind": "category", "levels": [job, "Not employed"]},
                },
            },
        },
        "targets": [
            {"unit": "household", "cells": [{"size": "1", "count": 1}, {"size": "2+", "count": 1}]},
            {"unit": unit, "cells": [{age: "[0, 16)", "count": 1}, {age: "16+", "count": 2}]},
        ],
        "rules": rules,
    }


def test_rules_by_name() -> None:
    """A library's name stands for its rules that the spec has words for; each has a sentence; the others are named."""
    spec = Spec.load(document(["library/households", {"unit": "person", "forbid": "age > 98"}]))
    names = {rule.name: rule for rule in spec.rules}
    assert names["an adult in every household"].forbid.text == "not any(person.age >= 18)"
    assert names["a couple has two adults"].sentence.startswith("A household that is headed by a couple")
    assert names["nobody under 16 works"].forbid.text == "age < 16 and employment == 'Employed'"
    assert names["parents are older than their children"].forbid.text.startswith("min(person.age)")
    assert "nobody under 15 drives" not in names
    notes = [str(problem) for problem in warnings(spec)]
    assert any('the rule "nobody under 15 drives" is left out' in note and "driver" in note for note in notes)


def test_rules_in_the_words_of_the_spec() -> None:
    """Names of units, variables and levels are put in the place of the library's."""
    include = {
        "include": "library/households",
        "names": {"person": "member", "age": "member.years"},
        "levels": {"Employed": "at work"},
        "only": ["an adult in every household", "nobody under 16 works"],
    }
    spec = Spec.load(document([include], unit="member", age="years", job="at work"))
    assert [rule.forbid.text for rule in spec.rules] == [
        "not any(member.years >= 18)",
        "years < 16 and employment == 'at work'",
    ]
    assert [rule.unit for rule in spec.rules] == ["household", "member"]
    assert spec.notes == ()


def test_a_saved_spec_goes_on_to_say_what_was_left_out(tmp_path: Path) -> None:
    """Rules of a library that do not fit are told when a run is repeated from its own spec too, each once."""
    spec = Spec.load(document(["library/households"], job="working"))
    assert spec.notes
    path = save(spec, tmp_path)
    again = Spec.load(path)
    assert again.notes == spec.notes
    assert (digest(again), again) == (digest(spec), spec)
    assert save(again, tmp_path / "twice").read_text() == path.read_text()


def test_rules_left_out_on_purpose_are_not_mentioned() -> None:
    """`without` takes rules out without a warning."""
    names = [rule.name for rule in read_library("households").rules]
    kept = "an adult in every household"
    without = {"include": "library/households", "without": [name for name in names if name != kept]}
    spec = Spec.load(document([without]))
    assert [rule.name for rule in spec.rules] == [kept]
    assert spec.notes == ()


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("library/castles", "there is no such library"),
        ("households", "there is no such library"),
        ("library/diaries", "no rule of it fits the spec"),
        ({"include": "library/households", "names": {"agge": "age"}}, "nothing of this name"),
        ({"include": "library/households", "without": ["no such rule"]}, "nothing of this name"),
        ({"include": "library/households", "nmes": {}}, r"rules\[0\].nmes"),
        ({"unit": "person"}, r"rules\[0\].forbid"),
    ],
)
def test_what_cannot_be_included_is_named(rule: Any, message: str) -> None:
    """A library that does not exist or does not fit, and words that it does not have, are errors."""
    with pytest.raises(SpecError, match=message):
        Spec.load(document([rule]))


def test_included_rules_survive_the_file(tmp_path: Path) -> None:
    """Spec → file → spec is the identity: rules are written out, with their sentences."""
    spec = Spec.load(document(["library/households"]))
    assert load(save(spec, tmp_path)) == spec


@pytest.mark.parametrize("name", NAMES)
def test_every_library_rule_can_be_kept(name: str) -> None:
    """Every rule of a library has a sentence and is said in names that the library lists."""
    library = read_library(name)
    assert len({rule.name for rule in library.rules}) == len(library.rules)
    assert all(rule.sentence.endswith(".") for rule in library.rules)
