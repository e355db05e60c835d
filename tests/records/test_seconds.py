"""Sums of powers against numpy, and what is made of them."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmsynthor.records.linked import nest
from llmsynthor.records.seconds import power_sums, second_moment
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Statistic


def spec_of() -> Spec:
    variables: dict[str, Any] = {
        "x": {"kind": "number", "range": [1e6, 2e6]},
        "y": {"kind": "integer", "range": [0, 100]},
        "sex": {"kind": "category", "levels": ["F", "M"]},
    }
    groups = [{"sex": "F", "value": 0.5}, {"sex": "M", "value": 0.5}]
    targets = [
        {"unit": "p", "deviation": "x", "by": ["sex"], "cells": groups, "name": "d"},
        {"unit": "p", "correlation": ["x", "y"], "by": ["sex"], "cells": groups, "name": "r"},
    ]
    return Spec.load({"llmsynthor": 1, "units": {"p": {"variables": variables}}, "targets": targets})


@given(seed=st.integers(0, 1_000), cut=st.integers(0, 60))
@settings(max_examples=20, deadline=None)
def test_sums_of_blocks_give_what_numpy_has_of_all(seed: int, cut: int) -> None:
    """Sums over two blocks add up to the deviation and correlation of each group, however far from zero the numbers are."""
    spec, rng = spec_of(), np.random.default_rng(seed)
    frame = pl.DataFrame(
        {"x": rng.uniform(1e6, 2e6, 60), "y": rng.integers(0, 100, 60), "sex": rng.choice(["F", "M"], 60)}
    )
    groups = [frame.filter(pl.col("sex") == sex) for sex in "FM"]
    for target in spec.targets:
        assert isinstance(target, Statistic)
        sums = np.zeros((2, 6))
        for block in (frame[:cut], frame[cut:]):
            cells = (block["sex"].to_numpy() == "M").astype(np.int64)
            sums += power_sums(nest({"p": block}, spec.schema), target, cells)
        own = [g["x"].std(ddof=0) if target.name == "d" else np.corrcoef(g["x"], g["y"])[0, 1] for g in groups]
        assert second_moment(target, sums) == pytest.approx(np.array(own, dtype=float), rel=1e-9, abs=1e-9)


def test_nobody_has_no_deviation() -> None:
    """A group without records, and one whose numbers do not vary, have no correlation; the first has no deviation either."""
    deviation, correlation = (t for t in spec_of().targets if isinstance(t, Statistic))
    sums = np.array([[0.0] * 6, [2.0, 4, 4, 8, 8, 8]])
    assert np.isnan(second_moment(deviation, sums)).tolist() == [True, False]
    assert np.isnan(second_moment(correlation, sums)).all()
