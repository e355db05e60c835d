"""Visits: two records are laid out side by side, moved many times, and written back."""

from typing import NamedTuple

import numpy as np

from llmsynthor.alignment.compiled import jit
from llmsynthor.alignment.kernels_random import stream
from llmsynthor.alignment.trees import fields as key
from llmsynthor.alignment.trees.kernels import World, compute_all, copy_space, length_of, load, save
from llmsynthor.alignment.trees.kernels_borrow import borrow
from llmsynthor.alignment.trees.kernels_change import clear_log, replay, unwind
from llmsynthor.alignment.trees.kernels_ledger import below, chance, roll, turn, turn_back
from llmsynthor.alignment.trees.kernels_moves import basic
from llmsynthor.alignment.trees.kernels_numbers import NOTHING, REBUILT
from llmsynthor.alignment.trees.kernels_walks import anew, repair, swap_rows, walk


class Way(NamedTuple):
    """How visits go: `moves` a row; the share of moves of `single` records, of them `renew`ed, of the others `swap`s.

    `walk` and `anew` are the cumulative shares of basic moves (see `kernels_moves.basic`); rows before `lowest` stay. What a
    record that has not changed yet loses by a change is `stay`; partners that are alike stand at most `near` apart.
    """

    moves: float
    single: float
    renew: float
    swap: float
    walk: tuple[float, float, float]
    anew: tuple[float, float, float]
    lowest: int
    stay: float
    near: int


@jit
def put_back(world, was, now, whole):
    """Make a changed copy what it was."""
    if whole:
        copy_space(world, was, now)
        clear_log(world, now)
    else:
        unwind(world, now, 0, 0)


@jit
def take_over(world, was, now, whole):
    """Make a record what its changed copy is."""
    if whole:
        copy_space(world, now, was)
    else:
        replay(world, now, was)
    clear_log(world, now)


@jit
def settle(world, was, now, kind, energy, dice):
    """Accept or drop what was changed in one record; says which."""
    whole = kind == REBUILT
    won = energy + turn(world, was, now, whole)
    if chance(dice, won):
        take_over(world, was, now, whole)
        return True
    turn_back(world, was, now, whole)
    put_back(world, was, now, whole)
    return False


@jit
def settle_two(world, spaces, kinds, energy, dice):
    """Accept or drop what was changed in two records together; says which."""
    one, two = kinds[0] == REBUILT, kinds[1] == REBUILT
    won = energy + turn(world, spaces[0], spaces[1], one) + turn(world, spaces[3], spaces[4], two)
    if chance(dice, won):
        take_over(world, spaces[0], spaces[1], one)
        take_over(world, spaces[3], spaces[4], two)
        return True
    turn_back(world, spaces[3], spaces[4], two)
    turn_back(world, spaces[0], spaces[1], one)
    put_back(world, spaces[0], spaces[1], one)
    put_back(world, spaces[3], spaces[4], two)
    return False


@jit
def one_each(world, spaces, way, dice):
    """A basic move of each of two records; returns (kinds, whether both are valid, log-weight won)."""
    kind, won, broken, drawn = basic(world, spaces[1], spaces[2], way.walk, 0, way.lowest, dice)
    if kind == NOTHING or broken > 0:
        return (kind, NOTHING), False, 0.0
    other, more, also, again = basic(world, spaces[4], spaces[5], way.walk, 0, way.lowest, dice)
    if other == NOTHING or also > 0:
        return (kind, other), False, 0.0
    if kind == REBUILT:
        copy_space(world, spaces[2], spaces[1])
    if other == REBUILT:
        copy_space(world, spaces[5], spaces[4])
    return (kind, other), True, won + more + drawn + again


@jit
def move_one(world, was, now, spare, way, energy, dice):
    """Try a walk of one record, or its members drawn anew; says whether it changed."""
    if roll(dice) < way.renew:
        valid, won = anew(world, was, now, spare, way, dice)
        if valid:
            return settle(world, was, now, REBUILT, won + energy, dice)
        copy_space(world, was, now)
        clear_log(world, now)
        return False
    kind, valid = walk(world, now, spare, way, dice)
    if kind == NOTHING:
        return False
    if valid:
        return settle(world, was, now, kind, energy, dice)
    put_back(world, was, now, kind == REBUILT)
    return False


@jit
def move_two(world, spaces, way, energy, dice):
    """Try to change two records together; says whether they changed."""
    if roll(dice) < way.swap:
        pair, spares = (spaces[1], spaces[4]), (spaces[2], spaces[5])
        kind, valid, won = swap_rows(world, pair, spares, dice)
        kinds = (kind, kind)
    else:
        kinds, valid, won = one_each(world, spaces, way, dice)
    if valid:
        return settle_two(world, spaces, kinds, won + energy, dice)
    unwind(world, spaces[1], 0, 0)
    unwind(world, spaces[4], 0, 0)
    return False


