"""Sums that tables leave hardly any room for are made up by exchanges that no table notices."""

from typing import Any

import numpy as np
import polars as pl
import pytest

import llmsynthor
from llmsynthor.aims.aims import set_aims
from llmsynthor.alignment.rows.stages import rows_stages
from llmsynthor.alignment.rows.swap import exchange
from llmsynthor.spec.reading.files import load

ZONES = ["a", "b", "c", "d", "e"]
MODES = ["foot", "bike", "bus", "car"]


def trips(records: int, digits: int, seed: int = 3) -> dict[str, Any]:
    """Trips between zones by mode, counted, with the mean distance of each mode, rounded; nobody walks farther than 9 km."""
    rng = np.random.default_rng(seed)
    km = np.round(np.abs(np.subtract.outer(np.arange(5), np.arange(5))) * 3.7 + 1.3, 1)
    start, end = rng.integers(0, 5, records), rng.choice(5, records, p=[0.4, 0.3, 0.15, 0.1, 0.05])
    way = km[start, end]
    mode = np.where(way > 9, rng.integers(1, 4, records), rng.integers(0, 4, records))
    skim = [{"from": ZONES[i], "to": ZONES[j], "km": float(km[i, j])} for i in range(5) for j in range(5)]
    od = [
        {"from": ZONES[i], "to": ZONES[j], "count": int(np.sum((start == i) & (end == j)))}
        for i in range(5)
        for j in range(5)
    ]
    means = [{"mode": name, "mean": round(float(way[mode == k].mean()), digits)} for k, name in enumerate(MODES)]
    variables = {name: {"kind": "category", "levels": ZONES} for name in ("from", "to")}
    lookup = {"cells": skim, "by": ["from", "to"], "value": "km"}
    return {
        "llmsynthor": 1,
        "units": {
            "trip": {
                "variables": {**variables, "mode": {"kind": "category", "levels": MODES}},
                "derived": {"km": {"kind": "number", "range": [0, 30], "lookup": lookup}},
            }
        },
        "targets": [
            {"name": "od", "cells": od},
            {"name": "modes", "cells": [{"mode": m, "count": int(np.sum(mode == k))} for k, m in enumerate(MODES)]},
            {"name": "distances", "mean": "km", "by": ["mode"], "cells": means},
        ],
        "rules": [{"name": "a walk", "forbid": "mode == 'foot' and km > 9"}],
    }


@pytest.mark.parametrize("digits", [1, 2])
def test_means_whose_sum_a_table_fixes_are_met_beside_it(digits: int) -> None:
    """An origin-destination table fixes the distance of all modes together: their means are met to the digits they show."""
    made = llmsynthor.synthesize(trips(3_000, digits), records=3_000, llm="none", seed=1)
    assert made.exit_code == 0, made.alignment


@pytest.mark.parametrize("digits", [1, 3])
def test_an_exchange_makes_sums_up_and_no_table_notices(digits: int) -> None:
    """Means that go astray as modes are dealt anew come back by exchanges; tables keep every record, and nobody walks far."""
    aims = set_aims(load(trips(3_000, digits)))
    rows = rows_stages(aims.own[0], records=3_000, seed=1).rows
    made = llmsynthor.synthesize(trips(3_000, digits), records=3_000, llm="none", seed=1).records["trip"]
    codes = np.stack(
        [
            made[name].replace_strict(levels, range(len(levels)), return_dtype=pl.Int32).to_numpy()
            for name, levels in (("from", ZONES), ("to", ZONES), ("mode", MODES))
        ],
        axis=1,
    ).astype(np.int32)
    by_wheel = np.flatnonzero(codes[:, 2] > 0)
    codes[by_wheel, 2] = np.random.default_rng(1).permutation(codes[by_wheel, 2])
    state = rows.state(np.ascontiguousarray(codes))
    before = state.counts[: rows.compiled.moments[1]].copy()
    assert state.means.missing().any()
    assert exchange(rows, state)
    counts = rows.count(state.codes)
    assert np.array_equal(counts[: rows.compiled.moments[1]], before)
    assert not counts[rows.compiled.is_rule].any()
