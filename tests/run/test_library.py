"""A library of dependence in a run: it enters where it is matched, and changes nothing where it is not."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import llmsynthor as ls
from llmsynthor.errors import DataError
from llmsynthor.library.store import write_library
from llmsynthor.llm.backend import Identity, Scored, ScoreRequest, Written
from llmsynthor.llm.opening import Choice
from llmsynthor.run.library import LIBRARY, build, ledger_beside, match_spec, proposed_library, write_matches
from tests.library.people import records, village

AGES, PAYS = [0, 16, 25, 40, 55, 70, 100], [0, 1, 10_000, 20_000, 40_000, 60_000, 1_000_000]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of the library of the made-up village."""
    folder = tmp_path_factory.mktemp("library")
    path = folder / "village.zip"
    write_library(village(folder), path)
    return str(path)


def cells(name: str, values: np.ndarray, ends: list[int]) -> list[dict[str, Any]]:
    counts = np.histogram(values, ends)[0]
    return [{name: f"[{a}, {b})", "count": int(n)} for (a, b), n in zip(pairwise(ends), counts, strict=True)]


def document(**variables: dict[str, Any]) -> dict[str, Any]:
    """One-way tables of age, pay and a variable that the library has not, in another year."""
    persons = records(seed=2)["persons"]
    age, pay = persons["age"].to_numpy(), persons["pay"].fill_null(0).to_numpy()
    own = {
        "age": {"kind": "integer", "range": [0, 100]},
        "pay": {"kind": "number", "range": [0, 1_000_000]},
        "hat": {"kind": "category", "levels": ["red", "blue"]},
    }
    return {
        "llmsynthor": 1,
        "units": {"person": {"variables": {name: part | variables.get(name, {}) for name, part in own.items()}}},
        "targets": [
            {"name": "age", "unit": "person", "cells": cells("age", age, AGES), "value": "count"},
            {"name": "pay", "unit": "person", "cells": cells("pay", pay, PAYS), "value": "count"},
            {"name": "hat", "unit": "person", "cells": [{"hat": "red", "share": 0.4}, {"hat": "blue", "share": 0.6}]},
        ],
    }


def distance(made: pl.DataFrame) -> float:
    """TVD of age by pay from that of the other year."""
    tables = []
    for frame in (records(seed=2)["persons"].with_columns(pl.col("pay").fill_null(0)), made):
        table = np.histogram2d(frame["age"].to_numpy(), frame["pay"].to_numpy(), [AGES, PAYS])[0]
        tables.append(table / table.sum())
    return float(np.abs(tables[0] - tables[1]).sum() / 2)


def test_what_a_library_knows_enters_without_a_model(library: str) -> None:
    """Pairs of matched numbers come out as in the library, all tables are met, and both say who says so."""
    plain = ls.synthesize(document(), records=4_000, llm="none", seed=1)
    made = ls.synthesize(document(), records=4_000, llm="none", seed=1, library=library)
    assert distance(made.records["person"]) < 0.25 * distance(plain.records["person"])
    assert not made.unmet
    known = made.dependencies.filter(pl.col("source") == "library")
    assert known.select("one", "other").rows() == [("age", "pay")]
    assert "library" in made.alignment["source"].to_list()
    assert made.manifest["library"]["name"] == "village"


@pytest.mark.parametrize(
    "said",
    [
        {"age": {"like": "none"}, "pay": {"like": "none"}},
        {"age": {"like": "none"}},
    ],
)
def test_without_a_match_a_run_is_as_without_a_library(library: str, said: dict[str, Any]) -> None:
    """Where no pair is matched the records are the same, value by value."""
    plain = ls.synthesize(document(**said), records=1_000, llm="none", seed=3)
    made = ls.synthesize(document(**said), records=1_000, llm="none", seed=3, library=library)
    assert made.records["person"].equals(plain.records["person"])
    assert made.estimated == {}


