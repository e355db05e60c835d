"""Aims compiled to the flat arrays that the kernels read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmsynthor.spec.expressions import Aggregate, Operation, Reference, nodes
from llmsynthor.synthesis.goals import Goal, Goals
from llmsynthor.synthesis.nested.aims import Aims
from llmsynthor.synthesis.nested.bytecode import compile_columns
from llmsynthor.synthesis.nested.layout import Layout, Place
from llmsynthor.synthesis.nested.reach import changed_columns, crossing_tables, touched_tables
from llmsynthor.synthesis.program import Potential
from llmsynthor.synthesis.projection import Projection
from llmsynthor.synthesis.quantiles import QuantileGoal

LARGEST_RULE_MOVE = 4_096
"""Variables that rules tie together are redrawn together where they have no more combinations than this."""

RULE_SHARE = 0.5
"""Cost of the redraws of several variables at once, beside that of single ones."""

FORBIDDEN = 1_000.0
"""Log-weight that a broken rule costs: no record takes it on, and one that begins with it is led out."""

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


class Program(NamedTuple):
    """Units, computed columns, tables and moves: all whole numbers in `ints`, all others in `reals`.

    Each field says where the entries of its name begin there; `x_ptr` holds where each one's part of x starts. (Two arrays, not
    forty: the kernels hand them to each other all the time.) Cells of all tables are numbered through; cell 0 is nowhere. A move
    redraws own columns of one row: its `local` tables are those of its unit that no computed column stands between; `touch` are
    the computed columns and `far` the tables that must be looked at besides, each with a scope (see `reach`). A tie is a pair of
    moves, one for a record and one for the next, with the level of the second that matches each of the first.
    """

    ints: Integers
    reals: Floats
    n_units: int
    n_tables: int
    n_computed: int
    largest_move: int
    parent: int
    n_own: int
    ops: int
    code_start: int
    computed_unit: int
    column: int
    kind: int
    size: int
    map_start: int
    map_size: int
    unit: int
    table_ptr: int
    table_unit: int
    table_column: int
    table_offset: int
    offsets: int
    cell_ptr: int
    cells: int
    unit_move: int
    move_unit: int
    move_size: int
    move_axis_ptr: int
    move_axis: int
    move_axis_size: int
    local_ptr: int
    local_table: int
    local_offset: int
    touch_ptr: int
    touch: int
    touch_scope: int
    far_ptr: int
    far: int
    far_scope: int
    swap_ptr: int
    swap_axis: int
    tie_ptr: int
    tie_first: int
    tie_second: int
    tie_start: int
    tie_map: int
    constants: int
    edges: int
    move_chance: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A table of one unit as the kernels see it: `places` are the columns that its projection reads."""

    unit: int
    projection: Projection
    places: tuple[Place, ...]
    goal: Goal | QuantileGoal | None = None
    fixed: Floats | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """A program with the values that go with its cells, shape (cells,).

    `arrays` are those of the program by name. `fixed` log-weights, target `shares`, and the `unit` whose records each cell
    counts. `is_hard` are the cells that whole records are walked to, `is_rule` those that no record may be in. `tables` and
    `free` as in `synthesis.program.Compiled`. `crossing` (units + own columns, tables) marks the tables that can tell when whole
    records, or one variable of theirs, change places.
    """

    program: Program
    arrays: Mapping[str, Integers | Floats]
    pieces: tuple[Piece, ...]
    fixed: Floats
    shares: Floats
    unit: Integers
    is_target: NDArray[np.bool_]
    is_hard: NDArray[np.bool_]
    is_rule: NDArray[np.bool_]
    decay: Floats
    weight: Floats
    tables: tuple[tuple[int, int], ...]
    free: tuple[tuple[int, int], ...]
    crossing: NDArray[np.bool_]

    def goal(self, counts: Integers, sizes: Sequence[float]) -> Floats:
        """Wanted records per cell, given the records there are and how many each unit has."""
        return self.scaled(self.shares * np.asarray(sizes, dtype=np.float64)[self.unit], counts)

    def scaled(self, goal: Floats, counts: Integers) -> Floats:
        """Bring groups of cells whose size is free to the size they have now."""
        goal = goal.copy()
        for first, last in self.free:
            total = goal[first:last].sum()
            goal[first:last] *= counts[first:last].sum() / total if total > 0 else 1.0
        return goal


