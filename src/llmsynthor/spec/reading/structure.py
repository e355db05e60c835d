"""Problems of units among themselves: names, parents, counts, circles."""

from collections.abc import Iterator, Sequence

from llmsynthor.errors import Problem
from llmsynthor.spec.expressions import SPOKEN
from llmsynthor.spec.inputs import POSITION
from llmsynthor.spec.reading.variables import text_problems
from llmsynthor.spec.schema import Numeric, Unit

RESERVED = ("proposal_id", "start_row", "start_changed")


def structure_problems(units: Sequence[Unit]) -> Iterator[Problem]:
    """Yield what is wrong with the units and how they hang together."""
    names = {unit.name: unit for unit in units}
    tops = [unit.name for unit in units if unit.parent is None]
    if len(tops) != 1:
        advice = "let exactly one unit have no parent"
        yield Problem(where="units", what="there must be one top unit", found=", ".join(tops) or "none", advice=advice)
    for unit in units:
        yield from _name_problems(unit, names)
        yield from _parent_problems(unit, names)
        yield from text_problems(unit)


def _name_problems(unit: Unit, names: dict[str, Unit]) -> Iterator[Problem]:
    where = f"units.{unit.name}"
    all_names = [variable.name for variable in (*unit.variables, *(derived.variable for derived in unit.derived))]
    for name in (unit.name, *all_names):
        if not (name.isidentifier() and name.isascii()) or name.startswith("_"):
            advice = "use letters, digits and underscores, and begin with a letter"
            yield Problem(where=where, what="this name cannot be used in expressions", found=name[:80], advice=advice)
        elif name in SPOKEN:
            advice = "call it otherwise; expressions give this word a meaning of its own"
            yield Problem(where=where, what="this name cannot be used in expressions", found=name, advice=advice)
    for name in sorted({name for name in all_names if all_names.count(name) > 1}):
        yield Problem(where=where, what="a variable is defined twice", found=name, advice="rename one of the two")
    taken = {*RESERVED, *(f"{other}_id" for other in names), *([POSITION] if unit.parent is not None else [])}
    for name in sorted(taken & set(all_names)):
        advice = "rename the variable; the program gives this name a meaning of its own"
        yield Problem(where=where, what="this name is reserved", found=name, advice=advice)


def _parent_problems(unit: Unit, names: dict[str, Unit]) -> Iterator[Problem]:
    where = f"units.{unit.name}"
    if unit.parent is None:
        if unit.count is not None:
            advice = "remove count, or give the unit a parent"
            yield Problem(where=where, what="count belongs to a unit with a parent", found=unit.count, advice=advice)
        return
    if unit.parent not in names:
        advice = f"use one of: {', '.join(name for name in names if name != unit.name)}"
        yield Problem(where=where, what="there is no such parent unit", found=unit.parent, advice=advice)
        return
    if _in_circle(unit, names):
        yield Problem(
            where=where, what="the units are each other's parents", found=unit.parent, advice="break the circle"
        )
    counting = [v for v in names[unit.parent].variables if v.name == unit.count]
    if not counting or not (isinstance(counting[0], Numeric) and counting[0].integer):
        advice = f"name an integer variable of {unit.parent} that says how many {unit.name} records one has"
        yield Problem(
            where=where, what="count is no integer variable of the parent", found=str(unit.count), advice=advice
        )
    elif counting[0].range.low < 0:
        yield Problem(
            where=where, what="a count cannot be negative", found=str(counting[0].range), advice="begin at 0 or more"
        )


def _in_circle(unit: Unit, names: dict[str, Unit]) -> bool:
    seen, current = {unit.name}, unit.parent
    while current is not None and current in names:
        if current in seen:
            return True
        seen.add(current)
        current = names[current].parent
    return False
