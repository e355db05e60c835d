"""Guidance: the largest positive discrepancies, joint and marginal, in words and as values to propose for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.grid import Axis
from llmsynthor.aims.words import say_missing
from llmsynthor.dependence.groups import Group
from llmsynthor.population.discrepancy import Discrepancy
from llmsynthor.spec.levels import Interval, Level

MAIN_BINS = 6
SUB_BINS = 8

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A cell that misses records."""

    values: Mapping[str, Level]
    records: float

    def sentence(self, scale: float) -> str:
        """Say it, with the number of records times `scale`."""
        return say_missing(list(self.values), list(self.values.values()), self.records * scale)


def joint_guidance(found: Sequence[Discrepancy], groups: Sequence[Group], *, most: int) -> tuple[Missing, ...]:
    """Take the most missing cells of the joint tables that lie within the groups; of all joint tables where none does."""
    joint = [discrepancy for discrepancy in found if len(discrepancy.goal.table.columns) > 1]
    related = [discrepancy for discrepancy in joint if _related(discrepancy, groups)]
    each = [_largest(discrepancy, most) for discrepancy in related or joint]
    return tuple(_in_turn(each, most))


def marginal_guidance(found: Sequence[Discrepancy], axes: Sequence[Axis], *, most: int) -> tuple[Missing, ...]:
    """Take the most missing main bins of every variable; of a numeric variable also the sub-bins of the most missing one."""
    each = []
    for axis in axes:
        margin = _margin(found, axis.name)
        if margin is not None:
            each.append(_largest_bins(margin, axis))
    return tuple(_in_turn(each, most))


def main_bins(axis: Axis, margin: Floats) -> tuple[Level, ...]:
    """Cut a numeric axis into at most MAIN_BINS bins of about equal share along its own breaks; a category keeps its levels."""
    if not isinstance(axis.levels[0], Interval):
        return axis.levels
    return merge_bins(axis.levels, margin, MAIN_BINS)


def merge_bins(levels: Sequence[Level], shares: Floats, most: int) -> tuple[Level, ...]:
    """Join neighbouring intervals into at most `most` bins of about equal share."""
    cells = [level for level in levels if isinstance(level, Interval)]
    if len(cells) <= most:
        return tuple(cells)
    cumulative = np.cumsum(shares) / max(float(shares.sum()), 1e-300)
    cuts = np.unique(np.searchsorted(cumulative, np.arange(1, most) / most))
    firsts = [0, *(int(cut) + 1 for cut in cuts if cut + 1 < len(cells))]
    lasts = [*(first - 1 for first in firsts[1:]), len(cells) - 1]
    return tuple(Interval(cells[a].low, cells[b].high) for a, b in zip(firsts, lasts, strict=True))


def _related(discrepancy: Discrepancy, groups: Sequence[Group]) -> bool:
    columns = set(discrepancy.goal.table.columns)
    return any(len(columns & set(group.variables)) > 1 for group in groups)


def _largest(discrepancy: Discrepancy, most: int) -> list[Missing]:
    order = np.argsort(-discrepancy.missing, kind="stable")[:most]
    columns = discrepancy.goal.table.columns
    return [
        Missing(
            values=dict(zip(columns, discrepancy.goal.cell(int(k)), strict=True)), records=float(discrepancy.missing[k])
        )
        for k in order
        if discrepancy.missing[k] >= 0.5
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Margin:
    """What one variable misses by its levels, and the shares it should have; each shape (levels,)."""

    levels: tuple[Level, ...]
    missing: Floats
    shares: Floats


def _margin(found: Sequence[Discrepancy], name: str) -> _Margin | None:
    """Take the one-way table of a variable, or sum up the first joint table that has it."""
    having = [d for d in found if name in d.goal.table.columns and d.goal.table.universe is None]
    if not having:
        return None
    chosen = min(having, key=lambda d: len(d.goal.shape))
    column = chosen.goal.table.columns.index(name)
    others = tuple(k for k in range(len(chosen.goal.shape)) if k != column)
    missing, shares = (x.reshape(chosen.goal.shape).sum(axis=others) for x in (chosen.missing, chosen.goal.shares))
    return _Margin(levels=chosen.goal.levels[column], missing=missing, shares=shares)


def _largest_bins(margin: _Margin, axis: Axis) -> list[Missing]:
    if not isinstance(margin.levels[0], Interval) or len(margin.levels) <= MAIN_BINS:
        return _sum_bins(margin, axis, margin.levels)[:3]
    bins = merge_bins(margin.levels, margin.shares, MAIN_BINS)
    coarse = _sum_bins(margin, axis, bins)
    first = coarse[0].values[axis.name] if coarse else bins[0]
    inside = np.array([_lies_in(level, first) for level in margin.levels])
    levels = [level for level, within in zip(margin.levels, inside, strict=True) if within]
    sub = merge_bins(levels, np.maximum(margin.missing[inside], 0.0), SUB_BINS)
    return [*coarse[:2], *_sum_bins(margin, axis, sub)[:1]]


def _sum_bins(margin: _Margin, axis: Axis, bins: Sequence[Level]) -> list[Missing]:
    sums = []
    for level in bins:
        inside = np.array([own == level or _lies_in(own, level) for own in margin.levels])
        sums.append(Missing(values={axis.name: level}, records=float(margin.missing[inside].sum())))
    return sorted((m for m in sums if m.records >= 0.5), key=lambda m: -m.records)


def _lies_in(own: Level, level: Level) -> bool:
    return isinstance(own, Interval) and isinstance(level, Interval) and level.low <= own.low < level.high


def _in_turn(lists: Sequence[Sequence[Missing]], most: int) -> list[Missing]:
    """Take the first of every list, then the second of every list, and so on; then order by what is missing."""
    taken: list[Missing] = []
    for rank in range(max((len(entries) for entries in lists), default=0)):
        row = sorted((entries[rank] for entries in lists if len(entries) > rank), key=lambda m: -m.records)
        taken += row[: most - len(taken)]
    return sorted(taken, key=lambda m: -m.records)
