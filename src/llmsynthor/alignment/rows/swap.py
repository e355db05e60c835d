"""Swaps: two records exchange one variable where only one table can tell.

When every redraw of a single variable disturbs several tables at once, the last errors of a table sit fast. Two records that
lie alike in all other tables of a variable can exchange it without any of those noticing (the swaps of Dalenius and Reiss
1982, put to use for alignment).
"""

import numpy as np
from numpy.typing import NDArray

from llmsynthor.alignment.cells import WHOLE
from llmsynthor.alignment.effort import Codes, Counts, Floats
from llmsynthor.alignment.rows import kernels
from llmsynthor.alignment.rows.engine import Rows

MOST_PARTNERS = 256

CROWDED = 30
"""Where a variable's other tables tell apart more than so many times as many contexts as there are records, nobody is alike."""


def swap(rows: Rows, codes: Codes, counts: Counts, goal: Floats, free: NDArray[np.bool_]) -> int:
    """Swap variables of the records marked in `free` wherever it brings a table nearer to its goal, in place.

    Returns the number of swaps; `counts` (cells,) are kept current.
    """
    made = 0
    for number, (first, last) in enumerate(rows.compiled.tables):
        for axis in rows.goals.tables[number].projection.axes:
            error = np.abs(counts[first:last] - goal[first:last])
            if not rows.compiled.is_hard[first] or error.max(initial=0.0) < WHOLE:
                break
            if _contexts(rows, axis, number) > CROWDED * len(codes):
                continue
            made += _swap_axis(rows, codes, counts, goal, free, axis, number)
    return made


def _contexts(rows: Rows, axis: int, table: int) -> float:
    """Combinations of the variables that other tables join with this one."""
    others = [goal.projection.axes for k, goal in enumerate(rows.goals.tables) if k != table]
    joined = {other for axes in others if axis in axes for other in axes} - {axis}
    return float(np.prod([rows.goals.grid.sizes[other] for other in joined]))


def _swap_axis(
    rows: Rows, codes: Codes, counts: Counts, goal: Floats, free: NDArray[np.bool_], axis: int, table: int
) -> int:
    program = rows.compiled.program
    keys = np.empty(len(codes), dtype=np.uint64)
    kernels.contexts(codes, axis, table, program, keys)
    order = np.argsort(keys, kind="stable")
    edges = np.flatnonzero(np.diff(keys[order])) + 1
    starts = np.concatenate([[0], edges, [len(codes)]])
    return int(kernels.swap_within(codes, axis, table, program, order, starts, counts, goal, free, MOST_PARTNERS))
