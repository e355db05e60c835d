"""Who lives with whom: roles in words, what is inherited, and records that follow."""

from functools import cache
from typing import Any

import numpy as np
import polars as pl
import pytest

import llmsynthor
from llmsynthor.aims.aims import set_aims
from llmsynthor.dependence.kin.beliefs import kin_variables, planned_composition
from llmsynthor.dependence.related import planned_nested
from llmsynthor.llm.backend import Identity, Scored, ScoreRequest, Usage, WriteRequest, Written
from llmsynthor.llm.opening import Choice
from llmsynthor.spec.levels import Interval
from llmsynthor.spec.specification import Spec

AGES = ("0 to 19 years", "20 to 39 years", "40 to 59 years", "60 years or more")
RACES = ("White", "Black")


def document() -> dict[str, Any]:
    household = {
        "size": {"kind": "integer", "range": [2, 4]},
        "kind": {"kind": "category", "levels": ["Couple", "Single"], "label": "Kind of household"},
    }
    person = {
        "age": {"kind": "integer", "range": [0, 80], "unit": "years", "label": "Age"},
        "race": {"kind": "category", "levels": list(RACES), "label": "Race"},
        "job": {"kind": "category", "levels": ["works", "rests"], "label": "Occupation"},
    }
    ages = [{"age": f"[{a}, {a + 20})", "share": 0.25} for a in (0, 20, 40, 60)]

    def table(unit: str, name: str, **shares: float) -> dict[str, Any]:
        return {"unit": unit, "name": name, "cells": [{name: level, "share": own} for level, own in shares.items()]}

    return {
        "llmsynthor": 1,
        "context": "Households of a town.",
        "units": {
            "household": {"variables": household},
            "person": {"parent": "household", "count": "size", "variables": person},
        },
        "targets": [
            {"unit": "household", "name": "size", "cells": [{"size": "2", "share": 0.5}, {"size": "3", "share": 0.5}]},
            {**table("household", "kind", Couple=0.5, Single=0.5), "value": "share"},
            {"unit": "person", "name": "age", "cells": ages, "value": "share"},
            {**table("person", "race", White=0.6, Black=0.4), "value": "share"},
            {**table("person", "job", works=0.5, rests=0.5), "value": "share"},
        ],
    }


class Family:
    """Knows that spouses are of an age, that children are young, and that race is inherited; of strangers it knows nothing."""

    identity = Identity(name="family", digest="7")

    def write(self, request: WriteRequest) -> Written:
        return Written(text="I had rather not.", usage=Usage(seconds=0.01))

    def score(self, request: ScoreRequest) -> Scored:
        context, choices = request.context, [choice.strip() for choice in request.choices]
        return Scored(log_probabilities=tuple(self._say(context, c) for c in choices), usage=Usage(seconds=0.01))

    def _say(self, context: str, choice: str) -> float:
        if choice in ("Yes", "No"):
            yes = "Couple" in context or "race" in context
            return 0.0 if (choice == "Yes") == yes else -3.0
        if "unrelated" in context or ("husband or wife" not in context and "son or daughter" not in context):
            return -1.0
        given = next((word for word in (*AGES, *RACES) if word in context), "")
        if choice in RACES:
            return 0.0 if choice == given else -4.0
        if "And what is your" in context and "husband" not in context:
            return -1.0
        age = next((k for k, words in enumerate(AGES) if words == choice), None)
        if age is not None and given in AGES:
            return -1.5 * (abs(age - AGES.index(given)) if "husband" in context else age)
        return -1.0


@cache
def plain() -> tuple[pl.DataFrame, pl.DataFrame, llmsynthor.Solution]:
    """What the family says makes of the document, once for all tests."""
    return made(Family())


def made(model: Any, told: dict[str, Any] | None = None) -> tuple[pl.DataFrame, pl.DataFrame, llmsynthor.Solution]:
    llm = "none" if model is None else Choice(identity=model.identity, open_model=lambda: model)
    solution = llmsynthor.synthesize(told or document(), records=600, seed=1, llm=llm)
    homes, persons = solution.records["household"], solution.records["person"]
    first = persons.group_by("household_id", maintain_order=True).first().rename({"age": "age_1", "race": "race_1"})
    joined = persons.join(first.select("household_id", "age_1", "race_1"), on="household_id")
    joined = joined.join(homes.select("household_id", "kind"), on="household_id")
    place = pl.int_range(pl.len()).over("household_id") + 1
    return homes, joined.with_columns(place.alias("place")), solution


