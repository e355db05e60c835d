"""The seed of a spec: a few real records as evidence, from the document to dependencies.csv."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import llmsynthor as ls
from llmsynthor.errors import DataError, SpecError
from tests.homes import HOMES

LEVELS = ["a", "b", "c"]


def document(**more: Any) -> dict[str, Any]:
    """Three variables with one-way tables that say nothing of how they depend."""
    variables = {name: {"kind": "category", "levels": LEVELS} for name in ("x", "y", "z")}
    targets = [
        {"unit": "person", "cells": [{name: level, "share": 1 / 3} for level in LEVELS]} for name in ("x", "y", "z")
    ]
    return {"llmsynthor": 1, "units": {"person": {"variables": variables}}, "targets": targets, **more}


def records(number: int = 60, seed: int = 0) -> pl.DataFrame:
    """Records in which x and y are the same, and z has nothing to do with them."""
    rng = np.random.default_rng(seed)
    x, z = rng.choice(LEVELS, number), rng.choice(LEVELS, number)
    return pl.DataFrame({"x": x, "y": x, "z": z})


def same(made: pl.DataFrame) -> float:
    return float((made["x"] == made["y"]).mean())  # type: ignore[arg-type]


def test_a_seed_says_what_depends_on_what() -> None:
    """Without it x and y agree by chance; with sixty records they nearly always do, every table is met, and z stays loose."""
    plain = ls.synthesize(document(), records=3_000, llm="none", seed=1)
    made = ls.synthesize(document(seed=records()), records=3_000, llm="none", seed=1)
    own = made.records["person"]
    assert same(plain.records["person"]) < 0.4
    assert same(own) > 0.9
    assert abs(float((own["x"] == own["z"]).mean()) - 1 / 3) < 0.12  # type: ignore[arg-type]
    assert set(made.alignment.filter(source="given")["status"]) == {"exact"}
    pair = made.dependencies.filter(one="x", other="y").to_dicts()[0]
    assert (pair["source"], pair["sources"], pair["worth_records"]) == ("seed", "seed 1.00", 60)
    assert pair["low"] <= pair["share"] <= pair["high"]


def test_it_is_no_record_of_its_own() -> None:
    """Records are not copied: combinations that no record of the seed has come about."""
    seed = records(30)
    made = ls.synthesize(document(seed=seed), records=3_000, llm="none", seed=1).records["person"]
    assert made.unique(["x", "y", "z"]).height > seed.unique().height


def test_a_spec_keeps_its_seed(tmp_path: Path) -> None:
    """Spec → folder → spec is the identity, weights included; another seed is another spec."""
    spec = ls.Spec.load(document(seed={"records": records().with_columns(w=pl.lit(2.0)), "weight": "w"}))
    again = ls.Spec.load(spec.save(tmp_path / "kept"))
    assert spec == again
    assert again.seed is not None
    assert again.seed.weight == "w"
    assert spec != ls.Spec.load(document(seed=records()))


@pytest.mark.slow
def test_files_are_found_beside_the_spec(tmp_path: Path) -> None:
    """A path is relative to the spec file, CSV or Parquet; the run keeps the seed in its folder."""
    records().write_csv(tmp_path / "few.csv")
    import yaml  # noqa: PLC0415  (only here)

    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(document(seed="few.csv")))
    made = ls.synthesize(tmp_path / "spec.yaml", records=1_000, llm="none", seed=1, out=tmp_path / "run")
    assert same(made.records["person"]) > 0.85
    assert (tmp_path / "run" / "spec" / "seed" / "person.parquet").is_file()


def test_columns_and_values_may_be_missing() -> None:
    """A survey that lacks a variable, and records that lack a value, say what they have."""
    seed = records().drop("z").with_columns(pl.when(pl.int_range(pl.len()) % 4 > 0).then("y").alias("y"))
    made = ls.synthesize(document(seed=seed), records=2_000, llm="none", seed=1)
    assert same(made.records["person"]) > 0.85
    assert made.dependencies.filter(one="x", other="z")["source"].to_list() == ["maximum entropy"]
    assert made.dependencies.filter(one="x", other="y")["worth_records"].to_list() == [45]


def test_a_column_of_weights_is_used_or_refused() -> None:
    """What looks like weights is not passed over; named, they count."""
    seed = records(90).with_columns(weight=pl.when(pl.col("x") == "a").then(5.0).otherwise(1.0))
    with pytest.raises(DataError, match="weights that would not be used"):
        ls.synthesize(document(seed=seed), records=100, llm="none")
    for weight in ("weight", "none"):
        made = ls.synthesize(document(seed={"records": seed, "weight": weight}), records=600, llm="none", seed=1)
        worth = made.dependencies.filter(one="x", other="y")["worth_records"][0]
        assert (worth < 90) == (weight == "weight")


@pytest.mark.parametrize(
    ("seed", "words"),
    [
        ("nothing.csv", "cannot be read"),
        ({"records": {"people": records()}}, "of each unit"),
        (records().head(0), "no records"),
        (records().rename({"x": "p", "y": "q", "z": "r"}), "no variable of the spec"),
        ({"records": records(), "weight": "w"}, "column of weights is missing"),
        (3, "no records"),
    ],
)
def test_what_is_no_seed_is_refused(seed: Any, words: str) -> None:
    """Each problem of a seed is said with its place, before anything is made."""
    with pytest.raises(SpecError, match=words):
        ls.Spec.load(document(seed=seed))


def test_values_outside_the_spec_are_refused() -> None:
    """A level that the spec does not have is named, with its column."""
    odd = pl.concat([records(), pl.DataFrame({"x": ["d"], "y": ["a"], "z": ["a"]})])
    with pytest.raises(DataError, match=r"seed, person, column x.*outside the domain"):
        ls.synthesize(document(seed=odd), records=100, llm="none")


@pytest.mark.slow
def test_given_and_skipped_pairs_are_left_alone() -> None:
    """What a table gives is met whatever the seed says, and of a skipped pair nothing is taken."""
    cells = [{"x": one, "y": other, "share": 1 / 9} for one in LEVELS for other in LEVELS]
    base = document(seed=records())
    given = {**base, "targets": [*base["targets"], {"unit": "person", "cells": cells}]}
    assert abs(same(ls.synthesize(given, records=900, llm="none", seed=1).records["person"]) - 1 / 3) < 1e-9
    skipped = ls.synthesize({**base, "dependencies": {"skip": [["x", "y"]]}}, records=900, llm="none", seed=1)
    assert same(skipped.records["person"]) < 0.45


@pytest.mark.slow
def test_nested_records_say_what_persons_have_of_their_household() -> None:
    """A few households say how their members depend on what the household is, and every rule is kept."""
    tenures, jobs = ("Owned", "Rented"), ("Works", "None")
    one_way = [
        {"unit": "household", "cells": [{"tenure": own, "share": 0.5} for own in tenures]},
        {"unit": "person", "cells": [{"job": own, "share": 0.5} for own in jobs]},
    ]
    sizes = np.arange(60) % 3 + 1
    households = pl.DataFrame({"household_id": np.arange(60), "tenure": [tenures[k % 2] for k in range(60)]})
    whose = np.repeat(np.arange(60), sizes)
    persons = pl.DataFrame({"household_id": whose, "job": [jobs[k % 2] for k in whose], "age": np.full(len(whose), 30)})
    spec = {**HOMES, "targets": one_way, "seed": {"records": {"household": households, "person": persons}}}
    made = ls.synthesize(spec, records=600, llm="none", seed=1)
    pair = made.dependencies.filter(unit="person", one="job", other="household.tenure").to_dicts()[0]
    assert (pair["source"], pair["worth_records"]) == ("seed", len(whose))
    joined = made.records["person"].join(made.records["household"].select("household_id", "tenure"), on="household_id")
    agree = (joined["tenure"] == "Owned") == (joined["job"] == "Works")
    assert float(agree.mean()) > 0.85  # type: ignore[arg-type]
    assert not any(made.manifest["rules_broken"].values())
