"""Cuts of nested variables, and the smooth density behind their atoms."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from llmsynthor.aims.cuts import Cut, cut_variable
from llmsynthor.aims.density import smooth_density
from llmsynthor.aims.uses import read_uses
from llmsynthor.alignment.trees.deal import largest_remainders
from llmsynthor.spec.specification import Spec


def document(**more: Any) -> dict[str, Any]:
    person = {
        "parent": "home",
        "count": "size",
        "variables": {
            "age": {"kind": "integer", "range": [0, 100]},
            "income": {"kind": "integer", "range": [0, 5_000_000]},
        },
    }
    home = {
        "variables": {"size": {"kind": "integer", "range": [1, 4]}},
        "derived": {
            "oldest": {"kind": "integer", "range": [0, 100], "expression": "max(person.age)"},
            "money": {"kind": "number", "range": [0, 20_000_000], "expression": "sum(person.income)"},
        },
    }
    cells = [
        {"income": f"[{a}, {b})", "count": n}
        for a, b, n in ((0, 1, 20), (1, 50_000, 50), (50_000, 100_000, 20), (100_000, 5_000_000, 10))
    ]
    base = {
        "llmsynthor": 1,
        "name": "x",
        "context": "x",
        "units": {"home": home, "person": person},
        "targets": [
            {"unit": "person", "cells": cells},
            {"unit": "home", "cells": [{"oldest": "[0, 40)", "count": 1}, {"oldest": "[40, 100)", "count": 2}]},
        ],
        "rules": [{"name": "adult", "unit": "home", "forbid": "first(person.age) < 15"}],
    }
    return {**base, **more}


def cut_of(spec: Spec, position: int) -> Cut:
    uses = read_uses(spec)
    return cut_variable(uses["person", spec.schema["person"].coded[position].name], uses)


def test_cuts_of_a_copy_are_cuts_of_the_variable() -> None:
    """Where max(person.age) is tabulated or first(person.age) compared, age is cut there, and nowhere else."""
    spec = Spec.load(document())
    cut = cut_of(spec, 0)
    assert cut.axis.breaks.tolist() == [0, 15, 40, 100]


def test_a_number_that_enters_a_sum_is_cut_into_atoms() -> None:
    """Atoms keep the tables' cuts, each stands for a whole number inside it, and the cell of 0 stands for 0."""
    spec = Spec.load(document())
    cut = cut_of(spec, 1)
    assert {0, 1, 50_000, 100_000, 5_000_000} <= set(cut.axis.breaks.tolist())
    assert cut.axis.size > 30
    assert cut.values is not None
    assert (cut.values >= cut.axis.breaks[:-1]).all()
    assert (cut.values < cut.axis.breaks[1:]).all()
    assert cut.values[0] == 0


def test_a_number_that_a_rule_computes_with_has_a_cell_per_value() -> None:
    """A rule on differences of ages is exact: every age is a cell."""
    rule = {"name": "gap", "unit": "home", "forbid": "first(person.age) - min(person.age) > 60"}
    spec = Spec.load(document(rules=[rule]))
    cut = cut_of(spec, 0)
    assert cut.axis.size == 100


def test_an_open_last_interval_falls_off() -> None:
    """Of incomes of 100,000 and more, most lie near 100,000, as Pareto's law has it."""
    density = smooth_density(np.array([0, 50_000, 75_000, 100_000, 5_000_000.0]), np.array([0.6, 0.2, 0.1, 0.1]))
    assert density.value(np.array([0.95]))[0] < 200_000
    assert np.allclose(density.below(np.array([50_000.0, 100_000.0])), [0.6, 0.9], atol=1e-6)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=20))
def test_rounding_keeps_the_total_and_moves_no_cell_by_one(weights: list[float]) -> None:
    """Largest remainders keep the total where it is whole, and move each weight by less than 1."""
    total = max(1, round(sum(weights)))
    wanted = (
        np.array(weights) * total / sum(weights) if sum(weights) > 0 else np.full(len(weights), total / len(weights))
    )
    rounded = largest_remainders(wanted)
    assert rounded.sum() == total
    assert np.abs(rounded - wanted).max() < 1 + 1e-6
