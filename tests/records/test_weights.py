"""Weights of micro-data are used or refused, never passed over."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from llmsynthor.errors import DataError
from llmsynthor.records.measure import measure
from llmsynthor.run.synthesize import synthesize
from llmsynthor.spec.specification import Spec
from tests.homes import HOMES, homes, write_homes

SURVEY: dict[str, Any] = {
    "llmsynthor": 1,
    "units": {
        "person": {
            "variables": {
                "sex": {"kind": "category", "levels": ["F", "M"]},
                "smoker": {"kind": "category", "levels": ["yes", "no"]},
                "age": {"kind": "integer", "range": [0, 100]},
            }
        }
    },
    "targets": [{"name": "sex", "unit": "person", "cells": [{"sex": "F", "count": 500}, {"sex": "M", "count": 500}]}],
}


def survey() -> pl.DataFrame:
    """Smokers sampled four times as often as others; men count for twice as many as women."""
    rows = (
        [("F", "yes", 40, 0.5)] * 40
        + [("F", "no", 40, 2.0)] * 40
        + [("M", "yes", 60, 1.0)] * 40
        + [("M", "no", 60, 4.0)] * 40
    )
    return pl.DataFrame(rows, schema=["sex", "smoker", "age", "weight"], orient="row")


def test_weights_that_nobody_names_are_refused(tmp_path: Path) -> None:
    """A column that is likely a weight stops `measure` and a start until it is named, or said to be none."""
    survey().write_csv(tmp_path / "survey.csv")
    for use in (
        lambda: measure(Spec.load(SURVEY), [tmp_path / "survey.csv"]),
        lambda: synthesize(SURVEY, start=survey(), records=10, llm="none"),
    ):
        with pytest.raises(DataError, match="--weight weight"):
            use()
    counted = measure(Spec.load(SURVEY), [tmp_path / "survey.csv"], weight="none")
    assert counted[0].values.tolist() == [80.0, 80.0]


def test_measure_counts_by_weight(tmp_path: Path) -> None:
    """Counts, means and quantiles are those of the records repeated by their weights."""
    targets = [
        *SURVEY["targets"],
        {"name": "mean", "unit": "person", "mean": "age", "cells": [{"mean": 50}]},
        {"name": "third", "unit": "person", "quantile": "age", "probability": 0.4, "cells": [{"quantile": 50}]},
    ]
    survey().write_parquet(tmp_path / "survey.parquet")
    found = measure(Spec.load({**SURVEY, "targets": targets}), [tmp_path / "survey.parquet"], weight="weight")
    assert found[0].values.tolist() == [100.0, 200.0]
    assert found[1].values == pytest.approx((40 * 100 + 60 * 200) / 300)
    assert found[2].values.tolist() == [60.0]


def test_weights_of_households_hold_for_their_persons(tmp_path: Path) -> None:
    """A household of weight two counts twice, and so do its persons."""
    frames = homes(3, 60)
    weights = np.arange(60) % 3
    whole = Spec.load({**HOMES, "rules": []})
    frames["household"] = frames["household"].with_columns(pl.Series("weight", weights))
    once = write_homes({unit: f.drop("weight", strict=False) for unit, f in frames.items()}, tmp_path / "once")
    plain = measure(whole, [once])
    doubled = {k: v.with_columns(weight=pl.lit(2)) if k == "household" else v for k, v in frames.items()}
    found = measure(whole, [write_homes(doubled, tmp_path / "twice")], weight="weight")
    for a, b in zip(plain[:2], found[:2], strict=True):
        assert (2 * a.values).tolist() == b.values.tolist()


def test_a_start_is_drawn_by_its_weights() -> None:
    """Raked to the table, a fifth of the weighted records are smokers, where half of the rows are."""
    solution = synthesize(SURVEY, start=survey(), weight="weight", records=1000, llm="none", seed=1)
    smokers = solution.records["person"].filter(smoker="yes").height
    assert abs(smokers - 200) <= 2
    alike = synthesize(SURVEY, start=survey(), weight="none", records=1000, llm="none", seed=1)
    assert abs(alike.records["person"].filter(smoker="yes").height - 500) <= 2


@pytest.mark.parametrize("weights", [[-1.0, 1.0], [0.0, 0.0], [None, 1.0]])
def test_weights_are_numbers_of_zero_or_more(weights: list[float | None]) -> None:
    """Negative and missing weights, and such that are all zero, are refused."""
    start = survey().head(2).with_columns(pl.Series("weight", weights))
    with pytest.raises(DataError, match="weight"):
        synthesize(SURVEY, start=start, weight="weight", records=10, llm="none")
