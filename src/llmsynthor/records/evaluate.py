"""Expressions over the records of one unit, computed in polars."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmsynthor.spec.expressions import (
    COMPARISONS,
    Choices,
    Expression,
    Literal,
    Lookup,
    Node,
    Operation,
    nodes,
    references,
)
from llmsynthor.spec.levels import Interval, Level


def evaluate(expression: Expression, frame: pl.DataFrame) -> pl.Series:
    """Evaluate over the records of one unit; returns one value per record. A comparison with a missing value is false."""
    return evaluate_tree(expression.tree, {r: frame[str(r)] for r in references(expression)}, frame.height)


def evaluate_tree(tree: Node, leaves: Mapping[Node, pl.Series], height: int) -> pl.Series:
    """Evaluate a tree whose references, and whose functions over children, have the given values, each shape (height,)."""
    frame, names = _columns([tree], leaves, height)
    result = frame.select(_translate(tree, names).alias("value"))["value"]
    return result if len(result) == height else result.new_from_index(0, height)


def count_true(trees: Sequence[Node], leaves: Mapping[Node, pl.Series], height: int) -> list[int]:
    """In how many records each condition is true; what they share is put into one frame, and each is a sum over it."""
    frame, names = _columns(trees, leaves, height)
    known = dict[Node, pl.Expr]()
    found = [_translate(tree, names, known).fill_null(value=False) for tree in trees]
    plain = [
        not any(node in names for node in nodes(tree)) for tree in trees
    ]  # of no column: one value for all records
    sums = [
        (own * height if alike else own).sum().alias(f"{k}")
        for k, (own, alike) in enumerate(zip(found, plain, strict=True))
    ]
    return [int(total) for total in frame.select(sums).row(0)] if trees else []


def _columns(
    trees: Sequence[Node], leaves: Mapping[Node, pl.Series], height: int
) -> tuple[pl.DataFrame, dict[Node, str]]:
    """All that trees are computed from, as columns, and the name of each."""
    tables: dict[Node, pl.Series] = {
        node: _look_up(node, leaves, height) for tree in trees for node in nodes(tree) if isinstance(node, Lookup)
    }
    leaves = {**leaves, **tables}
    names: dict[Node, str] = {leaf: f"{number}" for number, leaf in enumerate(leaves)}
    return pl.DataFrame([_wide(series).alias(names[leaf]) for leaf, series in leaves.items()]), names


def _wide(series: pl.Series) -> pl.Series:
    """Let no sum or difference overflow, and texts be texts."""
    if series.dtype.is_integer():
        return series.cast(pl.Int64)
    return series.cast(pl.String) if isinstance(series.dtype, pl.Categorical | pl.Enum) else series


def _translate(node: Node, names: Mapping[Node, str], known: dict[Node, pl.Expr] | None = None) -> pl.Expr:
    """A node as polars computes it; `known` holds what was translated before."""
    if node in names:
        return pl.col(names[node])
    if isinstance(node, Literal):
        return pl.lit(node.value)
    if not isinstance(node, Operation):
        raise KeyError(f"{node} has no value here")
    known = {} if known is None else known
    if node not in known:
        known[node] = _operate(node, names, known)
    return known[node]


def _operate(node: Operation, names: Mapping[Node, str], known: dict[Node, pl.Expr]) -> pl.Expr:
    if node.symbol in ("in", "not in"):
        left, choices = _translate(node.operands[0], names, known), node.operands[1]
        found = _is_in(left, choices.values if isinstance(choices, Choices) else ())
        return (found if node.symbol == "in" else ~found).fill_null(value=False)
    parts = [_translate(operand, names, known) for operand in node.operands]
    if node.symbol == "if":
        return pl.when(parts[0]).then(parts[1]).otherwise(parts[2])
    if node.symbol in ("min", "max"):
        chosen = pl.min_horizontal(parts) if node.symbol == "min" else pl.max_horizontal(parts)
        return pl.when(pl.all_horizontal([part.is_not_null() for part in parts])).then(chosen)
    simple: dict[str, Any] = {
        "not": lambda: ~parts[0],
        "neg": lambda: -parts[0],
        "and": lambda: pl.all_horizontal(parts),
        "or": lambda: pl.any_horizontal(parts),
        "abs": parts[0].abs,
        "floor": parts[0].floor,
        "+": lambda: parts[0] + parts[1],
        "-": lambda: parts[0] - parts[1],
        "*": lambda: parts[0] * parts[1],
        "/": lambda: parts[0] / parts[1],
        "<": lambda: parts[0] < parts[1],
        "<=": lambda: parts[0] <= parts[1],
        ">": lambda: parts[0] > parts[1],
        ">=": lambda: parts[0] >= parts[1],
        "==": lambda: parts[0] == parts[1],
        "!=": lambda: parts[0] != parts[1],
    }
    result: pl.Expr = simple[node.symbol]()
    return result.fill_null(value=False) if node.symbol in COMPARISONS.values() else result


def _is_in(left: pl.Expr, values: Sequence[float | str]) -> pl.Expr:
    """Compare with value after value: a list would have to be of the column's own kind of number."""
    return pl.any_horizontal([pl.lit(value=False), *(left == value for value in values)])


def _look_up(table: Lookup, leaves: Mapping[Node, pl.Series], height: int) -> pl.Series:
    """Take a table's value for each record; missing where a key is missing or none of its levels."""
    place, known = np.zeros(height, dtype=np.int64), np.ones(height, dtype=bool)
    for key, levels in zip(table.keys, table.levels, strict=True):
        own = places(evaluate_tree(key, leaves, height), levels)
        place, known = place * len(levels) + np.maximum(own, 0), known & (own >= 0)
    numbers = pl.Series(np.array(table.values)[place])
    values = pl.Series(table.texts, dtype=pl.String).gather(numbers.cast(pl.UInt32)) if table.texts else numbers
    return values.set(pl.Series(~known), None)


def places(values: pl.Series, levels: Sequence[Level]) -> NDArray[np.int64]:
    """Position of each value among levels that do not overlap, -1 where it is none of them; shape (records,)."""
    intervals = [level for level in levels if isinstance(level, Interval)]
    if not intervals:
        codes = values.cast(pl.String).cast(pl.Enum([str(level) for level in levels]), strict=False).to_physical()
        return codes.cast(pl.Int64).fill_null(-1).to_numpy()
    numbers = values.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    order = sorted(range(len(intervals)), key=lambda k: intervals[k])
    low, high = (np.array([getattr(intervals[k], end) for k in order]) for end in ("low", "high"))
    at = np.maximum(np.searchsorted(low, numbers, side="right") - 1, 0)
    return np.where((numbers >= low[at]) & (numbers < high[at]), np.array(order)[at], -1)
