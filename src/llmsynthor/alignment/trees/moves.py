"""What changes of nested records touch, laid out for the kernels: one variable, a whole row, numbers of children, ties."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.aims import Aims
from llmsynthor.aims.goals import Goal
from llmsynthor.aims.grid import Projection
from llmsynthor.aims.laws import stated_population
from llmsynthor.aims.layout import Layout, Place
from llmsynthor.aims.moments import Moment
from llmsynthor.aims.quantiles import QuantileGoal
from llmsynthor.alignment.trees.deal import count_shares
from llmsynthor.alignment.trees.reach import changed_columns, touched_tables
from llmsynthor.spec.expressions import Aggregate, Operation, Reference, nodes

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A table of one unit as the kernels see it: `places` are the columns that its projection reads.

    Without a goal its cells have `fixed` log-weights, or (`is_count`) tell how many children there are.
    """

    unit: int
    projection: Projection
    places: tuple[Place, ...]
    goal: Goal | QuantileGoal | Moment | None = None
    fixed: Floats | None = None
    is_count: bool = False


class Offsets:
    """Grows the one array of offsets, and says where each piece starts."""

    def __init__(self) -> None:
        self.pieces: list[Integers] = []
        self.length = 0

    def add(self, piece: Integers) -> int:
        self.pieces.append(np.asarray(piece, dtype=np.int64))
        self.length += len(piece)
        return self.length - len(piece)


def as_array(values: Sequence[int] | Integers) -> Integers:
    """Whole numbers as the kernels read them."""
    return np.asarray(values, dtype=np.int64)


def assemble_moves(aims: Aims, pieces: Sequence[Piece]) -> dict[str, Integers]:
    """Lay out what a change of each own variable touches, then what a change of all of a unit's does."""
    layout = aims.layout
    tables = [(piece.unit, piece.places) for piece in pieces]
    lists: dict[str, list[int]] = {name: [] for name in ("touch", "touch_scope", "far", "far_scope")}
    ends: dict[str, list[int]] = {name: [0] for name in ("touch_ptr", "far_ptr")}
    free = [_free_axes(layout, unit, aims.own[0].frame) for unit in range(len(layout.units))]
    singles = [(unit, (axis,)) for unit in range(len(layout.units)) for axis in range(layout.n_own(unit))]
    for unit, axes in [*singles, *enumerate(map(tuple, free))]:
        computed = changed_columns(layout, unit, axes)
        touched = touched_tables(tables, {(unit, axis): 1 for axis in axes} | computed)
        lists["touch"] += [layout.order.index(place) for place in computed]
        lists["touch_scope"] += computed.values()
        lists["far"] += touched
        lists["far_scope"] += touched.values()
        ends["touch_ptr"].append(len(lists["touch"]))
        ends["far_ptr"].append(len(lists["far"]))
    return {
        **{name: as_array(values) for name, values in {**lists, **ends}.items()},
        "single": as_array(list(range(len(singles)))),
        "whole": as_array([len(singles) + unit for unit in range(len(layout.units))]),
        "free_ptr": as_array(np.cumsum([0, *(len(own) for own in free)])),
        "free_axis": as_array([axis for own in free for axis in own]),
    }


def _free_axes(layout: Layout, unit: int, frame: int) -> list[int]:
    """Own columns that count no children and are no frame."""
    fixed = {*layout.counting(unit), *([frame] if not unit else [])}
    return [axis for axis in range(layout.n_own(unit)) if axis not in fixed]


def assemble_counts(aims: Aims) -> dict[str, Integers]:
    """Where each unit's parent says how many there are, and which units may have more or fewer.

    Those whose number no table and no mean fixes come first among the `open_unit`s (`is_open` 1); the number of the others (2)
    is met from the start, and needs to change only where other tables cannot be met without.
    """
    layout = aims.layout
    units = range(len(layout.units))
    places = [layout.count_column(unit) if unit else (-1, 0) for unit in units]
    values = [layout.values[place].astype(np.int64) if unit else as_array([1]) for unit, place in enumerate(places)]
    may = [unit for unit in units if unit > 0 and places.count(places[unit]) == 1 and len(values[unit]) > 1]
    fixed = [unit for unit in may if _is_settled(aims, unit)]
    is_open = {unit: 2 if unit in fixed else 1 for unit in may}
    counting = [layout.counting(unit) for unit in units]
    return {
        "count_column": as_array([column for _, column in places]),
        "count_size": as_array([len(own) for own in values]),
        "count_start": as_array(np.cumsum([0, *(len(own) for own in values)])),
        "count_value": np.concatenate(values),
        "is_open": as_array([is_open.get(unit, 0) for unit in units]),
        "open_unit": as_array(sorted(may, key=lambda unit: is_open[unit])),
        "has_children": as_array([int(bool(own)) for own in counting]),
        "counting_ptr": as_array(np.cumsum([0, *(len(own) for own in counting)])),
        "counting": as_array([axis for own in counting for axis in own]),
        "counting_size": as_array([layout.columns[unit][axis].axis.size for unit in units for axis in counting[unit]]),
    }


def _is_settled(aims: Aims, unit: int) -> bool:
    """Whether a table says how many records of a unit their parents have, or means or totals do where none counts them."""
    parent, axis = aims.layout.count_column(unit)
    own = aims.own[parent]
    sums = any(moment.axis == axis and np.isfinite(moment.values).all() for moment in own.moments)
    counted = stated_population(aims.spec, aims.layout.units[unit].name)
    return count_shares(own, axis) is not None or (sums and not counted)


def assemble_ties(aims: Aims) -> dict[str, Integers]:
    """Pairs of variables of which one of a record must match another of the next record (see `ties`), with the matching codes."""
    layout, found = aims.layout, [ties(aims, unit) for unit in range(len(aims.layout.units))]
    lists: dict[str, list[int]] = {name: [] for name in ("tie_first", "tie_second", "tie_start", "tie_back", "tie_map")}
    for unit, pairs in enumerate(found):
        for one, other in pairs:
            here, there = (layout.columns[unit][axis].axis.levels for axis in (one, other))
            lists["tie_first"].append(one)
            lists["tie_second"].append(other)
            for name, levels, matching in (("tie_start", here, there), ("tie_back", there, here)):
                lists[name].append(len(lists["tie_map"]))
                lists["tie_map"] += [matching.index(x) if x in matching else -1 for x in levels]
    ends = np.cumsum([0, *(len(pairs) for pairs in found)])
    return {"tie_ptr": as_array(ends), **{name: as_array(values) for name, values in lists.items()}}


def ties(aims: Aims, unit: int) -> list[tuple[int, int]]:
    """Own columns (a, b) of ordered records where an expression compares b with the a of the record before.

    If a rule asks for their being equal, neither can change alone: a trip starts where the last one ended.
    """
    layout, fixed = aims.layout, set(aims.layout.counting(unit))
    found = set()
    for column in layout.columns[unit]:
        for node in nodes(column.expression.tree) if column.expression is not None else ():
            if not isinstance(node, Operation) or node.symbol not in ("==", "!="):
                continue
            for one, other in (node.operands, node.operands[::-1]):
                inner = one.operand if isinstance(one, Aggregate) and one.function == "previous" else None
                if isinstance(inner, Reference) and isinstance(other, Reference):
                    found.add((layout.place(unit, inner), layout.place(unit, other)))
    own = [(a[1], b[1]) for a, b in found if a is not None and b is not None and a[0] == b[0] == unit]
    n_own = layout.n_own(unit)
    return sorted((a, b) for a, b in own if a != b and max(a, b) < n_own and not {a, b} & fixed)
