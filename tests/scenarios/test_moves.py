"""Moving records: adjustments are met to the record, nothing else changes, and no more records than must."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import llmsynthor as ls
from llmsynthor.errors import DataError
from llmsynthor.records.linked import Nested, nest
from llmsynthor.scenarios.kept import beside
from llmsynthor.scenarios.moves import Moved, move
from llmsynthor.spec.specification import Spec

ACTIVITIES = ("Home", "Work", "Shopping", "Recreation")
MODES = ("Car", "Bus", "Walk")


def spec_of(*adjustments: dict[str, object]) -> Spec:
    """Trips with an hour, an activity, a mode and a zone that lies in a district; nobody goes to work at night."""
    zones = [f"Z{k}" for k in range(8)]
    rows = [{"zone": zone, "district": "East" if k < 4 else "West"} for k, zone in enumerate(zones)]
    columns = (["activity"], ["hour"], ["mode"], ["zone"], ["hour", "activity"], ["mode", "activity"], ["mode", "zone"])
    levels = {"activity": ACTIVITIES, "mode": MODES, "zone": tuple(zones)}
    levels["hour"] = tuple(f"[{h}, {h + 4})" for h in range(0, 24, 4))
    targets = []
    for names in columns:
        cells = [{}]
        for name in names:
            cells = [{**cell, name: level} for cell in cells for level in levels[name]]
        targets.append({"unit": "trip", "name": " by ".join(names), "cells": [{**cell, "count": 1} for cell in cells]})
    trip = ls.unit(
        "trip",
        hour=ls.integer(0, 24),
        activity=ls.category(*ACTIVITIES),
        mode=ls.category(*MODES),
        zone=ls.category(*zones),
        district=ls.lookup(rows, by=["zone"], value="district"),
    )
    return Spec(
        units=[trip],
        targets=targets,
        rules=[{"unit": "trip", "forbid": "hour < 4 and activity == 'Work'"}],
        adjustments=list(adjustments),
    )


def base_of(spec: Spec, records: int = 4_000, seed: int = 3) -> Nested:
    """Records in which work is by day, and the mode hangs on the activity and the zone."""
    rng = np.random.default_rng(seed)
    hour, zone = rng.integers(0, 24, records), rng.integers(0, 8, records)
    work = (rng.random(records) < np.where((hour >= 6) & (hour < 18), 0.4, 0.1)) & (hour >= 4)
    activity = np.where(work, 1, rng.choice([0, 2, 3], records, p=[0.5, 0.3, 0.2]))
    mode = (rng.random(records) * 2 + (activity == 1) * 0.6 + (zone > 3) * 0.4).astype(int).clip(0, 2)
    frame = pl.DataFrame(
        {
            "trip_id": np.arange(1, records + 1),
            "hour": hour,
            "activity": [ACTIVITIES[k] for k in activity],
            "mode": [MODES[k] for k in mode],
            "zone": [f"Z{k}" for k in zone],
        }
    )
    return nest({"trip": frame}, spec.schema)


def moved(spec: Spec, base: Nested, seed: int = 1) -> Moved:
    return move(spec, base, spec.beside.adjustments, rng=np.random.default_rng(seed))


CASES = [
    {"activity": "Work", "factor": 0.35},
    {"hour": "20-23", "factor": 2},
    {"zone": "Z2", "count": 100},
    {"district": "East", "share": 0.7},
    {"where": "activity == 'Recreation' and hour >= 20", "factor": 3},
    {"activity": ["Work", "Shopping"], "factor": 0},
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_statement_is_met_with_the_fewest_records(case: dict[str, object]) -> None:
    """The condition holds as many records as stated, as many changed as must, no other table moved, no rule is broken."""
    spec = spec_of(case)
    base, own = base_of(spec), spec.beside.adjustments[0]
    made = moved(spec, base)
    before, after = (nested.frames["trip"] for nested in (base, made.nested))
    there = [int(_holds(own.where.text, frame)) for frame in (before, after)]
    assert there[1] == round(own.aimed(there[0], before.height))
    assert made.changed["trip"].sum() == abs(there[1] - there[0]) == made.least["trip"]
    assert all(entry.tvd == 0 for entry in beside(spec, base, made.nested, spec.beside.adjustments) if not entry.named)
    assert not after.filter((pl.col("hour") < 4) & (pl.col("activity") == "Work")).height
    same = ~made.changed["trip"]
    assert after.filter(same).equals(before.filter(same))


def _holds(text: str, frame: pl.DataFrame) -> int:
    """Count by an evaluation of its own."""
    names = {name: frame[name].to_list() for name in frame.columns}
    return sum(bool(eval(text, {}, {name: own[k] for name, own in names.items()})) for k in range(frame.height))


def test_statements_about_different_variables_share_records() -> None:
    """Fewer work, more in the evening, more in one zone: all met, and at most 1.2 times the records of the largest alone."""
    spec = spec_of(CASES[0], CASES[1], {"zone": "Z2", "factor": 1.5})
    base = base_of(spec)
    made = moved(spec, base)
    after = made.nested.frames["trip"]
    for own in spec.beside.adjustments:
        was, now = (_holds(own.where.text, frame) for frame in (base.frames["trip"], after))
        assert now == round(own.aimed(was, after.height))
    assert made.changed["trip"].sum() <= 1.2 * made.least["trip"]


@pytest.mark.slow
@given(st.lists(st.sampled_from(CASES), min_size=1, max_size=3, unique_by=str), st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_what_can_hold_together_does(cases: list[dict[str, object]], seed: int) -> None:
    """Any few statements are all met to the record, or refused by name; the number of records stays."""
    spec = spec_of(*cases)
    base = base_of(spec, records=800, seed=seed)
    try:
        made = moved(spec, base, seed)
    except DataError as error:
        assert "adjustment" in str(error)
        return
    after = made.nested.frames["trip"]
    assert after.height == 800
    for own in spec.beside.adjustments:
        was = _holds(own.where.text, base.frames["trip"])
        assert abs(_holds(own.where.text, after) - own.aimed(was, 800)) <= 0.5 + 1e-9


def test_the_number_of_records_changes_only_where_that_is_said() -> None:
    """With `keep: none` the missing trips are gone, all others are as they were."""
    spec = spec_of({**CASES[0], "keep": "none"})
    base = base_of(spec)
    made = moved(spec, base)
    work = int((base.frames["trip"]["activity"] == "Work").sum())
    assert made.nested.frames["trip"].height == 4_000 - made.dropped
    assert made.dropped == work - round(0.35 * work)
    others = [
        frame.filter(pl.col("activity") != "Work").drop("trip_id")
        for frame in (base.frames["trip"], made.nested.frames["trip"])
    ]
    assert others[0].equals(others[1])


def test_the_dependence_on_what_stays_is_kept() -> None:
    """Who stops working does what others at that hour do: the hours of recreation, relative to its total, hardly move."""
    spec = spec_of(CASES[0])
    base = base_of(spec, records=20_000)
    made = moved(spec, base)
    night = [
        frame.filter(pl.col("activity") == "Home")["hour"].is_between(0, 3).mean()
        for frame in (base.frames["trip"], made.nested.frames["trip"])
    ]
    assert night[1] < night[0]  # work was by day, so more of what takes its place is by day


@pytest.mark.parametrize(
    ("cases", "said"),
    [
        ([{"activity": "Work", "count": 10}, {"activity": "Work", "count": 900}], "cannot hold beside the others"),
        ([{"where": "hour < 4 and activity == 'Work'", "count": 10}], "no record of the base population"),
        ([{"activity": "Work", "count": 5_000}], "more records than there are"),
    ],
)
def test_what_cannot_hold_is_refused_by_name(cases: list[dict[str, object]], said: str) -> None:
    """Statements that contradict each other, or ask for what is not there, say so."""
    spec = spec_of(*cases)
    with pytest.raises(DataError, match=said):
        moved(spec, base_of(spec))


def test_bounds_hold() -> None:
    """A factor beyond its bounds is taken at the bound."""
    spec = spec_of({"activity": "Work", "factor": 0.1, "bounds": [0.5, 2]})
    base = base_of(spec)
    was, now = (int((n.frames["trip"]["activity"] == "Work").sum()) for n in (base, moved(spec, base).nested))
    assert now == round(0.5 * was)
