"""Numbers whose sum over siblings a rule fixes: minutes of a day can only be passed on, and who comes or goes is made up for."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from llmsynthor import synthesize
from llmsynthor.aims.aims import set_aims
from llmsynthor.alignment.trees.balances import balanced, balances
from llmsynthor.population.roster import Roster
from llmsynthor.spec.specification import Spec

HOURS = 24


def day(rule: str = "sum(episode.hours) != 24", **person: Any) -> dict[str, Any]:
    """Persons with two to six episodes; their employment, how many episodes they have, and how long these take."""
    works = {"employed": "yes", "activity": "work"}
    return {
        "llmsynthor": 1,
        "name": "time use",
        "units": {
            "person": {
                "variables": {
                    "employed": {"kind": "category", "levels": ["yes", "no"]},
                    "episodes": {"kind": "integer", "range": [2, 7]},
                },
                **person,
            },
            "episode": {
                "parent": "person",
                "count": "episodes",
                "variables": {
                    "activity": {"kind": "category", "levels": ["sleep", "work", "free"]},
                    "hours": {"kind": "integer", "range": [1, 25]},
                },
            },
        },
        "targets": [
            {"unit": "person", "cells": [{"employed": "yes", "count": 60}, {"employed": "no", "count": 40}]},
            {"unit": "person", "mean": "episodes", "cells": [{"mean": 4}]},
            {
                "unit": "episode",
                "cells": [
                    {"activity": "sleep", "count": 120},
                    {"activity": "work", "count": 90},
                    {"activity": "free", "count": 190},
                ],
            },
            {
                "unit": "episode",
                "total": "hours",
                "by": ["activity"],
                "cells": [
                    {"activity": "sleep", "total": 830},
                    {"activity": "work", "total": 470},
                    {"activity": "free", "total": 1100},
                ],
            },
        ],
        "rules": [
            {"unit": "person", "forbid": rule},
            {
                "unit": "episode",
                "forbid": f"activity == '{works['activity']}' and person.employed != '{works['employed']}'",
            },
        ],
        "synthesis": {"records": 100, "seed": 1},
    }


@pytest.mark.slow
def test_days_of_24_hours_meet_counts_and_hours_by_activity() -> None:
    """Every day has its 24 hours, and numbers and hours of all activities are exact."""
    solution = synthesize(Spec.load(day()), llm="none", seed=1)
    of_day = solution.records["episode"].group_by("person_id").agg(pl.col("hours").sum())
    assert len(of_day) == 100
    assert of_day["hours"].to_list() == [HOURS] * 100
    assert solution.alignment["status"].to_list() == ["exact"] * 4


@pytest.mark.parametrize(
    ("rule", "person"),
    [
        ("sum(episode.hours) != 24", {}),
        ("sum(episode.hours) < 24 or sum(episode.hours) > 24", {}),
        ("not (24 <= sum(episode.hours) and sum(episode.hours) <= 24)", {}),
        ("not sum(episode.hours) == 24", {}),
        (
            "total != 24",
            {"derived": {"total": {"kind": "integer", "range": [0, 200], "expression": "sum(episode.hours)"}}},
        ),
    ],
)
def test_a_fixed_sum_is_seen_however_it_is_written(rule: str, person: dict[str, Any]) -> None:
    """As an inequality, as two bounds, and by a derived variable of the parent."""
    layout = set_aims(Spec.load(day(rule, **person))).layout
    assert [(b.axis, b.least, b.size, b.total) for b in balances(layout, 1)] == [(1, 1, HOURS, HOURS)]


@pytest.mark.parametrize(
    "rule",
    [
        "sum(episode.hours) > 24",
        "sum(episode.hours) < 20 or sum(episode.hours) > 24",
        "sum(episode.hours) == 24",
        "not sum(episode.hours) != 24",
    ],
)
def test_a_bound_and_a_value_ruled_out_fix_no_sum(rule: str) -> None:
    """Where a sum is bounded, or one value of it is forbidden, values are free to change alone."""
    layout = set_aims(Spec.load(day(rule))).layout
    assert balances(layout, 1) == []


@pytest.mark.parametrize(
    "rule",
    [
        "employed == 'yes' and sum(episode.hours) != 24",
        "sum(episode.hours) + episodes != 24",
        "sum(episode.hours) != 6 * episodes",
    ],
)
def test_first_records_are_scaled_to_what_the_sum_always_is(rule: str) -> None:
    """A sum fixed for some, with something beside it, or reckoned, is kept in balance and not scaled at the start."""
    layout = set_aims(Spec.load(day(rule))).layout
    assert [(b.total, b.of) for b in balances(layout, 1)] == [(None, None)]


def test_first_records_are_scaled_to_their_sum() -> None:
    """Values drawn one by one are scaled to add up; where no values can, they stay."""
    layout = set_aims(Spec.load(day())).layout
    episodes = np.array([[0, 3], [1, 9], [2, 2], [0, 0], [0, 23]], dtype=np.int32)
    roster = Roster(
        codes=(np.array([[0, 1], [0, 0]], dtype=np.int32), episodes),
        start=(np.zeros(0, dtype=np.int32), np.array([0, 3], dtype=np.int32)),
        length=(np.zeros(0, dtype=np.int32), np.array([3, 2], dtype=np.int32)),
        proposal=np.full(2, -1),
    )
    hours = balanced(layout, roster).codes[1][:, 1] + 1
    assert hours[:3].sum() == HOURS
    assert hours[3:].sum() == HOURS
    assert hours[1] > hours[0] > hours[2]
    assert hours[4] > hours[3]
