"""Compiled inner loops over nested records: expressions, the cells that a top record occupies, and redraws.

A top record is loaded with all records below it into a workspace: one row per record, its own codes, the computed columns
behind them, and the cell of every table that the row lies in. Plain arrays in, plain arrays changed in place. Every top record
draws from its own stream, seeded by (seed, sweep, record): neither the cut into chunks nor the workers change a result.
"""

import numba
import numpy as np

from llmsynthor.synthesis.kernels import exp_below, mix, pick

jit = numba.njit(nogil=True, cache=True)


@jit
def compare(symbol, a, b):
    """Compare two values, 1 or 0; a comparison with a missing one (NaN) is false."""
    if np.isnan(a) or np.isnan(b):
        return 0.0
    if symbol == 20:
        return 1.0 if a < b else 0.0
    if symbol == 21:
        return 1.0 if a <= b else 0.0
    if symbol == 22:
        return 1.0 if a > b else 0.0
    if symbol == 23:
        return 1.0 if a >= b else 0.0
    if symbol == 24:
        return 1.0 if a == b else 0.0
    return 1.0 if a != b else 0.0


@jit
def combine(symbol, a, b):
    """Two operands to one: arithmetic, where a missing operand makes the result missing, and conditions."""
    if symbol == 10:
        return a + b
    if symbol == 11:
        return a - b
    if symbol == 12:
        return a * b
    if symbol == 13:
        return a / b if b != 0.0 else (np.nan if a == 0.0 or np.isnan(a) else np.sign(a) * np.inf)
    if symbol == 16:
        return 1.0 if a == 1.0 and b == 1.0 else 0.0
    if symbol == 17:
        return 1.0 if a == 1.0 or b == 1.0 else 0.0
    if np.isnan(a) or np.isnan(b):
        return np.nan
    return min(a, b) if symbol == 14 else max(a, b)


@jit
def gather(function, sofar, value):
    """Take one child's value into an aggregate; missing ones are left out."""
    if function == 1:
        return combine(17, sofar, value)
    if function == 2:
        return combine(16, sofar, value)
    if np.isnan(value):
        return sofar
    if function == 5 or function == 6:
        if np.isnan(sofar):
            return value
        return min(sofar, value) if function == 5 else max(sofar, value)
    return sofar + value


