"""Compiled inner loops of the alignment. Plain arrays in, plain arrays changed in place; no Python objects.

A *program* (see `program.py`) lists the tables and the *moves*: a move redraws one variable, or a few at once, and knows
which tables that touches. Every record draws from its own stream, seeded by (seed, sweep, record): neither the cut into
chunks nor the number of workers changes a result.
"""

import numpy as np

from llmsynthor.alignment.compiled import jit
from llmsynthor.alignment.kernels_random import exp_below, mix, pick, stream

INSIDE = 0.01
"""A wall stands so far inside a whole record: sources may say a little else of a cell than what they were reconciled to."""


@jit
def locate(codes, record, program, index):
    """Fill `index` with the record's position in the box of every table."""
    for table in range(program.cell_ptr.size):
        position = 0
        for k in range(program.table_ptr[table], program.table_ptr[table + 1]):
            position += program.offsets[program.table_offset[k] + codes[record, program.table_axis[k]]]
        index[table] = position


@jit
def largest(sizes):
    """The most of some numbers; written out, as all loops are here: numpy's own take longer to compile than a whole kernel."""
    most = 1
    for k in range(sizes.size):
        most = max(most, sizes[k])
    return most


@jit
def joint_code(codes, record, move, program):
    """Give the present position of a record in a move's list of combinations."""
    code = 0
    for k in range(program.move_axis_ptr[move], program.move_axis_ptr[move + 1]):
        code = code * program.move_axis_size[k] + codes[record, program.move_axis[k]]
    return code


@jit
def apply_move(codes, record, move, new, program):
    """Write a combination of a move into the record."""
    for k in range(program.move_axis_ptr[move + 1] - 1, program.move_axis_ptr[move] - 1, -1):
        codes[record, program.move_axis[k]] = new % program.move_axis_size[k]
        new //= program.move_axis_size[k]


@jit
def sweep_chunk(codes, first, last, program, weights, seed, sweep):
    """Redraw every move of the records [first, last) from its conditional distribution: one Gibbs sweep.

    `weights` holds exp(θ) of every cell; a structural zero has weight 0.
    """
    offsets, cells = program.offsets, program.cells
    index = np.zeros(program.cell_ptr.size, np.int64)
    work = np.zeros(largest(program.move_size))
    for record in range(first, last):
        state = stream(seed, sweep, record)
        locate(codes, record, program, index)
        for move in range(program.sweep_moves):
            if program.move_chance[move] < 1.0:
                state, uniform = mix(state)
                if uniform >= program.move_chance[move]:
                    continue
            size, old = program.move_size[move], joint_code(codes, record, move, program)
            for level in range(size):
                work[level] = 1.0
            for k in range(program.move_ptr[move], program.move_ptr[move + 1]):
                table, start = program.move_table[k], program.move_offset[k]
                base = program.cell_ptr[table] + index[table] - offsets[start + old]
                for level in range(size):
                    work[level] *= weights[cells[base + offsets[start + level]]]
            total = 0.0
            for level in range(size):
                total += work[level]
            state, uniform = mix(state)
            if not (total > 0.0 and total < np.inf):
                continue
            new = pick(work, size, total, uniform)
            if new != old:
                apply_move(codes, record, move, new, program)
                for k in range(program.move_ptr[move], program.move_ptr[move + 1]):
                    start = program.move_offset[k]
                    index[program.move_table[k]] += offsets[start + new] - offsets[start + old]


@jit
def count_chunk(codes, first, last, program, counts):
    """Add the records [first, last) to the counts of every table's cells."""
    index = np.zeros(program.cell_ptr.size, np.int64)
    for record in range(first, last):
        locate(codes, record, program, index)
        for table in range(program.cell_ptr.size):
            counts[program.cells[program.cell_ptr[table] + index[table]]] += 1


@jit
def in_surplus(index, program, counts, targets):
    """Say whether a record lies in a cell that holds at least one record too many."""
    for table in range(program.cell_ptr.size):
        cell = program.cells[program.cell_ptr[table] + index[table]]
        if counts[cell] - targets[cell] >= 0.5 + 1e-9:
            return True
    return False


