"""The one density of a number: what tables say of its shape, tilted by what means say, and the atoms that stand for it.

A density is made of pieces. In each it is exponential (even where the rate is zero), so that the distribution of largest entropy
with a given mean, density · exp(rate · x), is held exactly however wide the pieces are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.monotone import interpolate

Floats = NDArray[np.float64]

ATOMS, FEWEST_ATOMS = 64, 3
"""Cells of a variable that enters sums, in all, and at least in each interval of its tables."""

OPEN_END = 4.0
"""A last interval so many times as wide as all before it stands for "and more": its density falls like Pareto's."""

WIDER_END = 2.0
"""A last interval so many times as wide as the one before is open too: its density falls at the rate of what lies before."""

POINTS = 65
BISECTIONS = 60
LARGEST_RATE = 1e6
"""Largest rate that a mean may ask for, in parts of one over the whole width: beyond it all lies on the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Density:
    """A cumulative distribution in pieces: `mass[k]` of the records lies below `points[k]`, both shape (points,).

    `rates` (points - 1,) are those of the exponential within each piece, all zero where None.
    """

    points: Floats
    mass: Floats
    rates: Floats | None = None

    @property
    def _bends(self) -> Floats:
        """Rate times width of each piece."""
        widths = np.diff(self.points)
        return np.zeros(len(widths)) if self.rates is None else self.rates * widths

    def below(self, values: Floats) -> Floats:
        """Share of the records below each value."""
        if self.rates is None:
            return np.asarray(np.interp(values, self.points, self.mass))
        piece = np.clip(np.searchsorted(self.points, values, side="right") - 1, 0, len(self.rates) - 1)
        place = np.clip((values - self.points[piece]) / np.diff(self.points)[piece], 0.0, 1.0)
        return np.asarray(self.mass[piece] + np.diff(self.mass)[piece] * share_below(place, self._bends[piece]))

    def value(self, shares: Floats) -> Floats:
        """Value below which each share of the records lies."""
        if self.rates is None:
            return np.asarray(np.interp(shares, self.mass, self.points))
        piece = np.clip(np.searchsorted(self.mass, shares, side="right") - 1, 0, len(self.rates) - 1)
        held = np.diff(self.mass)[piece]
        share = np.clip((shares - self.mass[piece]) / np.maximum(held, 1e-300), 0.0, 1.0)
        return np.asarray(self.points[piece] + np.diff(self.points)[piece] * place_of(share, self._bends[piece]))

    def inside(self, low: Floats, high: Floats, place: Floats) -> Floats:
        """Value at a place between 0 and 1 of the records of each cell [low, high), all shape (k,)."""
        first, last = self.below(low), self.below(high)
        found = self.value(first + (last - first) * place)
        empty = last - first <= 1e-12
        found = np.where(empty, low + (high - low) * place, found)
        return np.asarray(np.clip(found, low, np.nextafter(high, low)))

    def held(self, breaks: Floats) -> Floats:
        """Share of the records in each cell of the breaks, shape (breaks - 1,)."""
        return np.asarray(np.diff(self.below(breaks)))

    def _middles(self, *, whole: bool) -> Floats:
        """Mean of the records in each piece; of those rounded down to whole numbers where `whole`."""
        middles = self.points[:-1] + np.diff(self.points) * mean_place(self._bends)
        if not whole:
            return np.asarray(middles)
        return np.asarray(middles - (0.5 if self.rates is None else mean_place(self.rates)))

    def mean(self, *, whole: bool = False) -> float:
        """Mean of all records; of those rounded down to whole numbers where `whole`."""
        return float(np.diff(self.mass) @ self._middles(whole=whole))

    def cut(self, breaks: Floats) -> "Density":
        """The same density with a point at every break inside it."""
        inner = breaks[(breaks > self.points[0]) & (breaks < self.points[-1])]
        points = np.union1d(self.points, inner)
        rates = None
        if self.rates is not None:
            rates = self.rates[np.searchsorted(self.points, points[:-1], side="right") - 1]
        return Density(points=points, mass=self.below(points), rates=rates)

    def centres(self, breaks: Floats, *, whole: bool = False) -> Floats:
        """Mean of the records in each cell of the breaks; the middle of a cell that holds none. Shape (breaks - 1,)."""
        fine = self.cut(breaks)
        held, middles = np.diff(fine.mass), fine._middles(whole=whole)
        cell = np.searchsorted(breaks, fine.points[:-1], side="right") - 1
        inside = (cell >= 0) & (cell < len(breaks) - 1)
        size = len(breaks) - 1
        total = np.bincount(cell[inside], held[inside], size)
        sums = np.bincount(cell[inside], (held * middles)[inside], size)
        low, high = (np.ceil(breaks[:-1]), np.ceil(breaks[1:]) - 1) if whole else (breaks[:-1], breaks[1:])
        means = np.where(total > 1e-15, sums / np.maximum(total, 1e-300), (low + high) / 2)
        return np.asarray(np.clip(means, low, high))

    def shared(self, breaks: Floats, shares: Floats) -> "Density":
        """The density whose cells hold the given shares, and whose shape inside each is this one's."""
        fine = self.cut(breaks)
        cell = np.clip(np.searchsorted(breaks, fine.points[:-1], side="right") - 1, 0, len(shares) - 1)
        held, widths = np.diff(fine.mass), np.diff(fine.points)
        total = np.bincount(cell, held, len(shares))
        held = np.where(total[cell] > 1e-15, held / np.maximum(total[cell], 1e-300), widths / np.diff(breaks)[cell])
        return Density(points=fine.points, mass=_cumulated(held * (shares / shares.sum())[cell]), rates=fine.rates)

    def tilted(self, rate: float, breaks: Floats | None = None) -> "Density":
        """The density times exp(rate · x); with `breaks` each of their cells holds what it held before."""
        fine = self if breaks is None else self.cut(breaks)
        widths, held = np.diff(fine.points), np.diff(fine.mass)
        old, new = fine._bends, fine._bends + rate * widths
        with np.errstate(divide="ignore"):
            logs = np.log(held) + rate * fine.points[:-1] + log_weight(new) - log_weight(old)
        rates = new / widths
        if breaks is None:
            weights = np.exp(logs - logs.max())
            return Density(points=fine.points, mass=_cumulated(weights / weights.sum()), rates=rates)
        cell = np.clip(np.searchsorted(breaks, fine.points[:-1], side="right") - 1, 0, len(breaks) - 2)
        largest = np.full(len(breaks) - 1, -np.inf)
        np.maximum.at(largest, cell, logs)
        weights = np.exp(logs - np.where(np.isfinite(largest), largest, 0.0)[cell])
        before, after = (np.bincount(cell, own, len(breaks) - 1) for own in (held, weights))
        return Density(
            points=fine.points, mass=_cumulated(weights * (before / np.maximum(after, 1e-300))[cell]), rates=rates
        )

    def with_mean(self, mean: float, breaks: Floats | None = None, *, whole: bool = False) -> "Density":
        """Tilt the density to a mean, by bisection; as near to it as can be where it is out of reach. `breaks` as in `tilted`."""
        width = float(self.points[-1] - self.points[0])
        low, high = -1.0, 1.0
        while low > -LARGEST_RATE and self.tilted(low / width, breaks).mean(whole=whole) > mean:
            low *= 4
        while high < LARGEST_RATE and self.tilted(high / width, breaks).mean(whole=whole) < mean:
            high *= 4
        for _ in range(BISECTIONS):
            middle = (low + high) / 2
            below = self.tilted(middle / width, breaks).mean(whole=whole) < mean
            low, high = (middle, high) if below else (low, middle)
        return self.tilted((low + high) / 2 / width, breaks)


