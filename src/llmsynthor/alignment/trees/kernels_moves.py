"""Basic moves within one laid out record: a value, a member drawn anew, one more or less, two that change places."""

import numba

from llmsynthor.alignment.trees.kernels import compute_all
from llmsynthor.alignment.trees.kernels_build import ADD, REMOVE, new_row, rebuild
from llmsynthor.alignment.trees.kernels_change import refresh, write_code
from llmsynthor.alignment.trees.kernels_ledger import below, own_weight, roll, tally

jit = numba.njit(nogil=True, cache=True)

NOTHING, WRITTEN, REBUILT = 0, 1, 2
"""What a basic move has done: nothing; codes of the record itself, logged; or a changed copy in the second workspace."""


@jit
def pick_row(program, ledger, space, broken, lowest, dice):
    """Draw a row from `lowest` on; where something is broken, mostly one that lies in a forbidden cell."""
    room = space.ints
    n_rows = room[space.first + program.n_units]
    if lowest >= n_rows:
        return -1
    if broken and roll(dice) < 0.6:
        begin = lowest + below(dice, n_rows - lowest)
        for k in range(n_rows - lowest):
            row = lowest + (begin - lowest + k) % (n_rows - lowest)
            if row_is_broken(program, ledger, space, row):
                return row
    return lowest + below(dice, n_rows - lowest)


@jit
def row_is_broken(program, ledger, space, row):
    """Whether a row lies in a forbidden cell."""
    room = space.ints
    unit = room[space.unit + row]
    for k in range(program.ints[program.unit_ptr + unit], program.ints[program.unit_ptr + unit + 1]):
        table = program.ints[program.unit_table + k]
        if ledger.bad[room[space.cell + row * space.n_tables + table]] != 0:
            return True
    return False


@jit
def group_of(program, space, row):
    """Number of the group of pool rows that say they have as many children as this row has."""
    unit, group = space.ints[space.unit + row], 0
    for k in range(program.ints[program.counting_ptr + unit], program.ints[program.counting_ptr + unit + 1]):
        axis = program.ints[program.counting + k]
        group = group * program.ints[program.counting_size + k] + space.ints[space.code + row * space.n_columns + axis]
    return group


@jit
def draw_code(program, pool, unit, axis, dice):
    """Draw a code of an own variable from its start weights."""
    number = program.ints[program.axis_number + unit] + axis
    first, last = pool.code_first[number], pool.code_first[number + 1]
    uniform = roll(dice)
    low, high = first, last - 1
    while low < high:
        middle = (low + high) // 2
        if pool.below[middle] > uniform:
            high = middle
        else:
            low = middle + 1
    return low - first


@jit
def sibling(program, space, row, step):
    """The row next to a row (step 1) or before it (-1) below the same parent, -1 where there is none."""
    room = space.ints
    unit = room[space.unit + row]
    parent = program.ints[program.parent + unit]
    if parent < 0:
        return -1
    above = room[space.ancestor + row * space.n_units + parent]
    other = row + step
    inside = other >= room[space.low + above * space.n_units + unit] and other < room[
        space.high + above * space.n_units + unit
    ]
    return other if inside else -1


@jit
def tie(program, space, row, axis, dice):
    """Where a changed variable must match one of a neighbour (see `moves.ties`), mostly change that as well.

    Returns the neighbour that was written, or -1; its columns must be refreshed.
    """
    ints, room = program.ints, space.ints
    unit = room[space.unit + row]
    for k in range(ints[program.tie_ptr + unit], ints[program.tie_ptr + unit + 1]):
        first, second = ints[program.tie_first + k], ints[program.tie_second + k]
        if axis != first and axis != second:
            continue
        other = sibling(program, space, row, 1 if axis == first else -1)
        if other < 0 or roll(dice) < 0.2:
            continue
        start = ints[program.tie_start + k] if axis == first else ints[program.tie_back + k]
        code = ints[program.tie_map + start + room[space.code + row * space.n_columns + axis]]
        if code >= 0:
            write_code(space, other, second if axis == first else first, code)
            return other
    return -1


