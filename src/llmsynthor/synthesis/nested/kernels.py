"""Compiled inner loops over nested records: expressions, the cells that a top record occupies, and redraws.

A top record is loaded with all records below it into a workspace: one row per record, its own codes, the computed columns
behind them, and the cell of every table that the row lies in. Plain arrays in, plain arrays changed in place. Every top record
draws from its own stream, seeded by (seed, sweep, record): neither the cut into chunks nor the workers change a result.
"""

import numba
import numpy as np

from llmsynthor.synthesis.kernels import exp_below, mix, pick, stream

jit = numba.njit(nogil=True, cache=True)


@jit
def compare(symbol, a, b):
    """Compare two values; 1, 0, or missing (NaN) where one of them is."""
    if np.isnan(a) or np.isnan(b):
        return np.nan
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
    """Two operands to one: arithmetic, and `and`, `or` of three-valued logic (Kleene 1952)."""
    if symbol == 10:
        return a + b
    if symbol == 11:
        return a - b
    if symbol == 12:
        return a * b
    if symbol == 13:
        return a / b if b != 0.0 else (np.nan if a == 0.0 or np.isnan(a) else np.sign(a) * np.inf)
    if symbol == 14:
        return b if np.isnan(a) else (a if np.isnan(b) else min(a, b))
    if symbol == 15:
        return b if np.isnan(a) else (a if np.isnan(b) else max(a, b))
    if symbol == 16:
        if a == 0.0 or b == 0.0:
            return 0.0
        return np.nan if np.isnan(a) or np.isnan(b) else 1.0
    if a == 1.0 or b == 1.0:
        return 1.0
    return np.nan if np.isnan(a) or np.isnan(b) else 0.0


@jit
def gather(function, sofar, n, value):
    """Take one child's value into an aggregate; `n` values were taken before."""
    if function == 0 or function == 3:  # count and sum
        return sofar + (0.0 if np.isnan(value) else value)
    if function == 1:  # any
        return combine(17, sofar, value)
    if function == 2:  # all
        return combine(16, sofar, value)
    if function == 5:
        return combine(14, sofar, value)
    if function == 6:
        return combine(15, sofar, value)
    return sofar + (0.0 if np.isnan(value) else value)


@jit
def run(program, space, computed, row):
    """Compute the value of a computed column for a row: a text's number, a number, a condition (1, 0), or missing (NaN)."""
    ops, stack, frame = program.ops, space.stack, space.frame
    at, top, depth, here = program.code_start[computed], 0, 0, row
    end = program.code_start[computed + 1]
    while at < end:
        op = ops[at, 0]
        if op == 0:
            stack[top] = program.constants[ops[at, 1]]
            top += 1
        elif op == 1:
            own = space.ancestor[here, ops[at, 1]]
            stack[top] = program.constants[ops[at, 3] + space.code[own, ops[at, 2]]]
            top += 1
        elif op == 2:
            stack[top] = space.value[space.ancestor[here, ops[at, 1]], ops[at, 2]]
            top += 1
        elif op == 3:
            unit = ops[at, 1]
            own = space.ancestor[here, unit]
            parent = program.parent[unit]
            stack[top] = 1.0 if parent < 0 else own - space.low[space.ancestor[own, parent], unit] + 1.0
            top += 1
        elif op >= 20 and op <= 25:
            top -= 1
            stack[top - 1] = compare(op, stack[top - 1], stack[top])
        elif op >= 10 and op <= 17:
            top -= 1
            stack[top - 1] = combine(op, stack[top - 1], stack[top])
        elif op == 30:
            stack[top - 1] = 1.0 - stack[top - 1]
        elif op == 31:
            stack[top - 1] = -stack[top - 1]
        elif op == 32:
            stack[top - 1] = abs(stack[top - 1])
        elif op == 33:
            value, found = stack[top - 1], 0.0
            for k in range(ops[at, 1], ops[at, 1] + ops[at, 2]):
                if value == program.constants[k]:
                    found = 1.0
            stack[top - 1] = np.nan if np.isnan(value) else found
        elif op == 34:
            top -= 2
            stack[top - 1] = stack[top] if stack[top - 1] == 1.0 else stack[top + 1]
        elif op == 40:
            function, unit = ops[at, 1], ops[at, 2]
            low, high = space.low[here, unit], space.high[here, unit]
            if low >= high:
                missing = function == 4 or function >= 5
                stack[top] = np.nan if missing else (1.0 if function == 2 else 0.0)
                top += 1
                at = ops[at, 3]
            else:
                start = 1.0 if function == 2 else (np.nan if function == 5 or function == 6 else 0.0)
                frame[depth, 0], frame[depth, 1], frame[depth, 2], frame[depth, 3] = here, high, start, 0.0
                depth += 1
                here = low
        elif op == 41:
            function = ops[at, 1]
            top -= 1
            value = stack[top]
            last = depth - 1
            frame[last, 2] = value if function == 7 else gather(function, frame[last, 2], frame[last, 3], value)
            frame[last, 3] += 0.0 if np.isnan(value) else 1.0
            here += 1
            if here < frame[last, 1] and function != 7:
                at = ops[at, 3]
            else:
                result = frame[last, 2]
                if function == 4:
                    result = result / frame[last, 3] if frame[last, 3] > 0 else np.nan
                stack[top] = result
                top += 1
                here = int(frame[last, 0])
                depth -= 1
        elif op == 42:
            unit = ops[at, 1]
            own = space.ancestor[here, unit]
            parent = program.parent[unit]
            if parent < 0 or own == space.low[space.ancestor[own, parent], unit]:
                stack[top] = np.nan
                top += 1
                at = ops[at, 3]
            else:
                frame[depth, 0] = here
                depth += 1
                here = own - 1
        elif op == 43:
            depth -= 1
            here = int(frame[depth, 0])
        at += 1
    return stack[0]


