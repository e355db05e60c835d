"""Compiled inner loops over nested records: a top record laid out, its computed columns, the cells that it occupies.

A top record with all below it is loaded into a workspace: one row per record, its own codes, the computed columns behind them,
and the cell of every table that the row lies in. Plain arrays in, plain arrays changed in place.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmsynthor.alignment.compiled import jit
from llmsynthor.alignment.trees import fields as key
from llmsynthor.alignment.trees.kernels_borrow import borrow
from llmsynthor.alignment.trees.kernels_expressions import compute


class World(NamedTuple):
    """All whole numbers, and all others, that the kernels work on (see `fields`)."""

    ints: NDArray[np.int64]
    reals: NDArray[np.float64]


@jit
def cell_of(world, space, table, row):
    """Find the cell of a table that a row lies in."""
    ints = world.ints
    position = ints[ints[key.CELL_PTR] + table]
    for k in range(ints[ints[key.TABLE_PTR] + table], ints[ints[key.TABLE_PTR] + table + 1]):
        own = ints[space + ints[key.ROOM_ANCESTOR] + row * ints[key.N_UNITS] + ints[ints[key.TABLE_UNIT] + k]]
        code = ints[space + ints[key.ROOM_CODE] + own * ints[key.N_COLUMNS] + ints[ints[key.TABLE_COLUMN] + k]]
        position += ints[ints[key.OFFSETS] + ints[ints[key.TABLE_OFFSET] + k] + code]
    return ints[ints[key.CELLS] + position]


@jit
def siblings(world, space, row):
    """The first and the last row (not in) below the same parent as a row, itself included; nothing for the top."""
    ints = world.ints
    unit = ints[space + ints[key.ROOM_UNIT] + row]
    parent = ints[ints[key.PARENT] + unit]
    if parent < 0:
        return row, row
    above = ints[space + ints[key.ROOM_ANCESTOR] + row * ints[key.N_UNITS] + parent]
    place = above * ints[key.N_UNITS] + unit
    return ints[space + ints[key.ROOM_LOW] + place], ints[space + ints[key.ROOM_HIGH] + place]


@jit
def children(world, space, unit, row):
    """Number of records of `unit` that a row of its parent unit says it has."""
    code = world.ints[
        space
        + world.ints[key.ROOM_CODE]
        + row * world.ints[key.N_COLUMNS]
        + world.ints[world.ints[key.COUNT_COLUMN] + unit]
    ]
    return world.ints[world.ints[key.COUNT_VALUE] + world.ints[world.ints[key.COUNT_START] + unit] + code]


@jit
def open_row(world, space, row, unit, above):
    """Note unit and ancestors of a new row below the row `above` (-1 for the top record)."""
    ints, n_units = world.ints, world.ints[key.N_UNITS]
    ints[space + ints[key.ROOM_UNIT] + row] = unit
    if above >= 0:
        for k in range(unit):
            ints[space + ints[key.ROOM_ANCESTOR] + row * n_units + k] = ints[
                space + ints[key.ROOM_ANCESTOR] + above * n_units + k
            ]
        ints[space + ints[key.ROOM_ANCESTOR] + row * n_units + ints[ints[key.PARENT] + unit]] = above
    ints[space + ints[key.ROOM_ANCESTOR] + row * n_units + unit] = row


@jit
def close_unit(world, space, unit, n_rows):
    """Note, once all rows of a unit are there, where those below every row of a unit further above are."""
    ints, n_units = world.ints, world.ints[key.N_UNITS]
    ints[space + ints[key.ROOM_FIRST] + unit + 1] = n_rows
    below = ints[ints[key.PARENT] + unit]
    above = ints[ints[key.PARENT] + below] if below >= 0 else -1
    while above >= 0:
        for row in range(ints[space + ints[key.ROOM_FIRST] + above], ints[space + ints[key.ROOM_FIRST] + above + 1]):
            low, high = (
                ints[space + ints[key.ROOM_LOW] + row * n_units + below],
                ints[space + ints[key.ROOM_HIGH] + row * n_units + below],
            )
            there = high > low
            ints[space + ints[key.ROOM_LOW] + row * n_units + unit] = (
                ints[space + ints[key.ROOM_LOW] + low * n_units + unit] if there else 0
            )
            ints[space + ints[key.ROOM_HIGH] + row * n_units + unit] = (
                ints[space + ints[key.ROOM_HIGH] + (high - 1) * n_units + unit] if there else 0
            )
        below, above = above, ints[ints[key.PARENT] + above]


@jit
def load(world, codes, at, space):
    """Lay out the top record whose codes begin at `at`, without computed columns; returns where its codes end."""
    ints, n_rows = world.ints, 0
    ints[space + ints[key.ROOM_FIRST]] = 0
    for unit in range(ints[key.N_UNITS]):
        parent, n_own = ints[ints[key.PARENT] + unit], ints[ints[key.N_OWN] + unit]
        first = ints[space + ints[key.ROOM_FIRST] + parent] if parent >= 0 else 0
        last = ints[space + ints[key.ROOM_FIRST] + parent + 1] if parent >= 0 else 1
        for above in range(first, last):
            number = children(world, space, unit, above) if parent >= 0 else 1
            if parent >= 0:
                ints[space + ints[key.ROOM_LOW] + above * ints[key.N_UNITS] + unit] = n_rows
                ints[space + ints[key.ROOM_HIGH] + above * ints[key.N_UNITS] + unit] = n_rows + number
            for _ in range(number):
                open_row(world, space, n_rows, unit, above if parent >= 0 else -1)
                for axis in range(n_own):
                    ints[space + ints[key.ROOM_CODE] + n_rows * ints[key.N_COLUMNS] + axis] = codes[at + axis]
                at += n_own
                n_rows += 1
        close_unit(world, space, unit, n_rows)
    return at


@jit
def save(world, space, codes, at):
    """Write the own codes of all rows behind each other; returns where they end."""
    ints = world.ints
    for row in range(ints[space + ints[key.ROOM_FIRST] + ints[key.N_UNITS]]):
        n_own = ints[ints[key.N_OWN] + ints[space + ints[key.ROOM_UNIT] + row]]
        for axis in range(n_own):
            codes[at + axis] = ints[space + ints[key.ROOM_CODE] + row * ints[key.N_COLUMNS] + axis]
        at += n_own
    return at


@jit
def length_of(world, space):
    """Codes that a laid out record takes."""
    total = 0
    for unit in range(world.ints[key.N_UNITS]):
        rows = (
            world.ints[space + world.ints[key.ROOM_FIRST] + unit + 1]
            - world.ints[space + world.ints[key.ROOM_FIRST] + unit]
        )
        total += rows * world.ints[world.ints[key.N_OWN] + unit]
    return total


@jit
def compute_all(world, space):
    """Compute all computed columns and all cells of a laid out record."""
    ints = world.ints
    for computed in range(ints[key.N_COMPUTED]):
        unit = ints[ints[key.COMPUTED_UNIT] + computed]
        for row in range(ints[space + ints[key.ROOM_FIRST] + unit], ints[space + ints[key.ROOM_FIRST] + unit + 1]):
            compute(world, space, computed, row)
    for table in range(ints[key.N_TABLES]):
        unit = ints[ints[key.UNIT] + table]
        for row in range(ints[space + ints[key.ROOM_FIRST] + unit], ints[space + ints[key.ROOM_FIRST] + unit + 1]):
            ints[space + ints[key.ROOM_CELL] + row * ints[key.N_TABLES] + table] = cell_of(world, space, table, row)


@jit
def copy_part(ints, source, target, part, number):
    """Copy the first numbers of a part of a workspace."""
    here, there = source + ints[part], target + ints[part]
    for k in range(number):
        ints[there + k] = ints[here + k]


@jit
def copy_space(world, source, target):
    """Make one workspace like another."""
    ints, reals = world.ints, world.reals
    n_units = ints[key.N_UNITS]
    n_rows = ints[source + ints[key.ROOM_FIRST] + n_units]
    copy_part(ints, source, target, key.ROOM_FIRST, n_units + 1)
    copy_part(ints, source, target, key.ROOM_UNIT, n_rows)
    copy_part(ints, source, target, key.ROOM_ANCESTOR, n_rows * n_units)
    copy_part(ints, source, target, key.ROOM_LOW, n_rows * n_units)
    copy_part(ints, source, target, key.ROOM_HIGH, n_rows * n_units)
    copy_part(ints, source, target, key.ROOM_CODE, n_rows * ints[key.N_COLUMNS])
    copy_part(ints, source, target, key.ROOM_CELL, n_rows * ints[key.N_TABLES])
    here, there = ints[source] + ints[key.ROOM_VALUE], ints[target] + ints[key.ROOM_VALUE]
    for k in range(n_rows * ints[key.N_COLUMNS]):
        reals[there + k] = reals[here + k]


@jit
def rows_in_scope(world, space, unit, scope, row):
    """Rows of a unit that a change of `row` may touch: 1 the one on its path, 2 that and the next, 3 all of the top record."""
    ints = world.ints
    if scope == 3:
        return ints[space + ints[key.ROOM_FIRST] + unit], ints[space + ints[key.ROOM_FIRST] + unit + 1]
    own = ints[space + ints[key.ROOM_ANCESTOR] + row * ints[key.N_UNITS] + unit]
    if scope == 1:
        return own, own + 1
    parent = ints[ints[key.PARENT] + unit]
    if parent < 0:
        return own, own + 1
    above = ints[space + ints[key.ROOM_ANCESTOR] + own * ints[key.N_UNITS] + parent]
    return own, min(own + 2, ints[space + ints[key.ROOM_HIGH] + above * ints[key.N_UNITS] + unit])


@jit
def count_chunk(world, codes, starts, space, first, last, counts):
    """Add the top records [first, last) with all below them to the counts of every table's cells."""
    world = World(borrow(world.ints), borrow(world.reals))  # type: ignore[call-arg]  # numba gives the context
    ints = world.ints
    for top in range(first, last):
        load(world, codes, starts[top], space)
        compute_all(world, space)
        for table in range(ints[key.N_TABLES]):
            unit = ints[ints[key.UNIT] + table]
            for row in range(ints[space + ints[key.ROOM_FIRST] + unit], ints[space + ints[key.ROOM_FIRST] + unit + 1]):
                counts[ints[space + ints[key.ROOM_CELL] + row * ints[key.N_TABLES] + table]] += 1


