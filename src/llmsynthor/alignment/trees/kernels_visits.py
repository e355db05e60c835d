"""Visits: two records are laid out side by side, moved many times, and written back."""

import numba
import numpy as np

from llmsynthor.alignment.rows.kernels import stream
from llmsynthor.alignment.trees.kernels import compute_all, copy_space, length_of, load, save
from llmsynthor.alignment.trees.kernels_change import clear_log, replay, unwind
from llmsynthor.alignment.trees.kernels_ledger import below, chance, roll, turn, turn_back
from llmsynthor.alignment.trees.kernels_moves import NOTHING, REBUILT, WRITTEN, basic
from llmsynthor.alignment.trees.kernels_walks import anew, repair, swap_rows, walk

jit = numba.njit(nogil=True, cache=True)


@jit
def put_back(program, was, now, whole):
    """Make a changed copy what it was."""
    if whole:
        copy_space(program, was, now)
        clear_log(now)
    else:
        unwind(now, 0, 0)


@jit
def take_over(program, was, now, whole):
    """Make a record what its changed copy is."""
    if whole:
        copy_space(program, now, was)
    else:
        replay(now, was)
    clear_log(now)


@jit
def settle(program, ledger, was, now, kind, energy, dice):
    """Accept or drop what was changed in one record; says which."""
    whole = kind == REBUILT
    won = energy + turn(program, ledger, was, now, whole)
    if chance(dice, won):
        take_over(program, was, now, whole)
        return True
    turn_back(program, ledger, was, now, whole)
    put_back(program, was, now, whole)
    return False


@jit
def settle_two(program, ledger, spaces, kinds, energy, dice):
    """Accept or drop what was changed in two records together; says which."""
    one, two = kinds[0] == REBUILT, kinds[1] == REBUILT
    won = energy + turn(program, ledger, spaces[0], spaces[1], one) + turn(program, ledger, spaces[3], spaces[4], two)
    if chance(dice, won):
        take_over(program, spaces[0], spaces[1], one)
        take_over(program, spaces[3], spaces[4], two)
        return True
    turn_back(program, ledger, spaces[3], spaces[4], two)
    turn_back(program, ledger, spaces[0], spaces[1], one)
    put_back(program, spaces[0], spaces[1], one)
    put_back(program, spaces[3], spaces[4], two)
    return False


@jit
def one_each(program, pool, ledger, spaces, way, dice):
    """A basic move of each of two records; returns (kinds, whether both are valid, log-weight won)."""
    kind, won, broken, drawn = basic(
        program, pool, ledger, spaces[1], spaces[2], way.walk, 0, way.lowest, dice
    )
    if kind == NOTHING or broken > 0:
        return (kind, NOTHING), False, 0.0
    other, more, also, again = basic(program, pool, ledger, spaces[4], spaces[5], way.walk, 0, way.lowest, dice)
    if other == NOTHING or also > 0:
        return (kind, other), False, 0.0
    if kind == REBUILT:
        copy_space(program, spaces[2], spaces[1])
    if other == REBUILT:
        copy_space(program, spaces[5], spaces[4])
    return (kind, other), True, won + more + drawn + again


@jit
def move_one(program, pool, ledger, was, now, spare, way, energy, dice):
    """Try a walk of one record, or its members drawn anew; says whether it changed."""
    if roll(dice) < way.renew:
        valid, won = anew(program, pool, ledger, was, now, spare, way, dice)
        if valid:
            return settle(program, ledger, was, now, REBUILT, won + energy, dice)
        copy_space(program, was, now)
        clear_log(now)
        return False
    kind, valid = walk(program, pool, ledger, now, spare, way, dice)
    if kind == NOTHING:
        return False
    if valid:
        return settle(program, ledger, was, now, kind, energy, dice)
    put_back(program, was, now, kind == REBUILT)
    return False


@jit
def move_two(program, pool, ledger, spaces, way, energy, dice):
    """Try to change two records together; says whether they changed."""
    if roll(dice) < way.swap:
        pair, spares = (spaces[1], spaces[4]), (spaces[2], spaces[5])
        kind, valid, won = swap_rows(program, pool, ledger, pair, spares, dice)
        kinds = (kind, kind)
    else:
        kinds, valid, won = one_each(program, pool, ledger, spaces, way, dice)
    if valid:
        return settle_two(program, ledger, spaces, kinds, won + energy, dice)
    unwind(spaces[1], 0, 0)
    unwind(spaces[4], 0, 0)
    return False


