"""Numbers whose sum over siblings a rule fixes: minutes of a day, shares of a budget. None of them can change alone."""

from collections.abc import Iterator

from llmsynthor.aims.uses import Use, Uses
from llmsynthor.spec.expressions import COMPARISONS, Aggregate, Node, Operation, Reference, nodes

BOTH_WAYS = ({"<", "<="}, {">", ">="})


def is_fixing(symbols: set[str]) -> bool:
    """Whether comparisons by these symbols leave a sum one value: equality, or bounds from below and from above.

    >>> is_fixing({"!="}), is_fixing({"<", ">"}), is_fixing({">"})
    (True, True, False)
    """
    return bool(symbols & {"==", "!="}) or all(symbols & way for way in BOTH_WAYS)


def compared(tree: Node) -> Iterator[tuple[str, Node]]:
    """Every comparison in an expression: its symbol, and itself."""
    for node in nodes(tree):
        if isinstance(node, Operation) and node.symbol in COMPARISONS.values():
            yield node.symbol, node


def summed(tree: Node) -> Iterator[Reference]:
    """The variables of children that an expression sums, each as it stands."""
    for node in nodes(tree):
        if isinstance(node, Aggregate) and node.function == "sum" and isinstance(node.operand, Reference):
            yield node.operand


def has_fixed_sum(use: Use, uses: Uses) -> bool:
    """Whether rules fix the sum of a variable over siblings, by itself or as a derived variable of the parent."""
    symbols = set[str]()
    for owner, expression in use.expressions:
        if owner.name == use.unit.name or not any(_is(reference, use) for reference in summed(expression.tree)):
            continue
        symbols |= {s for s, node in compared(expression.tree) if any(_is(r, use) for r in summed(node))}
        for derived in owner.derived:
            if derived.expression == expression:
                told = (own.tree for _, own in uses[owner.name, derived.name].expressions)
                symbols |= {
                    s for tree in told for s, node in compared(tree) if Reference(None, derived.name) in nodes(node)
                }
    return is_fixing(symbols)


def _is(reference: Reference, use: Use) -> bool:
    return reference.name == use.variable.name and reference.unit == use.unit.name
