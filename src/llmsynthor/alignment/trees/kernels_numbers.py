"""Moves that change how many members a record has: one more, drawn, or one less."""

from llmsynthor.alignment.compiled import jit
from llmsynthor.alignment.trees import fields as key
from llmsynthor.alignment.trees.kernels import compute_all, siblings
from llmsynthor.alignment.trees.kernels_balance import is_balanced, make_room, take_over
from llmsynthor.alignment.trees.kernels_build import ADD, REMOVE, new_row, rebuild
from llmsynthor.alignment.trees.kernels_ledger import below, own_weight, roll, tally

NOTHING, WRITTEN, REBUILT = 0, 1, 2
"""What a basic move has done: nothing; codes of the record itself, logged; or a changed copy in the second workspace."""


@jit
def sibling(world, space, row, step):
    """The row next to a row (step 1) or before it (-1) below the same parent, -1 where there is none."""
    low, high = siblings(world, space, row)
    other = row + step
    return other if low <= other < high else -1


@jit
def change_number(world, space, spare, dice):
    """Add a drawn member at a random place, or remove one, in the workspace `spare`; returns as `change_value`."""
    ints = world.ints
    n_open = ints[key.N_OPEN]
    if n_open == 0:
        return NOTHING, 0.0, 0, 0.0
    unit = ints[ints[key.OPEN_UNIT] + below(dice, n_open)]
    parent = ints[ints[key.PARENT] + unit]
    first, last = ints[space + ints[key.ROOM_FIRST] + parent], ints[space + ints[key.ROOM_FIRST] + parent + 1]
    if last == first:
        return NOTHING, 0.0, 0, 0.0
    p = first + below(dice, last - first)
    low, high = (
        ints[space + ints[key.ROOM_LOW] + p * ints[key.N_UNITS] + unit],
        ints[space + ints[key.ROOM_HIGH] + p * ints[key.N_UNITS] + unit],
    )
    code = ints[space + ints[key.ROOM_CODE] + p * ints[key.N_COLUMNS] + ints[ints[key.COUNT_COLUMN] + unit]]
    if roll(dice) < 0.5:
        if code + 1 >= ints[ints[key.COUNT_SIZE] + unit]:
            return NOTHING, 0.0, 0, 0.0
        edit = (ADD, unit, -1, p, below(dice, high - low + 1), -1)
    else:
        if code == 0 or high == low:
            return NOTHING, 0.0, 0, 0.0
        edit = (REMOVE, unit, low + below(dice, high - low), p, -1, -1)
    if not rebuild(world, (space, space), edit, spare, dice):
        return NOTHING, 0.0, 0, 0.0
    at = new_row(world, spare, edit)
    if edit[0] == ADD or at < ints[spare + ints[key.ROOM_HIGH] + p * ints[key.N_UNITS] + unit]:
        match_neighbours(world, spare, at, dice)
    if is_balanced(world, unit):
        settle_number(world, (space, spare), edit, at, dice)
    before, had = tally(world, space)
    after, has = tally(world, spare)
    if edit[0] == ADD:
        drawn = -subtree_weight(world, spare, at)
    else:
        drawn = subtree_weight(world, space, at)
    return REBUILT, after - before, has - had, drawn


@jit
def settle_number(world, spaces, edit, at, dice):
    """Keep the sums that rules fix where a member came, at row `at` of the second workspace, or went; computes the record anew."""
    ints, (space, spare) = world.ints, spaces
    if edit[0] == ADD:
        changed = make_room(world, spare, at, dice)
    else:
        low, high = (
            ints[spare + ints[key.ROOM_LOW] + edit[3] * ints[key.N_UNITS] + edit[1]],
            ints[spare + ints[key.ROOM_HIGH] + edit[3] * ints[key.N_UNITS] + edit[1]],
        )
        changed = high > low and take_over(world, spare, low + below(dice, high - low), (space, edit[2]), dice)
    if changed:
        compute_all(world, spare)


@jit
def match_neighbours(world, space, row, dice):
    """Bring the variables of a new row that must match its neighbours in line with them, then compute the record anew."""
    ints = world.ints
    unit, changed = ints[space + ints[key.ROOM_UNIT] + row], False
    for k in range(ints[ints[key.TIE_PTR] + unit], ints[ints[key.TIE_PTR] + unit + 1]):
        for step in (-1, 1):
            other = sibling(world, space, row, step)
            if other < 0:
                continue
            one, two = (other, row) if step < 0 else (row, other)
            code = ints[space + ints[key.ROOM_CODE] + one * ints[key.N_COLUMNS] + ints[ints[key.TIE_FIRST] + k]]
            matching = ints[ints[key.TIE_MAP] + ints[ints[key.TIE_START] + k] + code]
            if matching >= 0:
                ints[space + ints[key.ROOM_CODE] + two * ints[key.N_COLUMNS] + ints[ints[key.TIE_SECOND] + k]] = (
                    matching
                )
                changed = True
    if changed:
        compute_all(world, space)


@jit
def subtree_weight(world, space, row):
    """Log-weight with which a row and all below it are drawn by themselves."""
    ints, won = world.ints, own_weight(world, space, row)
    unit = ints[space + ints[key.ROOM_UNIT] + row]
    for other in range(row + 1, ints[space + ints[key.ROOM_FIRST] + ints[key.N_UNITS]]):
        if (
            ints[space + ints[key.ROOM_UNIT] + other] > unit
            and ints[space + ints[key.ROOM_ANCESTOR] + other * ints[key.N_UNITS] + unit] == row
        ):
            if is_below(world, ints[space + ints[key.ROOM_UNIT] + other], unit):
                won += own_weight(world, space, other)
    return won


@jit
def is_below(world, unit, other):
    """Whether a unit descends from another."""
    while unit >= 0:
        unit = world.ints[world.ints[key.PARENT] + unit]
        if unit == other:
            return True
    return False
