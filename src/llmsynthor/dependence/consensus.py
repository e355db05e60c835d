"""All pairs of a unit together: of what a model says of each, what a few traits of the records carry.

The pair tables of one population, side by side, are its Burt table. Its standardized residuals are positive semidefinite, and in
surveys nearly of low rank: a stage of life, means, and little else decide most of how traits go together. So a model's answers
about one pair are held beside those about all others. What no few traits carry is mostly noise of the asking, a stereotype about
one pair that the other pairs know nothing of. The tables are fitted as joint correspondence analysis fits them (Greenacre 1988):
blocks of one variable with itself, and of pairs of which nothing is known, are filled from the fit, in turns.
"""

from collections.abc import Mapping, Sequence
from math import comb

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigh

from llmsynthor.dependence.coarse import Coarse
from llmsynthor.dependence.elicit import Pair
from llmsynthor.dependence.pair_tables import rake_residuals

TRAITS = 3
"""How many traits carry what is said."""

FEWEST = 5
"""Variables from which on their pairs say more than each alone: of fewer, so many traits carry anything."""

MOST_UNKNOWN = 0.5
"""Part of their pairs of which nothing may be known: from fewer, so many traits are anybody's guess."""

TURNS, CLOSE = 60, 1e-6

Floats = NDArray[np.float64]


def carried(tables: Mapping[Pair, Floats], variables: Sequence[Coarse]) -> dict[Pair, Floats]:
    """What TRAITS traits carry of the `tables`, shares (levels of one, levels of the other), at the same margins.

    All of it where there are fewer than FEWEST variables, or more than MOST_UNKNOWN of their pairs have no table.
    """
    named = {name for pair in tables for name in pair}
    own = [variable for variable in variables if variable.name in named]
    if len(own) < FEWEST or len(tables) < (1 - MOST_UNKNOWN) * comb(len(own), 2):
        return dict(tables)
    ends = np.cumsum([0, *(variable.size for variable in own)])
    place = {variable.name: slice(*ends[k : k + 2]) for k, variable in enumerate(own)}
    shares = {variable.name: variable.shares for variable in own}
    root = np.sqrt(np.maximum(np.concatenate([shares[variable.name] for variable in own]), 0.0))
    residuals = np.zeros((len(root), len(root)))
    known = np.zeros(residuals.shape, dtype=bool)
    for (one, other), table in tables.items():
        expected = np.outer(shares[one], shares[other])
        block = (table - expected) / np.sqrt(np.maximum(expected, 1e-12))
        for rows, columns, values in ((place[one], place[other], block), (place[other], place[one], block.T)):
            residuals[rows, columns], known[rows, columns] = values, True
    fit = _of_low_rank(residuals, known)
    found = {}
    for one, other in tables:
        expected = np.outer(shares[one], shares[other])
        lifted = expected + fit[place[one], place[other]] * np.outer(root[place[one]], root[place[other]])
        found[one, other] = rake_residuals(lifted, shares[one], shares[other])
    return found


def _of_low_rank(residuals: Floats, known: NDArray[np.bool_]) -> Floats:
    """The positive semidefinite matrix of rank TRAITS that comes near what is known; what is not is taken from it, in turns."""
    filled, last = residuals, len(residuals) - 1
    fit = np.zeros_like(residuals)
    for _ in range(TURNS):
        values, vectors = eigh(filled, subset_by_index=[last - TRAITS + 1, last])
        before, fit = fit, (vectors * np.maximum(values, 0.0)) @ vectors.T
        if np.abs(fit - before).max() < CLOSE:
            break
        filled = np.where(known, residuals, fit)
    return fit
