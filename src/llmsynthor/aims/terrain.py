"""The ground on which statements are compared: axes of every unit, functions over children among them, and what is true where."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.grid import Axis, Grid
from llmsynthor.aims.layout import Layout
from llmsynthor.spec.expressions import (
    COMPARISONS,
    Aggregate,
    Expression,
    Literal,
    Lookup,
    Node,
    Operation,
    Reference,
    cut_points,
    nodes,
    operands,
    substitute,
    walk,
)
from llmsynthor.spec.inputs import POSITION
from llmsynthor.spec.levels import Interval, Level
from llmsynthor.spec.possibility import Box, Levels, Span, possible
from llmsynthor.spec.schema import Category, Coded, Numeric, Schema, Unit
from llmsynthor.spec.specification import Spec

Booleans = NDArray[np.bool_]
Floats = NDArray[np.float64]
Key = tuple[str, str]
"""A unit and the name of an axis of it."""

LARGEST_CONDITION = 1_000_000
"""Combinations of codes for which a condition is looked up; one with more is not imposed."""

EVERY_VALUE = 64
NUMBERS, CHOICES = ("sum", "mean", "min", "max"), ("yes", "no")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """One axis: a category's levels, or cells of numbers, and for computed ones a last code for "no value in any cell"."""

    key: Key
    variable: Coded
    levels: tuple[Level, ...]
    outside: bool = False
    exact: bool = False

    @property
    def size(self) -> int:
        return len(self.levels) + self.outside

    @property
    def ends(self) -> tuple[Floats, Floats]:
        """Least and greatest value in each code, both (size,)."""
        if isinstance(self.variable, Category):
            return np.zeros(self.size), np.zeros(self.size)
        cells = [level for level in self.levels if isinstance(level, Interval)]
        low, high = np.array([cell.low for cell in cells]), np.array([cell.high for cell in cells])
        if self.exact:
            high = low
        elif self.variable.integer:
            low, high = np.ceil(low), np.ceil(high) - 1
        infinite = np.full(int(self.outside), np.inf)
        return np.concatenate([low, -infinite]), np.concatenate([high, infinite])

    def box(self, codes: NDArray[np.int64]) -> Box:
        """The values that the codes stand for."""
        if isinstance(self.variable, Category):
            return Levels(codes=np.minimum(codes, len(self.levels) - 1), levels=tuple(str(level) for level in self.levels))
        cells = [level for level in self.levels if isinstance(level, Interval)]
        low = np.array([*(cell.low for cell in cells), *([-1e15] if self.outside else [])])
        high = np.array([*(cell.high for cell in cells), *([1e15] if self.outside else [])])
        return Span(low=low[codes], high=high[codes], integer=self.variable.integer)

    def members(self, levels: Sequence[Level]) -> NDArray[np.int64]:
        """Position of the level that holds each code, -1 where none does, shape (size,)."""
        found = np.full(self.size, -1, dtype=np.int64)
        index = {level: number for number, level in enumerate(levels)}
        for code, own in enumerate(self.levels):
            if own in index:
                found[code] = index[own]
            elif isinstance(own, Interval):
                held = (k for k, level in enumerate(levels) if isinstance(level, Interval) and level.holds(own))
                found[code] = next(held, -1)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """Where a condition may be true and where it may be false: two arrays over the codes of `keys`."""

    keys: tuple[Key, ...]
    may: Booleans
    may_not: Booleans


@dataclass(frozen=True, slots=True, kw_only=True)
class Over:
    """A function over children that an axis of the parent holds: `function` of the child's `value`, or of where `condition` is true.

    A value in no cell is at least `above`.
    """

    key: Key
    child: str
    function: str
    condition: Truth | None = None
    value: Key | None = None
    above: float = -np.inf


@dataclass(slots=True)
class Terrain:
    """Axes of all units; `over` are the functions over children, `definitions` say where computed axes may lie."""

    schema: Schema
    axes: dict[Key, Ground] = field(default_factory=dict)
    over: list[Over] = field(default_factory=list)
    definitions: list[Truth] = field(default_factory=list)
    trees: dict[Node, Key] = field(default_factory=dict)

    def truth(self, unit: str, tree: Node, *, child: str = "") -> Truth | None:
        """Look a condition on records of `unit` up; inside a function over `child`, names without a unit are the parent's own.

        What cannot be known of a record of one unit may be anything. None where too many combinations would have to be seen.
        """
        boxes: dict[str, Key | None] = {}
        plain = self._opened(unit, tree, child, boxes)
        keys = tuple(dict.fromkeys(key for key in boxes.values() if key is not None))
        sizes = [self.axes[key].size for key in keys]
        if not keys or np.prod(sizes, dtype=float) > LARGEST_CONDITION:
            return None
        codes = np.indices(sizes).reshape(len(keys), -1)
        unknown = Span(low=np.zeros(codes.shape[1]), high=np.full(codes.shape[1], 2.0), integer=True)
        found: dict[str, Box] = {
            name: unknown if key is None else self.axes[key].box(codes[keys.index(key)]) for name, key in boxes.items()
        }
        may, may_not = possible(Expression("", plain), found)
        for key, own in zip(keys, codes, strict=True):
            if self.axes[key].outside:  # a value that is missing may make a condition false, or its negation true
                missing = own == self.axes[key].size - 1
                may, may_not = may | missing, may_not | missing
        return Truth(keys=keys, may=may.reshape(sizes), may_not=may_not.reshape(sizes))

    def _opened(self, unit: str, node: Node, child: str, boxes: dict[str, Key | None]) -> Node:
        """Name every part by the axis that holds it; a comparison with something else becomes one that may be true or false."""
        condition = isinstance(node, Operation) and node.symbol in COMPARISONS.values()
        if (condition or isinstance(node, Aggregate)) and not all(self._known(unit, leaf, child) for leaf in _leaves(node)):
            name = f"?{len(boxes)}"
            boxes[name] = None
            return Operation("==", (Reference(None, name), Literal(1.0)))
        if isinstance(node, Aggregate):
            key = self.trees[node]
            boxes[key[1]] = key
            reference = Reference(None, key[1])
            is_condition = node.function in ("any", "all")
            return Operation("==", (reference, Literal(CHOICES[0]))) if is_condition else reference
        if isinstance(node, Operation):
            return Operation(node.symbol, tuple(self._opened(unit, operand, child, boxes) for operand in node.operands))
        if isinstance(node, Lookup):
            return replace(node, keys=tuple(self._opened(unit, key, child, boxes) for key in node.keys))
        if isinstance(node, Reference):
            own = self._resolve(unit, node, child)
            name = str(node)
            boxes[name] = own
            return node
        return node

    def _known(self, unit: str, leaf: Node, child: str) -> bool:
        if isinstance(leaf, Aggregate):
            return leaf in self.trees and self.trees[leaf][0] == unit
        return isinstance(leaf, Reference) and self._resolve(unit, leaf, child) is not None

    def _resolve(self, unit: str, node: Reference, child: str) -> Key | None:
        """The axis of a name, if it is one of the unit, of its parent, or of the child."""
        owner = node.unit or unit
        if owner not in (unit, child, self.schema[unit].parent if not child else None):
            return None
        return (owner, node.name) if (owner, node.name) in self.axes else None


