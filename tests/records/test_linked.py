"""Expressions on nested records: parents, children, the child before, derived variables; against loops in plain Python."""

from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmsynthor.errors import DataError, SpecError
from llmsynthor.records.linked import column, complete, evaluate_nested, nest
from llmsynthor.spec.expressions import parse
from llmsynthor.spec.specification import Spec

DOCUMENT: dict[str, Any] = {
    "llmsynthor": 1,
    "units": {
        "household": {
            "variables": {
                "size": {"kind": "integer", "range": [0, 6]},
                "tenure": {"kind": "category", "levels": ["Owned", "Rented"]},
            },
            "derived": {
                "workers": {"kind": "integer", "range": [0, 4], "expression": "min(3, count(person.job == 'Works'))"},
                "oldest": {"kind": "integer", "range": [0, 100], "expression": "max(person.age)"},
                "trips": {"kind": "integer", "range": [0, 60], "expression": "sum(person.trips)"},
                "far": {"kind": "category", "levels": ["yes", "no"], "expression": "'yes' if reach > 9 else 'no'"},
                "reach": {"kind": "number", "range": [0, 100], "expression": "max(person.longest)"},
            },
        },
        "person": {
            "parent": "household",
            "count": "size",
            "variables": {
                "age": {"kind": "integer", "range": [0, 100]},
                "job": {"kind": "category", "levels": ["Works", "None"]},
                "trips": {"kind": "integer", "range": [0, 5]},
            },
            "derived": {"longest": {"kind": "number", "range": [0, 99], "expression": "max(trip.miles)"}},
        },
        "trip": {
            "parent": "person",
            "count": "trips",
            "variables": {
                "miles": {"kind": "number", "range": [0, 99]},
                "to": {"kind": "category", "levels": ["Home", "Work", "Shop"]},
            },
            "derived": {
                "stays": {
                    "kind": "category",
                    "levels": ["yes", "no"],
                    "expression": "'yes' if to == previous(to) else 'no'",
                }
            },
        },
    },
    "targets": [{"unit": "household", "cells": [{"tenure": "Owned", "count": 1}, {"tenure": "Rented", "count": 1}]}],
}
SCHEMA = Spec.load(DOCUMENT).schema


def records(seed: int, households: int) -> dict[str, pl.DataFrame]:
    """Random households with 0 to 5 persons with 0 to 4 trips each."""
    rng = np.random.default_rng(seed)
    size = rng.integers(0, 6, households)
    trips = rng.integers(0, 5, size.sum())
    n = int(trips.sum())
    return {
        "household": pl.DataFrame(
            {
                "household_id": np.arange(households) + 1,
                "size": size,
                "tenure": rng.choice(["Owned", "Rented"], households),
            }
        ),
        "person": pl.DataFrame(
            {
                "person_id": np.arange(len(trips)) + 1,
                "household_id": np.repeat(np.arange(households) + 1, size),
                "age": rng.integers(0, 100, len(trips)).astype(np.uint8),
                "job": rng.choice(["Works", "None"], len(trips)),
                "trips": trips,
            }
        ),
        "trip": pl.DataFrame(
            {
                "trip_id": np.arange(n) + 1,
                "person_id": np.repeat(np.arange(len(trips)) + 1, trips),
                "miles": rng.random(n) * 30,
                "to": rng.choice(["Home", "Work", "Shop"], n),
            }
        ),
    }


def rows(frame: pl.DataFrame, key: str, value: int) -> list[dict[str, Any]]:
    return list(frame.filter(pl.col(key) == value).iter_rows(named=True))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12))
