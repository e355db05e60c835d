"""Three-valued evaluation: may an expression be true, may it be false, somewhere in a box of cells?

Interval arithmetic (Moore 1966), vectorised over boxes. Sound: what may happen is never said to be impossible. Exact for
categories and for comparisons of one numeric variable with constants.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmsynthor.spec.expressions import Aggregate, Choices, Expression, Literal, Lookup, Node, Operation, Reference
from llmsynthor.spec.levels import Interval, Level

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """A category in k boxes: `codes` (k,) into `levels`."""

    codes: NDArray[np.int64]
    levels: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A number in k boxes: half-open cells [low, high), each shape (k,); `closed` ones hold their high end too."""

    low: Floats
    high: Floats
    integer: bool
    closed: bool = False


Box = Levels | Span


@dataclass(frozen=True, slots=True)
class _Range:
    """All values from low to high, both ends in, but `open_high` ends excluded."""

    low: Floats
    high: Floats
    open_high: Booleans


@dataclass(frozen=True, slots=True)
class _Truth:
    may: Booleans
    may_not: Booleans


@dataclass(frozen=True, slots=True)
class _Texts:
    """Each box may hold any of the texts marked in `marks` (texts, k)."""

    texts: tuple[str, ...]
    marks: Booleans


_Value = _Range | _Truth | _Texts


def possible(expression: Expression, boxes: Mapping[str, Box]) -> tuple[Booleans, Booleans]:
    """Say for each of k boxes whether the condition may be true and whether it may be false; two arrays (k,)."""
    count = max(len(box.codes if isinstance(box, Levels) else box.low) for box in boxes.values()) if boxes else 1
    value = _Evaluation(boxes, count).value(expression.tree)
    if not isinstance(value, _Truth):
        raise TypeError(f"{expression} is not a condition")
    return value.may, value.may_not


def spread(expression: Expression, boxes: Mapping[str, Box], levels: tuple[str, ...]) -> tuple[Floats, Floats]:
    """The least and the largest value that an expression may have in each of k boxes, two arrays (k,).

    Of a text they are places among the levels, len(levels) where it may be none of them.
    """
    count = max((len(box.codes if isinstance(box, Levels) else box.low) for box in boxes.values()), default=1)
    value = _Evaluation(boxes, count).value(expression.tree)
    if isinstance(value, _Range):
        return value.low, value.high
    if not isinstance(value, _Texts):
        raise TypeError(f"{expression} is a condition")
    index = np.array([levels.index(text) if text in levels else len(levels) for text in value.texts], dtype=np.float64)
    least = np.where(value.marks, index[:, None], np.inf).min(axis=0)
    return np.asarray(least), np.asarray(np.where(value.marks, index[:, None], -np.inf).max(axis=0))