@pytest.mark.slow
def test_records_follow_what_the_model_says_of_relatives() -> None:
    """Couples are of an age, others are children, relatives share what is inherited, and every table is met all the same."""
    _, persons, solution = plain()
    _, alone, _ = made(None)
    assert max(solution.alignment.filter(pl.col("source") == "given")["tvd"]) < 0.005

    def gap(frame: pl.DataFrame) -> float:
        spouses = frame.filter((pl.col("kind") == "Couple") & (pl.col("place") == 2))
        return float(np.abs(spouses["age"].to_numpy() - spouses["age_1"].to_numpy()).mean())

    def alike(frame: pl.DataFrame) -> float:
        return float((frame.filter(pl.col("place") > 1)["race"] == frame.filter(pl.col("place") > 1)["race_1"]).mean())

    assert gap(persons) < 0.6 * gap(alone)
    assert alike(persons) > alike(alone) + 0.1
    children = persons.filter((pl.col("kind") == "Single") & (pl.col("place") > 1))
    parents = persons.filter((pl.col("kind") == "Single") & (pl.col("place") == 1))
    assert children["age"].mean() < parents["age"].mean() - 10  # type: ignore[operator]


@pytest.mark.slow
def test_who_has_children_at_all_follows_from_both_directions() -> None:
    """A model that knows the ages of parents brings children to households whose first person is of such an age."""

    class Parents(Family):
        def _say(self, context: str, choice: str) -> float:
            if "son or daughter" in context and "And what is your" in context and choice in AGES:
                return 0.0 if choice in AGES[1:3] else -3.0
            return super()._say(context, choice)

    def old_parents(found: tuple[Any, pl.DataFrame, Any]) -> float:
        persons = found[1]
        children = persons.filter((pl.col("kind") == "Single") & (pl.col("place") > 1) & (pl.col("age") < 20))
        return float((children["age_1"] >= 60).mean())  # type: ignore[arg-type]

    assert old_parents(made(Parents())) < 0.7 * old_parents(plain())


@pytest.mark.slow
def test_brothers_and_sisters_are_of_an_age_where_the_model_says_so() -> None:
    """Of two children's ages neither tables nor what is said of parents tells that they go together."""

    class Siblings(Family):
        def _say(self, context: str, choice: str) -> float:
            if "brother or sister" in context and choice in AGES:
                given = next(word for word in AGES if word in context)
                return -3.0 * abs(AGES.index(choice) - AGES.index(given))
            return super()._say(context, choice)

    def apart(found: tuple[Any, pl.DataFrame, Any]) -> float:
        persons = found[1].filter((pl.col("kind") == "Single") & (pl.col("place") > 1))
        ages = (
            persons.group_by("household_id").agg(pl.col("age")).filter(pl.col("age").list.len() == 2)["age"].to_list()
        )
        return float(np.mean([abs(one - other) for one, other in ages]))

    assert apart(made(Siblings())) < 0.8 * apart(plain())


@pytest.mark.slow
def test_children_head_no_household_where_the_model_says_so() -> None:
    """No rule and no table says that the first person is grown up."""

    class Heads(Family):
        def _say(self, context: str, choice: str) -> float:
            if "the head of the household" in context:
                return 0.0 if (choice == "Yes") != (AGES[0] in context) else -1.5
            return super()._say(context, choice)

    def young(found: tuple[Any, pl.DataFrame, Any]) -> float:
        persons = found[1]
        return float((persons.filter(pl.col("place") == 1)["age"] < 20).mean())  # type: ignore[arg-type]

    assert young(made(Heads())) < 0.4 * young(plain())


