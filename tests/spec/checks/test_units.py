"""Tables of parents and children that cannot be of the same records, and rules that need more children than there are."""

from typing import Any

import pytest

from llmsynthor.errors import Problem
from llmsynthor.spec.checks.checks import forbidden_targets, warnings
from llmsynthor.spec.specification import Spec

SIZES = [
    {"size": s, "tenure": t, "count": n}
    for (s, t), n in {("1", "Owned"): 20, ("1", "Rented"): 40, ("2", "Owned"): 60, ("2", "Rented"): 40}.items()
]
"""160 households, 260 persons: 140 with an owner, 120 with a tenant."""


def ages(*counts: float) -> list[dict[str, Any]]:
    return [{"age": a, "count": n} for a, n in zip(("[0, 18)", "[18, 65)", "65+"), counts, strict=True)]


def problems(
    targets: list[dict[str, Any]],
    rules: list[dict[str, Any]] | None = None,
    *,
    least: int = 1,
    derived: dict[str, Any] | None = None,
) -> list[Problem]:
    """All that `check` would say about households and persons with these targets and rules."""
    document = {
        "llmsynthor": 1,
        "units": {
            "household": {
                "variables": {
                    "size": {"kind": "integer", "range": [least, 4]},
                    "tenure": {"kind": "category", "levels": ["Owned", "Rented"]},
                },
                "derived": derived or {},
            },
            "person": {
                "parent": "household",
                "count": "size",
                "variables": {"age": {"kind": "integer", "range": [0, 100]}},
            },
        },
        "targets": targets,
        "rules": rules or [],
    }
    spec = Spec.load(document)
    return [p for p in (*forbidden_targets(spec), *warnings(spec)) if "no target says anything" not in p.what]


