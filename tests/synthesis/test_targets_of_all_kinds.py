"""Means, totals, quantiles, universes, structural zeros, soft targets: each is met, and spoils no table."""

from typing import Any

import numpy as np
import polars as pl
import pytest

import llmsynthor
from llmsynthor.alignment.effort import Effort
from llmsynthor.evaluation.compare import compare
from llmsynthor.spec.specification import Spec
from tests.alignment.test_align import frame_of, solve

VARIABLES = {
    "region": {"kind": "category", "levels": ["north", "south"]},
    "age": {"kind": "integer", "range": [0, 100]},
    "income": {"kind": "number", "range": [0, 200_000]},
}
REGION = {
    "name": "region",
    "unit": "person",
    "cells": [{"region": "north", "count": 600}, {"region": "south", "count": 400}],
}
AGE = {
    "name": "age",
    "unit": "person",
    "cells": [{"age": "0-17", "count": 220}, {"age": "18-64", "count": 580}, {"age": "65+", "count": 200}],
}
INCOME = {
    "name": "income",
    "unit": "person",
    "cells": [
        {"income": "[0, 20000)", "count": 300},
        {"income": "[20000, 60000)", "count": 450},
        {"income": "[60000, 200000)", "count": 250},
    ],
}


def spec_with(*targets: dict[str, Any], rules: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    units = {"person": {"variables": VARIABLES}}
    return {"llmsynthor": 1, "units": units, "targets": list(targets), "rules": rules or []}


def statuses(document: dict[str, Any], records: int = 1_000) -> tuple[dict[str, str], pl.DataFrame]:
    solution = llmsynthor.synthesize(document, records=records, llm="none", seed=3)
    return dict(solution.alignment.select("name", "status").iter_rows()), solution.records["person"]


def test_total_by_groups_is_met_beside_tables() -> None:
    """Totals hold to the last digit, and the tables of the same variable stay met."""
    cells = [{"region": "north", "total": 24_000_000}, {"region": "south", "total": 21_000_000}]
    found, frame = statuses(
        spec_with(REGION, INCOME, {"unit": "person", "name": "sum", "total": "income", "cells": cells})
    )
    assert set(found.values()) == {"exact"}
    sums = dict(frame.group_by("region").agg(pl.col("income").sum()).iter_rows())
    assert sums["north"] == pytest.approx(24_000_000, rel=1e-6)


def test_total_is_scaled_to_the_records_asked_for() -> None:
    """The total of a population of 1,000 is a tenth of it for 100 records."""
    total = {"unit": "person", "name": "sum", "total": "income", "cells": [{"total": 45_000_000}]}
    found, frame = statuses(spec_with(REGION, INCOME, total), records=100)
    assert found["sum"] == "exact"
    assert frame["income"].sum() == pytest.approx(4_500_000, rel=1e-6)


def test_quantiles_of_numbers_are_met_beside_tables() -> None:
    """Three quantiles of one variable, one of them by groups, hold, and so does the table that cuts elsewhere."""
    median = [{"region": "north", "quantile": 30_000}, {"region": "south", "quantile": 45_000}]
    found, frame = statuses(
        spec_with(
            REGION,
            INCOME,
            {"unit": "person", "name": "median", "quantile": "income", "probability": 0.5, "cells": median},
            {
                "unit": "person",
                "name": "p90",
                "quantile": "income",
                "probability": 0.9,
                "cells": [{"quantile": 95_000}],
            },
            {"unit": "person", "name": "p10", "quantile": "income", "probability": 0.1, "cells": [{"quantile": 5_000}]},
        )
    )
    assert set(found.values()) == {"exact"}
    assert abs((frame["income"] < 95_000).sum() - 900) <= 1


@pytest.mark.parametrize("value", [38, 38.5])
def test_quantile_of_whole_numbers(value: float) -> None:
    """A median that records can take, and one that none can."""
    target = {"unit": "person", "name": "m", "quantile": "age", "probability": 0.5, "cells": [{"quantile": value}]}
    found, frame = statuses(spec_with(AGE, REGION, target))
    assert set(found.values()) == {"exact"}
    assert (frame["age"] < value).sum() <= 501
    assert (frame["age"] <= value).sum() >= 499


def test_given_structural_zero_never_occurs() -> None:
    """A cell that a table gives as structurally zero stays empty though another source wants records there."""
    joint = {
        "unit": "person",
        "name": "joint",
        "zeros": "structural",
        "cells": [
            {"region": "north", "age": "0-64", "count": 500},
            {"region": "north", "age": "65+", "count": 0},
            {"region": "south", "age": "0-64", "count": 300},
            {"region": "south", "age": "65+", "count": 200},
        ],
    }
    wants = {"unit": "person", "name": "old", "universe": "age >= 65", "cells": REGION["cells"]}
    _, frame = statuses(spec_with(joint, wants))
    assert frame.filter((pl.col("region") == "north") & (pl.col("age") >= 65)).height == 0


def test_mean_within_a_universe() -> None:
    """A mean over a part of the records leaves the others alone."""
    target = {"unit": "person", "name": "m", "universe": "age >= 65", "mean": "income", "cells": [{"mean": 17_500}]}
    found, frame = statuses(spec_with(AGE, INCOME, target))
    assert set(found.values()) == {"exact"}
    assert frame.filter(pl.col("age") >= 65)["income"].mean() == pytest.approx(17_500, rel=1e-6)


@pytest.mark.parametrize(("trust", "least", "most"), [(0.02, 0.0, 0.02), (0.5, 0.08, 0.15), (0.99, 0.18, 0.192)])
def test_soft_table_pulls_by_its_trust(trust: float, least: float, most: float) -> None:
    """The less a table is trusted, the nearer its variables stay to independence; hard tables are met all the same."""
    cells = [
        {"region": "north", "age": "0-49", "count": 550},
        {"region": "north", "age": "50-99", "count": 50},
        {"region": "south", "age": "0-49", "count": 50},
        {"region": "south", "age": "50-99", "count": 350},
    ]
    halves = {
        "unit": "person",
        "name": "halves",
        "cells": [{"age": "0-49", "count": 600}, {"age": "50-99", "count": 400}],
    }
    soft = {"unit": "person", "name": "soft", "trust": trust, "cells": cells}
    spec = Spec.load(spec_with(REGION, halves, soft))
    goals, aligned = solve(spec, 20_000, effort=Effort(chains=20_000, workers=1))
    frame = frame_of(goals, aligned)
    compared = {c.target.name: c.status for c in compare(spec, {"person": frame})}
    assert compared["region"] == compared["halves"] == "exact"
    together = frame.filter((pl.col("region") == "north") & (pl.col("age") < 50)).height / frame.height
    assert least <= together - 0.36 <= most


def test_different_cuts_of_one_variable() -> None:
    """Tables that cut a variable differently are all met, on their common refinement."""
    other = [
        {"age": "0-4", "region": "north", "count": 30},
        {"age": "0-4", "region": "south", "count": 20},
        {"age": "5-64", "region": "north", "count": 450},
        {"age": "5-64", "region": "south", "count": 300},
        {"age": "65+", "region": "north", "count": 120},
        {"age": "65+", "region": "south", "count": 80},
    ]
    found, _ = statuses(spec_with(AGE, {"unit": "person", "name": "other cut", "cells": other}))
    assert set(found.values()) == {"exact"}


def test_statistics_are_measured_as_they_were_asked() -> None:
    """Quantiles that a spec asks for come out of `measure` on the records that it made."""
    target = {"unit": "person", "name": "m", "quantile": "income", "probability": 0.5, "cells": [{"quantile": 30_000}]}
    _, frame = statuses(spec_with(INCOME, target))
    assert float(np.quantile(frame["income"], 0.5)) == pytest.approx(30_000, rel=0.02)


def test_total_needs_records_too() -> None:
    """Where no table says how many records a group has, its total brings in as many as it takes."""
    cells = [{"region": "north", "total": 39_000_000}, {"region": "south", "total": 6_000_000}]
    found, frame = statuses(spec_with(INCOME, {"unit": "person", "name": "sum", "total": "income", "cells": cells}))
    assert set(found.values()) == {"exact"}
    assert frame.filter(pl.col("region") == "north").height > 700
