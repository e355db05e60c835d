"""How many records each kind of record is to have: the nearest population that holds all adjustments, in whole records.

Adjustments cut the records into atoms, sets that meet the same conditions. Their new sizes are those of least relative entropy to
the old ones (iterative proportional fitting, Deming and Stephan 1940), rounded so that every condition holds a whole number.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmsynthor.errors import DataError, Problem
from llmsynthor.spec.adjustments import Adjustment

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Counts = NDArray[np.int64]

MOST_ROUNDS, CLOSE = 2_000, 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Atoms:
    """`of` (records,) is each record's atom; `signs` (atoms, adjustments) which conditions an atom meets; sizes are (atoms,)."""

    of: Counts
    signs: Flags
    before: Counts
    after: Counts


def cut(masks: Sequence[Flags], adjustments: Sequence[Adjustment], *, free: bool = False) -> Atoms:
    """Cut records into atoms and say how many each is to have. `free` lets their number change. Raises DataError."""
    if len(masks) > 62:
        advice = "state fewer conditions over the same variables, or intervals together"
        raise DataError(
            Problem(where="adjustments", what="too many conditions overlap", found=str(len(masks)), advice=advice)
        )
    bits = np.zeros(len(masks[0]), dtype=np.int64)
    for k, mask in enumerate(masks):
        bits |= mask.astype(np.int64) << k
    seen, of = np.unique(bits, return_inverse=True)
    signs = (seen[:, None] >> np.arange(len(masks))) & 1 == 1
    before = np.bincount(of, minlength=len(seen))
    wanted = _wanted(signs, before, adjustments)
    fitted = _fitted(signs, before, wanted, adjustments, free=free)
    return Atoms(of=of, signs=signs, before=before, after=_whole(signs, fitted, np.rint(wanted), free=free))


def _wanted(signs: Flags, before: Counts, adjustments: Sequence[Adjustment]) -> Floats:
    records = int(before.sum())
    wanted = np.zeros(len(adjustments))
    for k, adjustment in enumerate(adjustments):
        there = int(before[signs[:, k]].sum())
        wanted[k] = adjustment.aimed(there, records)
        if wanted[k] >= 0.5 and not there:
            advice = "correct the condition, or state it of a base population that has such records"
            what = "no record of the base population meets the condition, so that none can be made like it"
            raise DataError(_problem(adjustment, what, "0 records", advice))
        if wanted[k] > records + 0.5 and adjustment.keep == "total":
            advice = "lower it, or let the number of records change with keep: none"
            raise DataError(
                _problem(adjustment, "it asks for more records than there are", f"{wanted[k]:,.0f}", advice)
            )
    return wanted


def _problem(adjustment: Adjustment, what: str, found: str, advice: str) -> Problem:
    return Problem(
        where=f'adjustment "{adjustment.where.text}" {adjustment.words}', what=what, found=found, advice=advice
    )


def _fitted(signs: Flags, before: Counts, wanted: Floats, adjustments: Sequence[Adjustment], *, free: bool) -> Floats:
    """Scale inside and outside of each condition in turn until all hold; without a total only inside."""
    size, total = before.astype(np.float64), float(before.sum())
    off = np.inf
    for _ in range(MOST_ROUNDS):
        off = 0.0
        for k, goal in enumerate(wanted):
            inside = signs[:, k]
            for part, aim in ((inside, goal), (~inside, total - goal)):
                there = size[part].sum()
                if free and part is not inside:
                    continue
                off = max(off, abs(there - aim))
                if there > 0:
                    size[part] *= aim / there
        if off <= CLOSE * max(total, 1.0):
            return size
    if off >= 0.5:
        got = [float(size[signs[:, k]].sum()) for k in range(len(wanted))]
        worst = int(np.argmax(np.abs(np.array(got) - wanted)))
        advice = "change or leave out one of those that name the same records"
        what = f"it cannot hold beside the others: {got[worst]:,.0f} records are the nearest"
        raise DataError(_problem(adjustments[worst], what, f"{wanted[worst]:,.0f}", advice))
    return size


def _whole(signs: Flags, size: Floats, wanted: Floats, *, free: bool) -> Counts:
    """Whole numbers near the sizes whose sums over each condition, and in all, are whole as wanted."""
    from scipy.optimize import Bounds, LinearConstraint, milp  # noqa: PLC0415  (heavy)

    n = len(size)
    rows = [signs[:, k].astype(np.float64) for k in range(signs.shape[1])]
    sums = list(wanted)
    if not free:
        rows.append(np.ones(n))
        sums.append(round(float(size.sum())))
    low = np.floor(size + 1e-6)
    matrix = np.array(rows)
    left = np.array(sums) - matrix @ low
    for lowest, highest in (
        (0.0, 1.0),
        (-1.0, 2.0),
    ):  # down or up to the next whole number, further where that cannot be
        least = np.where(size <= 0, 0.0, -np.minimum(low, -lowest))
        best = milp(
            0.5 - (size - low),
            constraints=LinearConstraint(matrix, left, left),
            integrality=np.ones(n),
            bounds=Bounds(least, np.where(size <= 0, 0.0, highest)),
        )
        if best.x is not None:
            return np.asarray(low + np.rint(best.x), dtype=np.int64)
    return np.asarray(np.rint(size), dtype=np.int64)
