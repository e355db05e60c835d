"""Where a condition may hold among the cells of a table, whatever the variables that the table does not have."""

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from llmsynthor.spec.apart import Cells, look_apart
from llmsynthor.spec.coded import coded_column
from llmsynthor.spec.expressions import (
    COMPARISONS,
    Aggregate,
    Choices,
    Expression,
    Literal,
    Lookup,
    Node,
    Operation,
    Reference,
    nodes,
    walk,
)
from llmsynthor.spec.inputs import is_position
from llmsynthor.spec.levels import Interval, Level
from llmsynthor.spec.possibility import Box, Levels, Span, possible
from llmsynthor.spec.schema import Category, Coded, Numeric, Schema
from llmsynthor.spec.targets import Table

Booleans = NDArray[np.bool_]
Integers = NDArray[np.int64]


def holds_in_cells(condition: Node, table: Table, schema: Schema) -> tuple[Booleans, Booleans] | None:
    """Say for each cell whether a condition on the table's unit may be true and whether it may be false, each shape (cells,).

    None where the condition uses no column of the table. Sound: functions over children, and comparisons with them, may be
    anything, unless a derived variable of the table is just that function.
    """
    tree = _known(condition, table, schema) if schema[table.unit].derived else condition
    variables: dict[str, Coded] = {}
    tree = _opened(tree, table.unit, schema, variables)
    names = list(variables)
    if not set(names) & set(table.columns):
        return None
    apart = _apart(tree, names, table, variables)
    if apart is not None:
        return apart
    boxes = {name: _box(table, name, variables[name]) for name in names}
    free = [name for name in names if name not in table.columns and isinstance(variables[name], Category)]
    may, may_not = np.zeros(len(table.cells), dtype=bool), np.zeros(len(table.cells), dtype=bool)
    for completion in _completions(free, _telling(tree, free, variables), len(table.cells)):
        one, other = possible(Expression("", tree), {**boxes, **completion})
        may, may_not = may | one, may_not | other
    return may, may_not


def fails_anyway(condition: Node, table: Table, schema: Schema) -> bool:
    """Whether a condition may be false in every cell: a part of it, joined by `and`, is about a variable not in the table."""
    joined = condition.operands if isinstance(condition, Operation) and condition.symbol == "and" else ()
    return any(_may_fail(part, table, schema) for part in joined)


def _may_fail(part: Node, table: Table, schema: Schema) -> bool:
    """Whether this is a condition on one variable of the unit that the table does not have, and false somewhere in its range."""
    named = set(walk(part))
    name = next(iter(named)).name if len(named) == 1 else ""
    if named != {Reference(None, name)} or name in table.columns or is_position(schema[table.unit], name):
        return False
    _, variable = schema.find(table.unit, name)
    assert isinstance(variable, Category | Numeric)
    found = look_apart(part, [name], [_anywhere(variable)])
    return found is not None and bool(found.may_not.any())


def _anywhere(variable: Coded) -> Cells:
    """The levels of a category, and the whole range of a number."""
    integer = isinstance(variable, Numeric) and variable.integer
    return Cells(variable.levels if isinstance(variable, Category) else _whole(variable.range), integer=integer)


def _apart(
    tree: Node, names: Sequence[str], table: Table, variables: Mapping[str, Coded]
) -> tuple[Booleans, Booleans] | None:
    """The same by the distinct levels of each column, where every part of the condition is about one variable."""
    held = {name: coded_column(table, table.columns.index(name)) if name in table.columns else None for name in names}
    cells = list[Cells]()
    for name in names:
        free, column = _anywhere(variables[name]), held[name]
        cells.append(free if column is None else Cells(column[0], integer=free.integer))
    found = look_apart(tree, names, cells)
    if found is None:
        return None
    free_axes = tuple(k for k, name in enumerate(names) if held[name] is None)
    may, may_not = (np.asarray(own.any(axis=free_axes)) for own in (found.may, found.may_not))
    rows = len(table.cells)
    if may.all() and may_not.all():
        return np.broadcast_to(np.True_, rows), np.broadcast_to(np.True_, rows)
    at = tuple(
        own[column[1]] for own, column in zip(found.classes, (held[name] for name in names), strict=True) if column
    )
    return may[at], may_not[at]