@jit
def run(program, space, computed, row):
    """Compute the value of a computed column for a row: a text's number, a number, a condition (1, 0), or missing (NaN)."""
    ints, reals, room = program.ints, space.reals, space.ints
    at, top, depth, here = ints[program.code_start + computed], 0, 0, row
    end = ints[program.code_start + computed + 1]
    while at < end:
        step = program.ops + 4 * at
        op = ints[step + 0]
        if op == 0:
            reals[space.stack + top] = program.reals[program.constants + ints[step + 1]]
            top += 1
        elif op == 1:
            own = room[space.ancestor + here * space.n_units + ints[step + 1]]
            reals[space.stack + top] = program.reals[
                program.constants + ints[step + 3] + room[space.code + own * space.n_columns + ints[step + 2]]
            ]
            top += 1
        elif op == 2:
            reals[space.stack + top] = reals[
                space.value
                + (room[space.ancestor + here * space.n_units + ints[step + 1]]) * space.n_columns
                + ints[step + 2]
            ]
            top += 1
        elif op == 3:
            unit = ints[step + 1]
            own = room[space.ancestor + here * space.n_units + unit]
            parent = ints[program.parent + unit]
            reals[space.stack + top] = (
                1.0
                if parent < 0
                else own
                - room[space.low + (room[space.ancestor + own * space.n_units + parent]) * space.n_units + unit]
                + 1.0
            )
            top += 1
        elif op >= 20 and op <= 25:
            top -= 1
            reals[space.stack + top - 1] = compare(op, reals[space.stack + top - 1], reals[space.stack + top])
        elif op >= 10 and op <= 17:
            top -= 1
            reals[space.stack + top - 1] = combine(op, reals[space.stack + top - 1], reals[space.stack + top])
        elif op == 30:
            reals[space.stack + top - 1] = 0.0 if reals[space.stack + top - 1] == 1.0 else 1.0
        elif op == 31:
            reals[space.stack + top - 1] = -reals[space.stack + top - 1]
        elif op == 32:
            reals[space.stack + top - 1] = abs(reals[space.stack + top - 1])
        elif op == 33:
            value, found = reals[space.stack + top - 1], 0.0
            for k in range(ints[step + 1], ints[step + 1] + ints[step + 2]):
                if value == program.reals[program.constants + k]:
                    found = 1.0
            wanted = 1.0 - ints[step + 3]
            reals[space.stack + top - 1] = 1.0 if found == wanted and not np.isnan(value) else 0.0
        elif op == 34:
            top -= 2
            reals[space.stack + top - 1] = (
                reals[space.stack + top] if reals[space.stack + top - 1] == 1.0 else reals[space.stack + top + 1]
            )
        elif op == 40:
            function, unit = ints[step + 1], ints[step + 2]
            low, high = room[space.low + here * space.n_units + unit], room[space.high + here * space.n_units + unit]
            if low >= high:
                missing = function == 4 or function >= 5
                reals[space.stack + top] = np.nan if missing else (1.0 if function == 2 else 0.0)
                top += 1
                at = ints[step + 3]
            else:
                start = 1.0 if function == 2 else (np.nan if function == 5 or function == 6 else 0.0)
                (
                    reals[space.frame + 4 * depth + 0],
                    reals[space.frame + 4 * depth + 1],
                    reals[space.frame + 4 * depth + 2],
                    reals[space.frame + 4 * depth + 3],
                ) = here, high, start, 0.0
                depth += 1
                here = low
        elif op == 41:
            function = ints[step + 1]
            top -= 1
            value = reals[space.stack + top]
            last = depth - 1
            reals[space.frame + 4 * last + 2] = (
                value if function == 7 else gather(function, reals[space.frame + 4 * last + 2], value)
            )
            reals[space.frame + 4 * last + 3] += 0.0 if np.isnan(value) else 1.0
            here += 1
            if here < reals[space.frame + 4 * last + 1] and function != 7:
                at = ints[step + 3]
            else:
                result = reals[space.frame + 4 * last + 2]
                if function == 4:
                    result = (
                        result / reals[space.frame + 4 * last + 3] if reals[space.frame + 4 * last + 3] > 0 else np.nan
                    )
                reals[space.stack + top] = result
                top += 1
                here = int(reals[space.frame + 4 * last + 0])
                depth -= 1
        elif op == 42:
            unit = ints[step + 1]
            own = room[space.ancestor + here * space.n_units + unit]
            parent = ints[program.parent + unit]
            if (
                parent < 0
                or own == room[space.low + (room[space.ancestor + own * space.n_units + parent]) * space.n_units + unit]
            ):
                reals[space.stack + top] = np.nan
                top += 1
                at = ints[step + 3]
            else:
                reals[space.frame + 4 * depth + 0] = here
                depth += 1
                here = own - 1
        elif op == 43:
            depth -= 1
            here = int(reals[space.frame + 4 * depth + 0])
        at += 1
    return reals[space.stack]


@jit
def encode(program, computed, value):
    """Give the code of a computed value; one past the last where it is missing or outside."""
    kind, first, size = (
        program.ints[program.kind + computed],
        program.ints[program.map_start + computed],
        program.ints[program.map_size + computed],
    )
    if kind == 2:
        return 1 if value == 1.0 else 0
    if np.isnan(value):
        return program.ints[program.size + computed]
    if kind == 0:
        code = int(program.reals[program.edges + first + int(value)])
        return code if code >= 0 else program.ints[program.size + computed]
    if value < program.reals[program.edges + first] or value >= program.reals[program.edges + first + size - 1]:
        return program.ints[program.size + computed]
    low, high = 0, size - 1
    while high - low > 1:
        middle = (low + high) // 2
        if program.reals[program.edges + first + middle] <= value:
            low = middle
        else:
            high = middle
    return low


@jit
def compute(program, space, computed, row):
    """Bring one computed column of a row up to date."""
    value = run(program, space, computed, row)
    if program.ints[program.kind + computed] == 3:
        value = np.floor(value)
    column = program.ints[program.column + computed]
    space.reals[space.value + row * space.n_columns + column] = value
    space.ints[space.code + row * space.n_columns + column] = encode(program, computed, value)


