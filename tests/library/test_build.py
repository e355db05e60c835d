"""Micro-data become a library: counts, strata, rare cells."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from llmsynthor.errors import DataError
from llmsynthor.library.build import build_library
from llmsynthor.library.recipe import Recipe, guess_recipe, read_recipe, written

from .people import RECIPE, records, village


def test_pairs_are_counted_in_their_strata(tmp_path: Path) -> None:
    """A pair table summed over strata is the cross-table of the records, but for cells of few records."""
    part = village(tmp_path)["person"]
    persons = records()["persons"]
    table = part.pair("work", "pay").sum(axis=0)
    working = persons.filter((pl.col("work") == "e") & (pl.col("pay") >= 10_000) & (pl.col("pay") < 20_000)).height
    assert table[0, 2] == working
    assert part.pair("age", "work")[0, :, :2].sum() == 0, "under 5 nobody works"
    assert np.array_equal(part.pair("pay", "work")[1], part.pair("work", "pay")[1].T)


def test_rare_cells_are_left_out(tmp_path: Path) -> None:
    """No cell holds fewer records than the recipe says."""
    library = village(tmp_path, RECIPE.model_copy(update={"least": 10}))
    for part in library.parts:
        for table in part.tables.values():
            assert not ((table > 0) & (table < 10)).any()


def test_kinship_counts_members_beside_the_first(tmp_path: Path) -> None:
    """Second and further members are counted by the first one's level, in kinds of household."""
    kinship = village(tmp_path)["person"].kinship
    assert kinship is not None
    ages = kinship.tables["age"]
    assert ages.shape[:2] == (2, 2)
    couples = ages[0, 0]
    rows, columns = np.nonzero(couples)
    assert np.abs(rows - columns).max() <= 5, "partners are of about one age"


def test_kinship_is_counted_by_size_in_blocks_of_levels(tmp_path: Path) -> None:
    """Households of each size are counted apart, in blocks of levels, and leave out rare cells alone."""
    kinship = village(tmp_path)["person"].kinship
    assert kinship is not None
    heads = kinship.tables["age first by size"]
    assert heads.shape == (len(kinship.sizes), 2, len(kinship.blocks["age"]))
    sizes = records()["homes"]["size"].to_numpy()
    assert np.abs(heads.sum(axis=(1, 2)) - np.bincount(sizes, minlength=7)[1:7]).max() <= 2 * 2 * len(
        kinship.blocks["age"]
    )
    assert not kinship.tables["age by size"][:2, :, 1].any(), "nobody is the third of two"
    assert not any(((table > 0) & (table < 3)).any() for table in kinship.tables.values())


def test_a_level_without_words_is_named(tmp_path: Path) -> None:
    """A value that the recipe has no words for is an error that names it."""
    village(tmp_path)
    homes = pl.read_csv(tmp_path / "homes.csv").with_columns(kind=pl.lit("x"))
    homes.write_csv(tmp_path / "homes.csv")
    with pytest.raises(DataError, match="no such level"):
        build_library(RECIPE, tmp_path)


def test_a_guessed_recipe_builds_and_can_be_edited(tmp_path: Path) -> None:
    """Data without a recipe get one that builds, and that is read back from its file as it was."""
    persons = records()["persons"].select("age", "work", "pay")
    persons.write_csv(tmp_path / "persons.csv")
    recipe = guess_recipe("mine", {"persons": ("persons.csv", persons)})
    (tmp_path / "mine.yaml").write_text(written(recipe), encoding="utf-8")
    assert read_recipe(tmp_path / "mine.yaml") == recipe
    part = build_library(recipe, tmp_path)["persons"]
    assert {entry.name for entry in part.entries} == {"age", "work", "pay"}
    assert part.strata == "age"


def test_a_recipe_with_an_unknown_key_is_refused(tmp_path: Path) -> None:
    """A key that a recipe does not have is refused with its place."""
    (tmp_path / "odd.yaml").write_text("name: odd\nunits: {}\nsecrets: 1\n", encoding="utf-8")
    with pytest.raises(DataError, match="secrets"):
        read_recipe(tmp_path / "odd.yaml")
    assert isinstance(RECIPE, Recipe)
