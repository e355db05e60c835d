"""All sums of nested records at once: values moved inside their cells until means and totals of every unit hold.

A sum may be of own numbers, of a parent's (each value counts once for every child) or of derived ones (they follow from what they
are computed from, see `slopes`): each is a weighted sum of numbers that can move. They are solved for together, as `shift` does
for one variable; a derived number that is no linear function of others is made linear again at the values found. Records whose
computed columns would leave the codes that they were aligned with stay as they were. Whole numbers move first, and where real
ones enter the same sums, those make up for what rounding leaves.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array, vstack

from llmsynthor.aims.aims import Aims
from llmsynthor.aims.layout import Place
from llmsynthor.aims.moments import Moment
from llmsynthor.aims.wide import reach_of
from llmsynthor.population.roster import Roster
from llmsynthor.realization.shift import Sums, make_whole, move_inside, size_of
from llmsynthor.realization.slopes import Slopes
from llmsynthor.records.linked import Nested, nest
from llmsynthor.records.measure import statistic_cells
from llmsynthor.spec.schema import Numeric

ROUNDS = 12
"""How often sums are made linear, and records that would leave their codes are put back, at most."""

GAINED, PATIENCE = 0.9, 2
"""A round that leaves more than this part of what was missing gains nothing; so many of them in a row end it."""

CLOSE, CLOSE_WHOLE = 1e-7, 0.5 + 1e-9
"""A sum of real numbers is met when it is off by this part of itself, one of whole numbers when no other is nearer."""

SUMS, SECONDS = ("mean", "total"), ("deviation", "correlation")

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
Flags = NDArray[np.bool_]
Frames = dict[str, pl.DataFrame]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Number:
    """An own number of a unit: its part of all values begins at `first`, and each may lie in [low, high); shape (records,)."""

    place: Place
    unit: str
    name: str
    first: int
    low: Floats
    high: Floats
    free: Flags
    whole: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """The sums of one mean or total: `members` (sums, records), what each lacks, how much it may lack, its weight; (sums,)."""

    unit: str
    variable: str
    members: Any
    gap: Floats
    room: Floats
    weight: Floats

    @property
    def missing(self) -> float:
        """How far the sums are off beyond their room, in all, as multiples of it."""
        return float(np.maximum(np.abs(self.gap) / self.room - 1.0, 0.0).sum())


def meet_sums(
    aims: Aims,
    roster: Roster,
    frames: Frames,
    tops: Sequence[Rows],
    off: Callable[[Frames], Flags],
    known: Mapping[tuple[int, str], Floats],
) -> Frames:
    """Move the numbers of nested records until all means and totals hold, as far as their cells allow.

    `tops[u]` (records,) is the top record of each record of unit u; `off` says which top records (tops,) have a computed column
    off its code; `known` numbers stay.
    """
    moments = [moment for goals in aims.own for moment in goals.moments if moment.target.statistic in SUMS]
    moments += [moment for goals in aims.goals for moment in goals.moments]
    numbers = _numbers(aims, roster, known) if moments else ()
    if not numbers:
        return frames
    best, least, stalled = frames, np.inf, 0
    free = np.concatenate([number.free for number in numbers])
    owner = np.concatenate([tops[number.place[0]] for number in numbers])
    for turn in range(ROUNDS + 1):
        nested = nest(frames, aims.layout.schema)
        asked = [_asked(moment, nested) for moment in moments]
        missing = sum(sums.missing for sums in asked)
        stalled = 0 if missing < GAINED * least else stalled + 1
        best, least = (frames, missing) if missing < least else (best, least)
        if least <= 0 or not free.any() or stalled > PATIENCE or turn == ROUNDS:
            break
        values = _solved(_system(asked, numbers, nested), numbers, frames, free, anew=turn == 0)
        moved = _with(frames, numbers, values)
        back = off(moved)[owner]
        frames = _with(frames, numbers, np.where(back, _values(frames, numbers), values))
        free = free & ~back
    return best


def _numbers(aims: Aims, roster: Roster, known: Mapping[tuple[int, str], Floats]) -> tuple[_Number, ...]:
    """All own numbers but those whose deviations or correlations are settled already."""
    found, first = list[_Number](), 0
    for unit, part in enumerate(aims.layout.units):
        settled = {
            name
            for moment in aims.own[unit].moments
            if moment.target.statistic in SECONDS
            for name in moment.target.variables
        }
        for position, column in enumerate(aims.layout.columns[unit][: aims.layout.n_own(unit)]):
            variable = column.axis.variable
            if not isinstance(variable, Numeric) or variable.name in settled:
                continue
            codes = roster.codes[unit][:, position]
            low, high = (ends[codes] for ends in reach_of(aims.layout, aims.own, aims.goals, (unit, position)))
            own = known.get((unit, variable.name))
            free = np.ones(len(codes), dtype=bool) if own is None else ~np.isfinite(own)
            free &= high - low > (1.0 if variable.integer else 0.0)
            found.append(
                _Number(
                    place=(unit, position),
                    unit=part.name,
                    name=variable.name,
                    first=first,
                    low=low,
                    high=high,
                    free=free,
                    whole=variable.integer,
                )
            )
            first += len(codes)
    return tuple(found)


def _asked(moment: Moment, nested: Nested) -> _Asked:
    target = moment.target
    cells, values = statistic_cells(nested, target)
    inside = np.flatnonzero(cells >= 0)
    sizes = np.bincount(cells[inside], minlength=len(target.cells)).astype(np.float64)
    place = {cell: number for number, cell in enumerate(moment.cells)}
    order = np.array([place[cell] for cell in target.cells])
    wanted = (moment.totals(len(cells)) if moment.is_total else moment.values)[order]
    wanted = wanted if moment.is_total else wanted * sizes
    kept = np.flatnonzero(np.isfinite(wanted) & (sizes > 0))
    number = np.full(len(target.cells), -1)
    number[kept] = np.arange(len(kept))
    inside = inside[number[cells[inside]] >= 0]
    places = (number[cells[inside]], inside)
    members = csr_array((np.ones(len(inside)), places), shape=(len(kept), len(cells)))
    scale = size_of(moment)
    floor = moment.hidden / float(np.median(scale))
    return _Asked(
        unit=target.unit,
        variable=target.variable,
        members=members,
        gap=wanted[kept] - members @ np.nan_to_num(values),
        room=np.full(len(kept), CLOSE_WHOLE) if moment.whole else np.maximum(CLOSE * np.abs(wanted[kept]), 1e-12),
        weight=moment.precision(scale, floor)[order][kept],
    )


def _system(asked: Sequence[_Asked], numbers: Sequence[_Number], nested: Nested) -> Sums:
    """All sums as sums of the numbers, each times its slope; `wanted` is what each lacks."""
    size = sum(len(number.low) for number in numbers)
    slopes = Slopes(nested=nested, first={(n.unit, n.name): n.first for n in numbers}, size=size)
    matrix = vstack([sums.members @ slopes.above(sums.unit, sums.variable) for sums in asked])
    return Sums(
        member=matrix.T.tocsr(),
        wanted=np.concatenate([sums.gap for sums in asked]),
        weight=np.concatenate([sums.weight for sums in asked]),
    )


def _solved(lacking: Sums, numbers: Sequence[_Number], frames: Frames, free: Flags, *, anew: bool) -> Floats:
    """New values of all numbers; whole ones that enter sums of real ones stay but for the first time (`anew`)."""
    values = _values(frames, numbers)
    low, high = (np.concatenate([getattr(n, end) for n in numbers]) for end in ("low", "high"))
    whole = np.concatenate([np.full(len(n.low), n.whole) for n in numbers])
    enters = (lacking.member != 0).astype(np.float64)
    real = enters.T @ (free & ~whole).astype(np.float64) > 0
    touched, mixed = enters.sum(axis=1) > 0, enters @ real.astype(np.float64) > 0
    chosen = np.flatnonzero(free & touched & (~whole | ~mixed | anew))
    if not len(chosen):
        return values
    half = np.where(whole[chosen], 0.5, 0.0)
    member = lacking.member[chosen]
    there = np.flatnonzero((member != 0).sum(axis=0) > 0)  # of others no value can move
    member, gap = member[:, there].tocsr(), lacking.wanted[there]
    sums = Sums(member=member, wanted=member.T @ (values[chosen] + half) + gap, weight=lacking.weight[there])
    moved, held = move_inside(values[chosen] + half, low[chosen], high[chosen], _scaled(sums))
    found = values.copy()
    found[chosen] = moved
    integers = np.flatnonzero(whole[chosen])
    if len(integers):
        pure = ~real[there]
        own, rows = member[integers][:, np.flatnonzero(pure)], chosen[integers]
        ideal = own.T @ (moved[integers] - 0.5)
        asked = np.where(held[pure], sums.wanted[pure] - member[:, np.flatnonzero(pure)].T @ half, ideal)
        own_sums = Sums(member=own, wanted=asked, weight=sums.weight[pure])
        found[rows] = make_whole(moved[integers], low[rows], high[rows], own_sums)
    return found


def _scaled(sums: Sums) -> Sums:
    """The same sums in units in which the weights of their values are about one."""
    size = abs(sums.member).sum(axis=0) / np.maximum((sums.member != 0).sum(axis=0), 1)
    size = np.where(size > 0, size, 1.0)
    return replace(sums, member=(sums.member @ diags_array(1.0 / size)).tocsr(), wanted=sums.wanted / size)


def _values(frames: Frames, numbers: Sequence[_Number]) -> Floats:
    return np.concatenate([frames[n.unit][n.name].to_numpy().astype(np.float64) for n in numbers])


def _with(frames: Frames, numbers: Sequence[_Number], values: Floats) -> Frames:
    """The frames with other values of the numbers that are free, each inside its cell."""
    found = dict(frames)
    for number in numbers:
        own = np.clip(values[number.first :][: len(number.low)], number.low, np.nextafter(number.high, number.low))
        before = frames[number.unit][number.name]
        typed = np.floor(own).astype(np.int64) if number.whole else own
        moved = pl.Series(number.name, np.where(number.free, typed, before.to_numpy()))
        found[number.unit] = found[number.unit].with_columns(moved)
    return found
