"""Aims compiled to the flat arrays that the kernels read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.aims import Aims
from llmsynthor.aims.goals import Goal
from llmsynthor.aims.layout import Layout, Place
from llmsynthor.aims.projection import Projection
from llmsynthor.aims.quantiles import QuantileGoal
from llmsynthor.alignment.cells import Potential, scaled_to
from llmsynthor.alignment.layout import Offsets, as_array
from llmsynthor.alignment.trees.bytecode import compile_columns
from llmsynthor.alignment.trees.moves import Piece, assemble_moves, assemble_ties
from llmsynthor.alignment.trees.reach import changed_columns, crossing_tables, needed_columns, touched_tables

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


class Crossing(NamedTuple):
    """What can tell when whole records, or one variable of theirs, change places: rows are units, then all own columns.

    `tables` (rows, tables) marks the tables, `columns` (rows, computed columns) what has to be computed to know their cells.
    """

    tables: NDArray[np.bool_]
    columns: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """A program with the values that go with its cells, shape (cells,).

    `arrays` are those of the program by name. `fixed` log-weights, target `shares`, and the `unit` whose records each cell
    counts. `is_hard` are the cells that whole records are walked to, `is_rule` those that no record may be in. `tables` and
    `free` as in `synthesis.program.Compiled`. `crossing` says who can tell when whole records change places.
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
    crossing: Crossing

    def goal(self, counts: Integers, sizes: Sequence[float]) -> Floats:
        """Wanted records per cell, given the records there are and how many each unit has."""
        wanted = self.shares * np.asarray(sizes, dtype=np.float64)[self.unit]
        return scaled_to(wanted, counts, self.free)


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
        goals: tuple[Goal | QuantileGoal, ...] = (*wide.tables, *own.quantiles)
        for goal in goals:
            columns = tuple(places[axis] for axis in goal.projection.axes)
            targets.append(Piece(unit=unit, projection=goal.projection, places=columns, goal=goal))
        for zeros in own.zeros:
            weights = np.where(zeros.forbidden, -FORBIDDEN, 0.0)
            fixed.append(_own_piece(unit, zeros.projection, weights))
    for (unit, position), _ in aims.broken:
        flag = Projection(axes=(position,), offsets=(np.arange(3),), cells=np.array([0, 1, 0]), size=2)
        fixed.append(Piece(unit=unit, projection=flag, places=((unit, position),), fixed=np.array([0.0, -FORBIDDEN])))
    fixed += [_own_piece(unit, prior.projection, prior.values) for unit, prior in priors]
    for unit, projection, weights in aims.beliefs:
        every = aims.layout.wide_places(unit)
        named = tuple(every[axis] for axis in projection.axes)
        fixed.append(Piece(unit=unit, projection=projection, places=named, fixed=weights))
    return (*targets, *fixed)


def _own_piece(unit: int, projection: Projection, weights: Floats) -> Piece:
    places = tuple((unit, axis) for axis in projection.axes)
    return Piece(unit=unit, projection=projection, places=places, fixed=weights)


def _crossing(layout: Layout, pieces: Sequence[Piece]) -> Crossing:
    tables = [(piece.unit, piece.places) for piece in pieces]
    touched = [crossing_tables(layout, tables, unit) for unit in range(len(layout.units))]
    for unit in range(len(layout.units)):
        for axis in range(layout.n_own(unit)):
            changed = {(unit, axis): 1} | changed_columns(layout, unit, [axis])
            touched.append(set(touched_tables(tables, changed)))
    crossing = Crossing(
        tables=np.zeros((len(touched), len(tables)), dtype=bool),
        columns=np.zeros((len(touched), len(layout.order)), dtype=bool),
    )
    for row, numbers in enumerate(touched):
        crossing.tables[row, sorted(numbers)] = True
        read = needed_columns(layout, [place for number in numbers for place in tables[number][1]])
        crossing.columns[row, sorted(read)] = True
    return crossing


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


def _assemble(aims: Aims, pieces: Sequence[Piece], starts: Integers) -> dict[str, Integers | Floats]:
    layout, offsets = aims.layout, Offsets()
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
    moves = assemble_moves(aims, pieces, offsets)
    return {
        "parent": as_array([layout.parent(unit) for unit in range(len(layout.units))]),
        "n_own": as_array([layout.n_own(unit) for unit in range(len(layout.units))]),
        "ops": code.ops,
        "code_start": code.code_start,
        "constants": code.constants,
        "computed_unit": as_array([unit for unit, _ in layout.order]),
        "column": as_array([position for _, position in layout.order]),
        "kind": code.kind,
        "size": code.size,
        "map_start": code.map_start,
        "map_size": code.map_size,
        "edges": code.edges,
        "unit": as_array([piece.unit for piece in pieces]),
        "table_ptr": as_array(table_ptr),
        "table_unit": as_array([unit for unit, _ in columns]),
        "table_column": as_array([position for _, position in columns]),
        "table_offset": as_array(table_offset),
        "offsets": np.concatenate([*offsets.pieces, np.zeros(1, dtype=np.int64)]),
        "cell_ptr": as_array(cell_ptr),
        "cells": np.concatenate([*cells, np.zeros(1, dtype=np.int64)]),
        **assemble_ties(aims),
        "swap_ptr": as_array(np.cumsum([0, *(len(own) for own in swappable)])),
        "swap_axis": as_array([axis for own in swappable for axis in own]),
        **moves,
    }


def with_every_move(compiled: Compiled) -> Compiled:
    """The same with every move tried in every sweep: costly moves are otherwise tried now and then."""
    program, number = compiled.program, len(compiled.arrays["move_chance"])
    reals = program.reals.copy()
    reals[program.move_chance : program.move_chance + number] = 1.0
    return replace(compiled, program=program._replace(reals=reals))
