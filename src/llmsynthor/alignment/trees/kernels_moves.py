"""Basic moves within one laid out record: a value, a member drawn anew, two that change places; and which of all is tried."""

from llmsynthor.alignment.compiled import jit
from llmsynthor.alignment.trees import fields as key
from llmsynthor.alignment.trees.kernels import siblings
from llmsynthor.alignment.trees.kernels_balance import NEARBY, balance_of, hand_over, heir_of, nearby
from llmsynthor.alignment.trees.kernels_change import refresh, write_code
from llmsynthor.alignment.trees.kernels_ledger import below, is_bad, own_weight, roll
from llmsynthor.alignment.trees.kernels_numbers import NOTHING, WRITTEN, change_number, sibling


@jit
def pick_row(world, space, broken, lowest, dice):
    """Draw a row from `lowest` on; where something is broken, mostly one that lies in a forbidden cell."""
    ints = world.ints
    n_rows = ints[space + ints[key.ROOM_FIRST] + ints[key.N_UNITS]]
    if lowest >= n_rows:
        return -1
    if broken and roll(dice) < 0.6:
        begin = lowest + below(dice, n_rows - lowest)
        for k in range(n_rows - lowest):
            row = lowest + (begin - lowest + k) % (n_rows - lowest)
            if row_is_broken(world, space, row):
                return row
    return lowest + below(dice, n_rows - lowest)


@jit
def row_is_broken(world, space, row):
    """Whether a row lies in a forbidden cell."""
    ints = world.ints
    unit = ints[space + ints[key.ROOM_UNIT] + row]
    for k in range(ints[ints[key.UNIT_PTR] + unit], ints[ints[key.UNIT_PTR] + unit + 1]):
        table = ints[ints[key.UNIT_TABLE] + k]
        if is_bad(world, ints[space + ints[key.ROOM_CELL] + row * ints[key.N_TABLES] + table]) != 0:
            return True
    return False


@jit
def group_of(world, space, row):
    """Number of the group of pool rows that say they have as many children as this row has."""
    unit, group = world.ints[space + world.ints[key.ROOM_UNIT] + row], 0
    for k in range(
        world.ints[world.ints[key.COUNTING_PTR] + unit], world.ints[world.ints[key.COUNTING_PTR] + unit + 1]
    ):
        axis = world.ints[world.ints[key.COUNTING] + k]
        group = (
            group * world.ints[world.ints[key.COUNTING_SIZE] + k]
            + world.ints[space + world.ints[key.ROOM_CODE] + row * world.ints[key.N_COLUMNS] + axis]
        )
    return group


@jit
def drawn_row(world, space, row, dice):
    """Where in `world.ints` a drawn row begins that says it has as many children as this one; -1 where there is none."""
    unit = world.ints[space + world.ints[key.ROOM_UNIT] + row]
    group = (
        world.ints[key.POOL_GROUP_PTR]
        + world.ints[world.ints[key.POOL_GROUP_FIRST] + unit]
        + group_of(world, space, row)
    )
    number = world.ints[group + 1] - world.ints[group]
    if number == 0:
        return -1
    chosen = world.ints[group] + below(dice, number)
    return (
        world.ints[key.POOL_ROWS]
        + world.ints[world.ints[key.POOL_FIRST] + unit]
        + chosen * world.ints[world.ints[key.N_OWN] + unit]
    )


@jit
def draw_code(world, unit, axis, dice):
    """Draw a code of an own variable from its start weights."""
    number = world.ints[world.ints[key.AXIS_NUMBER] + unit] + axis
    first, last = (
        world.ints[world.ints[key.POOL_CODE_FIRST] + number],
        world.ints[world.ints[key.POOL_CODE_FIRST] + number + 1],
    )
    uniform = roll(dice)
    low, high = first, last - 1
    while low < high:
        middle = (low + high) // 2
        if world.reals[world.ints[key.POOL_BELOW] + middle] > uniform:
            high = middle
        else:
            low = middle + 1
    return low - first


