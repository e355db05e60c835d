"""What each zone's tables ask of each other: as many children as the sizes of its parents allow, zone by zone.

A table of persons by zone beside one of household sizes by zone can be met in the sum of all zones and in no single one: where
dormitories are counted with the persons, and not with the households. Only the zone's own cells count here, with their own
rounding, so that what is hidden in a total shows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.goals import Goal, Goals
from llmsynthor.aims.reconcile import Disagreement, Kind
from llmsynthor.spec.levels import Interval, Level
from llmsynthor.spec.schema import Category, Numeric, Unit
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Table

Floats = NDArray[np.float64]

FEWEST_ZONES = 16
"""Levels from which on a category of the top unit is looked at as if it were zones."""

UNMOVED = 1e-6

WHOLE = 1.0
"""Values that show no smaller or larger unit are counts to the record: no rounding hides anything in them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Records of a unit that a table asks for in each zone, and how many there can be: arrays over `zones`.

    `sizes` names the table that says how many there can be. Of absolute counts of some cells only `most` counts. `possible` is what
    records are led to: as near to what is asked for as sizes allow. What is off by no more than `slack`, which rounding and margins
    of error hide, is no problem.
    """

    table: Table
    unit: Unit
    column: str
    zones: tuple[str, ...]
    asked: Floats
    least: Floats
    most: Floats
    slack: Floats
    sizes: str
    possible: Floats

    @property
    def excess(self) -> Floats:
        """Records too many, (zones,)."""
        over = self.asked - self.most
        return np.where(over > self.slack + 1e-6, over, 0.0)

    @property
    def lacking(self) -> Floats:
        """Records too few, (zones,)."""
        under = self.least - self.asked
        return np.where(under > self.slack + 1e-6, under, 0.0)


def zone_columns(spec: Spec) -> tuple[str, ...]:
    """Variables of the top unit that hold zones: those of its geography, or else categories of many levels."""
    top = spec.schema.top
    if top.zones:
        return top.zones
    return tuple(v.name for v in top.coded if isinstance(v, Category) and len(v.levels) >= FEWEST_ZONES)


def rooms(spec: Spec) -> Iterator[Room]:
    """Every table of counts of children by zone, with how many of them the zone's parents can have, the finest zones first."""
    top = spec.schema.top
    for unit in spec.schema.children(top.name):
        finest = dict[tuple[str, ...], Room]()
        for zone in reversed(zone_columns(spec)):
            column = f"{top.name}.{zone}"
            tables = [t for t in spec.targets if isinstance(t, Table) and t.unit == unit.name and column in t.columns]
            about = [t for t in tables if t.value == "count" and (t.universe is None or _is_part(t)) and t.trust >= 1]
            bounds = _bounds(spec, unit, zone) if about else None
            for table in sorted(about, key=_is_part) if bounds is not None else ():
                if bounds is not None:
                    room = _room(spec, table, (unit, column, zone), bounds)
                    key = tuple(name for name in table.columns if name != column) if _is_part(table) else ()
                    for other in [finest[own] for own in dict.fromkeys((key, ())) if own in finest]:
                        room = _in_line(spec, room, other)
                    if same_population(room):
                        finest.setdefault(key, room)
                    yield room


def _in_line(spec: Spec, room: Room, finest: Room) -> Room:
    """Let a table change as the finest of its unit does: a part of a zone's records is no more than all of them."""
    if finest.column == room.column:
        held = dict(zip(finest.zones, finest.possible, strict=True))
        every = np.array([held.get(zone, np.inf) for zone in room.zones])
        own = np.minimum(room.possible, every) if _is_part(room.table) else room.possible
        return replace(room, possible=own)
    change = dict.fromkeys(room.zones, 0.0)
    above = _above(spec, room.column.rpartition(".")[2], finest.column.rpartition(".")[2])
    for zone, off in zip(finest.zones, finest.possible - finest.asked, strict=True):
        if above.get(zone) in change:
            change[above[zone]] += float(off)
    moved = room.asked + np.array([change[zone] for zone in room.zones])
    alike = _is_part(room.table) == _is_part(finest.table)
    return replace(room, possible=np.maximum(moved, 0.0)) if above and alike else room


def _above(spec: Spec, zone: str, finer: str) -> dict[str, str]:
    """The zone of one level that each zone of a finer level of the same place lies in; empty where they are of no one place."""
    for located in spec.schema.top.places:
        names = located.variables
        if zone in names and finer in names:
            geography = next(g for g in spec.geographies if g.name == located.geography)
            return {row[names.index(finer)]: row[names.index(zone)] for row in geography.rows}
    return {}


def _is_part(table: Table) -> bool:
    """Whether a table counts some of all records, and leaves the others open."""
    return table.base is not None and table.base.universe is None and table.universe is not None


Bounds = tuple[Mapping[Level, float], Mapping[Level, float], float, float, str]
"""Least and most children of each zone, how many may be hidden by rounding, the number of parents, the table."""


def _bounds(spec: Spec, unit: Unit, zone: str) -> Bounds | None:
    """How many children each zone's parents can have, by the table that says most of it."""
    top = spec.schema.top
    count = top.variable(str(unit.count))
    assert isinstance(count, Numeric)
    found: list[tuple[float, float, Bounds]] = []
    for table in spec.targets:
        if not isinstance(table, Table) or (table.unit, table.value, table.universe) != (top.name, "count", None):
            continue
        held = _held(spec, table, zone)
        if held is None or table.trust < 1:
            continue
        ends = (count.range.low, np.ceil(count.range.high) - 1.0)
        low, high, rounded = dict[Level, float](), dict[Level, float](), _rounding(table) * ends[1]
        for at, cell, value in held:
            interval = cell[table.columns.index(count.name)] if count.name in table.columns else None
            own = (np.ceil(interval.low), np.ceil(interval.high) - 1.0) if isinstance(interval, Interval) else ends
            low[at] = low.get(at, 0.0) + max(value, 0.0) * float(own[0])
            high[at] = high.get(at, 0.0) + max(value, 0.0) * float(own[1])
        width = sum(high.values()) - sum(low.values())
        found.append((width, -table.importance, (low, high, rounded, sum(table.values), table.name)))
    return min(found, key=lambda entry: entry[:2])[2] if found else None


