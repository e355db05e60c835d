"""Values inside cells as means would have them: the density of a number times exp(rate · x), the rates from the means.

Which cells the records lie in is settled; inside a cell, the distribution of largest entropy with the given means is that of the
base times an exponential, with one rate for each mean that a record enters. The rates are those under which the expected sums
are the wanted ones, where cells that nothing tells apart share their records as the law has it: sampling noise of fine cells
does not reach them. What is then off by chance is made up by `shift`.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.density import Density, log_weight, mean_place
from llmsynthor.aims.goals import Goals
from llmsynthor.realization.newton import Effort, find_root, thinned, whole_array
from llmsynthor.realization.shift import Sums, sums_of

EFFORT = Effort(steps=60, halvings=40, close=1e-9)
RIDGE = 1e-9
PARTS = 8
LARGEST_BEND = 40.0
"""A rate under which even the narrowest cell changes by more than exp of this puts all records on ends: `shift` takes over."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Pieces of a variable: `low`, `width`, `base` (log of what the base density holds), `segment`, each shape (pieces,).

    Pieces of one segment are told apart by nothing but the base. `whole` says that values are rounded down.
    """

    low: Floats
    width: Floats
    base: Floats
    segment: Integers
    whole: bool

    def expected(self, rates: Floats) -> tuple[Floats, Floats]:
        """Mean and variance of a record of each segment under each rate, both shape (rates, segments)."""
        bend = rates[:, None] * self.width
        logs = self.base + rates[:, None] * self.low + log_weight(bend)
        first = np.flatnonzero(np.diff(self.segment, prepend=-1))
        largest = np.maximum.reduceat(logs, first, axis=1)
        weight = np.exp(logs - largest[:, self.segment])
        middle, spread = self.low + self.width * mean_place(bend), self.width**2 * _place_variance(bend)
        if self.whole:
            middle = middle - mean_place(rates)[:, None]
            spread = np.maximum(spread - _place_variance(rates)[:, None], 0.0)
        total = np.add.reduceat(weight, first, axis=1)
        mean = np.add.reduceat(weight * middle, first, axis=1) / total
        square = np.add.reduceat(weight * (spread + (middle - mean[:, self.segment]) ** 2), first, axis=1) / total
        return mean, square


def _place_variance(bend: Floats) -> Floats:
    """Variance of u from 0 to 1 under the density exp(bend · u)."""
    size = np.clip(np.abs(bend), 1e-2, 600.0)
    return np.asarray(np.where(np.abs(bend) < 1e-2, 1 / 12, 1 / size**2 - 1 / (4 * np.sinh(size / 2) ** 2)))


def tilt_inside(
    goals: Goals, position: int, values: Floats, codes: NDArray[np.int32], free: NDArray[np.bool_]
) -> Floats:
    """Move the free values inside their cells as the variable's means would have it; shape of values, free (records,)."""
    axis = goals.grid.axes[position]
    sums = sums_of([moment for moment in goals.moments if moment.axis == position], codes)
    if not len(values) or not len(sums.wanted):
        return values
    whole = bool(getattr(axis.variable, "integer", False))
    breaks = np.ceil(axis.breaks) if whole else axis.breaks
    cell, base = codes[:, position].astype(np.int64), goals.density(position)
    segment = segments(goals, position)
    if any(
        axis.name in goal.table.columns for goal in goals.given
    ):  # values have a shape of their own, the base is not theirs
        apart = np.bincount(cell, values, axis.size) / np.maximum(np.bincount(cell, minlength=axis.size), 1)
        apart = np.where(np.bincount(cell, minlength=axis.size) > 0, apart - base.centres(breaks), 0.0)
        sums = replace(sums, wanted=sums.wanted - sums.member.T @ apart[cell])
    sets, place = _sets(sums)
    block = _block(base, breaks, segment, whole=whole)
    counts = np.zeros((len(sets), int(segment[-1]) + 1))
    np.add.at(counts, (place, segment[cell]), 1.0)
    rates = sets @ _solve(block, sets, counts, sums)
    return np.where(free, _replaced(base, breaks, values, cell, place, rates), values)


def _block(base: Density, breaks: Floats, segment: Integers, *, whole: bool) -> Block:
    """Cut every cell of a base that is not even into parts that hold alike."""
    if len(base.points) > 2:
        places = np.arange(1, PARTS) / PARTS
        low, high = np.repeat(breaks[:-1], len(places)), np.repeat(breaks[1:], len(places))
        fine = np.union1d(breaks, base.inside(low, high, np.tile(places, len(breaks) - 1)))
    else:
        fine = breaks
    own = np.clip(np.searchsorted(breaks, fine[:-1], side="right") - 1, 0, len(segment) - 1)
    return Block(
        low=fine[:-1],
        width=np.diff(fine),
        base=np.log(np.maximum(base.held(fine), 1e-15)),
        segment=segment[own],
        whole=whole,
    )


def _replaced(base: Density, breaks: Floats, values: Floats, cell: Integers, place: Integers, rates: Floats) -> Floats:
    """Take each value from its place among its cell's records by the base to the same place by the tilted base."""
    low, high = breaks[cell], breaks[cell + 1]
    first, held = base.below(low), base.below(high) - base.below(low)
    share = np.where(
        held > 1e-12, (base.below(values) - first) / np.maximum(held, 1e-300), (values - low) / (high - low)
    )
    share = np.clip(share, 0.0, 1.0)
    moved = values.copy()
    limit = LARGEST_BEND / float(np.diff(breaks).min())
    order = np.argsort(place, kind="stable")
    ends = np.cumsum(np.bincount(place, minlength=len(rates)))[:-1]
    for rate, records in zip(np.clip(rates, -limit, limit), np.split(order, ends), strict=True):
        if len(records):
            law = base.tilted(float(rate), breaks)
            moved[records] = law.inside(low[records], high[records], share[records])
    return moved


def segments(goals: Goals, position: int) -> Integers:
    """Number the runs of codes of an axis that no table, quantile or rule tells apart, shape (codes,)."""
    every = [*(table.projection for table in goals.given), *(quantile.projection for quantile in goals.quantiles)]
    every += [zeros.projection for zeros in goals.zeros]
    told = [projection.offsets[projection.axes.index(position)] for projection in every if position in projection.axes]
    new = np.zeros(goals.grid.sizes[position], dtype=bool)
    for offsets in told:
        new[1:] |= np.diff(offsets) != 0
    return np.cumsum(new).astype(np.int64)


def _sets(sums: Sums) -> tuple[Floats, Integers]:
    """The distinct sets of sums that records enter, shape (sets, sums), and the set of each record."""
    key = sums.member @ np.random.default_rng(0).random(sums.member.shape[1])
    _, first, place = np.unique(key, return_index=True, return_inverse=True)
    return whole_array(sums.member[first]), place


def _solve(block: Block, sets: Floats, counts: Floats, sums: Sums) -> Floats:
    """Rates of the sums under which the expected sums are the wanted ones, by damped Newton steps; shape (sums,)."""
    entering = thinned(sets)
    scale = np.maximum(entering.T @ (counts.sum(axis=1) * block.width.sum()), 1e-300)
    ridge = RIDGE * scale * block.width.sum()
    rates = np.zeros(len(sums.wanted))

    def gradient(at: Floats) -> tuple[Floats, Floats]:
        mean, variance = block.expected(entering @ at)
        slope = entering.T @ (counts * mean).sum(axis=1) - sums.wanted + ridge * at
        return slope, (counts * variance).sum(axis=1)

    return find_root(rates, gradient, entering, ridge=ridge, scale=scale, effort=EFFORT)
