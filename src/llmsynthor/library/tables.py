"""Pair tables of the user's variables, from those of a library."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from llmsynthor.library.matching import Match, Matching

Floats = NDArray[np.float64]

INDEPENDENT = 0.001
"""Part of independence that every table holds: what a library has not seen is rare, not impossible."""

RAKINGS, CLOSE = 500, 1e-10


def pair_tables(matching: Matching) -> dict[tuple[str, str], Floats]:
    """Shares of every pair of trusted matches, raked to the user's margins, shape (levels of one, levels of the other)."""
    return {(one.wanted.name, other.wanted.name): table for one, other, table in _each(matching)}


def _each(matching: Matching) -> Iterator[tuple[Match, Match, Floats]]:
    for one, other in combinations(matching.trusted.values(), 2):
        assert one.entry is not None and other.entry is not None and one.maps is not None and other.maps is not None
        if one.entry.name == other.entry.name:
            continue
        counts = matching.part.pair(one.entry.name, other.entry.name)
        strata = matching.part.strata
        if one.entry.name == strata:
            counts = counts * matching.of_levels[None, :, None]
        elif other.entry.name == strata:
            counts = counts * matching.of_levels[None, None, :]
        else:
            counts = counts * matching.weights[:, None, None]
        table = np.einsum("sab,sau,sbv->uv", counts, one.maps, other.maps, optimize=True)
        if table.sum() > 0:
            yield one, other, raked(table, one.wanted.shares, other.wanted.shares)


def raked(table: Floats, rows: Floats, columns: Floats) -> Floats:
    """Fit a table of counts, with a little independence, to two margins (Deming and Stephan 1940)."""
    found = table / table.sum()
    found = (1 - INDEPENDENT) * found + INDEPENDENT * np.outer(rows, columns)
    for _ in range(RAKINGS):
        found *= (rows / np.maximum(found.sum(axis=1), 1e-300))[:, None]
        found *= (columns / np.maximum(found.sum(axis=0), 1e-300))[None, :]
        if np.abs(found.sum(axis=1) - rows).max() < CLOSE:
            break
    return np.asarray(found / found.sum())
