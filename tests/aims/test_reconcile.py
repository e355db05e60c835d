"""Sources that disagree are brought to agree, openly."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import llmsynthor
from llmsynthor.aims.goals import Goals, bring_to_grid
from llmsynthor.aims.grid import build_grid
from llmsynthor.aims.reconcile import reconcile
from llmsynthor.spec.specification import Spec

VARIABLES = {
    "sex": {"kind": "category", "levels": ["f", "m"]},
    "age": {"kind": "integer", "range": [0, 90]},
    "job": {"kind": "category", "levels": ["yes", "no", "child"]},
}


def document(*targets: dict[str, Any]) -> dict[str, Any]:
    return {
        "llmsynthor": 1,
        "units": {"person": {"variables": VARIABLES}},
        "targets": [{"unit": "person", **target} for target in targets],
    }


def goals_of(*targets: dict[str, Any]) -> Goals:
    spec = Spec.load(document(*targets))
    return bring_to_grid(spec, build_grid(spec, spec.schema.top))


def sexes(name: str, f: float, m: float, **about: Any) -> dict[str, Any]:
    errors = about.pop("errors", (None, None))
    rows = [
        {"sex": level, "count": count, **({"moe": error} if error is not None else {})}
        for level, count, error in (("f", f, errors[0]), ("m", m, errors[1]))
    ]
    return {"name": name, "cells": rows, **({"margin_of_error": "moe"} if errors[0] is not None else {}), **about}


def sex_by_job(name: str, *counts: float, **about: Any) -> dict[str, Any]:
    rows = [
        {"sex": sex, "job": job, "count": count}
        for (sex, job), count in zip(((s, j) for s in "fm" for j in ("yes", "no", "child")), counts, strict=True)
    ]
    return {"name": name, "cells": rows, **about}


def test_tables_that_agree_are_left_alone() -> None:
    """No share moves, and nothing is reported."""
    goals = goals_of(sexes("a", 520, 480), sex_by_job("b", 100, 220, 200, 180, 100, 200))
    again, found = reconcile(goals)
    assert found == ()
    assert again is goals


@pytest.mark.parametrize(("important", "share"), [(1.0, 0.5), (3.0, 0.55), (1e9, 0.6)])
def test_importance_decides(important: float, share: float) -> None:
    """The average is weighted by importance; one that is far more important does not move."""
    goals, found = reconcile(goals_of(sexes("a", 600, 400, importance=important), sexes("b", 400, 600)))
    assert goals.tables[0].shares[0] == pytest.approx(share, abs=1e-6)
    assert goals.tables[1].shares[0] == pytest.approx(share, abs=1e-6)
    assert {entry.kind for entry in found} == {"conflict"}


def test_the_wider_margin_of_error_yields() -> None:
    """Of two sources the one that is less sure moves further, in proportion to its variance."""
    goals, found = reconcile(goals_of(sexes("a", 600, 400, errors=(10, 10)), sexes("b", 500, 500, errors=(30, 30))))
    assert goals.tables[0].shares[0] == pytest.approx(0.59, abs=2e-3)
    assert {entry.kind for entry in found} == {"conflict"}


def test_margins_of_error_explain() -> None:
    """A difference inside the margins of error is told from a conflict, and from rounding."""
    _, found = reconcile(goals_of(sexes("a", 505, 495, errors=(20, 20)), sexes("b", 500, 500, errors=(20, 20))))
    assert {entry.kind for entry in found} == {"margin of error"}
    _, found = reconcile(goals_of(sexes("a", 333_333, 666_667), sexes("b", 0.333, 0.667)))
    assert {entry.kind for entry in found} == {"rounding"}


def test_zero_stays_zero() -> None:
    """A cell that one source gives as zero is zero, however many others want records there."""
    goals, found = reconcile(
        goals_of(sexes("a", 0, 500), sexes("b", 100, 400), sex_by_job("c", 10, 10, 10, 10, 10, 10))
    )
    for goal in goals.tables:
        assert goal.shares.reshape(2, -1)[0].sum() == 0
    assert found


def test_different_cuts_agree_on_what_they_share() -> None:
    """Tables that cut age differently are compared, and brought to agree, on the cuts both have."""
    fine = {"name": "fine", "cells": [{"age": a, "count": n} for a, n in (("0-17", 20), ("18-64", 60), ("65+", 20))]}
    coarse = {"name": "coarse", "cells": [{"age": a, "count": n} for a, n in (("0-64", 70), ("65+", 30))]}
    goals, found = reconcile(goals_of(fine, coarse))
    assert goals.tables[0].shares[2] == pytest.approx(0.25)
    assert goals.tables[0].shares[0] / goals.tables[0].shares[1] == pytest.approx(20 / 60)
    assert {str(entry.cell[0]) for entry in found} == {"[0, 65)", "[65, 90)"}


def test_universe_is_compared_with_its_part() -> None:
    """A table about adults is compared with what a table of everybody says of adults."""
    everybody = {
        "name": "everybody",
        "cells": [
            {"age": age, "sex": sex, "count": n}
            for age, sex, n in (("0-15", "f", 10), ("0-15", "m", 10), ("16+", "f", 40), ("16+", "m", 40))
        ],
    }
    goals, found = reconcile(goals_of(everybody, sexes("adults", 60, 40, universe="age >= 16")))
    assert {entry.universe for entry in found} == {"age >= 16"}
    assert goals.tables[1].shares[0] == pytest.approx(0.55)
    assert goals.tables[0].shares == pytest.approx([0.1, 0.1, 0.44, 0.36])


counts = st.lists(st.integers(1, 500), min_size=6, max_size=6)


@settings(max_examples=40, deadline=None)
@given(counts, counts, st.floats(0.1, 10))
def test_law_tables_agree_afterwards(one: list[int], other: list[int], importance: float) -> None:
    """Whatever was stated, every shared margin agrees afterwards, nothing is negative, and each table sums to 1."""
    tables = (sex_by_job("a", *one, importance=importance), sex_by_job("b", *other), sexes("c", one[0], other[1]))
    goals, _ = reconcile(goals_of(*tables))
    margins = [goal.shares.reshape(2, -1).sum(axis=1) for goal in goals.tables]
    assert np.ptp(np.stack(margins), axis=0).max() < 1e-6
    assert all(goal.shares.min() >= 0 and goal.shares.sum() == pytest.approx(1) for goal in goals.tables)


def test_run_says_who_yielded() -> None:
    """alignment and disagreements name the table that yielded, to whom, where, by how many records, and why."""
    solution = llmsynthor.synthesize(
        document(sexes("census", 600, 400, importance=1e6), sexes("survey", 500, 500)), records=1_000, llm="none"
    )
    rows = {row["name"]: row for row in solution.alignment.to_dicts()}
    assert rows["census"]["status"] == "exact"
    assert rows["survey"]["status"] == "yielded"
    assert rows["survey"]["yielded"] == pytest.approx(100, abs=0.1)
    assert rows["survey"]["yielded_to"] == "census"
    assert solution.exit_code == 0
    moved = solution.disagreements.filter(pl.col("target") == "survey").to_dicts()
    assert {row["cell"] for row in moved} == {"sex = f", "sex = m"}


def test_noisy_tables_with_negative_cells_are_aligned_to() -> None:
    """Cells made negative by noise are zeros, totals may differ, and every cell comes within its margin of error."""
    noisy = {
        "name": "noisy",
        "margin_of_error": "margin_of_error",
        "cells": [
            {"job": job, "count": count, "margin_of_error": 12}
            for job, count in (("yes", 604.0), ("no", 401.0), ("child", -7.0))
        ],
    }
    joint = sex_by_job("joint", 300, 200, 0, 300, 200, 0)
    solution = llmsynthor.synthesize(document(noisy, joint), records=1_000, llm="none")
    assert set(solution.alignment["status"]) <= {"exact", "within margin of error"}
    assert solution.records["person"].filter(pl.col("job") == "child").height == 0


def mean_age(name: str, *values: float, **about: Any) -> dict[str, Any]:
    cells = [{"sex": sex, "mean": value} for sex, value in zip("fm", values, strict=True)]
    return {"name": name, "mean": "age", "cells": cells, **about}


@pytest.mark.parametrize(("important", "used"), [(1.0, 45.0), (4.0, 42.0)])
def test_means_stated_twice_are_averaged_openly(important: float, used: float) -> None:
    """Of two statements of one mean the important one moves less; both are written down, with whom they yielded to."""
    solution = llmsynthor.synthesize(
        document(sexes("sex", 500, 500), mean_age("one", 40, 30, importance=important), mean_age("other", 50, 30)),
        records=1_000,
        llm="none",
    )
    women = solution.records["person"].filter(pl.col("sex") == "f")
    assert women["age"].mean() == pytest.approx(used, abs=0.01)
    rows = {row["target"]: row for row in solution.disagreements.to_dicts()}
    assert rows["one"]["cell"] == "mean of age, sex = f"
    assert (rows["one"]["stated"], rows["one"]["used"], rows["one"]["kind"]) == (40, pytest.approx(used), "conflict")
    alignment = {row["name"]: row for row in solution.alignment.to_dicts()}
    assert alignment["other"]["yielded"] == pytest.approx(50 - used)
    assert alignment["other"]["yielded_to"] == "one"
    assert alignment["other"]["end"] == f"yielded to one by {50 - used:.4g}"
    assert solution.exit_code == 0


def test_rounded_mean_takes_the_digits_of_the_other() -> None:
    """40 and 40.3 are one fact: the second is met, the first within its rounding."""
    solution = llmsynthor.synthesize(
        document(sexes("sex", 500, 500), mean_age("coarse", 40, 30), mean_age("fine", 40.3, 30)),
        records=1_000,
        llm="none",
    )
    assert {row["kind"] for row in solution.disagreements.to_dicts()} == {"rounding"}
    assert set(solution.alignment["status"]) <= {"exact", "within rounding"}
    assert solution.exit_code == 0
