"""Changes of own codes of a laid out record: only the columns and cells that they touch are computed anew, and all is logged."""

from llmsynthor.alignment.compiled import jit
from llmsynthor.alignment.trees import fields as key
from llmsynthor.alignment.trees.kernels import cell_of, rows_in_scope
from llmsynthor.alignment.trees.kernels_expressions import compute
from llmsynthor.alignment.trees.kernels_ledger import is_bad, is_same, weight_of


@jit
def clear_log(world, space):
    """Forget what has been changed."""
    world.ints[space + key.LOGGED] = 0
    world.ints[space + key.LOGGED + 1] = 0


@jit
def write(world, space, place, value):
    """Write one whole number at a place of the workspace and note what was there."""
    ints, at = world.ints, world.ints[space + key.LOGGED]
    log = space + ints[key.ROOM_LOG] + 3 * at
    ints[log], ints[log + 1], ints[log + 2] = place, ints[space + place], value
    ints[space + key.LOGGED] = at + 1
    ints[space + place] = value


@jit
def write_code(world, space, row, axis, code):
    """Write an own code and mark its column as changed; `refresh` must follow."""
    ints = world.ints
    place, unit = ints[key.ROOM_CODE] + row * ints[key.N_COLUMNS] + axis, ints[space + ints[key.ROOM_UNIT] + row]
    if ints[space + place] != code:
        write(world, space, place, code)
        ints[space + ints[key.ROOM_DIRTY] + unit * ints[key.N_COLUMNS] + axis] = 1


@jit
def is_touched(world, space, first, last):
    """Whether any of the columns listed at [first, last) has changed."""
    for k in range(first, last):
        if world.ints[space + world.ints[key.ROOM_DIRTY] + world.ints[k]] != 0:
            return True
    return False


@jit
def recompute(world, space, computed, scope, row):
    """Compute a column for the rows in scope; marks it as changed where it is."""
    ints = world.ints
    column, unit = ints[ints[key.COLUMN] + computed], ints[ints[key.COMPUTED_UNIT] + computed]
    low, high = rows_in_scope(world, space, unit, scope, row)
    for other in range(low, high):
        place = ints[key.ROOM_CODE] + other * ints[key.N_COLUMNS] + column
        number = ints[key.ROOM_VALUE] + other * ints[key.N_COLUMNS] + column
        code, value = ints[space + place], world.reals[ints[space] + number]
        compute(world, space, computed, other)
        now = ints[space + place]
        if now == code and is_same(world.reals[ints[space] + number], value):
            continue
        logged = ints[space + key.LOGGED + 1]
        world.reals[ints[space] + ints[key.ROOM_OLD_VALUE] + logged] = value
        ints[space + ints[key.ROOM_OLD_PLACE] + logged] = number
        ints[space + key.LOGGED + 1] = logged + 1
        if now != code:
            ints[space + place] = code
            write(world, space, place, now)
        ints[space + ints[key.ROOM_DIRTY] + unit * ints[key.N_COLUMNS] + column] = 1


@jit
def refresh(world, space, move, row):
    """Bring computed columns and cells up to date after own codes of a row were written.

    Returns the log-weight won and the forbidden cells gained.
    """
    ints = world.ints
    for k in range(ints[ints[key.TOUCH_PTR] + move], ints[ints[key.TOUCH_PTR] + move + 1]):
        computed = ints[ints[key.TOUCH] + k]
        first = ints[key.SOURCE] + ints[ints[key.SOURCE_PTR] + computed]
        if is_touched(world, space, first, ints[key.SOURCE] + ints[ints[key.SOURCE_PTR] + computed + 1]):
            recompute(world, space, computed, ints[ints[key.TOUCH_SCOPE] + k], row)
    won, broken = 0.0, 0
    for k in range(ints[ints[key.FAR_PTR] + move], ints[ints[key.FAR_PTR] + move + 1]):
        table = ints[ints[key.FAR] + k]
        first = ints[key.TABLE_PLACE] + ints[ints[key.TABLE_PTR] + table]
        if not is_touched(world, space, first, ints[key.TABLE_PLACE] + ints[ints[key.TABLE_PTR] + table + 1]):
            continue
        low, high = rows_in_scope(world, space, ints[ints[key.UNIT] + table], ints[ints[key.FAR_SCOPE] + k], row)
        for other in range(low, high):
            place = ints[key.ROOM_CELL] + other * ints[key.N_TABLES] + table
            cell, before = cell_of(world, space, table, other), ints[space + place]
            if cell != before:
                write(world, space, place, cell)
                won += weight_of(world, cell) - weight_of(world, before)
                broken += is_bad(world, cell) - is_bad(world, before)
    clean(world, space, move, row)
    return won, broken


@jit
def clean(world, space, move, row):
    """Take the marks off all columns that a move can change."""
    ints = world.ints
    unit = ints[space + ints[key.ROOM_UNIT] + row]
    for axis in range(ints[ints[key.N_OWN] + unit]):
        ints[space + ints[key.ROOM_DIRTY] + unit * ints[key.N_COLUMNS] + axis] = 0
    for k in range(ints[ints[key.TOUCH_PTR] + move], ints[ints[key.TOUCH_PTR] + move + 1]):
        computed = ints[ints[key.TOUCH] + k]
        column = ints[ints[key.COMPUTED_UNIT] + computed] * ints[key.N_COLUMNS] + ints[ints[key.COLUMN] + computed]
        ints[space + ints[key.ROOM_DIRTY] + column] = 0


@jit
def unwind(world, space, ints_mark, reals_mark):
    """Take back all that was logged behind the marks."""
    ints, log = world.ints, space + world.ints[key.ROOM_LOG]
    for k in range(ints[space + key.LOGGED] - 1, ints_mark - 1, -1):
        ints[space + ints[log + 3 * k]] = ints[log + 3 * k + 1]
    places, values = space + ints[key.ROOM_OLD_PLACE], ints[space] + ints[key.ROOM_OLD_VALUE]
    for k in range(ints[space + key.LOGGED + 1] - 1, reals_mark - 1, -1):
        world.reals[ints[space] + ints[places + k]] = world.reals[values + k]
    ints[space + key.LOGGED], ints[space + key.LOGGED + 1] = ints_mark, reals_mark


@jit
def replay(world, now, was):
    """Do to `was` what was logged in its changed copy `now`."""
    ints, reals, log = world.ints, world.reals, now + world.ints[key.ROOM_LOG]
    for k in range(ints[now + key.LOGGED]):
        ints[was + ints[log + 3 * k]] = ints[log + 3 * k + 2]
    places = now + ints[key.ROOM_OLD_PLACE]
    for k in range(ints[now + key.LOGGED + 1]):
        reals[ints[was] + ints[places + k]] = reals[ints[now] + ints[places + k]]
