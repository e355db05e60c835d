"""What a pair rests on: a model's word, what zones say, both where they agree, and nobody where they do not."""

import numpy as np
import pytest

from llmsynthor.aims.cuts import build_grid
from llmsynthor.aims.goals import Goals, bring_to_grid
from llmsynthor.dependence import copula
from llmsynthor.dependence.coarse import coarsen
from llmsynthor.dependence.copula import Dependence, Scope, as_table, dependences
from llmsynthor.dependence.estimates import Estimate
from llmsynthor.dependence.pair_tables import fit_margins, mutual_information
from llmsynthor.dependence.trust import Trust
from llmsynthor.errors import SpecError
from llmsynthor.spec.reading.files import load

PAIR = ("colour", "food")
SIGN = np.array([[1.0, -1.0], [-1.0, 1.0]])
EVEN = np.array([0.5, 0.5])


def goals_of() -> Goals:
    def one(name: str, *levels: str) -> dict[str, object]:
        return {"name": name, "unit": "pet", "cells": [{name: own, "share": 0.5} for own in levels], "value": "share"}

    levels = {"colour": ["red", "green"], "food": ["grass", "fish"]}
    variables = {name: {"kind": "category", "levels": own} for name, own in levels.items()}
    spec = load(
        {
            "llmsynthor": 1,
            "units": {"pet": {"variables": variables}},
            "targets": [one(name, *own) for name, own in levels.items()],
        }
    )
    return bring_to_grid(spec, build_grid(spec, spec.schema.top))


def said(
    of: float | None,
    zones: float | None,
    *,
    wish: float | None = None,
    implied: float | None = None,
    own: float | None = 1.0,
) -> Dependence:
    """The dependence of the pair where a model says an interaction of ± `of`, and zones one of ± `zones`."""
    goals = goals_of()
    table = {k: fit_margins(x * SIGN, EVEN, EVEN) for k, x in (("of", of), ("zones", zones), ("implied", implied)) if x}
    estimates = ()
    if of is not None:
        strength = mutual_information(table["of"])
        estimates = (Estimate(pair=PAIR, interaction=of * SIGN, strength=strength, agreement=1.0, trust=own),)
    (found,) = dependences(
        goals,
        coarsen(goals),
        estimates,
        wish={} if wish is None else {frozenset(PAIR): wish},
        trust=Trust(full=6.5, half=0.1),
        implied={PAIR: table["implied"]} if implied else {},
        scope=Scope(zones={PAIR: table["zones"]} if zones else {}, part=0.8),
    )
    return found


def test_a_model_alone_is_a_direction() -> None:
    """What a model says is written as a table with a floor of the part that is believed."""
    found = said(0.5, None, own=None)
    goals = goals_of()
    table = as_table(found, coarsen(goals), unit="pet", source="llm m")
    assert found.table is not None
    chance = np.outer(found.table.sum(axis=1), found.table.sum(axis=0))
    lift = float(((found.table - chance) * np.log(found.table / chance)).sum())
    assert (found.source, found.weights) == ("estimated", {"model": 1.0})
    assert table.floor == pytest.approx(0.8 * lift)


def test_what_a_model_hardly_states_is_left_alone() -> None:
    """Of weak statements the direction is as often wrong as right: nothing is assumed, and zones are not vetoed by one."""
    assert said(0.1, None, own=None).source == "maximum entropy"
    assert said(0.1, -0.1, own=None).source == "zones"


def test_given_tables_deny_what_they_imply_far_less_of() -> None:
    """Of what a model states the given tables that reach the pair must imply half: those that do not reach it deny nothing."""
    assert said(0.6, None, own=None, implied=0.8).source == "estimated"
    assert said(0.6, None, own=None, implied=0.2).source == "maximum entropy"
    assert said(0.6, None, own=None, implied=0.01).source == "estimated"


@pytest.mark.parametrize(("implied", "stands_in"), [(None, True), (0.01, True), (0.8, False)])
def test_where_no_given_table_reaches_what_is_said_of_all_pairs_decides(
    monkeypatch: pytest.MonkeyPatch, implied: float | None, stands_in: bool
) -> None:
    """What few traits carry of all pairs stands in for a pair's own answers, unless given tables reach it."""
    together = {PAIR: fit_margins(0.9 * SIGN, EVEN, EVEN)}
    monkeypatch.setattr(copula, "carried", lambda tables, variables: together)
    found = said(0.6, None, own=None, implied=implied)
    assert found.table is not None
    assert (found.table == pytest.approx(together[PAIR])) is stands_in


def test_what_was_asked_in_a_way_of_its_own_is_taken_in_full() -> None:
    """The part is of answers to the usual questions: how a sequence ends has a trust of its own, and the whole of it."""
    assert said(0.5, None, own=1.0).part == 1.0


def test_a_number_of_the_user_is_taken_in_full() -> None:
    """A pair for which the user gives a trust has the whole of it as its floor."""
    assert said(0.5, None, wish=1.0).part == 1.0


def test_zones_and_a_model_that_agree_add_up() -> None:
    """Both interactions are added, and each has its part in the sources."""
    found = said(0.3, 0.1)
    assert found.table == pytest.approx(fit_margins(0.4 * SIGN, EVEN, EVEN), abs=1e-6)
    assert found.source == "estimated"
    assert found.weights == {"model": pytest.approx(0.75), "zones": pytest.approx(0.25)}
    assert said(0.1, 0.3).source == "zones"


def test_zones_and_a_model_that_disagree_are_not_believed() -> None:
    """Where one says together and the other apart the pair is left to maximum entropy."""
    found = said(0.3, -0.1)
    assert (found.source, found.table) == ("maximum entropy", None)


def test_zones_yield_to_what_given_tables_imply() -> None:
    """Where given tables imply more of a pair than zones say, zones say nothing; of less they do."""
    assert said(None, 0.1, implied=0.3).source == "maximum entropy"
    assert said(None, 0.3, implied=0.1).source == "zones"


@pytest.mark.parametrize(
    ("trust", "belief", "numbers"),
    [
        ("safe", "safe", {}),
        ("balanced", "balanced", {}),
        ({"others": "safe", "colour, food": 0.5}, "safe", {frozenset(PAIR): 0.5}),
        ({"colour, food": 0.5}, "balanced", {frozenset(PAIR): 0.5}),
    ],
)
def test_trust_is_a_mode_or_numbers(trust: object, belief: str, numbers: object) -> None:
    """A mode holds for all pairs without a number, and both are written as they are read."""
    pet = {"variables": {n: {"kind": "category", "levels": ["a", "b"]} for n in PAIR}}
    document = {"llmsynthor": 1, "units": {"pet": pet}, "targets": []}
    read = load({**document, "dependencies": {"trust": trust}})
    assert (read.dependencies.belief, read.dependencies.trust) == (belief, numbers)


def test_a_mode_for_one_pair_is_refused() -> None:
    """A pair takes a number: a mode is for all the others."""
    pet = {"variables": {n: {"kind": "category", "levels": ["a", "b"]} for n in PAIR}}
    with pytest.raises(SpecError, match="number from 0"):
        load(
            {"llmsynthor": 1, "units": {"pet": pet}, "targets": [], "dependencies": {"trust": {"colour, food": "safe"}}}
        )
