"""Whom targets are about: a universe that is true of every record is none, and equal universes are one however they are written."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from llmsynthor.aims.everywhere import holds_everywhere, same_everywhere
from llmsynthor.aims.goals import Goal
from llmsynthor.spec.expressions import Expression
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Target

EVERYBODY = ""

Names = dict[tuple[str, str], str]
"""By unit and text of a universe: EVERYBODY, or the text of the first universe of the same records."""


def universe_names(spec: Spec, targets: Iterable[Target]) -> Names:
    """Say of each universe whom it is about."""
    known: list[tuple[str, Expression]] = []
    names: Names = {}
    for target in targets:
        universe, unit = target.universe, target.unit
        if universe is None or (unit, str(universe)) in names:
            continue
        if holds_everywhere(universe, unit, spec):
            names[unit, str(universe)] = EVERYBODY
            continue
        same = (str(other) for owner, other in known if owner == unit and same_everywhere(universe, other, unit, spec))
        names[unit, str(universe)] = next(same, str(universe))
        known.append((unit, universe))
    return names


def name_universes(spec: Spec, goals: Sequence[Goal]) -> tuple[Goal, ...]:
    """Say of each table whom it is about."""
    names = universe_names(spec, [goal.table for goal in goals])
    return tuple(replace(goal, about=names.get((goal.table.unit, goal.about), goal.about)) for goal in goals)
