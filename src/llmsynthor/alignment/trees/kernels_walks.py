"""Moves over whole valid records that cross walls: walks through invalid states, two records at once, members drawn anew."""

import numba
import numpy as np

from llmsynthor.alignment.trees.kernels import compute_all, copy_space
from llmsynthor.alignment.trees.kernels_build import REMOVE, REPLACE, TAKE, new_row, rebuild
from llmsynthor.alignment.trees.kernels_change import clear_log, refresh, unwind, write_code
from llmsynthor.alignment.trees.kernels_ledger import below, chance, own_weight, roll, tally
from llmsynthor.alignment.trees.kernels_moves import (
    NOTHING,
    REBUILT,
    WRITTEN,
    basic,
    exchange,
    group_of,
    match_neighbours,
)

jit = numba.njit(nogil=True, cache=True)

STEPS = 6
"""Basic moves of a walk at most."""

THROUGH = 1.5
"""Log-weight that a broken rule costs a walk on its way."""

FIRM = 2.0
"""Log-weight that a broken rule costs a repair, at least."""

STEPS_ANEW = 80


@jit
def walk(program, pool, ledger, space, spare, way, dice):
    """Walk from a valid record to the first valid state; returns (kind, whether it is valid): what was won is accepted already."""
    broken, kind = 0, NOTHING
    for _ in range(STEPS):
        ints_mark, reals_mark = space.ints[space.logged], space.ints[space.logged + 1]
        if ints_mark > space.full:
            return kind, False
        done, won, more, drawn = basic(program, pool, ledger, space, spare, way.walk, broken, way.lowest, dice)
        if done != NOTHING:
            if chance(dice, won - THROUGH * more + drawn):
                broken += more
                kind = max(kind, done)
                if done == REBUILT:
                    copy_space(program, spare, space)
            elif done == WRITTEN:
                unwind(space, ints_mark, reals_mark)
        if broken == 0:
            break
    return kind, broken == 0


@jit
def repair(program, pool, ledger, space, spare, ways, lowest, limit, dice):
    """Change rows from `lowest` on until no cell is forbidden (min-conflicts, Minton et al. 1992); says whether it succeeded."""
    _, broken = tally(program, ledger, space)
    rows = space.ints[space.first + program.n_units]
    firm = FIRM + np.log(1.0 + rows)
    for _ in range(limit * (rows + 3)):
        if broken == 0:
            break
        clear_log(space)
        done, _, more, _ = basic(program, pool, ledger, space, spare, ways, broken, lowest, dice)
        if done == NOTHING:
            continue
        if more <= 0 or chance(dice, -firm * more):
            broken += more
            if done == REBUILT:
                copy_space(program, spare, space)
        elif done == WRITTEN:
            unwind(space, 0, 0)
    clear_log(space)
    return broken == 0


@jit
def rows_weight(program, pool, space):
    """Log-weight with which all members of a record are drawn by themselves."""
    won = 0.0
    for row in range(1, space.ints[space.first + program.n_units]):
        won += own_weight(program, pool, space, row)
    return won


@jit
def anew(program, pool, ledger, was, space, spare, way, dice):
    """Draw all members of a record anew and repair them; returns (whether it is valid, log-weight won)."""
    before, _ = tally(program, ledger, was)
    clear_log(space)
    for row in range(1, space.ints[space.first + program.n_units]):
        unit = space.ints[space.unit + row]
        group = pool.group_first[unit] + group_of(program, space, row)
        number = pool.group_ptr[group + 1] - pool.group_ptr[group]
        if number > 0:
            at = pool.first[unit] + (pool.group_ptr[group] + below(dice, number)) * program.ints[program.n_own + unit]
            for k in range(program.ints[program.free_ptr + unit], program.ints[program.free_ptr + unit + 1]):
                axis = program.ints[program.free_axis + k]
                space.ints[space.code + row * space.n_columns + axis] = pool.rows[at + axis]
            match_neighbours(program, space, row, dice)
    compute_all(program, space)
    if not repair(program, pool, ledger, space, spare, way.anew, 1, STEPS_ANEW, dice):
        return False, 0.0
    after, _ = tally(program, ledger, space)
    return True, after - before - rows_weight(program, pool, space) + rows_weight(program, pool, was)


