"""The first population where a frame is held: zones first, then the records of each unit within the zone of their top record.

Rows of each unit are those that the flat draw made to the unit's own tables; a zone's tables only say which of them it gets. So
whatever the rows' own variables owe each other stays, and tables that share the zone are met from the start.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.aims import Aims
from llmsynthor.aims.frames import frame_functions
from llmsynthor.aims.goals import Goal
from llmsynthor.aims.layout import Place
from llmsynthor.alignment.framed import (
    Drawing,
    Wanted,
    barred_of,
    codes_within,
    draw_zones,
    leaned_of,
    wanted_of,
)
from llmsynthor.alignment.raked import draw_tables
from llmsynthor.alignment.rounding import round_within
from llmsynthor.population.roster import rows_below

Codes = NDArray[np.int32]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

HALVINGS = 60
STEEPEST = 30.0
MOST_PAIRS = 15
"""Soft pairs that are drawn, not fitted: with more the groups of alike records are nearly as many as the records."""


@dataclass(slots=True)
class Dealing:
    """The frame, what follows from it, and the rows of the units dealt so far with the parent of each (records,).

    `leans` says that all that the records are to lean towards are a few pairs of own variables, so that they can be drawn.
    """

    aims: Aims
    functions: Mapping[Place, Integers]
    codes: list[Codes]
    above: list[Integers]
    leans: bool

    @classmethod
    def of(cls, aims: Aims) -> "Dealing":
        functions = frame_functions(aims.layout, aims.own[0].frame)
        return cls(aims=aims, functions=functions, codes=[], above=[], leans=_few_pairs(aims))

    def deal(self, unit: int, stock: Codes, start: Codes, length: Codes, *, rng: np.random.Generator) -> Codes:
        """Choose for each record of a unit a row of the stock, (records, own variables), and change what its zone asks for.

        `start` and `length` say where the children of each parent stand; both are empty for the top unit.
        """
        parents = np.repeat(np.arange(len(length)), length) if unit else np.zeros(0, dtype=np.int64)
        self.above.append(parents)
        order, _ = rows_below(start, length) if unit else (np.arange(len(stock)), None)
        drawing, tables = self._drawing(unit, len(stock), parents)
        margins = dict(enumerate(self.aims.own[unit].margins()))
        found_bars = [barred_of(zeros, zeros.projection.axes) for zeros in self.aims.own[unit].zeros]
        bars = [bar for bar in found_bars if bar is not None]
        if not unit:
            margins.pop(self.aims.own[0].frame)
        draw_tables(drawing, tables, margins, bars, rng=rng)
        codes = matched(drawing, stock, self.aims.own[unit].margins(), rng=rng)
        if not unit:
            codes[:, self.aims.own[0].frame] = drawing.known[self.aims.own[0].frame]
            self._bring_counts(codes, drawing, rng)
        found = np.empty_like(codes)
        found[order] = codes
        self.codes.append(found)
        return found

    def _drawing(self, unit: int, records: int, parents: Integers) -> tuple[Drawing, list[Wanted]]:
        """What is known of records before they are drawn, by the axes of the unit's wide grid, and the tables to draw from."""
        layout, goals = self.aims.layout, self.aims.goals[unit]
        wide = layout.wide_places(unit)
        lean = leaned_of if self.leans else wanted_of
        sized = [
            (wanted_of if goal.trust >= 1.0 else lean)(goal, goal.projection.axes, self._total(goal, records))
            for goal in goals.tables
        ]
        tables = [table for table in sized if table is not None]
        known = dict[int, Integers]()
        if not unit:
            frame = self.aims.own[0].frame
            zones = draw_zones(tables, frame, self.aims.own[0].margins()[frame], records)
        else:
            row, owner = parents, layout.parent(unit)
            rows = {owner: row}
            while owner:
                row, owner = self.above[owner][row], layout.parent(owner)
                rows[owner] = row
            known = {
                axis: self.codes[u][rows[u], k].astype(np.int64)
                for axis, (u, k) in enumerate(wide)
                if u != unit and k < layout.n_own(u)
            }
            zones = self.codes[0][rows[0], self.aims.own[0].frame].astype(np.int64)
        known |= {axis: self.functions[place][zones] for axis, place in enumerate(wide) if place in self.functions}
        own = {axis for axis, (u, k) in enumerate(wide) if u == unit and k < layout.n_own(unit)}
        usable = [table for table in tables if set(table.columns) <= own | set(known)]
        return Drawing(records=records, known=known), usable

    def _total(self, goal: Goal, records: int) -> float:
        """Records in all cells of a table of a unit of which there are so many."""
        base = goal.table.base
        above = self.aims.layout.number(base.unit) if base is not None else len(self.codes)
        return goal.per_base * (len(self.codes[above]) if above < len(self.codes) else records)

    def _bring_counts(self, codes: Codes, drawing: Drawing, rng: np.random.Generator) -> None:
        """Draw the numbers of children so that each zone has as many as tables of the children count there, in place."""
        layout = self.aims.layout
        for unit in range(1, len(layout.units)):
            parent, column = layout.count_column(unit)
            if parent != 0:
                continue
            margin = self.aims.own[0].margins()[column]
            part = drawing.parts.get(column, np.zeros(len(margin), dtype=np.int64))
            numbers = (margin, layout.values[0, column])
            label, zones = part[codes[:, column]], codes[:, self.aims.own[0].frame].astype(np.int64)
            for group, totals in self._totals(unit, zones):
                codes[:, column] = to_totals((group, totals), label, part, numbers, rng=rng)
                least, held = self._least(unit, zones), np.bincount(zones, numbers[1][codes[:, column]])
                short = np.flatnonzero(held + 0.5 < least[: len(held)])
                if (
                    len(short) and len(totals) == 1
                ):  # zones that are short of children make a group each, all others one
                    own = np.zeros(len(least), dtype=np.int64)
                    own[short] = np.arange(1, len(short) + 1)
                    left = np.concatenate([[totals[0] - least[short].sum()], least[short]])
                    codes[:, column] = to_totals((own[zones], left), label, part, numbers, rng=rng)

    def _totals(self, unit: int, zones: Integers) -> Iterator[tuple[Integers, Floats]]:
        """The group of each top record and the children that each group is to have: by zone, or in all where a mean is known."""
        wanted = self._children(unit, len(zones))
        if wanted is not None:
            yield self.functions[wanted[0]][zones], wanted[1]
        elif self._stated_mean(unit) is not None:
            yield np.zeros(len(zones), dtype=np.int64), np.array([self._mean_children(unit) * len(zones)])

    def _least(self, unit: int, zones: Integers) -> Floats:
        """How many children absolute counts want in each zone at least, (zones,)."""
        wide, frame = self.aims.layout.wide_places(unit), (0, self.aims.own[0].frame)
        least = np.zeros(len(self.functions[frame]))
        for goal in self.aims.goals[unit].tables if unit == 1 else ():
            base = goal.table.base
            named = [k for k, axis in enumerate(goal.projection.axes) if wide[axis] == frame]
            if base is not None and named and base.unit == self.aims.layout.units[0].name:
                table = wanted_of(goal, goal.projection.axes, goal.per_base * len(zones))
                if table is not None:
                    others = tuple(k for k in range(table.values.ndim) if k != named[0])
                    least = np.maximum(least, np.nansum(table.values, axis=others)[table.classes[named[0]]])
        return least

    def _children(self, unit: int, records: int) -> tuple[Place, Floats] | None:
        """How many children each zone has by the finest table that counts them: the column of the zone, and (its codes,)."""
        wide = self.aims.layout.wide_places(unit)
        best: tuple[Place, Floats] | None = None
        for goal in self.aims.goals[unit].tables:
            absolute = goal.table.base is not None and goal.table.base.unit == self.aims.layout.units[0].name
            total = records * (goal.per_base if absolute else self._mean_children(unit))
            table = wanted_of(goal, goal.projection.axes, total) if goal.table.value == "count" else None
            if table is None or np.isnan(table.values).any() or (goal.table.base is not None and not absolute):
                continue
            for k, axis in enumerate(goal.projection.axes):
                if wide[axis] in self.functions:
                    held = table.values.sum(axis=tuple(j for j in range(table.values.ndim) if j != k))
                    classes = table.classes[k]
                    if len(held) == len(classes) and (best is None or len(classes) > len(best[1])):
                        best = (wide[axis], held[classes])
        return best

    def _mean_children(self, unit: int) -> float:
        """Children of a parent on average, as the counts say, or their numbers alone."""
        parent, column = self.aims.layout.count_column(unit)
        stated = self._stated_mean(unit)
        fixed = self.aims.own[parent].margins()[column] @ self.aims.layout.values[parent, column]
        return float(fixed) if stated is None else stated

    def _stated_mean(self, unit: int) -> float | None:
        parent, column = self.aims.layout.count_column(unit)
        targets = [m.target for m in self.aims.own[parent].moments if m.axis == column]
        stated = [target.values[0] for target in targets if target.statistic == "mean" and not target.by]
        return float(stated[0]) if stated else None


