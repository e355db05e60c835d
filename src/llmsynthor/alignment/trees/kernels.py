"""Compiled inner loops over nested records: a top record laid out, its computed columns, the cells that it occupies.

A top record with all below it is loaded into a workspace: one row per record, its own codes, the computed columns behind them,
and the cell of every table that the row lies in. Plain arrays in, plain arrays changed in place.
"""

import numba

from llmsynthor.alignment.trees.kernels_expressions import compute

jit = numba.njit(nogil=True, cache=True)


@jit
def cell_of(program, space, table, row):
    """Find the cell of a table that a row lies in."""
    ints, room = program.ints, space.ints
    position = ints[program.cell_ptr + table]
    for k in range(ints[program.table_ptr + table], ints[program.table_ptr + table + 1]):
        own = room[space.ancestor + row * space.n_units + ints[program.table_unit + k]]
        code = room[space.code + own * space.n_columns + ints[program.table_column + k]]
        position += ints[program.offsets + ints[program.table_offset + k] + code]
    return ints[program.cells + position]


@jit
def children(program, space, unit, row):
    """Number of records of `unit` that a row of its parent unit says it has."""
    code = space.ints[space.code + row * space.n_columns + program.ints[program.count_column + unit]]
    return program.ints[program.count_value + program.ints[program.count_start + unit] + code]


@jit
def open_row(program, space, row, unit, above):
    """Note unit and ancestors of a new row below the row `above` (-1 for the top record)."""
    room, n_units = space.ints, space.n_units
    room[space.unit + row] = unit
    if above >= 0:
        for k in range(unit):
            room[space.ancestor + row * n_units + k] = room[space.ancestor + above * n_units + k]
        room[space.ancestor + row * n_units + program.ints[program.parent + unit]] = above
    room[space.ancestor + row * n_units + unit] = row


@jit
def close_unit(program, space, unit, n_rows):
    """Note, once all rows of a unit are there, where those below every row of a unit further above are."""
    room, n_units, ints = space.ints, space.n_units, program.ints
    room[space.first + unit + 1] = n_rows
    below = ints[program.parent + unit]
    above = ints[program.parent + below] if below >= 0 else -1
    while above >= 0:
        for row in range(room[space.first + above], room[space.first + above + 1]):
            low, high = room[space.low + row * n_units + below], room[space.high + row * n_units + below]
            there = high > low
            room[space.low + row * n_units + unit] = room[space.low + low * n_units + unit] if there else 0
            room[space.high + row * n_units + unit] = room[space.high + (high - 1) * n_units + unit] if there else 0
        below, above = above, ints[program.parent + above]


@jit
def load(program, codes, at, space):
    """Lay out the top record whose codes begin at `at`, without computed columns; returns where its codes end."""
    room, ints, n_rows = space.ints, program.ints, 0
    room[space.first] = 0
    for unit in range(program.n_units):
        parent, n_own = ints[program.parent + unit], ints[program.n_own + unit]
        first = room[space.first + parent] if parent >= 0 else 0
        last = room[space.first + parent + 1] if parent >= 0 else 1
        for above in range(first, last):
            number = children(program, space, unit, above) if parent >= 0 else 1
            if parent >= 0:
                room[space.low + above * space.n_units + unit] = n_rows
                room[space.high + above * space.n_units + unit] = n_rows + number
            for _ in range(number):
                open_row(program, space, n_rows, unit, above if parent >= 0 else -1)
                for axis in range(n_own):
                    room[space.code + n_rows * space.n_columns + axis] = codes[at + axis]
                at += n_own
                n_rows += 1
        close_unit(program, space, unit, n_rows)
    return at


@jit
def save(program, space, codes, at):
    """Write the own codes of all rows behind each other; returns where they end."""
    room = space.ints
    for row in range(room[space.first + program.n_units]):
        n_own = program.ints[program.n_own + room[space.unit + row]]
        for axis in range(n_own):
            codes[at + axis] = room[space.code + row * space.n_columns + axis]
        at += n_own
    return at


