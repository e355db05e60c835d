"""Groups that must have somebody."""

from llmsynthor.aims.peopled import must_have_records
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Statistic


def asked(records: float, *tables: dict[str, object]) -> list[bool]:
    """Which of the groups a, b, c of a mean must have a record beside some tables."""
    means = {"unit": "r", "mean": "age", "by": ["zone"], "cells": [{"zone": z, "mean": 30} for z in "abc"]}
    variables = {"zone": {"kind": "category", "levels": ["a", "b", "c"]}, "age": {"kind": "integer", "range": [0, 90]}}
    spec = Spec.load({"llmsynthor": 1, "units": {"r": {"variables": variables}}, "targets": [*tables, means]})
    mean = next(target for target in spec.targets if isinstance(target, Statistic))
    return must_have_records(spec.targets, mean, records).tolist()


def zones(*counts: float) -> dict[str, object]:
    return {"unit": "r", "cells": [{"zone": z, "count": n} for z, n in zip("abc", counts, strict=True)]}


def test_who_must_have_somebody() -> None:
    """A group that tables give a whole record must have one; one that they give none, or less than one, need not."""
    assert asked(100, zones(10, 0, 90)) == [True, False, True]
    assert asked(5, zones(10, 0, 90)) == [False, False, True]


def test_where_no_table_speaks() -> None:
    """Where no table speaks of groups, each must have somebody if there are records enough."""
    assert asked(100) == [True] * 3
    assert asked(2) == [False] * 3
