"""Expressions of rules, universes and derived variables: read from the syntax tree with an allow-list, never evaluated as code."""

import ast
import keyword
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import NoReturn

from llmsynthor.spec.levels import Level

LONGEST = 2_000
DEEPEST = 40

COMPARISONS = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.In: "in",
    ast.NotIn: "not in",
}
MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
"""The comparison that says the same with its sides changed; the others say it themselves."""
ARITHMETIC = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
SCALARS = ("min", "max", "abs")
AGGREGATES = ("count", "any", "all", "sum", "mean", "min", "max", "first", "last")
ALLOWED = (
    "names, numbers, texts, comparisons, and or not in, + - * /, x if c else y, min max abs, "
    "and over a child unit count any all sum mean min max first last"
)

SPOKEN = ("and", "or", "not", "in", "if", "else", "True", "False", "None")
"""Words of the language of expressions; Python's other words, such as class and from, are names like any other."""

_WORDS = "|".join(word for word in keyword.kwlist if word not in SPOKEN)
_TEXT_OR_WORD = re.compile(rf"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|\b(?:{_WORDS})\b")
FULL_WIDTH = ord("ａ") - ord("a")


class ExpressionError(ValueError):
    """What is wrong with an expression, and at which character (counted from 1)."""

    def __init__(self, text: str, position: int, what: str) -> None:
        self.text, self.position, self.what = text, position, what
        super().__init__(f"{what}, at character {position} of {text[:80]!r}; allowed are {ALLOWED}")


@dataclass(frozen=True, slots=True)
class Reference:
    """A variable: `age` of the unit itself, or `person.age` of another unit."""

    unit: str | None
    name: str

    def __str__(self) -> str:
        return f"{self.unit}.{self.name}" if self.unit else self.name


@dataclass(frozen=True, slots=True)
class Literal:
    value: float | str | bool


