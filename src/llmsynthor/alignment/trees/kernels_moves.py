"""Compiled moves over nested records: redraws of variables, swaps of whole records between top records."""

import numba
import numpy as np

from llmsynthor.alignment.kernels_random import mix, stream
from llmsynthor.alignment.trees.kernels import (
    add_cell,
    cell_of,
    chance,
    compute_all,
    compute_crossing,
    draw_local,
    has_surplus,
    joint_code,
    load,
    remove_cell,
    rows_in_scope,
    write_joint,
)
from llmsynthor.alignment.trees.kernels_expressions import compute

jit = numba.njit(nogil=True, cache=True)

HALF_A_RECORD = 0.5


@jit
def shift(program, space, ledger, live, move, row):
    """Bring computed columns and the cells that depend on them up to date after a change; returns the energy won.

    What was before is noted in the log of the workspace.
    """
    log = 0
    for k in range(program.ints[program.touch_ptr + move], program.ints[program.touch_ptr + move + 1]):
        computed = program.ints[program.touch + k]
        column = program.ints[program.column + computed]
        low, high = rows_in_scope(
            program, space, program.ints[program.computed_unit + computed], program.ints[program.touch_scope + k], row
        )
        for other in range(low, high):
            (
                space.ints[space.old + log * 3 + 0],
                space.ints[space.old + log * 3 + 1],
                space.ints[space.old + log * 3 + 2],
            ) = other, column, space.ints[space.code + other * space.n_columns + column]
            space.reals[space.old_value + log] = space.reals[space.value + other * space.n_columns + column]
            log += 1
            compute(program, space, computed, other)
    space.ints[space.logged + 0] = log
    energy, log = 0.0, 0
    for k in range(program.ints[program.far_ptr + move], program.ints[program.far_ptr + move + 1]):
        table = program.ints[program.far + k]
        low, high = rows_in_scope(
            program, space, program.ints[program.unit + table], program.ints[program.far_scope + k], row
        )
        for other in range(low, high):
            cell, before = (
                cell_of(program, space, table, other),
                space.ints[space.cell + other * space.n_tables + table],
            )
            if cell != before:
                energy += remove_cell(before, ledger, live) + add_cell(cell, ledger, live)
                (
                    space.ints[space.moved + log * 3 + 0],
                    space.ints[space.moved + log * 3 + 1],
                    space.ints[space.moved + log * 3 + 2],
                ) = other, table, before
                space.ints[space.cell + other * space.n_tables + table] = cell
                log += 1
    space.ints[space.logged + 1] = log
    return energy


@jit
def unshift(program, space, ledger, live):
    """Take back what `shift` has done."""
    for k in range(space.ints[space.logged + 1] - 1, -1, -1):
        row, table, before = (
            space.ints[space.moved + k * 3 + 0],
            space.ints[space.moved + k * 3 + 1],
            space.ints[space.moved + k * 3 + 2],
        )
        if live:
            remove_cell(space.ints[space.cell + row * space.n_tables + table], ledger, live)
            add_cell(before, ledger, live)
        space.ints[space.cell + row * space.n_tables + table] = before
    for k in range(space.ints[space.logged + 0] - 1, -1, -1):
        row, column = space.ints[space.old + k * 3 + 0], space.ints[space.old + k * 3 + 1]
        space.ints[space.code + row * space.n_columns + column] = space.ints[space.old + k * 3 + 2]
        space.reals[space.value + row * space.n_columns + column] = space.reals[space.old_value + k]


@jit
def settle(program, roster, space, ledger, live, move, row):
    """Make a redraw final: its own tables' cells, and the record."""
    for k in range(program.ints[program.local_ptr + move], program.ints[program.local_ptr + move + 1]):
        table = program.ints[program.local_table + k]
        cell = cell_of(program, space, table, row)
        if live:
            remove_cell(space.ints[space.cell + row * space.n_tables + table], ledger, live)
            add_cell(cell, ledger, live)
        space.ints[space.cell + row * space.n_tables + table] = cell
    unit = program.ints[program.move_unit + move]
    base = roster.first[unit] + space.ints[space.record + row] * program.ints[program.n_own + unit]
    for k in range(program.ints[program.move_axis_ptr + move], program.ints[program.move_axis_ptr + move + 1]):
        roster.codes[base + program.ints[program.move_axis + k]] = space.ints[
            space.code + row * space.n_columns + program.ints[program.move_axis + k]
        ]


