"""Distances between two sets of records: total variation over one, two or three variables at a time."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

DECILES = 10
MOST_VALUES = 12
"""A number with so few values in the reference is not cut."""

MOST_COMBINATIONS = 500
"""Of longer records the first combinations of variables are taken."""

Codes = NDArray[np.int64]
Pair = tuple[Codes, Codes]


def mean_distance(pairs: Sequence[Pair], order: int) -> float | None:
    """Mean total variation distance over all combinations of `order` variables; None where there are too few.

    Each pair holds one variable's codes in either set.
    """
    chosen = list(combinations(range(len(pairs)), order))[:MOST_COMBINATIONS]
    distances = [_distance([pairs[k][0] for k in group], [pairs[k][1] for k in group]) for group in chosen]
    return float(np.mean(distances)) if distances else None


def _distance(own: Sequence[Codes], other: Sequence[Codes]) -> float:
    sizes = [int(max(a.max(initial=0), b.max(initial=0))) + 1 for a, b in zip(own, other, strict=True)]
    shares = []
    for codes in (own, other):
        flat = codes[0]
        for column, size in zip(codes[1:], sizes[1:], strict=True):
            flat = flat * size + column
        count = np.bincount(flat, minlength=int(np.prod(sizes)))
        shares.append(count / max(count.sum(), 1))
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def cut(own: NDArray[np.float64], other: NDArray[np.float64]) -> Pair:
    """Code numbers by the values of the other set, by its deciles where it has many; a missing one is a code of its own."""
    known = other[~np.isnan(other)]
    values = np.unique(known)
    cuts = values if len(values) <= MOST_VALUES else np.unique(np.quantile(known, np.arange(1, DECILES) / DECILES))
    codes = [np.where(np.isnan(x), len(cuts) + 1, np.searchsorted(cuts, x, side="right")) for x in (own, other)]
    return codes[0].astype(np.int64), codes[1].astype(np.int64)
