"""Variables as a language model is asked about them: few levels, in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.goals import Goals
from llmsynthor.aims.grid import Axis
from llmsynthor.spec.levels import Interval, Level, number_text
from llmsynthor.spec.schema import Category, Numeric

MOST_BINS = 8
"""Bins of a numeric variable that the model is asked about."""

MOST_LEVELS = 24
"""A category with more levels costs too many questions, and models know little of rare ones."""

FEW_LEVELS = 10
"""A table that cuts a number into no more intervals cuts it where publishers do: people come of age, and retire."""

LEAST_CUT, BETWEEN_CUTS = 0.2, 0.5
"""Share of a bin beside a cut that matters, and of one between two cuts, in parts of an even share."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Coarse:
    """A variable in a few `levels`, each with its `words` and its `shares` (levels,); `label` names it in a sentence."""

    axis: int
    name: str
    label: str
    levels: tuple[Level, ...]
    words: tuple[str, ...]
    shares: Floats

    @property
    def size(self) -> int:
        return len(self.levels)


def coarsen(
    goals: Goals, *, most_bins: int | None = None, cuts: Mapping[str, Sequence[float]] | None = None
) -> tuple[Coarse, ...]:
    """Put every variable into words; variables of one level or of too many, or without a table of their margin, are left out.

    With `most_bins` numbers are cut into so many bins of about equal share, and at the `cuts` that matter; otherwise as a table
    with few bins cuts them.
    """
    margins = goals.margins()
    known = {name for goal in goals.given if goal.table.universe is None for name in goal.table.columns}
    known -= set(goals.grid.unit.zones)  # a model is not asked about zones
    axes = [(k, axis) for k, axis in enumerate(goals.grid.axes) if axis.name in known]
    found = [_coarse(goals, k, axis, margins[k], most_bins, (cuts or {}).get(axis.name, ())) for k, axis in axes]
    return tuple(entry for entry in found if 2 <= entry.size <= MOST_LEVELS)


def coarse_cuts(goals: Goals, name: str) -> list[float]:
    """Where tables of few levels cut a number."""
    tables = [goal.levels[goal.table.columns.index(name)] for goal in goals.given if name in goal.table.columns]
    return [
        level.low for levels in tables if len(levels) <= FEW_LEVELS for level in levels if isinstance(level, Interval)
    ]


def _coarse(
    goals: Goals, position: int, axis: Axis, margin: Floats, most_bins: int | None, cuts: Sequence[float]
) -> Coarse:
    label = axis.variable.label or axis.name.replace("_", " ")
    if isinstance(axis.variable, Category):
        kept = np.flatnonzero(margin > 0) if (margin > 0).any() else np.arange(axis.size)
        levels: tuple[Level, ...] = tuple(axis.levels[int(k)] for k in kept)
        words = tuple(str(level) for level in levels)
        return Coarse(axis=position, name=axis.name, label=label, levels=levels, words=words, shares=margin[kept])
    bins = _bins(goals, axis, margin) if most_bins is None else _even_bins(axis, margin, most_bins, cuts)
    inside = [axis.within(level) for level in bins]
    shares = np.array([margin[own].sum() for own in inside])
    words = tuple(say_interval(axis.variable, level) for level in bins)
    return Coarse(axis=position, name=axis.name, label=label, levels=tuple(bins), words=words, shares=shares)


def _bins(goals: Goals, axis: Axis, margin: Floats) -> list[Interval]:
    """The coarsest cut that a table has, if it has few bins; otherwise cells joined to about equal shares."""
    cuts = [
        [level for level in goal.levels[goal.table.columns.index(axis.name)] if isinstance(level, Interval)]
        for goal in goals.tables
        if axis.name in goal.table.columns and goal.table.universe is None
    ]
    few = [cut for cut in cuts if 4 <= len(cut) <= MOST_BINS]
    if few:
        return max(few, key=len)
    return _even_bins(axis, margin, MOST_BINS)


def _even_bins(axis: Axis, margin: Floats, most: int, cuts: Sequence[float] = ()) -> list[Interval]:
    """Bins of about equal share; `cuts` come first, and what would leave a bin with too small a share is left out."""
    ends = axis.breaks
    if axis.size <= most:
        return [level for level in axis.levels if isinstance(level, Interval)]
    cumulative = np.concatenate([[0.0], np.cumsum(margin) / margin.sum()])
    at = np.searchsorted(cumulative[1:], np.arange(1, most) / most) + 1
    kept = [0, axis.size]
    between = BETWEEN_CUTS if len(cuts) else 0.0
    candidates = [(int(k), LEAST_CUT) for k in np.searchsorted(ends, cuts)] + [(int(k), between) for k in at]
    for place, least in candidates:
        apart = min(abs(cumulative[place] - cumulative[other]) for other in kept)
        if place not in kept and apart >= least / most:
            kept.append(place)
    return [Interval(float(ends[a]), float(ends[b])) for a, b in pairwise(sorted(kept))]


def say_interval(variable: Numeric, interval: Interval) -> str:
    """Say an interval as a person would.

    >>> say_interval(Numeric(name="age", kind="integer", range=Interval(0, 100), unit="years"), Interval(16, 25))
    '16 to 24 years'
    """
    unit = f" {variable.unit}" if variable.unit else ""
    last = interval.high - 1 if variable.integer else interval.high
    if variable.integer and last == interval.low:
        return f"{number_text(interval.low)}{unit}"
    if interval.high >= variable.range.high and not interval.low <= variable.range.low:
        return f"{number_text(interval.low)}{unit} or more"
    return f"{number_text(interval.low)} to {number_text(last)}{unit}"
