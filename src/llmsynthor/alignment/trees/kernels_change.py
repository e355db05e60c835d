"""Changes of own codes of a laid out record: only the columns and cells that they touch are computed anew, and all is logged."""

import numba

from llmsynthor.alignment.trees.kernels import cell_of, rows_in_scope
from llmsynthor.alignment.trees.kernels_expressions import compute
from llmsynthor.alignment.trees.kernels_ledger import is_same

jit = numba.njit(nogil=True, cache=True)


@jit
def clear_log(space):
    """Forget what has been changed."""
    space.ints[space.logged] = 0
    space.ints[space.logged + 1] = 0


@jit
def write(space, place, value):
    """Write one whole number and note what was there."""
    room, at = space.ints, space.ints[space.logged]
    room[space.log + 3 * at], room[space.log + 3 * at + 1], room[space.log + 3 * at + 2] = place, room[place], value
    room[space.logged] = at + 1
    room[place] = value


@jit
def write_code(space, row, axis, code):
    """Write an own code and mark its column as changed; `refresh` must follow."""
    place = space.code + row * space.n_columns + axis
    if space.ints[place] != code:
        write(space, place, code)
        space.ints[space.dirty + space.ints[space.unit + row] * space.n_columns + axis] = 1


@jit
def is_touched(program, space, first, last):
    """Whether any of the columns listed at [first, last) has changed."""
    for k in range(first, last):
        if space.ints[space.dirty + program.ints[k]] != 0:
            return True
    return False


@jit
def recompute(program, space, computed, scope, row):
    """Compute a column for the rows in scope; marks it as changed where it is."""
    room = space.ints
    column, unit = program.ints[program.column + computed], program.ints[program.computed_unit + computed]
    low, high = rows_in_scope(program, space, unit, scope, row)
    for other in range(low, high):
        place, number = space.code + other * space.n_columns + column, space.value + other * space.n_columns + column
        code, value = room[place], space.reals[number]
        compute(program, space, computed, other)
        now, at = room[place], room[space.logged + 1]
        if now == code and is_same(space.reals[number], value):
            continue
        space.reals[space.old_value + at] = value
        room[space.old_place + at] = number
        room[space.logged + 1] = at + 1
        if now != code:
            room[place] = code
            write(space, place, now)
        room[space.dirty + unit * space.n_columns + column] = 1


@jit
def refresh(program, ledger, space, move, row):
    """Bring computed columns and cells up to date after own codes of a row were written.

    Returns the log-weight won and the forbidden cells gained.
    """
    ints, room = program.ints, space.ints
    for k in range(ints[program.touch_ptr + move], ints[program.touch_ptr + move + 1]):
        computed = ints[program.touch + k]
        first = program.source + ints[program.source_ptr + computed]
        if is_touched(program, space, first, program.source + ints[program.source_ptr + computed + 1]):
            recompute(program, space, computed, ints[program.touch_scope + k], row)
    won, broken = 0.0, 0
    for k in range(ints[program.far_ptr + move], ints[program.far_ptr + move + 1]):
        table = ints[program.far + k]
        first = program.table_place + ints[program.table_ptr + table]
        if not is_touched(program, space, first, program.table_place + ints[program.table_ptr + table + 1]):
            continue
        low, high = rows_in_scope(program, space, ints[program.unit + table], ints[program.far_scope + k], row)
        for other in range(low, high):
            place = space.cell + other * space.n_tables + table
            cell, before = cell_of(program, space, table, other), room[place]
            if cell != before:
                write(space, place, cell)
                won += ledger.weight[cell] - ledger.weight[before]
                broken += ledger.bad[cell] - ledger.bad[before]
    clean(program, space, move, row)
    return won, broken


@jit
def clean(program, space, move, row):
    """Take the marks off all columns that a move can change."""
    ints, room = program.ints, space.ints
    unit = room[space.unit + row]
    for axis in range(ints[program.n_own + unit]):
        room[space.dirty + unit * space.n_columns + axis] = 0
    for k in range(ints[program.touch_ptr + move], ints[program.touch_ptr + move + 1]):
        computed = ints[program.touch + k]
        column = ints[program.computed_unit + computed] * space.n_columns + ints[program.column + computed]
        room[space.dirty + column] = 0


@jit
def unwind(space, ints_mark, reals_mark):
    """Take back all that was logged behind the marks."""
    room = space.ints
    for k in range(room[space.logged] - 1, ints_mark - 1, -1):
        room[room[space.log + 3 * k]] = room[space.log + 3 * k + 1]
    for k in range(room[space.logged + 1] - 1, reals_mark - 1, -1):
        space.reals[room[space.old_place + k]] = space.reals[space.old_value + k]
    room[space.logged], room[space.logged + 1] = ints_mark, reals_mark


@jit
def replay(now, was):
    """Do to `was` what was logged in its changed copy `now`."""
    room = now.ints
    for k in range(room[now.logged]):
        was.ints[room[now.log + 3 * k]] = room[now.log + 3 * k + 2]
    for k in range(room[now.logged + 1]):
        was.reals[room[now.old_place + k]] = now.reals[room[now.old_place + k]]
