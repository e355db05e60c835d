"""Where the variables of nested units are cut: by tables of any unit, by rules, universes and derived variables."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.density import Density, atom_cuts, mixed
from llmsynthor.aims.grid import (
    DEFAULT_CELLS,
    UNIT_CELLS,
    Axis,
    break_points,
    breaks_at,
    cut_at,
    even_cuts,
    intervals_between,
    with_seconds,
)
from llmsynthor.aims.laws import expected_laws, resolving_cuts
from llmsynthor.aims.uses import Use, Uses, read_uses
from llmsynthor.spec.expressions import Aggregate, Expression, Lookup, Node, Operation, Reference, cut_points, nodes
from llmsynthor.spec.schema import Category, Numeric, Unit
from llmsynthor.spec.specification import Spec

Floats = NDArray[np.float64]

COPYING = ("first", "last", "min", "max", "previous")
"""Functions over children that give one of their values: a cut of the result is a cut of the variable."""

THIS, OTHER = Reference(None, "this"), Reference(None, "other")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """An axis, and of a number the value that each of its cells stands for where it enters sums."""

    axis: Axis
    values: Floats | None = None


def cut_variable(use: Use, uses: Uses) -> Cut:
    """Cut a variable wherever something depends on it, and into atoms where its very value matters.

    It does where it is computed with, and where units below have sums of it: how many children go with large values is then a
    matter of whole records.
    """
    variable = use.variable
    if isinstance(variable, Category):
        return Cut(axis=Axis(variable=variable, levels=variable.levels))
    points, computed = _points(use, uses, frozenset())
    computed = computed or use.is_summed_below
    low, high = variable.range.low, variable.range.high
    whole = variable.integer and high - low <= UNIT_CELLS
    if use.counts or (computed and whole):
        points |= {float(value) for value in range(int(low), int(np.ceil(high)))}
    elif not computed:
        points = with_seconds(use, points)
        finer = resolving_cuts(use, breaks_at(variable, points))
        points |= finer or (set() if points else set(even_cuts(variable, DEFAULT_CELLS)))
    breaks = breaks_at(variable, points)
    density = mixed(expected_laws(use))
    if computed and not whole:
        breaks = list(atom_cuts(density, breaks, integer=variable.integer))
    axis = Axis(variable=variable, levels=intervals_between(breaks))
    return Cut(axis=axis, values=_representatives(axis, density, integer=variable.integer))


def cut_derived(use: Use) -> Axis:
    """Cut a derived variable as tables and quantiles cut it; expressions read its value, not its cell."""
    if isinstance(use.variable, Category):
        return Axis(variable=use.variable, levels=use.variable.levels)
    return cut_at(use.variable, break_points(use))


def _representatives(axis: Axis, density: Density, *, integer: bool) -> Floats:
    low, high = axis.breaks[:-1], axis.breaks[1:]
    middle = density.inside(low, high, np.full(axis.size, 0.5))
    return np.asarray(np.clip(np.floor(middle), np.ceil(low), np.ceil(high) - 1)) if integer else middle


def expression_cuts(variable: Numeric, spec: Spec, unit: Unit) -> list[float]:
    """Where rules, universes and derived variables cut a number, such as at the age of consent."""
    uses = read_uses(replace(spec, targets=()))
    points, _ = _expression_points(uses[unit.name, variable.name], uses, frozenset())
    return breaks_at(variable, points)[1:-1]


def told_apart(use: Use, uses: Uses) -> set[float]:
    """Where rules, universes and derived variables tell the values of a number apart."""
    return set(breaks_at(use.number, _expression_points(use, uses, frozenset())[0])[1:-1])


def _points(use: Use, uses: Uses, seen: frozenset[str]) -> tuple[set[float], bool]:
    """Break points of a variable, and whether its very value is computed with; copies of it pass theirs on."""
    more, computed = _expression_points(use, uses, seen)
    return break_points(use) | more, computed


def _expression_points(use: Use, uses: Uses, seen: frozenset[str]) -> tuple[set[float], bool]:
    points, computed = set[float](), False
    for owner, expression in use.expressions:
        tree = _simplified(expression.tree, owner, use.variable.name, use.unit)
        copies = [derived for derived in owner.derived if derived.expression == expression] if tree == THIS else []
        if copies:
            for derived in (d for d in copies if f"{owner.name}.{d.name}" not in seen):
                more, also = _points(uses[owner.name, derived.name], uses, seen | {f"{owner.name}.{derived.name}"})
                copied = uses[owner.name, derived.name]
                points = points | more
                computed = computed or also or copied.is_summed or copied.is_summed_below
            continue
        if not any(node == THIS for node in nodes(tree)):
            continue
        more_points, used = cut_points(Expression(expression.text, tree), THIS.name, integer=use.integer)
        points, computed = points | more_points, computed or used
    return points, computed


def _simplified(node: Node, owner: Unit, name: str, unit: Unit) -> Node:
    """Write the variable in question as `this`, and what copies one of its values as well."""
    if isinstance(node, Reference):
        return THIS if node.name == name and (node.unit or owner.name) == unit.name else OTHER
    if isinstance(node, Aggregate):
        operand = _simplified(node.operand, owner, name, unit)
        return THIS if operand == THIS and node.function in COPYING else Aggregate(node.function, operand)
    if isinstance(node, Operation):
        return Operation(node.symbol, tuple(_simplified(operand, owner, name, unit) for operand in node.operands))
    if isinstance(node, Lookup):
        return replace(node, keys=tuple(_simplified(key, owner, name, unit) for key in node.keys))
    return node
