"""What `check` says of specs that can be run but leave something open."""

from typing import Any

import pytest

from llmsynthor.spec.checks.checks import warnings
from llmsynthor.spec.specification import Spec

MEAN = {"name": "income", "unit": "person", "universe": "age >= 16", "mean": "income", "cells": [{"mean": 30_000}]}
AGES = {"name": "ages", "unit": "person", "cells": [{"age": "0-15", "count": 20}, {"age": "16+", "count": 80}]}


def said(targets: list[dict[str, Any]], forbid: str = "") -> list[str]:
    """The warnings about a number outside the universe of what is told of it."""
    variables = {"age": {"kind": "integer", "range": [0, 100]}, "income": {"kind": "integer", "range": [0, 400_000]}}
    rules = [{"name": "rule", "unit": "person", "forbid": forbid}] if forbid else []
    document = {"llmsynthor": 1, "units": {"person": {"variables": variables}}, "targets": targets, "rules": rules}
    return [str(problem) for problem in warnings(Spec.load(document)) if "outside" in problem.what]


def test_a_number_told_in_a_universe_alone_is_pointed_out() -> None:
    """Children would have any income: the warning names universe, range and what to write."""
    (warning,) = said([AGES, MEAN])
    assert "units.person.variables.income" in warning
    assert "age >= 16" in warning
    assert "400000" in warning
    assert "forbid: not (age >= 16) and income > 0" in warning


@pytest.mark.parametrize(
    ("targets", "forbid"),
    [
        ([AGES, MEAN], "age < 16 and income > 0"),
        ([AGES, MEAN, {"name": "all", "unit": "person", "mean": "income", "cells": [{"mean": 25_000}]}], ""),
        ([AGES], ""),
    ],
)
def test_nothing_is_said_where_a_rule_or_a_target_of_all_tells(targets: list[dict[str, Any]], forbid: str) -> None:
    """A rule about it, a target of all records, or no target in a universe: no such warning."""
    assert said(targets, forbid) == []


ZONES = {"kind": "category", "levels": ["a", "b", "c"]}
JOBS = {"kind": "category", "levels": ["works", "rests"]}


def all_said(target: dict[str, Any]) -> str:
    """All warnings of persons in zones with one table of zones and another target."""
    zones = {"name": "zones", "unit": "person", "cells": [{"zone": z, "count": 100} for z in "abc"]}
    variables = {"zone": ZONES, "job": JOBS, "cars": {"kind": "integer", "range": [0, 5]}}
    document = {"llmsynthor": 1, "units": {"person": {"variables": variables}}, "targets": [zones, target]}
    return "\n".join(map(str, warnings(Spec.load(document))))


def test_a_zone_that_a_table_leaves_out_is_named() -> None:
    """In a table of a universe too it would come to be zero; in a table of means its mean is left open."""
    workers = {
        "name": "workers",
        "universe": "job == 'works'",
        "cells": [{"zone": "a", "count": 5}, {"zone": "b", "count": 5}],
    }
    means = {
        "name": "cars",
        "mean": "cars",
        "by": ["zone"],
        "cells": [{"zone": "a", "mean": 1}, {"zone": "b", "mean": 2}],
    }
    assert "levels of zone never occur and are taken as zero (found: c)" in all_said(workers)
    assert "nothing is said of some levels of zone: their mean is left open (found: c)" in all_said(means)


def test_what_a_count_of_some_districts_leaves_open_is_not_called_zero() -> None:
    """`of` counts the named cells alone: districts that it does not name, which follow from zones, stay open."""
    count = {"name": "workers", "of": "zones", "cells": [{"district": "north", "job": "works", "count": 5}]}
    lookup = {"cells": [{"zone": z, "district": d} for z, d in zip("abc", ("north", "north", "south"), strict=True)]}
    document: dict[str, Any] = {
        "llmsynthor": 1,
        "units": {
            "person": {
                "variables": {"zone": ZONES, "job": JOBS},
                "derived": {"district": {"lookup": {**lookup, "by": ["zone"], "value": "district"}}},
            }
        },
        "targets": [{"name": "zones", "cells": [{"zone": z, "count": 100} for z in "abc"]}, count],
    }
    assert "never occur" not in "\n".join(map(str, warnings(Spec.load(document))))
    document["targets"][1].pop("of")
    assert "levels of district never occur" in "\n".join(map(str, warnings(Spec.load(document))))


def test_shares_of_a_group_that_miss_a_whole_are_named() -> None:
    """Of 60 % of women, where men have 100, it is said that they are divided by their sum; rounded ones pass."""
    rows = [
        ("a", "works", 12),
        ("a", "rests", 48),
        ("b", "works", 50),
        ("b", "rests", 50),
        ("c", "works", 33),
        ("c", "rests", 66),
    ]
    cells = [{"zone": zone, "job": job, "percent": percent} for zone, job, percent in rows]
    said = all_said({"name": "jobs", "given": ["zone"], "cells": cells})
    assert "do not add up to 100, and are divided by their sum (found: zone a: 60)" in said
