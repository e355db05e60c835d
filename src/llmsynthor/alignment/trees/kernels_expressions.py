"""The stack machine that computes expressions over one loaded top record (`bytecode` writes its programs)."""

import numpy as np

from llmsynthor.alignment.compiled import jit
from llmsynthor.alignment.trees import fields as key


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
def fetch(world, space, step, here):
    """A value that needs no operand: a constant, a look-up by code, a computed column, a place among siblings."""
    op, unit = world.ints[step], world.ints[step + 1]
    if op == 0:
        return world.reals[world.ints[key.CONSTANTS] + unit]
    own = world.ints[space + world.ints[key.ROOM_ANCESTOR] + here * world.ints[key.N_UNITS] + unit]
    column = world.ints[step + 2]
    if op == 1:
        code = world.ints[space + world.ints[key.ROOM_CODE] + own * world.ints[key.N_COLUMNS] + column]
        return world.reals[world.ints[key.CONSTANTS] + world.ints[step + 3] + code]
    if op == 2:
        return world.reals[world.ints[space] + world.ints[key.ROOM_VALUE] + own * world.ints[key.N_COLUMNS] + column]
    return 1.0 + own - first_sibling(world, space, own, unit)


@jit
def first_sibling(world, space, own, unit):
    """The first row of the same parent; a top record is alone."""
    parent = world.ints[world.ints[key.PARENT] + unit]
    if parent < 0:
        return own
    above = world.ints[space + world.ints[key.ROOM_ANCESTOR] + own * world.ints[key.N_UNITS] + parent]
    return world.ints[space + world.ints[key.ROOM_LOW] + above * world.ints[key.N_UNITS] + unit]


@jit
def fold(world, space, step, top):
    """Apply an operator to the last values of the stack; returns its new height."""
    op, reals, last = world.ints[step], world.reals, world.ints[space] + world.ints[key.ROOM_STACK] + top - 1
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
        value, found, begin = reals[last], 0, world.ints[key.CONSTANTS] + world.ints[step + 1]
        for k in range(begin, begin + world.ints[step + 2]):
            if value == world.reals[k]:
                found = 1
        reals[last] = 1.0 if found != world.ints[step + 3] and not np.isnan(value) else 0.0
    elif op == 35:
        inside = reals[last] >= 0 and reals[last] < world.ints[step + 2]
        at = world.ints[key.CONSTANTS] + world.ints[step + 1]
        reals[last] = world.reals[at + int(reals[last])] if inside else np.nan
    elif op == 36:
        at = world.ints[key.CONSTANTS] + world.ints[step + 1]
        reals[last] = between(world, at, world.ints[step + 2], reals[last])
    else:
        reals[last - 2] = reals[last - 1] if reals[last - 2] == 1.0 else reals[last]
        return top - 2
    return top


@jit
def between(world, first, ends, value):
    """What stands behind `ends` ascending edges for the two between which a value lies; missing where there are none."""
    found = np.nan
    for k in range(ends - 1):
        if value >= world.reals[first + k] and value < world.reals[first + k + 1]:
            found = world.reals[first + ends + k]
    return found


@jit
def enter(world, space, step, at, top, depth, here):
    """Begin a run over children; over none the result is there at once. Returns where the machine stands then."""
    ints = world.ints
    function, place = ints[step + 1], here * ints[key.N_UNITS] + ints[step + 2]
    low, high = ints[space + ints[key.ROOM_LOW] + place], ints[space + ints[key.ROOM_HIGH] + place]
    if low >= high:
        missing = function == 4 or function >= 5
        world.reals[ints[space] + ints[key.ROOM_STACK] + top] = np.nan if missing else (1.0 if function == 2 else 0.0)
        return ints[step + 3], top + 1, depth, here
    frame = ints[space] + ints[key.ROOM_FRAME] + 4 * depth
    world.reals[frame], world.reals[frame + 1] = here, high
    world.reals[frame + 2] = 1.0 if function == 2 else (np.nan if function == 5 or function == 6 else 0.0)
    world.reals[frame + 3] = 0.0
    return at, top, depth + 1, high - 1 if function == 8 else low


