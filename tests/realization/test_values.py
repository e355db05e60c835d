"""From codes to values."""

from typing import Any

import numpy as np
from scipy.stats import gamma, wasserstein_distance

from llmsynthor.evaluation.compare import compare
from llmsynthor.realization.values import realize, smooth_values
from llmsynthor.spec.specification import Spec
from tests.alignment.test_align import frame_of, goals_of, solve


def test_smooth_spread_halves_the_error() -> None:
    """Six quantile bins of a skewed density: the smooth spread is at most half as far from the truth as an even one."""
    rng = np.random.default_rng(1)
    truth = gamma(2.5, scale=100).ppf((np.arange(20_000) + 0.5) / 20_000)
    breaks = np.concatenate([[0], np.quantile(truth, np.arange(1, 6) / 6), [2_000]])
    cells = np.digitize(truth, breaks[1:-1])
    shares = np.bincount(cells, minlength=6) / len(cells)
    even = breaks[cells] + (breaks[cells + 1] - breaks[cells]) * rng.random(len(cells))
    smooth = smooth_values(breaks, shares, cells, rng)
    assert wasserstein_distance(truth, smooth) < wasserstein_distance(truth, even) / 2


def test_values_stay_in_their_cells() -> None:
    """A value never leaves the cell of its code, not even by rounding at an end."""
    breaks = np.array([0.0, 1e-9, 1.0, 1e9])
    cells = np.repeat([0, 1, 2], 1_000)
    values = smooth_values(breaks, np.array([0.2, 0.5, 0.3]), cells, np.random.default_rng(0))
    assert (values >= breaks[cells]).all()
    assert (values < breaks[cells + 1]).all()


def test_integers_and_categories_have_their_types(spec: Spec) -> None:
    """Integers come as whole numbers, categories as their levels, in the order of the spec."""
    goals, aligned = solve(spec, 200)
    frame = frame_of(goals, aligned)
    assert frame.columns == ["age", "sex", "employment"]
    assert frame["age"].dtype.is_integer()
    assert set(frame["sex"]) <= {"Female", "Male"}


def test_same_generator_same_values(spec: Spec) -> None:
    """Equal generators give equal frames."""
    goals, aligned = solve(spec, 300)
    frames = [realize(goals, aligned.codes, rng=np.random.default_rng(5)) for _ in range(2)]
    assert frames[0].equals(frames[1])


def test_means_are_met_without_spoiling_tables(document: dict[str, Any]) -> None:
    """Means overall or by groups hold, for integers and numbers, while every table stays met."""
    document["units"]["person"]["variables"]["income"] = {"kind": "number", "range": [0, 200_000], "unit": "EUR"}
    cells = [
        {"employment": "Employed", "mean": 41_000},
        {"employment": "Not employed", "mean": 15_500},
        {"employment": "Under 16", "mean": 300},
    ]
    document["targets"] += [
        {"name": "income", "unit": "person", "mean": "income", "by": ["employment"], "cells": cells},
        {"name": "mean age", "unit": "person", "mean": "age", "cells": [{"mean": 39.5}]},
    ]
    spec = Spec.load(document)
    goals, aligned = solve(spec, 3_000)
    comparisons = compare(spec, {"person": frame_of(goals, aligned)})
    assert {c.target.name: c.status for c in comparisons} == {c.target.name: "exact" for c in comparisons}


def test_mean_out_of_reach_is_said(document: dict[str, Any]) -> None:
    """A mean that the tables do not allow is reported as unmet, with the value that was reached."""
    document["targets"].append({"name": "mean age", "unit": "person", "mean": "age", "cells": [{"mean": 90}]})
    spec = Spec.load(document)
    goals, aligned = solve(spec, 1_000)
    comparison = compare(spec, {"person": frame_of(goals, aligned)})[-1]
    assert comparison.status == "missed"
    assert "instead of 90" in comparison.worst(1)[0]


def test_fine_shape_follows_the_row(document: dict[str, Any]) -> None:
    """Where one table cuts finely and another by groups coarsely, each group gets its own shape inside the coarse cells."""
    rows = [{"age": f"[{k}, {k + 5})", "count": 50} for k in range(0, 100, 5)]
    young = [{"sex": "Male", "age": "[0, 50)", "count": 450}, {"sex": "Male", "age": "[50, 100)", "count": 50}]
    old = [{"sex": "Female", "age": "[0, 50)", "count": 50}, {"sex": "Female", "age": "[50, 100)", "count": 450}]
    document["rules"] = []
    document["targets"] = [
        {"name": "age", "unit": "person", "cells": rows},
        {"name": "age by sex", "unit": "person", "cells": [*young, *old]},
    ]
    goals = goals_of(Spec.load(document))
    _, aligned = solve(Spec.load(document), 5_000)
    age, sex = aligned.codes[:, 0], aligned.codes[:, 1]
    young_men, young_women = (age[(sex == code) & (age < 10)].mean() for code in (1, 0))
    assert goals.grid.sizes[0] == 20
    assert young_men < young_women