class _Evaluation:
    def __init__(self, boxes: Mapping[str, Box], count: int) -> None:
        self.boxes, self.count = boxes, count

    def value(self, node: Node) -> _Value:
        if isinstance(node, Reference):
            return self.reference(node)
        if isinstance(node, Literal):
            return self.literal(node)
        if isinstance(node, Lookup):
            return self.look_up(node)
        if isinstance(node, Aggregate | Choices):
            raise TypeError("a function over child records has no value in the cells of one unit")
        if node.symbol in ("in", "not in"):
            plain = self.plain_membership(node)
            return plain if plain is not None else self.membership(node)
        if node.symbol in ("==", "!="):
            plain = self.plain(node)
            if plain is not None:
                return plain
        return self.operation(node.symbol, [self.value(operand) for operand in node.operands])

    def plain(self, node: Operation) -> _Truth | None:
        """Compare a category with one text, which is what most rules do, by its codes; None for all else."""
        one, other = node.operands
        box = self.boxes.get(str(one)) if isinstance(one, Reference) else None
        if not isinstance(box, Levels) or not isinstance(other, Literal) or not isinstance(other.value, str):
            return None
        same = box.codes == (box.levels.index(other.value) if other.value in box.levels else -1)
        return _Truth(same, ~same) if node.symbol == "==" else _Truth(~same, same)

    def plain_membership(self, node: Operation) -> _Truth | None:
        """The same for a category among texts."""
        one, other = node.operands
        box = self.boxes.get(str(one)) if isinstance(one, Reference) else None
        if not isinstance(box, Levels) or not isinstance(other, Choices):
            return None
        named = {value for value in other.values if isinstance(value, str)}
        among = np.array([level in named for level in box.levels], dtype=np.bool_)[box.codes]
        return _Truth(among, ~among) if node.symbol == "in" else _Truth(~among, among)

    def reference(self, node: Reference) -> _Value:
        box = self.boxes[str(node)]
        if isinstance(box, Levels):
            marks = np.arange(len(box.levels))[:, None] == box.codes[None, :]
            return _Texts(box.levels, marks)
        if box.integer:
            return _Range(np.ceil(box.low), np.ceil(box.high) - 1, np.zeros(self.count, bool))
        return _Range(box.low, box.high, np.full(self.count, not box.closed))

    def look_up(self, node: Lookup) -> _Value:
        """The value of the table where each key has one place in a box; elsewhere any of its values."""
        place, sure = np.zeros(self.count, dtype=np.int64), np.ones(self.count, bool)
        for key, levels in zip(node.keys, node.levels, strict=True):
            own = self.places(key, levels)
            place, sure = place * len(levels) + np.maximum(own, 0), sure & (own >= 0)
        values = np.array(node.values)
        found = values[place]
        if node.texts:
            marks = np.arange(len(node.texts))[:, None] == found[None, :]
            return _Texts(node.texts, marks | ~sure)
        low, high = np.where(sure, found, values.min()), np.where(sure, found, values.max())
        return _Range(low, high, np.zeros(self.count, bool))

    def places(self, key: Node, levels: tuple[Level, ...]) -> NDArray[np.int64]:
        """Position of a key among levels in each box, -1 where it may be at several."""
        box = self.boxes.get(str(key)) if isinstance(key, Reference) else None
        if isinstance(box, Levels):
            index = {level: k for k, level in enumerate(levels)}
            return np.array([index.get(level, -1) for level in box.levels], dtype=np.int64)[box.codes]
        value = self.value(key)
        if isinstance(value, _Texts):
            index = {level: k for k, level in enumerate(levels)}
            own = np.array([index.get(text, -1) for text in value.texts], dtype=np.int64)
            return np.where(value.marks.sum(axis=0) == 1, own[value.marks.argmax(axis=0)], -1)
        assert isinstance(value, _Range)
        found = np.full(self.count, -1, dtype=np.int64)
        for k, level in enumerate(levels):
            assert isinstance(level, Interval)
            below = (value.high < level.high) | ((value.high == level.high) & value.open_high)
            found[(value.low >= level.low) & below] = k
        return found

    def literal(self, node: Literal) -> _Value:
        if isinstance(node.value, bool):
            truth = np.full(self.count, node.value)
            return _Truth(truth, ~truth)
        if isinstance(node.value, str):
            return _Texts((node.value,), np.ones((1, self.count), bool))
        return self.number(node.value)

    def number(self, value: float) -> _Range:
        return _Range(np.full(self.count, value), np.full(self.count, value), np.zeros(self.count, bool))

    def membership(self, node: Operation) -> _Truth:
        left, choices = self.value(node.operands[0]), node.operands[1]
        values = choices.values if isinstance(choices, Choices) else ()
        literals = [self.literal(Literal(value)) for value in values]
        tests = [_compare("==", left, literal) for literal in literals if type(literal) is type(left)]
        result = _any(tests, self.count)
        return result if node.symbol == "in" else _Truth(result.may_not, result.may)

    def operation(self, symbol: str, values: list[_Value]) -> _Value:
        truths = [value for value in values if isinstance(value, _Truth)]
        if symbol == "not":
            return _Truth(truths[0].may_not, truths[0].may)
        if symbol == "or":
            return _any(truths, self.count)
        if symbol == "and":
            opposite = _any([_Truth(t.may_not, t.may) for t in truths], self.count)
            return _Truth(opposite.may_not, opposite.may)
        if symbol == "if":
            return _either(truths[0], values[1], values[2])
        if symbol in ("<", "<=", ">", ">=", "==", "!="):
            return _compare(symbol, values[0], values[1])
        return _arithmetic(symbol, [value for value in values if isinstance(value, _Range)])


def _any(truths: list[_Truth], count: int) -> _Truth:
    """Sound for conditions that depend on each other too: then it may only say "may" too often."""
    may, may_not = np.zeros(count, bool), np.ones(count, bool)
    for truth in truths:
        may, may_not = may | truth.may, may_not & truth.may_not
    return _Truth(may, may_not)


