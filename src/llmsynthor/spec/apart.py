"""Conditions that are made of conditions on single variables by `and`, `or` and `not`: looked up variable by variable.

Thousands of rules share a few hundred parts such as `status == 'retired'`. Each part is looked at once on the cells of its
variable; a rule is then a few classes of cells for each variable, and what it says of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from llmsynthor.spec.expressions import Aggregate, Expression, Literal, Lookup, Node, Operation, Reference, nodes
from llmsynthor.spec.levels import Interval, Level
from llmsynthor.spec.possibility import Box, Levels, Span, possible

Booleans = NDArray[np.bool_]
Integers = NDArray[np.int64]

JOINING = frozenset({"and", "or", "not"})
POINTS = 16
EVERYTHING = Literal(value=True)
ANYTHING = np.ones((), dtype=np.bool_)
MOST_KEPT = 1 << 23
"""Codes in all that parts are kept for; beyond, they are looked at anew."""


class Cells:
    """The cells of one variable, as one object: what is kept of them is known by it. With `outside` a last cell has no value."""

    __slots__ = ("integer", "levels", "outside")

    def __init__(self, levels: Sequence[Level], *, integer: bool, outside: bool = False) -> None:
        self.levels, self.integer, self.outside = levels, integer, outside

    def __hash__(self) -> int:
        return hash((id(self.levels), self.integer, self.outside))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Cells):
            return False
        return self.levels is other.levels and (self.integer, self.outside) == (other.integer, other.outside)

    def box(self) -> Box:
        """The values of each cell; that of the last, which has none, stands for any."""
        if not self.levels or not isinstance(self.levels[0], Interval):
            codes = np.arange(len(self.levels) + self.outside)
            return Levels(codes=np.minimum(codes, len(self.levels) - 1), levels=tuple(map(str, self.levels)))
        cells = [level for level in self.levels if isinstance(level, Interval)]
        low, high = np.array([cell.low for cell in cells]), np.array([cell.high for cell in cells])
        if self.outside:
            low, high = np.append(low, -1e15), np.append(high, 1e15)
        return Span(low=low, high=high, integer=self.integer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """What a part says: a class of each cell (cells,), the first cell of each class, what may be in each (classes,).

    `mostly` (classes,) is what it says of nearly every point of a class; None where it is true in one part and false in another.
    """

    classes: Integers
    picks: Integers
    may: Booleans
    may_not: Booleans
    mostly: Booleans | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Apart:
    """A condition over the classes of several variables: `classes[k]` (cells,) and `picks[k]` (classes,) of the k-th.

    `may` and `may_not` have an axis for each variable, in the order in which they were given, and so has `mostly`: whether it is
    true in nearly every point; None where that depends on the point, or was not asked for.
    """

    classes: tuple[Integers, ...]
    picks: tuple[Integers, ...]
    may: Booleans
    may_not: Booleans
    mostly: Booleans | None


class _Kept:
    """Boxes of variables and sides of parts, by their cells: forgotten all at once when they become many."""

    def __init__(self) -> None:
        self.boxes, self.sides, self.codes = dict[Cells, Box](), dict[tuple[Cells, tuple[Node, ...]], Side](), 0

    def side(self, cells: Cells, parts: tuple[Node, ...]) -> Side:
        found = self.sides.get((cells, parts))
        if found is None:
            found = self.looked_up(cells, parts[0]) if len(parts) == 1 else self.together(cells, parts)
            if self.codes > MOST_KEPT:
                self.boxes, self.sides, self.codes = {}, {}, 0
            self.sides[cells, parts] = found
            self.codes += len(found.classes)
        return found

    def looked_up(self, cells: Cells, part: Node) -> Side:
        """Look at a part in every cell: cells of which it says the same are one class, one that it cuts through is its own."""
        box = self.boxes.get(cells)
        if box is None:
            box = self.boxes[cells] = cells.box()
        name = next((str(node) for node in nodes(part) if isinstance(node, Reference)), "")
        may, may_not = possible(Expression("", part), {name: box})
        count = len(may)
        found = may + 2 * may_not.astype(np.int64)
        if isinstance(box, Span):
            found = np.where(found == 3, 4 + np.arange(count), found)
        if cells.outside:
            found[-1] = 4 + count
        classes, picks = _numbered(found)
        mostly = _mostly(part, name, box, may & may_not, may)
        mostly = mostly if mostly is None else mostly[picks]
        return Side(classes=classes, picks=picks, may=may[picks], may_not=may_not[picks], mostly=mostly)

    def together(self, cells: Cells, parts: tuple[Node, ...]) -> Side:
        """The classes that several parts tell apart; what may be is asked of each part."""
        found = np.zeros(len(cells.levels) + cells.outside, dtype=np.int64)
        for part in parts:
            own = self.side(cells, (part,))
            found, _ = _numbered(found * len(own.picks) + own.classes)
        classes, picks = _numbered(found)
        nothing = np.zeros(0, dtype=np.bool_)
        return Side(classes=classes, picks=picks, may=nothing, may_not=nothing, mostly=None)


_KEPT = _Kept()


def _mostly(part: Node, name: str, box: Box, doubtful: Booleans, may: Booleans) -> Booleans | None:
    """What a part says at points evenly apart inside the cells that it cuts through; None where they differ in a cell."""
    cells = np.flatnonzero(doubtful)
    if not len(cells):
        return may
    if not isinstance(box, Span):
        return None
    low, high = (np.ceil(end) if box.integer else end for end in (box.low[cells], box.high[cells]))
    points = low + (high - low) * (np.arange(POINTS)[:, None] + 0.5) / POINTS
    points = (np.floor(points) if box.integer else points).ravel()
    span = Span(low=points, high=points + box.integer, integer=box.integer, closed=True)
    said = possible(Expression("", part), {name: span})[0].reshape(POINTS, -1)
    if bool((said != said[0]).any()):
        return None
    mostly = may.copy()
    mostly[cells] = said[0]
    return mostly


def _numbered(found: Integers) -> tuple[Integers, Integers]:
    """Numbers from 0 on without a gap, in the order of those found, and where each is first; read-only, since they are shared."""
    _, picks, classes = np.unique(found, return_index=True, return_inverse=True)
    classes = classes.ravel().astype(np.int64)
    classes.setflags(write=False)
    picks.setflags(write=False)
    return classes, picks


def look_apart(
    tree: Node, names: Sequence[str], cells: Sequence[Cells], anything: Sequence[str] = (), *, nearly: bool = False
) -> Apart | None:
    """Look a condition up over the classes of its variables; None where a part of it is about several of them.

    Names in `anything` stand for what is not known: a condition on one may be true or false. Only where `nearly` is asked for
    it is said what is `mostly` true.
    """
    parts = _parts(tree)
    if parts is None or not parts.keys() <= {*names, *anything}:
        return None
    sides = [_KEPT.side(own, parts.get(name, (EVERYTHING,))) for name, own in zip(names, cells, strict=True)]
    found: dict[Node, tuple[Booleans, Booleans]] = {}
    mostly: dict[Node, Booleans | None] = {}
    for k, (name, side) in enumerate(zip(names, sides, strict=True)):
        own = parts.get(name, ())
        shape = (1,) * k + (-1,) + (1,) * (len(names) - k - 1)
        if len(own) == 1:
            found[own[0]] = side.may.reshape(shape), side.may_not.reshape(shape)
            mostly[own[0]] = side.mostly if side.mostly is None else side.mostly.reshape(shape)
            continue
        for part in own:
            single = _KEPT.side(cells[k], (part,))
            at = single.classes[side.picks]
            found[part] = single.may[at].reshape(shape), single.may_not[at].reshape(shape)
            mostly[part] = single.mostly if single.mostly is None else single.mostly[at].reshape(shape)
    may, may_not = _joined(tree, found)
    sizes = tuple(len(side.picks) for side in sides)
    known = {part: (own, ~own) for part, own in mostly.items() if own is not None} if nearly else {}
    sure = nearly and len(known) == len(mostly) and not anything
    return Apart(
        classes=tuple(side.classes for side in sides),
        picks=tuple(side.picks for side in sides),
        may=may if may.shape == sizes else np.broadcast_to(may, sizes),
        may_not=may_not if may_not.shape == sizes else np.broadcast_to(may_not, sizes),
        mostly=np.broadcast_to(_joined(tree, known)[0], sizes) if sure else None,
    )


@lru_cache(maxsize=1 << 15)
def _parts(tree: Node) -> Mapping[str, tuple[Node, ...]] | None:
    """The parts of every variable that a condition names; None where there is one about several."""
    parts: dict[str, dict[Node, None]] = {}
    return {name: tuple(own) for name, own in parts.items()} if _collected(tree, parts) else None


def _collected(node: Node, parts: dict[str, dict[Node, None]]) -> bool:
    if isinstance(node, Operation) and node.symbol in JOINING:
        return all(_collected(operand, parts) for operand in node.operands)
    if isinstance(node, Literal):
        return isinstance(node.value, bool)
    below = tuple(nodes(node))
    named = {str(own) for own in below if isinstance(own, Reference)}
    if len(named) != 1 or any(isinstance(own, Aggregate | Lookup) for own in below):
        return False
    parts.setdefault(named.pop(), {})[node] = None
    return True


def _joined(node: Node, found: Mapping[Node, tuple[Booleans, Booleans]]) -> tuple[Booleans, Booleans]:
    """What may be true and what may be false of a condition, from what is known of its parts; of others it is both."""
    if isinstance(node, Literal):
        truth = np.array(bool(node.value))
        return truth, ~truth
    if not isinstance(node, Operation) or node.symbol not in JOINING:
        return found.get(node, (ANYTHING, ANYTHING))
    sides = [_joined(operand, found) for operand in node.operands]
    if node.symbol == "not":
        return sides[0][1], sides[0][0]
    may, may_not = sides[0]
    for one, other in sides[1:]:
        may, may_not = (may | one, may_not & other) if node.symbol == "or" else (may & one, may_not | other)
    return may, may_not
