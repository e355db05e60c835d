"""Quotas: what each partition gets of a table that covers several, in whole numbers that add up to the table exactly.

What the partitions hold by themselves is raked to the table (Deming and Stephan 1940): to first order that is what log-weights
of the shared table, moved until all partitions together meet it, make of them. The fractions are rounded, controlled: every
entry to one of its neighbours, every row and column to its sum (Cox 1987), as a flow whose vertices are whole numbers.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

MOST_ROUNDS, AGREED = 500, 1e-10
SEED = 1e-6
"""What a cell that no record is in yet begins with, beside the mean of its row."""


def rake(start: Floats, rows: Floats, columns: Floats, *, allowed: Booleans | None = None) -> Floats:
    """Scale `start` (partitions, cells) in turn until rows sum to `rows` and columns to `columns`; both have the same sum.

    A cell that is wanted in all and where a partition has none yet begins with a trace, where it is `allowed`.

    >>> rake(np.array([[2.0, 2.0], [1.0, 3.0]]), np.array([4.0, 4.0]), np.array([4.0, 4.0])).sum(axis=0).round(6).tolist()
    [4.0, 4.0]
    """
    found = _begun(start, columns, allowed)
    found[rows <= 0] = 0.0
    for _ in range(MOST_ROUNDS):
        found *= (rows / np.maximum(found.sum(axis=1), 1e-300))[:, None]
        scale = columns / np.maximum(found.sum(axis=0), 1e-300)
        found *= scale
        if np.abs(scale[columns > 0] - 1).max(initial=0.0) < AGREED:
            break
    return found


def rake_groups(start: Floats, sums: Sequence[Floats], groupings: Sequence[Integers], columns: Floats) -> Floats:
    """Scale `start` (partitions, cells) until groups of each partition's cells have these `sums`, and columns theirs.

    `groupings[k]` (cells,) says in which group of `sums[k]` (partitions, groups) each cell is. Ends with the columns.
    """
    found = start.copy()
    for _ in range(MOST_ROUNDS):
        for own, groups in zip(sums, groupings, strict=True):
            for group in range(own.shape[1]):
                held = found[:, groups == group]
                found[:, groups == group] = held * (own[:, group] / np.maximum(held.sum(axis=1), 1e-300))[:, None]
        scale = columns / np.maximum(found.sum(axis=0), 1e-300)
        found *= scale
        if np.abs(scale[columns > 0] - 1).max(initial=0.0) < AGREED:
            break
    return found


def _begun(start: Floats, columns: Floats, allowed: Booleans | None) -> Floats:
    found = start.astype(np.float64)
    mean = found.sum(axis=1, keepdims=True) / max(found.shape[1], 1)
    found = np.where((found <= 0) & (columns > 0), SEED * np.maximum(mean, 1e-9), found)
    found[:, columns <= 0] = 0.0
    return found if allowed is None else np.where(allowed, found, 0.0)


def round_sum(wanted: Floats, total: int) -> Integers:
    """Whole numbers near `wanted` (cells,) that sum to `total`: floors, and one more for the largest remainders.

    >>> round_sum(np.array([1.5, 0.25, 0.25]), 2).tolist()
    [2, 0, 0]
    """
    scaled = wanted * (total / wanted.sum()) if wanted.sum() > 0 else np.full(len(wanted), total / len(wanted))
    counts = np.floor(scaled + 1e-9).astype(np.int64)
    order = np.argsort(-(scaled - counts), kind="stable")
    counts[order[: int(total - counts.sum())]] += 1
    return counts


def round_quotas(
    wanted: Floats,
    rows: Integers,
    columns: Integers,
    *,
    allowed: Booleans | None = None,
    groups: Integers | None = None,
    sums: Floats | None = None,
) -> Integers:
    """Whole numbers with exactly these sums of columns (cells,) and rows (partitions,), neighbours of `wanted` if they can be.

    Both sums must agree. With `groups` (cells,) the sums of each partition's groups are kept too, near `sums` (partitions,
    groups): a tree of sums over rows and one over columns is a flow, whose corners are whole. Where no neighbours have these
    sums, as few entries as can be are further off, but for those that are not `allowed`, which are 0.

    >>> round_quotas(np.array([[0.5, 0.5], [0.5, 0.5]]), np.array([1, 1]), np.array([1, 1])).sum(axis=1).tolist()
    [1, 1]
    """
    floors = np.floor(wanted + 1e-9).astype(np.int64)
    allowed = np.ones(wanted.shape, dtype=bool) if allowed is None else allowed
    each = np.zeros(wanted.shape[1], dtype=np.int64) if groups is None else groups
    held = _group_sums(floors, each)
    goal = (
        rows[:, None] if sums is None else np.stack([round_sum(own, int(r)) for own, r in zip(sums, rows, strict=True)])
    )
    found = _flow(wanted - floors, goal - held, columns - floors.sum(axis=0), floors, each, allowed)
    if found is None and groups is not None:  # what partitions say themselves and the table of all exclude each other
        return round_quotas(wanted, rows, columns, allowed=allowed)
    if found is None:
        raise ValueError(f"rows sum to {rows.sum()}, columns to {columns.sum()}")
    return floors + found


def _group_sums(counts: Integers, groups: Integers) -> Integers:
    found = np.zeros((len(counts), int(groups.max(initial=0)) + 1), dtype=np.int64)
    np.add.at(found.T, groups, counts.T)
    return found


def _flow(
    rest: Floats, rows: Integers, columns: Integers, floors: Integers, groups: Integers, allowed: Booleans
) -> Integers | None:
    """Whole steps with these sums: the largest fractions first; steps further than one, or down, cost most."""
    from scipy.optimize import linprog  # noqa: PLC0415  (read where it is used)
    from scipy.sparse import coo_array  # noqa: PLC0415

    n, m = rest.shape
    row, column = np.nonzero(allowed)
    cells = len(row)
    # three kinds of steps for each entry: up by one, up by more, down; the last two only where sums ask for them
    signs = np.repeat([1.0, 1.0, -1.0], cells)
    above = row * rows.shape[1] + groups[column]
    places = np.concatenate([np.tile(above, 3), np.tile(column, 3) + rows.size])
    index = np.arange(3 * cells)
    matrix = coo_array((np.tile(signs, 2), (places, np.tile(index, 2))), shape=(rows.size + m, 3 * cells)).tocsr()
    flat, held = rest[row, column], floors[row, column].astype(np.float64)
    costs = np.concatenate([1.0 - flat, np.full(cells, 10.0), 10.0 + flat])
    most = np.concatenate([np.where(flat > 1e-9, 1.0, 0.0), np.full(cells, np.inf), held])
    bounds = np.stack([np.zeros(3 * cells), most], axis=1)
    sums = np.concatenate([rows.ravel(), columns]).astype(np.float64)
    found = linprog(costs, A_eq=matrix, b_eq=sums, bounds=bounds, method="highs-ds")
    if found.x is None:
        return None
    steps = np.rint(found.x).astype(np.int64).reshape(3, cells)
    made = np.zeros((n, m), dtype=np.int64)
    made[row, column] = steps[0] + steps[1] - steps[2]
    return made
