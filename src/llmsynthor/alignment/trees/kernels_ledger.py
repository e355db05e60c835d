"""Energies: what records win by their weights, and what they cost by the counts of the cells and the sums that they are in."""

import numpy as np

from llmsynthor.alignment.compiled import jit
from llmsynthor.alignment.kernels_random import exp_below, mix
from llmsynthor.alignment.trees import fields as key


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
def missing(world, group):
    """What the sum of a group is out of reach, with a step for the last that is missing; no more than its slack is nothing.

    A group that must have somebody and has nobody is out of reach as well.
    """
    reals, place = world.reals, world.ints[key.LEDGER_SUMS] + key.SUM_WIDTH * group
    out = max(reals[place + key.LOWEST], 0.0) - min(reals[place + key.HIGHEST], 0.0)
    empty = reals[place + key.EMPTY] if reals[place + key.MEMBERS] < 0.5 else 0.0
    return empty + (out + reals[place + key.STEP] if out > reals[place + key.SLACK] else 0.0)


@jit
def move_sum(world, place, sign):
    """Let a record enter (sign 1) or leave the sum that a cell, at its place, adds to; returns the energy won."""
    reals, group = world.reals, int(world.reals[place + key.GROUP])
    total, before = world.ints[key.LEDGER_SUMS] + key.SUM_WIDTH * group, missing(world, group)
    reals[total + key.LOWEST] += sign * reals[place + key.LOW]
    reals[total + key.HIGHEST] += sign * reals[place + key.HIGH]
    reals[total + key.MEMBERS] += sign
    return -reals[total + key.PULL] * (missing(world, group) - before)


@jit
def enter(world, cell):
    """Let a record enter a cell; returns the energy won by the counts."""
    reals, place = world.reals, world.ints[key.LEDGER_CELLS] + key.WIDTH * cell
    before = reals[place + key.ERROR]
    reals[place + key.ERROR] = before + 1.0
    won = -reals[place + key.LINEAR] * (abs(before + 1.0) - abs(before)) - reals[place + key.SQUARE] * (
        2.0 * before + 1.0
    )
    return won + move_sum(world, place, 1.0) if reals[place + key.GROUP] != 0.0 else won


@jit
def leave(world, cell):
    """Let a record leave a cell; returns the energy won by the counts."""
    reals, place = world.reals, world.ints[key.LEDGER_CELLS] + key.WIDTH * cell
    before = reals[place + key.ERROR]
    reals[place + key.ERROR] = before - 1.0
    won = -reals[place + key.LINEAR] * (abs(before - 1.0) - abs(before)) - reals[place + key.SQUARE] * (
        1.0 - 2.0 * before
    )
    return won + move_sum(world, place, -1.0) if reals[place + key.GROUP] != 0.0 else won


@jit
def weight_of(world, cell):
    """Log-weight of a cell."""
    return world.reals[world.ints[key.LEDGER_CELLS] + key.WIDTH * cell + key.WEIGHT]


@jit
def is_bad(world, cell):
    """1 where a cell is forbidden, otherwise 0."""
    return int(world.reals[world.ints[key.LEDGER_CELLS] + key.WIDTH * cell + key.BAD])


@jit
def tally(world, space):
    """Log-weight of a whole record, and how many of its cells are forbidden."""
    ints, score, broken = world.ints, 0.0, 0
    for table in range(ints[key.N_TABLES]):
        unit = ints[ints[key.UNIT] + table]
        for row in range(ints[space + ints[key.ROOM_FIRST] + unit], ints[space + ints[key.ROOM_FIRST] + unit + 1]):
            cell = ints[space + ints[key.ROOM_CELL] + row * ints[key.N_TABLES] + table]
            score += weight_of(world, cell)
            broken += is_bad(world, cell)
    return score, broken


@jit
def turn_all(world, space, entering):
    """Let all rows of a record enter (or leave) their cells; returns the energy won."""
    ints, won = world.ints, 0.0
    for table in range(ints[key.N_TABLES]):
        unit = ints[ints[key.UNIT] + table]
        for row in range(ints[space + ints[key.ROOM_FIRST] + unit], ints[space + ints[key.ROOM_FIRST] + unit + 1]):
            cell = ints[space + ints[key.ROOM_CELL] + row * ints[key.N_TABLES] + table]
            won += enter(world, cell) if entering else leave(world, cell)
    return won


@jit
def turn(world, was, now, whole):
    """Bring the counts from the record `was` to `now`, its changed copy; returns the energy won."""
    if whole:
        return turn_all(world, was, False) + turn_all(world, now, True)
    ints, won = world.ints, 0.0
    first, last = ints[key.ROOM_CELL], ints[key.ROOM_CELL] + ints[key.ROOM_CELLS]
    for k in range(ints[now + key.LOGGED]):
        place = ints[now + ints[key.ROOM_LOG] + 3 * k]
        if place >= first and place < last:
            won += leave(world, ints[now + ints[key.ROOM_LOG] + 3 * k + 1]) + enter(
                world, ints[now + ints[key.ROOM_LOG] + 3 * k + 2]
            )
    return won


@jit
def turn_back(world, was, now, whole):
    """Undo `turn`."""
    if whole:
        turn_all(world, now, False)
        turn_all(world, was, True)
        return
    ints = world.ints
    first, last = ints[key.ROOM_CELL], ints[key.ROOM_CELL] + ints[key.ROOM_CELLS]
    for k in range(ints[now + key.LOGGED] - 1, -1, -1):
        place = ints[now + ints[key.ROOM_LOG] + 3 * k]
        if place >= first and place < last:
            leave(world, ints[now + ints[key.ROOM_LOG] + 3 * k + 2])
            enter(world, ints[now + ints[key.ROOM_LOG] + 3 * k + 1])


@jit
def own_weight(world, space, row):
    """Log-weight with which a row is drawn by itself, from its unit's own tables."""
    ints, won = world.ints, 0.0
    unit, cells = ints[space + ints[key.ROOM_UNIT] + row], space + ints[key.ROOM_CELL] + row * ints[key.N_TABLES]
    for k in range(ints[ints[key.OWN_PTR] + unit], ints[ints[key.OWN_PTR] + unit + 1]):
        won += world.reals[ints[key.POOL_WEIGHT] + ints[cells + ints[ints[key.OWN_TABLE] + k]]]
    return won


@jit
def is_same(a, b):
    """Whether two values are the same, both missing included."""
    return a == b or (np.isnan(a) and np.isnan(b))
