"""Derived variables of one unit as functions of its own codes, against the values that polars computes."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmsynthor.aims.aims import set_aims
from llmsynthor.aims.derived import flat_goals, needs_trees, written_out
from llmsynthor.aims.goals import Goals
from llmsynthor.aims.grid import draw_evenly
from llmsynthor.records.evaluate import evaluate
from llmsynthor.records.linked import nest
from llmsynthor.records.measure import cell_numbers
from llmsynthor.spec.schema import Numeric
from llmsynthor.spec.specification import Spec

VARIABLES: dict[str, Any] = {
    "from": {"kind": "category", "levels": ["a", "b", "c"]},
    "to": {"kind": "category", "levels": ["a", "b", "c"]},
    "age": {"kind": "integer", "range": [0, 100]},
    "wage": {"kind": "integer", "range": [0, 90_000]},
    "rent": {"kind": "number", "range": [0, 3_000]},
}
KM = [{"from": a, "to": b, "km": 1.5 * abs(i - j) + 0.5} for i, a in enumerate("abc") for j, b in enumerate("abc")]
DERIVED: dict[str, Any] = {
    "km": {"kind": "number", "range": [0, 10], "lookup": {"cells": KM, "by": ["from", "to"], "value": "km"}},
    "far": {"kind": "category", "levels": ["yes", "no"], "expression": "'yes' if km > 2 else 'no'"},
    "month": {"kind": "integer", "range": [0, 8_000], "expression": "wage / 12"},
    "week": {"kind": "number", "range": [-10, 800], "expression": "rent * 12 / 52 - 5"},
    "free": {"kind": "number", "range": [0, 30], "expression": "abs(age - 40) / 2"},
    "left": {"kind": "number", "range": [-3000, 90_000], "expression": "wage - rent"},
}


def table(*columns: str, **levels: list[str]) -> dict[str, Any]:
    rows: list[dict[str, Any]] = [{}]
    for name in columns:
        rows = [{**row, name: level} for row in rows for level in levels[name]]
    return {"unit": "t", "cells": [{**row, "count": k + 1} for k, row in enumerate(rows)]}


LEVELS = {
    "far": ["yes", "no"],
    "km": ["[0, 1)", "[1, 3)", "3+"],
    "month": ["0-999", "1000-2499", "2500+"],
    "week": ["under 0", "[0, 33.3)", "[33.3, 800)"],
    "free": ["[0, 7.5)", "7.5+"],
    "left": ["under 0", "0+"],
    "age": ["0-39", "40+"],
}


def spec_with(*targets: dict[str, Any], rules: list[dict[str, Any]] | None = None) -> Spec:
    units = {"t": {"variables": VARIABLES, "derived": DERIVED}}
    return Spec.load({"llmsynthor": 1, "units": units, "targets": list(targets), "rules": rules or []})


def drawn(goals: Goals, records: int, seed: int) -> tuple[np.ndarray, pl.DataFrame]:
    """Random codes of the own variables, and values inside their cells."""
    rng = np.random.default_rng(seed)
    codes = np.stack([rng.integers(0, size, records) for size in goals.grid.sizes], axis=1).astype(np.int32)
    columns = {}
    for k, axis in enumerate(goals.grid.axes):
        if isinstance(axis.variable, Numeric):
            columns[axis.name] = pl.Series(draw_evenly(axis, codes[:, k], rng))
        else:
            columns[axis.name] = pl.Series([str(axis.levels[code]) for code in codes[:, k]])
    return codes, pl.DataFrame(columns)


@given(
    seed=st.integers(0, 10_000),
    names=st.sets(st.sampled_from(["far", "km", "month", "week", "free", "age"]), min_size=1, max_size=3),
)
@settings(max_examples=15, deadline=None)
def test_codes_say_in_which_cell_the_derived_values_lie(seed: int, names: set[str]) -> None:
    """Whatever values own cells take, the projection of the codes gives the cell that the computed values lie in."""
    spec = spec_with(table(*sorted(names), **LEVELS))
    goals = flat_goals(spec)
    assert goals is not None
    codes, frame = drawn(goals, 400, seed)
    nested = nest({"t": frame}, spec.schema)
    wanted = cell_numbers(nested, spec.targets[0])
    goal = goals.tables[0]
    order = {cell: number for number, cell in enumerate(spec.targets[0].cells)}
    got = goal.projection.of(codes)
    named = np.array([order[goal.cell(int(cell))] if cell >= 0 else -1 for cell in got])
    assert (named == wanted).all()


def test_rules_and_universes_are_written_over_own_variables() -> None:
    """A rule on a derived variable forbids the same records when it is written over own variables; whole ones are rounded down."""
    forbid = "far == 'yes' and month < 100 or t.km * 2 > 6"
    spec = spec_with(table("age", **LEVELS), rules=[{"unit": "t", "forbid": forbid}])
    goals = flat_goals(spec)
    assert goals is not None
    _, frame = drawn(goals, 2_000, 1)
    completed = nest({"t": frame}, spec.schema).frames["t"]
    plain = written_out(spec).rules[0].forbid
    expected = (completed["far"] == "yes") & (completed["month"] < 100) | (completed["km"] * 2 > 6)
    assert (evaluate(plain, frame) == expected).all()


def test_what_is_unused_needs_nothing() -> None:
    """A derived variable that no target names does not touch the grid."""
    spec = spec_with(table("age", **LEVELS))
    goals = flat_goals(spec)
    assert goals is not None
    assert goals.grid.computed == ()
    assert not set_aims(spec).needs_trees


@pytest.mark.parametrize(
    "target",
    [
        table("left", **LEVELS),
        {"unit": "t", "mean": "week", "cells": [{"mean": 10}]},
        {**table("age", **LEVELS), "universe": "left > 100"},
    ],
)
def test_what_own_codes_do_not_tell_is_computed_record_by_record(target: dict[str, Any]) -> None:
    """A derived number that differs inside joint cells is left to the kernels that compute it."""
    spec = spec_with(target)
    assert needs_trees(spec)
    assert set_aims(spec).needs_trees


def test_the_mean_of_a_derived_number_has_its_values_as_cells() -> None:
    """The moment of a lookup has one cell for each of its values, below the first none."""
    spec = spec_with(
        {"unit": "t", "mean": "km", "by": ["age"], "cells": [{"age": "0-39", "mean": 1}, {"age": "40+", "mean": 2}]}
    )
    goals = flat_goals(spec)
    assert goals is not None
    moment = goals.moments[0]
    codes, frame = drawn(goals, 500, 3)
    cells = moment.projection.of(codes)
    got = moment.lows[cells % len(moment.lows)]
    assert (got == nest({"t": frame}, spec.schema).frames["t"]["km"].to_numpy()).all()
    assert (cells // len(moment.lows) == (frame["age"].to_numpy() >= 40)).all()
