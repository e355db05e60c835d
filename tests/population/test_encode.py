"""A starting population is changed as little as the tables ask."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import llmsynthor
from llmsynthor.errors import DataError, SpecError
from llmsynthor.run.synthesize import Solution
from llmsynthor.spec.specification import Spec
from tests.conftest import broken


@pytest.fixture
def older(spec: Spec) -> pl.DataFrame:
    """A population that meets the tables of the fixture spec."""
    return llmsynthor.synthesize(spec, records=2_000, llm="none", seed=1).records["person"]


def changed(solution: Solution) -> int:
    return int(solution.records["person"]["start_changed"].sum())


def test_population_that_fits_is_not_touched(spec: Spec, older: pl.DataFrame) -> None:
    """Where every table is met already, every record and every value stays."""
    solution = llmsynthor.synthesize(spec, start=older, records=2_000, seed=5)
    columns = ["age", "sex", "employment"]
    assert changed(solution) == 0
    assert solution.records["person"].select(columns).equals(older.select(columns))
    assert solution.manifest["model"] is None


def test_few_records_change(document: dict, older: pl.DataFrame) -> None:
    """When a table moves by 5 % of the records, little more than that changes, the tables are met and the rule holds."""
    document["targets"][0]["cells"][1]["count"] = 550
    document["targets"][0]["cells"][2]["count"] = 250
    solution = llmsynthor.synthesize(document, start=older, records=2_000)
    assert set(solution.alignment["status"]) == {"exact"}
    assert 100 <= changed(solution) <= 130
    assert broken(solution.records["person"]) == 0
    kept = solution.records["person"].filter(~pl.col("start_changed"))
    assert (older["age"].to_numpy()[kept["start_row"].to_numpy() - 1] == kept["age"].to_numpy()).all()


def test_dependence_of_the_start_is_kept() -> None:
    """What no table says is taken from the starting records, also in the records that change."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 5, 3_000)
    y = np.where(rng.random(3_000) < 0.9, x, rng.integers(0, 5, 3_000))
    levels = [str(k) for k in range(5)]
    start = pl.DataFrame({"x": [levels[k] for k in x], "y": [levels[k] for k in y]})
    shares = (0.4, 0.3, 0.1, 0.1, 0.1)
    document = {
        "llmsynthor": 1,
        "units": {"r": {"variables": {name: {"kind": "category", "levels": levels} for name in "xy"}}},
        "targets": [
            {"name": name, "unit": "r", "cells": [{name: k, "share": s} for k, s in zip(levels, shares, strict=True)]}
            for name in "xy"
        ],
    }
    made = llmsynthor.synthesize(document, start=start, records=3_000).records["r"]
    assert (made["x"] == made["y"]).mean() > 0.8


@pytest.mark.parametrize("records", [500, 4_500])
def test_sample_is_thinned_or_repeated_evenly(spec: Spec, older: pl.DataFrame, records: int) -> None:
    """A sample larger or smaller than the population is used evenly: no row more than once oftener than another."""
    made = llmsynthor.synthesize(spec, start=older, records=records).records["person"]
    times = np.bincount(made["start_row"].to_numpy() - 1, minlength=older.height)
    assert times.max() - times.min() <= 1


@pytest.mark.slow
def test_run_folder_keeps_the_start(spec: Spec, older: pl.DataFrame, tmp_path: Path) -> None:
    """The folder holds the starting records, and a repeated run from them gives the same bytes."""
    older.write_parquet(tmp_path / "older.parquet")
    first = llmsynthor.synthesize(spec, start=tmp_path / "older.parquet", records=2_000, out=tmp_path / "a")
    again = llmsynthor.synthesize(
        tmp_path / "a" / "spec", start=tmp_path / "a" / "start.parquet", records=2_000, out=tmp_path / "b"
    )
    assert again.manifest["start"] == first.manifest["start"]
    for name in ("records/person.parquet", "alignment.csv", "run.json", "report.html"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_bad_starts_are_refused_with_every_reason(spec: Spec, older: pl.DataFrame) -> None:
    """Missing columns and values outside the domain are all named at once."""
    bad = older.drop("sex").with_columns(age=pl.col("age") + 90)
    with pytest.raises(DataError) as caught:
        llmsynthor.synthesize(spec, start=bad, records=10)
    said = str(caught.value)
    assert "sex" in said and "the column is missing" in said
    assert "age" in said and "outside the domain" in said
    with pytest.raises(DataError, match="no records"):
        llmsynthor.synthesize(spec, start=older.head(0), records=10)
    with pytest.raises(SpecError, match="takes the place of the model"):
        llmsynthor.synthesize(spec, start=older, records=10, llm="local")