@jit
def swap_rows(program, pool, ledger, spaces, spares, dice):
    """Exchange two members of two records, one variable of theirs, or hand one over; returns (kind, valid, log-weight won)."""
    one, two = spaces
    n_units = program.n_units
    unit = below(dice, n_units)
    uniform = roll(dice)
    mine = one.ints[one.first + unit + 1] - one.ints[one.first + unit]
    theirs = two.ints[two.first + unit + 1] - two.ints[two.first + unit]
    if mine == 0 or (theirs == 0 and uniform >= 0.4):
        return NOTHING, False, 0.0
    row = one.ints[one.first + unit] + below(dice, mine)
    if unit > 0 and uniform < 0.4:
        return hand_over(program, pool, ledger, spaces, spares, (unit, row), dice)
    other = two.ints[two.first + unit] + below(dice, theirs)
    first, last = program.ints[program.free_ptr + unit], program.ints[program.free_ptr + unit + 1]
    if unit > 0 and uniform < 0.7:
        if program.ints[program.has_children + unit] == 1 and roll(dice) < 0.6:
            return trade(program, pool, ledger, spaces, spares, (unit, row, other), dice)
        won, broken = exchange(program, ledger, one, row, two, other)
        more, also = refresh(program, ledger, two, program.ints[program.whole + unit], other)
        return WRITTEN, broken + also == 0, won + more
    if last == first:
        return NOTHING, False, 0.0
    axis = program.ints[program.free_axis + first + below(dice, last - first)]
    a, b = one.ints[one.code + row * one.n_columns + axis], two.ints[two.code + other * two.n_columns + axis]
    if a == b:
        return NOTHING, False, 0.0
    move = program.ints[program.single + program.ints[program.axis_number + unit] + axis]
    write_code(one, row, axis, b)
    write_code(two, other, axis, a)
    won, broken = refresh(program, ledger, one, move, row)
    more, also = refresh(program, ledger, two, move, other)
    return WRITTEN, broken + also == 0, won + more


@jit
def parent_of(program, space, unit, row):
    """The row that a row of a unit lies below."""
    return space.ints[space.ancestor + row * space.n_units + program.ints[program.parent + unit]]


@jit
def gained(program, ledger, space, spare):
    """Log-weight and forbidden cells that a rebuilt record has more than it had."""
    before, had = tally(program, ledger, space)
    after, has = tally(program, ledger, spare)
    return after - before, has - had


@jit
def finish(program, ledger, spaces, spares):
    """Take over two rebuilt records if both are valid; returns as `swap_rows`."""
    won, broken = gained(program, ledger, spaces[0], spares[0])
    more, also = gained(program, ledger, spaces[1], spares[1])
    if broken > 0 or also > 0:
        return NOTHING, False, 0.0
    copy_space(program, spares[0], spaces[0])
    copy_space(program, spares[1], spaces[1])
    return REBUILT, True, won + more


@jit
def hand_over(program, pool, ledger, spaces, spares, what, dice):
    """Give a member of the first record, with all below it, to the second."""
    unit, row = what
    one, two = spaces
    ints = program.ints
    if ints[program.is_open + unit] == 0:
        return NOTHING, False, 0.0
    parent = ints[program.parent + unit]
    first, last = two.ints[two.first + parent], two.ints[two.first + parent + 1]
    if last == first:
        return NOTHING, False, 0.0
    p, place = parent_of(program, one, unit, row), first + below(dice, last - first)
    column, n_columns = ints[program.count_column + unit], one.n_columns
    if one.ints[one.code + p * n_columns + column] == 0:
        return NOTHING, False, 0.0
    if two.ints[two.code + place * n_columns + column] + 1 >= ints[program.count_size + unit]:
        return NOTHING, False, 0.0
    held = two.ints[two.high + place * two.n_units + unit] - two.ints[two.low + place * two.n_units + unit]
    less, more = (REMOVE, unit, row, p, -1, -1), (TAKE, unit, -1, place, below(dice, held + 1), row)
    if not rebuild(program, pool, (one, two), less, spares[0], dice):
        return NOTHING, False, 0.0
    if not rebuild(program, pool, (two, one), more, spares[1], dice):
        return NOTHING, False, 0.0
    if row < spares[0].ints[one.high + p * one.n_units + unit]:
        match_neighbours(program, spares[0], row, dice)
    match_neighbours(program, spares[1], new_row(spares[1], more), dice)
    return finish(program, ledger, spaces, spares)


@jit
def trade(program, pool, ledger, spaces, spares, what, dice):
    """Exchange two members with all below them."""
    unit, row, other = what
    one, two = spaces
    p, q = parent_of(program, one, unit, row), parent_of(program, two, unit, other)
    if not rebuild(program, pool, (one, two), (REPLACE, unit, row, p, -1, other), spares[0], dice):
        return NOTHING, False, 0.0
    if not rebuild(program, pool, (two, one), (REPLACE, unit, other, q, -1, row), spares[1], dice):
        return NOTHING, False, 0.0
    return finish(program, ledger, spaces, spares)

