"""A library is consulted about all units: in the universe that the tables are about, and below as above."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from llmsynthor.library.consulting import Asked, Consulted, consult
from llmsynthor.library.recipe import Recipe
from llmsynthor.library.recoding import in_order
from llmsynthor.library.store import Library, read_library, write_library
from llmsynthor.library.wanted import Wanted
from llmsynthor.spec.levels import Interval

from .people import RECIPE, records, village

COUPLES = {"couples": {"unit": "home", "variable": "kind", "levels": ["c"]}}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """The made-up village, with its couples counted beside the whole."""
    recipe = Recipe.model_validate({**RECIPE.model_dump(exclude_defaults=True), "universes": COUPLES})
    return village(tmp_path_factory.mktemp("village"), recipe)


def numbers(name: str, values: pl.Series, ends: list[int]) -> Wanted:
    levels = tuple(Interval(a, b) for a, b in pairwise(ends))
    counts = np.histogram(values.to_numpy(), ends)[0]
    return Wanted(name=name, label=name, levels=levels, words=tuple(map(str, levels)), shares=counts / counts.sum())


def asked(kinds: list[str]) -> tuple[Asked, Asked]:
    """The tables of another year about homes of some kinds."""
    made = records(seed=2)
    homes = made["homes"].filter(pl.col("kind").is_in(kinds))
    persons = made["persons"].filter(pl.col("home").is_in(homes["home"].implode()))
    size = numbers("members", homes["size"], [1, 2, 3, 4, 9])
    first = numbers("elder", persons.group_by("home").agg(pl.col("age").first())["age"], [18, 30, 50, 70, 100])
    age = numbers("years", persons["age"], [0, 16, 25, 40, 55, 70, 100])
    below = Wanted(
        name="home.members",
        label="members",
        levels=size.levels,
        words=size.words,
        shares=np.full(size.shares.size, 0.25),
    )
    return Asked(unit="home", wanted=(size, first)), Asked(unit="person", wanted=(age, below), above="home")


def of(consulted: tuple[Consulted, ...], unit: str) -> Consulted:
    return next(own for own in consulted if own.unit == unit)


def test_tables_about_couples_are_held_beside_couples(library: Library) -> None:
    """The universe is that in which the user's tables are nearest, the whole where these are about all."""
    assert {own.matching.part.universe for own in consult(library, asked(["c"]), None)} == {"couples"}
    assert {own.matching.part.universe for own in consult(library, asked(["c", "s"]), None)} == {""}


def test_a_universe_holds_its_members_alone(library: Library) -> None:
    """Members are counted in a universe where their home is in it."""
    inside = next(part for part in library.within("couples") if part.unit == "person")
    made = records()
    kept = made["homes"].filter(pl.col("kind") == "c")["home"]
    assert inside.records == made["persons"].filter(pl.col("home").is_in(kept.implode())).height
    assert inside.records < library["person"].records


def test_what_a_unit_above_is_matched_with_holds_below(library: Library) -> None:
    """A variable of the home is for its members what it is for the home, though the shares of members tell another story."""
    found = consult(library, asked(["c", "s"]), None)
    above, below = of(found, "home").matching.trusted["members"], of(found, "person").matching.trusted["home.members"]
    assert above.entry is not None
    assert below.entry == above.entry
    assert below.gap == above.gap


def test_universes_and_order_survive_the_file(library: Library, tmp_path: Path) -> None:
    """A library with universes is read back with them."""
    write_library(library, tmp_path / "own.zip")
    again = read_library(tmp_path / "own.zip")
    assert again.universes == ("couples",)
    assert [part.universe for part in again.parts] == ["", "", "couples", "couples"]
    assert again["person"].universe == ""


def test_levels_in_order_follow_the_margins() -> None:
    """Words that take a diploma for a degree are put right by the margins where the levels lead from less to more."""
    scores = np.array([[0.0, -9.0, -20.0], [-8.0, -4.0, 0.0], [-9.0, -6.0, 0.0], [-30.0, -9.0, 0.0]])
    masses, shares = np.array([0.2, 0.3, 0.2, 0.3]), np.array([0.2, 0.5, 0.3])
    plan = np.array([[1.0, 0.0, 0.0], [0.0, 0.4, 0.6], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]])
    found = in_order(scores, plan, masses, shares)
    assert found.argmax(axis=1).tolist() == [0, 1, 1, 2]
    swapped = in_order(scores[:, [2, 0, 1]], plan[:, [2, 0, 1]], masses, shares[[2, 0, 1]])
    assert swapped.argmax(axis=1).tolist() == [1, 2, 2, 0]
