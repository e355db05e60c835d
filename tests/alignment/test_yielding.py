"""What the model says yields for few records where few are in the way."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

import llmsynthor
from llmsynthor.alignment import yielding
from llmsynthor.alignment.trees.correct import Corrected, correct
from llmsynthor.alignment.trees.flat import Task, count
from llmsynthor.llm.backend import Identity
from llmsynthor.llm.opening import Choice
from tests.days import day_document, simulate
from tests.dependence.test_sequence import Homeward, ends_at_home

HOMES = 300


class Spoiled:
    """The correction, but a household loses its only adult whenever it ends without one free share of top records."""

    def __init__(self) -> None:
        self.shares: list[float] = []

    def __call__(self, task: Task, roster: Any, sizes: Any, theta: Any, held: Any, **how: Any) -> Corrected:
        found = correct(task, roster, sizes, theta, held, **how)
        self.shares.append(float((~held).mean()))
        return self.spoil(task, found, sizes) if not held.any() and sizes[0] == HOMES else found

    @staticmethod
    def spoil(task: Task, found: Corrected, sizes: tuple[int, ...]) -> Corrected:
        roster = found.roster._replace(codes=found.roster.codes.copy())
        alone = int(np.flatnonzero(roster.length[roster.link[1] : roster.link[1] + HOMES] == 1)[0])
        person = roster.start[roster.link[1] + alone]
        place = [column.name for column in task.aims.layout.columns[1]].index("age")
        own = sum(column.role == "own" for column in task.aims.layout.columns[1])
        roster.codes[roster.first[1] + person * own + place] = 0
        counts = count(task, roster, sizes[0])
        return replace(found, roster=roster, counts=counts, goal=task.compiled.goal(counts, sizes), sentence="spoiled")


@pytest.mark.slow
def test_one_household_in_the_way_costs_few_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child alone is no single change away from an adult where the table of ages is met: a few others change with it."""
    model = Homeward()
    llm = Choice(identity=Identity(name="homeward", digest="4"), open_model=lambda: model)
    document = day_document(simulate(HOMES, 1))
    document["targets"] = [entry for entry in document["targets"] if entry["name"] != "trip 8"]
    without = ends_at_home(llmsynthor.synthesize(document, records=HOMES, seed=1, llm="none", workers=1))
    spoiled = Spoiled()
    monkeypatch.setattr(yielding, "correct", spoiled)
    solution = llmsynthor.synthesize(document, records=HOMES, seed=1, llm=llm, workers=1)
    assert 0 < max(share for share in spoiled.shares if share < 1) < 0.5
    assert spoiled.shares[-1] < 1
    assert "yielded for" in solution.manifest["stop_reason"]
    assert not any(solution.manifest["rules_broken"].values())
    assert max(solution.alignment.filter(pl.col("source") == "given")["max_abs_error"].drop_nulls()) < 2
    assert ends_at_home(solution) > without + 0.05
