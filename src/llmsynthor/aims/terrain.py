"""The ground on which statements are compared: axes of every unit, functions over children among them, and what is true where."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.grid import Grid
from llmsynthor.aims.told import classes_of, ends_of, first_of_each
from llmsynthor.spec.apart import Cells, look_apart
from llmsynthor.spec.expressions import (
    COMPARISONS,
    Aggregate,
    Expression,
    Literal,
    Lookup,
    Node,
    Operation,
    Reference,
    operands,
)
from llmsynthor.spec.inputs import POSITION
from llmsynthor.spec.levels import Interval, Level
from llmsynthor.spec.possibility import Box, Levels, Span, possible
from llmsynthor.spec.schema import Category, Coded, Numeric, Schema

Booleans = NDArray[np.bool_]
Floats = NDArray[np.float64]
Key = tuple[str, str]
"""A unit and the name of an axis of it."""

LARGEST_CONDITION = 1_000_000
"""Combinations of codes for which a condition is looked up; one with more is not imposed."""

EVERY_VALUE = 64
FEW = 8
"""Classes of an axis that are not merged: it costs more than it saves."""

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
    def cells(self) -> Cells:
        """Its cells, as conditions are looked up on them."""
        integer = isinstance(self.variable, Numeric) and self.variable.integer
        return Cells(self.levels, integer=integer, outside=self.outside)

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
            return Levels(
                codes=np.minimum(codes, len(self.levels) - 1), levels=tuple(str(level) for level in self.levels)
            )
        low, high = ends_of(self.levels)
        if self.outside:
            low, high = np.append(low, -1e15), np.append(high, 1e15)
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
    """Where a condition may be true and where it may be false: two arrays over the classes of the codes of `keys`.

    `classes[k]` has the class of each code of the k-th key; none where every code is a class.
    """

    keys: tuple[Key, ...]
    may: Booleans
    may_not: Booleans
    classes: tuple[NDArray[np.int64], ...] = ()

    def opened(self) -> "Truth":
        """The same with a class for every code."""
        if not self.classes:
            return self
        may, may_not = (array[np.ix_(*self.classes)] for array in (self.may, self.may_not))
        return Truth(keys=self.keys, may=may, may_not=may_not)


@dataclass(frozen=True, slots=True, kw_only=True)
class Over:
    """A function over children that an axis of the parent holds: of the child's `value`, or of where `condition` is true.

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
        if not keys:
            return None
        apart = self._apart(plain, keys, boxes)
        if apart is not None:
            return apart
        classes = [self._classes(plain, key, boxes) for key in keys]
        picks = [first_of_each(own) for own in classes]
        sizes = [len(pick) for pick in picks]
        if np.prod(sizes, dtype=float) > LARGEST_CONDITION:
            return None
        codes = [pick[place] for pick, place in zip(picks, np.indices(sizes).reshape(len(keys), -1), strict=True)]
        unknown = Span(low=np.zeros(codes[0].size), high=np.full(codes[0].size, 2.0), integer=True)
        found: dict[str, Box] = {
            name: unknown if key is None else self.axes[key].box(codes[keys.index(key)]) for name, key in boxes.items()
        }
        may, may_not = possible(Expression("", plain), found)
        for key, own in zip(keys, codes, strict=True):
            if self.axes[key].outside:  # a value that is missing may make a condition false, or its negation true
                missing = own == self.axes[key].size - 1
                may, may_not = may | missing, may_not | missing
        truth = Truth(keys=keys, may=may.reshape(sizes), may_not=may_not.reshape(sizes), classes=tuple(classes))
        return _coarsest(truth)

    def _apart(self, plain: Node, keys: tuple[Key, ...], boxes: Mapping[str, Key | None]) -> Truth | None:
        """The same where every part of the condition is about one axis, which goes by one name."""
        names = {key: name for name, key in boxes.items() if key is not None}
        if len(names) < sum(key is not None for key in boxes.values()):
            return None
        cells = [self.axes[key].cells for key in keys]
        unknown = [name for name, key in boxes.items() if key is None]
        found = look_apart(plain, [names[key] for key in keys], cells, unknown)
        if found is None or found.may.size > LARGEST_CONDITION:
            return None
        may, may_not = found.may, found.may_not
        for k, key in enumerate(keys):
            if self.axes[key].outside:  # a value that is missing may make a condition false, or its negation true
                last = np.arange(may.shape[k]) == found.classes[k][-1]
                last = last.reshape([-1 if j == k else 1 for j in range(may.ndim)])
                may, may_not = may | last, may_not | last
        truth = Truth(keys=keys, may=may, may_not=may_not, classes=found.classes)
        return truth if all(len(pick) <= FEW for pick in found.picks) else _coarsest(truth)

    def _classes(self, plain: Node, key: Key, boxes: Mapping[str, Key | None]) -> NDArray[np.int64]:
        """A class for each code of an axis that a condition does not tell apart, whatever names it has there."""
        ground = self.axes[key]
        integer = isinstance(ground.variable, Numeric) and ground.variable.integer
        found = [
            classes_of(plain, name, ground.levels, integer=integer, outside=ground.outside)
            for name, own in boxes.items()
            if own == key
        ]
        return (
            np.unique(np.stack(found, axis=1), axis=0, return_inverse=True)[1].ravel() if len(found) > 1 else found[0]
        )

    def _opened(self, unit: str, node: Node, child: str, boxes: dict[str, Key | None]) -> Node:
        """Name every part by the axis that holds it; a comparison with something else becomes one that may be true or false."""
        condition = isinstance(node, Operation) and node.symbol in COMPARISONS.values()
        if (condition or isinstance(node, Aggregate)) and not all(
            self._known(unit, leaf, child) for leaf in _leaves(node)
        ):
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


def _coarsest(truth: Truth) -> Truth:
    """Merge classes with the same truth everywhere."""
    may, may_not, classes = truth.may, truth.may_not, list(truth.classes)
    for k in range(may.ndim):
        both = np.concatenate(
            [np.moveaxis(array, k, 0).reshape(array.shape[k], -1) for array in (may, may_not)], axis=1
        )
        number: dict[bytes, int] = {}
        merged = np.array([number.setdefault(row.tobytes(), len(number)) for row in both], dtype=np.int64)
        if len(number) < len(both):
            first = first_of_each(merged)
            may, may_not, classes[k] = may.take(first, axis=k), may_not.take(first, axis=k), merged[classes[k]]
    return replace(truth, may=may, may_not=may_not, classes=tuple(classes))


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


def is_first(universe: Expression | None) -> bool:
    """Whether a universe means the first children."""
    return universe is not None and universe.tree == Operation("==", (Reference(None, POSITION), Literal(1.0)))
