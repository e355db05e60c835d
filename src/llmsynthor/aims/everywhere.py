"""Whether a condition is true of every record, by ranges, rules and the zeros of tables: then it is no universe.

What a condition is computed from (variables, and functions over children) is enumerated: levels, whole numbers, or one value
between any two constants that numbers are compared with. Nothing is said of what cannot be enumerated.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise, product

import numpy as np
import polars as pl

from llmsynthor.records.evaluate import evaluate_tree
from llmsynthor.spec.cut_points import cut_points
from llmsynthor.spec.expressions import (
    Aggregate,
    Choices,
    Expression,
    Literal,
    Lookup,
    Node,
    Operation,
    Reference,
)
from llmsynthor.spec.inputs import is_position
from llmsynthor.spec.levels import Interval, Level
from llmsynthor.spec.rules import Rule
from llmsynthor.spec.schema import Category, Derived, Numeric, Schema, Unit
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Table

LARGEST = 100_000
"""Combinations of values that are tried."""

MOST_VALUES, MOST_ZEROS = 300, 500
"""Whole numbers up to which each is tried; cells of a table up to which its zeros are taken combination by combination."""

Leaf = Reference | Aggregate


@dataclass(frozen=True, slots=True)
class _Fact:
    """A condition that no record meets; `needs` are leaves that must have a value for it to say anything."""

    tree: Node
    needs: tuple[Leaf, ...] = field(default=())


def holds_everywhere(condition: Expression, unit: str, spec: Spec) -> bool:
    """Whether no record of `unit` that keeps ranges, rules and the zeros of tables makes a condition false.

    True only where that was shown.
    """
    tree = _opened(condition.tree, spec.schema[unit], spec.schema)
    return tree is not None and _shown(tree, unit, spec)


def same_everywhere(one: Expression, other: Expression, unit: str, spec: Spec) -> bool:
    """Whether two conditions are true of the same records; only where that was shown."""
    trees = [_opened(condition.tree, spec.schema[unit], spec.schema) for condition in (one, other)]
    both = tuple(tree for tree in trees if tree is not None)
    return one == other or (len(both) == 2 and _shown(Operation("==", both), unit, spec))


def _shown(tree: Node, unit: str, spec: Spec) -> bool:
    listed = _values(_leaves(tree), [tree], unit, spec.schema)
    if listed is None:
        return False
    values = listed
    facts, left = list[_Fact](), [*_facts(spec, unit), *_counts(list(values), spec.schema[unit], spec.schema)]
    while near := [fact for fact in left if _leaves(fact.tree) and not values.keys().isdisjoint(_leaves(fact.tree))]:
        fact = min(near, key=lambda fact: sum(leaf not in values for leaf in _leaves(fact.tree)))
        left.remove(fact)
        trees = [tree, *(other.tree for other in (*facts, fact))]
        every = list(dict.fromkeys(leaf for own in trees for leaf in _leaves(own)))
        wider = _values(every, trees, unit, spec.schema)
        if wider is not None:
            facts, values = [*facts, fact], wider
    columns, height = _crossed(values)
    possible = ~_true(tree, columns, height)
    for fact in facts:
        known = np.ones(height, dtype=bool)
        for leaf in fact.needs:
            known &= columns[leaf].is_not_null().to_numpy()
        possible &= ~(_true(fact.tree, columns, height) & known)
    return not possible.any()


def _true(tree: Node, columns: Mapping[Leaf, pl.Series], height: int) -> np.ndarray:
    own: dict[Node, pl.Series] = {leaf: columns[leaf] for leaf in _leaves(tree)}
    return np.asarray(evaluate_tree(tree, own, height).fill_null(value=False).to_numpy(), dtype=bool)


def _crossed(values: Mapping[Leaf, pl.Series]) -> tuple[dict[Leaf, pl.Series], int]:
    """Every combination of values, as a column for each leaf."""
    sizes = [len(series) for series in values.values()]
    height = int(np.prod(sizes)) if sizes else 1
    places = np.unravel_index(np.arange(height), sizes) if sizes else ()
    return {
        leaf: own.gather(pl.Series(place)) for (leaf, own), place in zip(values.items(), places, strict=True)
    }, height


def _leaves(tree: Node) -> list[Leaf]:
    if isinstance(tree, Reference | Aggregate):
        return [tree]
    below = tree.operands if isinstance(tree, Operation) else tree.keys if isinstance(tree, Lookup) else ()
    return list(dict.fromkeys(leaf for operand in below for leaf in _leaves(operand)))


def _opened(node: Node, unit: Unit, schema: Schema) -> Node | None:
    """Put expressions in the place of the unit's derived variables; None where a value would have to be rounded."""
    if isinstance(node, Reference) and node.unit in (None, unit.name):
        derived = {d.name: d for d in unit.derived}.get(node.name)
        if derived is None:
            return Reference(None, node.name)
        return _opened(derived.expression.tree, unit, schema) if _is_whole(derived) else None
    if isinstance(node, Aggregate) and node.function in ("any", "all"):
        return _as_count(node)
    return _within(node, lambda below: _opened(below, unit, schema))


