"""How sure a cell of a pair table is that no table gives: a band around it, as wide as known tables turned out to be off."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmsynthor.calibration.measured import band_width

GIVEN = "given"

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Ends of the 90 % band of every cell of a pair table, shares of all records; both (levels, levels)."""

    low: Floats
    high: Floats


def frechet_bounds(rows: Floats, columns: Floats) -> Band:
    """What the margins alone allow each cell (Fréchet 1951).

    >>> frechet_bounds(np.array([0.7, 0.3]), np.array([0.6, 0.4])).low.round(2)
    array([[0.3, 0.1],
           [0. , 0. ]])
    """
    return Band(low=np.maximum(0.0, rows[:, None] + columns - 1.0), high=np.minimum(rows[:, None], columns))


def band_of(shares: Floats, source: str, records: int | None = None) -> Band:
    """Estimate ± q √(p_u p_v), within what the margins allow; a given table is its own band.

    q of a seed follows from its `records`.

    >>> even = np.full((2, 2), 0.25)
    >>> bool((band_of(even, "given").low == even).all()), bool((band_of(even, "zones").low < even).all())
    (True, True)
    """
    if source == GIVEN:
        return Band(low=shares, high=shares)
    rows, columns = shares.sum(axis=1), shares.sum(axis=0)
    half, bounds = band_width(source, records) * np.sqrt(np.outer(rows, columns)), frechet_bounds(rows, columns)
    return Band(low=np.maximum(shares - half, bounds.low), high=np.minimum(shares + half, bounds.high))
