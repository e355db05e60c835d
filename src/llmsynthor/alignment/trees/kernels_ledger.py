"""Energies: what records win by their weights, and what they cost by the counts of the cells and the sums that they are in."""

import numba
import numpy as np

from llmsynthor.alignment.rows.kernels import exp_below, mix

jit = numba.njit(nogil=True, cache=True)


@jit
def roll(dice):
    """Draw a number in [0, 1) from the stream whose state is `dice` (1,)."""
    dice[0], uniform = mix(dice[0])
    return uniform


@jit
def below(dice, number):
    """Draw a whole number in [0, number)."""
    return min(int(roll(dice) * number), number - 1)


@jit
def chance(dice, energy):
    """Accept a change that wins so much energy (Metropolis et al. 1953)."""
    if energy >= 0.0:
        return True
    return energy > -40.0 and roll(dice) < exp_below(energy)


@jit
def missing(ledger, group):
    """What the sum of a group is out of reach."""
    out = max(ledger.lowest[group], 0.0) - min(ledger.highest[group], 0.0)
    return max(out - ledger.slack[group], 0.0)


@jit
def move_sum(ledger, cell, sign):
    """Let a record enter (sign 1) or leave the sum that its cell adds to; returns the energy won."""
    group = ledger.group[cell]
    if group == 0:
        return 0.0
    before = missing(ledger, group)
    ledger.lowest[group] += sign * ledger.low[cell]
    ledger.highest[group] += sign * ledger.high[cell]
    return -ledger.pull[group] * (missing(ledger, group) - before)


@jit
def enter(ledger, cell):
    """Let a record enter a cell; returns the energy won by the counts."""
    before = ledger.counts[cell] - ledger.goal[cell]
    ledger.counts[cell] += 1
    won = -ledger.linear[cell] * (abs(before + 1.0) - abs(before)) - ledger.square[cell] * (2.0 * before + 1.0)
    return won + move_sum(ledger, cell, 1.0)


@jit
def leave(ledger, cell):
    """Let a record leave a cell; returns the energy won by the counts."""
    before = ledger.counts[cell] - ledger.goal[cell]
    ledger.counts[cell] -= 1
    won = -ledger.linear[cell] * (abs(before - 1.0) - abs(before)) - ledger.square[cell] * (1.0 - 2.0 * before)
    return won + move_sum(ledger, cell, -1.0)


@jit
def tally(program, ledger, space):
    """Log-weight of a whole record, and how many of its cells are forbidden."""
    room, score, broken = space.ints, 0.0, 0
    for table in range(program.n_tables):
        unit = program.ints[program.unit + table]
        for row in range(room[space.first + unit], room[space.first + unit + 1]):
            cell = room[space.cell + row * space.n_tables + table]
            score += ledger.weight[cell]
            broken += ledger.bad[cell]
    return score, broken


@jit
def turn_all(program, ledger, space, entering):
    """Let all rows of a record enter (or leave) their cells; returns the energy won."""
    room, won = space.ints, 0.0
    for table in range(program.n_tables):
        unit = program.ints[program.unit + table]
        for row in range(room[space.first + unit], room[space.first + unit + 1]):
            cell = room[space.cell + row * space.n_tables + table]
            won += enter(ledger, cell) if entering else leave(ledger, cell)
    return won


@jit
def turn(program, ledger, was, now, whole):
    """Bring the counts from the record `was` to `now`, its changed copy; returns the energy won."""
    if whole:
        return turn_all(program, ledger, was, False) + turn_all(program, ledger, now, True)
    room, won = now.ints, 0.0
    first, last = now.cell, now.cell + now.cells
    for k in range(room[now.logged]):
        place = room[now.log + 3 * k]
        if place >= first and place < last:
            won += leave(ledger, room[now.log + 3 * k + 1]) + enter(ledger, room[now.log + 3 * k + 2])
    return won


@jit
def turn_back(program, ledger, was, now, whole):
    """Undo `turn`."""
    if whole:
        turn_all(program, ledger, now, False)
        turn_all(program, ledger, was, True)
        return
    room = now.ints
    first, last = now.cell, now.cell + now.cells
    for k in range(room[now.logged] - 1, -1, -1):
        place = room[now.log + 3 * k]
        if place >= first and place < last:
            leave(ledger, room[now.log + 3 * k + 2])
            enter(ledger, room[now.log + 3 * k + 1])


@jit
def own_weight(program, pool, space, row):
    """Log-weight with which a row is drawn by itself, from its unit's own tables."""
    unit, won = space.ints[space.unit + row], 0.0
    for k in range(program.ints[program.own_ptr + unit], program.ints[program.own_ptr + unit + 1]):
        won += pool.weight[space.ints[space.cell + row * space.n_tables + program.ints[program.own_table + k]]]
    return won


@jit
def is_same(a, b):
    """Whether two values are the same, both missing included."""
    return a == b or (np.isnan(a) and np.isnan(b))
