"""Maps from a library's levels to a user's: by arithmetic for numbers, by words and margins for all others."""

from collections.abc import Iterator, Sequence
from itertools import permutations
from math import inf

import numpy as np
from numpy.typing import NDArray

from llmsynthor.library.store import Entry
from llmsynthor.library.wanted import Wanted
from llmsynthor.spec.levels import Interval

Floats = NDArray[np.float64]

SCALES = (1.0, 12.0, 1_000.0)
"""How many of the library's units one of the user's may be: the same, months of a year, thousands."""

TEMPER, PULL, ROUNDS = 0.5, 0.95, 300
"""Scores count twice in the kernel of the transport; the columns are pulled to the user's shares with this power; rounds."""

WITNESS, MOST_COST = 30.0, 20.0
"""What a total variation distance of 1 costs beside words, in nats a record, and what a level's words cost at most: levels that
lead from less to more leave the margins little freedom, so that these may say more than a small model does."""


def gap(recoded: Floats, shares: Floats) -> float:
    """Total variation distance of two margins; 1 where there is nothing."""
    if recoded.sum() <= 0:
        return 1.0
    return float(np.abs(recoded / recoded.sum() - shares).sum() / 2)


def recodings(wanted: Wanted, entry: Entry, *, outside: bool) -> Iterator[tuple[float, Floats]]:
    """Every way in which a number of the library may be the user's, as (scale, map), map of shape (library's, user's levels).

    Bins that the user's ranges cut are split evenly; what lies beyond them falls into the last ones, or with `outside` nowhere.
    Levels without a number are those without one in the library, or no amount at all.
    """
    ranges = wanted.ranges
    if ranges is None or not entry.is_number:
        return
    others = [k for k, own in enumerate(ranges) if own is None]
    for scale in SCALES:
        inside = _overlaps(entry, ranges, scale, outside=outside)
        for known, unknown in _treatments(entry, ranges, others):
            mapped = np.zeros((entry.size, len(ranges)))
            mapped[: entry.bins] = inside
            if known is not None:
                zero = np.array([own.high <= 1.0 for own in entry.intervals])
                mapped[: entry.bins][zero] = 0.0
                mapped[: entry.bins][zero, known] = 1.0
            mapped[entry.bins :, unknown] = 1.0
            yield scale, mapped


def _treatments(
    entry: Entry, ranges: Sequence[Interval | None], others: Sequence[int]
) -> Iterator[tuple[int | None, int]]:
    """Where nothing (0 or less) goes, None for its own range, and where those without a number go."""
    lowest = min((k for k, own in enumerate(ranges) if own is not None), key=lambda k: ranges[k].low)  # type: ignore[union-attr]
    zero = next((k for k, own in enumerate(ranges) if own is not None and 0.0 in own), lowest)
    if not others:
        yield None, zero
        return
    for k in others:
        if entry.words:
            yield None, k
        yield k, k
    yield from permutations(others, 2)


def _overlaps(entry: Entry, ranges: Sequence[Interval | None], scale: float, *, outside: bool) -> Floats:
    """Which part of each bin lies in each range, shape (bins, levels)."""
    lows = np.array([inf if own is None else own.low * scale for own in ranges])
    highs = np.array([-inf if own is None else own.high * scale for own in ranges])
    ends = np.array(entry.ends)
    low, high = ends[:-1, None], ends[1:, None]
    width = high - low
    found = np.clip(np.minimum(high, highs) - np.maximum(low, lows), 0.0, None) / width
    if not outside:
        total = found.sum(axis=1)
        first, last = int(np.argmin(lows)), int(np.argmax(highs))
        middle = (ends[:-1] + ends[1:]) / 2
        found[:, first] += np.where(middle < lows[first], 1 - total, 0.0)
        found[:, last] += np.where(middle > highs[last], 1 - total, 0.0)
    return np.asarray(found)


def transported(scores: Floats, masses: Floats, shares: Floats) -> Floats:
    """Which user's level each of the library's is, as shares (library's, user's levels).

    `scores` are log-weights of the words alone; the rows keep the library's `masses`, the columns are pulled to the user's
    `shares` (unbalanced optimal transport, Chizat et al. 2018), so that the margins bear witness beside the words.
    """
    kernel = np.exp(np.clip((scores - scores.max(axis=1, keepdims=True)) / TEMPER, -60.0, 0.0))
    rows = np.maximum(masses / max(masses.sum(), 1e-300), 1e-9)
    columns = np.maximum(shares / shares.sum(), 1e-9)
    across = np.ones(len(columns))
    for _ in range(ROUNDS):
        down = rows / (kernel @ across)
        across = (columns / np.maximum(kernel.T @ down, 1e-300)) ** PULL
    plan = down[:, None] * kernel * across[None, :]
    return np.asarray(plan / plan.sum(axis=1, keepdims=True))


def hardened(plan: Floats) -> Floats:
    """The likeliest level of each row alone."""
    found = np.zeros_like(plan)
    found[np.arange(len(plan)), plan.argmax(axis=1)] = 1.0
    return found


def in_order(scores: Floats, plan: Floats, masses: Floats, shares: Floats) -> Floats:
    """Which user's level each of the library's is where both lead from less to more, as a map of zeros and ones.

    The user's levels come in the order in which `plan` has them along the library's; each holds levels that stand beside each
    other. Among all such maps that is taken whose margins are nearest and whose words cost least.
    """
    place = np.arange(len(masses), dtype=np.float64)
    held = plan * (masses / max(masses.sum(), 1e-300))[:, None]
    middle = np.where(
        held.sum(axis=0) > 1e-6, place @ held / np.maximum(held.sum(axis=0), 1e-300), scores.argmax(axis=0)
    )
    order = [int(level) for level in np.argsort(middle, kind="stable") if shares[level] > 0]
    mass, share = masses / max(masses.sum(), 1e-300), shares / max(shares.sum(), 1e-300)
    cost = np.minimum(scores.max(axis=1, keepdims=True) - scores, MOST_COST) * mass[:, None]
    best, ends = np.full(len(mass) + 1, inf), list[NDArray[np.int64]]()
    best[0] = 0.0
    for level in order:
        words, within = (np.concatenate([[0.0], np.cumsum(column)]) for column in (cost[:, level], mass))
        price = words[None, :] - words[:, None] + WITNESS / 2 * np.abs(within[None, :] - within[:, None] - share[level])
        price = np.where(np.triu(np.ones_like(price, dtype=bool)), price, inf)
        whole = best[:, None] + price
        ends.append(whole.argmin(axis=0))
        best = whole.min(axis=0)
    found, end = np.zeros_like(plan), len(mass)
    for level, begin in zip(reversed(order), reversed(ends), strict=True):
        found[begin[end] : end, level] = 1.0
        end = int(begin[end])
    return found