def _cumulated(held: Floats) -> Floats:
    mass = np.concatenate([[0.0], np.cumsum(held)])
    return np.asarray(mass / mass[-1])


def mixed(densities: Sequence[Density]) -> Density:
    """The density of records of which equal parts follow each of the given ones, as a fine polygon."""
    if len(densities) == 1:
        return densities[0]
    places = np.concatenate([np.linspace(0, 1, 4 * POINTS), 1 - np.geomspace(1e-6, 1e-2, POINTS)])
    points = np.unique(
        np.concatenate([own for density in densities for own in (density.points, density.value(places))])
    )
    mass = np.mean([density.below(points) for density in densities], axis=0)
    return Density(points=points, mass=_cumulated(np.diff(mass)))


def even_density(low: float, high: float) -> Density:
    """All values alike: what is known of a number of which nothing is said but its range."""
    return Density(points=np.array([low, high]), mass=np.array([0.0, 1.0]))


def log_weight(bend: Floats) -> Floats:
    """Logarithm of the mean of exp(bend · u) over u from 0 to 1."""
    size = np.abs(bend)
    large = np.maximum(size, 1e-5)
    exact = np.maximum(bend, 0.0) + np.log(-np.expm1(-large)) - np.log(large)
    return np.asarray(np.where(size < 1e-5, bend / 2, exact))


def mean_place(bend: Floats) -> Floats:
    """Mean of u from 0 to 1 under the density exp(bend · u)."""
    size = np.maximum(np.abs(bend), 1e-3)
    upper = 1.0 / -np.expm1(-size) - 1.0 / size
    return np.asarray(np.where(np.abs(bend) < 1e-3, 0.5 + bend / 12, np.where(bend > 0, upper, 1.0 - upper)))


