"""Whole runs with derived variables, lookups, shares of conditions, deviations and correlations."""

from typing import Any

import numpy as np
import polars as pl
import pytest

import llmsynthor

ZONES = ["a", "b", "c", "d"]
PLACE = {zone: k for k, zone in enumerate(ZONES)}
RECORDS = 4_000


def population() -> pl.DataFrame:
    """Trips of a hidden population: near ones are more likely, walkers go no further than 2 km."""
    rng = np.random.default_rng(5)
    start, end = rng.integers(0, 4, RECORDS), rng.integers(0, 4, RECORDS)
    km = 1.5 * np.abs(start - end) + 0.5
    keep = rng.random(RECORDS) < np.exp(-km / 4)
    end = np.where(keep, end, start)
    km = 1.5 * np.abs(start - end) + 0.5
    walks = (km <= 2) & (rng.random(RECORDS) < 0.5)
    columns = {"start": [ZONES[k] for k in start], "end": [ZONES[k] for k in end], "km": km}
    return pl.DataFrame(columns | {"mode": np.where(walks, "Walk", "Car"), "district": np.where(start < 2, "W", "E")})


def trips(*targets: dict[str, Any]) -> dict[str, Any]:
    zone = {"kind": "category", "levels": ZONES}
    rows = [{"start": a, "end": b, "km": 1.5 * abs(PLACE[a] - PLACE[b]) + 0.5} for a in ZONES for b in ZONES]
    districts = [{"start": zone, "district": "W" if k < 2 else "E"} for zone, k in PLACE.items()]
    unit = {
        "variables": {"start": zone, "end": zone, "mode": {"kind": "category", "levels": ["Car", "Walk"]}},
        "derived": {
            "km": {"kind": "number", "lookup": {"cells": rows, "by": ["start", "end"], "value": "km"}},
            "district": {"lookup": {"cells": districts, "by": ["start"], "value": "district"}},
        },
    }
    rules = [{"unit": "trip", "forbid": "mode == 'Walk' and km > 2"}]
    return {"llmsynthor": 1, "units": {"trip": unit}, "targets": list(targets), "rules": rules}


def counted(frame: pl.DataFrame, *columns: str) -> dict[str, Any]:
    return {"unit": "trip", "table": frame.group_by(*columns).len("count").sort(*columns), "name": " ".join(columns)}


@pytest.mark.slow
def test_lookups_are_met_on_the_flat_kernels() -> None:
    """A crosswalk in a table, a distance in bands, as mean by groups, as quantile and in a rule are all met at once."""
    truth = population()
    band = pl.when(pl.col("km") < 2).then(pl.lit("[0, 2)")).otherwise(pl.lit("2+")).alias("km")
    mean = truth.group_by("mode").agg(pl.col("km").mean().alias("mean")).sort("mode")
    middle = [{"quantile": float(truth.filter(pl.col("district") == "W")["km"].median() or 0)}]
    document = trips(
        counted(truth, "district", "mode"),
        counted(truth, "start"),
        counted(truth, "end"),
        counted(truth.with_columns(band), "km", "mode"),
        {"unit": "trip", "mean": "km", "by": ["mode"], "table": mean, "name": "mean"},
        {
            "unit": "trip",
            "quantile": "km",
            "probability": 0.5,
            "universe": "district == 'W'",
            "cells": middle,
            "name": "median",
        },
    )
    solution = llmsynthor.synthesize(document, records=RECORDS, llm="none", seed=2)
    assert solution.exit_code == 0
    frame = solution.records["trip"]
    assert frame.columns == ["trip_id", "start", "end", "mode", "km", "district", "proposal_id"]
    place = {zone: float(k) for zone, k in PLACE.items()}
    apart = (frame["start"].replace_strict(place) - frame["end"].replace_strict(place)).abs()
    assert (frame["km"] == 1.5 * apart + 0.5).all()
    assert frame.filter((pl.col("mode") == "Walk") & (pl.col("km") > 2)).is_empty()
    got = dict(frame.group_by("mode").agg(pl.col("km").mean()).iter_rows())
    assert got == pytest.approx(dict(mean.iter_rows()), abs=0.002)


def test_a_starting_population_is_taken_with_derived_variables() -> None:
    """Records of the own variables alone are a start, and few of them change."""
    truth = population()
    document = trips(counted(truth, "district", "mode"))
    begin = truth.select("start", "end", "mode")
    solution = llmsynthor.synthesize(document, records=RECORDS, start=begin, seed=2)
    assert solution.exit_code == 0
    assert int(solution.records["trip"]["start_changed"].sum()) <= 4


