"""Sums and quantiles with parents' or computed columns: where they are cut, and how far their values may move."""

import numpy as np

from llmsynthor.aims.aims import set_aims
from llmsynthor.aims.cuts import choices
from llmsynthor.aims.grid import pack
from llmsynthor.aims.wide import reach_of
from llmsynthor.spec.expressions import parse
from llmsynthor.spec.reading.files import load


def spec(**target: object) -> dict[str, object]:
    """Households whose income a table cuts at 100, and a target of their persons."""
    income = {"kind": "number", "range": [0, 1_000]}
    return {
        "llmsynthor": 1,
        "name": "wide",
        "units": {
            "household": {
                "variables": {"size": {"kind": "integer", "range": [1, 3]}, "income": income},
            },
            "person": {
                "parent": "household",
                "count": "size",
                "variables": {"sex": {"kind": "category", "levels": ["F", "M"]}},
            },
        },
        "targets": [
            {
                "name": "brackets",
                "unit": "household",
                "cells": [{"income": "[0, 100)", "count": 30}, {"income": "[100, 1000)", "count": 10}],
                "value": "count",
            },
            {"name": "asked", "unit": "person", **target},
        ],
    }


def test_values_may_move_as_far_as_nothing_tells_them_apart() -> None:
    """A parent's number is cut finely for its sum over children, but its values stay between the cuts of the table alone."""
    aims = set_aims(load(spec(mean="household.income", cells=[{"mean": 120}])))
    low, high = reach_of(aims.layout, aims.own, aims.goals, (0, 1))
    assert len(low) > 10
    assert set(zip(low.tolist(), high.tolist(), strict=True)) == {(0.0, 100.0), (100.0, 1000.0)}


def test_a_quantile_over_children_cuts_the_parents_number() -> None:
    """The median over persons of their household's income is an end of its cells, and tells values apart."""
    aims = set_aims(load(spec(quantile="household.income", probability=0.5, cells=[{"quantile": 250}])))
    low, _ = reach_of(aims.layout, aims.own, aims.goals, (0, 1))
    assert set(low.tolist()) == {0.0, 100.0, 250.0}


def test_an_axis_that_occurs_twice_is_one() -> None:
    """Totals of incomes by income read the code once: its offsets are added up."""
    found = pack([0, 0], [np.array([0, 0, 1]), np.array([0, 1, 2])], np.arange(6).reshape(2, 3), 6)
    assert found.axes == (0,)
    assert found.of(np.array([[0], [1], [2]], dtype=np.int32)).tolist() == [0, 1, 5]


def test_constants_that_an_expression_chooses_from_are_known() -> None:
    """Of a choice of constants the values are known, of what is computed they are not."""
    assert choices(parse("3 if sex == 'F' else (5 if age > 3 else 7)").tree) == {3.0, 5.0, 7.0}
    assert choices(parse("3 if sex == 'F' else age").tree) is None
