"""Conditions over the cells of tables that do not tell all of their variables."""

import pytest

from llmsynthor.spec.checks.checks import forbidden_targets
from llmsynthor.spec.checks.conditions import fails_anyway, holds_in_cells
from llmsynthor.spec.expressions import parse
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Table

AGE = {"kind": "integer", "range": [0, 100]}
DOCUMENT = {
    "llmsynthor": 1,
    "units": {
        "person": {
            "variables": {
                "age": AGE,
                "job": {"kind": "category", "levels": ["none", "some"]},
                "town": {"kind": "category", "levels": ["only"]},
            }
        }
    },
    "targets": [{"unit": "person", "cells": [{"job": "none", "count": 3}, {"job": "some", "count": 4}]}],
}
CONDITIONS = {
    "job == 'some' and age < 16": True,
    "job == 'some' and age < 200": False,
    "job == 'some' and town == 'only'": False,
    "job == 'some' and (age < 16 or town == 'only')": False,
    "job == 'some' or age < 16": False,
    "job == 'some'": False,
    "age < 16 and town == 'only'": True,
}


@pytest.mark.parametrize(("text", "fails"), CONDITIONS.items())
def test_what_fails_anyway_forbids_no_cell(text: str, fails: bool) -> None:
    """A part about a variable that a table does not tell may be false: no cell is forbidden then, says the whole as well."""
    spec = Spec.load(DOCUMENT)
    (table,) = spec.targets
    assert isinstance(table, Table)
    tree = parse(text).tree
    assert fails_anyway(tree, table, spec.schema) == fails
    found = holds_in_cells(tree, table, spec.schema)
    assert not fails or found is None or found[1].all()


def test_a_part_that_always_holds_does_not_save_a_cell() -> None:
    """A rule whose other part is true of everybody forbids the cell, and is named."""
    rule = {"name": "r", "unit": "person", "forbid": "job == 'some' and age < 200"}
    (problem,) = forbidden_targets(Spec.load({**DOCUMENT, "rules": [rule]}))
    assert problem.found == "job some"