def test_the_share_of_a_condition_is_met() -> None:
    """So many of the records that `of` names fulfil the condition, give or take one."""
    variables = {"age": {"kind": "integer", "range": [0, 100]}, "ill": {"kind": "category", "levels": ["yes", "no"]}}
    targets = [
        {"unit": "p", "cells": [{"age": "0-64", "count": 800}, {"age": "65+", "count": 200}]},
        {"unit": "p", "where": "age >= 75 and ill == 'yes'", "of": "age >= 75", "share": 0.23},
        {"unit": "p", "where": "ill == 'yes'", "count": 80},
    ]
    document = {"llmsynthor": 1, "units": {"p": {"variables": variables}}, "targets": targets}
    solution = llmsynthor.synthesize(document, records=2_000, llm="none", seed=1)
    assert solution.exit_code == 0
    frame = solution.records["p"]
    assert "ill" in frame.columns and len(frame.columns) == 4
    old = frame.filter(pl.col("age") >= 75)
    assert abs((old["ill"] == "yes").sum() - 0.23 * old.height) < 1
    assert (frame["ill"] == "yes").sum() == 160


@pytest.mark.slow
def test_deviations_and_correlations_are_met() -> None:
    """Deviations by groups and a correlation hold to many digits, and the means beside them too."""
    variables = {
        "age": {"kind": "integer", "range": [0, 100]},
        "sex": {"kind": "category", "levels": ["F", "M"]},
        "income": {"kind": "number", "range": [0, 100_000]},
    }
    targets = [
        {"unit": "p", "cells": [{"sex": "F", "count": 52}, {"sex": "M", "count": 48}]},
        {"unit": "p", "mean": "age", "cells": [{"mean": 41}], "name": "mean age"},
        {"unit": "p", "deviation": "age", "cells": [{"deviation": 21.5}], "name": "deviation of age"},
        {
            "unit": "p",
            "mean": "income",
            "by": ["sex"],
            "cells": [{"sex": "F", "mean": 26e3}, {"sex": "M", "mean": 31e3}],
        },
        {
            "unit": "p",
            "deviation": "income",
            "by": ["sex"],
            "cells": [{"sex": "F", "deviation": 9e3}, {"sex": "M", "deviation": 12e3}],
        },
        {"unit": "p", "correlation": ["age", "income"], "cells": [{"correlation": 0.3}], "name": "r"},
    ]
    document = {"llmsynthor": 1, "units": {"p": {"variables": variables}}, "targets": targets}
    solution = llmsynthor.synthesize(document, records=3_000, llm="none", seed=1)
    assert solution.exit_code == 0
    frame = solution.records["p"]
    assert frame["age"].std(ddof=0) == pytest.approx(21.5, abs=0.05)
    got = frame.group_by("sex").agg(m=pl.col("income").mean(), d=pl.col("income").std(ddof=0)).sort("sex")
    assert got.rows()[0][1:] == pytest.approx((26e3, 9e3), rel=1e-5)
    assert got.rows()[1][1:] == pytest.approx((31e3, 12e3), rel=1e-5)
    assert np.corrcoef(frame["age"], frame["income"])[0, 1] == pytest.approx(0.3, abs=1e-5)


def test_nested_lookups_and_last_keep_rules() -> None:
    """A lookup by a parent's and an own variable is met in bands beside rules about it and about the last child."""
    zone = {"kind": "category", "levels": ZONES}
    rows = [{"home": a, "work": b, "km": 1.5 * abs(PLACE[a] - PLACE[b]) + 0.5} for a in ZONES for b in ZONES]
    units = {
        "home": {"variables": {"zone": zone, "size": {"kind": "integer", "range": [1, 4]}}},
        "person": {
            "parent": "home",
            "count": "size",
            "variables": {"work": zone, "age": {"kind": "integer", "range": [0, 100]}},
            "derived": {"km": {"lookup": {"cells": rows, "by": {"home.zone": "home", "work": "work"}, "value": "km"}}},
        },
    }
    targets = [
        {"unit": "home", "cells": [{"size": "1", "count": 4}, {"size": "2-3", "count": 6}]},
        {
            "unit": "person",
            "cells": [{"km": "[0, 2)", "share": 0.5}, {"km": "[2, 4)", "share": 0.3}, {"km": "4+", "share": 0.2}],
        },
        {"unit": "person", "cells": [{"age": "0-17", "share": 0.2}, {"age": "18+", "share": 0.8}]},
    ]
    rules = [
        {"unit": "home", "forbid": "last(person.age) < 18"},
        {"unit": "person", "forbid": "age < 18 and km > 2"},
    ]
    document = {"llmsynthor": 1, "units": units, "targets": targets, "rules": rules}
    solution = llmsynthor.synthesize(document, records=500, llm="none", seed=1)
    assert solution.exit_code == 0
    persons = solution.records["person"].join(solution.records["home"], on="home_id", maintain_order="left")
    place = {zone: float(k) for zone, k in PLACE.items()}
    apart = (persons["zone"].replace_strict(place) - persons["work"].replace_strict(place)).abs()
    assert (persons["km"] == 1.5 * apart + 0.5).all()
    assert persons.group_by("home_id").agg(pl.col("age").last())["age"].min() >= 18
    assert persons.filter((pl.col("age") < 18) & (pl.col("km") > 2)).is_empty()
