"""What deviations and correlations are reckoned about."""

from typing import Any

import numpy as np
import pytest

from llmsynthor.aims.derived import flat_goals
from llmsynthor.aims.seconds import centre_of
from llmsynthor.aims.uses import read_uses
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Statistic

SEX = {"unit": "p", "cells": [{"sex": "F", "count": 30}, {"sex": "M", "count": 10}], "name": "sex"}
BY_SEX = [
    {
        "unit": "p",
        "mean": "x",
        "by": ["sex"],
        "cells": [{"sex": "F", "mean": 20}, {"sex": "M", "mean": 40}],
        "name": "m",
    },
    {
        "unit": "p",
        "deviation": "x",
        "by": ["sex"],
        "cells": [{"sex": "F", "deviation": 5}, {"sex": "M", "deviation": 9}],
        "name": "d",
    },
]
PAIR = {"unit": "p", "correlation": ["x", "y"], "cells": [{"correlation": 0.5}], "name": "r"}


def load(*targets: dict[str, Any]) -> tuple[Spec, Statistic]:
    variables: dict[str, Any] = {
        "x": {"kind": "number", "range": [0, 100]},
        "y": {"kind": "integer", "range": [0, 10]},
        "sex": {"kind": "category", "levels": ["F", "M"]},
    }
    spec = Spec.load({"llmsynthor": 1, "units": {"p": {"variables": variables}}, "targets": [SEX, *targets, PAIR]})
    last = spec.targets[-1]
    assert isinstance(last, Statistic)
    return spec, last


def test_means_and_deviations_by_groups_tell_those_of_all() -> None:
    """Groups are mixed by the shares that tables give them: the variance within and that between add up."""
    spec, target = load(*BY_SEX)
    goals = flat_goals(spec)
    assert goals is not None
    centre = centre_of(goals.grid.axis("x"), target, (), spec, goals.grid, read_uses(spec))
    assert centre.mean == pytest.approx(25)
    assert centre.deviation == pytest.approx(np.sqrt(0.75 * 25 + 0.25 * 81 + 0.75 * 25 + 0.25 * 225))


def test_a_table_tells_what_no_statistic_does() -> None:
    """Of a number with a table, mean and deviation are those of its cells."""
    spec, target = load({"unit": "p", "cells": [{"y": str(k), "count": k + 1} for k in range(10)], "name": "y"})
    goals = flat_goals(spec)
    assert goals is not None
    weights = np.arange(1, 11) / 55
    mean = weights @ np.arange(10)
    centre = centre_of(goals.grid.axis("y"), target, (), spec, goals.grid, read_uses(spec))
    assert centre.mean == pytest.approx(mean)
    assert centre.deviation == pytest.approx(np.sqrt(weights @ (np.arange(10) - mean) ** 2))


def test_the_product_of_codes_about_their_means_has_the_mean_of_the_correlation() -> None:
    """Over independent codes the moment's points average to zero, over equal ones to one."""
    spec, _ = load()
    goals = flat_goals(spec)
    assert goals is not None
    moment = next(m for m in goals.moments if m.target.name == "r")
    sizes = goals.grid.sizes
    every = np.indices(sizes).reshape(len(sizes), -1).T.astype(np.int32)
    points = moment.lows[moment.projection.of(every)]
    assert points.mean() == pytest.approx(0, abs=1e-9)
    x, y = (every[:, k] / (sizes[k] - 1) for k in (0, 1))
    near = np.abs(x - y) < 0.02
    assert points[near].mean() == pytest.approx(1, abs=0.1)
