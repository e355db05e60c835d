"""What an expression needs: the variables of every unit that it is computed from, and the order of derived variables."""

from llmsynthor.spec.expressions import Expression, references
from llmsynthor.spec.schema import Derived, Schema, Unit
from llmsynthor.spec.targets import Table, Target

POSITION = "position"
"""The implicit name in a child unit: 1 for the first child of its parent, 2 for the second, …"""

Column = tuple[str, str]
"""A unit and a variable of it."""


def inputs(expression: Expression, unit: str) -> frozenset[Column]:
    """Every (unit, variable) that an expression on records of `unit` uses; `position` is one of them."""
    return frozenset((r.unit or unit, r.name) for r in references(expression))


def target_columns(target: Target) -> frozenset[Column]:
    """Every (unit, variable) that a target's columns, its statistic and its universe name."""
    named = target.columns if isinstance(target, Table) else (*target.by, *target.variables)
    found = {(name.rpartition(".")[0] or target.unit, name.rpartition(".")[2]) for name in named}
    return frozenset(found) | (inputs(target.universe, target.unit) if target.universe is not None else frozenset())


def is_position(unit: Unit, name: str) -> bool:
    return name == POSITION and unit.parent is not None


def derived_in_order(schema: Schema) -> tuple[tuple[str, Derived], ...]:
    """All derived variables of all units, each after those that it uses; what lies on a circle is left out."""
    left = {(unit.name, derived.name): derived for unit in schema.units for derived in unit.derived}
    placed: list[tuple[str, Derived]] = []
    while ready := [key for key, d in left.items() if not inputs(d.expression, key[0]) & left.keys()]:
        placed += [(key[0], left.pop(key)) for key in ready]
    return tuple(placed)


def on_circles(schema: Schema) -> tuple[Column, ...]:
    """Derived variables that depend on themselves, directly or round about, across units too."""
    uses = {(unit.name, d.name): inputs(d.expression, unit.name) for unit in schema.units for d in unit.derived}
    found = []
    for key, used_by_it in uses.items():
        reached, frontier = set[Column](), set(used_by_it)
        while frontier:
            reached |= frontier
            frontier = {other for used in frontier for other in uses.get(used, frozenset())} - reached
        if key in reached:
            found.append(key)
    return tuple(found)


def base_columns(column: Column, schema: Schema, have: frozenset[Column] | None = None) -> frozenset[Column]:
    """The columns that data must hold for one to be known, derived ones traced back to what they are computed from.

    Where `have` says what data hold, a derived column that is there stands for inputs that are not.
    """
    derived = {d.name: d for d in schema[column[0]].derived}.get(column[1])
    if derived is None:
        return frozenset() if is_position(schema[column[0]], column[1]) else frozenset({column})
    traced = [base_columns(entry, schema, have) for entry in inputs(derived.expression, column[0])]
    needed = frozenset[Column]().union(*traced)
    return frozenset({column}) if have is not None and not needed <= have and column in have else needed


def derived_below(columns: frozenset[Column], schema: Schema) -> frozenset[Column]:
    """The derived variables among the columns and among all that these are computed from."""
    found, frontier = set[Column](), set(columns)
    while frontier:
        unit, name = frontier.pop()
        derived = {d.name: d for d in schema[unit].derived}.get(name)
        if derived is not None and (unit, name) not in found:
            found.add((unit, name))
            frontier |= inputs(derived.expression, unit)
    return frozenset(found)
