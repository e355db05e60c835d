"""How derived numbers move with the numbers that they are computed from: their slopes at the values as they are.

A row of a matrix of slopes belongs to a record of a unit, a column to one number of one record of any unit. Slopes are those of
the branch taken, of the child chosen; a whole number that is rounded down is taken to move along. (Forward differentiation,
Wengert 1964.)
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

from llmsynthor.records.linked import Links, Nested, evaluate_at
from llmsynthor.spec.expressions import Aggregate, Node, Operation, Reference, walk

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Matrix = Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Slopes:
    """Records with their values, and where the columns of each number that can move begin, of `size` columns in all."""

    nested: Nested
    first: Mapping[tuple[str, str], int]
    size: int
    known: dict[tuple[str, str], Matrix] = field(default_factory=dict)

    def of(self, unit: str, name: str) -> Matrix:
        """Slopes of a variable, own or derived, of every record of a unit: (records, columns)."""
        if (unit, name) not in self.known:
            derived = {own.name: own for own in self.nested.schema[unit].derived}
            records = self.nested.frames[unit].height
            if name in derived:
                found = self._node(derived[name].expression.tree, unit, unit)
            elif (unit, name) in self.first:
                places = (np.arange(records), self.first[unit, name] + np.arange(records))
                found = csr_array((np.ones(records), places), shape=(records, self.size))
            else:
                found = self._none(unit)
            self.known[unit, name] = found
        return self.known[unit, name]

    def above(self, unit: str, name: str) -> Matrix:
        """The same of a column as a target names it, which may be that of a unit above."""
        prefix, _, plain = name.rpartition(".")
        return self._node(Reference(prefix or None, plain), unit, unit)

    def _none(self, unit: str) -> Matrix:
        return csr_array((self.nested.frames[unit].height, self.size))

    def _node(self, node: Node, home: str, at: str) -> Matrix:
        """Slopes of an expression on the records of unit `at`; names without a unit are those of `home`."""
        if isinstance(node, Reference):
            owner = node.unit or home
            if owner == at:
                return self.of(at, node.name)
            parent = self.nested.schema[at].parent
            assert parent is not None
            return self._node(Reference(owner, node.name), owner, parent)[self.nested.links[at].parents]
        if isinstance(node, Aggregate):
            return self._aggregate(node, home, at)
        if isinstance(node, Operation) and node.symbol in SLOPES:
            parts = [self._node(operand, home, at) for operand in node.operands]
            if any(part.nnz for part in parts):
                return SLOPES[node.symbol](parts, lambda k: self._values(node.operands[k], home, at))
        return self._none(at)

    def _values(self, node: Node, home: str, at: str) -> Floats:
        values = evaluate_at(node, home, at, self.nested)
        return np.asarray(
            np.nan_to_num(values.cast(pl.Float64, strict=False).fill_null(0.0).to_numpy().astype(np.float64))
        )

    def _aggregate(self, node: Aggregate, home: str, at: str) -> Matrix:
        links = self.nested.links
        if node.function == "previous":
            return _taken(self._node(node.operand, home, at), links[at].previous)
        below = {unit.name for unit in self.nested.schema.children(at)}
        child = next(str(reference.unit) for reference in walk(node.operand) if reference.unit in below)
        if node.function in ("count", "any", "all"):
            return self._none(at)
        own, link = self._node(node.operand, home, child), links[child]
        if not own.nnz:
            return self._none(at)
        if node.function in ("first", "last"):
            return _taken(own, link.first if node.function == "first" else link.last)
        values = evaluate_at(node.operand, home, child, self.nested).cast(pl.Float64)
        there = values.is_not_null().to_numpy()
        if node.function in ("min", "max"):
            return _taken(own, _extreme(values.fill_null(0.0).to_numpy(), there, link, largest=node.function == "max"))
        number = np.bincount(link.parents[there], minlength=len(link.counts))
        each = 1.0 / np.maximum(number, 1) if node.function == "mean" else np.ones(len(number))
        rows = np.flatnonzero(there)
        members = csr_array((each[link.parents[rows]], (link.parents[rows], rows)), shape=(len(number), len(there)))
        return (members @ own).tocsr()


def _taken(matrix: Matrix, rows: Rows) -> Matrix:
    """Rows of a matrix; none where the number of the row is negative."""
    there = np.flatnonzero(rows >= 0)
    chosen = csr_array((np.ones(len(there)), (there, rows[there])), shape=(len(rows), matrix.shape[0]))
    return (chosen @ matrix).tocsr()


def _extreme(values: Floats, there: NDArray[np.bool_], link: Links, *, largest: bool) -> Rows:
    """The child with the largest or smallest value of each parent, -1 where there is none; (parents,)."""
    found, rows = np.full(len(link.counts), -1, dtype=np.int64), np.flatnonzero(there)
    order = rows[np.argsort(values[rows] if largest else -values[rows], kind="stable")]
    found[link.parents[order]] = order
    return found


Parts = list[Matrix]
Of = Callable[[int], Floats]


def _scaled(factor: Floats, matrix: Matrix) -> Matrix:
    return (diags_array(factor) @ matrix).tocsr()


def _divided(parts: Parts, of: Of) -> Matrix:
    below = of(1)
    inverse = np.where(below != 0, 1.0 / np.where(below != 0, below, 1.0), 0.0)
    return _scaled(inverse, parts[0]) - _scaled(of(0) * inverse**2, parts[1])


def _chosen(parts: Parts, of: Of) -> Matrix:
    taken = of(0) != 0
    return _scaled(taken.astype(np.float64), parts[1]) + _scaled((~taken).astype(np.float64), parts[2])


def _outermost(parts: Parts, of: Of, sign: float) -> Matrix:
    best = np.argmax(np.stack([sign * of(k) for k in range(len(parts))]), axis=0)
    return sum((_scaled((best == k).astype(np.float64), part) for k, part in enumerate(parts)), 0 * parts[0])


SLOPES: Mapping[str, Callable[[Parts, Of], Matrix]] = {
    "+": lambda parts, of: parts[0] + parts[1],
    "-": lambda parts, of: parts[0] - parts[1],
    "neg": lambda parts, of: -parts[0],
    "*": lambda parts, of: _scaled(of(1), parts[0]) + _scaled(of(0), parts[1]),
    "/": _divided,
    "abs": lambda parts, of: _scaled(np.sign(of(0)), parts[0]),
    "floor": lambda parts, of: parts[0],
    "if": _chosen,
    "min": lambda parts, of: _outermost(parts, of, -1.0),
    "max": lambda parts, of: _outermost(parts, of, 1.0),
}
"""Slopes of each operation from those of its operands and their values; all others have none."""