@jit
def change_value(program, pool, ledger, space, row, dice):
    """Draw one variable of a row anew; returns (kind, log-weight won, forbidden cells gained, correction of the draw)."""
    unit = space.ints[space.unit + row]
    first, last = program.ints[program.free_ptr + unit], program.ints[program.free_ptr + unit + 1]
    if last == first:
        return NOTHING, 0.0, 0, 0.0
    axis = program.ints[program.free_axis + first + below(dice, last - first)]
    old = space.ints[space.code + row * space.n_columns + axis]
    code = draw_code(program, pool, unit, axis, dice)
    if code == old:
        return NOTHING, 0.0, 0, 0.0
    move = program.ints[program.single + program.ints[program.axis_number + unit] + axis]
    write_code(space, row, axis, code)
    other = tie(program, space, row, axis, dice)
    won, broken = refresh(program, ledger, space, move, row)
    if other >= 0:
        more, also = retouch(program, ledger, space, other)
        won, broken = won + more, broken + also
    start = pool.code_first[program.ints[program.axis_number + unit] + axis]
    return WRITTEN, won, broken, pool.log_share[start + old] - pool.log_share[start + code]


@jit
def retouch(program, ledger, space, row):
    """Refresh a row as if any of its own variables had changed."""
    unit = space.ints[space.unit + row]
    for axis in range(program.ints[program.n_own + unit]):
        space.ints[space.dirty + unit * space.n_columns + axis] = 1
    return refresh(program, ledger, space, program.ints[program.whole + unit], row)


@jit
def change_row(program, pool, ledger, space, row, dice):
    """Draw all variables of a row anew from its pool, but for those that count children; returns as `change_value`."""
    unit = space.ints[space.unit + row]
    group = pool.group_first[unit] + group_of(program, space, row)
    first, number = pool.group_ptr[group], pool.group_ptr[group + 1] - pool.group_ptr[group]
    if number == 0 or program.ints[program.free_ptr + unit] == program.ints[program.free_ptr + unit + 1]:
        return NOTHING, 0.0, 0, 0.0
    before = own_weight(program, pool, space, row)
    n_own = program.ints[program.n_own + unit]
    at = pool.first[unit] + (first + below(dice, number)) * n_own
    won, broken = write_row(program, ledger, space, row, pool.rows, at)
    for k in range(program.ints[program.tie_ptr + unit], program.ints[program.tie_ptr + unit + 1]):
        for end in range(2):
            axis = program.ints[(program.tie_first if end == 0 else program.tie_second) + k]
            other = tie(program, space, row, axis, dice)
            if other >= 0:
                more, also = retouch(program, ledger, space, other)
                won, broken = won + more, broken + also
    return WRITTEN, won, broken, before - own_weight(program, pool, space, row)


@jit
def write_row(program, ledger, space, row, codes, at):
    """Write all variables of a row that count no children from `codes` on `at`; returns the log-weight and what is broken."""
    unit = space.ints[space.unit + row]
    for k in range(program.ints[program.free_ptr + unit], program.ints[program.free_ptr + unit + 1]):
        axis = program.ints[program.free_axis + k]
        write_code(space, row, axis, codes[at + axis])
    return refresh(program, ledger, space, program.ints[program.whole + unit], row)


@jit
def change_order(program, ledger, space, row, dice):
    """Let two siblings change places, where they have as many children; returns as `change_value`."""
    room = space.ints
    unit = room[space.unit + row]
    parent = program.ints[program.parent + unit]
    if parent < 0:
        return NOTHING, 0.0, 0, 0.0
    above = room[space.ancestor + row * space.n_units + parent]
    low, high = room[space.low + above * space.n_units + unit], room[space.high + above * space.n_units + unit]
    other = low + below(dice, high - low)
    if other == row or group_of(program, space, row) != group_of(program, space, other):
        return NOTHING, 0.0, 0, 0.0
    won, broken = exchange(program, ledger, space, row, space, other)
    more, also = retouch(program, ledger, space, other)
    return WRITTEN, won + more, broken + also, 0.0


@jit
def exchange(program, ledger, one, row, two, other):
    """Exchange the variables of two rows that count no children; refreshes the first row only."""
    unit = one.ints[one.unit + row]
    for k in range(program.ints[program.free_ptr + unit], program.ints[program.free_ptr + unit + 1]):
        axis = program.ints[program.free_axis + k]
        a = one.ints[one.code + row * one.n_columns + axis]
        b = two.ints[two.code + other * two.n_columns + axis]
        write_code(one, row, axis, b)
        write_code(two, other, axis, a)
    return refresh(program, ledger, one, program.ints[program.whole + unit], row)


