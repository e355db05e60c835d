"""Changes of who belongs to a record: a member added, removed, or taken over from another, with all below it."""

from llmsynthor.alignment.compiled import jit
from llmsynthor.alignment.trees import fields as key
from llmsynthor.alignment.trees.kernels import children, close_unit, compute_all, length_of, open_row
from llmsynthor.alignment.trees.kernels_ledger import below

REMOVE, ADD, TAKE, REPLACE = 0, 1, 2, 3


@jit
def draw_row(world, space, row, dice):
    """Write a row drawn from its unit's pool."""
    unit = world.ints[space + world.ints[key.ROOM_UNIT] + row]
    n_own = world.ints[world.ints[key.N_OWN] + unit]
    at = (
        world.ints[key.POOL_ROWS]
        + world.ints[world.ints[key.POOL_FIRST] + unit]
        + below(dice, world.ints[world.ints[key.POOL_SIZE] + unit]) * n_own
    )
    for axis in range(n_own):
        world.ints[space + world.ints[key.ROOM_CODE] + row * world.ints[key.N_COLUMNS] + axis] = world.ints[at + axis]


@jit
def put_row(world, space, row, source, sources, dice):
    """Write the codes of a new row: those of row `source` of one of `sources`, or drawn; `source` is (which, row)."""
    which, other = source
    ints = world.ints
    ints[space + ints[key.ROOM_ORIGIN] + 2 * row], ints[space + ints[key.ROOM_ORIGIN] + 2 * row + 1] = which, other
    if which < 0:
        draw_row(world, space, row, dice)
        return
    for axis in range(ints[ints[key.N_OWN] + ints[space + ints[key.ROOM_UNIT] + row]]):
        ints[space + ints[key.ROOM_CODE] + row * ints[key.N_COLUMNS] + axis] = ints[
            sources[which] + ints[key.ROOM_CODE] + other * ints[key.N_COLUMNS] + axis
        ]


@jit
def child_source(world, sources, space, unit, above, rank, edit):
    """Where the child at a rank below the new row `above` comes from: (0 or 1, row there), or (-1, 0) to draw it."""
    kind, edited, x, p, k, y = edit
    which, parent = (
        world.ints[space + world.ints[key.ROOM_ORIGIN] + 2 * above],
        world.ints[space + world.ints[key.ROOM_ORIGIN] + 2 * above + 1],
    )
    if which < 0:
        return -1, 0
    own = world.ints[sources[which] + world.ints[key.ROOM_LOW] + parent * world.ints[key.N_UNITS] + unit] + rank
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
def recount(world, space, row, edit):
    """Bring the number of children that a copied row says it has to what an edit makes of it."""
    kind, edited, x, p, k, y = edit
    ints = world.ints
    if (
        kind == REPLACE
        or ints[space + ints[key.ROOM_ORIGIN] + 2 * row] != 0
        or ints[space + ints[key.ROOM_ORIGIN] + 2 * row + 1] != p
    ):
        return
    if ints[space + ints[key.ROOM_UNIT] + row] == ints[ints[key.PARENT] + edited]:
        place = space + ints[key.ROOM_CODE] + row * ints[key.N_COLUMNS] + ints[ints[key.COUNT_COLUMN] + edited]
        ints[place] += -1 if kind == REMOVE else 1


@jit
def rebuild(world, sources, edit, space, dice):
    """Lay out in `space` the record of the first of `sources` with an edit done, and compute it; says whether there is room.

    An edit is (kind, unit, x, p, k, y): remove row x; add a drawn row, or take row y of the second source, as child k of row p;
    or replace row x, a child of p, by row y of the second source. All below a row comes with it.
    """
    ints, n_rows = world.ints, 0
    ints[space + ints[key.ROOM_FIRST]] = 0
    for unit in range(ints[key.N_UNITS]):
        parent = ints[ints[key.PARENT] + unit]
        first = ints[space + ints[key.ROOM_FIRST] + parent] if parent >= 0 else 0
        last = ints[space + ints[key.ROOM_FIRST] + parent + 1] if parent >= 0 else 1
        for above in range(first, last):
            number = children(world, space, unit, above) if parent >= 0 else 1
            if n_rows + number > ints[key.ROOM_ROWS]:
                return False
            if parent >= 0:
                ints[space + ints[key.ROOM_LOW] + above * ints[key.N_UNITS] + unit] = n_rows
                ints[space + ints[key.ROOM_HIGH] + above * ints[key.N_UNITS] + unit] = n_rows + number
            for rank in range(number):
                open_row(world, space, n_rows, unit, above if parent >= 0 else -1)
                source = child_source(world, sources, space, unit, above, rank, edit) if parent >= 0 else (0, 0)
                put_row(world, space, n_rows, source, sources, dice)
                recount(world, space, n_rows, edit)
                n_rows += 1
        close_unit(world, space, unit, n_rows)
    if length_of(world, space) > ints[space + key.LIMIT]:
        return False
    compute_all(world, space)
    return True


@jit
def new_row(world, space, edit):
    """The row of a rebuilt record where an edit has been done: the one that came, or the one that now follows."""
    kind, unit, x, p, k, y = edit
    return (
        x
        if kind == REPLACE or kind == REMOVE
        else world.ints[space + world.ints[key.ROOM_LOW] + p * world.ints[key.N_UNITS] + unit] + k
    )