@dataclass(frozen=True, slots=True)
class Choices:
    """The right side of `in`."""

    values: tuple[float | str, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """`symbol` is a comparison, an arithmetic sign, `and`, `or`, `not`, `neg`, `if` (condition, then, else), or a function.

    `floor` stands in no text: it rounds a whole derived number down where its expression is written in its place.
    """

    symbol: str
    operands: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A function over the child records of a record; also `previous`, over the child before in an ordered unit."""

    function: str
    operand: "Node"


@dataclass(frozen=True, slots=True)
class Lookup:
    """The value that a table has where the keys are: one for every combination of `levels` of the keys, row-major.

    `values` are numbers, or places in `texts` where there are any. Equal digests are equal tables, so that comparing and hashing
    do not go through them.
    """

    keys: "tuple[Node, ...]"
    levels: tuple[tuple[Level, ...], ...] = field(compare=False, repr=False)
    values: tuple[float, ...] = field(compare=False, repr=False)
    texts: tuple[str, ...] = field(compare=False, repr=False)
    digest: str


Node = Reference | Literal | Choices | Operation | Aggregate | Lookup


@dataclass(frozen=True, slots=True)
class Expression:
    """A parsed expression; equal texts are equal expressions."""

    text: str
    tree: Node

    def __str__(self) -> str:
        return self.text


def parse(text: str) -> Expression:
    """Read an expression; raises ExpressionError that names the position and what is allowed.

    >>> str(parse("age < 16 and employment == 'Employed'"))
    "age < 16 and employment == 'Employed'"
    >>> parse("__import__('os')")
    Traceback (most recent call last):
    llmsynthor.spec.expressions.ExpressionError: there is no function '__import__', at character 1 of ...
    """
    if len(text) > LONGEST:
        raise ExpressionError(text, LONGEST, f"the expression is longer than {LONGEST} characters")
    try:
        with warnings.catch_warnings(action="ignore", category=SyntaxWarning):  # such as "1if": Python's own style
            tree = ast.parse(_as_names(text.strip()), mode="eval").body
    except SyntaxError as cause:
        raise ExpressionError(text, cause.offset or 1, f"it cannot be read ({slip(text) or cause.msg})") from cause
    except (ValueError, RecursionError, MemoryError) as cause:
        raise ExpressionError(text, 1, f"it cannot be read ({cause or 'nested too deeply'})") from cause
    return Expression(text, _Reader(text).node(tree, 0))


def _as_names(text: str) -> str:
    """Let Python's words that are none here be names: with a first letter of full width, which its reader makes plain again.

    >>> _as_names("class.size > 20 and name == 'from'") == "ｃlass.size > 20 and name == 'from'"
    True
    """

    def name(found: re.Match[str]) -> str:
        word = found[0]
        return word if word[0] in "'\"" else chr(ord(word[0]) + FULL_WIDTH) + word[1:]

    return _TEXT_OR_WORD.sub(name, text)


def slip(text: str) -> str:
    """Name a sign of another language; empty where there is none.

    >>> slip("age < 18 and job = 'full'"), slip("a && b"), slip("age <= 18")
    ('write == to compare', 'write and for &&', '')
    """
    plain = re.sub(r"'[^']*'|\"[^\"]*\"", "''", text)
    for sign, word in (("&&", "and"), ("||", "or"), ("<>", "!="), ("=<", "<="), ("=>", ">=")):
        if sign in plain:
            return f"write {word} for {sign}"
    return "write == to compare" if re.search(r"(?<![<>=!])=(?!=)", plain) else ""


class _Reader:
    """Turns the syntax tree into nodes; whatever it does not know is refused."""

    def __init__(self, text: str) -> None:
        self.text = text

    def refuse(self, node: ast.AST, what: str) -> NoReturn:
        raise ExpressionError(self.text, getattr(node, "col_offset", 0) + 1, what)

    def node(self, tree: ast.expr, depth: int) -> Node:
        if depth > DEEPEST:
            self.refuse(tree, f"it is nested more than {DEEPEST} levels deep")
        reader = getattr(self, f"read_{type(tree).__name__.lower()}", None)
        if reader is None:
            self.refuse(tree, f"{_plain(tree)} is not allowed")
        result: Node = reader(tree, depth + 1)
        return result

    def read_name(self, tree: ast.Name, depth: int) -> Node:
        return Reference(None, tree.id)

    def read_attribute(self, tree: ast.Attribute, depth: int) -> Node:
        if not isinstance(tree.value, ast.Name) or tree.attr.startswith("_") or tree.value.id.startswith("_"):
            self.refuse(tree, "only a unit's variable may follow a dot, as in person.age")
        return Reference(tree.value.id, tree.attr)

    def read_constant(self, tree: ast.Constant, depth: int) -> Node:
        if isinstance(tree.value, bool | str):
            return Literal(tree.value)
        if not isinstance(tree.value, int | float) or abs(tree.value) > 1e15:
            self.refuse(tree, f"the value {str(tree.value)[:30]} is not allowed")
        return Literal(float(tree.value))

    def read_unaryop(self, tree: ast.UnaryOp, depth: int) -> Node:
        if isinstance(tree.op, ast.Not):
            return Operation("not", (self.node(tree.operand, depth),))
        operand = self.node(tree.operand, depth)
        if not isinstance(tree.op, ast.USub):
            self.refuse(tree, "this sign is not allowed")
        if isinstance(operand, Literal) and isinstance(operand.value, float):
            return Literal(-operand.value)
        return Operation("neg", (operand,))

    def read_binop(self, tree: ast.BinOp, depth: int) -> Node:
        if type(tree.op) not in ARITHMETIC:
            self.refuse(tree, f"the operator {type(tree.op).__name__} is not allowed")
        return Operation(ARITHMETIC[type(tree.op)], (self.node(tree.left, depth), self.node(tree.right, depth)))

    def read_boolop(self, tree: ast.BoolOp, depth: int) -> Node:
        symbol = "and" if isinstance(tree.op, ast.And) else "or"
        return Operation(symbol, tuple(self.node(value, depth) for value in tree.values))

    def read_compare(self, tree: ast.Compare, depth: int) -> Node:
        sides = [tree.left, *tree.comparators]
        parts = [self.comparison(op, a, b, depth) for op, a, b in zip(tree.ops, sides, sides[1:], strict=False)]
        return parts[0] if len(parts) == 1 else Operation("and", tuple(parts))

    def comparison(self, op: ast.cmpop, left: ast.expr, right: ast.expr, depth: int) -> Node:
        if type(op) not in COMPARISONS:
            self.refuse(left, f"the comparison {type(op).__name__} is not allowed")
        second = self.choices(right) if isinstance(op, ast.In | ast.NotIn) else self.node(right, depth)
        return Operation(COMPARISONS[type(op)], (self.node(left, depth), second))

    def choices(self, tree: ast.expr) -> Node:
        if not isinstance(tree, ast.Tuple | ast.List | ast.Set):
            self.refuse(tree, "`in` needs a list of values on its right, as in x in ('a', 'b')")
        read = [self.node(entry, 0) for entry in tree.elts]
        values = [entry.value for entry in read if isinstance(entry, Literal) and not isinstance(entry.value, bool)]
        if len(values) != len(tree.elts):
            self.refuse(tree, "only numbers and texts may stand in the list behind `in`")
        return Choices(tuple(values))

    def read_ifexp(self, tree: ast.IfExp, depth: int) -> Node:
        return Operation("if", tuple(self.node(part, depth) for part in (tree.test, tree.body, tree.orelse)))

    def read_call(self, tree: ast.Call, depth: int) -> Node:
        name = tree.func.id if isinstance(tree.func, ast.Name) else None
        if name not in (*SCALARS, *AGGREGATES, "previous"):
            self.refuse(tree, f"there is no function {ast.unparse(tree.func)[:40]!r}")
        if tree.keywords or not tree.args or any(isinstance(arg, ast.Starred) for arg in tree.args):
            self.refuse(tree, f"{name} takes plain arguments only, and at least one")
        operands = tuple(self.node(arg, depth) for arg in tree.args)
        return self.call(tree, str(name), operands)

    def call(self, tree: ast.Call, name: str, operands: tuple[Node, ...]) -> Node:
        """With one argument `min` and `max` are taken over child records, with more over the arguments."""
        if name in (*AGGREGATES, "previous") and (name not in SCALARS or len(operands) == 1):
            if len(operands) != 1:
                self.refuse(tree, f"{name} takes one argument")
            return Aggregate(name, operands[0])
        if name == "abs" and len(operands) != 1:
            self.refuse(tree, "abs takes one argument")
        return Operation(name, operands)


def _plain(tree: ast.AST) -> str:
    return {
        "Lambda": "a lambda",
        "Subscript": "an index [ ]",
        "JoinedStr": "an f-string",
        "NamedExpr": "an assignment",
    }.get(type(tree).__name__, f"a {type(tree).__name__.lower()}")


def operands(node: Node) -> "tuple[Node, ...]":
    """What a node is computed from."""
    if isinstance(node, Operation):
        return node.operands
    if isinstance(node, Lookup):
        return node.keys
    return (node.operand,) if isinstance(node, Aggregate) else ()


def walk(node: Node, *, aggregates: bool = True) -> Iterator[Reference]:
    """Yield every reference below a node; without `aggregates` only those that no function over children encloses."""
    left = [node]
    while left:
        own = left.pop()
        if isinstance(own, Reference):
            yield own
        elif aggregates or not isinstance(own, Aggregate):
            left.extend(reversed(operands(own)))


@lru_cache(maxsize=1 << 15)
def references(expression: Expression) -> frozenset[Reference]:
    """Every variable that an expression uses."""
    return frozenset(walk(expression.tree))


def nodes(node: Node) -> Iterator[Node]:
    """Yield a node and all below it."""
    left = [node]
    while left:
        own = left.pop()
        yield own
        left.extend(reversed(operands(own)))


def substitute(node: Node, known: Mapping[Node, Node]) -> Node:
    """Put the known nodes in the place of others, from the outside in."""
    if node in known:
        return known[node]
    if isinstance(node, Operation):
        return Operation(node.symbol, tuple(substitute(operand, known) for operand in node.operands))
    if isinstance(node, Lookup):
        return replace(node, keys=tuple(substitute(key, known) for key in node.keys))
    return Aggregate(node.function, substitute(node.operand, known)) if isinstance(node, Aggregate) else node


def opened(expression: Expression, known: Mapping[Node, Node]) -> Expression:
    """The same expression, by its own text, with the known nodes put in the place of others."""
    return Expression(expression.text, substitute(expression.tree, known))
