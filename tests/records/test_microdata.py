"""Micro-data of several units: which file is which, blocks of whole top records, and what is named when they do not fit."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from llmsynthor.errors import DataError
from llmsynthor.records import microdata as room
from llmsynthor.records.measure import measure
from llmsynthor.records.release import release
from llmsynthor.spec.specification import Spec
from tests.homes import HOMES, homes, write_homes

SPEC = Spec.load(HOMES)


def by_hand(frames: dict[str, pl.DataFrame]) -> dict[str, list[float]]:
    """The targets of HOMES with joins and group-bys."""
    person = frames["person"].join(frames["household"], on="household_id", how="left", maintain_order="left")
    first = person.group_by("household_id", maintain_order=True).first()
    workers = person.group_by("household_id", maintain_order=True).agg(
        n=(pl.col("job") == "Works").sum().clip(0, 2), t=pl.col("tenure").first()
    )
    before = person.with_columns(before=pl.col("age").shift(1).over("household_id"))
    after = before.filter(pl.col("age") <= pl.col("before"))
    return {
        "workers by tenure": [workers.filter(n=n, t=t).height for n in (0, 1, 2) for t in ("Owned", "Rented")],
        "age by tenure": [
            person.filter((pl.col("age") >= 18) == old, tenure=t).height
            for old in (False, True)
            for t in ("Owned", "Rented")
        ],
        "income of heads": [first.filter(tenure=t)["income"].mean() for t in ("Owned", "Rented")],  # type: ignore[list-item]
        "age after an older": [after.filter(pl.col("age") < 18).height, after.filter(pl.col("age") >= 18).height],
    }


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_tables_of_every_unit(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Φ of every unit, with parents' and derived columns, agrees with joins by hand, in one block or in many."""
    frames = homes(0, 2_000)
    folder = write_homes(frames, tmp_path / "data", kind)
    wanted = by_hand(frames)
    whole = measure(SPEC, [folder])
    monkeypatch.setattr(room, "BATCH", 300)
    monkeypatch.setattr(room, "CSV_BYTES", 4_000)
    pieces = measure(SPEC, [folder / f"person.{kind}", folder / f"household.{kind}"])
    for one, other in zip(whole, pieces, strict=True):
        assert one.values == pytest.approx(wanted[one.target.name])
        assert other.values == pytest.approx(wanted[one.target.name])
        assert one.outside == other.outside


def test_sets_of_files_add_up(tmp_path: Path) -> None:
    """Two folders, whose ids may be the same, are two parts of one data set; a run folder's records/ is found."""
    parts = [homes(seed, 300) for seed in (1, 2)]
    folders = [write_homes(parts[0], tmp_path / "a"), write_homes(parts[1], tmp_path / "run" / "records").parent]
    both = measure(SPEC, folders)
    wanted = [by_hand(part) for part in parts]
    assert both[0].values == pytest.approx(np.sum([w["workers by tenure"] for w in wanted], axis=0))


def test_children_in_another_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One block takes children in any order; over more blocks children out of order are an error, never left out."""
    frames = homes(3, 500)
    mixed = {**frames, "person": frames["person"].sort("household_id", descending=True, maintain_order=True)}
    folder = write_homes(mixed, tmp_path / "data")
    assert measure(SPEC, [folder])[0].values == pytest.approx(by_hand(frames)["workers by tenure"])
    monkeypatch.setattr(room, "BATCH", 100)
    with pytest.raises(DataError, match="do not stand in the order of their household"):
        measure(SPEC, [folder])


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    """Missing files, missing columns, strays and odd names are errors that say which file and what to do."""
    frames = homes(4, 50)
    alone = write_homes({"household": frames["household"]}, tmp_path / "alone")
    with pytest.raises(DataError, match="there is no file with these records"):
        measure(SPEC, [alone])
    lacking = write_homes({**frames, "person": frames["person"].drop("income")}, tmp_path / "lacking")
    with pytest.raises(DataError, match=r"person.parquet: a column is missing \(found: income\)"):
        measure(SPEC, [lacking])
    stray = write_homes({**frames, "household": frames["household"].head(40)}, tmp_path / "stray")
    with pytest.raises(DataError, match="household_id 41"):
        measure(SPEC, [stray])
    frames["person"].write_parquet(tmp_path / "people.parquet")
    with pytest.raises(DataError, match="does not say which unit it holds"):
        measure(SPEC, [tmp_path / "people.parquet"])
    with pytest.raises(DataError, match="holds no records of the spec's units"):
        measure(SPEC, [tmp_path])
    write_homes(frames, alone, "csv")
    with pytest.raises(DataError, match="given twice"):
        measure(SPEC, [alone / "household.csv", alone / "household.parquet"])


def test_released_tables_of_a_child_unit(tmp_path: Path) -> None:
    """A household adds as many persons as its count variable allows: the noise on persons is that much larger."""
    pytest.importorskip("opendp")
    spec = Spec.load({**HOMES, "targets": HOMES["targets"][:2]})
    folder = write_homes(homes(5, 3_000), tmp_path / "data")
    true = measure(spec, [folder])
    noisy, spent = release(spec, [folder], epsilon=2.0)
    assert [entry.sensitivity for entry in spent] == [1.0, 4.0]
    assert sum(entry.epsilon for entry in spent) <= 2.0
    for one, other in zip(true, noisy, strict=True):
        assert other.margins is not None
        assert (np.abs(one.values - other.values) < 10 * other.margins).all()


def test_children_beyond_the_range_are_left_out_of_a_release(tmp_path: Path) -> None:
    """The bound on what one household adds is kept whatever the data hold."""
    pytest.importorskip("opendp")
    frames = homes(6, 10)
    crowd = pl.DataFrame(
        {"person_id": np.arange(5_000), "household_id": np.ones(5_000, dtype=np.int64), "age": [40] * 5_000}
    ).with_columns(job=pl.lit("None"), income=pl.lit(0))
    folder = write_homes({**frames, "person": crowd}, tmp_path / "data")
    spec = Spec.load({**HOMES, "targets": HOMES["targets"][1:2]})
    noisy, _ = release(spec, [folder], epsilon=10.0)
    assert noisy[0].values.sum() < 100
