"""The smooth density of a number over a table's intervals, and the atoms that stand for it where sums of it matter."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator

Floats = NDArray[np.float64]

ATOMS, FEWEST_ATOMS = 64, 3
"""Cells of a variable that enters sums, in all, and at least in each interval of its tables."""

OPEN_END = 4.0
"""A last interval so many times as wide as all before it stands for "and more": its density falls like Pareto's."""

POINTS = 65


@dataclass(frozen=True, slots=True, kw_only=True)
class Density:
    """A cumulative distribution as a fine polygon: `mass[k]` of the records lies below `points[k]`."""

    points: Floats
    mass: Floats

    def below(self, values: Floats) -> Floats:
        """Share of the records below each value."""
        return np.asarray(np.interp(values, self.points, self.mass))

    def value(self, shares: Floats) -> Floats:
        """Value below which each share of the records lies."""
        return np.asarray(np.interp(shares, self.mass, self.points))

    def inside(self, low: Floats, high: Floats, place: Floats) -> Floats:
        """Value at a place between 0 and 1 of the records of each cell [low, high), all shape (k,)."""
        first, last = self.below(low), self.below(high)
        found = self.value(first + (last - first) * place)
        empty = last - first <= 1e-12
        found = np.where(empty, low + (high - low) * place, found)
        return np.asarray(np.clip(found, low, np.nextafter(high, low)))


def smooth_density(breaks: Floats, shares: Floats) -> Density:
    """Interpolate monotonically between the breaks; an open last interval follows Pareto's law.

    Sources: Fritsch and Carlson (1980), monotone cubics; Henson (1967), Pareto interpolation of open income intervals.
    """
    shares = (shares + 1e-12) / (shares + 1e-12).sum()
    cumulative = np.concatenate([[0.0], np.cumsum(shares)])
    is_open = len(shares) > 2 and breaks[-2] > 0 and breaks[-1] - breaks[-2] > OPEN_END * (breaks[-2] - breaks[0])
    body = len(breaks) - 1 if is_open else len(breaks)
    smooth = PchipInterpolator(breaks[:body], cumulative[:body])
    points = np.concatenate(
        [np.linspace(breaks[k], breaks[k + 1], POINTS)[:-1] for k in range(body - 1)] + [breaks[body - 1 : body]]
    )
    mass = smooth(points)
    if is_open:
        tail = np.geomspace(breaks[-2], breaks[-1], 4 * POINTS)[1:]
        points = np.concatenate([points, tail])
        mass = np.concatenate([mass, cumulative[-2] + shares[-1] * _pareto(breaks, shares, tail)])
    mass = np.maximum.accumulate(mass) + 1e-13 * np.arange(len(mass))  # strictly rising, so that it can be inverted
    return Density(points=points, mass=mass / mass[-1])


def _pareto(breaks: Floats, shares: Floats, values: Floats) -> Floats:
    """Share of the last interval below each value, with the exponent that the last two intervals imply."""
    above, ratio = shares[-1], breaks[-2] / max(breaks[-3], 1e-9)
    exponent = np.clip(np.log((shares[-2] + above) / above) / np.log(ratio), 1.2, 8.0)
    power = (values / breaks[-2]) ** -exponent
    return np.asarray((1.0 - power) / (1.0 - (breaks[-1] / breaks[-2]) ** -exponent))


def atom_cuts(density: Density, breaks: Sequence[float], *, integer: bool) -> tuple[float, ...]:
    """Cut every interval into atoms of about equal numbers of records, dense where the records are."""
    cuts = {float(breaks[0]), float(breaks[-1])}
    for low, high in pairwise(breaks):
        first, last = density.below(np.array([low, high]))
        number = max(FEWEST_ATOMS, round(ATOMS * float(last - first)))
        if integer:
            number = min(number, max(int(np.ceil(high) - np.ceil(low)), 1))
        place = np.arange(number) / number
        edges = density.inside(np.full(number, low), np.full(number, high), place)
        edges = np.ceil(edges) if integer else edges
        cuts |= {float(low), *(float(edge) for edge in edges if low < edge < high)}
    return tuple(sorted(cuts))
