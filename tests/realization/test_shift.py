"""Values move inside their cells until every mean and total holds, however they overlap."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import llmsynthor
from llmsynthor.realization.shift import whole_sums
from llmsynthor.run.synthesize import Solution

EDGES = (0, 10, 20, 40, 200)


def population(seed: int, kind: str) -> pl.DataFrame:
    """Incomes that depend on sex and education."""
    rng = np.random.default_rng(seed)
    sex, education = rng.integers(0, 2, 600), rng.integers(0, 3, 600)
    income = np.minimum(rng.gamma(2.0, 8.0, 600) * (1 + 0.4 * education) * (1 + 0.2 * sex), 199.0)
    return pl.DataFrame(
        {
            "sex": [f"s{k}" for k in sex],
            "education": [f"e{k}" for k in education],
            "income": np.floor(income) if kind == "integer" else income,
        }
    )


def document(people: pl.DataFrame, kind: str, *means: tuple[str, ...], **about: Any) -> dict[str, Any]:
    """Tables of sex by education and of income, and the mean income by each of `means`."""
    levels = {name: sorted(people[name].unique()) for name in ("sex", "education")}
    joint = people.group_by("sex", "education").len("count").sort("sex", "education").to_dicts()
    bins = np.histogram(people["income"].to_numpy(), EDGES)[0]
    cells = [{"income": f"[{a}, {b})", "count": int(n)} for a, b, n in zip(EDGES, EDGES[1:], bins, strict=False)]
    targets = [{"name": "joint", "unit": "p", "cells": joint}, {"name": "income", "unit": "p", "cells": cells}]
    for by in means:
        grouped = people.group_by(by) if by else people.with_columns(one=1).group_by("one")
        rows = grouped.agg(pl.col("income").mean().alias("mean")).select(*by, "mean").sort("mean").to_dicts()
        targets.append({"name": f"mean by {by}", "unit": "p", "mean": "income", "cells": rows, **about})
    variables: dict[str, Any] = {name: {"kind": "category", "levels": own} for name, own in levels.items()}
    variables["income"] = {"kind": kind, "range": [0, 200]}
    return {"llmsynthor": 1, "units": {"p": {"variables": variables}}, "targets": targets}


def solve(spec: dict[str, Any], seed: int = 1, records: int = 600) -> Solution:
    return llmsynthor.synthesize(spec, records=records, llm="none", seed=seed)


@pytest.mark.slow
@settings(max_examples=8, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["number", "integer"]))
def test_overlapping_means_hold_together(seed: int, kind: str) -> None:
    """Means overall, by sex and by education, counted on one population, all hold, and the tables stay met."""
    people = population(seed, kind)
    solution = solve(document(people, kind, (), ("sex",), ("education",)), seed)
    assert set(solution.alignment["status"]) == {"exact"}, solution.alignment
    assert solution.exit_code == 0


def test_mean_out_of_reach_yields_to_the_tables() -> None:
    """No table is spoilt for a mean that it leaves no room for: the mean comes as near as cells allow, and both are named."""
    spec = document(population(0, "number"), "number", ())
    spec["targets"][2]["cells"] = [{"mean": 190.0}]
    solution = solve(spec)
    assert dict(solution.alignment.select("name", "status").iter_rows())["mean by ()"] == "cannot be met"
    assert set(solution.alignment["status"][:2]) == {"exact"}
    (contradiction,) = solution.manifest["alignment"]["contradictions"]
    assert contradiction.startswith('target "income" and target "mean by ()" cannot hold together')
    assert "the tables went before" in solution.stop_reason
    assert solution.exit_code == 1


@pytest.mark.parametrize(("important", "nearer"), [(1.0, None), (100.0, "mean by ('sex',)")])
@pytest.mark.slow
def test_importance_decides_between_means(important: float, nearer: str | None) -> None:
    """Means by groups that contradict the overall one: both yield, the less important one further, and both are named."""
    spec = document(population(0, "number"), "number", (), ("sex",))
    spec["targets"][2]["cells"][0]["mean"] += 1.0
    spec["targets"][3]["importance"] = important
    solution = solve(spec)
    errors = dict(solution.alignment.select("name", "max_abs_error").iter_rows())
    assert set(solution.alignment["status"][:2]) == {"exact"}
    assert set(solution.disagreements["target"]) == {"mean by ()", "mean by ('sex',)"}
    assert set(solution.disagreements["kind"]) == {"conflict"}
    assert min(errors["mean by ()"], errors["mean by ('sex',)"]) > (0.2 if nearer is None else 0.0)
    assert nearer is None or errors[nearer] < 0.1 < errors["mean by ()"]


@pytest.mark.slow
def test_means_in_whole_numbers_yield_to_finer_ones_within_their_rounding() -> None:
    """Means of groups rounded to whole euros beside means in cents: the cents hold, the whole ones are within rounding."""
    people = population(3, "number")
    spec = document(people, "number", ("sex",), ("education",))
    for target, digits in zip(spec["targets"][2:], (2, 0), strict=True):
        for cell in target["cells"]:
            cell["mean"] = round(cell["mean"], digits)
    solution = solve(spec)
    off = dict(solution.alignment.select("name", "max_abs_error").iter_rows())
    assert set(solution.alignment["status"]) <= {"exact", "within rounding"}
    assert off["mean by ('sex',)"] < 0.005 < off["mean by ('education',)"] < 0.5


def test_values_that_fit_are_not_touched() -> None:
    """Records whose means hold already keep every value."""
    people = population(3, "number")
    spec = document(people, "number", ("sex",))
    made = llmsynthor.synthesize(spec, records=600, start=people).records["p"]
    assert made["income"].equals(people["income"])


sizes = st.lists(st.integers(0, 9), min_size=6, max_size=6)


@settings(deadline=None)  # solvers are imported by the first
@given(sizes, sizes)
def test_whole_sums_of_a_table_with_given_margins(held: list[int], other: list[int]) -> None:
    """Units move between the cells of a 2 × 3 table until its margins are those of another, none leaving its room."""
    rows, columns = np.indices((2, 3)).reshape(2, -1)
    entering = np.concatenate([np.eye(2)[rows], np.eye(3)[columns]], axis=1)
    wanted = np.array(other, float) @ entering
    found = whole_sums(entering, np.array(held, float), wanted, np.zeros(6), np.full(6, 9.0))
    assert found.min() >= 0
    assert found.max() <= 9
    assert np.abs(found @ entering - wanted).max() <= 1


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whole_totals_end_on_the_nearest_number(seed: int) -> None:
    """Totals of whole numbers over wide groups, scaled to fewer records than they speak of, are each the nearest whole number."""
    groups, counts = ["a", "b", "c"], (23_000, 41_000, 1_900)
    totals = (1_234_567_891, 98_765_432_109, 19_210_987_655)
    variables = {
        "group": {"kind": "category", "levels": groups},
        "income": {"kind": "integer", "range": [-1_000_000, 500_000_000]},
    }
    cells = [{"group": group, "count": count} for group, count in zip(groups, counts, strict=True)]
    sums = [{"group": group, "total": total} for group, total in zip(groups, totals, strict=True)]
    targets = [
        {"name": "group", "unit": "p", "cells": cells},
        {"name": "income", "unit": "p", "total": "income", "by": ["group"], "cells": sums},
    ]
    solution = solve({"llmsynthor": 1, "units": {"p": {"variables": variables}}, "targets": targets}, seed, 3_000)
    made = dict(solution.records["p"].group_by("group").agg(pl.col("income").sum()).iter_rows())
    for group, total in zip(groups, totals, strict=True):
        assert abs(made[group] - total * 3_000 / sum(counts)) <= 0.5 + 1e-6
    assert set(solution.alignment["status"]) == {"exact"}


def test_whole_sums_that_cannot_all_be_nearest_share_the_rest() -> None:
    """Three groups of 0.4 make 1.2 together: no sum ends a whole unit off, though not all can be the nearest number."""
    entering = np.concatenate([np.eye(3), np.ones((3, 1))], axis=1)
    found = whole_sums(entering, np.zeros(3), np.array([0.4, 0.4, 0.4, 1.2]), np.zeros(3), np.full(3, 9.0))
    assert np.abs(entering.T @ found - [0.4, 0.4, 0.4, 1.2]).max() < 1


@pytest.mark.parametrize("statistic", ["total", "mean"])
@pytest.mark.parametrize("kind", ["integer", "number"])
def test_total_or_mean_of_nothing_is_met(kind: str, statistic: str) -> None:
    """A total or a mean of zero asks for zeros, and ends no run in an error."""
    document = {
        "llmsynthor": 1,
        "units": {"shop": {"variables": {"debt": {"kind": kind, "range": [0, 10]}}}},
        "targets": [{"name": "debts", "unit": "shop", statistic: "debt", "cells": [{statistic: 0}]}],
    }
    solution = llmsynthor.synthesize(document, records=50, llm="none", seed=1)
    assert solution.records["shop"]["debt"].sum() < 0.01