def _few_pairs(aims: Aims) -> bool:
    """Whether what no table demands are pairs of own variables of a unit, and few enough to be raked group by group."""
    soft = [
        (unit, goal)
        for unit, goals in enumerate(aims.goals)
        for goal in goals.tables
        if goal.trust < 1.0 and not goal.is_shape
    ]
    if aims.beliefs or not 0 < len(soft) <= MOST_PAIRS:
        return False
    return all(
        len(goal.projection.axes) == 2
        and all(
            u == unit and k < aims.layout.n_own(u)
            for u, k in (aims.layout.wide_places(unit)[axis] for axis in goal.projection.axes)
        )
        for unit, goal in soft
    )


def matched(drawing: Drawing, stock: Codes, margins: tuple[Floats, ...], *, rng: np.random.Generator) -> Codes:
    """A row of the stock for each record: one that lies in the same parts, where there is one left, otherwise changed to do so."""
    drawn = [column for column in drawing.parts if column < stock.shape[1] and column not in drawing.known]
    wanted, having = np.zeros(drawing.records, dtype=np.int64), np.zeros(len(stock), dtype=np.int64)
    for column in drawn:
        size, own = int(drawing.parts[column].max()) + 1, drawing.parts[column][stock[:, column]]
        if wanted.max(initial=0) * size > 2**61:
            break
        wanted, having = wanted * size + drawing.labels[column], having * size + own
    chosen = _paired(wanted, having, rng)
    codes: Codes = stock[chosen]
    for column in drawn:
        off = drawing.parts[column][codes[:, column]] != drawing.labels[column]
        if off.any():
            codes[off, column] = codes_within(drawing, column, margins[column], rng=rng)[off]
    return codes


