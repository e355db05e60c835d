"""Which cells of a variable a condition tells apart: a condition is looked up once for all the others.

A rule mostly compares variables with a few constants. On a grid that is cut at the constants of thousands of rules, each of them
sees a handful of classes of cells, so that looking at all rules takes time in proportion to their number.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from llmsynthor.spec.cut_points import cut_points
from llmsynthor.spec.expressions import (
    COMPARISONS,
    Choices,
    Expression,
    Literal,
    Lookup,
    Node,
    Operation,
    Reference,
    nodes,
)
from llmsynthor.spec.levels import Interval, Level

Integers = NDArray[np.int64]

Floats = NDArray[np.float64]
COMPARING = frozenset({*COMPARISONS.values(), "in", "not in"})


class _Same:
    """Levels that are the same object: a key that is hashed and compared at once, however many there are."""

    __slots__ = ("levels",)

    def __init__(self, levels: Sequence[Level]) -> None:
        self.levels = levels

    def __hash__(self) -> int:
        return id(self.levels)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.levels is other.levels


def ends_of(levels: Sequence[Level]) -> tuple[Floats, Floats]:
    """Low and high ends of the cells of a number, both (cells,) and read-only: looked at rule by rule, they are made once."""
    return _ends(_Same(levels))


@lru_cache(maxsize=256)
def _ends(same: _Same) -> tuple[Floats, Floats]:
    cells = [level for level in same.levels if isinstance(level, Interval)]
    low, high = np.array([cell.low for cell in cells]), np.array([cell.high for cell in cells])
    low.setflags(write=False)
    high.setflags(write=False)
    return low, high


def classes_of(tree: Node, name: str, levels: Sequence[Level], *, integer: bool, outside: bool = False) -> Integers:
    """A class for each code of a variable, such that codes of one class are the same to a condition; numbered from 0 on.

    `name` is that of the variable in the tree, dotted for one of another unit. With `outside` a last code stands for no value;
    it has a class of its own. Shape (levels + outside,).
    """
    if levels and isinstance(levels[0], Interval):
        found = _of_number(tree, name, levels, integer=integer)
    else:
        found = _of_category(tree, name, levels)
    numbers = _numbered(found)
    return np.append(numbers, numbers.max(initial=-1) + 1) if outside else numbers


def _numbered(found: Integers) -> Integers:
    """Numbers from 0 on without a gap, in the order of those found."""
    there = np.zeros(int(found.max(initial=0)) + 1, dtype=np.bool_)
    there[found] = True
    return np.asarray((np.cumsum(there) - 1)[found])


def first_of_each(classes: Integers) -> Integers:
    """The first code of each class."""
    found = np.zeros(int(classes.max(initial=-1)) + 1, dtype=np.int64)
    found[classes[::-1]] = np.arange(len(classes))[::-1]
    return found


def _of_number(tree: Node, name: str, levels: Sequence[Level], *, integer: bool) -> Integers:
    """Between two constants all cells are alike, but one that begins with a constant, or in which one lies, stands alone."""
    points, computed = cut_points(Expression("", _renamed(tree, name)), "this", integer=integer)
    if computed:
        return np.arange(len(levels))
    low, high = ends_of(levels)
    if integer:
        low, high = np.ceil(low), np.ceil(high)
    at = np.array(sorted(points))
    below = np.searchsorted(at, low, side="right")
    begins = below > np.searchsorted(at, low, side="left")
    found = 2 * below + begins
    alone = np.searchsorted(at, high, side="left") > below
    return np.where(alone, 2 * len(at) + 2 + np.arange(len(levels)), found)


def _of_category(tree: Node, name: str, levels: Sequence[Level]) -> Integers:
    """A class for each level that is named, and one for the others; each for itself where levels are no constants."""
    texts = set[object]()
    for node in nodes(tree):
        if isinstance(node, Lookup) and any(_names(key, name) for key in node.keys):
            return np.arange(len(levels))
        if isinstance(node, Operation) and node.symbol in COMPARING:
            constant = any(isinstance(operand, Literal | Choices) for operand in node.operands)
            if not constant and any(_names(operand, name) for operand in node.operands):
                return np.arange(len(levels))
        texts |= {node.value} if isinstance(node, Literal) else set()
        texts |= set(node.values) if isinstance(node, Choices) else set()
    found = np.zeros(len(levels), dtype=np.int64)
    named = [_places(_Same(levels)).get(text, -1) for text in texts if isinstance(text, str)]
    for place in named:
        if place >= 0:
            found[place] = place + 1
    return found


@lru_cache(maxsize=256)
def _places(same: _Same) -> dict[Level, int]:
    return {level: place for place, level in enumerate(same.levels)}


def _names(tree: Node, name: str) -> bool:
    return any(isinstance(node, Reference) and str(node) == name for node in nodes(tree))


def _renamed(node: Node, name: str) -> Node:
    """Call the variable `this` and every other one `other`, so that a name of another unit is a plain one too."""
    if isinstance(node, Reference):
        return Reference(None, "this" if str(node) == name else "other")
    if isinstance(node, Operation):
        return Operation(node.symbol, tuple(_renamed(operand, name) for operand in node.operands))
    if isinstance(node, Lookup):
        return replace(node, keys=tuple(_renamed(key, name) for key in node.keys))
    return node
