"""Values moved inside their cells until the means and totals of a variable hold: there it costs no table anything.

All sums are made up together, since they may overlap (by sex, by education, overall). A value at the share x of its cell goes
to σ(logit x + Σ λ), with one λ for each sum that it enters: the gradient of a convex function, so Newton's method finds the λ.
Where sums contradict each other, a ridge by importance and margin of error decides which of them yields.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.moments import Moment
from llmsynthor.realization.integers import moved_by_program
from llmsynthor.realization.newton import Effort, entries, find_root, whole_array

RIDGE = 1e-11
"""What a sum may be off for every unit of λ, as a share of the widths of its cells; more where it weighs less."""

LEAST_WEIGHT, FINEST = 1e-3, 1e-12
SETTLED, REPEATS = 40.0, 3
"""A λ that is larger pulls against values that cannot move, or against another sum: that one yields. The others are repeated so
many times with what the ridge has kept from them."""

EFFORT = Effort(steps=100, halvings=60, close=1e-12)

MOST_PAIRED = 400
"""Sets of records up to which units are also moved from one set to another."""

MOST_THREE = 120
"""The same of moves of three units, where no two make it better."""

MOST_UNITS = 10_000

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """`member` (records, sums) says how often each record enters each sum; `wanted` and `weight` (sums,).

    `hidden` (sums,) is what the rounding of the stated values hides in them.
    """

    member: Any
    wanted: Floats
    weight: Floats
    hidden: Floats | None = None


def shift_means(
    moments: Sequence[Moment], values: Floats, low: Floats, high: Floats, codes: NDArray[np.int32]
) -> Floats:
    """Move values inside their cells [low, high) until the means and totals of one variable hold, as far as cells allow.

    All moments are of the same variable; shape of values, low, high (records,). Whole numbers stay whole.
    """
    sums = sums_of(moments, codes, digits=True)
    whole = bool(np.all(values == np.floor(values)) and np.all(low == np.floor(low)))
    off = np.abs(sums.member.T @ values - sums.wanted)
    if not len(values) or (off <= (0.5 if whole else 1e-9 * np.abs(sums.wanted))).all():
        return values
    moved = _shifted(values, low, high, sums, whole=whole)
    assert sums.hidden is not None
    missing = np.abs(sums.member.T @ moved - sums.wanted)
    room = np.maximum(0.5 if whole else 1e-9 * np.abs(sums.wanted), sums.hidden)
    if (missing <= room + 1e-9).all():
        return moved
    return _shifted(values, low, high, sums_of(moments, codes), whole=whole)


def _shifted(values: Floats, low: Floats, high: Floats, sums: Sums, *, whole: bool) -> Floats:
    if not whole:
        return move_inside(values, low, high, sums)[0]
    middles = replace(sums, wanted=sums.wanted + 0.5 * np.asarray(sums.member.sum(axis=0)))
    moved, held = move_inside(values + 0.5, low, high, middles)
    return make_whole(
        moved, low, high, replace(sums, wanted=np.where(held, sums.wanted, sums.member.T @ (moved - 0.5)))
    )


def sums_of(moments: Sequence[Moment], codes: NDArray[np.int32], *, digits: bool = False) -> Sums:
    """Lay out the sums that means and totals ask for: which records enter each, and what it is to be.

    With `digits` a value in whole euros weighs less beside one in cents; without, all are taken to be as rough as the roughest,
    since digits say nothing of who is right where they do not explain what is missing.
    """
    rows, columns, wanted, weight, hidden = [], [], list[float](), list[float](), list[float]()
    roughest = max(moment.hidden / float(np.median(size_of(moment))) for moment in moments)
    for moment in moments:
        cells = moment.projection.of(codes)
        group = np.where(cells >= 0, cells // len(moment.lows), -1)
        sizes = np.bincount(group[group >= 0], minlength=moment.groups).astype(np.float64)
        means = moment.means(sizes, len(codes))
        kept = np.isfinite(means) & (sizes > 0)
        number = np.where(kept, len(wanted) + np.cumsum(kept) - 1, -1)
        records = np.flatnonzero((group >= 0) & (number[group] >= 0))
        rows.append(records)
        columns.append(number[group[records]])
        wanted += (means * sizes)[kept].tolist()
        size = size_of(moment)
        floor = max(moment.hidden / float(np.median(size)), FINEST) if digits else roughest
        weight += moment.precision(size, floor)[kept].tolist()
        hidden += (moment.hidden / size * np.abs(means * sizes))[kept].tolist()
    member = entries(np.concatenate(rows), np.concatenate(columns), (len(codes), len(wanted)))
    return Sums(member=member, wanted=np.array(wanted), weight=np.array(weight), hidden=np.array(hidden))


def size_of(moment: Moment) -> Floats:
    """In what the error of each group's value is measured: the value itself, or a millionth of the largest where it is none."""
    values = np.abs(np.nan_to_num(moment.values))
    return np.maximum(values, 1e-6 * (float(values.max(initial=0.0)) or 1.0))


