"""Suggested rules: what a model holds for impossible, written so that a spec can take it over."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from llmsynthor.errors import SpecError
from llmsynthor.llm.backend import Identity, Scored, ScoreRequest, Usage, WriteRequest, Written
from llmsynthor.llm.opening import Choice
from llmsynthor.run.advise import suggest_rules, write_rules
from llmsynthor.spec.reading.files import load

AGES = ("0 to 15", "16 to 64", "65")
JOBS = ("pupil", "works", "retired")
TRUTH = {"0 to 15": (0.94, 0.03, 0.03), "16 to 64": (0.02, 0.9, 0.08), "65": (0.02, 0.08, 0.9)}


def document(**changes: Any) -> dict[str, Any]:
    shares = zip(("[0, 16)", "[16, 65)", "65+"), (0.2, 0.6, 0.2), strict=True)
    return {
        "llmsynthor": 1,
        "units": {
            "person": {
                "variables": {
                    "age": {"kind": "integer", "range": [0, 90], "label": "Age"},
                    "job": {"kind": "category", "levels": list(JOBS), "label": "Job"},
                    "sex": {"kind": "category", "levels": ["female", "male"], "label": "Sex"},
                }
            }
        },
        "targets": [
            {"unit": "person", "cells": [{"age": age, "share": own} for age, own in shares], "value": "share"},
            {"unit": "person", "cells": [{"job": j, "share": s} for j, s in zip(JOBS, (0.2, 0.5, 0.3), strict=True)]},
            {"unit": "person", "cells": [{"sex": "female", "share": 0.5}, {"sex": "male", "share": 0.5}]},
        ],
        **changes,
    }


class Census:
    """Knows which ages have which jobs, and denies outright what is rare."""

    identity = Identity(name="census", digest="3")

    def write(self, request: WriteRequest) -> Written:
        return Written(text=json.dumps({"reason": "People of this age do not do that."}))

    def score(self, request: ScoreRequest) -> Scored:
        choices = [choice.strip() for choice in request.choices]
        return Scored(
            log_probabilities=tuple(self._say(request.context, c) for c in choices), usage=Usage(seconds=0.01)
        )

    def _say(self, context: str, choice: str) -> float:
        age = next((own for own in AGES if own in context or choice.startswith(own)), None)
        job = next((k for k, own in enumerate(JOBS) if own in context or choice == own), None)
        if "unrelated" in context or age is None or job is None:
            return 0.0
        likely = TRUTH[age][job]
        if choice in ("Yes", "No"):
            return (0.0 if likely > 0.05 else -4.0) if choice == "Yes" else -1.0
        import math  # noqa: PLC0415  (only where used)

        return math.log(likely)


def suggested(spec: Any, **options: Any) -> Any:
    model = Census()
    return suggest_rules(load(spec), llm=Choice(identity=model.identity, open_model=lambda: model), **options)


def test_levels_that_count_the_same_records_are_suggested_as_equal() -> None:
    """As many persons are under 16 as are pupils, and the model expects them together: one if and only if the other."""
    forbids = [entry.forbid for entry in suggested(document())]
    assert "(age < 16) != (job == 'pupil')" in forbids


def test_suggestions_are_rules_that_a_spec_takes_over(tmp_path: Path) -> None:
    """What is printed can be pasted into the spec: it is read, and changes nothing until then."""
    spec = load(document())
    text = write_rules(suggested(document(), run=tmp_path), "person")
    rules = yaml.safe_load(text)["rules"]
    assert rules
    assert load(document(rules=rules)).rules != spec.rules
    assert "its reason: People of this age" in text


def test_impossible_combinations_are_named_with_their_odds() -> None:
    """Where no levels coincide, rare combinations that the model denies are joined into a rule."""
    spec = document()
    spec["targets"][1]["cells"] = [{"job": j, "share": s} for j, s in zip(JOBS, (0.3, 0.4, 0.3), strict=True)]
    found = suggested(spec)
    assert "age < 16 and job != 'pupil'" in [entry.forbid for entry in found]
    assert all(entry.times <= 0.2 and entry.doubt < 0 for entry in found)


def test_without_a_model_there_is_nothing_to_ask() -> None:
    """`none` is refused with what to do."""
    with pytest.raises(SpecError, match="--llm"):
        suggest_rules(load(document()), llm="none")
