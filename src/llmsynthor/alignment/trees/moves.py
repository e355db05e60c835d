"""The moves that change nested records, laid out for the kernels: redraws of one variable, of several, of two that must match."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.aims import Aims
from llmsynthor.aims.goals import Goal, Goals
from llmsynthor.aims.layout import Layout, Place
from llmsynthor.aims.projection import Projection
from llmsynthor.aims.quantiles import QuantileGoal
from llmsynthor.alignment.layout import Offsets, as_array
from llmsynthor.alignment.trees.reach import changed_columns, touched_tables
from llmsynthor.spec.expressions import Aggregate, Operation, Reference, nodes

LARGEST_RULE_MOVE = 4_096
"""Variables that rules tie together are redrawn together where they have no more combinations than this."""

RULE_SHARE = 0.5
"""Cost of the redraws of several variables at once, beside that of single ones."""

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A table of one unit as the kernels see it: `places` are the columns that its projection reads."""

    unit: int
    projection: Projection
    places: tuple[Place, ...]
    goal: Goal | QuantileGoal | None = None
    fixed: Floats | None = None


def assemble_moves(aims: Aims, pieces: Sequence[Piece], offsets: Offsets) -> dict[str, NDArray[np.int64] | Floats]:
    """Lay out every move with what it touches; `offsets` takes their look-ups."""
    layout = aims.layout
    tables = [(piece.unit, piece.places) for piece in pieces]
    lists: dict[str, list[int]] = {
        name: [] for name in ("local_table", "local_offset", "touch", "touch_scope", "far", "far_scope")
    }
    ends: dict[str, list[int]] = {name: [0] for name in ("local_ptr", "touch_ptr", "far_ptr")}
    moves = [(unit, axes) for unit in range(len(layout.units)) for axes in unit_moves(aims, unit)]
    for unit, axes in moves:
        computed = changed_columns(layout, unit, axes)
        touched = touched_tables(tables, {(unit, axis): 1 for axis in axes} | computed)
        for number, scope in touched.items():
            piece = pieces[number]
            if piece.unit == unit and not any(place in computed for place in piece.places):
                lists["local_table"].append(number)
                lists["local_offset"].append(offsets.add(_joint_offsets(layout, unit, axes, piece)))
            else:
                lists["far"].append(number)
                lists["far_scope"].append(scope)
        lists["touch"] += [layout.order.index(place) for place in computed]
        lists["touch_scope"] += computed.values()
        for name, entries in (("local_ptr", "local_table"), ("touch_ptr", "touch"), ("far_ptr", "far")):
            ends[name].append(len(lists[entries]))
    sizes = [[layout.columns[unit][axis].axis.size for axis in axes] for unit, axes in moves]
    of_unit = [sum(owner == unit for owner, _ in moves) for unit in range(len(layout.units))]
    return {
        **{name: as_array(values) for name, values in {**lists, **ends}.items()},
        "unit_move": as_array(np.cumsum([0, *of_unit])),
        "move_unit": as_array([unit for unit, _ in moves]),
        "move_size": as_array([int(np.prod(own)) for own in sizes] or [1]),
        "move_axis_ptr": as_array(np.cumsum([0, *(len(own) for own in sizes)])),
        "move_axis": as_array([axis for _, axes in moves for axis in axes]),
        "move_axis_size": as_array([size for own in sizes for size in own]),
        "move_chance": _chances(moves, sizes),
    }


def _chances(moves: Sequence[tuple[int, tuple[int, ...]]], sizes: Sequence[Sequence[int]]) -> Floats:
    """Let the redraws of several variables cost about as much as those of single ones, in each unit."""
    chances = np.ones(len(moves))
    cost = np.array([float(np.prod(own)) for own in sizes])
    for unit in {unit for unit, _ in moves}:
        single = np.array([owner == unit and len(axes) == 1 for owner, axes in moves])
        joint = np.array([owner == unit and len(axes) > 1 for owner, axes in moves])
        share = RULE_SHARE * cost[single].sum() / max(joint.sum(), 1)
        chances[joint] = np.minimum(1.0, np.maximum(share / cost[joint], 0.02))
    return chances


def _joint_offsets(layout: Layout, unit: int, axes: Sequence[int], piece: Piece) -> Integers:
    joint = np.zeros(1, dtype=np.int64)
    for axis in axes:
        size = layout.columns[unit][axis].axis.size
        own = np.zeros(size, dtype=np.int64)
        for place, offset in zip(piece.places, piece.projection.offsets, strict=True):
            if place == (unit, axis):
                own = own + offset[:size]
        joint = (joint[:, None] + own[None, :]).ravel()
    return joint


def assemble_ties(aims: Aims) -> dict[str, Integers]:
    """Pairs of moves that change a variable of one record and, to match, another of the next record (see `ties`)."""
    layout, found = aims.layout, [ties(aims, unit) for unit in range(len(aims.layout.units))]
    before = np.cumsum([0, *(len(unit_moves(aims, unit)) for unit in range(len(layout.units)))])
    first, second, start, level_map = list[int](), list[int](), list[int](), list[int]()
    for unit, pairs in enumerate(found):
        moves = unit_moves(aims, unit)
        for one, other in pairs:
            first.append(int(before[unit]) + moves.index((one,)))
            second.append(int(before[unit]) + moves.index((other,)))
            start.append(len(level_map))
            levels = layout.columns[unit][other].axis.levels
            level_map += [levels.index(x) if x in levels else -1 for x in layout.columns[unit][one].axis.levels]
    return {
        "tie_ptr": as_array(np.cumsum([0, *(len(pairs) for pairs in found)])),
        "tie_first": as_array(first),
        "tie_second": as_array(second),
        "tie_start": as_array(start),
        "tie_map": as_array(level_map),
    }


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


def unit_moves(aims: Aims, unit: int) -> list[tuple[int, ...]]:
    """Single own columns that count no children, then groups that rules tie together."""
    layout, fixed = aims.layout, set(aims.layout.counting(unit))
    singles = [(axis,) for axis in range(layout.n_own(unit)) if axis not in fixed]
    return [*singles, *_tied(aims.own[unit], fixed)]


def _tied(own: Goals, fixed: set[int]) -> list[tuple[int, ...]]:
    tied = [tuple(sorted(set(zeros.projection.axes) - fixed)) for zeros in own.zeros]
    groups = {axes for axes in tied if len(axes) > 1}
    groups |= {pair for axes in tied for pair in combinations(axes, 2)}
    clusters: list[set[int]] = []
    for axes in tied:
        touching = [cluster for cluster in clusters if cluster & set(axes)]
        clusters = [cluster for cluster in clusters if cluster not in touching] + [set(axes).union(*touching)]
    groups |= {tuple(sorted(cluster)) for cluster in clusters if len(cluster) > 1}
    sizes = own.grid.sizes
    return sorted(axes for axes in groups if np.prod([sizes[axis] for axis in axes]) <= LARGEST_RULE_MOVE)
