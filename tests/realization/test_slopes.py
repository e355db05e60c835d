"""Slopes of derived numbers: each is what moving one number a little does to the derived one."""

import numpy as np
import polars as pl
import pytest

from llmsynthor.realization.slopes import Slopes
from llmsynthor.records.linked import Nested, nest
from llmsynthor.spec.reading.files import load

DERIVED = {
    "total": "sum(person.pay)",
    "average": "mean(person.pay)",
    "largest": "max(person.pay)",
    "firsts": "first(person.pay) - rent / 2",
    "ratio": "sum(person.pay) / (1 + rent)",
    "chosen": "sum(person.pay) if rent > 500 else 3 * rent",
    "least": "min(rent, 700) + abs(0 - rent)",
    "grown": "count(person.pay > 10)",
    "twice": "total * 2 + average",
}


def spec(derived: dict[str, str]) -> dict[str, object]:
    number = {"kind": "number", "range": [0, 100_000]}
    return {
        "llmsynthor": 1,
        "name": "slopes",
        "units": {
            "household": {
                "variables": {"size": {"kind": "integer", "range": [0, 5]}, "rent": number},
                "derived": {name: {**number, "expression": text} for name, text in derived.items()},
            },
            "person": {
                "parent": "household",
                "count": "size",
                "variables": {"pay": number},
                "derived": {"share": {**number, "expression": "pay * household.rent / 100"}},
            },
        },
        "targets": [],
    }


def nested(values: np.ndarray) -> Nested:
    """Households of 2, 0 and 3 persons; the first three values are their rents, the others the persons' pays."""
    household = pl.DataFrame({"household_id": [1, 2, 3], "size": [2, 0, 3], "rent": values[:3]})
    person = pl.DataFrame({"person_id": range(1, 6), "household_id": [1, 1, 3, 3, 3], "pay": values[3:]})
    return nest({"household": household, "person": person}, load(spec(DERIVED)).schema)


VALUES = np.array([400.0, 650.0, 900.0, 50.0, 70.0, 20.0, 90.0, 40.0])


@pytest.mark.parametrize(("unit", "name"), [*(("household", name) for name in DERIVED), ("person", "share")])
def test_slopes_are_those_of_small_steps(unit: str, name: str) -> None:
    """A column of the matrix of slopes is the difference that a small step of its number makes."""
    first = {("household", "rent"): 0, ("person", "pay"): 3}
    found = Slopes(nested=nested(VALUES), first=first, size=8).of(unit, name).toarray()
    step = 1e-4
    for column in range(8):
        moved = VALUES.copy()
        moved[column] += step
        before, after = (nested(v).frames[unit][name].cast(pl.Float64).to_numpy() for v in (VALUES, moved))
        there = np.isfinite(before)
        assert found[there, column] == pytest.approx((after - before)[there] / step, abs=1e-5)


def test_a_parents_number_moves_all_its_children() -> None:
    """The slope of a parent's number seen from children is one for each of its children."""
    slopes = Slopes(nested=nested(VALUES), first={("household", "rent"): 0}, size=3)
    assert slopes.above("person", "household.rent").toarray().tolist() == [
        [1, 0, 0],
        [1, 0, 0],
        [0, 0, 1],
        [0, 0, 1],
        [0, 0, 1],
    ]
