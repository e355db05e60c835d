"""The fit of nested records: it goes on where sums pull records along that tables hold back."""

from typing import Any

import numpy as np
import pytest

from llmsynthor.aims.aims import set_aims
from llmsynthor.alignment.cells import noise
from llmsynthor.alignment.trees.fit import lacking
from llmsynthor.alignment.trees.stages import trees_stages
from llmsynthor.spec.specification import Spec
from tests.shops import shop


def tight_shop() -> dict[str, Any]:
    """Amounts so small that quantities must be near one, and the median of what an order comes to."""
    document = shop(
        orders={"new": 1.0, "regular": 2.8, "vip": 7.4},
        months={"Jan": (0.3, 41000 / 3.6), "Feb": (0.3, 40000 / 3.6), "Mar": (0.4, 62000 / 3.6)},
        kinds={"books": (0.55, 14.2), "toys": (0.3, 22.5), "electronics": (0.15, 120)},
    )
    order = document["units"]["order"]
    order["variables"]["shipping"] = {"kind": "integer", "range": [0, 50]}
    order["derived"] = {"value": {"kind": "number", "range": [0, 8000], "expression": "sum(line.amount) + shipping"}}
    document["targets"] += [{"unit": "order", "quantile": "value", "probability": 0.5, "cells": [{"quantile": 55}]}]
    return document


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_sums_and_tables_settle_together(seed: int) -> None:
    """Tables end at the noise of chance; after 25 sweeps it was four times that, and sums that can be met were given up."""
    stages = trees_stages(set_aims(Spec.load(tight_shop())), records=600, seed=seed)
    state, compiled = stages.fit(lambda *_: None).state.state, stages.trees.compiled
    goal = stages.trees.goal(state.counts, state.arena)
    assert noise(state.counts, goal, compiled.is_hard & (goal > 0)) < 2.0


@pytest.mark.parametrize("goal", [0.05, 0.2, 1.0, 5.0, 100.0])
def test_weights_of_rare_cells_rest_where_the_mean_count_is_the_goal(goal: float) -> None:
    """Counts that scatter around their goal by chance leave a weight where it is, however rare the cell; counts far off move it."""
    counts = np.random.default_rng(1).poisson(goal, 200_000)
    goals = np.full(len(counts), goal)
    assert abs(lacking(goals, counts, even=True).mean()) < 0.005
    assert lacking(goals[:1], np.array([int(goal) * 3 + 40]), even=True)[0] < -1
    assert lacking(goals[:1] + 40, np.array([0]), even=True)[0] > 1
