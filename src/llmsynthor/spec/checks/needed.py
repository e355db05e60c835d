"""Children that rules need: an adult in each household when the tables have fewer adults than households."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from llmsynthor.errors import Problem
from llmsynthor.spec.checks.conditions import holds_in_cells
from llmsynthor.spec.checks.units import sizes_of, slack, tables_of
from llmsynthor.spec.expressions import (
    COMPARISONS,
    MIRRORED,
    Aggregate,
    Expression,
    Literal,
    Node,
    Operation,
    Reference,
    nodes,
    walk,
)
from llmsynthor.spec.rules import Rule
from llmsynthor.spec.schema import Numeric, Schema, Unit
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Table

MISSING = ("first", "last", "mean", "min", "max")
"""Functions that have no value over no children."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A rule allows a parent for which `where` holds (all, if None) only with `least` children for which `children` holds."""

    child: Unit
    children: Node
    least: float
    where: Node | None


def lacking_children(spec: Spec) -> Iterator[Problem]:
    """Name the rules that need more children of a kind than the tables have."""
    for rule in spec.rules:
        need = _need(rule, spec.schema)
        if need is None:
            continue
        parents, wheres = _share_of_parents(spec, rule, need)
        table, share = _fewest_children(spec, need)
        if table is None:
            continue
        sizes = sizes_of(spec, need.child)
        available = share * sizes.mean[1]
        if need.least * parents > available * (1 + slack(table)):
            hard = (
                not (table.tolerance or table.tolerance_records) and table.margins_of_error is None and table.trust == 1
            )
            yield Problem(
                where=f'rule "{rule.name}" and {table.where}{wheres}',
                what=f"the rule needs more {need.child.name} records of a kind than there can be",
                found=f"{need.least * parents:.4g} for each {rule.unit} record, and there are at most {available:.4g}",
                advice="correct the rule, the table, or the table of "
                f"{need.child.count}: no {rule.unit} records can keep the rule and meet the tables",
                severity="error" if hard else "warning",
            )


def _need(rule: Rule, schema: Schema) -> Need | None:
    """Read what a rule needs from the forms `count(c) < k`, `not any(c)`, `all(c)`, `first(x) < k`, joined with `and`."""
    tree = rule.forbid.tree
    parts = list(tree.operands) if isinstance(tree, Operation) and tree.symbol == "and" else [tree]
    over = [part for part in parts if any(isinstance(node, Aggregate) for node in nodes(part))]
    if len(over) != 1:
        return None
    below = {unit.name: unit for unit in schema.children(rule.unit)}
    child = next((below[r.unit] for r in walk(over[0]) if r.unit in below), None)
    found = _children_needed(over[0], child, schema) if child is not None else None
    if child is None or found is None:
        return None
    rest = [part for part in parts if part is not over[0]]
    where = None if not rest else rest[0] if len(rest) == 1 else Operation("and", tuple(rest))
    return Need(child=child, children=_in_child(found[0], rule.unit), least=found[1], where=where)


def _children_needed(part: Node, child: Unit | None, schema: Schema) -> tuple[Node, float] | None:
    if isinstance(part, Aggregate):
        return (Operation("not", (part.operand,)), 1.0) if part.function == "all" else None
    if not isinstance(part, Operation):
        return None
    inner = part.operands[0]
    if part.symbol == "not" and isinstance(inner, Aggregate) and inner.function == "any":
        return inner.operand, 1.0
    if part.symbol not in COMPARISONS.values() or child is None:
        return None
    counted = _count_below(part)
    return counted if counted is not None else _one_at_least(part, child, schema)


def _count_below(part: Operation) -> tuple[Node, float] | None:
    """`count(c) < k` and its like need k children."""
    left, right = part.operands
    symbol = part.symbol
    if isinstance(left, Literal):
        left, right, symbol = right, left, MIRRORED.get(symbol, symbol)
    if not (isinstance(left, Aggregate) and left.function == "count" and isinstance(right, Literal)):
        return None
    value = right.value
    if isinstance(value, bool | str) or symbol not in ("<", "<=", "=="):
        return None
    least = {"<": np.ceil(value), "<=": np.floor(value) + 1, "==": 1.0 if value == 0 else 0.0}[symbol]
    return (left.operand, float(least)) if least > 0 else None