@jit
def out_of_reach(means, group, lowest, highest):
    """What a sum with these ends is out of reach: no more than its slack is nothing, so that the last whole number counts."""
    out = max(lowest, 0.0) - min(highest, 0.0)
    return out if out > means.slack[group] else 0.0


@jit
def mean_costs(work, size, base, start, own, program, means):
    """Take from every level's log-weight how much further out of reach it puts the mean of its group.

    Within its group a record brings a sum nearer by no more than a step: what many are missing a little of, no single one makes up
    for at the far end of its range.
    """
    mine = means.group[own]
    kept = out_of_reach(means, mine, means.lowest[mine], means.highest[mine]) - means.step[mine]
    move_residual(means, own, -1.0)
    for level in range(size):
        cell = program.cells[base + program.offsets[start + level]]
        group = means.group[cell]
        before = out_of_reach(means, group, means.lowest[group], means.highest[group])
        after = out_of_reach(
            means, group, means.lowest[group] + means.low[cell], means.highest[group] + means.high[cell]
        )
        if group == mine and cell != own:
            after = max(after, kept)
        work[level] -= means.penalty[group] * (after - before) * (after + before)
    move_residual(means, own, 1.0)


@jit
def move_residual(means, cell, sign):
    """Add a record in a cell to the sums of its group, or take it away."""
    means.lowest[means.group[cell]] += sign * means.low[cell]
    means.highest[means.group[cell]] += sign * means.high[cell]


@jit
def bend(cell, count, targets, penalty, wall):
    """How much dearer the next record is than the last in a cell of `count` records: the second difference of its cost.

    The cost is `penalty` times the squared error, and `wall` for every whole record of error.
    """
    if wall <= 0.0 or penalty[cell] <= 0.0:
        return 2.0 * penalty[cell]
    error = count - targets[cell]
    return 2.0 * penalty[cell] + wall * (whole(error + 1.0) - 2.0 * whole(error) + whole(error - 1.0))


@jit
def whole(error):
    """Whole records in an error; less than one is rounding."""
    return np.floor(np.abs(error) + INSIDE)


@jit
def weights_of(work, size, best):
    """Turn log-weights into weights, in place; returns their sum."""
    total = 0.0
    for level in range(size):
        distance = work[level] - best
        work[level] = exp_below(distance) if distance > -40.0 else 0.0
        total += work[level]
    return total


@jit
def correct(codes, order, program, n_moves, gain, counts, targets, stay, penalty, wall, means, focus, seed, sweep):
    """Walk the counts to the targets: redraw each move under θ and a penalty on the squared error of the counts.

    `gain` holds for every cell what a further record in it adds to the log-weight: θ − penalty · (2 (count − target) + 1),
    less what `wall` asks for every whole record of error; it is kept current with the counts, record after record in the
    given order. `penalty` has an entry per cell (0 where a table is not a target); `stay` one per record, the log-weight of
    leaving it as it is. With `focus` only records of cells in surplus are touched. Only the first `n_moves` moves are tried.
    `means` says which means are out of reach (see `aims.reach.Reach`): that is penalized as well. Returns how many moves were
    made.
    """
    offsets, cells = program.offsets, program.cells
    index = np.zeros(program.cell_ptr.size, np.int64)
    work = np.zeros(largest(program.move_size))
    made = 0
    for record in order:
        state = stream(seed, sweep, record)
        locate(codes, record, program, index)
        if focus and not in_surplus(index, program, counts, targets):
            continue
        for move in range(n_moves):
            if program.move_chance[move] < 1.0 and not focus:
                state, uniform = mix(state)
                if uniform >= program.move_chance[move]:
                    continue
            if program.move_chance[move] <= 0.0:
                continue
            size, old = program.move_size[move], joint_code(codes, record, move, program)
            for level in range(size):
                work[level] = 0.0
            for k in range(program.move_ptr[move], program.move_ptr[move + 1]):
                table, start = program.move_table[k], program.move_offset[k]
                base = program.cell_ptr[table] + index[table] - offsets[start + old]
                own = cells[program.cell_ptr[table] + index[table]]
                without = bend(own, counts[own], targets, penalty, wall)
                gain[own] += without
                for level in range(size):
                    work[level] += gain[cells[base + offsets[start + level]]]
                gain[own] -= without
                if means.first <= table < means.last:
                    mean_costs(work, size, base, start, own, program, means)
            work[old] += stay[record]
            best = -np.inf
            for level in range(size):
                if work[level] > best or work[level] != work[level]:  # what is no number stays to be seen
                    best = work[level]
            state, uniform = mix(state)
            if not (best > -np.inf and best < np.inf):
                continue
            new = pick(work, size, weights_of(work, size, best), uniform)
            if new == old:
                continue
            made += 1
            apply_move(codes, record, move, new, program)
            for k in range(program.move_ptr[move], program.move_ptr[move + 1]):
                table, start = program.move_table[k], program.move_offset[k]
                left = cells[program.cell_ptr[table] + index[table]]
                index[table] += offsets[start + new] - offsets[start + old]
                entered = cells[program.cell_ptr[table] + index[table]]
                gain[left] += bend(left, counts[left], targets, penalty, wall)
                counts[left] -= 1
                counts[entered] += 1
                gain[entered] -= bend(entered, counts[entered], targets, penalty, wall)
                if means.first <= table < means.last:
                    move_residual(means, left, -1.0)
                    move_residual(means, entered, 1.0)
    return made


