"""Changes of who belongs to a record: a member added, removed, or taken over from another, with all below it."""

import numba

from llmsynthor.alignment.trees.kernels import close_unit, children, compute_all, length_of, open_row
from llmsynthor.alignment.trees.kernels_ledger import below

jit = numba.njit(nogil=True, cache=True)

REMOVE, ADD, TAKE, REPLACE = 0, 1, 2, 3


@jit
def draw_row(program, pool, space, row, dice):
    """Write a row drawn from its unit's pool."""
    unit = space.ints[space.unit + row]
    n_own, first = program.ints[program.n_own + unit], pool.first[unit]
    at = first + below(dice, pool.size[unit]) * n_own
    for axis in range(n_own):
        space.ints[space.code + row * space.n_columns + axis] = pool.rows[at + axis]


@jit
def put_row(program, pool, space, row, source, sources, dice):
    """Write the codes of a new row: those of row `source` of one of `sources`, or drawn; `source` is (which, row)."""
    which, other = source
    room = space.ints
    room[space.origin + 2 * row], room[space.origin + 2 * row + 1] = which, other
    if which < 0:
        draw_row(program, pool, space, row, dice)
        return
    for axis in range(program.ints[program.n_own + room[space.unit + row]]):
        room[space.code + row * space.n_columns + axis] = sources[which].ints[
            space.code + other * space.n_columns + axis
        ]


@jit
def child_source(sources, space, unit, above, rank, edit):
    """Where the child at a rank below the new row `above` comes from: (0 or 1, row there), or (-1, 0) to draw it."""
    kind, edited, x, p, k, y = edit
    which, parent = space.ints[space.origin + 2 * above], space.ints[space.origin + 2 * above + 1]
    if which < 0:
        return -1, 0
    own = sources[which].ints[space.low + parent * space.n_units + unit] + rank
    if which != 0 or unit != edited or parent != p:
        return which, own
    if kind == REPLACE:
        return (1, y) if own == x else (0, own)
    if kind == REMOVE:
        return 0, own + (1 if own >= x else 0)
    if rank == k:
        return (-1, 0) if kind == ADD else (1, y)
    return 0, own - (1 if rank > k else 0)


@jit
def recount(program, space, row, edit):
    """Bring the number of children that a copied row says it has to what an edit makes of it."""
    kind, edited, x, p, k, y = edit
    room = space.ints
    if kind == REPLACE or room[space.origin + 2 * row] != 0 or room[space.origin + 2 * row + 1] != p:
        return
    if room[space.unit + row] == program.ints[program.parent + edited]:
        place = space.code + row * space.n_columns + program.ints[program.count_column + edited]
        room[place] += -1 if kind == REMOVE else 1


@jit
def rebuild(program, pool, sources, edit, space, dice):
    """Lay out in `space` the record of the first of `sources` with an edit done, and compute it; says whether there is room.

    An edit is (kind, unit, x, p, k, y): remove row x; add a drawn row, or take row y of the second source, as child k of row p;
    or replace row x, a child of p, by row y of the second source. All below a row comes with it.
    """
    room, ints, n_rows = space.ints, program.ints, 0
    room[space.first] = 0
    for unit in range(program.n_units):
        parent = ints[program.parent + unit]
        first = room[space.first + parent] if parent >= 0 else 0
        last = room[space.first + parent + 1] if parent >= 0 else 1
        for above in range(first, last):
            number = children(program, space, unit, above) if parent >= 0 else 1
            if n_rows + number > space.rows:
                return False
            if parent >= 0:
                room[space.low + above * space.n_units + unit] = n_rows
                room[space.high + above * space.n_units + unit] = n_rows + number
            for rank in range(number):
                open_row(program, space, n_rows, unit, above if parent >= 0 else -1)
                source = child_source(sources, space, unit, above, rank, edit) if parent >= 0 else (0, 0)
                put_row(program, pool, space, n_rows, source, sources, dice)
                recount(program, space, n_rows, edit)
                n_rows += 1
        close_unit(program, space, unit, n_rows)
    if length_of(program, space) > room[space.limit]:
        return False
    compute_all(program, space)
    return True


@jit
def new_row(space, edit):
    """The row of a rebuilt record where an edit has been done: the one that came, or the one that now follows."""
    kind, unit, x, p, k, y = edit
    return x if kind == REPLACE or kind == REMOVE else space.ints[space.low + p * space.n_units + unit] + k
