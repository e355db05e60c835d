"""The laws of the alignment."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmsynthor.aims.cuts import build_grid
from llmsynthor.aims.goals import Goals, bring_to_grid
from llmsynthor.alignment.effort import Effort
from llmsynthor.alignment.priors import shape_potentials
from llmsynthor.alignment.results import Aligned, Start
from llmsynthor.alignment.rows.stages import rows_stages
from llmsynthor.alignment.schedule import run_stages
from llmsynthor.evaluation.compare import compare
from llmsynthor.population.aggregate import aggregate
from llmsynthor.population.roster import Roster
from llmsynthor.realization.values import realize
from llmsynthor.spec.specification import Spec
from tests.conftest import broken

SMALL = Effort(chains=2_000, workers=1)


def goals_of(spec: Spec) -> Goals:
    return bring_to_grid(spec, build_grid(spec, spec.schema.top))


def solve(
    spec: Spec, records: int, seed: int = 1, effort: Effort = SMALL, start: Start | None = None
) -> tuple[Goals, Aligned]:
    goals = goals_of(spec)
    potentials = shape_potentials(goals, records)
    return goals, run_stages(
        rows_stages(goals, records=records, seed=seed, potentials=potentials, start=start, effort=effort)
    )


def in_blocks(workers: int) -> Effort:
    """Small pieces, so that many workers have something to do."""
    return Effort(chains=3_000, chunk=256, block_records=500, workers=workers)


def frame_of(goals: Goals, aligned: Aligned) -> pl.DataFrame:
    return realize(goals, aligned.codes, rng=np.random.default_rng(0))


@pytest.mark.parametrize("records", [1, 7, 100, 1_000, 12_345])
def test_every_cell_is_within_a_record(spec: Spec, records: int) -> None:
    """Tables that agree are met to within rounding with exactly as many records as asked, few or many."""
    goals, aligned = solve(spec, records)
    assert len(aligned.codes) == records
    errors = [np.abs(aggregate(aligned.codes, goal) - goal.shares * records).max() for goal in goals.tables]
    assert max(errors) < 2 if records < 100 else max(errors) < 1


def test_rule_that_builds_a_wall_always_holds(spec: Spec) -> None:
    """A rule that ties two variables together holds for every record, though no single change crosses it."""
    goals, aligned = solve(spec, 2_000)
    assert broken(frame_of(goals, aligned)) == 0


def test_rule_between_numbers_always_holds(document: dict[str, Any]) -> None:
    """A rule that cuts through the cells of two numeric variables holds for every record, and the tables stay met."""
    document["units"]["person"]["variables"]["years_at_school"] = {"kind": "number", "range": [0, 30]}
    document["rules"].append({"name": "school", "unit": "person", "forbid": "years_at_school > age"})
    spec = Spec.load(document)
    goals, aligned = solve(spec, 2_000)
    frame = frame_of(goals, aligned)
    assert frame.filter(pl.col("years_at_school") > pl.col("age")).height == 0
    assert {comparison.status for comparison in compare(spec, {"person": frame})} == {"exact"}


def test_zero_stays_zero(document: dict[str, Any]) -> None:
    """A cell whose target is zero stays empty, without any rule."""
    document["rules"] = []
    document["targets"][2]["cells"][0]["count"] = 0
    document["targets"][1]["cells"] = [{"sex": "Male", "count": 480}, {"sex": "Female", "count": 300}]
    goals, aligned = solve(Spec.load(document), 5_000)
    frame = frame_of(goals, aligned)
    assert frame.filter((pl.col("employment") == "Employed") & (pl.col("sex") == "Female")).height == 0


def test_level_that_no_row_lists_is_a_zero(document: dict[str, Any]) -> None:
    """A level that a table leaves out never occurs, though another table would leave room for it."""
    document["units"]["person"]["variables"]["sex"]["levels"].append("Unknown")
    document["targets"] = document["targets"][:2]
    goals, aligned = solve(Spec.load(document), 2_000)
    assert set(frame_of(goals, aligned)["sex"]) == {"Female", "Male"}


def test_workers_change_nothing(spec: Spec) -> None:
    """The same seed gives the same codes with 1, 2 and 8 workers; another seed gives others."""
    made = [solve(spec, 3_000, effort=in_blocks(n))[1].codes for n in (1, 2, 8)]
    assert np.array_equal(made[0], made[1])
    assert np.array_equal(made[0], made[2])
    other = solve(spec, 3_000, seed=2, effort=in_blocks(2))[1].codes
    assert not np.array_equal(made[0], other)


def test_implied_table_changes_nothing(document: dict[str, Any]) -> None:
    """Adding a table that another one implies leaves every table met."""
    cells = [{"employment": e, "count": n} for e, n in (("Employed", 460), ("Not employed", 340), ("Under 16", 200))]
    document["targets"].append({"name": "employment", "unit": "person", "cells": cells})
    spec = Spec.load(document)
    goals, aligned = solve(spec, 1_000)
    assert {c.status for c in compare(spec, {"person": frame_of(goals, aligned)})} == {"exact"}


@settings(max_examples=8, deadline=None)
@given(st.permutations(["Female", "Male"]), st.permutations(["Employed", "Not employed", "Under 16"]))
def test_order_of_levels_changes_only_names(sexes: list[str], jobs: list[str]) -> None:
    """However the levels are ordered, every table is met all the same."""
    document = {
        "llmsynthor": 1,
        "units": {
            "person": {
                "variables": {"sex": {"kind": "category", "levels": sexes}, "job": {"kind": "category", "levels": jobs}}
            }
        },
        "targets": [
            {
                "unit": "person",
                "cells": [
                    {"sex": sex, "job": job, "count": 10 + 7 * len(sex) + 3 * len(job)} for sex in sexes for job in jobs
                ],
            }
        ],
    }
    spec = Spec.load(document)
    goals, aligned = solve(spec, 500)
    assert {c.status for c in compare(spec, {"person": frame_of(goals, aligned)})} == {"exact"}


def test_records_that_were_there_are_kept(spec: Spec) -> None:
    """Records that fit what is missing are kept as they are; alignment fills up around them."""
    _, first = solve(spec, 1_000)
    start = Start(roster=Roster.flat(first.codes[:100]))
    _, second = solve(spec, 1_000, seed=5, start=start)
    assert second.unchanged.mean() > 0.95


def test_contradicting_tables_end_with_the_best(document: dict[str, Any]) -> None:
    """Tables that cannot both hold do not stop a run: it ends with a sentence, and the others are met."""
    cells = [{"sex": "Male", "share": 0.7}, {"sex": "Female", "share": 0.3}]
    document["targets"].append({"name": "another source", "unit": "person", "cells": cells})
    spec = Spec.load(document)
    goals, aligned = solve(spec, 1_000)
    statuses = {c.target.name: c.status for c in compare(spec, {"person": frame_of(goals, aligned)})}
    assert statuses["age"] == "exact"
    assert "missed" in (statuses["sex"], statuses["another source"])
    assert "no cell nearer" in aligned.report.sentence


def test_universe_counts_only_its_own(document: dict[str, Any]) -> None:
    """A table about a part of the records is met within that part, whatever the others are."""
    cells = [{"sex": "Male", "share": 0.25}, {"sex": "Female", "share": 0.75}]
    document["targets"] = [
        document["targets"][0],
        {"name": "the old", "unit": "person", "universe": "age >= 65", "cells": cells},
    ]
    spec = Spec.load(document)
    goals, aligned = solve(spec, 1_000)
    old = frame_of(goals, aligned).filter(pl.col("age") >= 65)
    assert old.height == 200
    assert abs(old.filter(pl.col("sex") == "Male").height - 50) <= 1


def test_fit_has_the_largest_entropy() -> None:
    """Two variables that no table joins come out independent, to within sampling noise."""
    variables = {name: {"kind": "category", "levels": ["a", "b", "c"]} for name in ("x", "y", "z")}
    chain = [[40, 5, 5], [5, 30, 5], [2, 3, 5]]
    cells = [{"x": a, "y": b, "count": chain[i][j]} for i, a in enumerate("abc") for j, b in enumerate("abc")]
    other = [{"z": a, "count": n} for a, n in zip("abc", (50, 30, 20), strict=True)]
    document = {
        "llmsynthor": 1,
        "units": {"r": {"variables": variables}},
        "targets": [{"unit": "r", "name": "xy", "cells": cells}, {"unit": "r", "name": "z", "cells": other}],
    }
    _goals, aligned = solve(Spec.load(document), 20_000)
    x, z = aligned.codes[:, 0], aligned.codes[:, 2]
    joint = np.histogram2d(x, z, bins=(3, 3))[0] / len(x)
    assert np.abs(joint - np.outer(joint.sum(axis=1), joint.sum(axis=0))).sum() / 2 < 0.015
