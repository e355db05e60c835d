"""Numbers whose sum over siblings a rule fixes: minutes of a day, shares of a budget. None of them can change alone."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from llmsynthor.aims.uses import Use, Uses
from llmsynthor.spec.expressions import COMPARISONS, MIRRORED, Aggregate, Node, Operation, Reference, nodes

OPPOSITE = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Equality:
    """Two sides that a rule wants to be equal: `always`, or only where something else holds as well."""

    side: Node
    other: Node
    always: bool


def equalities(forbidden: Node) -> Iterator[Equality]:
    """What must be equal if a condition is never to be true, each from both sides.

    `a != b` forbidden is one, and so are `a < b or a > b` and `not a == b`; `a == b` forbidden, or a bound alone, is none.
    """
    bounds = defaultdict[tuple[Node, Node], dict[str, bool]](dict)
    for symbol, one, two, always in _ruled_out(forbidden, is_forbidden=True, always=True):
        for sign, side, other in ((symbol, one, two), (MIRRORED.get(symbol, symbol), two, one)):
            bounds[side, other][sign] = bounds[side, other].get(sign, False) or always
    for (side, other), signs in bounds.items():
        if "!=" in signs:
            yield Equality(side=side, other=other, always=signs["!="])
        elif {"<", ">"} <= set(signs):
            yield Equality(side=side, other=other, always=signs["<"] and signs[">"])


def _ruled_out(node: Node, *, is_forbidden: bool, always: bool) -> Iterator[tuple[str, Node, Node, bool]]:
    """Comparisons that are not to be true: the symbol, both sides, and whether each is ruled out by itself."""
    if not isinstance(node, Operation):
        return
    if node.symbol == "not":
        yield from _ruled_out(node.operands[0], is_forbidden=not is_forbidden, always=always)
    elif node.symbol in ("and", "or"):
        alone = (node.symbol == "or") == is_forbidden
        for operand in node.operands:
            yield from _ruled_out(operand, is_forbidden=is_forbidden, always=always and alone)
    elif node.symbol in OPPOSITE and node.symbol in COMPARISONS.values():
        symbol = node.symbol if is_forbidden else OPPOSITE[node.symbol]
        yield symbol, node.operands[0], node.operands[1], always


def summed(tree: Node) -> Iterator[Reference]:
    """The variables of children that an expression sums, each as it stands."""
    for node in nodes(tree):
        if isinstance(node, Aggregate) and node.function == "sum" and isinstance(node.operand, Reference):
            yield node.operand


def has_fixed_sum(use: Use, uses: Uses) -> bool:
    """Whether a rule fixes the sum of a variable over siblings, by itself or as a derived variable of the parent."""
    for owner, expression in use.expressions:
        if owner.name == use.unit.name or not _sums(use, expression.tree):
            continue
        if expression in uses.forbidden and any(_sums(use, own.side) for own in equalities(expression.tree)):
            return True
        for derived in owner.derived:
            told = (rule for _, rule in uses[owner.name, derived.name].expressions if rule in uses.forbidden)
            name = Reference(None, derived.name)
            if derived.expression == expression and any(
                name in nodes(own.side) for rule in told for own in equalities(rule.tree)
            ):
                return True
    return False


def _sums(use: Use, tree: Node) -> bool:
    return any(own.name == use.variable.name and own.unit == use.unit.name for own in summed(tree))