@jit
def length_of(program, space):
    """Codes that a laid out record takes."""
    total = 0
    for unit in range(program.n_units):
        rows = space.ints[space.first + unit + 1] - space.ints[space.first + unit]
        total += rows * program.ints[program.n_own + unit]
    return total


@jit
def compute_all(program, space):
    """Compute all computed columns and all cells of a laid out record."""
    ints, room = program.ints, space.ints
    for computed in range(program.n_computed):
        unit = ints[program.computed_unit + computed]
        for row in range(room[space.first + unit], room[space.first + unit + 1]):
            compute(program, space, computed, row)
    for table in range(program.n_tables):
        unit = ints[program.unit + table]
        for row in range(room[space.first + unit], room[space.first + unit + 1]):
            room[space.cell + row * space.n_tables + table] = cell_of(program, space, table, row)


@jit
def copy_space(program, source, target):
    """Make one workspace like another."""
    here, there = source.ints, target.ints
    for k in range(program.n_units + 1):
        there[source.first + k] = here[source.first + k]
    n_rows = here[source.first + program.n_units]
    n_units, n_columns, n_tables = source.n_units, source.n_columns, source.n_tables
    for k in range(n_rows):
        there[source.unit + k] = here[source.unit + k]
    for k in range(n_rows * n_units):
        there[source.ancestor + k] = here[source.ancestor + k]
        there[source.low + k] = here[source.low + k]
        there[source.high + k] = here[source.high + k]
    for k in range(n_rows * n_columns):
        there[source.code + k] = here[source.code + k]
        target.reals[source.value + k] = source.reals[source.value + k]
    for k in range(n_rows * n_tables):
        there[source.cell + k] = here[source.cell + k]


@jit
def rows_in_scope(program, space, unit, scope, row):
    """Rows of a unit that a change of `row` may touch: 1 the one on its path, 2 that and the next, 3 all of the top record."""
    room = space.ints
    if scope == 3:
        return room[space.first + unit], room[space.first + unit + 1]
    own = room[space.ancestor + row * space.n_units + unit]
    if scope == 1:
        return own, own + 1
    parent = program.ints[program.parent + unit]
    if parent < 0:
        return own, own + 1
    above = room[space.ancestor + own * space.n_units + parent]
    return own, min(own + 2, room[space.high + above * space.n_units + unit])


@jit
def count_chunk(program, codes, starts, space, first, last, counts):
    """Add the top records [first, last) with all below them to the counts of every table's cells."""
    room = space.ints
    for top in range(first, last):
        load(program, codes, starts[top], space)
        compute_all(program, space)
        for table in range(program.n_tables):
            unit = program.ints[program.unit + table]
            for row in range(room[space.first + unit], room[space.first + unit + 1]):
                counts[room[space.cell + row * space.n_tables + table]] += 1


@jit
def columns_chunk(program, codes, starts, space, first, last, found, ends):
    """Append the codes of all computed columns of the top records [first, last): column k at `found[ends[k]]`, which moves on."""
    room = space.ints
    for top in range(first, last):
        load(program, codes, starts[top], space)
        for computed in range(program.n_computed):
            unit, column = program.ints[program.computed_unit + computed], program.ints[program.column + computed]
            for row in range(room[space.first + unit], room[space.first + unit + 1]):
                compute(program, space, computed, row)
                found[ends[computed]] = room[space.code + row * space.n_columns + column]
                ends[computed] += 1


@jit
def mark_chunk(program, codes, starts, space, first, last, chances, found):
    """Write to `found` (top records,) the largest of the `chances` (cells,) of the cells that each of [first, last) is in."""
    room = space.ints
    for top in range(first, last):
        load(program, codes, starts[top], space)
        compute_all(program, space)
        largest = 0.0
        for table in range(program.n_tables):
            unit = program.ints[program.unit + table]
            for row in range(room[space.first + unit], room[space.first + unit + 1]):
                largest = max(largest, chances[room[space.cell + row * space.n_tables + table]])
        found[top] = largest
