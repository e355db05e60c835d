"""What the shape of a document has against it is said in the words of a spec."""

from typing import Any

import pytest

from llmsynthor.errors import SpecError
from llmsynthor.spec.reading.files import load

SPEC: dict[str, Any] = {
    "llmsynthor": 1,
    "units": {"person": {"variables": {"age": {"kind": "integer", "range": [0, 100]}}}},
    "targets": [{"name": "ages", "cells": [{"age": "0-99", "count": 5}]}],
}


@pytest.mark.parametrize(
    ("place", "near", "meant"),
    [
        (("ruls",), "ruls", "rules"),
        (("targets", 0, "toleranse"), "targets[0].toleranse", "tolerance"),
        (("units", "person", "variables", "age", "lable"), "units.person.variables.age.lable", "label"),
        (("synthesis", "sede"), "synthesis.sede", "seed"),
    ],
)
def test_a_key_spelt_nearly_right_is_asked_back(place: tuple[Any, ...], near: str, meant: str) -> None:
    """The error names the place and the key that was meant; one like no other is to be removed."""
    for key, advice in ((place[-1], f'Did you mean "{meant}"?'), ("zzzz", "Remove it or correct its name")):
        document = {**SPEC, "targets": [dict(SPEC["targets"][0])], "synthesis": {}}
        document["units"] = {"person": {"variables": {"age": dict(SPEC["units"]["person"]["variables"]["age"])}}}
        inside: Any = document
        for step in place[:-1]:
            inside = inside[step]
        inside[key] = 1
        with pytest.raises(SpecError) as refused:
            load(document)
        said = "\n".join(str(problem) for problem in refused.value.problems)
        assert advice in said
        assert near.replace(str(place[-1]), key) in said
