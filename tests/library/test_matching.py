"""Matches: numbers by arithmetic, words with a model and the margins as the witness, traps left out."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from llmsynthor.library.matching import match_part
from llmsynthor.library.store import Library
from llmsynthor.library.tables import pair_tables
from llmsynthor.library.wanted import Wanted
from llmsynthor.llm.backend import ScoreRequest
from llmsynthor.spec.levels import Interval

from .people import records, village

Floats = np.ndarray


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Library:
    """The made-up village."""
    return village(tmp_path_factory.mktemp("village"))


def numbers(name: str, label: str, values: Floats, ends: Sequence[float], like: str = "") -> Wanted:
    counts = np.histogram(values, ends)[0]
    levels = tuple(Interval(a, b) for a, b in pairwise(ends))
    return Wanted(
        name=name,
        label=label,
        levels=levels,
        words=tuple(map(str, levels)),
        shares=counts / counts.sum(),
        like=like,
    )


def words(name: str, label: str, shares: dict[str, float], like: str = "") -> Wanted:
    total = sum(shares.values())
    levels = tuple(shares)
    return Wanted(
        name=name,
        label=label,
        levels=levels,
        words=levels,
        shares=np.array(list(shares.values())) / total,
        like=like,
    )


def another_year() -> dict[str, Floats]:
    persons = records(seed=2)["persons"]
    return {
        "age": persons["age"].to_numpy(),
        "pay": persons["pay"].fill_null(0).to_numpy(),
        "work": persons["work"].to_numpy(),
    }


def age_of(values: Floats) -> Wanted:
    return numbers("years", "Alter", values, [0, 16, 25, 40, 55, 70, 100])


def knowing(request: ScoreRequest) -> Floats:
    """A model that knows work from no work, and that a working life is an employment status."""
    context = request.context.splitlines()[-1].lower()
    said = np.zeros(len(request.choices))
    last = context.partition('" in a is')[0].rpartition('"')[2] if '" in a is' in context else context
    for number, choice in enumerate(map(str.lower, request.choices)):
        if "employment status" in choice:
            said[number] = 6.0 if "working life" in context else 0.0
        if "none of these" in choice:
            said[number] = 0.0 if "working life" in context else 6.0
        for one, other in (("toils", "has a paid"), ("idle", "has no paid"), ("pupil", "child")):
            said[number] += 6.0 * ((one in last and other in choice) or (other in last and one in choice))
    return said


def test_numbers_are_matched_without_a_model(library: Library) -> None:
    """Ages under a foreign label and pay in thousands find their numbers, the scale too, without a word."""
    year = another_year()
    thousands = numbers("lohn", "Lohn", year["pay"] / 1000, [0, 0.001, 10, 20, 40, 60, 1000])
    found = match_part(library["person"], [age_of(year["age"]), thousands], None).trusted
    assert found["years"].entry is not None
    assert found["years"].entry.name == "age"
    assert found["lohn"].entry is not None
    assert (found["lohn"].entry.name, found["lohn"].scale) == ("pay", 1000.0)


def test_pair_tables_are_those_of_the_other_year(library: Library) -> None:
    """Matched numbers depend as they do in the other year, and their margins are the user's."""
    year = another_year()
    pay = numbers("pay", "Pay", year["pay"], [0, 1, 10_000, 20_000, 40_000, 60_000, 1_000_000])
    age = age_of(year["age"])
    table = pair_tables(match_part(library["person"], [age, pay], None))["years", "pay"]
    ends = [np.array([own.low for own in wanted.levels if isinstance(own, Interval)]) for wanted in (age, pay)]
    codes = [
        np.searchsorted(cut, values, side="right") - 1
        for cut, values in zip(ends, (year["age"], year["pay"]), strict=True)
    ]
    truth = np.zeros(table.shape)
    np.add.at(truth, tuple(codes), 1 / len(codes[0]))
    assert np.abs(table.sum(axis=1) - age.shares).max() < 1e-6
    assert np.abs(table - truth).sum() / 2 < 0.04
    assert np.abs(np.outer(age.shares, pay.shares) - truth).sum() / 2 > 0.2


def test_words_are_matched_by_a_model_and_the_margins(library: Library) -> None:
    """Levels in other words find theirs; one that names an age holds all who are younger."""
    year = another_year()
    shares = {
        "toils": (year["work"] == "e").mean(),
        "idle": (year["work"] == "n").mean(),
        "pupil under 16": (year["work"] == "k").mean(),
    }
    matching = match_part(library["person"], [age_of(year["age"]), words("w", "Working life", shares)], knowing)
    match = matching.trusted["w"]
    assert match.entry is not None
    assert match.entry.name == "work"
    assert match.maps is not None
    assert match.maps[-1][0].argmax() == 0
    assert match.maps[0][:, 2].min() == 1.0
    assert match.maps[-1][:2, 2].max() == 0.0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_traps_are_not_let_in(library: Library, seed: int) -> None:
    """A variable that the library has not stays out, though the model is sure of the label and its answers are random."""
    rng = np.random.default_rng(seed)

    def sure(request: ScoreRequest) -> Floats:
        said = rng.normal(size=len(request.choices))
        named = np.array(["employment status" in choice.lower() for choice in request.choices])
        return np.where(named, 9.0, said)

    trap = words("t", "Status of the trip", {"economy": 0.62, "first": 0.2, "business": 0.18})
    assert not match_part(library["person"], [age_of(another_year()["age"]), trap], sure).trusted.keys() & {"t"}


def test_a_foreign_number_is_not_let_in(library: Library) -> None:
    """Shoe sizes fit no number of the library at any scale."""
    sizes = np.random.default_rng(1).normal(41, 2.5, 5_000)
    shoe = numbers("shoe", "Shoe size", sizes, [30, 38, 40, 41, 42, 44, 55])
    assert not match_part(library["person"], [shoe], None).trusted


def test_the_user_overrules(library: Library) -> None:
    """`like: none` keeps out what fits, `like: NAME` takes what the margins alone would not."""
    year = another_year()
    age, pay = age_of(year["age"]), numbers("p", "P", year["pay"], [0, 20_000, 1_000_000])
    assert "p" not in match_part(library["person"], [age, pay], None).trusted
    liked = numbers("p", "P", year["pay"], [0, 20_000, 1_000_000], like="pay")
    assert match_part(library["person"], [age, liked], None).trusted["p"].how == "like"
    left = numbers("years", "Alter", year["age"], [0, 16, 25, 40, 55, 70, 100], like="none")
    assert not match_part(library["person"], [left], None).trusted


def test_the_same_words_need_no_model(library: Library) -> None:
    """Levels in the very same words are matched without a question."""
    shares = {"Has a paid job": 0.45, "has no paid job": 0.3, "Child under 16": 0.25}
    year = another_year()
    names = {"Has a paid job": "e", "has no paid job": "n", "Child under 16": "k"}
    shares = {level: float((year["work"] == names[level]).mean()) for level in shares}
    found = match_part(library["person"], [age_of(year["age"]), words("w", "Work", shares)], None)
    assert found.trusted["w"].how == "same words"
