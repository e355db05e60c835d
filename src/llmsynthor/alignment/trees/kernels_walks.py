"""Moves over whole valid records that cross walls: walks through invalid states, two records at once, members drawn anew."""

import numpy as np

from llmsynthor.alignment.compiled import jit
from llmsynthor.alignment.trees import fields as key
from llmsynthor.alignment.trees.kernels import compute_all, copy_space
from llmsynthor.alignment.trees.kernels_build import REMOVE, REPLACE, TAKE, new_row, rebuild
from llmsynthor.alignment.trees.kernels_change import clear_log, refresh, unwind, write_code
from llmsynthor.alignment.trees.kernels_ledger import below, chance, own_weight, roll, tally
from llmsynthor.alignment.trees.kernels_moves import basic, drawn_row, exchange
from llmsynthor.alignment.trees.kernels_numbers import NOTHING, REBUILT, WRITTEN, match_neighbours

TOO_MANY = 0.75
"""A cell with so many records beyond its target is over-full."""

STEPS = 6
"""Basic moves of a walk at most."""

THROUGH = 1.5
"""Log-weight that a broken rule costs a walk on its way."""

FIRM = 2.0
"""Log-weight that a broken rule costs a repair, at least."""

STEPS_ANEW = 20


@jit
def walk(world, space, spare, way, dice):
    """Walk from a valid record to the first valid state; returns (kind, whether it is valid): what was won is accepted already."""
    broken, kind = 0, NOTHING
    for _ in range(STEPS):
        ints_mark, reals_mark = world.ints[space + key.LOGGED], world.ints[space + key.LOGGED + 1]
        if ints_mark > world.ints[key.ROOM_FULL]:
            return kind, False
        done, won, more, drawn = basic(world, space, spare, way.walk, broken, way.lowest, dice)
        if done != NOTHING:
            if chance(dice, won - THROUGH * more + drawn):
                broken += more
                kind = max(kind, done)
                if done == REBUILT:
                    copy_space(world, spare, space)
            elif done == WRITTEN:
                unwind(world, space, ints_mark, reals_mark)
        if broken == 0:
            break
    return kind, broken == 0


@jit
def repair(world, space, spare, ways, lowest, limit, dice):
    """Change rows from `lowest` on until no cell is forbidden (min-conflicts, Minton et al. 1992); says whether it succeeded."""
    _, broken = tally(world, space)
    rows = world.ints[space + world.ints[key.ROOM_FIRST] + world.ints[key.N_UNITS]]
    firm = FIRM + np.log(1.0 + rows)
    for _ in range(limit * (rows + 3)):
        if broken == 0:
            break
        clear_log(world, space)
        done, _, more, _ = basic(world, space, spare, ways, broken, lowest, dice)
        if done == NOTHING:
            continue
        if more <= 0 or chance(dice, -firm * more):
            broken += more
            if done == REBUILT:
                copy_space(world, spare, space)
        elif done == WRITTEN:
            unwind(world, space, 0, 0)
    clear_log(world, space)
    return broken == 0


@jit
def rows_weight(world, space):
    """Log-weight with which all members of a record are drawn by themselves."""
    won = 0.0
    for row in range(1, world.ints[space + world.ints[key.ROOM_FIRST] + world.ints[key.N_UNITS]]):
        won += own_weight(world, space, row)
    return won


@jit
def anew(world, was, space, spare, way, dice):
    """Draw all members of a record anew and repair them; returns (whether it is valid, log-weight won)."""
    before, _ = tally(world, was)
    clear_log(world, space)
    for row in range(1, world.ints[space + world.ints[key.ROOM_FIRST] + world.ints[key.N_UNITS]]):
        unit = world.ints[space + world.ints[key.ROOM_UNIT] + row]
        at = drawn_row(world, space, row, dice)
        if at >= 0:
            for k in range(
                world.ints[world.ints[key.FREE_PTR] + unit], world.ints[world.ints[key.FREE_PTR] + unit + 1]
            ):
                axis = world.ints[world.ints[key.FREE_AXIS] + k]
                world.ints[space + world.ints[key.ROOM_CODE] + row * world.ints[key.N_COLUMNS] + axis] = world.ints[
                    at + axis
                ]
            match_neighbours(world, space, row, dice)
    compute_all(world, space)
    if not repair(world, space, spare, way.anew, 1, STEPS_ANEW, dice):
        return False, 0.0
    after, _ = tally(world, space)
    return True, after - before - rows_weight(world, space) + rows_weight(world, was)


