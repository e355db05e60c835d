"""Who lives with whom, in the user's levels: the first member of a household by the others, brought to the user's margins."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmsynthor.library.kinship import Kinship
from llmsynthor.library.sizes import of_kinds

Floats = NDArray[np.float64]

ROUNDS, CLOSE = 200, 1e-7
INDEPENDENT = 0.002
LEAST = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Relatives:
    """One variable of relatives, as shares within each part: `first` (kinds, levels) of first members, `second` and `further`
    (kinds, levels of the first, levels of the member), `before` (kinds, levels of the member before, levels) of further ones."""

    first: Floats
    second: Floats
    further: Floats
    before: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Household:
    """How many members there are in each kind of household, first, second and further ones, shape (kinds,); and how many
    households of each of the library's `sizes`, shape (kinds, sizes)."""

    first: Floats
    second: Floats
    further: Floats
    sizes: Floats


def relatives(
    kinship: Kinship, name: str, maps: tuple[Floats, Floats], shares: Floats, members: Household
) -> Relatives:
    """Recode one variable and scale it so that all members together have the user's `shares` (levels,).

    `maps` bring the library's kinds and levels to the user's, each of shape (library's, user's). One factor for each level is
    sought (as in raking): a member counts by its own level, one beside the first by both.
    """
    kinds, levels = maps
    own, heads, after = (of_kinds(kinship, name, table, kinds, members.sizes) for table in ("", " first", " before"))
    first = _mixed(heads @ levels)
    beside = np.einsum("apxy,xu,yv->pauv", own, levels, levels, optimize=True)
    second, further = (_mixed(beside[place]) for place in range(2))
    factor = np.ones(len(shares))
    for _ in range(ROUNDS):
        found = _scaled(first, second, further, factor, members)
        margin = found[0].sum(axis=0) + found[1].sum(axis=(0, 1)) + found[2].sum(axis=(0, 1))
        margin /= margin.sum()
        if np.abs(margin - shares).max() < CLOSE:
            break
        factor *= np.sqrt(np.maximum(shares, LEAST) / np.maximum(margin, LEAST))
    before = _mixed(np.einsum("axy,xu,yv->auv", after, levels, levels, optimize=True))
    before = before * factor[None, :, None] * factor[None, None, :]
    before *= (members.further / np.maximum(before.sum(axis=(1, 2)), LEAST))[:, None, None]
    return Relatives(
        first=_shares(found[0]), second=_shares(found[1]), further=_shares(found[2]), before=_shares(before)
    )


def _scaled(
    first: Floats, second: Floats, further: Floats, factor: Floats, members: Household
) -> tuple[Floats, Floats, Floats]:
    heads = first * factor[None]
    heads = heads * (members.first / np.maximum(heads.sum(axis=1), LEAST))[:, None]
    both = factor[None, :, None] * factor[None, None, :]
    beside = []
    for table, size in ((second, members.second), (further, members.further)):
        own = table * both
        beside.append(own * (size / np.maximum(own.sum(axis=(1, 2)), LEAST))[:, None, None])
    return heads, beside[0], beside[1]


def _mixed(table: Floats) -> Floats:
    """Add a little of what would be without dependence, within each kind: what was not seen is rare, not impossible."""
    total = np.maximum(table.reshape(len(table), -1).sum(axis=1), LEAST)
    if table.ndim == 2:
        whole = table.sum(axis=0, keepdims=True) / max(table.sum(), LEAST)
        return np.asarray((1 - INDEPENDENT) * table + INDEPENDENT * total[:, None] * whole)
    rows, columns = table.sum(axis=2), table.sum(axis=1)
    apart = rows[:, :, None] * columns[:, None, :] / total[:, None, None]
    return np.asarray((1 - INDEPENDENT) * table + INDEPENDENT * apart)


def _shares(table: Floats) -> Floats:
    return np.asarray(table / max(table.sum(), LEAST))
