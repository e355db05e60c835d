"""Contradictions across units are named with the number that the others leave, and populations that exist raise no alarm."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llmsynthor.aims.aims import set_aims
from llmsynthor.aims.feasibility import Contradiction, find_across, find_broken_rules
from llmsynthor.records.measure import measure
from llmsynthor.spec.specification import Spec
from tests.homes import AGE, HOMES, among, households_of_persons, write_homes
from tests.homes import homes as homes_at_random

DERIVED: dict[str, dict[str, Any]] = {
    "workers": {"kind": "integer", "range": [0, 7], "expression": "count(person.job == 'Works')"},
    "head_age": {"kind": "integer", "range": [0, 100], "expression": "first(person.age)"},
    "oldest": {"kind": "integer", "range": [0, 100], "expression": "max(person.age)"},
    "youngest": {"kind": "integer", "range": [0, 100], "expression": "min(person.age)"},
    "income": {"kind": "integer", "range": [0, 700], "expression": "sum(person.pay)"},
    "mean_age": {"kind": "number", "range": [0, 100], "expression": "mean(person.age)"},
    "has_child": {
        "kind": "category",
        "levels": ["yes", "no"],
        "expression": "'yes' if any(person.age < 18) else 'no'",
    },
    "all_work": {
        "kind": "category",
        "levels": ["yes", "no"],
        "expression": "'yes' if all(person.job == 'Works') else 'no'",
    },
    "head_job": {"kind": "category", "levels": ["Works", "None"], "expression": "first(person.job)"},
}


def table(name: str, unit: str, column: str, value: str = "count", **cells: float) -> dict[str, Any]:
    """A one-way table; levels are given as keywords with `_` for `-` and a leading `_` that is dropped."""
    rows = [
        {column: level.removeprefix("_").replace("_", "-").replace("plus", "+"), value: number}
        for level, number in cells.items()
    ]
    return {"name": name, "unit": unit, "cells": rows}


def homes(*targets: dict[str, Any], rules: tuple[dict[str, Any], ...] = ()) -> Spec:
    """Households of one to six persons who have an age, a job and a pay, with the derived variables that the targets name."""
    named = str(targets) + str(rules)
    return Spec.load(
        households_of_persons(
            {"tenure": among("Owned", "Rented")},
            {"age": AGE, "job": among("Works", "None"), "pay": {"kind": "integer", "range": [0, 100]}},
            most=6,
            derived={name: entry for name, entry in DERIVED.items() if name in named},
            targets=list(targets),
            rules=list(rules),
        )
    )


def found(*targets: dict[str, Any], rules: tuple[dict[str, Any], ...] = ()) -> tuple[Contradiction, ...]:
    return find_across(set_aims(homes(*targets, rules=rules)))


SIZES = table("sizes", "household", "size", _1=300, _2=400, _3_6=300)
EXACT_SIZES = table("sizes", "household", "size", _1=300, _2=350, _3=150, _4=130, _5=70, _6=0)
JOBS = table("jobs", "person", "job", Works=1060, None_=1260)
JOBS["cells"][1]["job"] = "None"
WORKERS = table("workers", "household", "workers", _0=200, _1=380, _2=320, _3plus=100)
AGES = table("ages", "person", "age", _0_17=460, _18_64=1400, _65plus=460)


def test_counts_of_children_against_their_table() -> None:
    """Workers by household need more employed persons than the persons' table has: both are named, with both numbers."""
    contradiction = found(WORKERS, JOBS)[0]
    assert contradiction == Contradiction(targets=("workers", "jobs"), rules=())
    assert contradiction.numbers == "job Works: 1,060 stated, at least 1,320 by the others"
    assert contradiction.by_number
    assert set(found(WORKERS, JOBS, EXACT_SIZES)[0].targets) == {"sizes", "workers", "jobs"}
    assert not found(WORKERS, JOBS, EXACT_SIZES)[0].by_number


def test_shares_say_nothing_of_totals() -> None:
    """As shares the same tables can hold, since households may be as small as they need to be."""
    shares = table("jobs", "person", "job", "share", Works=0.457, No=0.543)
    shares["cells"][1]["job"] = "None"
    assert found(WORKERS, shares) == ()


def test_number_of_persons_against_sizes() -> None:
    """More persons than the households can hold are named with the table of sizes."""
    many = table("ages", "person", "age", _0_17=1000, _18plus=4000)
    contradiction = found(SIZES, many)[0]
    assert set(contradiction.targets) == {"sizes", "ages"}
    assert contradiction.by_number
    assert contradiction.numbers == "size [3, 7): 300 stated, at least 750 by the others"


