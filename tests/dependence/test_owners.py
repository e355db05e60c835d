"""What a model says of records and whose they are, in lists and back."""

from typing import Any

import polars as pl
import pytest

import llmsynthor
from llmsynthor import Solution
from llmsynthor.aims.aims import set_aims
from llmsynthor.dependence.owners import owned_pairs, planned_owners
from llmsynthor.dependence.related import relate
from llmsynthor.llm.backend import Identity, Scored, ScoreRequest, Usage, WriteRequest, Written
from llmsynthor.llm.opening import Choice
from llmsynthor.spec.specification import Spec
from tests.days import day_document, simulate


class Clerk:
    """Knows that who does not work makes no trip to work, where it is asked in a list or back; `fickle`, only in lists."""

    identity = Identity(name="clerk", digest="4")

    def __init__(self, *, fickle: bool = False) -> None:
        self.fickle = fickle
        self.asked = 0

    def score(self, request: ScoreRequest) -> Scored:
        self.asked += 1
        context, words = request.context, [choice.strip() for choice in request.choices]
        listed = "One person.\nworks: no" in context
        back = "Trip 1: work\nThe person. works:" in context or (
            "You made a trip" in context and "Answer: work." in context
        )
        odd = [(listed and word == "work") or (back and word == ("yes" if self.fickle else "no")) for word in words]
        return Scored(log_probabilities=tuple(-4.0 if own else 0.0 for own in odd), usage=Usage(seconds=0.01))

    def write(self, request: WriteRequest) -> Written:
        return Written(text="", usage=Usage(seconds=0.01))


def document() -> dict[str, Any]:
    """Without the table that says who starts trips where: with it the pair would be given in part."""
    made = day_document(simulate(300, 1))
    made["targets"] = [entry for entry in made["targets"] if entry["name"] != "trip 8"]
    return made


def synthesized(model: Clerk | None) -> Solution:
    llm = "none" if model is None else Choice(identity=model.identity, open_model=lambda: model)
    return llmsynthor.synthesize(document(), records=300, seed=1, llm=llm, workers=1)


def without_work(solution: Solution) -> float:
    """The share of trips to work that are made by people who do not work."""
    person = solution.records["person"].select("person_id", "works")
    trips = solution.records["trip"].join(person, on="person_id").filter(pl.col("goal") == "work")
    return float((trips["works"] == "no").to_numpy().mean())


@pytest.mark.slow
def test_what_a_record_is_depends_on_whose_it_is() -> None:
    """No table says who goes to work: the model does, and all that tables and rules say still holds."""
    told, plain = synthesized(Clerk()), synthesized(None)
    assert without_work(told) < 0.5 * without_work(plain)
    assert not any(told.manifest["rules_broken"].values())
    row = told.dependencies.filter((pl.col("one") == "goal") & (pl.col("other") == "person.works")).to_dicts()[0]
    assert row["source"] == "estimated"


@pytest.mark.slow
def test_directions_that_contradict_each_other_are_not_believed() -> None:
    """In a list nobody without work goes there, asked back everybody who goes there has none: nothing is assumed."""
    told = synthesized(Clerk(fickle=True))
    row = told.dependencies.filter((pl.col("one") == "goal") & (pl.col("other") == "person.works")).to_dicts()[0]
    assert row["source"] == "maximum entropy"


def test_only_what_no_table_gives_is_asked() -> None:
    """A category of the trip beside each variable of the person; none of a pair that a table has, and none where it is skipped."""
    spec = Spec.load(document())
    trip = relate(set_aims(spec))[-1]
    pairs = owned_pairs(spec, trip)
    assert {one for one, _ in pairs} == {"goal"}
    assert {"person.age", "person.works"} <= {other for _, other in pairs}
    size = {variable.name: variable.size for variable in trip.variables}
    assert planned_owners(spec, trip) == sum(size[other] + 2 * size["goal"] for _, other in pairs)
    vetoed = Spec.load({**document(), "dependencies": {"skip": [["goal", "works"]]}})
    assert ("goal", "person.works") not in owned_pairs(vetoed, relate(set_aims(vetoed))[-1])
