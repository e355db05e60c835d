"""Goals compiled to the flat arrays that the kernels read."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.goals import Goal, Goals
from llmsynthor.aims.grid import Projection
from llmsynthor.aims.quantiles import QuantileGoal
from llmsynthor.alignment.cells import Potential, is_free, scaled_to
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
class Compiled:
    """A program with the values that go with its cells, shape (cells,).

    `fixed` log-weights and target `shares`; `is_target` marks cells whose θ is fitted, `is_hard` those that whole records are
    walked to, `is_slack` those of `between`. `decay` pulls the θ of soft targets back to zero; `weight` says how dear an error
    is where not all can be met. `tables` holds the first and last cell (the last not in) of every table, `free` those of groups
    of cells that want their shares of as many records as they hold now, `between` the first cell of every quantile with values
    on the spot, with its share. `moments` are the number of the first mean among the tables, and its first cell.
    """

    program: Program
    fixed: Floats
    shares: Floats
    is_target: NDArray[np.bool_]
    is_hard: NDArray[np.bool_]
    is_slack: NDArray[np.bool_]
    decay: Floats
    weight: Floats
    tables: tuple[tuple[int, int], ...]
    free: tuple[tuple[int, int], ...]
    between: tuple[tuple[int, float], ...]
    moments: tuple[int, int]

    def goal(self, counts: Integers, records: float) -> Floats:
        """Wanted records per cell, given the records there are."""
        return self.scaled(self.shares * records, counts)

    def scaled(self, goal: Floats, counts: Integers) -> Floats:
        """Bring groups of cells whose size is free to the size they have now."""
        goal = scaled_to(goal, counts, self.free)
        for first, share in self.between:
            below, on, above = counts[first : first + 3]
            total = below + on + above
            goal[first], goal[first + 2] = min(below, share * total), min(above, (1 - share) * total)
            goal[first + 1] = total - goal[first] - goal[first + 2]
        return goal


def compile_goals(goals: Goals, potentials: Sequence[Potential]) -> Compiled:
    """Lay out all tables, quantiles and means, then the zeros and the potentials, then the moves."""
    tilts = [Potential(projection=m.projection, values=np.zeros(m.projection.size)) for m in goals.moments]
    zeros = [Potential(projection=z.projection, values=np.where(z.forbidden, -np.inf, 0.0)) for z in goals.zeros]
    behind = [*tilts, *zeros, *potentials]
    targets: list[Goal | QuantileGoal] = [*goals.tables, *goals.quantiles]
    projections = [*(t.projection for t in targets), *(potential.projection for potential in behind)]
    starts = np.cumsum([1, *(projection.size for projection in projections)])
    values = {name: np.zeros(starts[-1]) for name in ("fixed", "shares", "decay", "weight")}
    for target, start in zip(targets, starts, strict=False):
        here = slice(start, start + target.projection.size)
        values["shares"][here] = target.shares * (target.per_base if isinstance(target, Goal) else 1.0)
        values["decay"][here] = (1 - target.trust) / target.trust
        values["weight"][here] = target.weights
    for potential, start in zip(behind, starts[len(targets) :], strict=False):
        values["fixed"][start : start + potential.projection.size] = potential.values
    n_tables, n_targets = len(goals.tables), len(targets)
    blocks = [(int(a), int(b)) for a, b in pairwise(starts[: n_targets + 1])]
    is_target = np.zeros(starts[-1], dtype=bool)
    is_target[1 : starts[n_targets]] = True
    between = tuple(p for q, b in zip(goals.quantiles, blocks[n_tables:], strict=True) for p in q.between(b[0]))
    is_slack = np.zeros_like(is_target)
    for first, _ in between:
        is_slack[first : first + 3] = True
    return Compiled(
        program=_assemble(goals, projections, starts),
        is_target=is_target,
        is_hard=is_target & (values["decay"] == 0),
        tables=tuple(blocks[:n_tables]),
        free=tuple(b for goal, b in zip(goals.tables, blocks, strict=False) if is_free(goal.table))
        + tuple(part for q, b in zip(goals.quantiles, blocks[n_tables:], strict=True) for part in q.parts(b[0])),
        between=between,
        is_slack=is_slack,
        moments=(n_targets, int(starts[n_targets])),
        **values,
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