def move_inside(values: Floats, low: Floats, high: Floats, sums: Sums) -> tuple[Floats, NDArray[np.bool_]]:
    """Solve for the λ; returns the moved values and which sums are within reach (sums,)."""
    width, member = high - low, sums.member
    places = np.clip((values - low) / width, 1e-9, 1 - 1e-9)
    start = np.log(places / (1 - places))
    scale = abs(member).T @ width
    ridge = RIDGE * scale / np.maximum(sums.weight / sums.weight.max(), LEAST_WEIGHT)
    tilt, wanted = np.zeros(len(sums.wanted)), sums.wanted
    share, held = _share(start), np.ones(len(tilt), dtype=bool)
    for _ in range(REPEATS):
        tilt, share = _newton(tilt, start, Sums(member=member, wanted=wanted, weight=ridge), low, width)
        held = np.abs(tilt) < SETTLED
        wanted = np.where(held, sums.wanted + ridge * tilt, wanted)
    return np.asarray(np.clip(low + width * share, low, np.nextafter(high, low))), held


def _newton(tilt: Floats, start: Floats, sums: Sums, low: Floats, width: Floats) -> tuple[Floats, Floats]:
    """Damped Newton steps for the λ, from `tilt`; returns them and the share of its cell at which each value lies then.

    The weights of the sums are those of the ridge.
    """
    member, ridge = sums.member, sums.weight
    scale = abs(member).T @ width

    def gradient(at: Floats) -> tuple[Floats, Floats]:
        share = _share(start + member @ at)
        return member.T @ (low + width * share) - sums.wanted + ridge * at, width * share * (1 - share)

    tilt = find_root(tilt, gradient, member, ridge=ridge, scale=scale, effort=EFFORT)
    return tilt, _share(start + member @ tilt)


def _share(logits: Floats) -> Floats:
    """σ(logits), without overflow."""
    small = np.exp(-np.abs(logits))
    return np.asarray(np.where(logits < 0, small, 1.0) / (1 + small))


def make_whole(moved: Floats, low: Floats, high: Floats, sums: Sums) -> Floats:
    """Bring back to whole numbers: first whole sums of the sets of records that enter the same sums, then their records."""
    member = sums.member
    sets, place = np.unique(member @ np.random.default_rng(0).random(member.shape[1]), return_inverse=True)
    size = len(sets)
    first = np.unique(place, return_index=True)[1]
    entering = whole_array(member[first])
    least, most, ideal = (
        np.bincount(place, own, size).astype(np.float64) for own in (np.ceil(low), np.ceil(high) - 1, moved - 0.5)
    )
    totals = whole_sums(entering, np.clip(np.rint(ideal), least, most), sums.wanted, least, most)
    values = np.floor(moved)
    order = np.argsort(place, kind="stable")
    for total, records in zip(totals, np.split(order, np.cumsum(np.bincount(place))[:-1]), strict=True):
        values[records] = _shift_integers(values[records], low[records], high[records], total)
    return values


