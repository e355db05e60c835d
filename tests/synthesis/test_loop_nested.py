"""The paper's loop over whole households: with a double that fills in every schema, and with the real small model."""

import json
from copy import deepcopy
from typing import Any

import numpy as np
import polars as pl
import pytest

import llmsynthor
from llmsynthor import Solution
from llmsynthor.llm.backend import Identity, Usage, WriteRequest, Written
from llmsynthor.llm.opening import Choice
from llmsynthor.synthesis.stop import StopReason

TOWN: dict[str, Any] = {
    "llmsynthor": 1,
    "name": "a town",
    "context": "Households of a small town. Person 1 is the householder.",
    "units": {
        "household": {
            "variables": {
                "size": {"kind": "integer", "range": [1, 4]},
                "tenure": {"kind": "category", "levels": ["Owned", "Rented"]},
            }
        },
        "person": {
            "parent": "household",
            "count": "size",
            "variables": {
                "age": {"kind": "integer", "range": [0, 100]},
                "job": {"kind": "category", "levels": ["Works", "Does not work"]},
            },
        },
    },
    "targets": [
        {
            "name": "size by tenure",
            "unit": "household",
            "cells": [
                {"size": s, "tenure": t, "count": n}
                for (s, t), n in zip(
                    [(s, t) for s in (1, 2, 3) for t in ("Owned", "Rented")], (60, 60, 100, 40, 80, 20), strict=True
                )
            ],
        },
        {
            "name": "age by job",
            "unit": "person",
            "cells": [
                {"age": a, "job": j, "count": n}
                for a, j, n in (
                    ("[0, 16)", "Does not work", 100),
                    ("[16, 65)", "Works", 360),
                    ("[16, 65)", "Does not work", 100),
                    ("65+", "Does not work", 140),
                )
            ],
        },
    ],
    "rules": [
        {"name": "children do not work", "unit": "person", "forbid": "age < 16 and job == 'Works'"},
        {"name": "an adult", "unit": "household", "forbid": "first(person.age) < 16"},
    ],
}
RECORDS = 360


class Filler:
    """Fills in a schema at random; asks for ever more records than there are missing."""

    identity = Identity(name="filler", digest="1")

    def __init__(self, **fixed: str) -> None:
        self.asked: list[WriteRequest] = []
        self.fixed = fixed

    def write(self, request: WriteRequest) -> Written:
        self.asked.append(request)
        rng = np.random.default_rng(request.seed)
        return Written(text=json.dumps(self.fill(request.json_schema, rng)), usage=Usage(seconds=0.01))

    def fill(self, schema: dict[str, Any], rng: np.random.Generator) -> Any:
        if schema["type"] == "object" if "type" in schema else False:
            return {name: self.fixed.get(name) or self.fill(inner, rng) for name, inner in schema["properties"].items()}
        if schema.get("type") == "integer":
            return 30
        return rng.choice(schema["enum"]) if "enum" in schema else "They belong together."


def run(model: Filler, **options: Any) -> Solution:
    chosen = Choice(identity=model.identity, open_model=lambda: model)
    settings = {"records": RECORDS, "seed": 1, "align": "none", **options}
    return llmsynthor.synthesize(deepcopy(TOWN), llm=chosen, **settings)


@pytest.fixture(scope="module")
def filler() -> Filler:
    return Filler()


@pytest.fixture(scope="module")
def looped(filler: Filler) -> Solution:
    return run(filler, iterations=40)


@pytest.mark.slow
def test_records_are_only_added_and_the_distance_falls(looped: Solution) -> None:
    """Households are only added, one call each, never more than asked for, and the tables come nearer."""
    history = looped.history.filter(pl.col("stage") == "proposals")
    sizes = history["records"].to_list()
    assert sizes == sorted(sizes)
    assert RECORDS / 2 < sizes[-1] <= RECORDS
    assert history["tvd"][-1] < 0.1 < history["tvd"][0]
    assert looped.records["household"].height == sizes[-1]
    assert looped.manifest["usage"]["calls"] == 5 * history["iteration"].max()


@pytest.mark.slow
def test_no_table_of_any_unit_is_overshot(looped: Solution) -> None:
    """No cell of households or of their persons has more records than the tables say: what is drawn is bounded by both."""
    band = pl.when(pl.col("age") < 16).then(0).when(pl.col("age") < 65).then(1).otherwise(2)
    counted = looped.records["person"].group_by(band.alias("band"), "job").len()
    wanted = {(0, "Does not work"): 100, (1, "Works"): 360, (1, "Does not work"): 100, (2, "Does not work"): 140}
    for band_number, job, number in counted.iter_rows():
        assert number <= wanted[band_number, job]


@pytest.mark.slow
def test_rules_hold_and_every_record_names_its_proposal(looped: Solution) -> None:
    """No record breaks a rule, and each comes from a proposal; one that was dropped for a rule names it."""
    assert not any(looped.manifest["rules_broken"].values())
    assert looped.records["household"]["proposal_id"].null_count() == 0
    dropped = [status for status in looped.proposals["status"] if "breaks a rule" in status]
    assert dropped
    assert all("(an adult)" in status or "(children do not work)" in status for status in dropped)


@pytest.mark.slow
def test_model_is_told_rules_and_what_is_missing(filler: Filler, looped: Solution) -> None:
    """The question names what never occurs and what persons still miss; each member has levels in an order of its own."""
    assert len(looped.proposals) == len(filler.asked)
    prompt = filler.asked[0].prompt
    assert "first(person.age) < 16" in prompt
    assert "persons with age [16, 65) and job = Works" in prompt
    orders = {
        json.dumps(schema["properties"]["age"])
        for asked in filler.asked
        for name, schema in asked.json_schema["properties"].items()
        if name.startswith("person")
    }
    assert len(orders) > 2


@pytest.mark.slow
def test_loop_that_adds_nothing_ends() -> None:
    """Where every household breaks a rule the loop ends after twenty iterations, and says where to look."""
    solution = run(Filler(age="[0, 16)"))
    assert solution.stop is StopReason.ANSWERS_UNUSABLE
    assert "20 plans in a row added no record" in solution.stop_reason
    assert solution.records["household"].height == 0
    assert solution.manifest["usage"]["calls"] == 100


@pytest.mark.slow
@pytest.mark.model
def test_small_model_runs_the_loop_to_its_end() -> None:
    """The real small model proposes households: the loop uses its two iterations, adds some or says why not, breaks no rule."""
    settings = {"records": 40, "seed": 1, "align": "none", "iterations": 2, "proposals": 2}
    solution = llmsynthor.synthesize(deepcopy(TOWN), llm="local:smollm2-135m", **settings)
    assert solution.stop is StopReason.ITERATIONS_USED
    assert len(solution.proposals) == 4
    assert all(status == "used" or status.startswith("dropped: ") for status in solution.proposals["status"])
    assert solution.records["household"].height == solution.proposals["records"].sum()
    assert not any(solution.manifest["rules_broken"].values())
