"""Sums of nested records: means and totals of parents' and derived numbers hold beside tables, rules and quantiles."""

from typing import Any

import numpy as np
import polars as pl
import pytest

import llmsynthor
from tests.homes import among, households_of_persons

NUMBER = {"kind": "number", "range": [0, 10_000]}


def homes(*targets: dict[str, Any], whole: bool = False) -> dict[str, Any]:
    """Households of one to three persons with incomes, and pays of persons that add up to earnings."""
    kind = {"kind": "integer" if whole else "number"}
    sizes = [{"size": k, "count": n} for k, n in ((1, 60), (2, 80), (3, 60))]
    brackets = [
        {"income": f"[{a}, {b})", "count": n} for a, b, n in ((0, 2_000, 90), (2_000, 5_000, 70), (5_000, 10_000, 40))
    ]
    return households_of_persons(
        {"zone": among("A", "B"), "income": {**NUMBER, **kind}},
        {"sex": among("Female", "Male"), "pay": {**NUMBER, **kind}},
        most=3,
        derived={
            "earned": {**NUMBER, **kind, "range": [0, 40_000], "expression": "sum(person.pay)"},
            "most": {**NUMBER, **kind, "expression": "max(person.pay)"},
        },
        targets=[
            {"name": "sizes", "unit": "household", "cells": sizes, "value": "count"},
            {"name": "brackets", "unit": "household", "cells": brackets, "value": "count"},
            {
                "name": "zones",
                "unit": "household",
                "cells": [{"zone": "A", "count": 120}, {"zone": "B", "count": 80}],
                "value": "count",
            },
            *targets,
        ],
        synthesis={"records": 200, "seed": 1},
    )


def mean(unit: str, variable: str, value: float, **more: Any) -> dict[str, Any]:
    return {"name": f"{unit}: {variable}", "unit": unit, "mean": variable, "cells": [{"mean": value}], **more}


def made(spec: dict[str, Any]) -> pl.DataFrame:
    """The persons with all that their households have; every target is exact."""
    solution = llmsynthor.synthesize(spec, llm="none")
    assert set(solution.alignment["status"]) == {"exact"}
    return solution.records["person"].join(solution.records["household"], on="household_id")


@pytest.mark.parametrize("whole", [False, True])
def test_a_parents_mean_over_children_holds_beside_its_own(whole: bool) -> None:
    """Households' mean income and the mean over persons differ, and both hold inside the brackets of a table."""
    persons = made(homes(mean("household", "income", 3_000), mean("person", "household.income", 3_300), whole=whole))
    assert persons["income"].mean() == pytest.approx(3_300, abs=0.01)
    assert persons.unique("household_id")["income"].mean() == pytest.approx(3_000, abs=0.01)


@pytest.mark.parametrize("whole", [False, True])
def test_means_of_derived_numbers_hold(whole: bool) -> None:
    """A sum and a maximum over members have their means, by groups and in a universe, beside the members' own mean."""
    by_zone = {"by": ["zone"], "cells": [{"zone": "A", "mean": 6_500}, {"zone": "B", "mean": 5_000}]}
    targets = (
        mean("household", "earned", 0, **by_zone),
        mean("household", "most", 4_200),
        mean("person", "pay", 2_950),
    )
    households = (
        made(homes(*targets, whole=whole))
        .group_by("household_id")
        .agg(pl.col("pay").sum().alias("sum"), pl.col("pay").max().alias("max"), pl.col("zone").first())
    )
    means = dict(households.group_by("zone").agg(pl.col("sum").mean()).iter_rows())
    assert means == pytest.approx({"A": 6_500, "B": 5_000}, abs=0.01)
    assert households["max"].mean() == pytest.approx(4_200, abs=0.01)


def test_quantiles_of_derived_and_of_parents_numbers_hold() -> None:
    """Half of the households earn less than the median of a sum, and so do the persons below a quantile of their household's."""
    median = {
        "name": "median",
        "unit": "household",
        "quantile": "earned",
        "probability": 0.5,
        "cells": [{"quantile": 5_000}],
    }
    decile = {
        "name": "decile",
        "unit": "person",
        "quantile": "household.income",
        "probability": 0.9,
        "cells": [{"quantile": 7_000}],
    }
    persons = made(homes(median, decile))
    earned = persons.group_by("household_id").agg(pl.col("pay").sum())["pay"].to_numpy()
    assert np.sum(earned < 5_000) == 100
    assert abs(np.sum(persons["income"].to_numpy() < 7_000) - 0.9 * persons.height) <= 1