@jit
def tie(world, space, row, axis, dice):
    """Where a changed variable must match one of a neighbour (see `moves.ties`), mostly change that as well.

    Returns the neighbour that was written, or -1; its columns must be refreshed.
    """
    ints = world.ints
    unit = ints[space + ints[key.ROOM_UNIT] + row]
    for k in range(ints[ints[key.TIE_PTR] + unit], ints[ints[key.TIE_PTR] + unit + 1]):
        first, second = ints[ints[key.TIE_FIRST] + k], ints[ints[key.TIE_SECOND] + k]
        if axis != first and axis != second:
            continue
        other = sibling(world, space, row, 1 if axis == first else -1)
        if other < 0 or roll(dice) < 0.2:
            continue
        start = ints[ints[key.TIE_START] + k] if axis == first else ints[ints[key.TIE_BACK] + k]
        code = ints[ints[key.TIE_MAP] + start + ints[space + ints[key.ROOM_CODE] + row * ints[key.N_COLUMNS] + axis]]
        if code >= 0:
            write_code(world, space, other, second if axis == first else first, code)
            return other
    return -1


@jit
def change_value(world, space, row, dice):
    """Draw one variable of a row anew; returns (kind, log-weight won, forbidden cells gained, correction of the draw)."""
    unit = world.ints[space + world.ints[key.ROOM_UNIT] + row]
    first, last = world.ints[world.ints[key.FREE_PTR] + unit], world.ints[world.ints[key.FREE_PTR] + unit + 1]
    if last == first:
        return NOTHING, 0.0, 0, 0.0
    axis = world.ints[world.ints[key.FREE_AXIS] + first + below(dice, last - first)]
    old = world.ints[space + world.ints[key.ROOM_CODE] + row * world.ints[key.N_COLUMNS] + axis]
    code, near = draw_code(world, unit, axis, dice), False
    balance = balance_of(world, unit, axis)
    if balance >= 0 and roll(dice) < NEARBY:
        code, near = nearby(world, balance, old, dice), True
    if code == old:
        return NOTHING, 0.0, 0, 0.0
    move = world.ints[world.ints[key.SINGLE] + world.ints[world.ints[key.AXIS_NUMBER] + unit] + axis]
    write_code(world, space, row, axis, code)
    other = tie(world, space, row, axis, dice)
    heir = heir_of(world, space, row, dice)
    if heir >= 0:
        hand_over(world, space, heir, axis, code - old)
    won, broken = refresh(world, space, move, row)
    for touched in (other, heir):
        if touched >= 0:
            more, also = retouch(world, space, touched)
            won, broken = won + more, broken + also
    start = (
        world.ints[key.POOL_LOG_SHARE]
        + world.ints[world.ints[key.POOL_CODE_FIRST] + world.ints[world.ints[key.AXIS_NUMBER] + unit] + axis]
    )
    return WRITTEN, won, broken, 0.0 if near else world.reals[start + old] - world.reals[start + code]


@jit
def retouch(world, space, row):
    """Refresh a row as if any of its own variables had changed."""
    unit = world.ints[space + world.ints[key.ROOM_UNIT] + row]
    for axis in range(world.ints[world.ints[key.N_OWN] + unit]):
        world.ints[space + world.ints[key.ROOM_DIRTY] + unit * world.ints[key.N_COLUMNS] + axis] = 1
    return refresh(world, space, world.ints[world.ints[key.WHOLE] + unit], row)


