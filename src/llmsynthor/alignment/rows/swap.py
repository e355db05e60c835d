"""Swaps: two records exchange one variable where only one table can tell, or only sums.

When every redraw of a single variable disturbs several tables at once, the last errors of a table sit fast. Two records that
lie alike in all other tables of a variable can exchange it without any of those noticing (the swaps of Dalenius and Reiss
1982, put to use for alignment).
"""

import numpy as np
from numpy.typing import NDArray

from llmsynthor.alignment.cells import WHOLE
from llmsynthor.alignment.effort import Codes, Counts, Floats
from llmsynthor.alignment.rows import kernels, kernels_sums
from llmsynthor.alignment.rows.engine import Rows, State

Integers = NDArray[np.int64]

MOST_PARTNERS = 256

EXCHANGES, PARTNERS = 20, 64
"""Rounds of exchanges for sums at most, and partners that a record looks at in each."""

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
    order, starts = _alike(rows, codes, axis, table, table + 1)
    return int(kernels.swap_within(codes, axis, table, program, order, starts, counts, goal, free, MOST_PARTNERS))


def _alike(rows: Rows, codes: Codes, axis: int, skipped: int, behind: int) -> tuple[Integers, Integers]:
    """Records in groups that are alike in all tables of a variable but those skipped, and where each group starts, and the end."""
    keys = np.empty(len(codes), dtype=np.uint64)
    kernels.contexts(codes, axis, skipped, behind, rows.compiled.program, keys)
    order = np.argsort(keys, kind="stable")
    edges = np.flatnonzero(np.diff(keys[order])) + 1
    return order, np.concatenate([[0], edges, [len(codes)]])


def exchange(rows: Rows, state: State) -> bool:
    """Bring sums within reach by exchanges that no table notices, in place; says whether all are.

    The last of a sum is often made up by nothing else: where tables are met, every change of a single record would spoil one.
    Where sums that depend on each other were rounded, no records have them all: then what their last digits hide will do.
    """
    if not state.means.missing().any():
        return True
    _exchange(rows, state, 0)
    if not state.means.missing().any():
        return True
    slack = state.means.slack
    state.means = state.means._replace(slack=np.maximum(slack, _hidden(rows, state)))
    _exchange(rows, state, EXCHANGES)
    met = not state.means.missing().any()
    state.means = state.means._replace(slack=slack)
    return met


def _exchange(rows: Rows, state: State, first: int) -> None:
    program, moments, means = rows.compiled.program, rows.goals.moments, state.means
    axes = sorted({axis for moment in moments for axis in moment.projection.axes})
    behind = means.last + len(rows.goals.zeros)
    for turn in range(first, first + EXCHANGES):
        made = 0
        for axis in axes:
            alike = _alike(rows, state.codes, axis, means.first, behind)
            rules = rows.compiled.is_rule, behind
            made += int(
                kernels_sums.exchange_sums(state.codes, axis, program, means, *rules, *alike, PARTNERS, rows.seed, turn)
            )
        state.moved += 2 * made
        if not made or not means.missing().any():
            break
    state.counts = rows.count(state.codes)
    state.means = rows.sums(state.counts)._replace(slack=means.slack)


def _hidden(rows: Rows, state: State) -> Floats:
    """How far each sum may be off for what the last digit of its mean or total hides, shape (sums,)."""
    found, first = [0.0], rows.compiled.moments[1]
    for moment in rows.goals.moments:
        cells = slice(first, first + moment.projection.size)
        held = state.counts[cells].reshape(moment.groups, -1).sum(axis=1)
        scale = moment.totals(rows.records) / np.where(moment.values == 0, 1.0, moment.values)
        hidden = 0.5 * moment.target.resolution * (scale if moment.is_total else held)
        found += [float(hidden[k]) for k, value in enumerate(moment.values) if np.isfinite(value)]
        first = cells.stop
    return np.array(found)
