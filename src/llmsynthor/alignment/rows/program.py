"""Goals compiled to the flat arrays that the kernels read."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.goals import Goal, Goals
from llmsynthor.aims.grid import Projection
from llmsynthor.aims.quantiles import QuantileGoal
from llmsynthor.alignment.cells import Cells, Potential, lay_out_cells
from llmsynthor.alignment.layout import (
    LARGEST_JOINT_MOVE,
    LARGEST_RULE_MOVE,
    Offsets,
    as_array,
    clusters,
    joint_offsets,
    move_chances,
    small_enough,
)
from llmsynthor.alignment.zeros import lay_out_zeros

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


class Program(NamedTuple):
    """Tables and moves as flat arrays; `x_ptr` holds where each table's or move's entries start.

    Cells of all tables are numbered through; cell 0 is nowhere: the place of records outside a table's universe.
    The first `sweep_moves` moves are those of a Gibbs sweep, the others serve the correction only. `move_chance` is the
    probability with which a sweep tries a move on a record: large moves are tried on few.
    """

    table_ptr: Integers
    table_axis: Integers
    table_offset: Integers
    offsets: Integers
    cell_ptr: Integers
    cells: Integers
    move_ptr: Integers
    move_table: Integers
    move_offset: Integers
    move_size: Integers
    move_axis_ptr: Integers
    move_axis: Integers
    move_axis_size: Integers
    move_chance: Floats
    sweep_moves: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled(Cells):
    """A program with its cells; `moments` are the number of the first mean among the tables, and its first cell."""

    program: Program
    moments: tuple[int, int]


def compile_goals(goals: Goals, potentials: Sequence[Potential]) -> Compiled:
    """Lay out all tables, quantiles and means, then the zeros and the potentials, then the moves."""
    tilts = [Potential(projection=m.projection, values=np.zeros(m.projection.size)) for m in goals.moments]
    behind = [*tilts, *lay_out_zeros(goals.zeros, goals.grid.sizes), *potentials]
    targets: list[Goal | QuantileGoal] = [*goals.tables, *goals.quantiles]
    projections = [*(t.projection for t in targets), *(potential.projection for potential in behind)]
    starts = np.cumsum([1, *(projection.size for projection in projections)])
    cells = lay_out_cells(targets, [0] * len(targets), starts)
    for potential, start in zip(behind, starts[len(targets) :], strict=False):
        cells["fixed"][start : start + potential.projection.size] = potential.values
    cells["is_rule"] = np.isneginf(cells["fixed"])
    return Compiled(
        program=_assemble(goals, projections, starts),
        moments=(len(targets), int(starts[len(targets)])),
        **cells,
    )


def _assemble(goals: Goals, projections: Sequence[Projection], starts: Integers) -> Program:
    sizes, offsets = goals.grid.sizes, Offsets()
    table_ptr, table_axis, table_offset, cell_ptr = [0], list[int](), list[int](), list[int]()
    cells: list[Integers] = []
    n_cells = 0
    for projection, start in zip(projections, starts, strict=False):
        table_axis += projection.axes
        table_offset += [offsets.add(piece) for piece in projection.offsets]
        table_ptr.append(len(table_axis))
        cell_ptr.append(n_cells)
        cells.append(np.where(projection.cells >= 0, projection.cells + start, 0))
        n_cells += len(projection.cells)
    moves = _moves(goals, projections)
    move_ptr, move_table, move_offset = [0], list[int](), list[int]()
    for axes in moves:
        for table, projection in enumerate(projections):
            if set(axes) & set(projection.axes):
                move_table.append(table)
                move_offset.append(offsets.add(joint_offsets(axes, projection, sizes)))
        move_ptr.append(len(move_table))
    flat = [axis for axes in moves for axis in axes]
    return Program(
        table_ptr=as_array(table_ptr),
        table_axis=as_array(table_axis),
        table_offset=as_array(table_offset),
        offsets=np.concatenate(offsets.pieces) if offsets.pieces else as_array([]),
        cell_ptr=as_array(cell_ptr),
        cells=np.concatenate(cells) if cells else as_array([]),
        move_ptr=as_array(move_ptr),
        move_table=as_array(move_table),
        move_offset=as_array(move_offset),
        move_size=as_array([int(np.prod([sizes[axis] for axis in axes])) for axes in moves]),
        move_axis_ptr=as_array(np.cumsum([0, *(len(axes) for axes in moves)])),
        move_axis=as_array(flat),
        move_axis_size=as_array([sizes[axis] for axis in flat]),
        move_chance=move_chances(moves, sizes, move_ptr, goals.frame),
        sweep_moves=len(sizes) + len(_rule_moves(goals)),
    )


def _rule_moves(goals: Goals) -> list[tuple[int, ...]]:
    """Variables that a rule ties together are redrawn together: no single change may lead past a wall of zeros."""
    own = (sorted(set(zeros.projection.axes) - {goals.frame}) for zeros in goals.zeros)
    tied = [tuple(axes) for axes in own if len(axes) > 1]
    pairs = {pair for axes in tied for pair in combinations(axes, 2)}
    return small_enough({*tied, *pairs, *clusters(tied)}, goals, LARGEST_RULE_MOVE)


def _moves(goals: Goals, projections: Sequence[Projection]) -> list[tuple[int, ...]]:
    singles = [(axis,) for axis in range(len(goals.grid.sizes))]
    rules = _rule_moves(goals)
    pairs: set[tuple[int, ...]] = set()
    for projection in (*(goal.projection for goal in goals.tables), *(moment.projection for moment in goals.moments)):
        pairs |= set(combinations(sorted(set(projection.axes) - {goals.frame}), 2))
    return [*singles, *rules, *(pair for pair in small_enough(pairs, goals, LARGEST_JOINT_MOVE) if pair not in rules)]