def compile_aims(aims: Aims, priors: Sequence[tuple[int, Potential]]) -> Compiled:
    """Lay out all targets unit by unit, then rules and priors, then the moves; `priors` are on the units' own grids."""
    pieces = _pieces(aims, priors)
    starts = np.cumsum([1, *(piece.projection.size for piece in pieces)])
    values = {name: np.zeros(starts[-1]) for name in ("fixed", "shares", "decay", "weight")}
    unit, is_rule = np.zeros(starts[-1], dtype=np.int64), np.zeros(starts[-1], dtype=bool)
    for piece, start in zip(pieces, starts, strict=False):
        here = slice(start, start + piece.projection.size)
        unit[here] = piece.unit
        if piece.goal is not None:
            values["shares"][here] = piece.goal.shares
            values["decay"][here] = (1 - piece.goal.trust) / piece.goal.trust
            values["weight"][here] = piece.goal.weights
            if isinstance(piece.goal, Goal) and piece.goal.table.structural:
                values["fixed"][here] = np.where(piece.goal.stated <= 0, -FORBIDDEN, 0.0)
        if piece.fixed is not None:
            values["fixed"][here] = piece.fixed
        is_rule[here] = values["fixed"][here] <= -FORBIDDEN
    n_targets = sum(piece.goal is not None for piece in pieces)
    is_target = np.zeros(starts[-1], dtype=bool)
    is_target[1 : starts[n_targets]] = True
    blocks = tuple((int(a), int(b)) for a, b in pairwise(starts[: n_targets + 1]))
    arrays = _assemble(aims, pieces, starts)
    return Compiled(
        program=pack_program(arrays),
        arrays=arrays,
        pieces=pieces,
        unit=unit,
        is_target=is_target,
        is_hard=is_target & (values["decay"] == 0),
        is_rule=is_rule,
        tables=blocks,
        free=tuple(part for piece, block in zip(pieces, blocks, strict=False) for part in _free(piece, block)),
        crossing=_crossing(aims.layout, pieces),
        **values,
    )


def _free(piece: Piece, block: tuple[int, int]) -> list[tuple[int, int]]:
    if isinstance(piece.goal, QuantileGoal):
        return [*piece.goal.parts(block[0])]
    return [block] if isinstance(piece.goal, Goal) and piece.goal.table.universe is not None else []


def _pieces(aims: Aims, priors: Sequence[tuple[int, Potential]]) -> tuple[Piece, ...]:
    targets, fixed = [], []
    for unit, (wide, own) in enumerate(zip(aims.goals, aims.own, strict=True)):
        places = aims.layout.wide_places(unit)
        for goal in (*wide.tables, *own.quantiles):
            columns = tuple(places[axis] for axis in goal.projection.axes)
            targets.append(Piece(unit=unit, projection=goal.projection, places=columns, goal=goal))
        for zeros in own.zeros:
            weights = np.where(zeros.forbidden, -FORBIDDEN, 0.0)
            fixed.append(_own_piece(unit, zeros.projection, weights))
    for (unit, position), _ in aims.broken:
        flag = Projection(axes=(position,), offsets=(np.arange(3),), cells=np.array([0, 1, 0]), size=2)
        fixed.append(Piece(unit=unit, projection=flag, places=((unit, position),), fixed=np.array([0.0, -FORBIDDEN])))
    fixed += [_own_piece(unit, prior.projection, prior.values) for unit, prior in priors]
    return (*targets, *fixed)


def _own_piece(unit: int, projection: Projection, weights: Floats) -> Piece:
    places = tuple((unit, axis) for axis in projection.axes)
    return Piece(unit=unit, projection=projection, places=places, fixed=weights)


def _crossing(layout: Layout, pieces: Sequence[Piece]) -> NDArray[np.bool_]:
    """Rows: whole records of each unit, then every own column of every unit."""
    tables = [(piece.unit, piece.places) for piece in pieces]
    touched = [crossing_tables(layout, tables, unit) for unit in range(len(layout.units))]
    for unit in range(len(layout.units)):
        for axis in range(layout.n_own(unit)):
            changed = {(unit, axis): 1} | changed_columns(layout, unit, [axis])
            touched.append(set(touched_tables(tables, changed)))
    marks = np.zeros((len(touched), len(tables)), dtype=bool)
    for row, numbers in enumerate(touched):
        marks[row, sorted(numbers)] = True
    return marks


