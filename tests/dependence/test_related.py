"""What is asked about across units and along the order of records."""

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from llmsynthor import Spec
from llmsynthor.aims.aims import Aims, set_aims
from llmsynthor.alignment.schedule import run_stages
from llmsynthor.alignment.trees.flat import computed_codes
from llmsynthor.alignment.trees.stages import trees_stages
from llmsynthor.dependence.estimation import choose_pairs
from llmsynthor.dependence.related import (
    TURNS,
    counted,
    is_ordered,
    order_columns,
    planned_nested,
    questions_of_each,
    relate,
)
from llmsynthor.population.roster import Roster
from tests.days import day_document, simulate


def with_computed(aims: Aims, roster: Roster) -> tuple[Roster, dict[Any, Any]]:
    return roster, computed_codes(aims, roster)


@pytest.fixture(scope="module")
def aims() -> Aims:
    return set_aims(Spec.load(day_document(simulate(200, 1))))


@pytest.fixture(scope="module")
def roster(aims: Aims) -> Roster:
    return run_stages(trees_stages(aims, records=200, seed=1)).roster


def test_only_units_with_an_order_have_turns(aims: Aims) -> None:
    """Trips follow each other; members of a household have ranks, though an expression may compare neighbours."""
    assert [is_ordered(aims.spec, unit) for unit in aims.spec.schema.units] == [False, False, True]
    assert [d.name for d in order_columns(aims.spec, aims.spec.schema["trip"])] == ["turn"]  # rules tie all else


def test_what_a_rule_does_not_tie_to_the_record_before_is_asked_about() -> None:
    document = day_document(simulate(50, 1))
    document["rules"] = [rule for rule in document["rules"] if rule["name"] != "in time"]
    spec = Spec.load(document)
    assert [d.name for d in order_columns(spec, spec.schema["trip"])] == ["turn", "previous_hour"]


def test_variables_that_happen_to_have_such_names_are_asked_about_as_any_other() -> None:
    document = day_document(simulate(50, 1))
    document["units"] = copy.deepcopy(document["units"])
    trip = document["units"]["trip"]["variables"]
    trip["turn"] = {"kind": "category", "levels": ["left", "right"]}
    trip["previous_goal"] = {"kind": "category", "levels": ["yes", "no"]}
    for name, levels in (("turn", ["left", "right"]), ("previous_goal", ["yes", "no"])):
        cells = [{name: level, "share": 0.5} for level in levels]
        document["targets"].append({"name": name, "unit": "trip", "cells": cells, "value": "share"})
    own = set_aims(Spec.load(document))
    related, _ = counted(
        relate(own)[2], own, *with_computed(own, run_stages(trees_stages(own, records=50, seed=1)).roster)
    )
    assert related.turn is None
    assert {("goal", "turn"), ("goal", "previous_goal"), ("turn", "previous_goal")} <= set(related.pairs)
    assert {v.words for v in related.variables if v.name == "turn"} == {("left", "right")}


def test_a_veto_reaches_across_units_and_records() -> None:
    document = day_document(simulate(50, 1)) | {"dependencies": {"skip": [["goal", "works"], "hour"]}}
    document["rules"] = [rule for rule in document["rules"] if rule["name"] != "in time"]
    spec = Spec.load(document)
    assert spec.is_vetoed("hour")
    assert not spec.is_vetoed("goal")
    assert [d.name for d in order_columns(spec, spec.schema["trip"])] == ["turn"]
    trip = relate(set_aims(spec))[2]
    asked = choose_pairs(trip.goals, spec, trip.variables, (), trip.pairs)
    assert ("goal", "person.works") in trip.pairs
    assert ("goal", "person.works") not in asked.open


def test_names_of_the_user_are_left_alone(aims: Aims) -> None:
    unit = aims.spec.schema["trip"]
    taken = replace(unit, derived=(replace(order_columns(aims.spec, unit)[0]),))
    assert order_columns(aims.spec, taken) == ()


def test_pairs_join_units_but_not_what_is_computed_from_each_other(aims: Aims) -> None:
    household, person, trip = relate(aims)
    assert ("size", "children") in household.pairs
    assert ("age", "household.tenure") in person.pairs
    assert ("pay", "household.tenure") in person.pairs
    assert "turn" in {variable.name for variable in trip.variables}
    assert not [pair for pair in trip.pairs if "turn" in pair]  # asked about in words of its own
    assert ("goal", "person.works") in trip.pairs
    for related in (household, person, trip):
        assert not [pair for pair in related.pairs if all("." in name for name in pair)]
    assert not [pair for pair in person.pairs if set(pair) == {"age", "older"}]  # older is computed from age


def test_margins_that_no_table_gives_are_counted(aims: Aims, roster: Roster) -> None:
    """Shares of turns are those of the records, and implied tables have the margins of their variables."""
    trip, implied = counted(relate(aims)[2], aims, *with_computed(aims, roster))
    by_name = {variable.name: variable for variable in trip.variables}
    length = roster.length[2]
    wanted = np.array([(length == 1).sum(), (length > 1).sum(), (length > 1).sum(), np.maximum(length - 2, 0).sum()])
    assert by_name["turn"].words == TURNS
    np.testing.assert_allclose(by_name["turn"].shares, (wanted + 0.5) / (wanted + 0.5).sum())
    assert set(implied) == set(trip.pairs)
    codes = roster.codes[2][:, 0]
    counts = np.bincount(codes, minlength=3)
    np.testing.assert_allclose(implied["origin", "goal"].sum(axis=1), counts / counts.sum(), atol=1e-9)


def test_questions_are_shared_by_the_units(aims: Aims) -> None:
    assert 0 < planned_nested(aims) <= 3 * questions_of_each(aims)
