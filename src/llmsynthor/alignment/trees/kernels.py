"""Compiled inner loops over nested records: expressions, the cells that a top record occupies, and redraws.

A top record is loaded with all records below it into a workspace: one row per record, its own codes, the computed columns
behind them, and the cell of every table that the row lies in. Plain arrays in, plain arrays changed in place. Every top record
draws from its own stream, seeded by (seed, sweep, record): neither the cut into chunks nor the workers change a result.
"""

import numba
import numpy as np

from llmsynthor.alignment.kernels_random import exp_below, mix, pick, stream
from llmsynthor.alignment.trees.kernels_expressions import compute

jit = numba.njit(nogil=True, cache=True)


@jit
def cell_of(program, space, table, row):
    """Find the cell of a table that a row lies in."""
    position = program.ints[program.cell_ptr + table]
    for k in range(program.ints[program.table_ptr + table], program.ints[program.table_ptr + table + 1]):
        own = space.ints[space.ancestor + row * space.n_units + program.ints[program.table_unit + k]]
        position += program.ints[
            program.offsets
            + program.ints[program.table_offset + k]
            + space.ints[space.code + own * space.n_columns + program.ints[program.table_column + k]]
        ]
    return program.ints[program.cells + position]


@jit
def load(program, roster, space, top):
    """Lay out a top record and all below it, without computed columns."""
    n_units = program.n_units
    space.ints[space.first + 0], space.ints[space.first + 1] = 0, 1
    space.ints[space.record + 0], space.ints[space.unit + 0] = top, 0
    space.ints[space.ancestor + 0 * space.n_units + 0] = 0
    n_rows = 1
    for unit in range(1, n_units):
        parent = program.ints[program.parent + unit]
        for row in range(space.ints[space.first + parent], space.ints[space.first + parent + 1]):
            place = roster.link[unit] + space.ints[space.record + row]
            start, length = roster.start[place], roster.length[place]
            space.ints[space.low + row * space.n_units + unit], space.ints[space.high + row * space.n_units + unit] = (
                n_rows,
                n_rows + length,
            )
            for k in range(length):
                space.ints[space.record + n_rows], space.ints[space.unit + n_rows] = start + k, unit
                for above in range(unit):
                    space.ints[space.ancestor + n_rows * space.n_units + above] = space.ints[
                        space.ancestor + row * space.n_units + above
                    ]
                space.ints[space.ancestor + n_rows * space.n_units + parent] = row
                space.ints[space.ancestor + n_rows * space.n_units + unit] = n_rows
                n_rows += 1
        space.ints[space.first + unit + 1] = n_rows
        above = program.ints[program.parent + parent]
        below = parent
        while above >= 0:
            for row in range(space.ints[space.first + above], space.ints[space.first + above + 1]):
                low, high = (
                    space.ints[space.low + row * space.n_units + below],
                    space.ints[space.high + row * space.n_units + below],
                )
                space.ints[space.low + row * space.n_units + unit] = (
                    space.ints[space.low + low * space.n_units + unit] if high > low else 0
                )
                space.ints[space.high + row * space.n_units + unit] = (
                    space.ints[space.high + (high - 1) * space.n_units + unit] if high > low else 0
                )
            below = above
            above = program.ints[program.parent + above]
    for row in range(n_rows):
        unit = space.ints[space.unit + row]
        base = roster.first[unit] + space.ints[space.record + row] * program.ints[program.n_own + unit]
        for axis in range(program.ints[program.n_own + unit]):
            space.ints[space.code + row * space.n_columns + axis] = roster.codes[base + axis]


@jit
def compute_all(program, space):
    """Compute all computed columns and all cells of a loaded top record."""
    for computed in range(program.n_computed):
        unit = program.ints[program.computed_unit + computed]
        for row in range(space.ints[space.first + unit], space.ints[space.first + unit + 1]):
            compute(program, space, computed, row)
    for table in range(program.n_tables):
        unit = program.ints[program.unit + table]
        for row in range(space.ints[space.first + unit], space.ints[space.first + unit + 1]):
            space.ints[space.cell + row * space.n_tables + table] = cell_of(program, space, table, row)


@jit
def compute_crossing(program, space, crossing, which):
    """Compute the cells of the tables that `which` crosses, and no more."""
    for computed in range(program.n_computed):
        if crossing.columns[which, computed]:
            unit = program.ints[program.computed_unit + computed]
            for row in range(space.ints[space.first + unit], space.ints[space.first + unit + 1]):
                compute(program, space, computed, row)
    for table in range(program.n_tables):
        if crossing.tables[which, table]:
            unit = program.ints[program.unit + table]
            for row in range(space.ints[space.first + unit], space.ints[space.first + unit + 1]):
                space.ints[space.cell + row * space.n_tables + table] = cell_of(program, space, table, row)


@jit
def rows_in_scope(program, space, unit, scope, row):
    """Rows of a unit that a change of `row` may touch: 1 the one on its path, 2 that and the next, 3 all of the top record."""
    if scope == 3:
        return space.ints[space.first + unit], space.ints[space.first + unit + 1]
    own = space.ints[space.ancestor + row * space.n_units + unit]
    if scope == 1:
        return own, own + 1
    parent = program.ints[program.parent + unit]
    last = (
        space.ints[space.high + (space.ints[space.ancestor + own * space.n_units + parent]) * space.n_units + unit]
        if parent >= 0
        else own + 1
    )
    return own, min(own + 2, last)