def pack_program(arrays: Mapping[str, Integers | Floats]) -> Program:
    """Put the arrays behind each other."""
    at = {"ints": 0, "reals": 0}
    parts: dict[str, list[Integers | Floats]] = {"ints": [], "reals": []}
    starts = {}
    for name, values in arrays.items():
        kind = "reals" if values.dtype == np.float64 else "ints"
        starts[name] = at[kind]
        parts[kind].append(values.ravel())
        at[kind] += values.size
    return Program(
        ints=np.concatenate(parts["ints"]).astype(np.int64),
        reals=np.concatenate(parts["reals"]),
        n_units=len(arrays["parent"]),
        n_tables=len(arrays["cell_ptr"]),
        n_computed=len(arrays["column"]),
        largest_move=int(arrays["move_size"].max(initial=1)),
        **starts,
    )


class _Offsets:
    """Grows the one array of offsets, and says where each piece starts."""

    def __init__(self) -> None:
        self.pieces: list[Integers] = []
        self.length = 0

    def add(self, piece: Integers) -> int:
        self.pieces.append(np.asarray(piece, dtype=np.int64))
        self.length += len(piece)
        return self.length - len(piece)


def _assemble(aims: Aims, pieces: Sequence[Piece], starts: Integers) -> dict[str, Integers | Floats]:
    layout, offsets = aims.layout, _Offsets()
    table_ptr, columns, table_offset, cell_ptr = [0], list[Place](), list[int](), list[int]()
    cells: list[Integers] = []
    n_cells = 0
    for piece, start in zip(pieces, starts, strict=False):
        columns += piece.places
        table_offset += [offsets.add(own) for own in piece.projection.offsets]
        table_ptr.append(len(columns))
        cell_ptr.append(n_cells)
        cells.append(np.where(piece.projection.cells >= 0, piece.projection.cells + start, 0))
        n_cells += len(piece.projection.cells)
    code = compile_columns(layout)
    swappable = [
        [axis for axis in range(layout.n_own(unit)) if axis not in layout.counting(unit)]
        for unit in range(len(layout.units))
    ]
    moves = _assemble_moves(aims, pieces, offsets)
    return {
        "parent": _array([layout.parent(unit) for unit in range(len(layout.units))]),
        "n_own": _array([layout.n_own(unit) for unit in range(len(layout.units))]),
        "ops": code.ops,
        "code_start": code.code_start,
        "constants": code.constants,
        "computed_unit": _array([unit for unit, _ in layout.order]),
        "column": _array([position for _, position in layout.order]),
        "kind": code.kind,
        "size": code.size,
        "map_start": code.map_start,
        "map_size": code.map_size,
        "edges": code.edges,
        "unit": _array([piece.unit for piece in pieces]),
        "table_ptr": _array(table_ptr),
        "table_unit": _array([unit for unit, _ in columns]),
        "table_column": _array([position for _, position in columns]),
        "table_offset": _array(table_offset),
        "offsets": np.concatenate([*offsets.pieces, np.zeros(1, dtype=np.int64)]),
        "cell_ptr": _array(cell_ptr),
        "cells": np.concatenate([*cells, np.zeros(1, dtype=np.int64)]),
        **_assemble_ties(aims),
        "swap_ptr": _array(np.cumsum([0, *(len(own) for own in swappable)])),
        "swap_axis": _array([axis for own in swappable for axis in own]),
        **moves,
    }


def _array(values: Sequence[int] | Integers) -> Integers:
    return np.asarray(values, dtype=np.int64)


def _assemble_moves(aims: Aims, pieces: Sequence[Piece], offsets: _Offsets) -> dict[str, NDArray[np.int64] | Floats]:
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
        **{name: _array(values) for name, values in {**lists, **ends}.items()},
        "unit_move": _array(np.cumsum([0, *of_unit])),
        "move_unit": _array([unit for unit, _ in moves]),
        "move_size": _array([int(np.prod(own)) for own in sizes] or [1]),
        "move_axis_ptr": _array(np.cumsum([0, *(len(own) for own in sizes)])),
        "move_axis": _array([axis for _, axes in moves for axis in axes]),
        "move_axis_size": _array([size for own in sizes for size in own]),
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


def _assemble_ties(aims: Aims) -> dict[str, Integers]:
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
        "tie_ptr": _array(np.cumsum([0, *(len(pairs) for pairs in found)])),
        "tie_first": _array(first),
        "tie_second": _array(second),
        "tie_start": _array(start),
        "tie_map": _array(level_map),
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