@jit
def cell_of(program, space, table, row):
    """Find the cell of a table that a row lies in."""
    position = program.ints[program.cell_ptr + table]
    for k in range(program.ints[program.table_ptr + table], program.ints[program.table_ptr + table + 1]):
        own = space.ints[space.ancestor + row * space.n_units + program.ints[program.table_unit + k]]
        position += program.ints[
            program.offsets
            + program.ints[program.table_offset + k]
            + space.ints[space.code + own * space.n_columns + program.ints[program.table_column + k]]
        ]
    return program.ints[program.cells + position]


@jit
def load(program, roster, space, top):
    """Lay out a top record and all below it, without computed columns."""
    n_units = program.n_units
    space.ints[space.first + 0], space.ints[space.first + 1] = 0, 1
    space.ints[space.record + 0], space.ints[space.unit + 0] = top, 0
    space.ints[space.ancestor + 0 * space.n_units + 0] = 0
    n_rows = 1
    for unit in range(1, n_units):
        parent = program.ints[program.parent + unit]
        for row in range(space.ints[space.first + parent], space.ints[space.first + parent + 1]):
            place = roster.link[unit] + space.ints[space.record + row]
            start, length = roster.start[place], roster.length[place]
            space.ints[space.low + row * space.n_units + unit], space.ints[space.high + row * space.n_units + unit] = (
                n_rows,
                n_rows + length,
            )
            for k in range(length):
                space.ints[space.record + n_rows], space.ints[space.unit + n_rows] = start + k, unit
                for above in range(unit):
                    space.ints[space.ancestor + n_rows * space.n_units + above] = space.ints[
                        space.ancestor + row * space.n_units + above
                    ]
                space.ints[space.ancestor + n_rows * space.n_units + parent] = row
                space.ints[space.ancestor + n_rows * space.n_units + unit] = n_rows
                n_rows += 1
        space.ints[space.first + unit + 1] = n_rows
        above = program.ints[program.parent + parent]
        below = parent
        while above >= 0:
            for row in range(space.ints[space.first + above], space.ints[space.first + above + 1]):
                low, high = (
                    space.ints[space.low + row * space.n_units + below],
                    space.ints[space.high + row * space.n_units + below],
                )
                space.ints[space.low + row * space.n_units + unit] = (
                    space.ints[space.low + low * space.n_units + unit] if high > low else 0
                )
                space.ints[space.high + row * space.n_units + unit] = (
                    space.ints[space.high + (high - 1) * space.n_units + unit] if high > low else 0
                )
            below = above
            above = program.ints[program.parent + above]
    for row in range(n_rows):
        unit = space.ints[space.unit + row]
        base = roster.first[unit] + space.ints[space.record + row] * program.ints[program.n_own + unit]
        for axis in range(program.ints[program.n_own + unit]):
            space.ints[space.code + row * space.n_columns + axis] = roster.codes[base + axis]


@jit
def compute_all(program, space):
    """Compute all computed columns and all cells of a loaded top record."""
    for computed in range(program.n_computed):
        unit = program.ints[program.computed_unit + computed]
        for row in range(space.ints[space.first + unit], space.ints[space.first + unit + 1]):
            compute(program, space, computed, row)
    for table in range(program.n_tables):
        unit = program.ints[program.unit + table]
        for row in range(space.ints[space.first + unit], space.ints[space.first + unit + 1]):
            space.ints[space.cell + row * space.n_tables + table] = cell_of(program, space, table, row)


@jit
def rows_in_scope(program, space, unit, scope, row):
    """Rows of a unit that a change of `row` may touch: 1 the one on its path, 2 that and the next, 3 all of the top record."""
    if scope == 3:
        return space.ints[space.first + unit], space.ints[space.first + unit + 1]
    own = space.ints[space.ancestor + row * space.n_units + unit]
    if scope == 1:
        return own, own + 1
    parent = program.ints[program.parent + unit]
    last = (
        space.ints[space.high + (space.ints[space.ancestor + own * space.n_units + parent]) * space.n_units + unit]
        if parent >= 0
        else own + 1
    )
    return own, min(own + 2, last)