@pytest.mark.parametrize(
    ("targets", "rules", "names"),
    [
        ((table("has child", "household", "has_child", yes=600, no=400), AGES), (), {"has child", "ages"}),
        (
            (table("head's age", "household", "head_age", _0_17=0, _18_64=300, _65plus=700), AGES),
            (),
            {"head's age", "ages"},
        ),
        ((table("oldest", "household", "oldest", _0_64=100, _65plus=900), AGES), (), {"oldest", "ages"}),
        ((table("youngest", "household", "youngest", _0_17=900, _18plus=100), AGES), (), {"youngest", "ages"}),
        (
            (
                table("income", "household", "income", _0_99=100, _100plus=900),
                table("pay", "person", "pay", _0_9=2000, _10_99=320),
            ),
            (),
            {"income", "pay"},
        ),
        (
            (table("everybody works", "household", "all_work", yes=900, no=100), SIZES, JOBS),
            (),
            {"everybody works", "jobs"},
        ),
        ((SIZES, table("few adults", "person", "age", _0_17=1800, _18plus=300)), ("adult",), {"few adults"}),
    ],
)
def test_functions_over_children_against_tables_of_children(
    targets: tuple[dict[str, Any], ...], rules: tuple[str, ...], names: set[str]
) -> None:
    """Whatever a household's table says of its members is held against the table of the members."""
    written = {"adult": {"name": "adult", "unit": "household", "forbid": "not any(person.age >= 18)"}}
    contradictions = found(*targets, rules=tuple(written[rule] for rule in rules))
    assert contradictions, "nothing was found"
    assert names <= set(contradictions[0].targets)


def test_parents_column_against_the_parents_table() -> None:
    """Persons by tenure are held against households by size and tenure."""
    cells = [
        {"size": "1", "tenure": "Owned", "count": 100},
        {"size": "2-6", "tenure": "Owned", "count": 0},
        {"size": "1", "tenure": "Rented", "count": 0},
        {"size": "2-6", "tenure": "Rented", "count": 100},
    ]
    persons = table("persons by tenure", "person", "household.tenure", Owned=250, Rented=250)
    contradiction = found({"name": "size by tenure", "unit": "household", "cells": cells}, persons)[0]
    assert contradiction.targets == ("size by tenure", "persons by tenure")


def test_mean_of_children_against_the_parents() -> None:
    """A mean over persons that the households' sums leave no room for is named."""
    income = table("income", "household", "income", _0_9=1000, _10plus=0)
    mean = {"name": "mean pay", "unit": "person", "mean": "pay", "cells": [{"mean": 50}]}
    contradiction = found(income, mean)[0]
    assert contradiction == Contradiction(targets=("income", "mean pay"), rules=())
    assert contradiction.numbers == "mean of pay: 50 stated, at most 9 by the others"


def test_rules_that_no_record_keeps() -> None:
    """Rules that exclude each other are named, the fewest of them, across units too."""
    rules = (
        {"name": "adult", "unit": "household", "forbid": "not any(person.age >= 18)"},
        {"name": "young", "unit": "person", "forbid": "age >= 18"},
        {"name": "other", "unit": "person", "forbid": "age < 15 and job == 'Works'"},
    )
    assert find_broken_rules(homes(SIZES, rules=rules))[0] == Contradiction(targets=(), rules=("adult", "young"))


def test_what_can_hold_raises_no_alarm() -> None:
    """Tables counted from one population of households contradict nothing, at the very edge of what is possible too."""
    jobs = table("jobs", "person", "job", Works=1320, No=1000)
    jobs["cells"][1]["job"] = "None"
    ages = table("ages", "person", "age", _0_17=320, _18plus=2000)
    head = table("head's age", "household", "head_age", _0_17=0, _18plus=1000)
    child = table("has child", "household", "has_child", yes=320, no=680)
    assert found(WORKERS, jobs) == ()
    assert found(head, child, ages) == ()


@pytest.mark.parametrize("seed", range(4))
def test_populations_that_exist_raise_no_alarm(seed: int, tmp_path: Path) -> None:
    """Whatever is counted in records of households and persons can hold together."""
    spec = Spec.load({**HOMES, "rules": []})
    measured = measure(spec, [write_homes(homes_at_random(seed, 80), tmp_path)])
    targets = tuple(
        replace(entry.target, values=tuple(float(value) for value in entry.values))
        for entry in measured
        if np.isfinite(entry.values).all() and entry.values.sum() > 0
    )
    assert len(targets) >= 3
    assert find_across(set_aims(replace(spec, targets=targets))) == ()


def test_totals_of_sums_that_no_table_cuts() -> None:
    """A total of the parents' sums, whose values no table tells apart, is not said to be out of reach."""
    incomes = {"name": "incomes", "unit": "person", "total": "household.income", "cells": [{"total": 150_000}]}
    rules = ({"name": "one works", "unit": "household", "forbid": "count(person.job == 'Works') < 1"},)
    assert found(SIZES, JOBS, incomes, rules=rules) == ()


def test_rules_on_records_that_there_cannot_be() -> None:
    """A unit that no parent can have any of breaks no rule, whatever its rules say."""
    never = {"name": "never", "unit": "person", "forbid": "job == 'Works' or job == 'None'"}
    document = households_of_persons({}, {"job": among("Works", "None")}, most=1, derived={}, targets=[], rules=[never])
    assert find_broken_rules(Spec.load(document)) != ()
    document["units"]["household"]["variables"]["size"]["range"] = [0, 1]
    assert find_broken_rules(Spec.load(document)) == ()