@jit
def encode(program, computed, value):
    """Give the code of a computed value; one past the last where it is missing or outside."""
    kind, first, size = program.kind[computed], program.map_start[computed], program.map_size[computed]
    if kind == 2:
        return 1 if value == 1.0 else 0
    if np.isnan(value):
        return program.size[computed]
    if kind == 0:
        code = int(program.edges[first + int(value)])
        return code if code >= 0 else program.size[computed]
    if value < program.edges[first] or value >= program.edges[first + size - 1]:
        return program.size[computed]
    low, high = 0, size - 1
    while high - low > 1:
        middle = (low + high) // 2
        if program.edges[first + middle] <= value:
            low = middle
        else:
            high = middle
    return low


@jit
def compute(program, space, computed, row):
    """Bring one computed column of a row up to date."""
    value = run(program, space, computed, row)
    column = program.column[computed]
    space.value[row, column] = value
    space.code[row, column] = encode(program, computed, value)


@jit
def cell_of(program, space, table, row):
    """Find the cell of a table that a row lies in."""
    position = program.cell_ptr[table]
    for k in range(program.table_ptr[table], program.table_ptr[table + 1]):
        own = space.ancestor[row, program.table_unit[k]]
        position += program.offsets[program.table_offset[k] + space.code[own, program.table_column[k]]]
    return program.cells[position]


@jit
def load(program, roster, space, top):
    """Lay out a top record and all below it, without computed columns."""
    n_units = program.parent.size
    space.first[0], space.first[1] = 0, 1
    space.record[0], space.unit[0] = top, 0
    space.ancestor[0, 0] = 0
    n_rows = 1
    for unit in range(1, n_units):
        parent = program.parent[unit]
        for row in range(space.first[parent], space.first[parent + 1]):
            place = roster.link[unit] + space.record[row]
            start, length = roster.start[place], roster.length[place]
            space.low[row, unit], space.high[row, unit] = n_rows, n_rows + length
            for k in range(length):
                space.record[n_rows], space.unit[n_rows] = start + k, unit
                for above in range(unit):
                    space.ancestor[n_rows, above] = space.ancestor[row, above]
                space.ancestor[n_rows, parent] = row
                space.ancestor[n_rows, unit] = n_rows
                n_rows += 1
        space.first[unit + 1] = n_rows
        above = program.parent[parent]
        below = parent
        while above >= 0:
            for row in range(space.first[above], space.first[above + 1]):
                low, high = space.low[row, below], space.high[row, below]
                space.low[row, unit] = space.low[low, unit] if high > low else 0
                space.high[row, unit] = space.high[high - 1, unit] if high > low else 0
            below = above
            above = program.parent[above]
    for row in range(n_rows):
        unit = space.unit[row]
        base = roster.first[unit] + space.record[row] * program.n_own[unit]
        for axis in range(program.n_own[unit]):
            space.code[row, axis] = roster.codes[base + axis]


