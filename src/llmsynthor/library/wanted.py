"""What a user has: variables in words with the shares of their levels; and the numbers that words of levels name."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from math import inf

import numpy as np
from numpy.typing import NDArray

from llmsynthor.spec.levels import Interval, Level

Floats = NDArray[np.float64]

NUMBER = re.compile(r"\d{1,3}(?:[.,’' \u00a0\u202f]\d{3})+(?!\d)|\d+(?:[.,]\d+)?")
THOUSAND = re.compile(r"\s?[kK]\b")
LEAST_NUMBERS, MOST_OTHERS = 3, 2
"""Levels with numbers that make a category one of numbers, and levels without one that it may have beside them."""
NEAR = 0.011
"""How far, in parts, two ends that are meant to be one may be apart: 9,999 and 10,000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A variable of the user; `shares` (levels,) are its table. `like` names the library's variable, "none" for none."""

    name: str
    label: str
    levels: tuple[Level, ...]
    words: tuple[str, ...]
    shares: Floats = field(repr=False)
    like: str = ""

    @property
    def ranges(self) -> tuple[Interval | None, ...] | None:
        """Which numbers each level holds, None for a level without any; None where these are no numbers."""
        if all(isinstance(level, Interval) for level in self.levels):
            return tuple(level if isinstance(level, Interval) else None for level in self.levels)
        return _ranges_of(self.words)


@lru_cache(maxsize=4096)
def _ranges_of(words: tuple[str, ...]) -> tuple[Interval | None, ...] | None:
    return ranges_of(words)


def numbers_in(words: str) -> tuple[float, ...]:
    """The numbers that a text names, however its language groups digits.

    >>> numbers_in("$25,000-$50,000"), numbers_in("de 10.000 a 25.000 €"), numbers_in("2.5 or 3k")
    ((25000.0, 50000.0), (10000.0, 25000.0), (2.5, 3000.0))
    """
    found = []
    for match in NUMBER.finditer(words):
        digits = match[0]
        grouped = re.fullmatch(r"\d{1,3}(?:[.,’' \u00a0\u202f]\d{3})+", digits)
        value = float(re.sub(r"\D", "", digits)) if grouped else float(digits.replace(",", "."))
        found.append(value * 1000 if THOUSAND.match(words, match.end()) else value)
    return tuple(found)


def ranges_of(words: Sequence[str]) -> tuple[Interval | None, ...] | None:
    """Read levels in words as ranges of numbers that follow each other; None where they are no such thing.

    >>> [str(own) for own in ranges_of(["none", "under 10,000", "10,000 to 24,999", "25,000-50,000", "over 50,000"])]
    ['None', '[-inf, 10000)', '[10000, 25000)', '[25000, 50000)', '[50000, inf)']
    >>> ranges_of(["grade 1-8", "high school", "degree"])
    """
    found = [numbers_in(text) for text in words]
    two = {k: (own[0], own[1]) for k, own in enumerate(found) if len(own) == 2 and own[0] < own[1]}
    one = {k: own[0] for k, own in enumerate(found) if len(own) == 1}
    ranges = _between(two, one) if two else _points(one)
    if ranges is None or len(ranges) < LEAST_NUMBERS or len(words) - len(ranges) > MOST_OTHERS:
        return None
    return tuple(ranges.get(k) for k in range(len(words)))


def _between(two: dict[int, tuple[float, float]], one: dict[int, float]) -> dict[int, Interval] | None:
    """Ranges with two ends, and the open ones below and above; each ends where the next begins."""
    order = sorted(two, key=lambda k: two[k])
    low, high = two[order[0]][0], two[order[-1]][1]
    below = [k for k, value in one.items() if _meet(value, low)]
    above = [k for k, value in one.items() if _meet(value, high)]
    single = [k for k, value in one.items() if value < low and not _meet(value, low) and _meet(value + 1, low)]
    if len(below) > 1 or len(above) > 1:
        return None
    found: dict[int, Interval] = {}
    for k, after in zip(order, [*order[1:], None], strict=True):
        end = two[after][0] if after is not None else (one[above[0]] if above else two[k][1])
        if not _meet(two[k][1], end) and two[k][1] != end:
            return None
        found[k] = Interval(two[k][0], max(end, two[k][0] + 1e-9))
    if below:
        found[below[0]] = Interval(-inf, low)
    elif single:
        found[single[0]] = Interval(one[single[0]], low)
    if above and above[0] not in found:
        found[above[0]] = Interval(found[order[-1]].high, inf)
    return found


def _points(one: dict[int, float]) -> dict[int, Interval] | None:
    """Single numbers such as 1, 2, 3 and "4 or more"."""
    order = sorted(one, key=lambda k: one[k])
    values = [one[k] for k in order]
    if len(set(values)) < len(values) or any(b - a > 1 for a, b in pairwise(values)):
        return None
    ends = [*values, inf]
    return {k: Interval(ends[i], ends[i + 1]) for i, k in enumerate(order)}


def _meet(one: float, other: float) -> bool:
    return abs(one - other) <= max(1.0 if abs(other) > 3 else 0.0, NEAR * abs(other))