@jit
def change_row(world, space, row, dice):
    """Draw all variables of a row anew from its pool, but for those that count children; returns as `change_value`."""
    unit = world.ints[space + world.ints[key.ROOM_UNIT] + row]
    at = drawn_row(world, space, row, dice)
    if at < 0 or world.ints[world.ints[key.FREE_PTR] + unit] == world.ints[world.ints[key.FREE_PTR] + unit + 1]:
        return NOTHING, 0.0, 0, 0.0
    before = own_weight(world, space, row)
    heir = heir_of(world, space, row, dice)
    for axis in range(world.ints[world.ints[key.N_OWN] + unit] if heir >= 0 else 0):
        place = space + world.ints[key.ROOM_CODE] + row * world.ints[key.N_COLUMNS] + axis
        hand_over(world, space, heir, axis, world.ints[at + axis] - world.ints[place])
    won, broken = write_row(world, space, row, world.ints, at)
    if heir >= 0:
        more, also = retouch(world, space, heir)
        won, broken = won + more, broken + also
    for k in range(world.ints[world.ints[key.TIE_PTR] + unit], world.ints[world.ints[key.TIE_PTR] + unit + 1]):
        for end in range(2):
            axis = world.ints[(world.ints[key.TIE_FIRST] if end == 0 else world.ints[key.TIE_SECOND]) + k]
            other = tie(world, space, row, axis, dice)
            if other >= 0:
                more, also = retouch(world, space, other)
                won, broken = won + more, broken + also
    return WRITTEN, won, broken, before - own_weight(world, space, row)


@jit
def write_row(world, space, row, codes, at):
    """Write all variables of a row that count no children from `codes` on `at`; returns the log-weight and what is broken."""
    unit = world.ints[space + world.ints[key.ROOM_UNIT] + row]
    for k in range(world.ints[world.ints[key.FREE_PTR] + unit], world.ints[world.ints[key.FREE_PTR] + unit + 1]):
        axis = world.ints[world.ints[key.FREE_AXIS] + k]
        write_code(world, space, row, axis, codes[at + axis])
    return refresh(world, space, world.ints[world.ints[key.WHOLE] + unit], row)


@jit
def change_order(world, space, row, dice):
    """Let two siblings change places, where they have as many children; returns as `change_value`."""
    low, high = siblings(world, space, row)
    if high <= low:
        return NOTHING, 0.0, 0, 0.0
    other = low + below(dice, high - low)
    if other == row or group_of(world, space, row) != group_of(world, space, other):
        return NOTHING, 0.0, 0, 0.0
    won, broken = exchange(world, space, row, space, other)
    more, also = retouch(world, space, other)
    return WRITTEN, won + more, broken + also, 0.0


@jit
def exchange(world, one, row, two, other):
    """Exchange the variables of two rows that count no children; refreshes the first row only."""
    unit = world.ints[one + world.ints[key.ROOM_UNIT] + row]
    for k in range(world.ints[world.ints[key.FREE_PTR] + unit], world.ints[world.ints[key.FREE_PTR] + unit + 1]):
        axis = world.ints[world.ints[key.FREE_AXIS] + k]
        a = world.ints[one + world.ints[key.ROOM_CODE] + row * world.ints[key.N_COLUMNS] + axis]
        b = world.ints[two + world.ints[key.ROOM_CODE] + other * world.ints[key.N_COLUMNS] + axis]
        write_code(world, one, row, axis, b)
        write_code(world, two, other, axis, a)
    return refresh(world, one, world.ints[world.ints[key.WHOLE] + unit], row)


@jit
def basic(world, space, spare, ways, broken, lowest, dice):
    """One basic move; `ways` are the cumulative shares of: a value, a row drawn anew, one more or less, the order.

    Rows before `lowest` stay. Returns as `change_value`.
    """
    uniform = roll(dice)
    if uniform >= ways[1] and uniform < ways[2]:
        return change_number(world, space, spare, dice)
    row = pick_row(world, space, broken > 0, lowest, dice)
    if row < 0:
        return NOTHING, 0.0, 0, 0.0
    if uniform < ways[0]:
        return change_value(world, space, row, dice)
    if uniform < ways[1]:
        return change_row(world, space, row, dice)
    return change_order(world, space, row, dice)