@jit
def count_chunk(program, roster, space, first, last, counts):
    """Add the top records [first, last) with all below them to the counts of every table's cells."""
    for top in range(first, last):
        load(program, roster, space, top)
        compute_all(program, space)
        for table in range(program.n_tables):
            unit = program.ints[program.unit + table]
            for row in range(space.ints[space.first + unit], space.ints[space.first + unit + 1]):
                counts[space.ints[space.cell + row * space.n_tables + table]] += 1


@jit
def columns_chunk(program, roster, space, first, last, codes, starts):
    """Write the codes of all computed columns of the top records [first, last).

    Column k of the computed ones begins at `starts[k]` of the flat output, one entry per record of its unit.
    """
    for top in range(first, last):
        load(program, roster, space, top)
        for computed in range(program.n_computed):
            unit, column = program.ints[program.computed_unit + computed], program.ints[program.column + computed]
            for row in range(space.ints[space.first + unit], space.ints[space.first + unit + 1]):
                compute(program, space, computed, row)
                codes[starts[computed] + space.ints[space.record + row]] = space.ints[
                    space.code + row * space.n_columns + column
                ]


@jit
def has_surplus(program, space, ledger, least):
    """Say whether any row lies in a cell that holds so many records too many."""
    for table in range(program.n_tables):
        unit = program.ints[program.unit + table]
        for row in range(space.ints[space.first + unit], space.ints[space.first + unit + 1]):
            cell = space.ints[space.cell + row * space.n_tables + table]
            if ledger.penalty[cell] > 0.0 and ledger.counts[cell] - ledger.targets[cell] >= least + 1e-9:
                return True
    return False


@jit
def marked_chunk(program, roster, space, first, last, chances, stream_of, found):
    """Mark in `found`, shape (top records,), each of [first, last) with the largest of the `chances` of its rows' cells.

    `stream_of` is the seed and the number of the sweep.
    """
    for top in range(first, last):
        load(program, roster, space, top)
        compute_all(program, space)
        largest = 0.0
        for table in range(program.n_tables):
            unit = program.ints[program.unit + table]
            for row in range(space.ints[space.first + unit], space.ints[space.first + unit + 1]):
                largest = max(largest, chances[space.ints[space.cell + row * space.n_tables + table]])
        _, uniform = mix(stream(stream_of[0], stream_of[1], top))
        found[top] = uniform < largest


@jit
def add_cell(cell, ledger, live):
    """Energy won by a record that enters a cell; kept in the ledger where it is live."""
    won = ledger.gain[cell]
    if live:
        ledger.counts[cell] += 1
        ledger.gain[cell] -= 2.0 * ledger.penalty[cell]
    return won


@jit
def remove_cell(cell, ledger, live):
    """Energy won by a record that leaves a cell."""
    if live:
        ledger.counts[cell] -= 1
        ledger.gain[cell] += 2.0 * ledger.penalty[cell]
    return -ledger.gain[cell]


@jit
def chance(state, energy):
    """Accept a change that wins so much energy (Metropolis, Hastings 1970); returns the stream and the decision."""
    state, uniform = mix(state)
    if energy >= 0.0:
        return state, True
    return state, energy > -40.0 and uniform < exp_below(energy)


@jit
def joint_code(space, program, move, row):
    """Present position of a row in a move's list of combinations."""
    code = 0
    for k in range(program.ints[program.move_axis_ptr + move], program.ints[program.move_axis_ptr + move + 1]):
        code = (
            code * program.ints[program.move_axis_size + k]
            + space.ints[space.code + row * space.n_columns + program.ints[program.move_axis + k]]
        )
    return code


@jit
def write_joint(space, program, move, row, code):
    """Write a combination of a move into a row."""
    for k in range(
        program.ints[program.move_axis_ptr + move + 1] - 1, program.ints[program.move_axis_ptr + move] - 1, -1
    ):
        space.ints[space.code + row * space.n_columns + program.ints[program.move_axis + k]] = (
            code % program.ints[program.move_axis_size + k]
        )
        code //= program.ints[program.move_axis_size + k]


@jit
def draw_local(program, space, ledger, live, move, row, work, uniform):
    """Draw a combination of a move from the tables that see it alone; returns it (the old one where there is no choice)."""
    size, old = program.ints[program.move_size + move], joint_code(space, program, move, row)
    work[:size] = 0.0
    for k in range(program.ints[program.local_ptr + move], program.ints[program.local_ptr + move + 1]):
        table, start = program.ints[program.local_table + k], program.ints[program.local_offset + k]
        own = space.ints[space.cell + row * space.n_tables + table]
        base = program.ints[program.cell_ptr + table] - program.ints[program.offsets + start + old]
        for j in range(program.ints[program.table_ptr + table], program.ints[program.table_ptr + table + 1]):
            holder = space.ints[space.ancestor + row * space.n_units + program.ints[program.table_unit + j]]
            base += program.ints[
                program.offsets
                + program.ints[program.table_offset + j]
                + space.ints[space.code + holder * space.n_columns + program.ints[program.table_column + j]]
            ]
        back = 2.0 * ledger.penalty[own] if live else 0.0
        if live:
            ledger.gain[own] += back
        for level in range(size):
            work[level] += ledger.gain[
                program.ints[program.cells + base + program.ints[program.offsets + start + level]]
            ]
        if live:
            ledger.gain[own] -= back
    best, total = work[:size].max(), 0.0
    if not (best > -np.inf and best < np.inf):
        return old, old
    for level in range(size):
        distance = work[level] - best
        work[level] = exp_below(distance) if distance > -40.0 else 0.0
        total += work[level]
    return old, pick(work, size, total, uniform)
