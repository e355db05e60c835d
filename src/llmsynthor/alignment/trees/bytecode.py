"""Expressions compiled for a small stack machine (`kernels.run`): texts become numbers, cells the values they stand for.

A part that depends on one own variable alone becomes a look-up by that variable's code. Missing values (of children that are
not there, of the record before the first) are NaN; a comparison with one is neither true nor false.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.layout import Column, Layout, Place
from llmsynthor.spec.expressions import Aggregate, Choices, Literal, Lookup, Node, Operation, Reference, operands
from llmsynthor.spec.inputs import is_position
from llmsynthor.spec.levels import Interval, Level
from llmsynthor.spec.schema import Category

CONSTANT, LOOK_UP, COMPUTED, POSITION = 0, 1, 2, 3
NOT, NEGATE, ABSOLUTE, MEMBER, CHOOSE, TABLE, BETWEEN = 30, 31, 32, 33, 34, 35, 36
OVER, OVER_END, PREVIOUS, PREVIOUS_END = 40, 41, 42, 43
ARITHMETIC = {"+": 10, "-": 11, "*": 12, "/": 13, "min": 14, "max": 15, "and": 16, "or": 17}
COMPARISONS = {"<": 20, "<=": 21, ">": 22, ">=": 23, "==": 24, "!=": 25}
FUNCTIONS = {"count": 0, "any": 1, "all": 2, "sum": 3, "mean": 4, "min": 5, "max": 6, "first": 7, "last": 8}
MISSING = float("nan")
TEXT, NUMBER, FLAG, WHOLE = 0, 1, 2, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Bytecode:
    """All computed columns in one program: `ops` (instructions, 4), where each column's begin, and the numbers they use.

    `kind`, `size`, `map_start` and `map_size` say how a value becomes a code: a text by its entry in `edges`, a number by its
    place between them, a condition as 0 or 1.
    """

    ops: NDArray[np.int64]
    code_start: NDArray[np.int64]
    constants: NDArray[np.float64]
    kind: NDArray[np.int64]
    size: NDArray[np.int64]
    map_start: NDArray[np.int64]
    map_size: NDArray[np.int64]
    edges: NDArray[np.float64]


def compile_columns(layout: Layout) -> Bytecode:
    """Compile every computed column, in the order of the layout."""
    writer = _Writer(layout, _number_texts(layout))
    starts, maps = [0], [0]
    edges: list[float] = []
    kinds, sizes = [], []
    for unit, position in layout.order:
        column = layout.columns[unit][position]
        assert column.expression is not None
        writer.write(column.expression.tree, unit)
        starts.append(len(writer.ops))
        kinds.append(_kind(column))
        sizes.append(column.axis.size)
        edges += _edges(column, writer.texts)
        maps.append(len(edges))
    return Bytecode(
        ops=np.array(writer.ops, dtype=np.int64).reshape(-1, 4),
        code_start=np.array(starts, dtype=np.int64),
        constants=np.array(writer.constants or [0.0]),
        kind=np.array(kinds, dtype=np.int64),
        size=np.array(sizes, dtype=np.int64),
        map_start=np.array(maps[:-1], dtype=np.int64),
        map_size=np.array([b - a for a, b in pairwise(maps)], dtype=np.int64),
        edges=np.array(edges or [0.0]),
    )


def _kind(column: Column) -> int:
    if column.role not in ("derived", "value"):
        return FLAG
    if isinstance(column.axis.variable, Category):
        return TEXT
    return WHOLE if column.axis.variable.integer else NUMBER


def _edges(column: Column, texts: Mapping[str, int]) -> list[float]:
    if _kind(column) == FLAG:
        return []
    if _kind(column) in (NUMBER, WHOLE):
        return [float(edge) for edge in column.axis.breaks]
    codes = {str(level): code for code, level in enumerate(column.axis.levels)}
    return [float(codes.get(text, -1)) for text in texts]


def _number_texts(layout: Layout) -> dict[str, int]:
    """Number all levels and all texts that stand in expressions, so that equal texts are equal numbers."""
    found: dict[str, int] = {}
    for columns in layout.columns:
        for column in columns:
            if isinstance(column.axis.variable, Category):
                for level in column.axis.levels:
                    found.setdefault(str(level), len(found))
            for text in _texts(column.expression.tree) if column.expression is not None else ():
                found.setdefault(text, len(found))
    return found


def _texts(node: Node) -> Sequence[str]:
    if isinstance(node, Literal):
        return [node.value] if isinstance(node.value, str) else []
    if isinstance(node, Choices):
        return [value for value in node.values if isinstance(value, str)]
    own = [*node.texts, *(str(level) for levels in node.levels for level in levels)] if isinstance(node, Lookup) else []
    return [*own, *(text for part in operands(node) for text in _texts(part))]


@dataclass(slots=True)
class _Writer:
    """Writes instructions behind each other."""

    layout: Layout
    texts: Mapping[str, int]
    ops: list[tuple[int, int, int, int]] = field(default_factory=list)
    constants: list[float] = field(default_factory=list)

    def emit(self, op: int, a: int = 0, b: int = 0, c: int = 0) -> int:
        self.ops.append((op, a, b, c))
        return len(self.ops) - 1

    def keep(self, values: Sequence[float]) -> int:
        self.constants.extend(float(value) for value in values)
        return len(self.constants) - len(values)

    def write(self, node: Node, unit: int) -> None:
        """Append what computes a node for records of the expression's unit."""
        place = single_variable(node, unit, self.layout)
        if place is not None and not isinstance(node, Literal):
            levels = [self.level(place, code) for code in self.codes(place)]
            table = [self.constant(node, level) for level in levels]
            self.emit(LOOK_UP, *place, self.keep(table))
        elif isinstance(node, Literal):
            self.emit(CONSTANT, self.keep([self.literal(node.value)]))
        elif isinstance(node, Reference):
            self.reference(node, unit)
        elif isinstance(node, Aggregate):
            self.aggregate(node, unit)
        elif isinstance(node, Lookup):
            self.look_up(node, unit)
        elif isinstance(node, Operation):
            self.operation(node, unit)

    def look_up(self, node: Lookup, unit: int) -> None:
        """The place of each key among its levels, in row-major order, then the value that stands there."""
        stride = len(node.values)
        for number, (key, levels) in enumerate(zip(node.keys, node.levels, strict=True)):
            stride //= len(levels)
            self.place(key, levels, stride, unit)
            if number:
                self.emit(ARITHMETIC["+"])
        found = [float(self.texts[node.texts[int(v)]]) for v in node.values] if node.texts else node.values
        self.emit(TABLE, self.keep(found), len(found))

    def place(self, key: Node, levels: Sequence[Level], stride: int, unit: int) -> None:
        """Append what gives the place of a key among levels, times a stride; missing where it is none of them."""
        place = single_variable(key, unit, self.layout)
        if place is not None and isinstance(key, Reference):
            codes = self.layout.columns[place[0]][place[1]].axis.levels
            at = [_holder(levels, code) for code in codes]
            self.emit(LOOK_UP, *place, self.keep([stride * k if k >= 0 else MISSING for k in at]))
            return
        self.write(key, unit)
        intervals = [level for level in levels if isinstance(level, Interval)]
        if intervals:
            self.interval(intervals, stride)
            return
        index = {self.texts[str(level)]: stride * k for k, level in enumerate(levels)}
        self.emit(TABLE, self.keep([index.get(k, MISSING) for k in range(len(self.texts))]), len(self.texts))

    def interval(self, intervals: Sequence[Interval], stride: int) -> None:
        """The place of the number on top of the stack among intervals: a choice between pairs of edges."""
        ends = sorted({end for level in intervals for end in (level.low, level.high)})
        pieces = [next((stride * k for k, own in enumerate(intervals) if low in own), MISSING) for low in ends[:-1]]
        self.emit(BETWEEN, self.keep([*ends, *pieces]), len(ends))

    def codes(self, place: Place) -> range:
        return range(self.layout.columns[place[0]][place[1]].axis.size)

    def level(self, place: Place, code: int) -> float:
        """The value that a code of an own variable stands for."""
        values = self.layout.values.get(place)
        if values is not None:
            return float(values[code])
        return float(self.texts[str(self.layout.columns[place[0]][place[1]].axis.levels[code])])

    def literal(self, value: float | str) -> float:
        return float(self.texts[value]) if isinstance(value, str) else float(value)

    def reference(self, node: Reference, unit: int) -> None:
        place = self.layout.place(unit, node)
        if is_place(self.layout, unit, node):
            self.emit(POSITION, unit if node.unit is None else self.layout.number(node.unit))
            return
        assert place is not None, node
        self.emit(COMPUTED, *place)

    def aggregate(self, node: Aggregate, unit: int) -> None:
        if node.function == "previous":
            named = _named(node.operand, unit, self.layout) or {unit}
            own = max(named, key=lambda other: len(self.layout.lineage(other)))
            start = self.emit(PREVIOUS, own)
            self.write(node.operand, unit)
            self.ops[start] = (PREVIOUS, own, 0, self.emit(PREVIOUS_END))
            return
        function, over = FUNCTIONS[node.function], iterated(node, unit, self.layout)
        start = self.emit(OVER, function, over)
        self.write(node.operand, unit)
        end = self.emit(OVER_END, function, 0, start)
        self.ops[start] = (OVER, function, over, end)

    def operation(self, node: Operation, unit: int) -> None:
        for operand in node.operands[: 1 if node.symbol in ("in", "not in") else None]:
            self.write(operand, unit)
        if node.symbol in ("in", "not in"):
            values = node.operands[1].values if isinstance(node.operands[1], Choices) else ()
            negated = int(node.symbol == "not in")
            self.emit(MEMBER, self.keep([self.literal(value) for value in values]), len(values), negated)
        elif node.symbol in COMPARISONS:
            self.emit(COMPARISONS[node.symbol])
        elif node.symbol in ARITHMETIC:
            for _ in node.operands[1:]:
                self.emit(ARITHMETIC[node.symbol])
        else:
            self.emit({"not": NOT, "neg": NEGATE, "abs": ABSOLUTE, "if": CHOOSE}[node.symbol])

    def constant(self, node: Node, value: float) -> float:
        """Compute a part that has no children in it, given the value of its variable."""
        if isinstance(node, Reference):
            return value
        if isinstance(node, Literal):
            return self.literal(node.value)
        assert isinstance(node, Operation)
        first = self.constant(node.operands[0], value)
        if node.symbol in ("in", "not in"):
            choices = node.operands[1].values if isinstance(node.operands[1], Choices) else ()
            found = first in {self.literal(choice) for choice in choices}
            return float(found == (node.symbol == "in"))
        rest = [self.constant(operand, value) for operand in node.operands[1:]]
        return operate(node.symbol, [first, *rest])


