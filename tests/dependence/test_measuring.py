"""A model that nobody knows is measured on known tables, once, and believed as far as it knew them."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llmsynthor.calibration.bench import KnownTable, KnownVariable, known_tables
from llmsynthor.calibration.measured import usual
from llmsynthor.dependence import measuring
from llmsynthor.dependence.measuring import conformal, measure, planned_measuring
from llmsynthor.dependence.measuring import recall as really_recall
from llmsynthor.llm.backend import Identity, Scored, ScoreRequest, WriteRequest, Written
from llmsynthor.llm.ledger import Ledger
from llmsynthor.llm.models import DEFAULT, find
from llmsynthor.llm.recorded import Recorded
from llmsynthor.llm.scripted import Scripted
from llmsynthor.options import Budget
from llmsynthor.run.check import examine
from llmsynthor.spec.specification import Spec

EVERY = 624
"""Questions about all known tables: four wordings, both directions."""


@pytest.fixture(autouse=True)
def as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is believed before; the cache folder is empty."""
    monkeypatch.setattr(measuring, "recall", really_recall)
    monkeypatch.setenv("LLMSYNTHOR_CACHE", str(tmp_path / "cache"))


def directions() -> Iterator[tuple[KnownTable, KnownVariable, KnownVariable, np.ndarray]]:
    """Every table both ways: what is given, what is asked, counts (given, asked)."""
    for table in known_tables():
        counts = np.array(table.counts, dtype=float)
        yield table, table.one, table.other, counts
        yield table, table.other, table.one, counts.T


def truth_about(context: str, choices: list[str]) -> np.ndarray | None:
    """The logarithms of the truth of a question; None where it is about none of the tables."""
    said = context.lower()
    for table, given, asked, counts in directions():
        if list(asked.words) == choices and table.context in context and given.label.lower() in said:
            at = {word: said.rfind(word.lower()) for word in given.words}
            word = max(given.words, key=lambda own: (at[own] >= 0, len(own)))
            if at[word] >= 0:
                return np.log(np.maximum(counts[given.words.index(word)], 0.5))
    return None


class Model:
    """Scores by what `says` makes of the truth; of two strangers it says that nothing depends on anything."""

    identity = Identity(name="openai:new", digest="somewhere#new")

    def __init__(self, says: Callable[[np.ndarray], np.ndarray]) -> None:
        self.says, self.asked = says, 0

    def write(self, request: WriteRequest) -> Written:
        raise AssertionError(request)

    def score(self, request: ScoreRequest) -> Scored:
        self.asked += 1
        choices = [choice.strip() for choice in request.choices]
        truth = truth_about(request.context, choices)
        if truth is None or "unrelated" in request.context:
            return Scored(log_probabilities=tuple(-1.0 for _ in choices))
        said = self.says(truth)
        return Scored(log_probabilities=tuple(float(x) for x in said - np.log(np.exp(said).sum())))


def recorded(model: Any, *, ledger: Ledger | None = None, calls: int | None = None) -> Recorded:
    return Recorded(
        identity=model.identity, open_model=lambda: model, ledger=ledger or Ledger(None), budget=Budget(calls=calls)
    )


def test_a_model_that_knows_is_believed() -> None:
    """Who hedges, but has every direction right, is believed, and more than it says."""
    found = measure(recorded(Model(lambda truth: 0.3 * truth)))
    assert found.pairs == 12
    assert found.full > 1
    assert found.part("balanced") > 0.5


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_answers_at_random_are_not_believed(seed: int) -> None:
    """The same answers, shuffled from choice to choice, are worth nothing: no pair need be asked about."""
    rng = np.random.default_rng(seed)
    found = measure(recorded(Model(rng.permutation)))
    assert not found.is_believed("balanced")
    assert not found.is_believed("safe")


def test_one_that_says_nothing_is_not_believed() -> None:
    """Without any dependence in its answers a model states nothing."""
    assert not measure(recorded(Model(lambda truth: 0 * truth))).is_believed("balanced")


