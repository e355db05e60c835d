"""Where the variables of nested units are cut: by tables of any unit, by rules, universes and derived variables."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.density import Density, atom_cuts, mixed
from llmsynthor.aims.grid import DEFAULT_CELLS, UNIT_CELLS, Axis, even_cuts, has_seconds, quantile_cuts, second_cuts
from llmsynthor.aims.laws import expected_laws, resolving_cuts
from llmsynthor.spec.expressions import Aggregate, Expression, Lookup, Node, Operation, Reference, cut_points, nodes
from llmsynthor.spec.levels import Interval
from llmsynthor.spec.schema import Category, Coded, Numeric, Unit
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Statistic, Table

Floats = NDArray[np.float64]

COPYING = ("first", "last", "min", "max", "previous")
"""Functions over children that give one of their values: a cut of the result is a cut of the variable."""

THIS, OTHER = Reference(None, "this"), Reference(None, "other")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """An axis, and of a number the value that each of its cells stands for where it enters sums."""

    axis: Axis
    values: Floats | None = None


def expressions_of(spec: Spec) -> Iterator[tuple[Unit, Expression]]:
    """Every expression of a spec with the unit that it is about."""
    for unit in spec.schema.units:
        yield from ((unit, derived.expression) for derived in unit.derived)
    for rule in spec.rules:
        yield spec.schema[rule.unit], rule.forbid
    for target in spec.targets:
        if target.universe is not None:
            yield spec.schema[target.unit], target.universe


def cut_variable(variable: Coded, spec: Spec, unit: Unit) -> Cut:
    """Cut a variable wherever something depends on it, and into atoms where its very value matters."""
    if isinstance(variable, Category):
        return Cut(axis=Axis(variable=variable, levels=variable.levels))
    points, computed = _points(variable, spec, unit, frozenset())
    low, high = variable.range.low, variable.range.high
    whole = variable.integer and high - low <= UNIT_CELLS
    counts = any(child.count == variable.name for child in spec.schema.children(unit.name))
    if counts or (computed and whole):
        points |= {float(value) for value in range(int(low), int(np.ceil(high)))}
    elif not computed:
        points |= set(second_cuts(variable)) if has_seconds(variable.name, spec, unit) else set()
        inner = [low, *sorted(point for point in points if low < point < high), high]
        finer = resolving_cuts(variable, spec, unit, inner)
        points |= finer or (set() if points else set(even_cuts(variable, DEFAULT_CELLS)))
    breaks = [low, *sorted(point for point in points if low < point < high), high]
    density = mixed(expected_laws(variable, spec, unit))
    if computed and not whole:
        breaks = list(atom_cuts(density, breaks, integer=variable.integer))
    axis = Axis(variable=variable, levels=tuple(Interval(a, b) for a, b in pairwise(breaks)))
    return Cut(axis=axis, values=_representatives(axis, density, integer=variable.integer))


def cut_derived(variable: Coded, spec: Spec, unit: Unit) -> Axis:
    """Cut a derived variable as tables cut it; expressions read its value, not its cell."""
    if isinstance(variable, Category):
        return Axis(variable=variable, levels=variable.levels)
    low, high = variable.range.low, variable.range.high
    edges = {edge for level in named_levels(variable.name, spec, unit) for edge in (level.low, level.high)}
    breaks = [low, *sorted(edge for edge in edges if low < edge < high), high]
    return Axis(variable=variable, levels=tuple(Interval(a, b) for a, b in pairwise(breaks)))


def _representatives(axis: Axis, density: Density, *, integer: bool) -> Floats:
    low, high = axis.breaks[:-1], axis.breaks[1:]
    middle = density.inside(low, high, np.full(axis.size, 0.5))
    return np.asarray(np.clip(np.floor(middle), np.ceil(low), np.ceil(high) - 1)) if integer else middle


def named_levels(name: str, spec: Spec, unit: Unit) -> Iterator[Interval]:
    """Intervals in which tables of the unit, or of units below it, cut a variable."""
    for target in spec.targets:
        columns = target.columns if isinstance(target, Table) else target.by
        for position, column in enumerate(columns):
            if _means(column, target.unit, name, unit):
                levels = {cell[position] for cell in target.cells}
                yield from (level for level in levels if isinstance(level, Interval))


def _means(column: str, target_unit: str, name: str, unit: Unit) -> bool:
    prefix, _, last = column.rpartition(".")
    return last == name and (prefix or target_unit) == unit.name


def expression_cuts(variable: Numeric, spec: Spec, unit: Unit) -> list[float]:
    """Where rules, universes and derived variables cut a number, such as at the age of consent."""
    points, _ = _expression_points(variable, replace(spec, targets=()), unit, frozenset())
    return sorted(point for point in points if variable.range.low < point < variable.range.high)


def _points(variable: Coded, spec: Spec, unit: Unit, seen: frozenset[str]) -> tuple[set[float], bool]:
    """Break points of a variable, and whether its very value is computed with; copies of it pass theirs on."""
    points = {edge for level in named_levels(variable.name, spec, unit) for edge in (level.low, level.high)}
    more, computed = _expression_points(variable, spec, unit, seen)
    return points | _statistic_points(variable, spec, unit) | more, computed


def _expression_points(variable: Coded, spec: Spec, unit: Unit, seen: frozenset[str]) -> tuple[set[float], bool]:
    integer = getattr(variable, "integer", False)
    points, computed = set[float](), False
    for owner, expression in expressions_of(spec):
        tree = _simplified(expression.tree, owner, variable.name, unit)
        if not any(node == THIS for node in nodes(tree)):
            continue
        copies = [derived for derived in owner.derived if derived.expression == expression] if tree == THIS else []
        if copies:
            for derived in (d for d in copies if f"{owner.name}.{d.name}" not in seen):
                more, also = _points(derived.variable, spec, owner, seen | {f"{owner.name}.{derived.name}"})
                points, computed = points | more, computed or also
            continue
        more_points, used = cut_points(Expression(expression.text, tree), THIS.name, integer=integer)
        points, computed = points | more_points, computed or used
    return points, computed


def _statistic_points(variable: Coded, spec: Spec, unit: Unit) -> set[float]:
    integer = getattr(variable, "integer", False)
    found = set()
    for target in spec.targets:
        if isinstance(target, Statistic) and (target.unit, target.variable) == (unit.name, variable.name):
            values = target.values if target.statistic == "quantile" else ()
            found |= {cut for value in values for cut in quantile_cuts(value, integer=integer)}
    return found


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