def _as_count(node: Aggregate) -> Node:
    """Say `any` and `all` by how many, so that they are known to be the same."""
    if node.function == "any":
        return Operation(">=", (Aggregate("count", node.operand), Literal(1.0)))
    return Operation("==", (Aggregate("count", Operation("not", (node.operand,))), Literal(0.0)))


def _within(node: Node, change: Callable[[Node], Node | None]) -> Node | None:
    """Change what a node is computed from; None where something of it is."""
    if not isinstance(node, Operation | Lookup):
        return node
    changed = [change(below) for below in (node.operands if isinstance(node, Operation) else node.keys)]
    kept = tuple(below for below in changed if below is not None)
    if len(kept) < len(changed):
        return None
    return Operation(node.symbol, kept) if isinstance(node, Operation) else replace(node, keys=kept)


def _is_whole(derived: Derived) -> bool:
    """Whether an expression gives the derived variable's value as it is, with nothing to round down."""
    if isinstance(derived.variable, Category) or not derived.variable.integer:
        return True
    tree = derived.expression.tree
    return isinstance(tree, Reference) or (isinstance(tree, Aggregate) and tree.function != "mean")


def _facts(spec: Spec, unit: str) -> Iterator[_Fact]:
    """What rules of the unit, its children and its ancestors, and its tables, say that no record of the unit is."""
    schema, home = spec.schema, spec.schema[unit]
    for rule in spec.rules:
        lifted = _lifted(rule, home, schema)
        opened = _opened(lifted, home, schema) if lifted is not None else None
        if opened is not None:
            of_child = schema[rule.unit].parent == unit
            yield _Fact(opened, tuple(_firsts(opened)) if of_child else ())
    for table in spec.targets:
        if isinstance(table, Table) and table.unit == unit and table.universe is None and table.trust >= 1:
            for tree in _zeros(table):
                opened = _opened(tree, home, schema)
                if opened is not None:
                    yield _Fact(opened)


def _counts(leaves: Sequence[Leaf], home: Unit, schema: Schema) -> Iterator[_Fact]:
    """Where the first child is of a kind, the children of that kind are not none."""
    for leaf in leaves:
        if isinstance(leaf, Aggregate) and leaf.function == "count":
            child = _child_of(leaf, home, schema)
            first = _of_first(leaf.operand, child, home) if child is not None else None
            opened = _opened(first, home, schema) if first is not None else None
            if opened is not None:
                nobody = Operation("==", (leaf, Literal(0.0)))
                yield _Fact(Operation("and", (opened, nobody)), tuple(_firsts(opened)))


def _firsts(tree: Node) -> list[Leaf]:
    return [leaf for leaf in _leaves(tree) if isinstance(leaf, Aggregate)]


def _child_of(leaf: Aggregate, home: Unit, schema: Schema) -> Unit | None:
    """The child unit that a function goes over."""
    named = {below.unit for below in _leaves(leaf.operand) if isinstance(below, Reference)}
    return next((child for child in schema.children(home.name) if child.name in named), None)


def _lifted(rule: Rule, home: Unit, schema: Schema) -> Node | None:
    """Say a rule of the unit, of its children (about the first of them) or of an ancestor on the unit's records."""
    if rule.unit == home.name:
        return rule.forbid.tree
    if schema[rule.unit].parent == home.name:
        return _of_first(rule.forbid.tree, schema[rule.unit], home)
    if rule.unit in {above.name for above in schema.ancestors(home.name)}:
        return _of_parent(rule.forbid.tree, rule.unit)
    return None


def _of_first(node: Node, child: Unit, home: Unit) -> Node | None:
    """Say a condition on a child record of the first child, on its parent; None where it looks further."""
    if isinstance(node, Reference):
        if node.unit == home.name:
            return Reference(None, node.name)
        if node.unit not in (None, child.name):
            return None
        if is_position(child, node.name):
            return Literal(1.0)
        return Aggregate("first", Reference(child.name, node.name))
    return None if isinstance(node, Aggregate) else _within(node, lambda below: _of_first(below, child, home))


def _of_parent(node: Node, owner: str) -> Node | None:
    """Say a condition on a record of a record below it; None where it looks at children."""
    if isinstance(node, Reference):
        return Reference(node.unit or owner, node.name)
    return None if isinstance(node, Aggregate) else _within(node, lambda below: _of_parent(below, owner))