def _either(condition: _Truth, first: _Value, second: _Value) -> _Value:
    if isinstance(first, _Truth) and isinstance(second, _Truth):
        may = (condition.may & first.may) | (condition.may_not & second.may)
        return _Truth(may, (condition.may & first.may_not) | (condition.may_not & second.may_not))
    if isinstance(first, _Texts) and isinstance(second, _Texts):
        texts = tuple(dict.fromkeys((*first.texts, *second.texts)))
        return _Texts(texts, (_marks(first, texts) & condition.may) | (_marks(second, texts) & condition.may_not))
    if isinstance(first, _Range) and isinstance(second, _Range):
        low = np.minimum(np.where(condition.may, first.low, np.inf), np.where(condition.may_not, second.low, np.inf))
        high = np.maximum(
            np.where(condition.may, first.high, -np.inf), np.where(condition.may_not, second.high, -np.inf)
        )
        return _Range(low, high, np.zeros(len(low), bool))
    raise TypeError("the two sides of if ... else have different kinds")


def _marks(value: _Texts, texts: tuple[str, ...]) -> Booleans:
    if value.texts == texts:
        return value.marks
    places = {text: k for k, text in enumerate(value.texts)}
    own = np.array([places.get(text, -1) for text in texts], dtype=np.int64)
    return np.asarray(value.marks[own] & (own >= 0)[:, None])


def _compare(symbol: str, left: _Value, right: _Value) -> _Truth:
    if isinstance(left, _Range) and isinstance(right, _Range):
        return _compare_ranges(symbol, left, right)
    if isinstance(left, _Truth) and isinstance(right, _Truth):
        same = (left.may & right.may) | (left.may_not & right.may_not)
        differ = (left.may & right.may_not) | (left.may_not & right.may)
    elif isinstance(left, _Texts) and isinstance(right, _Texts):
        texts = tuple(dict.fromkeys((*left.texts, *right.texts)))
        a, b = _marks(left, texts), _marks(right, texts)
        same = np.asarray((a & b).any(axis=0))
        differ = ~same | (a.sum(axis=0) > 1) | (b.sum(axis=0) > 1)
    else:
        raise TypeError("a text is compared with a number")
    return _Truth(same, differ) if symbol == "==" else _Truth(differ, same)


def _compare_ranges(symbol: str, left: _Range, right: _Range) -> _Truth:
    if symbol in (">", ">="):
        return _compare_ranges({">": "<", ">=": "<="}[symbol], right, left)
    if symbol == "<":
        below = left.low < right.high
        not_below = (left.high > right.low) | ((left.high == right.low) & ~left.open_high)
        return _Truth(below, not_below)
    if symbol == "<=":
        truth = _compare_ranges("<", right, left)
        return _Truth(truth.may_not, truth.may)
    apart = (left.high < right.low) | (right.high < left.low)
    apart |= ((left.high == right.low) & left.open_high) | ((right.high == left.low) & right.open_high)
    fixed = (left.low == left.high) & (right.low == right.high) & (left.low == right.low)
    return _Truth(~apart, ~fixed) if symbol == "==" else _Truth(~fixed, ~apart)


def _arithmetic(symbol: str, values: list[_Range]) -> _Range:
    closed = np.zeros(len(values[0].low), bool)
    if symbol == "neg":
        return _Range(-values[0].high, -values[0].low, closed)
    if symbol == "abs":
        low, high = values[0].low, values[0].high
        nearest = np.where((low <= 0) & (high >= 0), 0.0, np.minimum(abs(low), abs(high)))
        return _Range(nearest, np.maximum(abs(low), abs(high)), closed)
    if symbol == "floor":
        top = np.where(values[0].open_high, np.ceil(values[0].high) - 1, np.floor(values[0].high))
        return _Range(np.floor(values[0].low), top, closed)
    if symbol in ("min", "max"):
        choose = np.minimum if symbol == "min" else np.maximum
        return _Range(choose.reduce([v.low for v in values]), choose.reduce([v.high for v in values]), closed)
    return _of_two(symbol, *values)


def _of_two(symbol: str, a: _Range, b: _Range) -> _Range:
    if symbol == "+":
        return _Range(a.low + b.low, a.high + b.high, a.open_high | b.open_high)
    if symbol == "-":
        return _Range(a.low - b.high, a.high - b.low, a.open_high)
    return _product(a, b) if symbol == "*" else _quotient(a, b)


def _product(a: _Range, b: _Range) -> _Range:
    corners = np.stack([a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high])
    return _Range(corners.min(axis=0), corners.max(axis=0), np.zeros(corners.shape[1], bool))


def _quotient(a: _Range, b: _Range) -> _Range:
    around_zero = (b.low <= 0) & (b.high >= 0)
    safe = _Range(np.where(around_zero, 1.0, b.low), np.where(around_zero, 1.0, b.high), b.open_high)
    inverse = _product(a, _Range(1 / safe.high, 1 / safe.low, safe.open_high))
    low, high = np.where(around_zero, -np.inf, inverse.low), np.where(around_zero, np.inf, inverse.high)
    return _Range(low, high, np.zeros(len(low), bool))