def _holder(levels: Sequence[Level], code: Level) -> int:
    """Position of the level that a code of an axis lies in, -1 where there is none."""
    for number, level in enumerate(levels):
        if level == code or (isinstance(level, Interval) and isinstance(code, Interval) and level.holds(code)):
            return number
    return -1


def is_place(layout: Layout, unit: int, reference: Reference) -> bool:
    """Whether a reference means the place of a record among those of its parent."""
    owner = unit if reference.unit is None else layout.number(reference.unit)
    return is_position(layout.units[owner], reference.name)


def operate(symbol: str, values: Sequence[float]) -> float:
    """Apply an operator to values that are all there; conditions are 1 and 0."""
    simple: dict[str, Callable[[], float]] = {
        "+": lambda: values[0] + values[1],
        "-": lambda: values[0] - values[1],
        "*": lambda: values[0] * values[1],
        "/": lambda: float(np.divide(values[0], values[1])) if values[1] else MISSING if not values[0] else np.inf,
        "min": lambda: min(values),
        "max": lambda: max(values),
        "abs": lambda: abs(values[0]),
        "neg": lambda: -values[0],
        "not": lambda: values[0] != 1.0,
        "and": lambda: min(values),
        "or": lambda: max(values),
        "if": lambda: values[1] if values[0] == 1.0 else values[2],
        "<": lambda: values[0] < values[1],
        "<=": lambda: values[0] <= values[1],
        ">": lambda: values[0] > values[1],
        ">=": lambda: values[0] >= values[1],
        "==": lambda: values[0] == values[1],
        "!=": lambda: values[0] != values[1],
    }
    return float(simple[symbol]())


