"""Expressions of PopulationSim's controls, read from the syntax tree with an allow-list; nothing is ever run."""

import ast
import math
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass

Span = tuple[float, float]
LONGEST, DEEPEST = 2_000, 60
PARTS = re.compile(r"""'[^']*'|"[^"]*"|<>""")
HUGE = 9e8
"""Numbers of this size stand for no bound."""


class ControlError(ValueError):
    """An expression that is none of those that are read; its text is the reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """Values of one column: half-open spans of whole numbers, texts, and whether it may be missing.

    With `but`, texts are those that are not allowed, and all others are.
    """

    spans: tuple[Span, ...] = ()
    texts: frozenset[str] = frozenset()
    missing: bool = False
    but: bool = False

    @property
    def everything(self) -> bool:
        return len(self.spans) == 1 and self.spans[0][0] <= 1 and self.spans[0][1] == math.inf

    def __or__(self, other: "Allowed") -> "Allowed":
        return Allowed(
            spans=_joined((*self.spans, *other.spans)),
            texts=_either(self, other),
            missing=self.missing or other.missing,
            but=self.but or other.but,
        )

    def __and__(self, other: "Allowed") -> "Allowed":
        spans = tuple(
            (max(a[0], b[0]), min(a[1], b[1]))
            for a in self.spans
            for b in other.spans
            if max(a[0], b[0]) < min(a[1], b[1])
        )
        return Allowed(
            spans=spans,
            texts=_both(self, other),
            missing=self.missing and other.missing,
            but=self.but and other.but,
        )

    def __invert__(self) -> "Allowed":
        edges = [-math.inf, *(end for span in _joined(self.spans) for end in span), math.inf]
        spans = tuple((low, high) for low, high in zip(edges[::2], edges[1::2], strict=True) if low < high)
        return Allowed(spans=spans, texts=self.texts, missing=not self.missing, but=not self.but)

    def holds(self, text: str) -> bool:
        """Whether a text is allowed."""
        return (text in self.texts) is not self.but


def _either(one: Allowed, other: Allowed) -> frozenset[str]:
    if one.but and other.but:
        return one.texts & other.texts
    if one.but or other.but:
        return (one.texts - other.texts) if one.but else (other.texts - one.texts)
    return one.texts | other.texts


def _both(one: Allowed, other: Allowed) -> frozenset[str]:
    if one.but and other.but:
        return one.texts | other.texts
    if one.but or other.but:
        return (other.texts - one.texts) if one.but else (one.texts - other.texts)
    return one.texts & other.texts


def _joined(spans: tuple[Span, ...]) -> tuple[Span, ...]:
    """Spans in order, those that touch made one."""
    found = list[Span]()
    for low, high in sorted(spans):
        if found and low <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return tuple(found)


def read_control(text: str, table: str) -> Mapping[str, Allowed]:
    """What each column of a seed table may be; raises ControlError.

    `<>` is read as `!=`, as older pandas did. What is not equal to something may be missing, as in pandas.

    >>> read_control("(households.NP > 1) & (households.NP <= 3)", "households")["NP"].spans
    ((2.0, 4.0),)
    """
    if len(text) > LONGEST:
        raise ControlError(f"it has more than {LONGEST:,} characters")
    try:
        with warnings.catch_warnings(action="ignore", category=SyntaxWarning):
            tree = ast.parse(_modern(text.strip()), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as cause:
        raise ControlError(f"it cannot be parsed ({cause})") from cause
    return _condition(tree.body, table, 0)


def _modern(text: str) -> str:
    """The expression with `!=` for `<>`, but in texts."""
    return PARTS.sub(lambda match: "!=" if match[0] == "<>" else match[0], text)


def _condition(node: ast.expr, table: str, depth: int) -> Mapping[str, Allowed]:
    if depth > DEEPEST:
        raise ControlError("it is nested too deeply")
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitAnd):
        left, right = _condition(node.left, table, depth + 1), _condition(node.right, table, depth + 1)
        return {
            name: left[name] & right[name] if name in left and name in right else (left.get(name) or right[name])
            for name in {**left, **right}
        }
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        left, right = _condition(node.left, table, depth + 1), _condition(node.right, table, depth + 1)
        if set(left) != set(right):
            raise ControlError("`|` joins conditions on different columns")
        apart = [name for name in left if left[name] != right[name]]
        if len(apart) > 1:
            raise ControlError("`|` joins conditions that differ in more than one column")
        return {name: left[name] | right[name] for name in left}
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Invert):
        inner = _condition(node.operand, table, depth + 1)
        if len(inner) != 1:
            raise ControlError("`~` turns a condition on more than one column round")
        return {name: ~allowed for name, allowed in inner.items()}
    if isinstance(node, ast.Compare):
        return _comparison(node, table)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and not node.keywords:
        return _method(node, node.func, table)
    raise ControlError(f"this is not read: {ast.unparse(node)[:60]}")


def _method(node: ast.Call, function: ast.Attribute, table: str) -> Mapping[str, Allowed]:
    name = _column(function.value, table)
    if function.attr in ("isna", "isnull") and not node.args:
        return {name: Allowed(missing=True)}
    if function.attr in ("notna", "notnull") and not node.args:
        return {name: ~Allowed(missing=True)}
    if function.attr == "isin" and len(node.args) == 1 and isinstance(node.args[0], ast.List | ast.Tuple | ast.Set):
        found = Allowed()
        for element in node.args[0].elts:
            found |= _equal(_constant(element))
        return {name: found}
    if function.attr == "between" and len(node.args) == 2:
        low, high = (_constant(own) for own in node.args)
        if isinstance(low, float) and isinstance(high, float):
            return {name: Allowed(spans=((math.ceil(low), math.floor(high) + 1.0),))}
    raise ControlError(f"this function is not read: {function.attr}")


def _comparison(node: ast.Compare, table: str) -> Mapping[str, Allowed]:
    if len(node.ops) != 1:
        raise ControlError("chained comparisons are not read, nor does pandas take them")
    left, operator, right = node.left, node.ops[0], node.comparators[0]
    swapped = {ast.Lt: ast.Gt, ast.Gt: ast.Lt, ast.LtE: ast.GtE, ast.GtE: ast.LtE, ast.Eq: ast.Eq, ast.NotEq: ast.NotEq}
    kind = type(operator)
    if _is_column(right, table) and _is_column(left, table):
        raise ControlError("two columns are compared: make a column of it in the seed")
    if _is_column(right, table):
        left, right, kind = right, left, swapped.get(kind, kind)
    name, value = _column(left, table), _constant(right)
    if kind is ast.Eq:
        return {name: _equal(value)}
    if kind is ast.NotEq:
        return {name: ~_equal(value)}
    if isinstance(value, str):
        raise ControlError("texts are compared with == and != only")
    value = math.copysign(math.inf, value) if abs(value) >= HUGE else value
    spans = {
        ast.Lt: (-math.inf, float(math.ceil(value)) if math.isfinite(value) else value),
        ast.LtE: (-math.inf, math.floor(value) + 1.0 if math.isfinite(value) else value),
        ast.Gt: (math.floor(value) + 1.0 if math.isfinite(value) else value, math.inf),
        ast.GtE: (float(math.ceil(value)) if math.isfinite(value) else value, math.inf),
    }
    if kind not in spans:
        raise ControlError(f"this comparison is not read: {ast.unparse(node)[:60]}")
    return {name: Allowed(spans=(spans[kind],))}


def _equal(value: float | str) -> Allowed:
    if isinstance(value, str):
        return Allowed(texts=frozenset({value}))
    if not value.is_integer():
        raise ControlError("a number with a fraction is compared with ==")
    return Allowed(spans=((value, value + 1),))


def _is_column(node: ast.expr, table: str) -> bool:
    inner = node.value if isinstance(node, ast.Attribute | ast.Subscript) else None
    return isinstance(inner, ast.Name) and inner.id == table


def _column(node: ast.expr, table: str) -> str:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == table:
        return node.attr
    if (
        isinstance(node, ast.Subscript)
        and isinstance(node.value, ast.Name)
        and node.value.id == table
        and isinstance(node.slice, ast.Constant)
    ):
        return str(node.slice.value)
    raise ControlError(f"a column of {table} is expected, not {ast.unparse(node)[:40]}")


def _is_infinity(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and ast.unparse(node) in ("np.inf", "numpy.inf")


def _constant(node: ast.expr) -> float | str:
    if _is_infinity(node):
        return math.inf
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _constant(node.operand)
        if isinstance(value, float):
            return -value
    if isinstance(node, ast.Constant) and not isinstance(node.value, bool):
        if isinstance(node.value, str):
            return node.value
        if isinstance(node.value, int | float):
            return float(node.value)
    raise ControlError(f"a number or a text is expected, not {ast.unparse(node)[:40]}")
