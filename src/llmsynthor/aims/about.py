"""Whom targets are about: a universe that is true of every record is none, and equal universes are one however they are written."""

from llmsynthor.aims.everywhere import holds_everywhere, same_everywhere
from llmsynthor.spec.expressions import Expression
from llmsynthor.spec.specification import Spec

EVERYBODY = ""

Names = dict[tuple[str, str], str]
"""By unit and text of a universe: EVERYBODY, or the text of the first universe of the same records."""


def universe_names(spec: Spec) -> Names:
    """Say of each universe of the targets whom it is about."""
    known: list[tuple[str, Expression]] = []
    names: Names = {}
    for target in spec.targets:
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
