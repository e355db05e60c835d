"""Records that follow each other in a number: where a rule forbids that it falls, siblings out of order are put in order."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from llmsynthor.aims.aims import Aims
from llmsynthor.aims.layout import Place
from llmsynthor.population.roster import Roster, rows_below
from llmsynthor.spec.expressions import Aggregate, Node, Operation, Reference


def put_in_order(aims: Aims, roster: Roster) -> Roster:
    """Sort the numbers of siblings that break such a rule; held top records cannot, since none that breaks a rule is held.

    One move at a time cannot: a day of ten trips with one in the wrong place is far from any that is right.
    """
    codes = list(roster.codes)
    for unit, column in _rising(aims):
        own = codes[unit].copy()
        rows, rank = rows_below(roster.start[unit], roster.length[unit])
        parent = np.repeat(np.arange(len(roster.length[unit])), roster.length[unit])
        falls = (np.diff(own[rows, column], prepend=0) < 0) & (rank > 0)
        wrong = np.isin(parent, parent[falls])
        by_value = np.lexsort((own[rows[wrong], column], parent[wrong]))
        own[rows[wrong], column] = own[rows[wrong][by_value], column]
        codes[unit] = own
    return replace(roster, codes=tuple(codes))


def _rising(aims: Aims) -> Iterator[Place]:
    """Own columns that a rule forbids to fall from one record to the next."""
    for unit, parts in enumerate(aims.layout.units):
        names = [column.name for column in aims.layout.columns[unit] if column.role == "own"]
        for rule in aims.spec.rules:
            name = _falls(rule.forbid.tree) if rule.unit == parts.name else None
            if name in names:
                yield unit, names.index(name)


def _falls(tree: Node) -> str | None:
    """The x of `x < previous(x)` or `previous(x) > x`."""
    if not isinstance(tree, Operation) or tree.symbol not in ("<", ">"):
        return None
    later, before = tree.operands if tree.symbol == "<" else tree.operands[::-1]
    same = isinstance(before, Aggregate) and before.function == "previous" and before.operand == later
    return later.name if same and isinstance(later, Reference) else None