@jit
def compute_all(program, space):
    """Compute all computed columns and all cells of a loaded top record."""
    for computed in range(program.column.size):
        unit = program.computed_unit[computed]
        for row in range(space.first[unit], space.first[unit + 1]):
            compute(program, space, computed, row)
    for table in range(program.cell_ptr.size):
        unit = program.unit[table]
        for row in range(space.first[unit], space.first[unit + 1]):
            space.cell[row, table] = cell_of(program, space, table, row)


@jit
def rows_in_scope(program, space, unit, scope, row):
    """Rows of a unit that a change of `row` may touch: 1 the one on its path, 2 that and the next, 3 all of the top record."""
    if scope == 3:
        return space.first[unit], space.first[unit + 1]
    own = space.ancestor[row, unit]
    if scope == 1:
        return own, own + 1
    parent = program.parent[unit]
    last = space.high[space.ancestor[own, parent], unit] if parent >= 0 else own + 1
    return own, min(own + 2, last)


@jit
def count_chunk(program, roster, space, first, last, counts):
    """Add the top records [first, last) with all below them to the counts of every table's cells."""
    for top in range(first, last):
        load(program, roster, space, top)
        compute_all(program, space)
        for table in range(program.cell_ptr.size):
            unit = program.unit[table]
            for row in range(space.first[unit], space.first[unit + 1]):
                counts[space.cell[row, table]] += 1


@jit
def columns_chunk(program, roster, space, first, last, codes, values, starts):
    """Write codes and values of all computed columns of the top records [first, last).

    Column k of the computed ones begins at `starts[k]` of the flat outputs, one entry per record of its unit.
    """
    for top in range(first, last):
        load(program, roster, space, top)
        for computed in range(program.column.size):
            unit, column = program.computed_unit[computed], program.column[computed]
            for row in range(space.first[unit], space.first[unit + 1]):
                compute(program, space, computed, row)
                codes[starts[computed] + space.record[row]] = space.code[row, column]
                values[starts[computed] + space.record[row]] = space.value[row, column]


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
    for k in range(program.move_axis_ptr[move], program.move_axis_ptr[move + 1]):
        code = code * program.move_axis_size[k] + space.code[row, program.move_axis[k]]
    return code


@jit
def write_joint(space, program, move, row, code):
    """Write a combination of a move into a row."""
    for k in range(program.move_axis_ptr[move + 1] - 1, program.move_axis_ptr[move] - 1, -1):
        space.code[row, program.move_axis[k]] = code % program.move_axis_size[k]
        code //= program.move_axis_size[k]


@jit
def draw_local(program, space, ledger, live, move, row, work, uniform):
    """Draw a combination of a move from the tables that see it alone; returns it (the old one where there is no choice)."""
    size, old = program.move_size[move], joint_code(space, program, move, row)
    work[:size] = 0.0
    for k in range(program.local_ptr[move], program.local_ptr[move + 1]):
        table, start = program.local_table[k], program.local_offset[k]
        own = space.cell[row, table]
        base = program.cell_ptr[table] - program.offsets[start + old]
        for j in range(program.table_ptr[table], program.table_ptr[table + 1]):
            holder = space.ancestor[row, program.table_unit[j]]
            base += program.offsets[program.table_offset[j] + space.code[holder, program.table_column[j]]]
        back = 2.0 * ledger.penalty[own] if live else 0.0
        if live:
            ledger.gain[own] += back
        for level in range(size):
            work[level] += ledger.gain[program.cells[base + program.offsets[start + level]]]
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