def whole_sums(entering: Floats, sums: Floats, wanted: Floats, least: Floats, most: Floats) -> Floats:
    """Move units between whole sums of sets until the sums that they enter come nearest to what is wanted.

    `entering` (sets, sums) says how often a unit of a set enters a sum; `sums`, `least`, `most` (sets,).

    >>> rows_and_columns = np.array([[1, 0, 1, 0], [1, 0, 0, 1], [0, 1, 1, 0], [0, 1, 0, 1.0]])
    >>> room = np.zeros(4), np.full(4, 9.0)
    >>> whole_sums(rows_and_columns, np.array([1, 2, 2, 1.0]), np.array([4, 2, 3, 3.0]), *room) @ rows_and_columns
    array([4., 2., 3., 3.])
    """
    sums, units = sums.copy(), _Units.of(entering)
    off = entering.T @ sums - wanted
    for _ in range(MOST_UNITS):
        room = sums < most, sums > least
        best, moved = units.best(off, *room)
        if best >= -1e-9 and len(sums) <= MOST_THREE and (np.abs(off) > 0.5 + 1e-9).any():
            best, moved = _best_of_three(units, off, *room)
        if best >= -1e-9:
            break
        for place, unit in moved:
            sums[place] += unit
            off = off + unit * entering[place]
    return moved_by_program(entering, sums, off, least, most) if (np.abs(off) > 0.5 + 1e-9).any() else sums


Moves = tuple[tuple[int, float], ...]
"""Sets, each with the unit that its sum is moved by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Units:
    """Sets (sets, sums), the square of what a unit of each changes (sets,), and the products of two (sets, sets)."""

    entering: Floats
    number: Floats
    together: Floats | None

    @classmethod
    def of(cls, entering: Floats) -> "_Units":
        together = entering @ entering.T if len(entering) <= MOST_PAIRED else None
        return cls(entering=entering, number=(entering**2).sum(axis=1), together=together)

    def best(self, off: Floats, may_rise: Flags, may_fall: Flags) -> tuple[float, Moves]:
        """By how much one unit, or one up and one down, brings the square of what is off down; and which."""
        pull = 2 * self.entering @ off
        up = np.where(may_rise, pull + self.number, np.inf)
        down = np.where(may_fall, self.number - pull, np.inf)
        single: tuple[float, Moves] = min(
            (float(up.min()), ((int(up.argmin()), 1.0),)), (float(down.min()), ((int(down.argmin()), -1.0),))
        )
        if single[0] < -1e-9 or self.together is None:
            return single
        both = up[:, None] + down[None, :] - 2 * self.together
        np.fill_diagonal(both, np.inf)
        more, less = (int(k) for k in np.unravel_index(both.argmin(), both.shape))
        return float(both[more, less]), ((more, 1.0), (less, -1.0))


def _best_of_three(units: _Units, off: Floats, may_rise: Flags, may_fall: Flags) -> tuple[float, Moves]:
    """The same of a unit that makes it worse, and what then makes it better."""
    found: tuple[float, Moves] = (np.inf, ())
    for sign, may in ((1.0, may_rise), (-1.0, may_fall)):
        for place in np.flatnonzero(may).tolist():
            others = np.arange(len(may)) != place
            first = units.number[place] + 2 * sign * float(units.entering[place] @ off)
            then, moved = units.best(off + sign * units.entering[place], may_rise & others, may_fall & others)
            found = min(found, (first + then, ((place, sign), *moved)))
    return found


def _shift_integers(values: Floats, low: Floats, high: Floats, total: float) -> Floats:
    missing = round(total - values.sum())
    step = 1 if missing > 0 else -1
    moved = values.copy()
    while missing != 0:
        room = (moved + 1 <= high - 1) if step > 0 else (moved - 1 >= low)
        candidates = np.flatnonzero(room)[: abs(missing)]
        if not len(candidates):
            break
        moved[candidates] += step
        missing -= step * len(candidates)
    return moved
