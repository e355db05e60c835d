"""Figures of finished runs of nested records."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from llmsynthor.errors import DataError
from llmsynthor.evaluation.compare import compare
from llmsynthor.evaluation.metrics import evaluate
from llmsynthor.evaluation.rules import rules_broken
from llmsynthor.records.measure import measure
from llmsynthor.spec.reading.files import save
from llmsynthor.spec.specification import Spec
from tests.homes import HOMES, homes, write_homes

SPEC = Spec.load(HOMES)


def run_folder(path: Path, frames: dict[str, pl.DataFrame]) -> Path:
    """A folder that looks like a finished run with these records."""
    write_homes(frames, path / "records")
    save(SPEC, path / "spec")
    (path / "run.json").write_text(json.dumps({"spec": {}, "arguments": {}}))
    return path


def test_targets_of_every_unit_are_compared(tmp_path: Path) -> None:
    """Records meet the tables that were measured on them, at every unit; others do not."""
    frames = homes(0, 1_500)
    measured = measure(SPEC, [write_homes(frames, tmp_path / "data")])
    document = {**HOMES, "targets": [dict(target) for target in HOMES["targets"]]}
    for target, entry in zip(document["targets"], measured, strict=True):
        value = "mean" if "mean" in target else "count"
        target["cells"] = [{**cell, value: float(v)} for cell, v in zip(target["cells"], entry.values, strict=True)]
    spec = Spec.load(document)
    assert {c.target.name: c.status for c in compare(spec, frames)} == {t.name: "exact" for t in spec.targets}
    assert "missed" in {c.status for c in compare(spec, homes(1, 1_500))}
    shuffled = {**frames, "household": frames["household"].with_columns(pl.col("household_id").reverse())}
    assert compare(spec, shuffled)[0].tvd > 0.01


def test_broken_rules_are_counted_at_every_unit() -> None:
    """Rules over children, of one unit, and with a parent's variable count the records that break them."""
    frames = homes(2, 800)
    person = frames["person"].join(frames["household"], on="household_id", how="left", maintain_order="left")
    first = person.group_by("household_id", maintain_order=True).first()
    assert rules_broken(SPEC, frames) == {
        "the head is an adult": first.filter(pl.col("age") < 18).height,
        "children do not work": person.filter((pl.col("age") < 15) & (pl.col("job") == "Works")).height,
        "renters do not earn much": person.filter((pl.col("tenure") == "Rented") & (pl.col("income") > 90_000)).height,
    }


def test_composition_sees_who_lives_with_whom(tmp_path: Path) -> None:
    """Persons dealt out anew to the households keep every table of persons and are told apart by their composition."""
    reference = homes(3, 4_000)
    older = reference["person"].sort("household_id", "age", descending=[False, True], maintain_order=True)
    reference["person"] = older.with_columns(person_id=pl.int_range(1, older.height + 1))
    rng = np.random.default_rng(0)
    mixed = older[rng.permutation(older.height)].with_columns(household_id=older["household_id"])
    folder = write_homes(reference, tmp_path / "reference")
    same = evaluate(run_folder(tmp_path / "same", reference), folder)["reference"]
    dealt = evaluate(run_folder(tmp_path / "dealt", {**reference, "person": mixed}), folder)["reference"]
    assert same["units"]["person"]["tvd_3way"] == dealt["units"]["person"]["tvd_3way"] == 0
    assert same["composition"]["household"]["tvd_2way"] == 0
    assert dealt["composition"]["household"]["tvd_2way"] > 0.05
    assert "first person.age" in dealt["composition"]["household"]["furthest"]


def test_evaluation_of_a_nested_run(tmp_path: Path) -> None:
    """Records, targets and rules of all units stand in one answer; whole households are compared for duplicates."""
    frames = homes(4, 200)
    twice = {
        "household": pl.concat([frames["household"], frames["household"].with_columns(pl.col("household_id") + 1_000)]),
        "person": pl.concat([frames["person"], frames["person"].with_columns(pl.col("household_id") + 1_000)]),
    }
    found = evaluate(run_folder(tmp_path / "run", twice))
    assert found["units"] == {"household": 400, "person": twice["person"].height}
    assert found["duplicate_share"] == pytest.approx(0.5)
    assert [target["unit"] for target in found["targets"]] == ["household", "person", "person", "person"]
    json.dumps(found, allow_nan=False)


def test_a_reference_may_lack_columns_or_units(tmp_path: Path) -> None:
    """What the reference has is compared; with nothing in common it is an error."""
    frames = homes(5, 300)
    run = run_folder(tmp_path / "run", frames)
    part = {"household": frames["household"], "person": frames["person"].drop("job", "person_id")}
    found = evaluate(run, write_homes(part, tmp_path / "part"))["reference"]
    assert "workers" not in found["units"]["household"]["variables"]
    assert "head_age" in found["units"]["household"]["variables"]
    assert "children do not work" not in found["units"]["person"]["rules_broken"]
    homes_alone = evaluate(run, write_homes({"household": frames["household"]}, tmp_path / "alone"))["reference"]
    assert list(homes_alone["units"]) == ["household"]
    assert homes_alone["composition"] == {}
    with pytest.raises(DataError, match="no reference records"):
        evaluate(run, tmp_path / "nowhere")
    with pytest.raises(DataError, match="none of the variables"):
        evaluate(run, write_homes({"household": frames["household"].select("household_id")}, tmp_path / "none"))
