"""Where an expression cuts a number into cells."""

from llmsynthor.spec.expressions import (
    COMPARISONS,
    MIRRORED,
    Choices,
    Expression,
    Literal,
    Lookup,
    Operation,
    Reference,
    nodes,
)
from llmsynthor.spec.levels import Interval

SIGNS = frozenset(COMPARISONS.values())


def cut_points(expression: Expression, name: str, *, integer: bool) -> tuple[frozenset[float], bool]:
    """Find where an expression cuts a numeric variable into half-open cells.

    Returns the break points that make comparisons with constants exact, and whether the variable is also used in a way that
    no break point makes exact (computed with, or compared with another variable).
    """
    points: set[float] = set()
    simple = uses = 0
    for node in nodes(expression.tree):
        if isinstance(node, Reference):
            uses += node.name == name and node.unit is None
        elif isinstance(node, Lookup):
            keyed = [levels for key, levels in zip(node.keys, node.levels, strict=True) if key == Reference(None, name)]
            simple += len(keyed)
            ends = {
                end
                for levels in keyed
                for level in levels
                if isinstance(level, Interval)
                for end in (level.low, level.high)
            }
            points |= {edge for end in ends for edge in _edges(end, ">=", integer=integer)}
        elif isinstance(node, Operation) and node.symbol in SIGNS:
            found = _constants(node, name)
            if found is not None:
                simple += 1
                points |= {point for value, symbol in found for point in _edges(value, symbol, integer=integer)}
    return frozenset(points), uses > simple


def _constants(node: Operation, name: str) -> list[tuple[float, str]] | None:
    left, right = node.operands
    own = [isinstance(side, Reference) and side.name == name and side.unit is None for side in (left, right)]
    if own[0] and isinstance(right, Choices):
        return [(float(value), "==") for value in right.values if not isinstance(value, str)]
    if own[0] and isinstance(right, Literal) and isinstance(right.value, float):
        return [(right.value, node.symbol)]
    if own[1] and isinstance(left, Literal) and isinstance(left.value, float):
        return [(left.value, MIRRORED.get(node.symbol, node.symbol))]
    return None


def _edges(value: float, symbol: str, *, integer: bool) -> tuple[float, ...]:
    after = float(int(value // 1) + 1) if integer else value
    at = float(-(-value // 1)) if integer else value
    return {"<": (at,), ">=": (at,), "<=": (after,), ">": (after,)}.get(symbol, (at, after))