def _leaves(node: Node) -> Iterator[Node]:
    """Names and functions over children, without what stands inside these."""
    if isinstance(node, Reference | Aggregate):
        yield node
    else:
        for operand in operands(node):
            yield from _leaves(operand)


def flat_terrain(grid: Grid, schema: Schema) -> Terrain:
    """The axes of one unit's own variables."""
    terrain = Terrain(schema=schema)
    for axis in grid.axes:
        key = (grid.unit.name, axis.name)
        terrain.axes[key] = Ground(key=key, variable=axis.variable, levels=axis.levels)
    for entry in grid.computed:
        key, size = (grid.unit.name, entry.name), entry.axis.size + 1
        terrain.axes[key] = Ground(
            key=key, variable=entry.axis.variable, levels=entry.axis.levels, outside=True, exact=entry.exact
        )
        sources = tuple((grid.unit.name, grid.axes[axis].name) for axis in entry.sources)
        codes = entry.codes.reshape([grid.axes[axis].size for axis in entry.sources])
        may = np.stack([codes == code for code in range(size - 1)] + [(codes < 0) | (codes >= size - 1)])
        terrain.definitions.append(Truth(keys=(key, *sources), may=may, may_not=np.ones(1, dtype=bool)))
    return terrain


def nested_terrain(layout: Layout, spec: Spec) -> Terrain:
    """The axes of all units: own variables, derived ones, and the functions over children that rules and universes ask for."""
    terrain = Terrain(schema=spec.schema)
    for unit, columns in zip(spec.schema.units, layout.columns, strict=True):
        for column in columns:
            if column.role == "own":
                key = (unit.name, column.name)
                terrain.axes[key] = Ground(key=key, variable=column.axis.variable, levels=column.axis.levels)
    for unit, columns in zip(spec.schema.units, layout.columns, strict=True):
        for derived in unit.derived:
            axis = next(column.axis for column in columns if column.name == derived.name and column.role == "derived")
            copies = derived.expression.tree if isinstance(derived.expression.tree, Aggregate) else None
            _add_axis(terrain, spec, unit, axis, copies)
            if isinstance(derived.expression.tree, Aggregate):
                terrain.trees.setdefault(derived.expression.tree, (unit.name, derived.name))
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
            terrain.over.append(
                Over(key=key, child=child.name, function=node.function, condition=truth, above=above)
            )
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
    if max(0.0, most * number) < ground.variable.range.high:
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
        if isinstance(level, Interval):
            low, high = (np.ceil(level.low), np.ceil(level.high)) if getattr(ground.variable, "integer", False) else (level.low, level.high)
            inside: Node = Operation("and", (Operation(">=", (tree, Literal(float(low)))), Operation("<", (tree, Literal(float(high))))))
        else:
            inside = Operation("==", (tree, Literal(str(level))))
        truth = terrain.truth(unit.name, inside)
        if truth is None or key in truth.keys:
            return
        parts.append(truth)
    keys = max((truth.keys for truth in parts), key=len)
    if any(truth.keys != keys for truth in parts):
        return
    may = [truth.may for truth in parts]
    if ground.outside:
        missing = any(isinstance(node, Aggregate) and node.function in ("first", "last", "mean", "min", "max", "previous") for node in nodes(tree))
        never = np.logical_and.reduce([truth.may_not for truth in parts])
        may.append(never | missing)
    terrain.definitions.append(Truth(keys=(key, *keys), may=np.stack(may), may_not=np.ones(1, dtype=bool)))


def is_first(universe: Expression | None) -> bool:
    """Whether a universe means the first children."""
    return universe is not None and universe.tree == Operation("==", (Reference(None, POSITION), Literal(1.0)))


def sizes_by_key(terrain: Terrain) -> Mapping[Key, int]:
    return {key: ground.size for key, ground in terrain.axes.items()}