@jit
def redraw(program, roster, space, ledger, live, state, work):
    """Redraw every move of every row of a loaded top record: drawn from its own tables, accepted by the others.

    Returns the stream and the number of moves made.
    """
    made = 0
    for unit in range(program.n_units):
        for row in range(space.ints[space.first + unit], space.ints[space.first + unit + 1]):
            for move in range(program.ints[program.unit_move + unit], program.ints[program.unit_move + unit + 1]):
                if program.reals[program.move_chance + move] < 1.0:
                    state, uniform = mix(state)
                    if uniform >= program.reals[program.move_chance + move]:
                        continue
                state, uniform = mix(state)
                old, new = draw_local(program, space, ledger, live, move, row, work, uniform)
                if new == old:
                    continue
                write_joint(space, program, move, row, new)
                accepted = True
                if program.ints[program.far_ptr + move] < program.ints[program.far_ptr + move + 1]:
                    energy = shift(program, space, ledger, live, move, row)
                    state, accepted = chance(state, energy)
                    if not accepted:
                        unshift(program, space, ledger, live)
                if accepted:
                    settle(program, roster, space, ledger, live, move, row)
                    made += 1
                else:
                    write_joint(space, program, move, row, old)
    return state, made


@jit
def shift_local(program, space, ledger, live, move, row):
    """Bring the cells of a move's own tables up to date; returns the energy won."""
    energy = 0.0
    for k in range(program.ints[program.local_ptr + move], program.ints[program.local_ptr + move + 1]):
        table = program.ints[program.local_table + k]
        cell, before = cell_of(program, space, table, row), space.ints[space.cell + row * space.n_tables + table]
        if cell != before:
            energy += remove_cell(before, ledger, live) + add_cell(cell, ledger, live)
            space.ints[space.cell + row * space.n_tables + table] = cell
    return energy


@jit
def redraw_tied(program, roster, space, ledger, live, state, work):
    """Redraw a variable of a row, and in the next row the one that must match it, together. Returns the stream and the moves."""
    made = 0
    for unit in range(1, program.n_units):
        for tie in range(program.ints[program.tie_ptr + unit], program.ints[program.tie_ptr + unit + 1]):
            one, two = program.ints[program.tie_first + tie], program.ints[program.tie_second + tie]
            match = program.tie_map + program.ints[program.tie_start + tie]
            parent = program.ints[program.parent + unit]
            for row in range(space.ints[space.first + unit], space.ints[space.first + unit + 1] - 1):
                above = space.ints[space.ancestor + row * space.n_units + parent]
                if row + 1 >= space.ints[space.high + above * space.n_units + unit]:
                    continue
                second = joint_code(space, program, two, row + 1)
                state, uniform = mix(state)
                old, new = draw_local(program, space, ledger, live, one, row, work, uniform)
                if new == old or program.ints[match + old] != second or program.ints[match + new] < 0:
                    continue
                write_joint(space, program, one, row, new)
                energy = shift(program, space, ledger, live, one, row)
                write_joint(space, program, two, row + 1, program.ints[match + new])
                energy += shift_local(program, space, ledger, live, two, row + 1)
                energy += shift(program, space, ledger, live, two, row + 1)
                state, accepted = chance(state, energy)
                if accepted:
                    settle(program, roster, space, ledger, live, one, row)
                    settle(program, roster, space, ledger, live, two, row + 1)
                    made += 1
                    continue
                write_joint(space, program, two, row + 1, second)
                shift(program, space, ledger, live, two, row + 1)
                shift_local(program, space, ledger, live, two, row + 1)
                write_joint(space, program, one, row, old)
                shift(program, space, ledger, live, one, row)
    return state, made


@jit
def exchange(program, roster, unit, one, other, axis):
    """Swap two records of a unit with all below them, or one variable of theirs."""
    n_own = program.ints[program.n_own + unit]
    a, b = roster.first[unit] + one * n_own, roster.first[unit] + other * n_own
    if axis >= 0:
        roster.codes[a + axis], roster.codes[b + axis] = roster.codes[b + axis], roster.codes[a + axis]
        return
    for k in range(n_own):
        roster.codes[a + k], roster.codes[b + k] = roster.codes[b + k], roster.codes[a + k]
    for child in range(1, program.n_units):
        if program.ints[program.parent + child] == unit:
            p, q = roster.link[child] + one, roster.link[child] + other
            roster.start[p], roster.start[q] = roster.start[q], roster.start[p]
            roster.length[p], roster.length[q] = roster.length[q], roster.length[p]


@jit
def turn_over(program, space, ledger, live, crossing, which, entering):
    """Let all rows of a top record enter (or leave) the cells of the tables that `which` crosses; returns the energy won."""
    energy = 0.0
    for table in range(program.n_tables):
        if crossing.tables[which, table]:
            unit = program.ints[program.unit + table]
            for row in range(space.ints[space.first + unit], space.ints[space.first + unit + 1]):
                cell = space.ints[space.cell + row * space.n_tables + table]
                energy += add_cell(cell, ledger, live) if entering else remove_cell(cell, ledger, live)
    return energy


@jit
def crossing_row(program, unit, axis):
    """Row of the crossing that whole records of a unit have (axis -1), or one variable of theirs."""
    if axis < 0:
        return unit
    row = program.n_units + axis
    for before in range(unit):
        row += program.ints[program.n_own + before]
    return row


