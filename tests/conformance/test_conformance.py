"""The conformance table: every kind of target, in every world, wherever its columns live, against the oracle.

Rows are the kinds of `kinds.py`; columns are the worlds and what is read in them:

    flat                   own
    flat, derived unused   own
    flat with derived      own | derived
    household              own of household | own of person | parent's of person | derived of household
    three levels           own of household | own of person | own of trip | parent's of trip | derived of household

Each cell is a test. The tables are counted from a hidden population that keeps the rules, so all that is asked for can be had at
once. Cells that are red stand in `RED`, each with its reason; one that turns green fails there, and is taken out.
"""

import pytest

from .kinds import KINDS
from .nests import WORLDS
from .oracle import miscounted
from .red import RED
from .solve import KIND_BY_NAME, WORLD_BY_NAME, Made, make

DISAGREE = ("structural zeros", "importance", "importance of means", "margin of error")
"""Kinds whose sources exclude each other; of all others everything can be met."""


ALWAYS = ("counts", "two-way", "universe", "rule", "mean by group", "quantile by group")
"""Kinds that are tried in households too where slow tests are left out; of the other worlds only "flat" is."""


def _marked(kind: str, world: str, *reading: str) -> object:
    key = (kind, world, *reading)
    marks = [pytest.mark.xfail(strict=True, reason=RED[key])] if key in RED else []
    if world != "flat" and (world != "household" or kind not in ALWAYS):
        marks.append(pytest.mark.slow)
    return pytest.param(*key, marks=marks, id=" | ".join(key))


CELLS = [_marked(k.name, w.name, r.label) for k in KINDS for w in WORLDS for r in w.readings]
RUNS = [_marked(k.name, w.name) for k in KINDS for w in WORLDS]


def made(kind: str, world: str) -> Made:
    return make(world, kind)


@pytest.mark.parametrize(("kind", "world", "reading"), CELLS)
@pytest.mark.slow
def test_target_is_kept(kind: str, world: str, reading: str) -> None:
    """Tables are within one record in every cell, statistics hold to rounding, and who should yield does."""
    found = made(kind, world)
    assert KIND_BY_NAME[kind].judge(found.goals[reading], found.population) == ""


@pytest.mark.parametrize(("kind", "world"), RUNS)
def test_rules_hold_and_what_is_said_is_true(kind: str, world: str) -> None:
    """No rule is broken, every count variable counts its children, and each target's status is what the oracle finds."""
    found = made(kind, world)
    assert {rule.text: n for rule in found.rules if (n := found.population.broken(rule))} == {}
    assert miscounted(found.population, WORLD_BY_NAME[world].shape) == 0
    assert all(goal.holds(found.population) for goal in found.counting)
    said = dict(found.solution.alignment.select("name", "status").iter_rows())
    told = {goal.name: said[goal.name] == "exact" for own in found.goals.values() for goal in own}
    true = {goal.name: goal.is_exact(found.population) for own in found.goals.values() for goal in own}
    assert told == true


@pytest.mark.slow
@pytest.mark.parametrize("world", [world.name for world in WORLDS])
def test_no_conflict_is_claimed_where_there_is_none(world: str) -> None:
    """Where a population has all that is asked for, no disagreement and no contradiction is reported."""
    for kind in (kind.name for kind in KINDS if kind.name not in DISAGREE):
        solution = made(kind, world).solution
        assert solution.disagreements.filter(solution.disagreements["kind"] == "conflict").height == 0, kind
        assert solution.manifest["alignment"]["contradictions"] == [], kind