def _paired(wanted: Integers, having: Integers, rng: np.random.Generator) -> Integers:
    """For each wanted key one of the rows that have it, each row once; what is left over is paired in the order of the keys."""
    mine, theirs = (np.lexsort((rng.random(len(keys)), keys)) for keys in (wanted, having))
    rank = [_ranks(wanted[mine]), _ranks(having[theirs])]
    keys = np.concatenate([wanted[mine], having[theirs]])
    _, number = np.unique(keys, return_inverse=True)
    most = max(int(r.max(initial=0)) for r in rank) + 1
    slots = [number[: len(mine)] * most + rank[0], number[len(mine) :] * most + rank[1]]
    at = np.minimum(np.searchsorted(slots[1], slots[0]), len(slots[1]) - 1)
    same = slots[1][at] == slots[0]
    chosen = np.empty(len(wanted), dtype=np.int64)
    chosen[mine[same]] = theirs[at[same]]
    left = np.ones(len(having), dtype=bool)
    left[at[same]] = False
    chosen[mine[~same]] = theirs[np.flatnonzero(left)[: int((~same).sum())]]
    return chosen


def _ranks(ordered: Integers) -> Integers:
    """Number of each entry among those equal to it, in an ascending array."""
    return np.arange(len(ordered)) - np.searchsorted(ordered, ordered)


