"""Sums that records must add up to: means and totals of numbers, and how many records each unit has."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.aims import Aims
from llmsynthor.aims.laws import stated_population
from llmsynthor.aims.moments import NEAR, Moment
from llmsynthor.aims.peopled import must_have_records
from llmsynthor.alignment.trees.flat import Counts, Floats
from llmsynthor.alignment.trees.program import Compiled

TYPICAL, SOFTEST = 0.25, 8.0
"""A change of one record moves a sum by about this part of its mean; so many widths of a cell at most are as one record."""

NEARLY = 0.0005
"""Part of the records by which a unit may be off what is told of it before it is brought there: none of less than two thousand."""

Flags = NDArray[np.bool_]


class Current(NamedTuple):
    """Least and largest that each sum can be with the records there are, less what is wanted; its records; shape (groups,)."""

    lowest: Floats
    highest: Floats
    members: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """Which sum each cell adds to, and what, shape (cells,); group 0 is no group.

    `scale` (groups,) turns a sum's error into records, `slack` (groups,) is what may be missing, `step` (groups,) what the
    last that is missing costs besides, `empty` (groups,) how far a sum is out of reach that must have records and has none,
    `settled` (groups,) says that no value can be moved to make up for it later. `totals`
    are what the sums of totals must be, of `of_unit` records. `per_top` has for each unit how many records it is to have for
    each top record, 0 where its parents say that, `every` how many of its records a record in each cell stands for.
    """

    group: Counts
    low: Floats
    high: Floats
    scale: Floats
    slack: Floats
    step: Floats
    empty: Floats
    settled: Flags
    totals: Floats
    of_unit: Counts
    per_top: tuple[float, ...]
    every: tuple[Floats, ...]

    def sizes(self, counts: Counts, records: int) -> tuple[float, ...]:
        """Records of every unit, from the cells of the variable that counts them."""
        found = [float(records)]
        for values in self.every[1:]:
            found.append(float(values @ counts))
        return tuple(found)

    def wanted_sizes(self, counts: Counts, records: int) -> tuple[float, ...]:
        """Records that every unit is to have: those that are told, otherwise those there are.

        Where those that are told are nearly there it is those there are: tables are judged by them in the end.
        """
        told = zip((per * records for per in self.per_top), self.sizes(counts, records), strict=True)
        return tuple(own if own and abs(own - size) > NEARLY * own else size for own, size in told)

    def current(self, counts: Counts, records: int) -> Current:
        """The sums as they are."""
        sizes = np.array(self.wanted_sizes(counts, records))
        start = -self.totals * sizes[self.of_unit]
        n = len(self.scale)
        lowest, highest = (np.bincount(self.group, ends * counts, n) + start for ends in (self.low, self.high))
        lowest[0] = highest[0] = 0.0
        members = np.bincount(self.group, counts, n).astype(np.float64)
        return Current(lowest=lowest, highest=highest, members=members)

    def missing(self, counts: Counts, records: int) -> Floats:
        """How far each sum is out of reach, as an error of so many records, zero where it is no more than its slack; (groups,)."""
        now = self.current(counts, records)
        out = np.maximum(now.lowest, 0.0) - np.minimum(now.highest, 0.0)
        empty = np.where(now.members > 0, 0.0, self.empty)
        return np.asarray((np.where(out > self.slack, out + self.step, 0.0) + empty) * self.scale)

    def eased(self, ease: float) -> "Sums":
        """The same sums, with more slack where values moved inside their cells can make up for it."""
        return replace(self, slack=np.where(self.settled, self.slack, self.slack * ease)) if ease > 1.0 else self

    def muted(self) -> "Sums":
        """The same sums, none of which costs anything."""
        return replace(self, scale=np.zeros_like(self.scale))


def lay_out_sums(
    aims: Aims, compiled: Compiled, moments: Sequence[tuple[int, int, Moment]], records: int, drawn: Sequence[float]
) -> Sums:
    """Lay out the means and totals, group by group; `drawn` are the records of each unit for each top record as first drawn."""
    n_cells = len(compiled.fixed)
    group, low, high = np.zeros(n_cells, dtype=np.int64), np.zeros(n_cells), np.zeros(n_cells)
    scale, slack, step, totals, of_unit, settled, empty = [0.0], [0.0], [0.0], [0.0], [0], [True], [0.0]
    for unit, first, moment in moments:
        size, (lows, highs), room, widths = len(moment.lows), moment.ends, moment.room, moment.widths
        peopled = _peopled(aims, moment, records * drawn[unit])
        for number, value in enumerate(moment.values):
            if not np.isfinite(value):
                continue
            here = slice(first + number * size, first + (number + 1) * size)
            group[here] = len(scale)
            mean = 0.0 if moment.is_total else value
            at_the_end = not moment.is_total and not lows.min() < value < highs.max()
            ends = (moment.lows, moment.highs) if at_the_end else (lows, highs)
            low[here], high[here] = ends[0] - mean, ends[1] - mean
            worth = max(float(widths[number]), 1e-12) * softness(moment, number)
            scale.append(1.0 / worth)
            step.append(worth if moment.axis < 0 or moment.near < 1 else 0.0)
            empty.append(worth if peopled[number] else 0.0)
            slack.append(float(room[number]))
            settled.append(moment.whole and not (moment.lows < moment.highs).any() and moment.unit <= 1.0)
            share = 1.0 / moment.population if moment.population else 1.0 / max(records, 1)
            totals.append(value * share if moment.is_total else 0.0)
            of_unit.append(unit if moment.population else 0)
    return Sums(
        group=group,
        low=low,
        high=high,
        scale=np.array(scale),
        slack=np.array(slack),
        step=np.array(step),
        empty=np.array(empty),
        settled=np.array(settled),
        totals=np.array(totals),
        of_unit=np.array(of_unit, dtype=np.int64),
        per_top=tuple(_per_top(aims, compiled, unit, own) for unit, own in enumerate(drawn)),
        every=_counted(aims, compiled),
    )


def _peopled(aims: Aims, moment: Moment, records: float) -> list[bool]:
    """Which groups of a mean must have a record; of a total nobody says so."""
    if moment.is_total or moment.target not in aims.spec.targets:
        return [False] * moment.groups
    asked = must_have_records(aims.spec.targets, moment.target, records)
    flags = dict(zip(moment.target.cells, asked.tolist(), strict=True))
    return [flags.get(cell, False) for cell in moment.cells]


def softness(moment: Moment, group: int) -> float:
    """How many widths of a cell weigh as much as an error of one record: more where a change of one record is one of many widths.

    Where sums stay close to the middle of cells a change of any record moves them, and records must still be free to change.
    """
    if moment.axis >= 0 and moment.near >= NEAR:
        return 1.0
    means = moment.values if not moment.is_total or moment.expected is None else moment.expected
    typical = abs(float(np.nan_to_num(means[group]))) / max(float(moment.widths[group]), 1e-12)
    return float(np.clip(TYPICAL * typical, 1.0, SOFTEST))


def _per_top(aims: Aims, compiled: Compiled, unit: int, drawn: float) -> float:
    """Records of a unit for each top record: as drawn where a table or zones fix that, else as tables count them; 0 for none."""
    if unit == 0 or compiled.program.arrays["is_open"][unit] != 1 or aims.own[0].frame >= 0:
        return drawn
    names = [own.name for own in aims.layout.units]
    parent, column = aims.layout.count_column(unit)
    every, all_below = stated_population(aims.spec, names[0]), stated_population(aims.spec, names[unit])
    above = stated_population(aims.spec, names[parent])
    if not every or not all_below or not above:
        return 0.0
    low, high = _bounds(aims, parent, column)
    return all_below / every if low <= all_below / above <= high else 0.0


def _bounds(aims: Aims, unit: int, column: int) -> tuple[float, float]:
    """The least and the largest mean that a variable can have, by its table of all records, or its range."""
    values, axis = aims.layout.values[unit, column], aims.layout.columns[unit][column].axis
    for goal in aims.own[unit].given:
        if axis.name in goal.table.columns and goal.table.universe is None:
            at = goal.table.columns.index(axis.name)
            shares = goal.shares.reshape(goal.shape).sum(axis=tuple(k for k in range(len(goal.shape)) if k != at))
            inside = [values[axis.within(level)] for level in goal.levels[at]]
            ends = np.array([(own.min(), own.max()) if len(own) else (0.0, 0.0) for own in inside])
            return float(shares @ ends[:, 0]), float(shares @ ends[:, 1])
    return float(values.min()), float(values.max())


def _counted(aims: Aims, compiled: Compiled) -> tuple[Floats, ...]:
    """For every unit but the first, how many of its records a record in each cell of its counting piece stands for."""
    found = [np.zeros(0)]
    for unit in range(1, len(aims.layout.units)):
        place = aims.layout.count_column(unit)
        values = np.zeros(len(compiled.fixed))
        for piece, start in zip(compiled.pieces, compiled.starts, strict=False):
            if piece.is_count and piece.places == (place,):
                values[start : start + piece.projection.size] = aims.layout.values[place]
                break
        found.append(values)
    return tuple(found)