def _zeros(table: Table) -> Iterator[Node]:
    """The cells that a table gives as zero, as conditions; of a large table the levels that are zero as a whole."""
    if table.margins_of_error is not None:
        return
    counts = dict(zip(table.cells, table.values, strict=True))
    levels = [list(dict.fromkeys(cell[k] for cell in table.cells)) for k in range(len(table.columns))]
    if np.prod([len(own) for own in levels], dtype=float) <= MOST_ZEROS:
        cells: Sequence[tuple[Level, ...]] = [cell for cell in product(*levels) if not counts.get(cell)]
        for cell in cells:
            yield Operation("and", tuple(_is(name, level) for name, level in zip(table.columns, cell, strict=True)))
        return
    for k, name in enumerate(table.columns):
        filled = {cell[k] for cell, value in counts.items() if value}
        yield from (_is(name, level) for level in levels[k] if level not in filled)


def _is(column: str, level: Level) -> Node:
    prefix, _, name = column.rpartition(".")
    reference = Reference(prefix or None, name)
    if not isinstance(level, Interval):
        return Operation("in", (reference, Choices((level,))))
    above, below = Operation(">=", (reference, Literal(level.low))), Operation("<", (reference, Literal(level.high)))
    return Operation("and", (above, below))


def _values(leaves: Sequence[Leaf], trees: Sequence[Node], unit: str, schema: Schema) -> dict[Leaf, pl.Series] | None:
    """The values to try of each leaf; None where they cannot be listed, or are too many together."""
    names = {leaf: Reference(None, f"leaf {number}") for number, leaf in enumerate(leaves)}
    renamed = [Expression("", _renamed(tree, names)) for tree in trees]
    found = dict[Leaf, pl.Series]()
    for leaf in leaves:
        values = _domain(leaf, names[leaf].name, renamed, schema[unit], schema)
        if values is None:
            return None
        found[leaf] = values
    return found if np.prod([len(own) for own in found.values()], dtype=float) <= LARGEST else None


def _renamed(node: Node, names: Mapping[Leaf, Reference]) -> Node:
    if isinstance(node, Reference | Aggregate):
        return names[node]
    return _within(node, lambda below: _renamed(below, names)) or node


def _domain(leaf: Leaf, name: str, trees: Sequence[Expression], unit: Unit, schema: Schema) -> pl.Series | None:
    variable, may_lack = _variable(leaf, unit, schema)
    if variable is None:
        return None
    if isinstance(variable, Category):
        values = pl.Series(list(variable.levels), dtype=pl.String)
    else:
        points = _points(variable, name, trees)
        if points is None:
            return None
        values = pl.Series(points, dtype=pl.Float64).cast(pl.Int64 if variable.integer else pl.Float64)
    return values.extend_constant(None, 1) if may_lack else values


def _points(variable: Numeric, name: str, trees: Sequence[Expression]) -> list[float] | None:
    low, high = variable.range.low, variable.range.high
    if variable.integer and high - low <= MOST_VALUES:
        return [float(value) for value in range(int(np.ceil(low)), int(np.ceil(high)))]
    cuts = {low}
    for tree in trees:
        points, computed = cut_points(tree, name, integer=variable.integer)
        if computed:
            return None
        cuts |= {point for point in points if low < point < high}
    ends = [*sorted(cuts), high]
    if variable.integer:
        return [float(np.ceil(cut)) for cut in ends[:-1]]
    return [*ends[:-1], *((a + b) / 2 for a, b in pairwise(ends))]


def _variable(leaf: Leaf, unit: Unit, schema: Schema) -> tuple[Category | Numeric | None, bool]:
    """What values a leaf may take, and whether it may have none."""
    if isinstance(leaf, Reference):
        owner = schema[leaf.unit or unit.name]
        if is_position(owner, leaf.name):
            return Numeric(
                name=leaf.name, kind="integer", range=Interval(1.0, _most_children(owner, schema) + 1)
            ), False
        variable = owner.variable(leaf.name)
        return (variable if isinstance(variable, Category | Numeric) else None), False
    inner, child = leaf.operand, _child_of(leaf, unit, schema)
    if child is None or leaf.function == "previous":
        return None, False
    if leaf.function == "count":
        return Numeric(name="", kind="integer", range=Interval(0.0, _most_children(child, schema) + 1)), False
    if leaf.function not in ("first", "last", "min", "max") or not isinstance(inner, Reference):
        return None, False
    of_child = child.variable(inner.name) if not is_position(child, inner.name) else None
    count = schema[unit.name].variable(child.count or "")
    nobody = not isinstance(count, Numeric) or count.range.low <= 0
    return (of_child if isinstance(of_child, Category | Numeric) else None), nobody


def _most_children(child: Unit, schema: Schema) -> float:
    count = schema[child.parent or ""].variable(child.count or "")
    return float(np.ceil(count.range.high)) - 1 if isinstance(count, Numeric) else float(MOST_VALUES)