@jit
def is_over_full(world, space, unit, row):
    """Whether a row of a unit is in a cell of its tables that holds a record too many."""
    ints = world.ints
    for table in range(ints[key.N_TABLES]):
        if ints[ints[key.UNIT] + table] == unit:
            cell = ints[space + ints[key.ROOM_CELL] + row * ints[key.N_TABLES] + table]
            place = ints[key.LEDGER_CELLS] + key.WIDTH * cell
            if world.reals[place + key.LINEAR] > 0.0 and world.reals[place + key.ERROR] >= TOO_MANY:
                return True
    return False


@jit
def some_row(world, space, unit, number, dice):
    """One of a record's rows of a unit; every other time one in an over-full cell, where there is one."""
    first = world.ints[space + world.ints[key.ROOM_FIRST] + unit]
    chosen = below(dice, number)
    if roll(dice) < 0.5:
        for k in range(number):
            row = first + (chosen + k) % number
            if is_over_full(world, space, unit, row):
                return row
    return first + chosen


@jit
def swap_rows(world, spaces, spares, dice):
    """Exchange two members of two records, one variable of theirs, or hand one over; returns (kind, valid, log-weight won)."""
    one, two = spaces
    n_units = world.ints[key.N_UNITS]
    unit = below(dice, n_units)
    uniform = roll(dice)
    mine = world.ints[one + world.ints[key.ROOM_FIRST] + unit + 1] - world.ints[one + world.ints[key.ROOM_FIRST] + unit]
    theirs = (
        world.ints[two + world.ints[key.ROOM_FIRST] + unit + 1] - world.ints[two + world.ints[key.ROOM_FIRST] + unit]
    )
    if mine == 0 or (theirs == 0 and uniform >= 0.4):
        return NOTHING, False, 0.0
    row = some_row(world, one, unit, mine, dice)
    if unit > 0 and uniform < 0.4:
        return hand_over(world, spaces, spares, (unit, row), dice)
    other = world.ints[two + world.ints[key.ROOM_FIRST] + unit] + below(dice, theirs)
    first, last = world.ints[world.ints[key.FREE_PTR] + unit], world.ints[world.ints[key.FREE_PTR] + unit + 1]
    if unit > 0 and uniform < 0.7:
        if world.ints[world.ints[key.HAS_CHILDREN] + unit] == 1 and roll(dice) < 0.6:
            return trade(world, spaces, spares, (unit, row, other), dice)
        won, broken = exchange(world, one, row, two, other)
        more, also = refresh(world, two, world.ints[world.ints[key.WHOLE] + unit], other)
        return WRITTEN, broken + also == 0, won + more
    if last == first:
        return NOTHING, False, 0.0
    axis = world.ints[world.ints[key.FREE_AXIS] + first + below(dice, last - first)]
    a, b = (
        world.ints[one + world.ints[key.ROOM_CODE] + row * world.ints[key.N_COLUMNS] + axis],
        world.ints[two + world.ints[key.ROOM_CODE] + other * world.ints[key.N_COLUMNS] + axis],
    )
    if a == b:
        return NOTHING, False, 0.0
    move = world.ints[world.ints[key.SINGLE] + world.ints[world.ints[key.AXIS_NUMBER] + unit] + axis]
    write_code(world, one, row, axis, b)
    write_code(world, two, other, axis, a)
    won, broken = refresh(world, one, move, row)
    more, also = refresh(world, two, move, other)
    return WRITTEN, broken + also == 0, won + more