@jit
def columns_chunk(world, codes, starts, space, first, last, found, ends):
    """Append the codes of all computed columns of the top records [first, last): column k at `found[ends[k]]`, which moves on."""
    world = World(borrow(world.ints), borrow(world.reals))  # type: ignore[call-arg]  # numba gives the context
    ints = world.ints
    for top in range(first, last):
        load(world, codes, starts[top], space)
        for computed in range(ints[key.N_COMPUTED]):
            unit, column = ints[ints[key.COMPUTED_UNIT] + computed], ints[ints[key.COLUMN] + computed]
            for row in range(ints[space + ints[key.ROOM_FIRST] + unit], ints[space + ints[key.ROOM_FIRST] + unit + 1]):
                compute(world, space, computed, row)
                found[ends[computed]] = ints[space + ints[key.ROOM_CODE] + row * ints[key.N_COLUMNS] + column]
                ends[computed] += 1


@jit
def mark_chunk(world, codes, starts, space, tops, cells, found):
    """Write to `found` (top records, kinds) whether each of `tops` is in one of the `cells` (cells, kinds) of each kind."""
    world = World(borrow(world.ints), borrow(world.reals))  # type: ignore[call-arg]  # numba gives the context
    ints = world.ints
    for top in tops:
        load(world, codes, starts[top], space)
        compute_all(world, space)
        for table in range(ints[key.N_TABLES]):
            unit = ints[ints[key.UNIT] + table]
            for row in range(ints[space + ints[key.ROOM_FIRST] + unit], ints[space + ints[key.ROOM_FIRST] + unit + 1]):
                cell = ints[space + ints[key.ROOM_CELL] + row * ints[key.N_TABLES] + table]
                for kind in range(cells.shape[1]):
                    found[top, kind] |= cells[cell, kind]
