"""Sources that disagree are brought to agree, openly."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import llmsynthor
from llmsynthor.aims.about import universe_names
from llmsynthor.aims.cuts import build_grid
from llmsynthor.aims.goals import Goals, bring_to_grid
from llmsynthor.aims.reconcile import reconcile, reconcile_sources
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


CENSUS = (168_123, 160_210, 350_001, 321_666)
"""Women and men of two groups, to the person."""


def joint(name: str, *values: float, value: str = "count", **about: Any) -> dict[str, Any]:
    rows = [
        {"sex": sex, "job": job, value: number}
        for (sex, job), number in zip([(s, j) for s in "fm" for j in ("yes", "no")], values, strict=True)
    ]
    return {"name": name, "cells": rows, **about}


def one_way(name: str, *values: float, value: str = "share", **about: Any) -> dict[str, Any]:
    return {"name": name, "cells": [{"sex": s, value: v} for s, v in zip("fm", values, strict=True)], **about}


@pytest.mark.parametrize(
    "coarse",
    [
        one_way("whole per cent", 0.33, 0.67),
        one_way("percent column", 33, 67, value="percent"),
        one_way("in thousands", 328_000, 672_000, value="count", rounding=1000),
        one_way("in tens of per cent", 0.3, 0.7, rounding=0.1),
    ],
)
def test_a_count_to_the_person_does_not_move_for_a_rounded_one(coarse: dict[str, Any]) -> None:
    """Where rounding explains the difference, the table with more digits is used as it is, and the other follows."""
    if "percent" in coarse["cells"][0]:
        coarse["value"] = "percent"
    goals, found = reconcile(goals_of(joint("census", *CENSUS), coarse))
    assert {entry.kind for entry in found} == {"rounding"}
    census, other = goals.tables
    assert np.abs(census.shares - census.stated).max() * 1e6 < 0.5
    assert other.shares[0] == pytest.approx(sum(CENSUS[:2]) / 1e6, abs=1e-6)


def test_a_base_is_recognised_from_the_values() -> None:
    """Counts that are all multiples of ten yield to counts to the person, without being told to."""
    ages = [f"{low}-{low + 9}" for low in range(0, 90, 10)]
    exact = (1203, 1388, 2041, 1877, 1652, 839, 702, 538, 311)
    rounded = (1200, 1390, 2040, 1880, 1650, 840, 700, 540, 310)

    def by_age(name: str, counts: tuple[int, ...]) -> dict[str, Any]:
        return {"name": name, "cells": [{"age": a, "count": n} for a, n in zip(ages, counts, strict=True)]}

    goals, found = reconcile(goals_of(by_age("exact", exact), by_age("rounded", rounded)))
    assert {entry.kind for entry in found} == {"rounding"}
    shares = np.array(exact) / sum(exact)
    assert np.abs(goals.tables[0].shares - shares).max() * sum(exact) < 0.2
    assert np.abs(goals.tables[1].shares - shares).max() * sum(exact) < 0.2


def test_digits_do_not_decide_a_real_conflict() -> None:
    """Where rounding explains nothing, the source with fewer digits is averaged with its full weight."""
    goals, found = reconcile(goals_of(joint("census", *CENSUS), one_way("survey", 0.51, 0.49)))
    assert {entry.kind for entry in found} == {"conflict"}
    assert goals.tables[1].shares[0] == pytest.approx((0.328333 + 0.51) / 2, abs=0.001)


def test_a_zero_that_rounding_made_erases_nobody() -> None:
    """0 % in whole per cent beside 1,300 of a million leaves the 1,300 there; a zero beside a tenth stays a zero."""
    jobs = [{"job": "yes", "count": 600_000}, {"job": "no", "count": 398_700}, {"job": "child", "count": 1_300}]
    rounded = [{"job": "yes", "share": 0.6}, {"job": "no", "share": 0.4}, {"job": "child", "share": 0.0}]
    goals, _ = reconcile(goals_of({"name": "census", "cells": jobs}, {"name": "report", "cells": rounded}))
    assert goals.tables[0].shares[2] == pytest.approx(0.0013, rel=1e-3)
    assert goals.tables[1].shares[2] == pytest.approx(0.0013, rel=1e-3)
    structural = {"name": "report", "cells": rounded, "zeros": "structural"}
    goals, _ = reconcile(goals_of({"name": "census", "cells": jobs}, structural))
    assert goals.tables[0].shares[2] == 0


@pytest.mark.parametrize("universe", ["age >= 0", "age > 15", "job != 'child'"])
def test_a_universe_of_everybody_hides_no_disagreement(universe: str) -> None:
    """Whether a range or rules make a universe true of all, its table is compared like one without."""
    spec_document = document(sexes("a", 600, 400), sexes("b", 400, 600, universe=universe))
    spec_document["rules"] = [
        {"unit": "person", "forbid": "(age < 16) != (job == 'child')"},
        {"unit": "person", "forbid": "age < 16"},
    ]
    solution = llmsynthor.synthesize(spec_document, records=200, llm="none")
    assert set(solution.disagreements["target"]) == {"a", "b"}
    assert set(solution.disagreements["universe"]) == {""} or solution.disagreements["universe"].null_count() == 4
    assert set(solution.alignment["status"]) == {"yielded"}
    assert solution.exit_code == 0


def test_equal_universes_are_compared_however_they_are_written() -> None:
    """Two tables about the same records disagree openly, whichever words say who they are about."""
    spec = Spec.load(document(sexes("a", 60, 40, universe="age >= 16"), sexes("b", 40, 60, universe="not age < 16")))
    goals = bring_to_grid(spec, build_grid(spec, spec.schema.top))
    _, found = reconcile_sources(goals, universe_names(spec))
    assert {entry.universe for entry in found} == {"age >= 16"}


def test_a_universe_of_households_that_persons_make_true_hides_nothing() -> None:
    """Heads are adults by a rule on persons: a table about households with an adult head is about all of them."""
    homes = {
        "llmsynthor": 1,
        "units": {
            "household": {
                "variables": {"size": {"kind": "integer", "range": [1, 4]}},
                "derived": {"head_age": {"kind": "integer", "range": [0, 100], "expression": "first(person.age)"}},
            },
            "person": {
                "parent": "household",
                "count": "size",
                "variables": {"age": {"kind": "integer", "range": [0, 100]}},
            },
        },
        "targets": [
            {
                "name": "census",
                "unit": "household",
                "cells": [{"size": k, "share": s} for k, s in ((1, 0.5), (2, 0.3), (3, 0.2))],
            },
            {
                "name": "survey",
                "unit": "household",
                "universe": "head_age >= 18",
                "cells": [
                    {"size": k, "head_age": a, "count": n}
                    for k, a, n in (
                        (1, "18-49", 10),
                        (1, "50+", 10),
                        (2, "18-49", 20),
                        (2, "50+", 20),
                        (3, "18-49", 20),
                        (3, "50+", 20),
                    )
                ],
            },
        ],
        "rules": [{"unit": "person", "forbid": "position == 1 and age < 18"}],
    }
    solution = llmsynthor.synthesize(homes, records=60, llm="none")
    assert set(solution.disagreements["target"]) == {"census", "survey"}
    assert solution.disagreements.filter(pl.col("kind") == "conflict").height


def test_a_universe_of_everybody_hides_no_mean() -> None:
    """The same mean stated of all, and of those of 0 years and more, is stated twice."""
    solution = llmsynthor.synthesize(
        document(sexes("sex", 500, 500), mean_age("one", 40, 30), mean_age("other", 50, 30, universe="age >= 0")),
        records=200,
        llm="none",
    )
    assert set(solution.disagreements["target"]) == {"one", "other"}