def household(cells: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    full = [
        *cells,
        *(
            {"size": "3", "tenure": t, "count": 0}
            for t in ("Owned", "Rented")
            if "size" in cells[0] and "tenure" in cells[0]
        ),
    ]
    return {"name": "homes", "unit": "household", "cells": full, **more}


def person(cells: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"name": "people", "unit": "person", "cells": cells, **more}


def test_persons_add_up_to_size_times_households() -> None:
    """260 persons in 160 households of these sizes are right; 300 are named with both totals and both mean sizes."""
    assert problems([household(SIZES), person(ages(60, 150, 50))]) == []
    (found,) = problems([household(SIZES), person(ages(60, 190, 50))])
    for text in ("people", "homes", "300 person records of 160", "1.875", "there are 260, a mean of 1.625"):
        assert text in str(found)


def test_a_range_of_sizes_is_a_range_of_totals() -> None:
    """Where the sizes are known as intervals only, every total between is right; the range of the variable is the last word."""
    wide = [{"size": "1", "count": 60}, {"size": "2+", "count": 100}]
    for total, right in ((250, False), (260, True), (360, True), (370, False)):
        assert (problems([household(wide), person(ages(60, total - 110, 50))]) == []) is right
    tenure = [{"tenure": "Owned", "count": 80}, {"tenure": "Rented", "count": 80}]
    assert "the range of size" in str(problems([household(tenure), person(ages(60, 30, 50))])[0])


def test_persons_by_tenure_follow_the_households() -> None:
    """140 of 260 persons have an owner; a table of persons that says otherwise is named with both shares."""

    def by_tenure(owned: float) -> dict[str, Any]:
        rows = [{"household.tenure": t, "count": n} for t, n in (("Owned", owned), ("Rented", 260 - owned))]
        return person(rows)

    assert problems([household(SIZES), by_tenure(140)]) == []
    (found,) = problems([household(SIZES), by_tenure(200)])
    assert "contradict each other about household.tenure" in found.what
    assert "53.85%" in str(found)
    apart = [
        {
            "name": "sizes",
            "unit": "household",
            "cells": [{"size": s, "count": n} for s, n in (("1", 60), ("2", 100), ("3", 0))],
        },
        {"name": "tenures", "unit": "household", "cells": [{"tenure": t, "count": 80} for t in ("Owned", "Rented")]},
    ]
    assert problems([*apart, by_tenure(110)]) == []  # 60 small and 20 large homes of owners: just possible
    assert "contradict" in problems([*apart, by_tenure(95)])[0].what


def test_a_table_by_the_size_itself() -> None:
    """Persons by the size of their household follow from households by size."""
    rows = [{"household.size": s, "count": n} for s, n in (("1", 60), ("2", 200), ("3", 0))]
    assert problems([household(SIZES), person(rows)]) == []
    assert (
        "household.size"
        in problems([household(SIZES), person([{**rows[0], "count": 160}, {**rows[1], "count": 100}, rows[2]])])[0].what
    )


ADULT = [
    "not any(person.age >= 18)",
    "count(person.age >= 18) < 1",
    "count(person.age >= 18) == 0",
    "0 == count(person.age >= 18)",
    "all(person.age < 18)",
    "first(person.age) < 18",
    "max(person.age) < 18",
]


@pytest.mark.parametrize("forbid", ADULT)
def test_children_alone_forced_by_tables(forbid: str) -> None:
    """A rule that wants an adult in each of 160 households is refused where the tables have 150 adults, and kept with 160."""
    rule = [{"name": "adult", "unit": "household", "forbid": forbid}]
    (found,) = problems([household(SIZES), person(ages(110, 100, 50))], rule)
    assert found.severity == "error"
    assert "0.9375" in str(found)
    assert problems([household(SIZES), person(ages(99, 111, 50))], rule) == []


def test_couples_need_two() -> None:
    """A rule with a condition on the household needs children for the households that surely meet it."""
    rule = [
        {"name": "two", "unit": "household", "forbid": "tenure == 'Owned' and size > 1 and count(person.age >= 18) < 2"}
    ]
    (found,) = problems([household(SIZES), person(ages(150, 70, 40))], rule)
    assert "needs more person records" in found.what
    assert problems([household(SIZES), person(ages(130, 80, 50))], rule) == []


def test_uncertain_tables_only_warn() -> None:
    """A table with a tolerance may yield: then it is a warning."""
    rule = [{"name": "adult", "unit": "household", "forbid": "not any(person.age >= 18)"}]
    (found,) = problems([household(SIZES), person(ages(130, 80, 50), tolerance=0.01)], rule)
    assert found.severity == "warning"


def test_a_parent_with_no_children() -> None:
    """A count that reaches zero is allowed; an expression that asks nobody for a value is pointed out, a guarded one is not."""
    rows = [{"size": s, "count": n} for s, n in (("0", 10), ("1", 60), ("2", 100), ("3", 0))]
    age = {"kind": "integer", "range": [0, 100]}

    def said(expression: str) -> list[Problem]:
        return problems(
            [household(rows), person(ages(60, 150, 50))], least=0, derived={"x": {**age, "expression": expression}}
        )

    (found,) = said("first(person.age)")
    assert "first() over nobody is missing" in found.what
    assert said("sum(person.age)") == said("first(person.age) if size > 0 else 0") == []
    none = [{**row, "count": 0 if row["size"] == "0" else row["count"]} for row in rows]
    assert (
        problems(
            [household(none), person(ages(60, 150, 50))],
            least=0,
            derived={"x": {**age, "expression": "max(person.age)"}},
        )
        == []
    )


def test_rules_of_any_unit_are_held_against_its_tables() -> None:
    """A rule that forbids a cell with a positive target is an error of any unit, with a parent's column or a derived one."""
    by_tenure = [
        {"age": a, "household.tenure": t, "count": 10} for a in ("[0, 18)", "18+") for t in ("Owned", "Rented")
    ]
    rule = [{"name": "young owners", "unit": "person", "forbid": "age < 20 and household.tenure == 'Owned'"}]
    (found,) = [p for p in problems([person(by_tenure)], rule) if p.severity == "error"]
    assert "age [0, 18) and household.tenure Owned" in str(found)
    head = {"head": {"kind": "integer", "range": [0, 100], "expression": "first(person.age)"}}
    heads = {"name": "heads", "unit": "household", "cells": [{"head": a, "count": 10} for a in ("[0, 15)", "15+")]}
    rule = [{"name": "head", "unit": "household", "forbid": "first(person.age) < 15"}]
    (found,) = [p for p in problems([heads], rule, derived=head) if p.severity == "error"]
    assert "head [0, 15)" in str(found)


@pytest.mark.parametrize(
    "forbid", ["age < 18 and age < previous(age)", "age < 18 and position > 1", "age < 18 and not age > previous(age)"]
)
def test_what_the_cells_cannot_tell_is_no_contradiction(forbid: str) -> None:
    """A rule that also asks for the child before, or the place among the children, forbids no cell as a whole."""
    assert problems([household(SIZES), person(ages(60, 150, 50))], [{"unit": "person", "forbid": forbid}]) == []
