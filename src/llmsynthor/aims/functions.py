"""The axes of nested units: derived variables, and the functions over children that rules and universes ask for."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from llmsynthor.aims.grid import Axis
from llmsynthor.aims.layout import Layout
from llmsynthor.aims.terrain import CHOICES, Ground, Key, Over, Terrain, Truth
from llmsynthor.spec.cut_points import cut_points
from llmsynthor.spec.expressions import (
    Aggregate,
    Expression,
    Literal,
    Node,
    Operation,
    Reference,
    nodes,
    substitute,
    walk,
)
from llmsynthor.spec.levels import Interval, Level
from llmsynthor.spec.schema import Category, Coded, Numeric, Unit
from llmsynthor.spec.specification import Spec

EVERY_VALUE = 64
"""A computed whole number with no more values than this has a code for each."""

MISSING = ("first", "last", "mean", "min", "max", "previous")
"""Functions that may have no value."""


def nested_terrain(layout: Layout, spec: Spec) -> Terrain:
    """The axes of all units: own variables, derived ones, and the functions over children that rules and universes ask for."""
    terrain = Terrain(schema=spec.schema)
    for unit, columns in zip(spec.schema.units, layout.columns, strict=True):
        for column in (column for column in columns if column.role == "own"):
            key = (unit.name, column.name)
            terrain.axes[key] = Ground(key=key, variable=column.axis.variable, levels=column.axis.levels)
    for unit, columns in zip(spec.schema.units, layout.columns, strict=True):
        axes = {column.name: column.axis for column in columns if column.role == "derived"}
        for derived in unit.derived:
            tree = derived.expression.tree
            _add_axis(terrain, spec, unit, axes[derived.name], tree if isinstance(tree, Aggregate) else None)
            if isinstance(tree, Aggregate):
                terrain.trees.setdefault(tree, (unit.name, derived.name))
    for unit, tree in _all_trees(spec):
        for node in nodes(tree):
            if isinstance(node, Aggregate) and node.function != "previous" and node not in terrain.trees:
                _add_function(terrain, spec, unit, node)
    for unit in spec.schema.units:
        for derived in unit.derived:
            _define(terrain, unit, derived.name, derived.expression.tree)
    for node, key in terrain.trees.items():
        if isinstance(node, Aggregate):
            _bind(terrain, key, node)
    return terrain


def _all_trees(spec: Spec) -> Iterator[tuple[Unit, Node]]:
    for unit in spec.schema.units:
        for derived in unit.derived:
            yield unit, derived.expression.tree
    for rule in spec.rules:
        yield spec.schema[rule.unit], rule.forbid.tree
    for target in spec.targets:
        if target.universe is not None:
            yield spec.schema[target.unit], target.universe.tree


def _add_axis(terrain: Terrain, spec: Spec, unit: Unit, axis: Axis, node: Node | None) -> None:
    """Put a computed axis down, cut wherever a table or a condition cuts it."""
    key, variable = (unit.name, axis.name), axis.variable
    levels = axis.levels
    outside = isinstance(variable, Numeric) or (isinstance(node, Aggregate) and node.function in ("first", "last"))
    if isinstance(variable, Numeric):
        low, high = variable.range.low, variable.range.high
        points = {end for level in levels if isinstance(level, Interval) for end in (level.low, level.high)}
        for owner, tree in _all_trees(spec):
            named = substitute(tree, {node: Reference(None, axis.name)}) if node is not None else tree
            if owner.name == unit.name:
                points |= cut_points(Expression("", named), axis.name, integer=variable.integer)[0]
        if variable.integer and high - low <= EVERY_VALUE:
            points |= {float(value) for value in range(int(np.ceil(low)), int(np.ceil(high)))}
        breaks = [low, *sorted(point for point in points if low < point < high), high]
        levels = tuple(Interval(a, b) for a, b in pairwise(breaks))
    terrain.axes[key] = Ground(key=key, variable=variable, levels=levels, outside=outside)


def _child_of(terrain: Terrain, unit: str, node: Aggregate) -> Unit | None:
    """The unit that a function runs over."""
    named = {reference.unit for reference in walk(node.operand)}
    return next((child for child in terrain.schema.children(unit) if child.name in named), None)


def _add_function(terrain: Terrain, spec: Spec, unit: Unit, node: Aggregate) -> None:
    """Give a function over children an axis of its own, if it is one whose values are known."""
    child = _child_of(terrain, unit.name, node)
    if child is None:
        return
    name = f"#{len(terrain.trees)} {node.function}"
    operand = node.operand
    count = unit.variable(str(child.count))
    assert isinstance(count, Numeric)
    if node.function in ("any", "all"):
        variable: Coded = Category(name=name, levels=CHOICES)
    elif node.function == "count":
        variable = Numeric(name=name, kind="integer", range=Interval(0.0, float(np.ceil(count.range.high))))
    else:
        key = (child.name, operand.name) if isinstance(operand, Reference) and operand.unit == child.name else None
        if key not in terrain.axes or key is None:
            return
        inner = terrain.axes[key].variable
        if isinstance(inner, Category):
            variable = Category(name=name, levels=inner.levels)
        elif node.function == "sum":
            most = float(np.ceil(count.range.high)) - 1
            low, high = min(0.0, inner.range.low * most), max(0.0, inner.range.high * most) + 1
            variable = Numeric(name=name, kind=inner.kind, range=Interval(low, high))
        else:
            kind = "number" if node.function == "mean" else inner.kind
            variable = Numeric(name=name, kind=kind, range=inner.range)
    levels = variable.levels if isinstance(variable, Category) else (variable.range,)
    _add_axis(terrain, spec, unit, Axis(variable=variable, levels=levels), node)
    terrain.trees[node] = (unit.name, name)


def _bind(terrain: Terrain, key: Key, node: Aggregate) -> None:
    """Say over which children an axis counts, and which of them."""
    child = _child_of(terrain, key[0], node)
    if child is None:
        return
    if node.function in ("count", "any", "all"):
        truth = terrain.truth(key[0], node.operand, child=child.name)
        if truth is not None:
            above = _escape(terrain, key, child, 0.0, 1.0)
            terrain.over.append(Over(key=key, child=child.name, function=node.function, condition=truth, above=above))
    elif isinstance(node.operand, Reference) and (child.name, node.operand.name) in terrain.axes:
        value = (child.name, node.operand.name)
        low, high = terrain.axes[value].ends
        above = -np.inf
        if node.function == "sum":
            above = _escape(terrain, key, child, float(low[0]), float(high.max()))
        else:
            _bind_copy(terrain, key, child, value)
        terrain.over.append(Over(key=key, child=child.name, function=node.function, value=value, above=above))


def _escape(terrain: Terrain, key: Key, child: Unit, least: float, most: float) -> float:
    """The least value of a sum that lies in no cell of its axis; where there can be none, such values are ruled out."""
    ground = terrain.axes[key]
    if not isinstance(ground.variable, Numeric):
        return -np.inf
    count = terrain.schema[key[0]].variable(str(child.count))
    assert isinstance(count, Numeric)
    number = np.ceil(count.range.high) - 1
    if ground.variable.range.low > min(0.0, least * number):
        return -np.inf
    if number <= 0 or max(0.0, most * number) < ground.variable.range.high:
        _rule_out(terrain, key)
    return float(ground.variable.range.high)


def _rule_out(terrain: Terrain, key: Key) -> None:
    """No record has a value in no cell of an axis."""
    allowed = np.arange(terrain.axes[key].size) < len(terrain.axes[key].levels)
    terrain.definitions.append(Truth(keys=(key,), may=allowed, may_not=np.ones(1, dtype=bool)))


def _bind_copy(terrain: Terrain, key: Key, child: Unit, value: Key) -> None:
    """A value of one of the children lies in no cell only where there are no children, or where the child's range is wider."""
    ground, inner = terrain.axes[key], terrain.axes[value].variable
    if isinstance(ground.variable, Numeric) and isinstance(inner, Numeric):
        covered = ground.variable.range.holds(inner.range)
    else:
        covered = set(terrain.axes[value].levels) <= set(ground.levels)
    if not covered:
        return
    count = (key[0], str(child.count))
    low, high = terrain.axes[count].ends
    may = np.ones((ground.size, len(low)), dtype=bool)
    may[-1] = low <= 0
    may[:-1, high <= 0] = False
    terrain.definitions.append(Truth(keys=(key, count), may=may, may_not=np.ones(1, dtype=bool)))


