"""Moves that keep the sum of a number over siblings: what one gains another loses, and who comes or goes is made up for."""

from llmsynthor.alignment.compiled import jit
from llmsynthor.alignment.trees import fields as key
from llmsynthor.alignment.trees.kernels import siblings
from llmsynthor.alignment.trees.kernels_change import write_code
from llmsynthor.alignment.trees.kernels_ledger import below, roll

MADE_UP = 0.9
"""How often a change of such a number is made up for."""

NEARBY, SCALES = 0.7, 8
"""How often such a number is changed by a little only: by less than two, four and so on to this power of two."""


@jit
def balance_of(world, unit, axis):
    """Which of the numbers kept in balance a variable is, -1 for none."""
    ints = world.ints
    for k in range(ints[ints[key.BALANCE_PTR] + unit], ints[ints[key.BALANCE_PTR] + unit + 1]):
        if ints[ints[key.BALANCE_AXIS] + k] == axis:
            return k
    return -1


@jit
def nearby(world, balance, code, dice):
    """A code near another, as likely as the way back; the same where it would lie beyond the range."""
    most = 1 << (1 + below(dice, SCALES))
    other = code + below(dice, 2 * most - 1) - (most - 1)
    return other if 0 <= other < world.ints[world.ints[key.BALANCE_SIZE] + balance] else code


@jit
def some_sibling(world, space, row, dice):
    """A sibling of a row, drawn; -1 where there is none."""
    low, high = siblings(world, space, row)
    if high - low < 2:
        return -1
    other = low + below(dice, high - low - 1)
    return other + 1 if other >= row else other


@jit
def is_balanced(world, unit):
    """Whether a rule fixes the sum of any number of a unit."""
    return world.ints[world.ints[key.BALANCE_PTR] + unit] < world.ints[world.ints[key.BALANCE_PTR] + unit + 1]


@jit
def heir_of(world, space, row, dice):
    """The sibling that makes up for what a row's numbers change, mostly; -1 for none."""
    if not is_balanced(world, world.ints[space + world.ints[key.ROOM_UNIT] + row]) or roll(dice) >= MADE_UP:
        return -1
    return some_sibling(world, space, row, dice)


@jit
def hand_over(world, space, heir, axis, gained):
    """Take what another row has gained (codes) in a number whose sum is fixed from its sibling, whose columns must be refreshed."""
    ints = world.ints
    balance = balance_of(world, ints[space + ints[key.ROOM_UNIT] + heir], axis)
    code = ints[space + ints[key.ROOM_CODE] + heir * ints[key.N_COLUMNS] + axis] - gained
    if balance >= 0 and 0 <= code < ints[ints[key.BALANCE_SIZE] + balance]:
        write_code(world, space, heir, axis, code)


@jit
def make_room(world, space, row, dice):
    """Let a sibling give a new row the numbers it has come with; says whether anything was changed: all is to be computed anew."""
    return _settle(world, space, row, space, row, -1, dice)


@jit
def take_over(world, space, row, gone, dice):
    """Let a row take the numbers of the one that has gone, row `gone[1]` of the workspace `gone[0]`; as `make_room`."""
    return _settle(world, space, row, gone[0], gone[1], 1, dice)


@jit
def _settle(world, space, row, source, other, sign, dice):
    ints, changed = world.ints, False
    unit = ints[source + ints[key.ROOM_UNIT] + other]
    for k in range(ints[ints[key.BALANCE_PTR] + unit], ints[ints[key.BALANCE_PTR] + unit + 1]):
        if roll(dice) >= MADE_UP:
            continue
        axis = ints[ints[key.BALANCE_AXIS] + k]
        value = (
            ints[source + ints[key.ROOM_CODE] + other * ints[key.N_COLUMNS] + axis] + ints[ints[key.BALANCE_BASE] + k]
        )
        heir = some_sibling(world, space, row, dice) if sign < 0 else row
        if heir < 0:
            continue
        place = space + ints[key.ROOM_CODE] + heir * ints[key.N_COLUMNS] + axis
        code = ints[place] + sign * value
        if code >= 0 and code < ints[ints[key.BALANCE_SIZE] + k]:
            ints[place] = code
            changed = True
    return changed