@jit
def count_chunk(program, roster, space, first, last, counts):
    """Add the top records [first, last) with all below them to the counts of every table's cells."""
    for top in range(first, last):
        load(program, roster, space, top)
        compute_all(program, space)
        for table in range(program.n_tables):
            unit = program.ints[program.unit + table]
            for row in range(space.ints[space.first + unit], space.ints[space.first + unit + 1]):
                counts[space.ints[space.cell + row * space.n_tables + table]] += 1


@jit
def columns_chunk(program, roster, space, first, last, codes, starts):
    """Write the codes of all computed columns of the top records [first, last).

    Column k of the computed ones begins at `starts[k]` of the flat output, one entry per record of its unit.
    """
    for top in range(first, last):
        load(program, roster, space, top)
        for computed in range(program.n_computed):
            unit, column = program.ints[program.computed_unit + computed], program.ints[program.column + computed]
            for row in range(space.ints[space.first + unit], space.ints[space.first + unit + 1]):
                compute(program, space, computed, row)
                codes[starts[computed] + space.ints[space.record + row]] = space.ints[
                    space.code + row * space.n_columns + column
                ]


@jit
def add_cell(cell, ledger, live):
    """Energy won by a record that enters a cell; kept in the ledger where it is live."""
    won = ledger.gain[cell]
    if live:
        ledger.counts[cell] += 1
        ledger.gain[cell] -= 2.0 * ledger.penalty[cell]
    return won


@jit
def remove_cell(cell, ledger, live):
    """Energy won by a record that leaves a cell."""
    if live:
        ledger.counts[cell] -= 1
        ledger.gain[cell] += 2.0 * ledger.penalty[cell]
    return -ledger.gain[cell]


@jit
def chance(state, energy):
    """Accept a change that wins so much energy (Metropolis, Hastings 1970); returns the stream and the decision."""
    state, uniform = mix(state)
    if energy >= 0.0:
        return state, True
    return state, energy > -40.0 and uniform < exp_below(energy)


@jit
def joint_code(space, program, move, row):
    """Present position of a row in a move's list of combinations."""
    code = 0
    for k in range(program.ints[program.move_axis_ptr + move], program.ints[program.move_axis_ptr + move + 1]):
        code = (
            code * program.ints[program.move_axis_size + k]
            + space.ints[space.code + row * space.n_columns + program.ints[program.move_axis + k]]
        )
    return code


@jit
def write_joint(space, program, move, row, code):
    """Write a combination of a move into a row."""
    for k in range(
        program.ints[program.move_axis_ptr + move + 1] - 1, program.ints[program.move_axis_ptr + move] - 1, -1
    ):
        space.ints[space.code + row * space.n_columns + program.ints[program.move_axis + k]] = (
            code % program.ints[program.move_axis_size + k]
        )
        code //= program.ints[program.move_axis_size + k]


@jit
def draw_local(program, space, ledger, live, move, row, work, uniform):
    """Draw a combination of a move from the tables that see it alone; returns it (the old one where there is no choice)."""
    size, old = program.ints[program.move_size + move], joint_code(space, program, move, row)
    work[:size] = 0.0
    for k in range(program.ints[program.local_ptr + move], program.ints[program.local_ptr + move + 1]):
        table, start = program.ints[program.local_table + k], program.ints[program.local_offset + k]
        own = space.ints[space.cell + row * space.n_tables + table]
        base = program.ints[program.cell_ptr + table] - program.ints[program.offsets + start + old]
        for j in range(program.ints[program.table_ptr + table], program.ints[program.table_ptr + table + 1]):
            holder = space.ints[space.ancestor + row * space.n_units + program.ints[program.table_unit + j]]
            base += program.ints[
                program.offsets
                + program.ints[program.table_offset + j]
                + space.ints[space.code + holder * space.n_columns + program.ints[program.table_column + j]]
            ]
        back = 2.0 * ledger.penalty[own] if live else 0.0
        if live:
            ledger.gain[own] += back
        for level in range(size):
            work[level] += ledger.gain[
                program.ints[program.cells + base + program.ints[program.offsets + start + level]]
            ]
        if live:
            ledger.gain[own] -= back
    best, total = work[:size].max(), 0.0
    if not (best > -np.inf and best < np.inf):
        return old, old
    for level in range(size):
        distance = work[level] - best
        work[level] = exp_below(distance) if distance > -40.0 else 0.0
        total += work[level]
    return old, pick(work, size, total, uniform)