def _one_at_least(part: Operation, child: Unit, schema: Schema) -> tuple[Node, float] | None:
    """`first(x) < k` needs one child for which x < k is false, where every parent has a child; so do `max(x) < k`, `min(x) > k`."""
    count = schema[str(child.parent)].variable(str(child.count))
    functions = {node.function for node in nodes(part) if isinstance(node, Aggregate)}
    if not isinstance(count, Numeric) or count.range.low < 1 or len(functions) != 1:
        return None
    bare = [node for node in part.operands if isinstance(node, Aggregate)]
    if len(bare) != 1 or not isinstance(bare[0].operand, Reference):
        return None
    left = part.operands[0] is bare[0]
    symbol = part.symbol if left else MIRRORED.get(part.symbol, part.symbol)
    fits = functions in ({"first"}, {"last"}) or (functions, symbol) in (
        ({"max"}, "<"),
        ({"max"}, "<="),
        ({"min"}, ">"),
        ({"min"}, ">="),
    )
    if not fits or any(isinstance(node, Reference) for o in part.operands if o is not bare[0] for node in nodes(o)):
        return None
    plain = tuple(bare[0].operand if operand is bare[0] else operand for operand in part.operands)
    return Operation("not", (Operation(part.symbol, plain),)), 1.0


def _in_child(node: Node, parent: str) -> Node:
    """Name the parent's variables as the child's tables do."""
    if isinstance(node, Reference) and node.unit is None:
        return Reference(parent, node.name)
    if isinstance(node, Operation):
        return Operation(node.symbol, tuple(_in_child(operand, parent) for operand in node.operands))
    return node


def _share_of_parents(spec: Spec, rule: Rule, need: Need) -> tuple[float, str]:
    """The least share of parents for which the rule's condition on them surely holds, and the table that says so."""
    if need.where is None:
        return 1.0, ""
    best, place = 0.0, ""
    for table in tables_of(spec, rule.unit):
        found = holds_in_cells(need.where, table, spec.schema)
        if found is not None:
            values = np.maximum(np.array(table.values), 0.0)
            share = float(values[~found[1]].sum() / values.sum()) - slack(table)
            if share > best:
                best, place = share, f" and {table.where}"
    return best, place


def _fewest_children(spec: Spec, need: Need) -> tuple[Table | None, float]:
    """The table that allows the smallest share of children for which the condition may hold."""
    best: tuple[Table | None, float] = (None, 1.0)
    for table in tables_of(spec, need.child.name):
        found = holds_in_cells(need.children, table, spec.schema)
        if found is not None:
            values = np.maximum(np.array(table.values), 0.0)
            share = float(values[found[0]].sum() / values.sum())
            if best[0] is None or share < best[1]:
                best = (table, share)
    return best


def childless_problems(spec: Spec) -> Iterator[Problem]:
    """Say where a parent may have no children and an expression asks a child for a value."""
    for unit in spec.schema.units[1:]:
        count = spec.schema[str(unit.parent)].variable(str(unit.count))
        assert isinstance(count, Numeric)
        sizes = sizes_of(spec, unit)
        if count.range.low > 0 or not (sizes.share[sizes.low <= 0] > 0).any():
            continue
        for where, expression in _expressions(spec, str(unit.parent)):
            found = _unguarded(expression.tree, unit)
            if found:
                yield Problem(
                    where=where,
                    what=f"a {unit.parent} record may have no {unit.name}, and {found}() over nobody is missing",
                    found=str(expression)[:80],
                    advice=f"comparisons with a missing value are false and it lies in no cell of a table; write "
                    f"... if {unit.count} > 0 else ..., or let {unit.count} begin at 1",
                    severity="warning",
                )


def _expressions(spec: Spec, unit: str) -> Iterator[tuple[str, Expression]]:
    for derived in spec.schema[unit].derived:
        yield f"units.{unit}.derived.{derived.name}", derived.expression
    for number, rule in enumerate(spec.rules):
        if rule.unit == unit:
            yield f'rules[{number}] "{rule.name}"', rule.forbid


def _unguarded(node: Node, child: Unit) -> str:
    """Name a function that may have no value and that stands in no branch of a condition on the number of children."""
    if isinstance(node, Aggregate):
        over = child.name in {reference.unit for reference in walk(node.operand)}
        return node.function if over and node.function in MISSING else ""
    if not isinstance(node, Operation):
        return ""
    guards = node.operands[:1] if node.symbol == "if" else node.operands if node.symbol == "and" else ()
    if any(_asks_number(guard, child) for guard in guards):
        return ""
    return next((found for operand in node.operands if (found := _unguarded(operand, child))), "")


def _asks_number(node: Node, child: Unit) -> bool:
    return any(
        (isinstance(below, Reference) and below.name == child.count)
        or (isinstance(below, Aggregate) and below.function in ("count", "any"))
        for below in nodes(node)
    )