@pytest.mark.slow
def test_what_is_said_of_relatives_moves_nobody_to_another_age() -> None:
    """A derived variable cuts a cell of the table of ages in two: about as many persons stay on either side as without a model."""
    cut = document()
    cut["units"]["household"]["derived"] = {
        "small": {"kind": "category", "levels": ["yes", "no"], "expression": "'yes' if any(person.age < 10) else 'no'"}
    }

    class Small(Family):
        def _say(self, context: str, choice: str) -> float:
            small = choice == "0 to 9 years"
            if choice in ("0 to 9 years", "10 to 19 years"):
                return super()._say(context, AGES[0]) + (0.0 if small or "unrelated" in context else -2.0)
            return super()._say(context, choice)

    persons = made(Small(), cut)[1].filter(pl.col("age") < 20)
    assert 0.35 < (persons["age"] < 10).mean() < 0.65  # type: ignore[operator]


@pytest.mark.slow
def test_helping_columns_do_not_stay() -> None:
    """What the beliefs compute with is not in the records; what was assumed is written down with its role."""
    homes, _, solution = plain()
    assert homes.columns == ["household_id", "size", "kind", "proposal_id"]
    roles = [words for words in solution.dependencies["in_words"] if words and "householder" in words]
    assert any("husband or wife" in words for words in roles)
    assert any(name.startswith("person-race-of-the-son-or-daughter") for name in solution.estimated)


@pytest.mark.slow
def test_a_budget_that_ends_keeps_what_was_asked() -> None:
    """What the model said of the first variables stays, and the run says what was left out."""
    model = Family()
    llm = Choice(identity=Identity(name="family", digest="8"), open_model=lambda: model)
    calls = llmsynthor.synthesize(document(), records=100, seed=1, llm=llm).manifest["usage"]["calls"]

    def beliefs(budget: int) -> int:
        short = llmsynthor.synthesize(document(), records=100, seed=1, llm=llm, max_calls=budget)
        ended = "and what follows was not asked" in short.manifest["dependency"]["estimation"]
        return sum(" of the " in (words or "") for words in short.dependencies["in_words"]) if ended else 0

    assert any(beliefs(budget) for budget in range(20, calls, 15))


def test_a_model_that_tells_no_relative_from_a_stranger_is_not_believed() -> None:
    """Where relatives are as strangers nothing is assumed of who lives with whom."""

    class Blank(Family):
        def score(self, request: ScoreRequest) -> Scored:
            return Scored(log_probabilities=(-1.0,) * len(request.choices), usage=Usage(seconds=0.01))

    _, _, solution = made(Blank())
    assert not [name for name in solution.estimated if "householder" in name]


def with_sexes() -> dict[str, Any]:
    """The document with sexes, and kinds of household that name them."""
    told, kinds = document(), ["Couple", "Single Male", "Single Female"]
    told["units"]["household"]["variables"]["kind"]["levels"] = kinds
    told["units"]["person"]["variables"]["sex"] = {"kind": "category", "levels": ["Female", "Male"], "label": "Sex"}
    told["targets"][1]["cells"] = [{"kind": k, "share": n} for k, n in zip(kinds, (0.5, 0.2, 0.3), strict=True)]
    told["targets"].append(
        {"unit": "person", "cells": [{"sex": "Female", "share": 0.5}, {"sex": "Male", "share": 0.5}]}
    )
    return told


class Sexes(Family):
    """Contrasts the sexes of spouses as those of strangers, but knows whose husband, what a husband is, and who heads what."""

    identity = Identity(name="sexes", digest="8")

    def _say(self, context: str, choice: str) -> float:
        if choice in ("husband", "wife"):
            return 0.0 if (choice == "husband") == ("Female" in context) else -3.0
        if choice not in ("Female", "Male"):
            return super()._say(context, choice)
        last = context.splitlines()[-2]
        if "husband or wife" in context or "unrelated" in context:
            return -1.0
        if "husband" in last or "wife" in last:
            return 0.0 if (choice == "Male") == ("husband" in last) else -3.0
        if "Single" not in context:
            return -1.0
        return 0.0 if (f"Single {choice}" in context) != ("not the householder" in context) else -2.0


@pytest.mark.slow
def test_sexes_follow_from_the_words_of_roles_and_kinds() -> None:
    """Husbands have wives, and whoever heads a household is of the sex that its kind says."""

    def odd(model: Any) -> tuple[float, float]:
        _, persons, _ = made(model, with_sexes())
        first, second = (persons.filter(pl.col("place") == k).sort("household_id") for k in (1, 2))
        couple = second["kind"] == "Couple"
        same = float((first["sex"] == second["sex"]).filter(couple).mean())  # type: ignore[arg-type]
        single = first.filter(pl.col("kind") != "Couple")
        return same, float((single["kind"] != "Single " + single["sex"]).mean())  # type: ignore[arg-type]

    assert min(odd(None)) > 0.4
    assert max(odd(Sexes())) < 0.1