def test_functions_over_children_agree_with_loops(seed: int, households: int) -> None:
    """Every function over children gives what a loop over the children gives, nobody included."""
    nested = nest(records(seed, households), SCHEMA)

    def values(text: str) -> list[Any]:
        return evaluate_nested(parse(text), "household", nested).to_list()

    members = [rows(nested.frames["person"], "household_id", k + 1) for k in range(households)]
    ages = [[person["age"] for person in home] for home in members]
    sizes = nested.frames["household"]["size"].to_list()
    assert values("count(person.age >= 18)") == [sum(a >= 18 for a in home) for home in ages]
    assert values("any(person.age >= 90)") == [any(a >= 90 for a in home) for home in ages]
    assert values("all(person.age >= 18)") == [all(a >= 18 for a in home) for home in ages]
    assert values("sum(person.age)") == [sum(home) for home in ages]
    assert values("mean(person.age)") == pytest.approx([sum(home) / len(home) if home else None for home in ages])
    assert values("min(person.age)") == [min(home, default=None) for home in ages]
    assert values("first(person.age)") == [home[0] if home else None for home in ages]
    assert values("last(person.age)") == [home[-1] if home else None for home in ages]
    assert values("first(person.age) - max(person.age)") == [home[0] - max(home) if home else None for home in ages]
    assert values("count(person.age > size)") == [
        sum(a > size for a in home) for home, size in zip(ages, sizes, strict=True)
    ]
    assert values("count(person.position == 2)") == [int(len(home) > 1) for home in ages]
    assert values("any(person.age < previous(person.age))") == [any(b < a for a, b in pairwise(home)) for home in ages]


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_derived_variables_of_derived_variables(seed: int) -> None:
    """They are computed in the order of their dependence, across three levels, whatever the order in the spec."""
    frames = complete(records(seed, 8), SCHEMA)
    for home in frames["household"].iter_rows(named=True):
        people = rows(frames["person"], "household_id", home["household_id"])
        reaches = [p["longest"] for p in people if p["longest"] is not None]
        assert home["reach"] == max(reaches, default=None)
        assert home["far"] == ("yes" if reaches and max(reaches) > 9 else "no")
        assert home["trips"] == sum(p["trips"] for p in people)
        assert home["workers"] == min(3, sum(p["job"] == "Works" for p in people))
    again = complete(frames, SCHEMA)
    assert all(again[unit].equals(frames[unit]) for unit in frames)


def test_the_first_child_has_none_before() -> None:
    """`previous` is missing for the first child, a comparison with it is false both ways, `position` counts from 1."""
    frames = records(3, 6)
    nested = nest(frames, SCHEMA)
    first = evaluate_nested(parse("position == 1"), "trip", nested)
    for text in (
        "to == previous(to)",
        "to != previous(to)",
        "miles <= previous(miles)",
        "previous(to) in ('Home', 'Work')",
    ):
        assert not evaluate_nested(parse(text), "trip", nested).filter(first).any()
    later = evaluate_nested(parse("to == previous(to)"), "trip", nested).filter(~first)
    differ = evaluate_nested(parse("to != previous(to)"), "trip", nested).filter(~first)
    assert (later != differ).all()
    assert set(nested.frames["trip"].filter(first)["stays"]) == {"no"}


def test_children_in_any_order_and_ids_of_any_kind() -> None:
    """Children need not stand together: each has its parent by its id, and its place by the order of the rows."""
    frames = records(5, 9)
    whole = complete(frames, SCHEMA)
    rng = np.random.default_rng(0)
    mixed = dict(frames)
    mixed["household"] = frames["household"].sample(fraction=1, shuffle=True, seed=1)
    mixed["person"] = frames["person"][rng.permutation(frames["person"].height)]
    done = complete(mixed, SCHEMA)
    names = ["workers", "oldest", "trips", "reach", "far"]
    assert done["household"].sort("household_id").select(names).equals(whole["household"].select(names))
    texts = {unit: frame.with_columns(pl.col("^.*_id$").cast(pl.String)) for unit, frame in mixed.items()}
    assert complete(texts, SCHEMA)["household"].select(names).equals(done["household"].select(names))


def test_columns_of_units_above() -> None:
    """A trip knows its household's variables, derived ones too."""
    nested = nest(records(2, 5), SCHEMA)
    joined = nested.frames["trip"].join(
        nested.frames["person"].select("person_id", "household_id"), on="person_id", how="left"
    )
    joined = joined.join(nested.frames["household"], on="household_id", how="left", maintain_order="left")
    assert column(nested, "trip", "household.workers").to_list() == joined["workers"].to_list()
    assert evaluate_nested(parse("min(household.size, 2)"), "trip", nested).to_list() == [
        min(size, 2) for size in joined["size"]
    ]


