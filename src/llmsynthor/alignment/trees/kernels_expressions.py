"""The stack machine that computes expressions over one loaded top record (`bytecode` writes its programs)."""

import numba
import numpy as np

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
def fetch(program, space, step, here):
    """A value that needs no operand: a constant, a look-up by code, a computed column, a place among siblings."""
    op, unit = program.ints[step], program.ints[step + 1]
    if op == 0:
        return program.reals[program.constants + unit]
    own = space.ints[space.ancestor + here * space.n_units + unit]
    column = program.ints[step + 2]
    if op == 1:
        code = space.ints[space.code + own * space.n_columns + column]
        return program.reals[program.constants + program.ints[step + 3] + code]
    if op == 2:
        return space.reals[space.value + own * space.n_columns + column]
    return 1.0 + own - first_sibling(program, space, own, unit)


@jit
def first_sibling(program, space, own, unit):
    """The first row of the same parent; a top record is alone."""
    parent = program.ints[program.parent + unit]
    if parent < 0:
        return own
    above = space.ints[space.ancestor + own * space.n_units + parent]
    return space.ints[space.low + above * space.n_units + unit]


@jit
def fold(program, space, step, top):
    """Apply an operator to the last values of the stack; returns its new height."""
    op, reals, last = program.ints[step], space.reals, space.stack + top - 1
    if op >= 20 and op <= 25:
        reals[last - 1] = compare(op, reals[last - 1], reals[last])
        return top - 1
    if op >= 10 and op <= 17:
        reals[last - 1] = combine(op, reals[last - 1], reals[last])
        return top - 1
    if op == 30:
        reals[last] = 0.0 if reals[last] == 1.0 else 1.0
    elif op == 31:
        reals[last] = -reals[last]
    elif op == 32:
        reals[last] = abs(reals[last])
    elif op == 33:
        value, found, begin = reals[last], 0, program.constants + program.ints[step + 1]
        for k in range(begin, begin + program.ints[step + 2]):
            if value == program.reals[k]:
                found = 1
        reals[last] = 1.0 if found != program.ints[step + 3] and not np.isnan(value) else 0.0
    elif op == 35:
        inside = reals[last] >= 0 and reals[last] < program.ints[step + 2]
        reals[last] = program.reals[program.constants + program.ints[step + 1] + int(reals[last])] if inside else np.nan
    elif op == 36:
        reals[last] = between(program, program.constants + program.ints[step + 1], program.ints[step + 2], reals[last])
    else:
        reals[last - 2] = reals[last - 1] if reals[last - 2] == 1.0 else reals[last]
        return top - 2
    return top


@jit
def between(program, first, ends, value):
    """What stands behind `ends` ascending edges for the two between which a value lies; missing where there are none."""
    found = np.nan
    for k in range(ends - 1):
        if value >= program.reals[first + k] and value < program.reals[first + k + 1]:
            found = program.reals[first + ends + k]
    return found


@jit
def enter(program, space, step, at, top, depth, here):
    """Begin a run over children; over none the result is there at once. Returns where the machine stands then."""
    ints, room = program.ints, space.ints
    function, place = ints[step + 1], here * space.n_units + ints[step + 2]
    low, high = room[space.low + place], room[space.high + place]
    if low >= high:
        missing = function == 4 or function >= 5
        space.reals[space.stack + top] = np.nan if missing else (1.0 if function == 2 else 0.0)
        return ints[step + 3], top + 1, depth, here
    frame = space.frame + 4 * depth
    space.reals[frame], space.reals[frame + 1] = here, high
    space.reals[frame + 2] = 1.0 if function == 2 else (np.nan if function == 5 or function == 6 else 0.0)
    space.reals[frame + 3] = 0.0
    return at, top, depth + 1, high - 1 if function == 8 else low


@jit
def leave(program, space, step, at, top, depth, here):
    """Take in one child's value, then go to the next or end the run. Returns where the machine stands then."""
    reals, function = space.reals, program.ints[step + 1]
    frame, value = space.frame + 4 * (depth - 1), reals[space.stack + top - 1]
    reals[frame + 2] = value if function >= 7 else gather(function, reals[frame + 2], value)
    reals[frame + 3] += 0.0 if np.isnan(value) else 1.0
    if here + 1 < reals[frame + 1] and function != 7:
        return program.ints[step + 3], top - 1, depth, here + 1
    result = reals[frame + 2]
    if function == 4:
        result = result / reals[frame + 3] if reals[frame + 3] > 0 else np.nan
    reals[space.stack + top - 1] = result
    return at, top, depth - 1, int(reals[frame])


@jit
def run(program, space, computed, row):
    """Compute the value of a computed column for a row: a text's number, a number, a condition (1, 0), or missing (NaN)."""
    ints = program.ints
    at, top, depth, here = ints[program.code_start + computed], 0, 0, row
    end = ints[program.code_start + computed + 1]
    while at < end:
        step = program.ops + 4 * at
        op = ints[step]
        if op <= 3:
            space.reals[space.stack + top] = fetch(program, space, step, here)
            top += 1
        elif op < 40:
            top = fold(program, space, step, top)
        elif op == 40:
            at, top, depth, here = enter(program, space, step, at, top, depth, here)
        elif op == 41:
            at, top, depth, here = leave(program, space, step, at, top, depth, here)
        elif op == 42:
            own = space.ints[space.ancestor + here * space.n_units + ints[step + 1]]
            if own == first_sibling(program, space, own, ints[step + 1]):
                space.reals[space.stack + top] = np.nan
                top += 1
                at = ints[step + 3]
            else:
                space.reals[space.frame + 4 * depth] = here
                depth += 1
                here = own - 1
        else:
            depth -= 1
            here = int(space.reals[space.frame + 4 * depth])
        at += 1
    return space.reals[space.stack]


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
