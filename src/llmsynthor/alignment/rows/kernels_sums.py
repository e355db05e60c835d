"""Compiled exchanges that bring sums within reach and leave every table as it is (the swaps of Dalenius and Reiss 1982)."""

import numpy as np

from llmsynthor.alignment.compiled import jit
from llmsynthor.alignment.kernels_random import mix, stream
from llmsynthor.alignment.rows.kernels import locate, move_residual, out_of_reach


@jit
def exchange_sums(codes, axis, program, means, forbidden, behind, groups, starts, most, seed, turn):
    """Let two records exchange a variable where that brings sums nearer to their reach; returns the exchanges.

    `groups[starts[g]:starts[g + 1]]` are records alike in every table of the variable (see `contexts`), sums and rules apart:
    the rules are the tables behind the sums up to `behind` (not in), of which neither record may come into a `forbidden` cell.
    A record whose sums are all within reach is left; each other one looks at no more than `most` partners, drawn at random.
    """
    first, last = means.first, means.last
    here, there = np.zeros(program.cell_ptr.size, np.int64), np.zeros(program.cell_ptr.size, np.int64)
    moved = np.zeros(4 * (last - first), np.int64)
    made = 0
    for group in range(starts.size - 1):
        begin, size = starts[group], starts[group + 1] - starts[group]
        if size < 2:
            continue
        for i in range(begin, begin + size):
            one = groups[i]
            locate(codes, one, program, here)
            if not lacks(here, program, means):
                continue
            state = stream(seed, turn, one)
            for _ in range(most):
                state, uniform = mix(state)
                other = groups[begin + min(int(uniform * size), size - 1)]
                if codes[other, axis] == codes[one, axis]:
                    continue
                locate(codes, other, program, there)
                take_cells(here, there, program, means, moved, 0)
                codes[one, axis], codes[other, axis] = codes[other, axis], codes[one, axis]
                locate(codes, one, program, here)
                locate(codes, other, program, there)
                take_cells(here, there, program, means, moved, 2 * (last - first))
                if allowed(here, there, program, forbidden, last, behind) and nearer(means, moved):
                    made += 1
                    break
                codes[one, axis], codes[other, axis] = codes[other, axis], codes[one, axis]
                locate(codes, one, program, here)
    return made


@jit
def lacks(index, program, means):
    """Whether a sum that a record is in is out of reach."""
    for table in range(means.first, means.last):
        group = means.group[program.cells[program.cell_ptr[table] + index[table]]]
        if out_of_reach(means, group, means.lowest[group], means.highest[group]) > 0.0:
            return True
    return False


@jit
def allowed(here, there, program, forbidden, first, behind):
    """Whether two records lie in no forbidden cell."""
    for table in range(first, behind):
        for index in (here, there):
            if forbidden[program.cells[program.cell_ptr[table] + index[table]]]:
                return False
    return True


@jit
def take_cells(here, there, program, means, moved, begin):
    """Write the cells of the sums in which two records are, from `begin` on."""
    for table in range(means.first, means.last):
        moved[begin] = program.cells[program.cell_ptr[table] + here[table]]
        moved[begin + 1] = program.cells[program.cell_ptr[table] + there[table]]
        begin += 2


@jit
def nearer(means, moved):
    """Take records out of the first half of the cells into the second, and back if sums are no nearer; says whether they are."""
    half = moved.size // 2
    before = cost(means, moved)
    for k in range(half):
        move_residual(means, moved[k], -1.0)
        move_residual(means, moved[half + k], 1.0)
    if cost(means, moved) < before - 1e-9:
        return True
    for k in range(half):
        move_residual(means, moved[k], 1.0)
        move_residual(means, moved[half + k], -1.0)
    return False


@jit
def cost(means, moved):
    """What the sums of the groups of some cells are out of reach, squared, each group once."""
    total = 0.0
    for k in range(moved.size):
        group, known = means.group[moved[k]], False
        for j in range(k):
            known = known or means.group[moved[j]] == group
        if not known:
            out = out_of_reach(means, group, means.lowest[group], means.highest[group])
            total += means.penalty[group] * out * out
    return total