@jit
def parent_of(world, space, unit, row):
    """The row that a row of a unit lies below."""
    return world.ints[
        space
        + world.ints[key.ROOM_ANCESTOR]
        + row * world.ints[key.N_UNITS]
        + world.ints[world.ints[key.PARENT] + unit]
    ]


@jit
def gained(world, space, spare):
    """Log-weight and forbidden cells that a rebuilt record has more than it had."""
    before, had = tally(world, space)
    after, has = tally(world, spare)
    return after - before, has - had


@jit
def finish(world, spaces, spares):
    """Take over two rebuilt records if both are valid; returns as `swap_rows`."""
    won, broken = gained(world, spaces[0], spares[0])
    more, also = gained(world, spaces[1], spares[1])
    if broken > 0 or also > 0:
        return NOTHING, False, 0.0
    copy_space(world, spares[0], spaces[0])
    copy_space(world, spares[1], spaces[1])
    return REBUILT, True, won + more


@jit
def may_change(world, unit):
    """Whether the numbers of a unit's records may change as they will: not while they are met and nothing is stuck."""
    ints = world.ints
    for k in range(ints[key.N_OPEN]):
        if ints[ints[key.OPEN_UNIT] + k] == unit:
            return True
    return False


@jit
def hand_over(world, spaces, spares, what, dice):
    """Give a member of the first record, with all below it, to the second."""
    unit, row = what
    one, two = spaces
    ints = world.ints
    if ints[ints[key.IS_OPEN] + unit] == 0:
        return NOTHING, False, 0.0
    parent = ints[ints[key.PARENT] + unit]
    first, last = ints[two + ints[key.ROOM_FIRST] + parent], ints[two + ints[key.ROOM_FIRST] + parent + 1]
    if last == first:
        return NOTHING, False, 0.0
    p, place = parent_of(world, one, unit, row), first + below(dice, last - first)
    column, n_columns = ints[ints[key.COUNT_COLUMN] + unit], ints[key.N_COLUMNS]
    mine = ints[one + ints[key.ROOM_CODE] + p * n_columns + column]
    theirs = ints[two + ints[key.ROOM_CODE] + place * n_columns + column]
    if mine == 0 or theirs + 1 >= ints[ints[key.COUNT_SIZE] + unit]:
        return NOTHING, False, 0.0
    if mine != theirs + 1 and not may_change(world, unit):
        return NOTHING, False, 0.0
    held = (
        ints[two + ints[key.ROOM_HIGH] + place * ints[key.N_UNITS] + unit]
        - ints[two + ints[key.ROOM_LOW] + place * ints[key.N_UNITS] + unit]
    )
    less, more = (REMOVE, unit, row, p, -1, -1), (TAKE, unit, -1, place, below(dice, held + 1), row)
    if not rebuild(world, (one, two), less, spares[0], dice):
        return NOTHING, False, 0.0
    if not rebuild(world, (two, one), more, spares[1], dice):
        return NOTHING, False, 0.0
    if row < ints[one + ints[key.ROOM_HIGH] + p * ints[key.N_UNITS] + unit]:
        match_neighbours(world, spares[0], row, dice)
    match_neighbours(world, spares[1], new_row(world, spares[1], more), dice)
    return finish(world, spaces, spares)


@jit
def trade(world, spaces, spares, what, dice):
    """Exchange two members with all below them."""
    unit, row, other = what
    one, two = spaces
    p, q = parent_of(world, one, unit, row), parent_of(world, two, unit, other)
    if not rebuild(world, (one, two), (REPLACE, unit, row, p, -1, other), spares[0], dice):
        return NOTHING, False, 0.0
    if not rebuild(world, (two, one), (REPLACE, unit, other, q, -1, row), spares[1], dice):
        return NOTHING, False, 0.0
    return finish(world, spaces, spares)