def _define(terrain: Terrain, unit: Unit, name: str, tree: Node) -> None:
    """Say which codes of a derived variable go with which codes of what it is computed from."""
    key = (unit.name, name)
    if isinstance(tree, Aggregate):
        return
    ground, parts = terrain.axes[key], list[Truth]()
    for level in ground.levels:
        truth = terrain.truth(unit.name, _lies_in(tree, level, integer=getattr(ground.variable, "integer", False)))
        if truth is None or key in truth.keys or (parts and truth.keys != parts[0].keys):
            return
        parts.append(truth.opened())
    may = [truth.may for truth in parts]
    if ground.outside:
        may_miss = any(isinstance(node, Aggregate) and node.function in MISSING for node in nodes(tree))
        never = np.logical_and.reduce([truth.may_not for truth in parts])
        may.append(never | may_miss)
    always = np.ones(1, dtype=bool)
    terrain.definitions.append(Truth(keys=(key, *parts[0].keys), may=np.stack(may), may_not=always))


def _lies_in(tree: Node, level: Level, *, integer: bool) -> Node:
    """The condition that an expression has a value of a level; whole numbers are rounded down."""
    if not isinstance(level, Interval):
        return Operation("==", (tree, Literal(str(level))))
    low, high = (float(np.ceil(end)) if integer else end for end in (level.low, level.high))
    return Operation("and", (Operation(">=", (tree, Literal(low))), Operation("<", (tree, Literal(high)))))