def to_totals(
    groups: tuple[Integers, Floats],
    label: Integers,
    part: Integers,
    numbers: tuple[Floats, Floats],
    *,
    rng: np.random.Generator,
) -> Integers:
    """Codes of a count, each within the part that `label` (records,) says, so that groups come to their totals where they can.

    `groups` are the group of each record and the total of each, `part` (codes,) the part of each code, `numbers` the share and the
    number of each code. Within a part shares are tilted exponentially, all of a group alike, and rounded; what the rounded
    numbers still miss is made up one by one.
    """
    group, totals = groups
    _, values = numbers
    n_parts = int(part.max()) + 1
    held = np.bincount(group * n_parts + label, minlength=len(totals) * n_parts).reshape(len(totals), n_parts)
    wanted = held[:, part] * tilted(held, totals, part, numbers)
    counts = round_within(
        (wanted[:, None, :] * (part == np.arange(n_parts)[:, None])[None]).reshape(-1, len(part)), held.ravel()
    ).reshape(len(totals), n_parts, len(part))
    for number in np.flatnonzero(held.sum(axis=1)).tolist():
        _make_up(counts[number], part, values, round(float(totals[number])))
    codes = np.zeros(len(label), dtype=np.int64)
    order = np.lexsort((rng.random(len(label)), label, group))
    codes[order] = np.repeat(np.tile(np.arange(len(part)), len(totals) * n_parts), counts.ravel())
    return codes


def tilted(held: Integers, totals: Floats, part: Integers, numbers: tuple[Floats, Floats]) -> Floats:
    """Share of each code within its part, (groups, codes), tilted so that each group's mean total is its own, or nearest to it."""
    margin, values = numbers
    base = np.log(np.maximum(margin, 1e-12))
    inside = part[:, None] == np.arange(held.shape[1])[None, :]
    low, high = np.full(len(totals), -STEEPEST), np.full(len(totals), STEEPEST)
    shares = np.zeros((len(totals), len(part)))
    for _ in range(HALVINGS):
        tilt = (low + high) / 2
        logs = base[None, :] + tilt[:, None] * (values - values.mean())[None, :]
        for number in range(held.shape[1]):
            own = logs[:, inside[:, number]]
            own = np.exp(own - own.max(axis=1, keepdims=True))
            shares[:, inside[:, number]] = own / own.sum(axis=1, keepdims=True)
        short = (held[:, part] * shares) @ values < totals
        low, high = np.where(short, tilt, low), np.where(short, high, tilt)
    return shares


def _make_up(counts: Integers, part: Integers, values: Floats, total: int) -> None:
    """Move records of one group, (parts, codes), by a code within their part until the group has its total, in place."""
    missing = total - round(float((counts @ values).sum()))
    step = 1 if missing > 0 else -1
    while missing:
        best, gain = (-1, -1), 0.0
        for number, own in enumerate(counts):
            inside = np.flatnonzero(part == number)
            for code in inside:
                other = code + step
                if own[code] > 0 and 0 <= other < len(part) and part[other] == number:
                    size = abs(values[other] - values[code])
                    if size <= abs(missing) and own[code] > gain:
                        best, gain = (number, int(code)), float(own[code])
        if best[0] < 0:
            return
        row, at = best
        counts[row, at] -= 1
        counts[row, at + step] += 1
        missing -= round(float(values[at + step] - values[at]))
