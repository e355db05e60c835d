"""Values that change places between records that no target tells apart: a correlation moves, and nothing else does.

Tables, means and totals of any groups, quantiles and deviations stay to the last bit, since every cell keeps its values.
"""

from collections.abc import Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmsynthor.aims.goals import Goals
from llmsynthor.aims.moments import Moment

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Codes = NDArray[np.int32]
Booleans = NDArray[np.bool_]

FARTHEST, PARTNERS, ROUNDS = 200, 10_000, 3
"""What ordering has left is made up by so many records, each with the best of so many partners, so many times."""

ENOUGH = 1e-3
"""A correlation that is so near is left to moves of the values."""


def pair_values(
    goals: Goals, codes: Codes, frame: pl.DataFrame, free: Mapping[str, Booleans], rng: np.random.Generator
) -> tuple[Codes, pl.DataFrame]:
    """Let second variables of correlations change places; returns the codes and the records with theirs.

    A variable with more than one correlation stays: what one gains another may lose. Of variables in `free` only those change.
    """
    seconds = [moment for moment in goals.moments if moment.target.statistic == "correlation"]
    for position, axis in enumerate(goals.grid.axes):
        own = [moment for moment in seconds if axis.name in (moment.target.variable, moment.target.other)]
        if len({moment.target.name for moment in own}) != 1 or own[0].target.other != axis.name:
            continue
        kinds = _kinds(goals, codes, position)
        for moment in own:
            told = moment.projection.of(codes) >= 0
            may = np.flatnonzero(told & free.get(axis.name, told))
            values = frame[axis.name].to_numpy()
            other = frame[moment.target.variable].to_numpy().astype(np.float64)
            lacking = _lacking(moment, values[told].astype(np.float64), other[told])
            if len(may) < 2 or lacking == 0.0:
                continue
            taken = may[places(values[may].astype(np.float64), other[may], lacking, kinds[may], rng)]
            codes, values = codes.copy(), values.copy()
            values[may], codes[may, position] = values[taken], codes[taken, position]
            frame = frame.with_columns(pl.Series(axis.name, values, dtype=frame[axis.name].dtype))
    return codes, frame


def _lacking(moment: Moment, own: Floats, other: Floats) -> float:
    """What the sum of the products lacks to the correlation; 0 where it is near enough or there is none."""
    if len(own) < 2 or own.std() <= 0 or other.std() <= 0:
        return 0.0
    wanted = moment.target.values[moment.target.cells.index(moment.cells[0])]
    scale = len(own) * float(own.std() * other.std())
    lacking = wanted - (float(own @ other) - len(own) * float(own.mean() * other.mean())) / scale
    return 0.0 if abs(lacking) < ENOUGH else lacking * scale


def _kinds(goals: Goals, codes: Codes, position: int) -> Integers:
    """Number the records by all that any target or rule tells of a variable and of what stands beside it."""
    every = [goal.projection for goal in goals.tables]
    every += [quantile.projection for quantile in goals.quantiles]
    every += [zeros.projection for zeros in goals.zeros]
    cells = [projection.of(codes) for projection in every if position in projection.axes]
    for moment in goals.moments:
        own = moment.projection.of(codes)
        if moment.axis == position:
            cells.append(np.where(own >= 0, own // len(moment.lows), -1))
        elif position in moment.projection.axes and moment.target.statistic != "correlation":
            cells.append(own)
    if not cells:
        return np.zeros(len(codes), dtype=np.int64)
    return np.unique(np.stack(cells, axis=1), axis=0, return_inverse=True)[1].ravel().astype(np.int64)


def places(one: Floats, other: Floats, lacking: float, kinds: Integers, rng: np.random.Generator) -> Integers:
    """From which record each takes its value of `one`, so that the sum of products with `other` gains what is `lacking`.

    All are (records,); values stay within their kind. As many records as it takes, drawn at random, have their values put in order
    (or against it): that is monotone in their number, so that halving finds it.

    >>> rng = np.random.default_rng(1)
    >>> places(np.array([3.0, 1.0, 2.0]), np.array([1.0, 2.0, 3.0]), 4.0, np.zeros(3, dtype=np.int64), rng)
    array([1, 2, 0])
    """
    order, sign = rng.permutation(len(one)), 1.0 if lacking >= 0 else -1.0

    def gained(number: int) -> float:
        return float((one[_ordered(one, other, kinds, order[:number], sign)] - one) @ other)

    few, many = 0, len(one)
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (middle, many) if sign * gained(middle) <= sign * lacking else (few, middle)
    taken = _ordered(one, other, kinds, order[:few], sign)
    return _finished(one, other, lacking - gained(few), kinds, taken, rng)


def _finished(
    one: Floats, other: Floats, lacking: float, kinds: Integers, taken: Integers, rng: np.random.Generator
) -> Integers:
    """Let those that are farthest out change places with whoever of their kind leaves least lacking."""
    order = np.argsort(kinds, kind="stable")
    ends = np.searchsorted(kinds[order], np.arange(int(kinds.max()) + 2))
    far = np.argsort(-np.abs(other - other.mean()), kind="stable")[:FARTHEST]
    for record in np.tile(far, ROUNDS):
        alike = order[ends[kinds[record]] : ends[kinds[record] + 1]]
        partners = alike if len(alike) <= PARTNERS else rng.choice(alike, PARTNERS)
        gains = (one[taken[partners]] - one[taken[record]]) * (other[record] - other[partners])
        best = int(np.argmin(np.abs(lacking - gains)))
        if abs(lacking - gains[best]) < abs(lacking):
            taken[record], taken[partners[best]] = taken[partners[best]], taken[record]
            lacking -= float(gains[best])
    return taken


def _ordered(one: Floats, other: Floats, kinds: Integers, chosen: Integers, sign: float) -> Integers:
    """From where values come if those of the chosen records are put in the order (1) of the other variable, or against it (-1)."""
    taken = np.arange(len(one))
    taken[chosen[np.lexsort((other[chosen], kinds[chosen]))]] = chosen[np.lexsort((sign * one[chosen], kinds[chosen]))]
    return taken
