"""Elicitation and the copula: what a model says about dependence becomes soft tables, as far as it is to be trusted."""

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from llmsynthor.aims.cuts import build_grid
from llmsynthor.aims.goals import Goals, bring_to_grid
from llmsynthor.calibration.measured import NOTHING, usual
from llmsynthor.dependence.coarse import coarsen
from llmsynthor.dependence.copula import Scope
from llmsynthor.dependence.elicit import Asking
from llmsynthor.dependence.estimation import Estimation, choose_pairs, estimate, planned_questions
from llmsynthor.dependence.pair_tables import fit_margins, interaction, mutual_information
from llmsynthor.dependence.trust import Trust
from llmsynthor.llm.backend import Identity, Scored, ScoreRequest, Usage, WriteRequest, Written
from llmsynthor.llm.ledger import Ledger
from llmsynthor.llm.recorded import Recorded
from llmsynthor.options import Budget
from llmsynthor.spec.reading.files import load
from llmsynthor.spec.specification import Spec

DIET = {"red": (0.7, 0.2, 0.1), "green": (0.1, 0.3, 0.6), "blue": (0.3, 0.4, 0.3)}
"""The truth that the knowing model holds: which food a colour eats."""
FOOD = ("grass", "fish", "bread")


def spec_of(**changes: Any) -> Spec:
    def category(*levels: str) -> dict[str, Any]:
        return {"kind": "category", "levels": list(levels)}

    def table(name: str, **shares: float) -> dict[str, Any]:
        cells = [{name: level, "share": share} for level, share in shares.items()]
        return {"name": name, "unit": "animal", "cells": cells, "value": "share"}

    variables = {"colour": category(*DIET), "food": category(*FOOD), "night": category("sleeps", "hunts")}
    targets = [
        table("colour", red=0.4, green=0.4, blue=0.2),
        table("food", grass=0.4, fish=0.3, bread=0.3),
        table("night", sleeps=0.5, hunts=0.5),
    ]
    return load({"llmsynthor": 1, "units": {"animal": {"variables": variables}}, "targets": targets, **changes})


class Knowing:
    """Scores by a truth about colours and food, each choice with a bias of its own; of all else it knows nothing."""

    def __init__(self, strength: float = 1.0) -> None:
        self.strength = strength
        self.asked: list[str] = []

    identity = Identity(name="knowing", digest="0")

    def write(self, request: WriteRequest) -> Written:
        raise AssertionError(request)

    def score(self, request: ScoreRequest) -> Scored:
        self.asked.append(request.context)
        choices = [choice.strip() for choice in request.choices]
        stranger = "unrelated" in request.context
        scores = [
            -2.0 * k + (0.0 if stranger else self.strength * self._says(request.context, c))
            for k, c in enumerate(choices)
        ]
        return Scored(log_probabilities=tuple(scores), usage=Usage(seconds=0.01))

    def _says(self, context: str, choice: str) -> float:
        given = re.findall(r"\b(red|green|blue|grass|fish|bread)\b", context)
        words = [*given[-1:], choice]
        colour = next((word for word in words if word in DIET), None)
        food = next((word for word in words if word in FOOD), None)
        return float(np.log(DIET[colour][FOOD.index(food)])) if colour and food else 0.0


class Mixed(Knowing):
    """Says what is known of another choice, another one in each wording."""

    def score(self, request: ScoreRequest) -> Scored:
        scores = super().score(request).log_probabilities
        by = len(request.context) % len(scores)
        return Scored(log_probabilities=(*scores[by:], *scores[:by]))


class Echoing(Knowing):
    """Says of two strangers, and louder, what it says of one record."""

    def score(self, request: ScoreRequest) -> Scored:
        louder = 3.0 if "unrelated" in request.context else 1.0
        choices = [choice.strip() for choice in request.choices]
        return Scored(log_probabilities=tuple(louder * self._says(request.context, c) - 9.0 for c in choices))


class Chatting:
    """Writes percentages, and gives no log-probabilities."""

    identity = Identity(name="chatting", digest="1")

    def write(self, request: WriteRequest) -> Written:
        rows = request.json_schema["properties"]
        answer = {x: {y: self._share(x, y) for y in part["properties"]} for x, part in rows.items()}
        return Written(text=json.dumps(answer))

    @staticmethod
    def _share(x: str, y: str) -> int:
        colour, food = (x, y) if x in DIET else (y, x)
        return round(100 * DIET[colour][FOOD.index(food)]) if colour in DIET and food in FOOD else 50