def test_a_vetoed_pair_is_left_alone(library: str) -> None:
    """A pair that the spec skips is not taken from a library either."""
    vetoed = document() | {"dependencies": {"skip": [["age", "pay"]]}}
    made = ls.synthesize(vetoed, records=500, llm="none", seed=1, library=library)
    assert "library" not in made.dependencies["source"].to_list()


class Counting:
    """Scores everything alike, and keeps what it is asked."""

    def __init__(self) -> None:
        self.identity = Identity(name="counting", digest="7")
        self.asked: list[str] = []

    def write(self, request: Any) -> Any:
        return Written(text="no answer")

    def score(self, request: ScoreRequest) -> Scored:
        self.asked.append(request.context)
        return Scored(log_probabilities=tuple(-1.0 for _ in request.choices))


def test_pairs_of_the_library_are_not_asked_about(library: str) -> None:
    """A model is not asked about a pair that the library knows, and is about the others."""
    model = Counting()
    llm = Choice(identity=model.identity, open_model=lambda: model)
    ls.synthesize(document(), records=300, llm=llm, seed=1, library=library, iterations=0)
    about = [context for context in model.asked if "survey" not in context.lower()]
    assert about
    assert not any("age" in context and "pay" in context for context in map(str.lower, about))


def test_the_matches_are_in_the_run_folder(library: str, tmp_path: Path) -> None:
    """library.csv says of every variable what it was taken for, and is read back with the run."""
    made = ls.synthesize(document(), records=300, llm="none", seed=1, library=library, out=tmp_path / "run")
    written = pl.read_csv(tmp_path / "run" / "library.csv")
    assert dict(written.select("variable", "like").rows()) == {"age": "age", "pay": "pay", "hat": "none"}
    assert ls.read_solution(tmp_path / "run").library.equals(made.library)
    assert not (tmp_path / "none" / "library.csv").exists()


def test_an_unknown_library_is_refused_before_anything_is_made() -> None:
    """A name that no library has ends the run at once."""
    with pytest.raises(DataError, match="no library of this name"):
        ls.synthesize(document(), records=10, llm="none", library="atlantis")


def test_like_may_be_written_in_a_spec_and_survives_it(tmp_path: Path) -> None:
    """`like` is a key of a variable, and stands in the spec that a run writes down."""
    ls.synthesize(document(age={"like": "none"}), records=10, llm="none", out=tmp_path / "run")
    unit = ls.Spec.load(tmp_path / "run" / "spec").schema["person"]
    assert [getattr(variable, "like", "") for variable in unit.variables] == ["none", "", ""]


def test_a_spec_is_matched_without_a_run(library: str) -> None:
    """`match_spec` says of every variable what it is in a library."""
    found = match_spec(ls.Spec.load(document()), library, "none")
    assert found.filter(pl.col("trust") == "hard")["variable"].to_list() == ["age", "pay"]


def test_check_proposes_a_library_where_one_fits() -> None:
    """A spec whose ages and sexes are in the shipped library is told of it; one that names a library is not."""
    shares = np.array([0.06, 0.13, 0.12, 0.13, 0.2, 0.2, 0.13, 0.03])
    ends = [0, 5, 16, 25, 35, 50, 65, 80, 100]
    ages = [{"age": f"[{a}, {b})", "share": float(s)} for (a, b), s in zip(pairwise(ends), shares, strict=True)]
    spec = {
        "llmsynthor": 1,
        "units": {
            "person": {
                "variables": {
                    "age": {"kind": "integer", "range": [0, 100], "label": "Age"},
                    "sex": {"kind": "category", "levels": ["female", "male"], "label": "Sex"},
                }
            }
        },
        "targets": [
            {"name": "age", "unit": "person", "cells": ages, "value": "share"},
            {
                "name": "sex",
                "unit": "person",
                "cells": [{"sex": "female", "share": 0.5}, {"sex": "male", "share": 0.5}],
            },
        ],
    }
    assert "acs2024" in proposed_library(ls.Spec.load(spec))
    assert not proposed_library(ls.Spec.load(spec | {"synthesis": {"library": "acs2024"}}))
    assert not proposed_library(ls.Spec.load(document(age={"like": "none"}, pay={"like": "none"})))