@jit
def contexts(codes, axis, skipped, behind, program, keys):
    """Give records the same key where they lie alike in every table of the variable, the variable apart.

    Tables from number `skipped` on are left out, up to `behind` (not in).
    """
    index = np.zeros(program.cell_ptr.size, np.int64)
    for record in range(codes.shape[0]):
        locate(codes, record, program, index)
        key = np.uint64(0)
        for k in range(program.move_ptr[axis], program.move_ptr[axis + 1]):
            table = program.move_table[k]
            if not skipped <= table < behind:
                own = program.offsets[program.move_offset[k] + codes[record, axis]]
                key, _ = mix(key ^ (np.uint64(index[table] - own) + np.uint64(table) * np.uint64(0xE7037ED1A0B428DB)))
                key = key * np.uint64(0xD1342543DE82EF95)
        keys[record] = key


@jit
def swap_within(codes, axis, table, program, groups, starts, counts, targets, free, most):
    """Swap a variable between two records of a group where that brings one table nearer to its target; returns the swaps.

    `groups[starts[g]:starts[g + 1]]` are records alike in every other table of the variable (see `contexts`): to those tables
    a swap changes nothing. Only records marked in `free` are touched; each looks at no more than `most` partners.
    """
    offsets, cells = program.offsets, program.cells
    entry = -1
    for k in range(program.move_ptr[axis], program.move_ptr[axis + 1]):
        if program.move_table[k] == table:
            entry = program.move_offset[k]
    index = np.zeros(program.cell_ptr.size, np.int64)
    made = 0
    for group in range(starts.size - 1):
        for i in range(starts[group], starts[group + 1]):
            one = groups[i]
            locate(codes, one, program, index)
            rest = program.cell_ptr[table] + index[table] - offsets[entry + codes[one, axis]]
            left = cells[rest + offsets[entry + codes[one, axis]]]
            if not free[one] or counts[left] - targets[left] < 0.5 + 1e-9:
                continue
            for j in range(starts[group], min(starts[group + 1], starts[group] + most)):
                other = groups[j]
                if not free[other] or codes[other, axis] == codes[one, axis]:
                    continue
                locate(codes, other, program, index)
                far = program.cell_ptr[table] + index[table] - offsets[entry + codes[other, axis]]
                entered = cells[rest + offsets[entry + codes[other, axis]]]
                leaving = cells[far + offsets[entry + codes[other, axis]]]
                entering = cells[far + offsets[entry + codes[one, axis]]]
                if far == rest or left in (entered, leaving) or entered in (entering, leaving):
                    continue
                change = 2.0 * (counts[entered] - targets[entered] - counts[left] + targets[left]) + 2.0
                change += 2.0 * (counts[entering] - targets[entering] - counts[leaving] + targets[leaving]) + 2.0
                if change < -1e-9:
                    codes[one, axis], codes[other, axis] = codes[other, axis], codes[one, axis]
                    counts[left] -= 1
                    counts[leaving] -= 1
                    counts[entered] += 1
                    counts[entering] += 1
                    made += 1
                    break
    return made
