"""The last cells of flat records: a table is met or not, and level ground leads there where the squared error has valleys."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from llmsynthor import synthesize
from llmsynthor.alignment.rows import kernels
from llmsynthor.spec.specification import Spec

ZONES, MODES, HOURS, ACTIVITIES = 30, 4, 8, 5
RECORDS, SCALE = 2343, 0.128

PAIRS = (
    ("origin", "destination"),
    ("mode", "origin"),
    ("mode", "destination"),
    ("hour", "mode"),
    ("activity", "hour"),
    ("origin", "activity"),
    ("destination", "hour"),
    ("origin", "hour"),
    ("destination", "activity"),
    ("mode", "activity"),
)


def thin_tables(seed: int) -> dict[str, Any]:
    """Trips between thirty zones and ten tables of them, of which an eighth are to be made: most cells want part of a record."""
    rng = np.random.default_rng(seed)
    origin = rng.choice(ZONES, RECORDS, p=rng.dirichlet(np.full(ZONES, 0.7)))
    destination = (origin + rng.geometric(0.3, RECORDS) - 1) % ZONES
    near = rng.random(RECORDS) < np.exp(-((destination - origin) % ZONES) / 2.0)
    mode = np.where(near, 0, rng.integers(1, MODES, RECORDS))
    hour = np.rint(rng.normal(3 + (mode == 2), 1.5)).clip(0, HOURS - 1).astype(int)
    activity = (hour + rng.integers(0, 3, RECORDS)) % ACTIVITIES
    codes: dict[str, tuple[NDArray[np.int64], int]] = {
        "origin": (origin, ZONES),
        "destination": (destination, ZONES),
        "mode": (mode, MODES),
        "hour": (hour, HOURS),
        "activity": (activity, ACTIVITIES),
    }
    return {
        "llmsynthor": 1,
        "name": "trips",
        "units": {
            "trip": {
                "variables": {
                    name: {"kind": "category", "levels": [f"{name} {k}" for k in range(size)]}
                    for name, (_, size) in codes.items()
                }
            }
        },
        "targets": [_table(codes, *pair) for pair in PAIRS],
        "synthesis": {"records": int(RECORDS * SCALE), "seed": 1},
    }


def _table(codes: dict[str, tuple[NDArray[np.int64], int]], one: str, other: str) -> dict[str, Any]:
    counts = Counter(zip(codes[one][0].tolist(), codes[other][0].tolist(), strict=True))
    cells = [
        {one: f"{one} {i}", other: f"{other} {k}", "count": counts[i, k]}
        for i in range(codes[one][1])
        for k in range(codes[other][1])
    ]
    return {"unit": "trip", "cells": cells}


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_thin_tables_are_all_met(seed: int) -> None:
    """Without the wall two to four of these ten tables end a hair over one record off."""
    alignment = synthesize(Spec.load(thin_tables(seed)), llm="none", seed=1).alignment
    assert alignment["status"].to_list() == ["exact"] * len(PAIRS)
    assert alignment["max_abs_error"].max() < 1.0


def test_a_wall_costs_whole_records() -> None:
    """Beside the penalty of its square an error costs the wall once for each whole record, from either side."""
    targets, penalty = np.array([1.25]), np.array([0.5])

    def cost(count: int, wall: float) -> float:
        error = abs(count - targets[0])
        return float(penalty[0] * error**2 + wall * np.floor(error + kernels.INSIDE))

    for wall in (0.0, 8.0):
        for count in range(1, 6):
            bend = kernels.bend(0, count, targets, penalty, wall)
            assert bend == pytest.approx(cost(count + 1, wall) - 2 * cost(count, wall) + cost(count - 1, wall))
