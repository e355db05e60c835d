"""Aims compiled to the flat arrays that the kernels read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.aims import Aims
from llmsynthor.aims.goals import Goal
from llmsynthor.aims.grid import Projection
from llmsynthor.aims.layout import Place
from llmsynthor.aims.moments import Moment
from llmsynthor.aims.quantiles import QuantileGoal
from llmsynthor.alignment.cells import Cells, Potential, lay_out_cells
from llmsynthor.alignment.trees.balances import assemble_balances
from llmsynthor.alignment.trees.bytecode import compile_columns
from llmsynthor.alignment.trees.moves import (
    Offsets,
    Piece,
    as_array,
    assemble_counts,
    assemble_moves,
    assemble_ties,
)
from llmsynthor.alignment.trees.reach import used_columns

FORBIDDEN = 1_000.0
"""Marks the cells that no record may be in."""

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """Units, computed columns and tables as flat arrays by name; `x_ptr` holds where each one's part of x starts.

    Cells of all tables are numbered through; cell 0 is nowhere. A *move* is a change of one own variable (`single`, by number of
    the variable) or of all of a unit's that count no children (`whole`): `touch` are the computed columns and `far` the tables
    that must be looked at then, each with a scope (see `reach`); `source` and `table_place` are the columns that a computed
    column and a table read. A tie is a pair of variables, one of a record and one of the next, with the code of either that
    matches each of the other.
    """

    arrays: Mapping[str, Integers | Floats]
    n_units: int
    n_tables: int
    n_computed: int
    n_columns: int
    n_open: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled(Cells):
    """A program with its cells, and what they are of: the pieces, targets first, and their first cells.

    `moments` are the means and totals, each with its unit and first cell.
    """

    program: Program
    pieces: tuple[Piece, ...]
    starts: Integers
    moments: tuple[tuple[int, int, Moment], ...]

    def cells_of(self, number: int) -> slice:
        """The cells of a piece."""
        return slice(int(self.starts[number]), int(self.starts[number + 1]))


def compile_aims(aims: Aims, priors: Sequence[tuple[int, Potential]]) -> Compiled:
    """Lay out all tables, quantiles and means, then rules, beliefs and priors; `priors` are on the units' own grids."""
    pieces = _pieces(aims, priors)
    starts = np.cumsum([1, *(piece.projection.size for piece in pieces)])
    targets = [(piece, piece.goal) for piece in pieces if isinstance(piece.goal, Goal | QuantileGoal)]
    cells = lay_out_cells([goal for _, goal in targets], [_base_of(aims, piece) for piece, _ in targets], starts)
    for piece, start in zip(pieces, starts, strict=False):
        here = slice(start, start + piece.projection.size)
        if isinstance(piece.goal, Goal) and piece.goal.table.structural:
            cells["is_rule"][here] = piece.goal.stated <= 0
        if piece.fixed is not None:
            cells["fixed"][here] = np.where(piece.fixed <= -FORBIDDEN, 0.0, piece.fixed)
            cells["is_rule"][here] = piece.fixed <= -FORBIDDEN
    return Compiled(
        program=_program(_assemble(aims, pieces, starts)),
        pieces=pieces,
        starts=starts,
        moments=tuple(
            (piece.unit, int(start), piece.goal)
            for piece, start in zip(pieces, starts, strict=False)
            if isinstance(piece.goal, Moment)
        ),
        **cells,
    )


def _base_of(aims: Aims, piece: Piece) -> int:
    """The unit whose records a target's shares are of."""
    base = piece.goal.table.base if isinstance(piece.goal, Goal) else None
    return aims.layout.number(base.unit) if base is not None else piece.unit


def _pieces(aims: Aims, priors: Sequence[tuple[int, Potential]]) -> tuple[Piece, ...]:
    tables, others, fixed = [], [], []
    for unit, (wide, own) in enumerate(zip(aims.goals, aims.own, strict=True)):
        places = aims.layout.wide_places(unit)
        for goal in wide.tables:
            columns = tuple(places[axis] for axis in goal.projection.axes)
            tables.append(Piece(unit=unit, projection=goal.projection, places=columns, goal=goal))
        others += [_own_piece(unit, goal.projection, goal=goal) for goal in own.quantiles]
        others += [_wide_piece(unit, places, goal) for goal in wide.quantiles]
        fixed += [_own_piece(unit, moment.projection, goal=moment) for moment in own.moments]
        fixed += [_wide_piece(unit, places, moment) for moment in wide.moments]
    for unit, own in enumerate(aims.own):
        for zeros in own.zeros:
            fixed.append(_own_piece(unit, zeros.projection, np.where(zeros.forbidden, -FORBIDDEN, 0.0)))
    for (unit, position), _ in aims.broken:
        flag = Projection(axes=(position,), offsets=(np.arange(3),), cells=np.array([0, 1, 0]), size=2)
        fixed.append(Piece(unit=unit, projection=flag, places=((unit, position),), fixed=np.array([0.0, -FORBIDDEN])))
    fixed += [_count_piece(aims, unit) for unit in range(1, len(aims.layout.units))]
    fixed += [_own_piece(unit, prior.projection, prior.values) for unit, prior in priors]
    for unit, projection, weights in aims.beliefs:
        every = aims.layout.wide_places(unit)
        named = tuple(every[axis] for axis in projection.axes)
        fixed.append(Piece(unit=unit, projection=projection, places=named, fixed=weights))
    return (*tables, *others, *fixed)