def _held(spec: Spec, table: Table, zone: str) -> list[tuple[Level, tuple[Level, ...], float]] | None:
    """Zone, cell and value of each row of a table that has the zone, or a finer level of its geography; otherwise None."""
    if zone in table.columns:
        place = table.columns.index(zone)
        return [(cell[place], cell, value) for cell, value in zip(table.cells, table.values, strict=True)]
    for place, name in enumerate(table.columns):
        above = _above(spec, zone, name)
        if above and len(above) > len(set(above.values())):
            rows = zip(table.cells, table.values, strict=True)
            return [(above[str(cell[place])], cell, value) for cell, value in rows]
    return None


def _rounding(table: Table) -> float:
    """What rounding may hide in one cell: nothing in counts to the record."""
    return 0.0 if table.resolution == WHOLE else 0.5 * table.resolution


def _room(spec: Spec, table: Table, what: tuple[Unit, str, str], bounds: Bounds) -> Room:
    unit, column, zone = what
    least, most, rounded, parents, sizes = bounds
    place = table.columns.index(column)
    asked, cells = dict[Level, float](), dict[Level, int]()
    for cell, value in zip(table.cells, table.values, strict=True):
        asked[cell[place]] = asked.get(cell[place], 0.0) + value
        cells[cell[place]] = cells.get(cell[place], 0) + 1
    hidden, margins = _rounding(table), dict.fromkeys(asked, 0.0)
    for cell, margin in zip(table.cells, table.margins_of_error or (0.0,) * len(table.cells), strict=True):
        margins[cell[place]] += margin
    variable = spec.schema.top.variable(zone)
    zones = [level for level in getattr(variable, "levels", ()) if level in asked or level in least]
    scale = parents / table.base.records if table.base is not None else 1.0
    part = _is_part(table)
    numbers = np.array([asked.get(z, 0.0) * scale for z in zones])
    low, high = (
        np.array([0.0 if part else least.get(z, 0.0) for z in zones]),
        np.array([most.get(z, 0.0) for z in zones]),
    )
    return Room(
        table=table,
        unit=unit,
        column=column,
        zones=tuple(zones),
        asked=numbers,
        least=low,
        most=high,
        slack=np.array([hidden * cells.get(z, 0) + margins.get(z, 0.0) + rounded for z in zones]),
        sizes=sizes,
        possible=np.clip(numbers, low, np.maximum(low, high)),
    )


def same_population(room: Room) -> bool:
    """Whether the counts can be of the same records at all: otherwise only their distributions mean anything."""
    return bool(room.least.sum() * 0.8 <= room.asked.sum() <= room.most.sum() * 1.2) or _is_part(room.table)


def unmet_rooms(spec: Spec) -> tuple[Room, ...]:
    """Tables with zones that cannot be met as they are."""
    found = (room for room in rooms(spec) if same_population(room))
    return tuple(room for room in found if np.abs(room.possible - room.asked).max(initial=0.0) > UNMOVED)


def possible_total(table: Table, found: Sequence[Room]) -> float:
    """What a table of children sums to once every zone has as many as it can have."""
    own = [room for room in found if room.table is table or (room.unit.name == table.unit and not _is_part(room.table))]
    change = sum(float((room.possible - room.asked).sum()) for room in own[:1])
    return sum(table.values) + change


def made_possible(goals: Goals, found: Sequence[Room]) -> tuple[Goals, tuple[Disagreement, ...]]:
    """Lead tables of children by zone to as many as each zone can have; their own distribution in each zone stays."""
    tables, entries = list(goals.tables), list[Disagreement]()
    for number, goal in enumerate(tables):
        for room in found:
            if room.table.name == goal.name:
                tables[number], more = _led(goal, room)
                entries += more
    return replace(goals, tables=tuple(tables)), tuple(entries)


def _led(goal: Goal, room: Room) -> tuple[Goal, list[Disagreement]]:
    place = goal.table.columns.index(room.column)
    factor = np.where(room.asked > 0, room.possible / np.maximum(room.asked, 1e-300), 1.0)
    by_zone = dict(zip(room.zones, factor, strict=True))
    shape = [1] * len(goal.shape)
    shape[place] = -1
    factors = np.array([by_zone.get(str(level), 1.0) for level in goal.levels[place]]).reshape(shape)
    shares = (goal.shares.reshape(goal.shape) * factors).ravel()
    if goal.table.base is None:
        shares = shares / max(float(shares.sum()), 1e-300)
    total = max(float(room.asked.sum()), 1e-300)
    off = np.flatnonzero(np.abs(room.possible - room.asked) > UNMOVED)
    hidden: Kind = "margin of error" if goal.table.margins_of_error is not None else "rounding"
    real = room.excess + room.lacking > 0
    return replace(goal, shares=shares), [
        Disagreement(
            table=goal.name,
            others=(room.sizes,),
            universe=str(goal.table.universe or ""),
            columns=(room.column,),
            cell=(room.zones[k],),
            stated=float(room.asked[k] / total),
            others_stated=(float(room.possible[k] / total),),
            used=float(room.possible[k] / total),
            kind="conflict" if real[k] else hidden,
        )
        for k in off
    ]