@lru_cache(maxsize=1024)
def _whole(interval: Interval) -> tuple[Interval, ...]:
    """A range as the one cell of an axis: the same object for the same range."""
    return (interval,)


def _known(node: Node, table: Table, schema: Schema) -> Node:
    """Put a derived variable of the table in the place of the function over children that it is."""
    for derived in schema[table.unit].derived:
        if derived.name in table.columns and isinstance(node, Aggregate) and derived.expression.tree == node:
            return Reference(None, derived.name)
    if isinstance(node, Operation):
        return Operation(node.symbol, tuple(_known(operand, table, schema) for operand in node.operands))
    return node


def _opened(node: Node, unit: str, schema: Schema, variables: dict[str, Coded]) -> Node:
    """Put a variable of its own in the place of whatever the cells of one unit cannot tell; collects all variables."""
    if isinstance(node, Literal | Choices):
        return node
    compared = isinstance(node, Aggregate) or (isinstance(node, Operation) and node.symbol in COMPARISONS.values())
    if compared and any(isinstance(below, Aggregate) for below in nodes(node)):
        name = f"unknown {len(variables)}"
        variables[name] = Numeric(name=name, kind="integer", range=Interval(0, 2))
        return Operation("==", (Reference(None, name), Literal(1.0)))
    if isinstance(node, Operation):
        operands = tuple(_opened(operand, unit, schema, variables) for operand in node.operands)
        alike = all(one is other for one, other in zip(operands, node.operands, strict=True))
        return node if alike else Operation(node.symbol, operands)
    if isinstance(node, Reference):
        own = node if node.unit != unit else Reference(None, node.name)
        if is_position(schema[own.unit or unit], own.name):
            variables[str(own)] = Numeric(name=own.name, kind="integer", range=Interval(1, 1e9))
        else:
            _, variable = schema.find(unit, str(own))
            assert isinstance(variable, Category | Numeric)
            variables[str(own)] = variable
        return own
    return node


def _box(table: Table, name: str, variable: Coded) -> Box:
    if name not in table.columns:
        if isinstance(variable, Category):
            return Levels(codes=np.zeros(len(table.cells), dtype=np.int64), levels=variable.levels)
        ends = np.ones(len(table.cells))
        return Span(low=variable.range.low * ends, high=variable.range.high * ends, integer=variable.integer)
    cells: Sequence[Level] = [cell[table.columns.index(name)] for cell in table.cells]
    if isinstance(variable, Category):
        index = {level: k for k, level in enumerate(variable.levels)}
        return Levels(codes=np.array([index[str(level)] for level in cells]), levels=variable.levels)
    intervals = [level for level in cells if isinstance(level, Interval)]
    low, high = (np.array([getattr(level, end) for level in intervals]) for end in ("low", "high"))
    return Span(low=low, high=high, integer=variable.integer)


def _telling(tree: Node, names: Sequence[str], variables: Mapping[str, Coded]) -> dict[str, tuple[str, ...]]:
    """The levels of each category that a condition can tell apart: those it names, and one that stands for all others.

    All of them where it looks up tables or compares what is no constant with what is none.
    """
    constants = Literal | Choices
    below = tuple(nodes(tree))
    comparing = [n for n in below if isinstance(n, Operation) and n.symbol in {*COMPARISONS.values(), "in", "not in"}]
    every = any(isinstance(node, Lookup) for node in below) or any(
        not any(isinstance(operand, constants) for operand in node.operands) for node in comparing
    )
    texts = {node.value for node in below if isinstance(node, Literal)}
    texts |= {value for node in below if isinstance(node, Choices) for value in node.values}
    found = dict[str, tuple[str, ...]]()
    for name in names:
        variable = variables[name]
        assert isinstance(variable, Category)
        others = [level for level in variable.levels if level not in texts]
        told = tuple(level for level in variable.levels if level in texts)
        found[name] = variable.levels if every else (*told, *others[:1])
    return found


def _completions(names: Sequence[str], levels: Mapping[str, tuple[str, ...]], rows: int) -> Iterator[dict[str, Box]]:
    """Give every combination of levels of the categories that the table does not have."""
    if not names:
        yield {}
        return
    own = levels[names[0]]
    for code in range(len(own)):
        box = Levels(codes=np.full(rows, code), levels=own)
        for rest in _completions(names[1:], levels, rows):
            yield {names[0]: box, **rest}