def asked(
    spec: Spec, model: Any, *, calls: int | None = None, ledger: Ledger | None = None, scope: Scope | None = None
) -> tuple[Estimation, Goals, Recorded]:
    goals = bring_to_grid(spec, build_grid(spec, spec.schema.top))
    recorded = Recorded(
        identity=model.identity, open_model=lambda: model, ledger=ledger or Ledger(None), budget=Budget(calls=calls)
    )
    asking = Asking(spec=spec, unit="animal", variables=coarsen(goals), model=recorded, seed=1, temperature=0.5)
    return estimate(goals, asking, (), spare=0, imply=lambda _: {}, notify=lambda: None, scope=scope), goals, recorded


def truth(spec: Spec) -> np.ndarray:
    goals = bring_to_grid(spec, build_grid(spec, spec.schema.top))
    colour, food = coarsen(goals)[:2]
    log = np.log(np.array([DIET[word] for word in colour.words]))
    return fit_margins(log, colour.shares, food.shares)


def test_a_knowing_model_gives_back_its_dependence() -> None:
    """Biases of single levels cancel: the interaction that is left is the truth's own."""
    found, goals, _ = asked(spec_of(), Knowing())
    colour, food = coarsen(goals)[:2]
    entry = next(d for d in found.dependences if d.pair == ("colour", "food"))
    expected = interaction(np.log(truth(spec_of())), colour.shares, food.shares)
    assert entry.table is not None
    got = interaction(np.log(entry.table), colour.shares, food.shares)
    assert got == pytest.approx(entry.trust * expected, abs=1e-6)
    assert entry.raw_strength == pytest.approx(mutual_information(truth(spec_of())), rel=1e-6)


def test_estimates_keep_the_margins() -> None:
    """An estimated table agrees with the given one-way tables, so that soft and given targets never fight."""
    found, goals, _ = asked(spec_of(), Knowing())
    table = np.array(found.tables[0].values).reshape(3, 3)
    assert table.sum(axis=1) == pytest.approx(coarsen(goals)[0].shares, abs=1e-8)
    assert table.sum(axis=0) == pytest.approx(coarsen(goals)[1].shares, abs=1e-8)


def test_a_model_that_knows_nothing_estimates_nothing() -> None:
    """Without any dependence in the answers no table is estimated, and every pair stays with maximum entropy."""
    found, _, _ = asked(spec_of(), Knowing(strength=0.0))
    assert found.tables == ()
    assert {d.source for d in found.dependences} == {"maximum entropy"}


def test_only_strong_pairs_are_asked_again() -> None:
    """The first pass puts every pair in one wording and direction; further wordings go where it showed strength."""
    model = Knowing()
    asked(spec_of(), model)
    again = [context for context in model.asked if "unrelated" in context]
    assert again
    assert not any("night" in context.lower() for context in again)


def test_the_budget_is_kept() -> None:
    """No more is asked than the calls allow, and what was answered until then is used."""
    found, _, recorded = asked(spec_of(), Knowing(), calls=9)
    assert recorded.spent.calls <= 9
    assert len(found.dependences) == 3


def test_the_same_again_asks_nothing() -> None:
    """A second elicitation is answered by the ledger alone, to the same tables."""
    ledger = Ledger(None)
    first, _, _ = asked(spec_of(), Knowing(), ledger=ledger)
    model = Knowing()
    second, _, recorded = asked(spec_of(), model, ledger=ledger)
    assert recorded.spent.new == 0
    assert model.asked == []
    assert second.tables == first.tables


def test_questions_are_counted_beforehand() -> None:
    """What a run asks is at most what was said before."""
    spec = spec_of()
    _, goals, recorded = asked(spec, Knowing())
    assert 0 < recorded.spent.scores <= planned_questions(goals, spec)


