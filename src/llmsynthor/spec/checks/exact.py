"""Exact values of real numbers: a condition that hangs on one is never true, or always."""

from collections.abc import Iterator

from llmsynthor.errors import Problem
from llmsynthor.spec.expressions import COMPARISONS, MIRRORED, Expression, Literal, Node, Operation, Reference, nodes
from llmsynthor.spec.schema import Numeric, Schema
from llmsynthor.spec.specification import Spec


def exact_problems(spec: Spec) -> Iterator[Problem]:
    """Warn of conditions such as `shipping > 0` on a real number of [0, 50): of such numbers none is exactly 0."""
    conditions = [(f'rule "{rule.name}"', rule.unit, rule.forbid) for rule in spec.rules]
    conditions += [(t.where, t.unit, t.universe) for t in spec.targets if t.universe is not None]
    for where, unit, condition in conditions:
        for reference, value, always in _hangs(condition, unit, spec.schema):
            yield Problem(
                where=where,
                what=f"{reference} is a real number, which is never exactly {value:g}: the condition is {always}",
                found=str(condition),
                advice=f"let {reference} be an integer if {value:g} is a value that records have, or compare it with a value apart",
                severity="warning",
            )


def _hangs(condition: Expression, unit: str, schema: Schema) -> Iterator[tuple[Reference, float, str]]:
    for node in nodes(condition.tree):
        if not isinstance(node, Operation) or node.symbol not in COMPARISONS.values() or len(node.operands) != 2:
            continue
        for one, other, symbol in (
            (*node.operands, node.symbol),
            (*node.operands[::-1], MIRRORED.get(node.symbol, node.symbol)),
        ):
            if not isinstance(other, Literal) or isinstance(other.value, str | bool):
                continue
            number = _real(one, unit, schema)
            if number is None:
                continue
            value = float(other.value)
            lowest = value == number.range.low and symbol in (">", "<=")
            if symbol in ("==", "!=") or lowest:
                assert isinstance(one, Reference)
                yield one, value, "always true" if symbol in ("!=", ">") else "never true"


def _real(node: Node, unit: str, schema: Schema) -> Numeric | None:
    """The own real number that a node names, if it names one."""
    if not isinstance(node, Reference):
        return None
    owner = schema[node.unit or unit] if (node.unit or unit) in [own.name for own in schema.units] else None
    found = [variable for variable in owner.coded if variable.name == node.name] if owner is not None else []
    return found[0] if found and isinstance(found[0], Numeric) and not found[0].integer else None