@pytest.mark.parametrize("single", [True, False])
def test_a_library_of_ones_own_is_built_and_used(tmp_path: Path, single: bool) -> None:
    """Micro-data without a recipe become a library whose recipe can be edited, and a run takes it by its path."""
    data = tmp_path / "data"
    data.mkdir()
    records()["persons"].select("age", "pay").with_columns(pl.col("pay").fill_null(0)).write_csv(data / "person.csv")
    file, _, guessed = build(data / "person.csv" if single else data, tmp_path / "out", name="mine")
    assert guessed
    assert (tmp_path / "out" / "mine.yaml").is_file()
    again, _, guessed = build(data, tmp_path / "again", recipe=tmp_path / "out" / "mine.yaml")
    assert not guessed
    assert again.read_bytes() == file.read_bytes()
    made = ls.synthesize(document(), records=500, llm="none", seed=1, library=str(file))
    assert "library" in made.dependencies["source"].to_list()


@pytest.mark.slow
def test_a_home_is_made_of_who_lives_together(library: str) -> None:
    """In nested specs a library's couples are of about one age, where maximum entropy makes them of any."""

    def gap(made: ls.Solution) -> float:
        members = made.records["person"].group_by("home_id", maintain_order=True).agg("age")
        return float(np.mean([abs(own[0] - own[1]) for own in members["age"].to_list()]))

    spec = couples()
    plain = ls.synthesize(spec, records=1_500, llm="none", seed=1)
    made = ls.synthesize(spec, records=1_500, llm="none", seed=1, library=library)
    assert gap(made) < 0.4 * gap(plain)
    assert not made.unmet


def test_an_open_end_goes_on_as_in_the_library(library: str) -> None:
    """Beyond the last cut of a table a number reaches as far as a library says, where a law alone would go on for long."""
    pays = records(seed=2)["persons"]["pay"].fill_null(0).to_numpy()
    spec = couples()
    spec["units"]["person"]["variables"]["pay"] = {
        "kind": "integer",
        "range": [0, 1_000_000],
        "label": "Yearly pay",
        "like": "pay",
    }
    spec["targets"].append(
        {"name": "pays", "unit": "person", "cells": cells("pay", pays, [0, 10_000, 20_000, 1_000_000])}
    )
    plain = ls.synthesize(spec, records=4_000, llm="none", seed=1)
    made = ls.synthesize(spec, records=4_000, llm="none", seed=1, library=library)
    high, truth = (made.records["person"]["pay"] >= 60_000).mean(), float((pays >= 60_000).mean())
    assert abs(high - truth) < 0.5 * abs((plain.records["person"]["pay"] >= 60_000).mean() - truth)
    assert not made.unmet


def couples() -> dict[str, Any]:
    """Homes of two persons, with a table of their ages."""
    ages = records(seed=2)["persons"].filter(pl.col("age") >= 18)["age"].to_numpy()
    ends = [18, 25, 35, 45, 55, 65, 75, 100]
    return {
        "llmsynthor": 1,
        "units": {
            "home": {"variables": {"size": {"kind": "integer", "range": [2, 3]}}},
            "person": {
                "parent": "home",
                "count": "size",
                "variables": {"age": {"kind": "integer", "range": [18, 100], "label": "Age"}},
            },
        },
        "targets": [{"name": "ages", "unit": "person", "cells": cells("age", ages, ends), "value": "count"}],
    }


@pytest.mark.parametrize("name", ["", "notes.csv", "kept.sqlite", "folder"])
def test_matches_replace_nothing_but_matches(tmp_path: Path, name: str) -> None:
    """A table of matches is written to a new file or over one of before; anything else at its place is refused."""
    (tmp_path / "notes.csv").write_text("my,notes\n", encoding="utf-8")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match="--out"):
        ledger_beside(tmp_path / name if name else Path())
    found = pl.DataFrame(schema=LIBRARY)
    for _ in range(2):
        assert ledger_beside(tmp_path / "new.csv") == tmp_path / "new.sqlite"
        write_matches(found, tmp_path / "new.csv")