def single_variable(node: Node, unit: int, layout: Layout) -> Place | None:
    """The one own variable that a node without children depends on, if that is all."""
    places: set[Place | None] = set()
    if not _collect(node, unit, layout, places) or len(places) != 1:
        return None
    place = places.pop()
    return place if place is not None and layout.columns[place[0]][place[1]].role == "own" else None


def _collect(node: Node, unit: int, layout: Layout, places: set[Place | None]) -> bool:
    if isinstance(node, Reference):
        places.add(None if is_place(layout, unit, node) else layout.place(unit, node))
        return True
    if isinstance(node, Aggregate | Lookup):
        return False
    return all(_collect(operand, unit, layout, places) for operand in operands(node))


def iterated(node: Aggregate, unit: int, layout: Layout) -> int:
    """The unit whose records a function runs over: the deepest below `unit` that it names outside functions within it."""
    named = _named(node.operand, unit, layout)
    below = [other for other in named if layout.descends(other, unit)]
    if below:
        return max(below, key=lambda other: len(layout.lineage(other)))
    inner = [iterated(part, unit, layout) for part in _aggregates(node.operand)]
    return layout.parent(inner[0]) if inner and layout.parent(inner[0]) != unit else inner[0]


def _named(node: Node, unit: int, layout: Layout) -> set[int]:
    if isinstance(node, Reference):
        return {layout.number(node.unit)} if node.unit is not None else set()
    if isinstance(node, Aggregate) and node.function == "previous":
        return _named(node.operand, unit, layout)
    if isinstance(node, Aggregate):
        return set()
    return {found for operand in operands(node) for found in _named(operand, unit, layout)}


def _aggregates(node: Node) -> Sequence[Aggregate]:
    if isinstance(node, Aggregate):
        return [node]
    return [found for operand in operands(node) for found in _aggregates(operand)]