def test_given_tables_calibrate_trust() -> None:
    """A model that overstates what a given table knows is trusted less; one that understates it, more."""
    rows = [
        {"colour": colour, "food": food, "share": float(share)}
        for colour, row in zip(DIET, truth(spec_of()), strict=True)
        for food, share in zip(FOOD, row, strict=True)
    ]
    joint = {"name": "diet", "unit": "animal", "cells": rows, "value": "share"}
    spec = spec_of()
    targets = [{"name": t.name, "unit": "animal", "cells": _rows(t), "value": "share"} for t in spec.targets]
    loud, _, _ = asked(spec_of(targets=[*targets, joint]), Knowing(strength=3.0))
    quiet, _, _ = asked(spec_of(targets=[*targets, joint]), Knowing(strength=0.25))
    assert loud.trust is not None
    assert quiet.trust is not None
    strengths = [next(d.raw_strength for d in e.dependences if d.source == "given") for e in (loud, quiet)]
    measured = Trust(full=usual().full, half=usual().half)
    assert loud.trust.of(strengths[0]) < measured.of(strengths[0])
    assert quiet.trust.of(strengths[1]) > measured.of(strengths[1])


def test_a_model_that_is_not_believed_is_not_asked() -> None:
    """Only pairs to which the user gives a trust are: what it would say of others is worth nothing."""
    model = Knowing()
    scope = Scope(measured=NOTHING)
    found, _, _ = asked(spec_of(), model, scope=scope)
    assert (model.asked, found.tables) == ([], ())
    wished, _, _ = asked(spec_of(dependencies={"trust": {"food, colour": 1.0}}), model, scope=scope)
    assert model.asked
    assert not any("night" in context.lower() for context in model.asked)
    assert len(wished.tables) == 1


def test_answers_unlike_those_of_the_bench_are_not_believed() -> None:
    """Answers that do not agree from wording to wording, or of which two strangers' are far louder, come to nothing."""
    found, _, _ = asked(spec_of(), Knowing())
    assert found.tables
    mixed, _, _ = asked(spec_of(), Mixed())
    assert mixed.tables == ()
    echoing, _, _ = asked(spec_of(), Echoing())
    assert echoing.tables == ()


def _rows(target: Any) -> list[dict[str, Any]]:
    cells = zip(target.cells, target.values, strict=True)
    return [{**dict(zip(target.columns, cell, strict=True)), "share": value} for cell, value in cells]


def test_wishes_of_the_user_come_first() -> None:
    """Skipped pairs are not asked, and a trust of the spec replaces that of the rule."""
    skipped, _, _ = asked(spec_of(dependencies={"skip": ["colour, food"]}), Knowing())
    assert next(d for d in skipped.dependences if d.pair == ("colour", "food")).source == "maximum entropy"
    trusted, _, _ = asked(spec_of(dependencies={"trust": {"food, colour": 0.25}}), Knowing())
    assert next(d for d in trusted.dependences if d.pair == ("colour", "food")).trust == 0.25


def test_asked_pairs_come_first() -> None:
    """A pair of `ask` stands before all others."""
    spec = spec_of(dependencies={"ask": ["night, food"]})
    goals = bring_to_grid(spec, build_grid(spec, spec.schema.top))
    assert choose_pairs(goals, spec, coarsen(goals), ()).open[0] == ("food", "night")


def test_models_that_only_chat_are_asked_for_shares() -> None:
    """Percentages in JSON serve where no log-probabilities are given, by the same trust."""
    found, _, recorded = asked(spec_of(), Chatting())
    entry = next(d for d in found.dependences if d.pair == ("colour", "food"))
    assert entry.source == "estimated"
    assert entry.raw_strength == pytest.approx(mutual_information(truth(spec_of())), rel=0.1)
    assert recorded.spent.scores == 0


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: "I would rather not say.",
        lambda rows: json.dumps({x: dict.fromkeys(part["properties"], 0) for x, part in rows.items()}),
        lambda rows: json.dumps({x: dict.fromkeys(part["properties"], 10**9) for x, part in rows.items()}),
        lambda rows: json.dumps(dict.fromkeys(rows, "half")),
    ],
)
def test_hostile_shares_cost_nothing(answer: Callable[[Any], str]) -> None:
    """Unusable percentages are dropped; nothing is estimated, and nothing fails."""

    class Hostile(Chatting):
        def write(self, request: WriteRequest) -> Written:
            return Written(text=answer(request.json_schema["properties"]))

    found, _, recorded = asked(spec_of(), Hostile())
    assert found.tables == ()
    assert recorded.spent.dropped > 0
