"""Whom tables are about: a universe that is true of every record is none, and equal universes are one however they are written."""

from collections.abc import Sequence
from dataclasses import replace

from llmsynthor.aims.goals import Goal
from llmsynthor.spec.everywhere import holds_everywhere, same_everywhere
from llmsynthor.spec.expressions import Expression
from llmsynthor.spec.specification import Spec

EVERYBODY = ""


def name_universes(spec: Spec, goals: Sequence[Goal]) -> tuple[Goal, ...]:
    """Say of each table whom it is about: EVERYBODY, or the text of the first universe of the same records."""
    known: list[tuple[str, Expression]] = []
    names: dict[tuple[str, str], str] = {}
    for goal in goals:
        universe, unit = goal.table.universe, goal.table.unit
        if universe is None or (unit, str(universe)) in names:
            continue
        if holds_everywhere(universe, unit, spec):
            names[unit, str(universe)] = EVERYBODY
            continue
        same = (str(other) for owner, other in known if owner == unit and same_everywhere(universe, other, unit, spec))
        names[unit, str(universe)] = next(same, str(universe))
        known.append((unit, universe))
    return tuple(replace(goal, about=names.get((goal.table.unit, goal.about), goal.about)) for goal in goals)