@jit
def fetch(world, arena, record, was, now, room):
    """Load a record and its copy; `room` is how many codes it may come to have."""
    load(world, arena.codes, arena.start[record], was)
    compute_all(world, was)
    copy_space(world, was, now)
    clear_log(world, now)
    world.ints[now + key.LIMIT] = max(arena.capacity[record], room)


@jit
def store(world, arena, record, space, block):
    """Write a record back, behind the others of its block where it has outgrown its place."""
    length = length_of(world, space)
    if length > arena.capacity[record]:
        arena.start[record] = arena.tail[block, 0]
        arena.capacity[record] = length + length // 4
        arena.tail[block, 0] += arena.capacity[record]
    save(world, space, arena.codes, arena.start[record])


@jit
def visit(world, arena, spaces, pair, block, way, dice):
    """Move two records (or one, where the second is -1) many times; returns how many moves were made."""
    one, two = pair
    made, first, second = 0, False, False
    spare = (arena.tail[block, 1] - arena.tail[block, 0]) * 2 // 5
    fetch(world, arena, one, spaces[0], spaces[1], spare)
    world.ints[spaces[2] + key.LIMIT] = world.ints[spaces[1] + key.LIMIT]
    mine = world.ints[spaces[0] + world.ints[key.ROOM_FIRST] + world.ints[key.N_UNITS]]
    rows, alone = mine, two < 0
    if not alone:
        fetch(world, arena, two, spaces[3], spaces[4], spare)
        world.ints[spaces[5] + key.LIMIT] = world.ints[spaces[4] + key.LIMIT]
        rows += world.ints[spaces[3] + world.ints[key.ROOM_FIRST] + world.ints[key.N_UNITS]]
    for _ in range(max(int(way.moves * rows), 1)):
        uniform = roll(dice)
        if not alone and uniform >= way.single:
            energy = -(0.0 if arena.changed[one] else way.stay) - (0.0 if arena.changed[two] else way.stay)
            if move_two(world, spaces, way, energy, dice):
                first, second, made = True, True, made + 1
                arena.changed[one], arena.changed[two] = True, True
        elif alone or uniform * rows < way.single * mine:
            energy = 0.0 if arena.changed[one] else -way.stay
            if move_one(world, spaces[0], spaces[1], spaces[2], way, energy, dice):
                first, made = True, made + 1
                arena.changed[one] = True
        else:
            energy = 0.0 if arena.changed[two] else -way.stay
            if move_one(world, spaces[3], spaces[4], spaces[5], way, energy, dice):
                second, made = True, made + 1
                arena.changed[two] = True
    if first:
        store(world, arena, one, spaces[0], block)
    if second:
        store(world, arena, two, spaces[3], block)
    return made


@jit
def visit_all(world, arena, spaces, order, partners, block, way, stream_of):
    """Visit the records in `order`, each with one drawn from `partners`; returns the number of moves made.

    Where `way.near` is not 0, partners are in an order, and half of them stand so near to the record in it. `stream_of` is the
    seed and the number of the sweep.
    """
    world = World(borrow(world.ints), borrow(world.reals))  # type: ignore[call-arg]  # numba gives the context
    made, dice, place = 0, np.zeros(1, dtype=np.uint64), np.zeros(0, dtype=np.int64)
    if way.near > 0 and len(partners) > 0:
        first = partners.min()
        place = np.full(partners.max() - first + 1, -1)
        for k in range(len(partners)):
            place[partners[k] - first] = k
    for k in range(len(order)):
        dice[0] = stream(stream_of[0], stream_of[1], order[k] + 1_000_003 * (k % 7))
        partner = partners[below(dice, len(partners))] if len(partners) > 0 else -1
        if len(place) > 0 and roll(dice) < 0.6:
            at = place[order[k] - first] + below(dice, 2 * way.near + 1) - way.near
            if at >= 0 and at < len(partners):
                partner = partners[at]
        if partner == order[k]:
            partner = -1
        made += visit(world, arena, spaces, (order[k], partner), block, way, dice)
    return made


@jit
def repair_chunk(world, arena, spaces, order, block, lowest, way, limit, stream_of, valid):
    """Repair the records in `order`, rows from `lowest` on; writes to `valid` (top records,) whether each keeps all rules."""
    world = World(borrow(world.ints), borrow(world.reals))  # type: ignore[call-arg]  # numba gives the context
    dice = np.zeros(1, dtype=np.uint64)
    for k in range(len(order)):
        record = order[k]
        dice[0] = stream(stream_of[0], stream_of[1], record)
        room = arena.tail[block, 1] - arena.tail[block, 0]
        fetch(world, arena, record, spaces[0], spaces[1], room)
        world.ints[spaces[2] + key.LIMIT] = world.ints[spaces[1] + key.LIMIT]
        valid[record] = repair(world, spaces[1], spaces[2], way, lowest, limit, dice)
        if valid[record]:
            store(world, arena, record, spaces[1], block)