@jit
def fetch(program, arena, record, was, now, room):
    """Load a record and its copy; `room` is how many codes it may come to have."""
    load(program, arena.codes, arena.start[record], was)
    compute_all(program, was)
    copy_space(program, was, now)
    clear_log(now)
    now.ints[now.limit] = max(arena.capacity[record], room)


@jit
def store(program, arena, record, space, block):
    """Write a record back, behind the others of its block where it has outgrown its place."""
    length = length_of(program, space)
    if length > arena.capacity[record]:
        arena.start[record] = arena.tail[block, 0]
        arena.capacity[record] = length + length // 8
        arena.tail[block, 0] += arena.capacity[record]
    save(program, space, arena.codes, arena.start[record])


@jit
def visit(program, pool, ledger, arena, spaces, pair, block, way, dice):
    """Move two records (or one, where the second is -1) many times; returns how many moves were made."""
    one, two = pair
    made, first, second = 0, False, False
    spare = (arena.tail[block, 1] - arena.tail[block, 0]) * 2 // 5
    fetch(program, arena, one, spaces[0], spaces[1], spare)
    spaces[2].ints[spaces[2].limit] = spaces[1].ints[spaces[1].limit]
    mine = spaces[0].ints[spaces[0].first + program.n_units]
    rows, alone = mine, two < 0
    if not alone:
        fetch(program, arena, two, spaces[3], spaces[4], spare)
        spaces[5].ints[spaces[5].limit] = spaces[4].ints[spaces[4].limit]
        rows += spaces[3].ints[spaces[3].first + program.n_units]
    for _ in range(max(int(way.moves * rows), 1)):
        uniform = roll(dice)
        if not alone and uniform >= way.single:
            energy = -(0.0 if arena.changed[one] else way.stay) - (0.0 if arena.changed[two] else way.stay)
            if move_two(program, pool, ledger, spaces, way, energy, dice):
                first, second, made = True, True, made + 1
                arena.changed[one], arena.changed[two] = True, True
        elif alone or uniform * rows < way.single * mine:
            energy = 0.0 if arena.changed[one] else -way.stay
            if move_one(program, pool, ledger, spaces[0], spaces[1], spaces[2], way, energy, dice):
                first, made = True, made + 1
                arena.changed[one] = True
        else:
            energy = 0.0 if arena.changed[two] else -way.stay
            if move_one(program, pool, ledger, spaces[3], spaces[4], spaces[5], way, energy, dice):
                second, made = True, made + 1
                arena.changed[two] = True
    if first:
        store(program, arena, one, spaces[0], block)
    if second:
        store(program, arena, two, spaces[3], block)
    return made


@jit
def visit_all(program, pool, ledger, arena, spaces, order, partners, block, way, stream_of):
    """Visit the records in `order`, each with one drawn from `partners`; returns the number of moves made.

    `stream_of` is the seed and the number of the sweep.
    """
    made, dice = 0, np.zeros(1, dtype=np.uint64)
    for k in range(len(order)):
        dice[0] = stream(stream_of[0], stream_of[1], order[k] * 8 + block)
        partner = partners[below(dice, len(partners))] if len(partners) > 0 else -1
        if partner == order[k]:
            partner = -1
        made += visit(program, pool, ledger, arena, spaces, (order[k], partner), block, way, dice)
    return made


@jit
def repair_chunk(program, pool, ledger, arena, spaces, order, block, lowest, way, limit, stream_of, valid):
    """Repair the records in `order`, rows from `lowest` on; writes to `valid` (top records,) whether each keeps all rules."""
    dice = np.zeros(1, dtype=np.uint64)
    for k in range(len(order)):
        record = order[k]
        dice[0] = stream(stream_of[0], stream_of[1], record)
        room = arena.tail[block, 1] - arena.tail[block, 0]
        fetch(program, arena, record, spaces[0], spaces[1], room)
        spaces[2].ints[spaces[2].limit] = spaces[1].ints[spaces[1].limit]
        valid[record] = repair(program, pool, ledger, spaces[1], spaces[2], way, lowest, limit, dice)
        if valid[record]:
            store(program, arena, record, spaces[1], block)