def test_a_model_is_measured_once(tmp_path: Path) -> None:
    """What was found is remembered by the model's digest: another run asks nothing, and was told so beforehand."""
    model = Model(lambda truth: 0.3 * truth)
    assert planned_measuring(model.identity) == planned_measuring(None) == EVERY
    first = measure(recorded(model))
    assert model.asked == EVERY
    assert planned_measuring(model.identity) == 0
    again = measure(recorded(model, ledger=Ledger(tmp_path / "ledger.sqlite")))
    assert model.asked == EVERY
    assert again.full == pytest.approx(first.full, abs=1e-4)


def test_a_replay_needs_no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger of the run says how far the model was believed, whether it was measured there or known before."""
    model = Model(lambda truth: 0.3 * truth)
    measured_here, known_there = Ledger(None), Ledger(None)
    run = recorded(model, ledger=measured_here)
    first, asked = measure(run), run.spent.scores
    later = measure(recorded(model, ledger=known_there))
    monkeypatch.setenv("LLMSYNTHOR_CACHE", str(tmp_path / "elsewhere"))
    replay = recorded(model, ledger=measured_here)
    assert measure(replay) == first
    assert replay.spent.scores == asked
    assert measure(recorded(model, ledger=known_there)) == later
    assert model.asked == EVERY


def test_the_budget_is_kept() -> None:
    """At most half of the calls go into measuring; what was measured in part is not remembered, none is no trust."""
    model = Model(lambda truth: 0.3 * truth)
    part = recorded(model, calls=400)
    found = measure(part)
    assert 0 < found.pairs < 12
    assert part.spent.calls <= 200
    assert planned_measuring(model.identity) == EVERY
    few = recorded(model, calls=20)
    assert not measure(few).is_believed("balanced")
    assert few.spent.calls == 0


def test_the_default_model_asks_nothing() -> None:
    """It is known as shipped; so is a script, which is no model."""
    default = Identity(name=f"local:{DEFAULT}", digest=find(DEFAULT).sha256)
    assert planned_measuring(default) == 0
    script = Scripted({"answers": []})
    assert measure(recorded(script)) == usual()


def test_models_that_only_chat_are_measured_too() -> None:
    """Percentages are held beside the truth like scores."""

    class Chatting:
        identity = Identity(name="openai:chat", digest="somewhere#chat")

        def write(self, request: WriteRequest) -> Written:
            rows = request.json_schema["properties"]
            words = [list(rows), list(next(iter(rows.values()))["properties"])]
            counts = next(c for _, one, other, c in directions() if [list(one.words), list(other.words)] == words)
            shares = np.round(100 * counts / counts.sum(axis=1, keepdims=True)).astype(int).tolist()
            return Written(
                text=json.dumps({x: dict(zip(words[1], row, strict=True)) for x, row in zip(rows, shares, strict=True)})
            )

    found = measure(recorded(Chatting()))
    assert found.pairs == 12
    assert found.is_believed("balanced")


def test_a_quantile_of_few_promises_nothing() -> None:
    """Of fewer than nine tables nobody can say what nine in ten have."""
    assert conformal([1.0] * 8, 0.1) == 0.0
    assert conformal([1.0] * 9, 0.1) == 1.0


def test_check_says_it_beforehand() -> None:
    """What measuring a new model takes is among the calls that `check` expects; the default model takes none of them."""
    cells = {name: [{name: level, "count": 5} for level in "ab"] for name in ("one", "other")}
    spec = Spec.load(
        {
            "llmsynthor": 1,
            "units": {"toss": {"variables": {name: {"kind": "category", "levels": ["a", "b"]} for name in cells}}},
            "targets": [{"name": name, "unit": "toss", "cells": own, "value": "count"} for name, own in cells.items()],
        }
    )
    known, new = examine(spec, "local"), examine(spec, "openai:new")
    assert (known.measuring, new.measuring) == (0, EVERY)
    assert new.calls == known.calls + EVERY
    assert examine(spec, "none").calls == 0
