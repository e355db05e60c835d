"""How days begin and end, as a model says."""

from typing import Any

import polars as pl
import pytest

import llmsynthor
from llmsynthor import Solution
from llmsynthor.llm.backend import Identity, Scored, ScoreRequest, Usage, WriteRequest, Written
from llmsynthor.llm.opening import Choice
from tests.days import day_document, simulate


class Homeward:
    """Knows that the last trip of a day leads home, and nothing else."""

    identity = Identity(name="homeward", digest="3")

    def score(self, request: ScoreRequest) -> Scored:
        last = "\nLast trip:" in request.context
        scores = tuple(0.0 if last and choice.strip() == "home" else -5.0 for choice in request.choices)
        return Scored(log_probabilities=scores, usage=Usage(seconds=0.01))

    def write(self, request: WriteRequest) -> Written:
        return Written(text="", usage=Usage(seconds=0.01))


def made(llm: Any) -> Solution:
    """Without the table of origins: together with that of goals it would fix how many days end at home."""
    document = day_document(simulate(300, 1))
    document["targets"] = [entry for entry in document["targets"] if entry["name"] != "trip 8"]
    return llmsynthor.synthesize(document, records=300, seed=1, llm=llm, workers=1)


def ends_at_home(solution: Solution) -> float:
    last = solution.records["trip"].group_by("person_id", maintain_order=True).last()
    share = (last["goal"] == "home").mean()
    assert isinstance(share, float)
    return share


@pytest.mark.slow
def test_days_end_where_the_model_says() -> None:
    """No table says where a day ends; all that tables and rules do say still holds."""
    model = Homeward()
    told = made(Choice(identity=model.identity, open_model=lambda: model))
    assert ends_at_home(told) > ends_at_home(made("none")) + 0.1
    assert not any(told.manifest["rules_broken"].values())
    assert max(told.alignment.filter(pl.col("source") == "given")["max_abs_error"].drop_nulls()) < 1.5
    row = told.dependencies.filter((pl.col("one") == "goal") & (pl.col("other") == "turn")).to_dicts()[0]
    assert row["source"] == "estimated"
    assert "trip-goal-by-turn.csv" in told.estimated
    assert "turn" not in told.records["trip"].columns


@pytest.mark.slow
def test_histories_that_contradict_each_other_are_not_believed() -> None:
    """After a short beginning the last trip leads home, after a longer one anywhere else: nothing is assumed."""

    class Fickle(Homeward):
        def score(self, request: ScoreRequest) -> Scored:
            home = request.context.count("\nTrip ") % 2 == 1
            last = "\nLast trip:" in request.context
            scores = tuple(0.0 if last and (choice.strip() == "home") == home else -5.0 for choice in request.choices)
            return Scored(log_probabilities=scores, usage=Usage(seconds=0.01))

    model = Fickle()
    told = made(Choice(identity=model.identity, open_model=lambda: model))
    row = told.dependencies.filter((pl.col("one") == "goal") & (pl.col("other") == "turn")).to_dicts()[0]
    assert row["source"] == "maximum entropy"


@pytest.mark.slow
def test_what_cannot_be_yields_to_tables_and_rules() -> None:
    """The tables of origins and goals fix how many days end at home: there an estimate says what cannot be, and gives way."""
    model = Homeward()
    llm = Choice(identity=model.identity, open_model=lambda: model)
    solution = llmsynthor.synthesize(day_document(simulate(300, 1)), records=300, seed=1, llm=llm, workers=1)
    assert not any(solution.manifest["rules_broken"].values())
    assert max(solution.alignment.filter(pl.col("source") == "given")["max_abs_error"].drop_nulls()) < 2.5