@jit
def swap(program, roster, spaces, ledger, live, crossing, change, state):
    """Try to swap two records of a unit (or one variable) of the top records `pair`, at `rows` of the first two workspaces.

    `change` is (pair, rows, unit, axis), axis -1 for whole records. Only tables that it crosses can tell: no others are looked at.
    The first workspace is complete, the second loaded; those behind are filled with what would be. Returns the stream and whether
    it was done.
    """
    pair, rows, unit, axis = change
    which = crossing_row(program, unit, axis)
    one, other = spaces[0].ints[spaces[0].record + rows[0]], spaces[1].ints[spaces[1].record + rows[1]]
    same = pair[0] == pair[1]
    exchange(program, roster, unit, one, other, axis)
    load(program, roster, spaces[2], pair[0])
    compute_crossing(program, spaces[2], crossing, which)
    energy = turn_over(program, spaces[0], ledger, live, crossing, which, False)
    if not same:
        compute_crossing(program, spaces[1], crossing, which)
        load(program, roster, spaces[3], pair[1])
        compute_crossing(program, spaces[3], crossing, which)
        energy += turn_over(program, spaces[1], ledger, live, crossing, which, False)
        energy += turn_over(program, spaces[3], ledger, live, crossing, which, True)
    energy += turn_over(program, spaces[2], ledger, live, crossing, which, True)
    state, accepted = chance(state, energy)
    if accepted:
        return state, True
    exchange(program, roster, unit, one, other, axis)
    if live:
        turn_over(program, spaces[2], ledger, live, crossing, which, False)
        turn_over(program, spaces[0], ledger, live, crossing, which, True)
        if not same:
            turn_over(program, spaces[3], ledger, live, crossing, which, False)
            turn_over(program, spaces[1], ledger, live, crossing, which, True)
    return state, False


@jit
def try_swap(program, roster, spaces, ledger, live, crossing, partners, top, state):
    """Propose one swap of a record of this top record with one of another (or its own); spaces[0] holds it loaded."""
    free, (first, last) = partners
    state, uniform = mix(state)
    n_units = program.n_units
    unit = min(int(uniform * n_units), n_units - 1)
    state, uniform = mix(state)
    within = unit > 0 and uniform < 0.25
    whole = unit > 0 and (within or uniform < 0.75)
    state, uniform = mix(state)
    other = top if within else first + min(int(uniform * (last - first)), last - first - 1)
    if not free[other] or (other == top and not within):
        return state, False
    own = spaces[0]
    load(program, roster, spaces[1], other)
    mine, theirs = (
        own.ints[own.first + unit + 1] - own.ints[own.first + unit],
        spaces[1].ints[spaces[1].first + unit + 1] - spaces[1].ints[spaces[1].first + unit],
    )
    if mine == 0 or theirs == 0:
        return state, False
    state, uniform = mix(state)
    row = own.ints[own.first + unit] + min(int(uniform * mine), mine - 1)
    state, uniform = mix(state)
    partner = spaces[1].ints[spaces[1].first + unit] + min(int(uniform * theirs), theirs - 1)
    axis = -1
    if not whole:
        state, uniform = mix(state)
        n_free = program.ints[program.swap_ptr + unit + 1] - program.ints[program.swap_ptr + unit]
        if n_free == 0:
            return state, False
        axis = program.ints[
            program.swap_axis + program.ints[program.swap_ptr + unit] + min(int(uniform * n_free), n_free - 1)
        ]
        if (
            own.ints[own.code + row * own.n_columns + axis]
            == spaces[1].ints[spaces[1].code + partner * spaces[1].n_columns + axis]
        ):
            return state, False
    if within and row == partner:
        return state, False
    change = (top, other), (row, partner), unit, axis
    return swap(program, roster, spaces, ledger, live, crossing, change, state)


@jit
def sweep(program, roster, spaces, ledger, live, crossing, tops, partners, way, stream_of):
    """One sweep over the top records `tops`: every move redrawn, then swaps with `partners` proposed.

    `partners` marks the top records that are free, (records,), and says between which bounds they are looked for. `way` is the
    number of swaps, and whether only top records with a row in a cell in surplus are touched; `stream_of` the seed and the number
    of the sweep. Returns the moves made.
    """
    work = np.ones(program.largest_move)
    swaps, focus = way
    made = 0
    for top in tops:
        state = stream(stream_of[0], stream_of[1], top)
        load(program, roster, spaces[0], top)
        compute_all(program, spaces[0])
        if focus and not has_surplus(program, spaces[0], ledger, HALF_A_RECORD):
            continue
        state, more = redraw(program, roster, spaces[0], ledger, live, state, work)
        made += more
        state, more = redraw_tied(program, roster, spaces[0], ledger, live, state, work)
        made += more
        for _ in range(swaps):
            state, done = try_swap(program, roster, spaces, ledger, live, crossing, partners, top, state)
            if done:
                made += 1
                load(program, roster, spaces[0], top)
                compute_all(program, spaces[0])
    return made
