"""Who lives with whom in households of the sizes that the user has."""

from pathlib import Path

import numpy as np
import polars as pl

from llmsynthor.library.build import build_library
from llmsynthor.library.kinship import Kinship
from llmsynthor.library.sizes import of_kinds

from .people import RECIPE, records, village


def small_homes(folder: Path) -> Kinship:
    """What the village's homes of at most three persons would be counted as alone."""
    found = records()
    homes = found["homes"].filter(pl.col("size") <= 3)
    homes.write_csv(folder / "homes.csv")
    found["persons"].filter(pl.col("home").is_in(homes["home"].implode())).write_csv(folder / "persons.csv")
    kinship = build_library(RECIPE, folder)["person"].kinship
    assert kinship is not None
    return kinship


def test_large_households_say_nothing_where_the_user_has_none(tmp_path: Path) -> None:
    """Told of households of up to three alone, who is behind whom is as in a library of these alone; without sizes it is not."""
    (tmp_path / "small").mkdir()
    whole, small = village(tmp_path)["person"].kinship, small_homes(tmp_path / "small")
    assert whole is not None
    heads = small.tables["age first by size"].sum(axis=2).T
    blocks = np.arange(small.tables["age"].shape[-1]) // 5
    inside = np.eye(blocks.max() + 1)[blocks]
    for table in ("", " before"):
        told, true = of_kinds(whole, "age", table, np.eye(2), heads), small.tables[f"age{table} by size"].sum(axis=0)
        assert np.abs(_shares(inside.T @ told @ inside) - _shares(true)).sum() < 0.01
        without = Kinship(kinds=whole.kinds, names=whole.names, tables=whole.tables)
        pooled = of_kinds(without, "age", table, np.eye(2), heads)
        assert np.abs(_shares(inside.T @ pooled @ inside) - _shares(true)).sum() > 0.05


def test_the_librarys_own_sizes_change_nothing_but_rare_cells(tmp_path: Path) -> None:
    """A user with as many households of each size as the library is told its blocks, with what single cells left out."""
    kinship = village(tmp_path)["person"].kinship
    assert kinship is not None
    heads = kinship.tables["age first by size"].sum(axis=2).T
    told = of_kinds(kinship, "age", " first", np.eye(2), heads)
    blocks = np.arange(told.shape[-1]) // 5
    summed = told @ np.eye(blocks.max() + 1)[blocks]
    assert np.allclose(summed, kinship.tables["age first by size"].sum(axis=0))


def test_a_library_without_sizes_is_read_as_before(tmp_path: Path) -> None:
    """All households are counted alike."""
    kinship = village(tmp_path)["person"].kinship
    assert kinship is not None
    old = Kinship(kinds=kinship.kinds, names=kinship.names, tables=kinship.tables)
    told = of_kinds(old, "age", "", np.eye(2), np.ones((2, 6)))
    assert np.array_equal(told, kinship.tables["age"])


def _shares(table: np.ndarray) -> np.ndarray:
    return np.asarray(table / table.sum())