def share_below(place: Floats, bend: Floats) -> Floats:
    """Share of u from 0 to 1 below a place, under the density exp(bend · u)."""
    size = np.maximum(np.abs(bend), 1e-9)
    rising = np.exp(size * (place - 1.0)) * -np.expm1(-size * place)
    falling = -np.expm1(-size * place)
    return np.asarray(np.where(np.abs(bend) < 1e-9, place, np.where(bend > 0, rising, falling) / -np.expm1(-size)))


def place_of(share: Floats, bend: Floats) -> Floats:
    """Place from 0 to 1 below which a share of u lies, under the density exp(bend · u): the inverse of `share_below`.

    >>> place_of(share_below(np.array([0.1, 0.7]), np.array([5.0, -40.0])), np.array([5.0, -40.0])).round(6)
    array([0.1, 0.7])
    """
    size = np.maximum(np.abs(bend), 1e-9)
    rest = np.where(bend > 0, share, 1.0 - share)
    with np.errstate(divide="ignore"):
        upper = 1.0 + np.log(rest + (1.0 - rest) * np.exp(-size)) / size
        falling = -np.log1p(share * np.expm1(-size)) / size
    found = np.where(np.abs(bend) < 1e-9, share, np.where(bend > 0, upper, falling))
    return np.asarray(np.clip(found, 0.0, 1.0))


def smooth_density(breaks: Floats, shares: Floats, *, integer: bool = False) -> Density:
    """Interpolate monotonically between the breaks; an open last interval falls, like Pareto's law where it is very wide.

    Whole numbers whose values are listed one by one before it ("1, 2, 3, 4 and more") fall geometrically. Sources: Fritsch and
    Carlson (1980), monotone cubics; Henson (1967), Pareto interpolation of open income intervals.
    """
    shares = (shares + 1e-12) / (shares + 1e-12).sum()
    cumulative = np.concatenate([[0.0], np.cumsum(shares)])
    end = open_end(breaks, integer=integer)
    body = len(breaks) - 1 if end else len(breaks)
    points = np.concatenate(
        [np.linspace(breaks[k], breaks[k + 1], POINTS)[:-1] for k in range(body - 1)] + [breaks[body - 1 : body]]
    )
    mass = interpolate(breaks[:body], cumulative[:body], points) if body > 1 else np.zeros(1)
    if end:
        space = np.geomspace if end == "pareto" else np.linspace
        tail = space(breaks[-2], breaks[-1], 4 * POINTS)[1:]
        law = _pareto if end == "pareto" else _geometric
        points = np.concatenate([points, tail])
        mass = np.concatenate([mass, cumulative[-2] + shares[-1] * law(breaks, shares, tail)])
    mass = np.maximum.accumulate(mass) + 1e-13 * np.arange(len(mass))  # strictly rising, so that it can be inverted
    return Density(points=points, mass=mass / mass[-1])


def open_end(breaks: Floats, *, integer: bool) -> str:
    """How a last interval that stands for "and more" falls: `pareto`, `geometric`, or empty where it is as others are."""
    if len(breaks) < 3:
        return ""
    last, before = breaks[-1] - breaks[-2], breaks[-2] - breaks[-3]
    one_by_one = integer and np.ceil(breaks[-2]) - np.ceil(breaks[-3]) <= 1
    if last <= WIDER_END * before or (len(breaks) == 3 and not one_by_one):
        return ""
    very_wide = len(breaks) > 3 and breaks[-2] > 0 and last > OPEN_END * (breaks[-2] - breaks[0])
    return "pareto" if very_wide and not one_by_one else "geometric"


def _pareto(breaks: Floats, shares: Floats, values: Floats) -> Floats:
    """Share of the last interval below each value, with the exponent that the last two intervals imply."""
    above, ratio = shares[-1], breaks[-2] / max(breaks[-3], 1e-9)
    exponent = np.clip(np.log((shares[-2] + above) / above) / np.log(ratio), 1.2, 8.0)
    power = (values / breaks[-2]) ** -exponent
    return np.asarray((1.0 - power) / (1.0 - (breaks[-1] / breaks[-2]) ** -exponent))


def _geometric(breaks: Floats, shares: Floats, values: Floats) -> Floats:
    """Share of the last interval below each value, where as many leave off in a unit as in the interval before."""
    rate = np.log((shares[-2] + shares[-1]) / shares[-1]) / (breaks[-2] - breaks[-3])
    width = breaks[-1] - breaks[-2]
    place = (values - breaks[-2]) / width
    return share_below(place, np.full(len(values), -min(rate * width, 600.0)))


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
