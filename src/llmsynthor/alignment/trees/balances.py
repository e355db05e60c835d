"""Columns that are kept in balance (see `aims.balance`): laid out for the kernels, and brought into balance at the start."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.aims import Aims
from llmsynthor.aims.balance import Equality, equalities, summed
from llmsynthor.aims.layout import Codes, Layout, Place
from llmsynthor.alignment.rounding import round_within
from llmsynthor.population.roster import Roster, rows_below
from llmsynthor.spec.expressions import Aggregate, Literal, Node, Reference, nodes

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """An own column whose sum over siblings a rule fixes: its values are `least`, `least + 1` ... of `step`s.

    The sum is `total`, or the value of the parent's column `of`; neither is known where the rule reckons it in another way.
    """

    axis: int
    size: int
    step: float
    least: int
    total: float | None = None
    of: int | None = None


def assemble_balances(aims: Aims) -> dict[str, Integers]:
    """The variables of each unit that are kept in balance: column, least value in steps, number of values."""
    found = [balances(aims.layout, unit) for unit in range(len(aims.layout.units))]
    lists = np.array([(b.axis, b.least, b.size) for own in found for b in own], dtype=np.int64).reshape(-1, 3).T.copy()
    return {
        "balance_ptr": np.cumsum([0, *(len(own) for own in found)]).astype(np.int64),
        "balance_axis": lists[0],
        "balance_base": lists[1],
        "balance_size": lists[2],
    }


def balances(layout: Layout, unit: int) -> list[Balance]:
    """Own columns of a unit whose sum over siblings a rule fixes."""
    parent, told = layout.parent(unit), dict[Place, Equality]()
    for column in layout.columns[parent] if parent >= 0 else ():
        if column.role == "rule" and column.expression is not None:
            for equality in equalities(column.expression.tree):
                told |= dict.fromkeys(_summed(layout, parent, equality.side), equality)
    fixed, found = set(layout.counting(unit)), []
    for (owner, axis), equality in sorted(told.items(), key=lambda entry: entry[0]):
        if owner == unit and axis < layout.n_own(unit) and axis not in fixed:
            balance = _in_steps(layout, unit, axis)
            found += [_with_total(layout, parent, equality, balance)] if balance is not None else []
    return found


def balanced(layout: Layout, roster: Roster) -> Roster:
    """Scale the siblings' values so that they add up, where their number lets them."""
    codes = list(roster.codes)
    for unit in range(1, len(layout.units)):
        for balance in balances(layout, unit):
            if balance.total is not None or balance.of is not None:
                above = codes[layout.parent(unit)]
                codes[unit] = _scaled(roster, unit, codes[unit], balance, _totals(layout, unit, above, balance))
    return replace(roster, codes=tuple(codes))


def _totals(layout: Layout, unit: int, above: Codes, balance: Balance) -> Floats:
    if balance.of is None:
        return np.full(len(above), balance.total)
    return layout.values[layout.parent(unit), balance.of][above[:, balance.of]]


def _scaled(roster: Roster, unit: int, codes: Codes, balance: Balance, totals: Floats) -> Codes:
    codes = codes.copy()
    length = roster.length[unit]
    for number in np.unique(length[length > 0]).tolist():
        parents = np.flatnonzero(length == number)
        rows = rows_below(roster.start[unit][parents], length[parents])[0].reshape(-1, number)
        held = np.rint(totals[parents] / balance.step).astype(np.int64) - number * balance.least
        rows, held = (part[(held >= 0) & (held <= number * (balance.size - 1))] for part in (rows, held))
        own = codes[rows, balance.axis].astype(np.float64) + 1e-9
        wanted = own * (held / own.sum(axis=1))[:, None]
        for _ in range(number):  # what a value has above the largest goes to the others
            over = np.maximum(wanted - (balance.size - 1), 0.0)
            room = np.maximum(balance.size - 1 - wanted, 0.0)
            wanted += room * (over.sum(axis=1) / np.maximum(room.sum(axis=1), 1e-300))[:, None] - over
        codes[rows, balance.axis] = round_within(wanted, held)
    return codes


def _summed(layout: Layout, parent: int, node: Node) -> set[Place]:
    """Columns of children that are summed in an expression, or in that of a derived variable it names."""
    own = {place for reference in summed(node) if (place := layout.place(parent, reference)) is not None}
    for part in nodes(node):
        place = layout.place(parent, part) if isinstance(part, Reference) else None
        column = layout.columns[parent][place[1]] if place is not None and place[0] == parent else None
        if column is not None and column.role == "derived" and column.expression is not None:
            own |= _summed(layout, parent, column.expression.tree)
    return own


def _in_steps(layout: Layout, unit: int, axis: int) -> Balance | None:
    """None where values are not one step from each other, or the least is no whole number of these."""
    values = layout.values.get((unit, axis))
    steps = np.unique(np.diff(values)) if values is not None and len(values) > 1 else np.zeros(0)
    if values is None or len(steps) != 1 or steps[0] <= 0 or values[0] % steps[0] != 0:
        return None
    return Balance(axis=axis, size=len(values), step=float(steps[0]), least=int(values[0] // steps[0]))


def _with_total(layout: Layout, parent: int, equality: Equality, balance: Balance) -> Balance:
    """What the sum always equals, if that is a number or a number of the parent, and it is that sum alone that does."""
    other = equality.other
    if not equality.always or not _is_a_sum(layout, parent, equality.side):
        return balance
    if isinstance(other, Literal) and isinstance(other.value, int | float):
        return replace(balance, total=float(other.value))
    place = layout.place(parent, other) if isinstance(other, Reference) else None
    if place is None or place[0] != parent or layout.columns[parent][place[1]].role != "own":
        return balance
    return replace(balance, of=place[1]) if place in layout.values else balance


def _is_a_sum(layout: Layout, parent: int, side: Node) -> bool:
    """Whether an expression is the sum of one variable and nothing else, or a derived variable that is."""
    place = layout.place(parent, side) if isinstance(side, Reference) else None
    if place is not None:
        derived = layout.columns[place[0]][place[1]].expression
        return derived is not None and _is_a_sum(layout, parent, derived.tree)
    return isinstance(side, Aggregate) and side.function == "sum" and isinstance(side.operand, Reference)