def _count_piece(aims: Aims, unit: int) -> Piece:
    place = aims.layout.count_column(unit)
    codes = np.arange(len(aims.layout.values[place]))
    cells = Projection(axes=(place[1],), offsets=(codes,), cells=codes, size=len(codes))
    return Piece(unit=place[0], projection=cells, places=(place,), is_count=True)


def _own_piece(
    unit: int, projection: Projection, fixed: Floats | None = None, *, goal: QuantileGoal | Moment | None = None
) -> Piece:
    places = tuple((unit, axis) for axis in projection.axes)
    return Piece(unit=unit, projection=projection, places=places, fixed=fixed, goal=goal)


def _wide_piece(unit: int, places: Sequence[Place], goal: QuantileGoal | Moment) -> Piece:
    columns = tuple(places[axis] for axis in goal.projection.axes)
    return Piece(unit=unit, projection=goal.projection, places=columns, goal=goal)


def _program(arrays: Mapping[str, Integers | Floats]) -> Program:
    return Program(
        arrays=arrays,
        n_units=len(arrays["parent"]),
        n_tables=len(arrays["cell_ptr"]),
        n_computed=len(arrays["column"]),
        n_columns=int(max([*arrays["n_own"], *(arrays["column"] + 1)])),
        n_open=int((arrays["is_open"] == 1).sum()),
    )


def _assemble(aims: Aims, pieces: Sequence[Piece], starts: Integers) -> dict[str, Integers | Floats]:
    layout = aims.layout
    units = range(len(layout.units))
    n_own = [layout.n_own(unit) for unit in units]
    n_columns = max([*n_own, *(position + 1 for _, position in layout.order)])
    used = [
        sorted({u * n_columns + k for (u, k), _ in used_columns(layout, place) if k >= 0}) for place in layout.order
    ]
    code = compile_columns(layout)
    own = [[k for k, piece in enumerate(pieces) if piece.unit == unit] for unit in units]
    plain = [
        [k for k in own[unit] if all(u == unit and a < n_own[unit] for u, a in pieces[k].places)] for unit in units
    ]
    return {
        "parent": as_array([layout.parent(unit) for unit in units]),
        "n_own": as_array(n_own),
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
        "source_ptr": as_array(np.cumsum([0, *(len(each) for each in used)])),
        "source": as_array([column for each in used for column in each]),
        "unit_ptr": as_array(np.cumsum([0, *(len(each) for each in own)])),
        "unit_table": as_array([table for each in own for table in each]),
        "own_ptr": as_array(np.cumsum([0, *(len(each) for each in plain)])),
        "own_table": as_array([table for each in plain for table in each]),
        "axis_number": as_array(np.cumsum([0, *n_own])),
        **_assemble_tables(pieces, starts, n_columns),
        **assemble_moves(aims, pieces),
        **assemble_counts(aims),
        **assemble_ties(aims),
        **assemble_balances(aims),
    }


def _assemble_tables(pieces: Sequence[Piece], starts: Integers, n_columns: int) -> dict[str, Integers]:
    offsets = Offsets()
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
    return {
        "unit": as_array([piece.unit for piece in pieces]),
        "table_ptr": as_array(table_ptr),
        "table_unit": as_array([unit for unit, _ in columns]),
        "table_column": as_array([position for _, position in columns]),
        "table_place": as_array([unit * n_columns + position for unit, position in columns]),
        "table_offset": as_array(table_offset),
        "offsets": np.concatenate([*offsets.pieces, np.zeros(1, dtype=np.int64)]),
        "cell_ptr": as_array(cell_ptr),
        "cells": np.concatenate([*cells, np.zeros(1, dtype=np.int64)]),
    }