def test_numbers_are_scored_as_whole_numbers() -> None:
    """A digit that no other level begins with may be a 6 as well as a 60; words are scored as far as they differ."""

    class Asked(Family):
        def __init__(self) -> None:
            self.requests: list[ScoreRequest] = []

        def score(self, request: ScoreRequest) -> Scored:
            self.requests.append(request)
            return super().score(request)

    model = Asked()
    made(model)
    kin = [own for own in model.requests if "the householder" in own.context and " Yes" not in own.choices]
    assert {own.whole for own in kin if own.choices[0].strip() in AGES} == {"number"}
    assert {own.whole for own in kin if own.choices[0].strip() in RACES} == {False}


@pytest.mark.slow
def test_children_and_other_relatives_are_told_of_in_households_of_their_own() -> None:
    """No member has two roles: children where a husband or wife lives, elsewhere whoever is not the householder."""
    solution = plain()[2]
    told = solution.dependencies.filter(pl.col("in_words").str.contains("householder"))["in_words"].to_list()
    age = [words for words in told if words.startswith("age")]
    assert sum("son or daughter given" in words for words in age) == 1
    assert sum("another relative given" in words for words in age) == 1
    assert not any("another relative" in words for words in told if words.startswith("race"))


def test_relatives_are_told_apart_where_coarse_tables_cut_a_number() -> None:
    """A table of few ages says which matter; a fine one only how many there are."""
    told = document()
    cells = [{"age": f"[{a}, {a + 5})", "share": 1 / 16} for a in range(0, 80, 5)]
    told["targets"][2]["cells"] = cells
    broad = [{"age": "[0, 65)", "job": job, "share": 13 / 32} for job in ("works", "rests")]
    broad += [{"age": "[65, 80)", "job": job, "share": 3 / 32} for job in ("works", "rests")]
    for target, cuts in ((None, False), ({"unit": "person", "cells": broad, "value": "share"}, True)):
        spec = told if target is None else told | {"targets": [*told["targets"], target]}
        aims = set_aims(Spec.load(spec))
        age = next(v for v in kin_variables(aims, aims.spec.schema["person"], 4) if v.name == "age")
        assert any(isinstance(level, Interval) and level.low == 65 for level in age.levels) == cuts


SLOWLY = [pytest.param(number, marks=pytest.mark.slow) for number in (float("-inf"), float("inf"), 1e300)]


@pytest.mark.parametrize("hostile", [float("nan"), *SLOWLY])
@pytest.mark.slow
def test_scores_that_are_no_numbers_cost_nothing(hostile: float) -> None:
    """Whatever comes back for a probability, every table is met."""

    class Broken(Sexes):
        def _say(self, context: str, choice: str) -> float:
            return hostile if choice in ("husband", "Female", "White", AGES[1]) else super()._say(context, choice)

    _, _, solution = made(Broken(), with_sexes())
    assert max(solution.alignment.filter(pl.col("source") == "given")["tvd"]) < 0.005


@pytest.mark.slow
def test_calls_are_no_more_than_planned_and_skipped_pairs_are_not_asked() -> None:
    """What is said before a run about its calls holds; a pair that is skipped is not asked of householders either."""

    class Counting(Sexes):
        def __init__(self) -> None:
            self.asked: list[str] = []

        def score(self, request: ScoreRequest) -> Scored:
            self.asked.append(request.context)
            return super().score(request)

    model, told = Counting(), with_sexes()
    made(model, told)
    assert any("not the householder. What is your sex" in text for text in model.asked)
    aims = set_aims(Spec.load(told))
    assert len(model.asked) <= planned_composition(aims) + planned_nested(aims)
    model, told = Counting(), with_sexes() | {"dependencies": {"skip": [["sex", "kind"]]}}
    made(model, told)
    assert not any("not the householder. What is your sex" in text for text in model.asked)
    assert any("not the householder. What is your race" in text for text in model.asked)
