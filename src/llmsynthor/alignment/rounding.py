"""Controlled rounding: whole numbers near fractions, with the sums of groups kept (Cox 1987)."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

CLOSE = 1e-9


def round_within(wanted: Floats, held: Integers) -> Integers:
    """Whole numbers near `wanted` (groups, cells) whose rows sum to `held` (groups,), each a floor or a ceiling where that can be.

    What rounding leaves of each cell is carried from group to group, so that the sums of cells stay near as well. A row whose sum
    is another than what is wanted is scaled first.

    >>> round_within(np.array([[0.5, 0.5], [0.5, 0.5]]), np.array([1, 1])).tolist()
    [[1, 0], [0, 1]]
    """
    sums = wanted.sum(axis=1)
    off = np.abs(sums - held) >= 1.0 - CLOSE
    scaled = np.where(off[:, None], wanted * (held / np.maximum(sums, 1e-300))[:, None], wanted)
    counts = np.floor(scaled + CLOSE).astype(np.int64)
    rest = np.maximum(scaled - counts, 0.0)
    missing = held - counts.sum(axis=1)
    carried = np.zeros(wanted.shape[1])
    for group in np.flatnonzero((held > 0) | (missing != 0) | (rest.sum(axis=1) > CLOSE)):
        carried += rest[group]
        number = int(missing[group])
        if number > 0:
            chosen = np.argsort(np.where(rest[group] > CLOSE, -carried, np.inf), kind="stable")[:number]
            counts[group, chosen] += 1
            carried[chosen] -= 1.0
        elif number < 0:  # fewer than the whole numbers alone
            chosen = np.argsort(np.where(counts[group] > 0, carried, np.inf), kind="stable")[:-number]
            counts[group, chosen] -= 1
            carried[chosen] += 1.0
    return counts
