"""Values moved inside their cells until deviations and correlations hold."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from llmsynthor.aims.derived import flat_goals
from llmsynthor.realization.seconds import meet_seconds
from llmsynthor.spec.specification import Spec

VARIABLES: dict[str, Any] = {
    "x": {"kind": "number", "range": [0, 10]},
    "y": {"kind": "number", "range": [0, 10]},
}


def moved(*targets: dict[str, Any], free: dict[str, Any] | None = None) -> tuple[pl.DataFrame, pl.DataFrame, Any]:
    """Values before and after, and the cells that they lie in."""
    spec = Spec.load(
        {"llmsynthor": 1, "units": {"p": {"variables": VARIABLES}}, "targets": [{"unit": "p", **t} for t in targets]}
    )
    goals = flat_goals(spec)
    assert goals is not None
    rng = np.random.default_rng(1)
    frame = pl.DataFrame({name: rng.beta(3, 3, 2_000) * 10 for name in VARIABLES})
    columns = [np.searchsorted(axis.breaks, frame[axis.name].to_numpy(), side="right") - 1 for axis in goals.grid.axes]
    codes = np.stack(columns, axis=1).astype(np.int32)
    after = meet_seconds(goals, codes, frame, free or {})
    again = [np.searchsorted(axis.breaks, after[axis.name].to_numpy(), side="right") - 1 for axis in goals.grid.axes]
    assert (np.stack(again, axis=1) == codes).all()
    return frame, after, goals


def test_a_deviation_is_met_and_the_mean_kept() -> None:
    """A deviation near the present one is met exactly, no value leaves its cell, and the mean stays."""
    now = float(np.random.default_rng(1).beta(3, 3, 2_000).std() * 10)
    before, after, _ = moved({"deviation": "x", "cells": [{"deviation": now + 0.01}]})
    assert after["x"].std(ddof=0) == pytest.approx(now + 0.01, abs=1e-8)
    assert after["x"].mean() == pytest.approx(before["x"].mean(), abs=1e-8)
    assert (after["y"] == before["y"]).all()


def test_a_correlation_moves_the_second_variable() -> None:
    """A correlation near the present one is met exactly by the second variable; the first stays as it is."""
    rng = np.random.default_rng(1)
    x, y = rng.beta(3, 3, 2_000) * 10, rng.beta(3, 3, 2_000) * 10
    now = float(np.corrcoef(x, y)[0, 1])
    spread = [{"deviation": name, "cells": [{"deviation": v.std()}]} for name, v in (("x", x), ("y", y))]
    before, after, _ = moved(*spread, {"correlation": ["x", "y"], "cells": [{"correlation": now + 0.005}]})
    assert np.corrcoef(after["x"], after["y"])[0, 1] == pytest.approx(now + 0.005, abs=1e-8)
    assert np.abs(after["x"] - before["x"]).max() < 1e-6


def test_what_cells_cannot_give_is_come_near_to() -> None:
    """A correlation that values inside their cells cannot have is come nearer to, and no value leaves its cell."""
    before, after, _ = moved({"correlation": ["x", "y"], "cells": [{"correlation": 0.5}]})
    was, now = (float(np.corrcoef(frame["x"], frame["y"])[0, 1]) for frame in (before, after))
    assert was < now < 0.5
    assert after["y"].is_finite().all()


def test_values_that_are_known_stay() -> None:
    """Only free values move."""
    free = {"x": np.arange(2_000) % 2 == 0}
    before, after, _ = moved({"deviation": "x", "cells": [{"deviation": 1.9}]}, free=free)
    held = ~free["x"]
    assert (after["x"].to_numpy()[held] == before["x"].to_numpy()[held]).all()
    assert (after["x"].to_numpy()[free["x"]] != before["x"].to_numpy()[free["x"]]).any()