def test_a_given_derived_column_stands_where_its_inputs_are_not_there() -> None:
    """Data with the number of workers but not the jobs can be used; with neither, the missing column is named."""
    frames = records(1, 4)
    frames["person"] = frames["person"].drop("job")
    frames["household"] = frames["household"].with_columns(workers=pl.lit(2))
    assert complete(frames, SCHEMA)["household"]["workers"].to_list() == [2] * 4
    frames["household"] = frames["household"].drop("workers")
    with pytest.raises(DataError, match=r"workers cannot be computed, columns are missing \(found: person.job\)"):
        complete(frames, SCHEMA)


def test_ids_that_cannot_be_are_named() -> None:
    """A child of no parent, an id given twice and a missing id column are errors that name them."""
    frames = records(1, 4)
    stray = {**frames, "person": frames["person"].with_columns(pl.col("household_id") + 100)}
    with pytest.raises(DataError, match="have no household of their household_id"):
        complete(stray, SCHEMA)
    twice = {**frames, "household": pl.concat([frames["household"], frames["household"]])}
    with pytest.raises(DataError, match="an id occurs twice"):
        complete(twice, SCHEMA)
    with pytest.raises(DataError, match="a column is missing"):
        complete({**frames, "trip": frames["trip"].drop("person_id")}, SCHEMA)


WRONG = [
    ("household", "person.age < 5", "a record of household has no single person"),
    ("household", "any(trip.miles > 5)", "any needs child records"),
    ("person", "any(household.size > 5)", "any needs child records"),
    ("household", "size > previous(size)", "records of the top unit have no order"),
    ("person", "age > previous(household.size)", "previous needs the unit's own variable"),
    ("person", "min(age) > 3", "min needs child records"),
    ("household", "position > 1", "unknown name"),
    ("person", "first(trip.to) == 'Beach'", "to has no such level"),
    ("trip", "person.household.size > 1", "only a unit's variable may follow a dot"),
]


@pytest.mark.parametrize(("unit", "text", "message"), WRONG)
def test_what_has_no_value_is_refused(unit: str, text: str, message: str) -> None:
    """An expression that asks a record for what it does not have is an error that names it."""
    with pytest.raises(SpecError, match=message):
        Spec.load({**DOCUMENT, "rules": [{"unit": unit, "forbid": text}]})


DERIVED = [
    ({"a": "a + 1"}, "depends on itself"),
    ({"a": "sum(person.b)"}, "depends on itself"),
    ({"c": "'maybe' if size > 2 else 'yes'"}, "gives what is no level"),
    ({"c": "tenure"}, "gives what is no level"),
    ({"c": "size"}, "gives a number, not a text"),
]


@pytest.mark.parametrize(("expressions", "message"), DERIVED)
def test_derived_variables_that_cannot_be(expressions: dict[str, str], message: str) -> None:
    """A derived variable that refers to itself, in its unit or round about, and one that gives no level, are named."""
    number, text = {"kind": "integer", "range": [0, 9]}, {"kind": "category", "levels": ["yes", "no"]}
    units = {name: dict(unit) for name, unit in DOCUMENT["units"].items()}
    units["household"]["derived"] = {
        name: {**(text if name == "c" else number), "expression": expression}
        for name, expression in expressions.items()
    }
    units["person"]["derived"] = {"b": {**number, "expression": "household.a"}} if "b" in str(expressions) else {}
    with pytest.raises(SpecError, match=message):
        Spec.load({**DOCUMENT, "units": units})


def test_a_child_unit_may_not_have_a_variable_position() -> None:
    """The name has a meaning of its own there."""
    units = {name: dict(unit) for name, unit in DOCUMENT["units"].items()}
    units["trip"]["variables"] = {"position": {"kind": "integer", "range": [0, 9]}}
    units["trip"]["derived"] = {}
    with pytest.raises(SpecError, match="this name is reserved"):
        Spec.load({**DOCUMENT, "units": units})