@jit
def leave(world, space, step, at, top, depth, here):
    """Take in one child's value, then go to the next or end the run. Returns where the machine stands then."""
    reals, function = world.reals, world.ints[step + 1]
    frame, value = (
        world.ints[space] + world.ints[key.ROOM_FRAME] + 4 * (depth - 1),
        reals[world.ints[space] + world.ints[key.ROOM_STACK] + top - 1],
    )
    reals[frame + 2] = value if function >= 7 else gather(function, reals[frame + 2], value)
    reals[frame + 3] += 0.0 if np.isnan(value) else 1.0
    if here + 1 < reals[frame + 1] and function != 7:
        return world.ints[step + 3], top - 1, depth, here + 1
    result = reals[frame + 2]
    if function == 4:
        result = result / reals[frame + 3] if reals[frame + 3] > 0 else np.nan
    reals[world.ints[space] + world.ints[key.ROOM_STACK] + top - 1] = result
    return at, top, depth - 1, int(reals[frame])


@jit
def run(world, space, computed, row):
    """Compute the value of a computed column for a row: a text's number, a number, a condition (1, 0), or missing (NaN)."""
    ints = world.ints
    at, top, depth, here = ints[ints[key.CODE_START] + computed], 0, 0, row
    end = ints[ints[key.CODE_START] + computed + 1]
    while at < end:
        step = ints[key.OPS] + 4 * at
        op = ints[step]
        if op <= 3:
            world.reals[ints[space] + ints[key.ROOM_STACK] + top] = fetch(world, space, step, here)
            top += 1
        elif op < 40:
            top = fold(world, space, step, top)
        elif op == 40:
            at, top, depth, here = enter(world, space, step, at, top, depth, here)
        elif op == 41:
            at, top, depth, here = leave(world, space, step, at, top, depth, here)
        elif op == 42:
            own = ints[space + ints[key.ROOM_ANCESTOR] + here * ints[key.N_UNITS] + ints[step + 1]]
            if own == first_sibling(world, space, own, ints[step + 1]):
                world.reals[ints[space] + ints[key.ROOM_STACK] + top] = np.nan
                top += 1
                at = ints[step + 3]
            else:
                world.reals[ints[space] + ints[key.ROOM_FRAME] + 4 * depth] = here
                depth += 1
                here = own - 1
        else:
            depth -= 1
            here = int(world.reals[ints[space] + ints[key.ROOM_FRAME] + 4 * depth])
        at += 1
    return world.reals[ints[space] + ints[key.ROOM_STACK]]


@jit
def encode(world, computed, value):
    """Give the code of a computed value; one past the last where it is missing or outside."""
    kind, first, size = (
        world.ints[world.ints[key.KIND] + computed],
        world.ints[world.ints[key.MAP_START] + computed],
        world.ints[world.ints[key.MAP_SIZE] + computed],
    )
    if kind == 2:
        return 1 if value == 1.0 else 0
    if np.isnan(value):
        return world.ints[world.ints[key.SIZE] + computed]
    if kind == 0:
        code = int(world.reals[world.ints[key.EDGES] + first + int(value)])
        return code if code >= 0 else world.ints[world.ints[key.SIZE] + computed]
    if (
        value < world.reals[world.ints[key.EDGES] + first]
        or value >= world.reals[world.ints[key.EDGES] + first + size - 1]
    ):
        return world.ints[world.ints[key.SIZE] + computed]
    low, high = 0, size - 1
    while high - low > 1:
        middle = (low + high) // 2
        if world.reals[world.ints[key.EDGES] + first + middle] <= value:
            low = middle
        else:
            high = middle
    return low


@jit
def compute(world, space, computed, row):
    """Bring one computed column of a row up to date."""
    value = run(world, space, computed, row)
    if world.ints[world.ints[key.KIND] + computed] == 3:
        value = np.floor(value)
    column = world.ints[world.ints[key.COLUMN] + computed]
    world.reals[world.ints[space] + world.ints[key.ROOM_VALUE] + row * world.ints[key.N_COLUMNS] + column] = value
    world.ints[space + world.ints[key.ROOM_CODE] + row * world.ints[key.N_COLUMNS] + column] = encode(
        world, computed, value
    )