@jit
def change_number(program, pool, ledger, space, spare, dice):
    """Add a drawn member at a random place, or remove one, in the workspace `spare`; returns as `change_value`."""
    ints, room = program.ints, space.ints
    n_open = program.n_open
    if n_open == 0:
        return NOTHING, 0.0, 0, 0.0
    unit = ints[program.open_unit + below(dice, n_open)]
    parent = ints[program.parent + unit]
    first, last = room[space.first + parent], room[space.first + parent + 1]
    if last == first:
        return NOTHING, 0.0, 0, 0.0
    p = first + below(dice, last - first)
    low, high = room[space.low + p * space.n_units + unit], room[space.high + p * space.n_units + unit]
    code = room[space.code + p * space.n_columns + ints[program.count_column + unit]]
    if roll(dice) < 0.5:
        if code + 1 >= ints[program.count_size + unit]:
            return NOTHING, 0.0, 0, 0.0
        edit = (ADD, unit, -1, p, below(dice, high - low + 1), -1)
    else:
        if code == 0 or high == low:
            return NOTHING, 0.0, 0, 0.0
        edit = (REMOVE, unit, low + below(dice, high - low), p, -1, -1)
    if not rebuild(program, pool, (space, space), edit, spare, dice):
        return NOTHING, 0.0, 0, 0.0
    at = new_row(spare, edit)
    if edit[0] == ADD or at < spare.ints[spare.high + p * space.n_units + unit]:
        match_neighbours(program, spare, at, dice)
    before, had = tally(program, ledger, space)
    after, has = tally(program, ledger, spare)
    if edit[0] == ADD:
        drawn = -subtree_weight(program, pool, spare, at)
    else:
        drawn = subtree_weight(program, pool, space, at)
    return REBUILT, after - before, has - had, drawn


@jit
def match_neighbours(program, space, row, dice):
    """Bring the variables of a new row that must match its neighbours in line with them, then compute the record anew."""
    ints, room = program.ints, space.ints
    unit, changed = room[space.unit + row], False
    for k in range(ints[program.tie_ptr + unit], ints[program.tie_ptr + unit + 1]):
        for step in (-1, 1):
            other = sibling(program, space, row, step)
            if other < 0:
                continue
            one, two = (other, row) if step < 0 else (row, other)
            code = room[space.code + one * space.n_columns + ints[program.tie_first + k]]
            matching = ints[program.tie_map + ints[program.tie_start + k] + code]
            if matching >= 0:
                room[space.code + two * space.n_columns + ints[program.tie_second + k]] = matching
                changed = True
    if changed:
        compute_all(program, space)


@jit
def subtree_weight(program, pool, space, row):
    """Log-weight with which a row and all below it are drawn by themselves."""
    room, won = space.ints, own_weight(program, pool, space, row)
    unit = room[space.unit + row]
    for other in range(row + 1, room[space.first + program.n_units]):
        if room[space.unit + other] > unit and room[space.ancestor + other * space.n_units + unit] == row:
            if is_below(program, room[space.unit + other], unit):
                won += own_weight(program, pool, space, other)
    return won


@jit
def is_below(program, unit, other):
    """Whether a unit descends from another."""
    while unit >= 0:
        unit = program.ints[program.parent + unit]
        if unit == other:
            return True
    return False


@jit
def basic(program, pool, ledger, space, spare, ways, broken, lowest, dice):
    """One basic move; `ways` are the cumulative shares of: a value, a row drawn anew, one more or less, the order.

    Rows before `lowest` stay. Returns as `change_value`.
    """
    uniform = roll(dice)
    if uniform >= ways[1] and uniform < ways[2]:
        return change_number(program, pool, ledger, space, spare, dice)
    row = pick_row(program, ledger, space, broken > 0, lowest, dice)
    if row < 0:
        return NOTHING, 0.0, 0, 0.0
    if uniform < ways[0]:
        return change_value(program, pool, ledger, space, row, dice)
    if uniform < ways[1]:
        return change_row(program, pool, ledger, space, row, dice)
    return change_order(program, ledger, space, row, dice)
