"""Φ on micro-data, plain and with differential privacy."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import llmsynthor
from llmsynthor.errors import DataError
from llmsynthor.records import microdata as room
from llmsynthor.records.measure import measure, tabulate, write_measured
from llmsynthor.records.release import release, write_accounting
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Table

pytest.importorskip("opendp")


def frame_of(seed: int, records: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    age = rng.integers(0, 100, records)
    job = np.where(age < 16, "Under 16", rng.choice(["Employed", "Not employed"], records))
    return pl.DataFrame({"age": age, "sex": rng.choice(["Female", "Male"], records), "employment": job})


STATISTICS = [
    {"name": "mean", "unit": "person", "mean": "age", "cells": [{"mean": 1}]},
    {
        "name": "total",
        "unit": "person",
        "total": "age",
        "cells": [{"sex": "Male", "total": 1}, {"sex": "Female", "total": 1}],
    },
    {"name": "median", "unit": "person", "quantile": "age", "probability": 0.5, "cells": [{"quantile": 1}]},
]


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_batches_change_nothing(document: dict, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read in small pieces or at once, from Parquet or CSV, the tables are the same."""
    document["targets"] += STATISTICS
    spec, frame = Spec.load(document), frame_of(0, 5_000)
    path = tmp_path / f"data.{kind}"
    getattr(frame, f"write_{kind}")(path)
    whole = measure(spec, [path])
    monkeypatch.setattr(room, "BATCH", 300)
    monkeypatch.setattr(room, "CSV_BYTES", 5_000)
    pieces = measure(spec, [path])
    for one, other in zip(whole, pieces, strict=True):
        assert np.allclose(one.values, other.values)
    found = {entry.target.name: entry.values for entry in pieces}
    assert found["mean"][0] == pytest.approx(frame["age"].mean())
    assert found["median"][0] == pytest.approx(frame["age"].median())
    assert found["total"][0] == frame.filter(pl.col("sex") == "Male")["age"].sum()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60), st.integers(1, 60))
def test_law_additive_and_blind_to_order(seed: int, one: int, other: int) -> None:
    """Φ(A ∪ B) = Φ(A) + Φ(B), and permuting records changes nothing."""
    columns = {"age": {"kind": "integer", "range": [0, 100]}, "sex": {"kind": "category", "levels": ["Female", "Male"]}}
    cells = [{"age": a, "sex": s, "count": 1} for a in ("0-17", "18+") for s in ("Female", "Male")]
    spec = Spec.load(
        {"llmsynthor": 1, "units": {"p": {"variables": columns}}, "targets": [{"unit": "p", "cells": cells}]}
    )
    table = spec.targets[0]
    assert isinstance(table, Table)
    a, b = frame_of(seed, one), frame_of(seed + 1, other)
    both = pl.concat([a, b])
    assert (
        tabulate(both, table, spec.schema) == tabulate(a, table, spec.schema) + tabulate(b, table, spec.schema)
    ).all()
    assert (
        tabulate(both.sample(fraction=1, shuffle=True, seed=seed), table, spec.schema)
        == tabulate(both, table, spec.schema)
    ).all()


def test_released_tables_have_the_noise_they_say(document: dict, tmp_path: Path) -> None:
    """The budget is spent to the last and not beyond, the noise has its scale, and the margins hold in nine of ten."""
    spec, frame = Spec.load(document), frame_of(1, 20_000)
    frame.write_parquet(tmp_path / "data.parquet")
    true = measure(spec, [tmp_path / "data.parquet"])
    errors = []
    for _ in range(60):
        noisy, spent = release(spec, [tmp_path / "data.parquet"], epsilon=0.3)
        assert sum(entry.epsilon for entry in spent) <= 0.3
        assert sum(entry.epsilon for entry in spent) == pytest.approx(0.3)
        assert noisy[0].margins is not None
        errors += list((noisy[0].values - true[0].values) / noisy[0].margins)
    assert 0.8 < np.mean(np.abs(errors) <= 1) < 0.98


@pytest.mark.slow
def test_synthesis_from_released_tables(document: dict, tmp_path: Path) -> None:
    """Tables released with little budget, negative cells and unequal totals included, can be aligned to."""
    spec, frame = Spec.load(document), frame_of(2, 300)
    frame.write_parquet(tmp_path / "data.parquet")
    noisy, spent = release(spec, [tmp_path / "data.parquet"], epsilon=0.2, contributions=2)
    paths = write_measured(noisy, tmp_path / "tables")
    accounting = write_accounting(spent, tmp_path / "tables", epsilon=0.2, contributions=2)
    assert json.loads(accounting.read_text())["epsilon_spent"] <= 0.2
    for target, path in zip(document["targets"], paths, strict=True):
        target.pop("cells")
        target |= {"table": str(path), "margin_of_error": "margin_of_error"}
    document["targets"][1]["value"] = "share"
    solution = llmsynthor.synthesize(document, records=300, llm="none")
    assert solution.records["person"].height == 300
    assert not any(solution.manifest["rules_broken"].values())


def test_noise_that_leaves_nothing_of_a_table(document: dict) -> None:
    """A noisy table that sums to nothing is left out with a warning, and the rest is aligned to."""
    for cell in document["targets"][2]["cells"]:
        cell |= {"count": -5 if cell["sex"] == "Male" else 5, "margin": 90}
    document["targets"][2]["margin_of_error"] = "margin"
    spec = Spec.load(document)
    assert [target.name for target in spec.targets] == ["age", "sex"]
    assert [note.where for note in spec.notes] == ['targets[2] "employment by sex"']
    assert "left out" in spec.notes[0].what
    assert llmsynthor.synthesize(spec, records=300, llm="none").records["person"].height == 300


def test_release_refuses_what_it_cannot(document: dict, tmp_path: Path) -> None:
    """A budget that is none, and quantiles, are refused together."""
    document["targets"] += STATISTICS
    with pytest.raises(DataError) as caught:
        release(Spec.load(document), [], epsilon=-1)
    assert "it is no budget" in str(caught.value)
    assert "quantiles are not released" in str(caught.value)


def test_means_and_totals_are_released_from_clamped_sums(document: dict, tmp_path: Path) -> None:
    """With a large budget they are near the truth, and what they cost is written down."""
    document["targets"] = STATISTICS[:2]
    spec, frame = Spec.load(document), frame_of(3, 5_000)
    frame.write_parquet(tmp_path / "data.parquet")
    noisy, spent = release(spec, [tmp_path / "data.parquet"], epsilon=100.0)
    assert noisy[0].values[0] == pytest.approx(frame["age"].mean(), rel=0.01)
    assert [entry.mechanism for entry in spent].count("Laplace on clamped sums") == 2


def test_strange_values_are_named(spec: Spec, tmp_path: Path) -> None:
    """A value outside the domain is an error that names the file, the column and the value."""
    frame_of(4, 10).with_columns(sex=pl.lit("x")).write_csv(tmp_path / "data.csv")
    with pytest.raises(DataError, match=r"sex has values outside its domain \(found: x\)"):
        measure(spec, [tmp_path / "data.csv"])
    with pytest.raises(DataError, match="cannot be read"):
        measure(spec, [tmp_path / "none.csv"])
