"""Whole records as a model proposes them: households with members, persons with trips."""

import json
from typing import Any

import numpy as np
import polars as pl
import pytest

import llmsynthor
from llmsynthor import Solution
from llmsynthor.llm.backend import Identity, Scored, ScoreRequest, Usage, WriteRequest, Written
from llmsynthor.llm.opening import Choice
from tests.days import day_document, simulate


class Writer:
    """Fills in a schema: the first level of everything, as many members as asked for, two trips each."""

    identity = Identity(name="writer", digest="1")

    def score(self, request: ScoreRequest) -> Scored:
        return Scored(log_probabilities=(-1.0,) * len(request.choices), usage=Usage(seconds=0.01))

    def write(self, request: WriteRequest) -> Written:
        return Written(text=json.dumps(self.fill(request.json_schema)), usage=Usage(seconds=0.01))

    def fill(self, schema: dict[str, Any]) -> Any:
        if schema.get("type") == "object":
            found = {name: self.fill(inner) for name, inner in schema["properties"].items()}
            return self.sensible(found)
        if schema.get("type") == "array":
            return [self.fill(schema["items"]) for _ in range(min(max(schema["minItems"], 2), schema["maxItems"]))]
        if schema.get("type") == "integer":
            return 40
        return schema["enum"][0] if "enum" in schema else "They belong together."

    def sensible(self, found: dict[str, Any]) -> dict[str, Any]:
        if "works" in found:
            found |= {"works": "no", "age": "[40, 65)", "pay": "[0, 1)"}
            for number, trip in enumerate(found["trips"]):
                trip |= {
                    "origin": ("home", "shop")[number % 2],
                    "goal": ("shop", "home")[number % 2],
                    "hour": "[12, 17)",
                }
        return found


FEW = ("household 0", "household 1", "person 3", "person 4")
"""Tables that are quickly met."""


def made(model: Writer, *tables: str) -> Solution:
    """Make 600 households for all tables, or 100 for those named."""
    chosen = Choice(identity=model.identity, open_model=lambda: model)
    document = day_document(simulate(100 if tables else 300, 1))
    document["targets"] = [entry for entry in document["targets"] if not tables or entry["name"] in tables]
    return llmsynthor.synthesize(document, records=100 if tables else 600, seed=1, llm=chosen)


@pytest.fixture(scope="module")
def solution() -> Solution:
    return made(Writer())


@pytest.mark.slow
def test_proposed_households_are_in_the_records_as_proposed(solution: Solution) -> None:
    """Each proposal that was taken stands in as many households as are said, with the members and trips it has."""
    used = solution.proposals.filter(pl.col("records") > 0)
    assert len(used)
    for row in used.to_dicts():
        homes = solution.records["household"].filter(pl.col("proposal_id") == row["proposal_id"])
        members = solution.records["person"].filter(pl.col("household_id").is_in(homes["household_id"].implode()))
        assert len(homes) == row["records"]
        assert members["age"].is_between(40, 64).all()
        assert (members["works"] == "no").all()
        assert (members["trips"] == 2).all()
        assert "person 1 trip 2 goal" in json.loads(row["values"])


@pytest.mark.slow
def test_tables_and_rules_hold_all_the_same(solution: Solution) -> None:
    """With proposals among the records every table is met and no rule broken."""
    given = solution.alignment.filter(pl.col("source") == "given")
    assert max(given["max_abs_error"].drop_nulls()) < 1.5
    assert not any(solution.manifest["rules_broken"].values())


@pytest.mark.slow
def test_proposals_are_few(solution: Solution) -> None:
    """Some records are proposals, and no more than three in a hundred."""
    share = solution.records["household"]["proposal_id"].is_not_null().mean()
    assert isinstance(share, float)
    assert 0 < share <= 0.03


HOSTILE = ("no JSON", "{}", '{"tenure": "own", "persons": "three"}', '{"tenure": "castle", "persons": []}', "[" * 500)


@pytest.mark.slow
def test_hostile_answers_cost_nothing() -> None:
    """Answers that are no households, one after the other, are in no record, and the tables are met without them."""
    given: list[str] = []

    class Hostile(Writer):
        def write(self, request: WriteRequest) -> Written:
            given.append(HOSTILE[len(given) % len(HOSTILE)])
            return Written(text=given[-1], usage=Usage(seconds=0.01))

    solution = made(Hostile(), *FEW)
    assert {*given} == {*HOSTILE}
    assert solution.records["household"]["proposal_id"].null_count() == 100
    assert solution.proposals["status"].str.starts_with("dropped").all()
    assert max(solution.alignment.filter(pl.col("source") == "given")["max_abs_error"].drop_nulls()) < 1.5


@pytest.mark.slow
def test_what_breaks_a_rule_is_left_out() -> None:
    """A trip that starts where the last one did not end is in no record."""

    class Jumper(Writer):
        def sensible(self, found: dict[str, Any]) -> dict[str, Any]:
            found = super().sensible(found)
            for trip in found.get("trips", []):
                trip |= {"origin": "home", "goal": "shop"}
            return found

    solution = made(Jumper(), *FEW)
    assert not any(solution.manifest["rules_broken"].values())
    statuses = solution.proposals["status"].to_list()
    assert any("breaks a rule" in status for status in statuses), statuses
    assert np.isclose(solution.proposals["records"].sum(), 0)
