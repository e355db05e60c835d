"""What targets and rules say, in the codes of axes: tables, means, totals, quantiles, rules, and numbers of records."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.goals import Goal
from llmsynthor.aims.terrain import Key, Terrain, Truth, is_first
from llmsynthor.spec.levels import Level
from llmsynthor.spec.rules import Rule
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Statistic, Table

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tabled:
    """A table: `members[k]` (codes of axis k,) are places in column k; `low` and `high` (columns' levels, …) bound the shares."""

    name: str
    unit: str
    keys: tuple[Key, ...]
    members: tuple[NDArray[np.int64], ...]
    low: Floats
    high: Floats
    stated: Floats
    scale: float
    percent: bool
    levels: tuple[tuple[Level, ...], ...]
    universe: Truth | None = None
    anchor: frozenset[Key] = frozenset()

    @property
    def axes(self) -> frozenset[Key]:
        return self.anchor | frozenset(self.keys) | frozenset(self.universe.keys if self.universe is not None else ())

    def over(self, kept: frozenset[Key]) -> "Tabled | None":
        """The margin over some of its axes, None where it says nothing of them."""
        if self.axes <= kept:
            return self
        places = [k for k, key in enumerate(self.keys) if key in kept]
        if (
            not places
            or not self.anchor <= kept
            or (self.universe is not None and not frozenset(self.universe.keys) <= kept)
        ):
            return None
        others = tuple(k for k in range(len(self.keys)) if k not in places)
        return replace(
            self,
            keys=tuple(self.keys[k] for k in places),
            members=tuple(self.members[k] for k in places),
            levels=tuple(self.levels[k] for k in places),
            low=self.low.sum(axis=others),
            high=self.high.sum(axis=others),
            stated=self.stated.sum(axis=others),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Averaged:
    """A mean, total or quantile by groups: `low` and `high` (groups' levels, …) bound it; NaN where a group is not listed."""

    target: Statistic
    unit: str
    value: Key
    keys: tuple[Key, ...]
    members: tuple[NDArray[np.int64], ...]
    low: Floats
    high: Floats
    stated: Floats
    levels: tuple[tuple[Level, ...], ...]
    population: float | None
    universe: Truth | None = None
    anchor: frozenset[Key] = frozenset()

    @property
    def name(self) -> str:
        return self.target.name

    @property
    def axes(self) -> frozenset[Key]:
        universe = self.universe.keys if self.universe is not None else ()
        return self.anchor | frozenset((self.value, *self.keys, *universe))


@dataclass(frozen=True, slots=True, kw_only=True)
class Forbidden:
    """A rule on records of a unit: nowhere may `where` be surely true."""

    name: str
    unit: str
    where: Truth
    anchor: frozenset[Key] = frozenset()
    axes: frozenset[Key] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(
            self, "axes", self.anchor | frozenset(self.where.keys)
        )  # asked for often where rules are many


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered:
    """There are `low` to `high` records of `unit` for each record of the top unit, as the target named says by its total."""

    name: str
    unit: str
    low: float
    high: float
    stated: float
    scale: float
    axes: frozenset[Key] = frozenset()


def anchor(terrain: Terrain, unit: str, keys: Iterable[Key]) -> frozenset[Key]:
    """The smallest axis of a unit that a statement is about without naming one of its axes; nothing where it names one."""
    if any(key[0] == unit for key in keys):
        return frozenset()
    own = [(ground.size, key) for key, ground in terrain.axes.items() if key[0] == unit]
    return frozenset([min(own)[1]]) if own else frozenset()


Statement = Tabled | Averaged | Forbidden | Numbered


WHOLE = 1e-6
"""Records that a cell of whole numbers may be off where as many records are made as it counts: none but for rounding errors."""


def tabled(goal: Goal, terrain: Terrain, records: float | None = None) -> Tabled | None:
    """Say a table in codes; what rounding, tolerance and margins of error leave open is open.

    `records` are those of its unit that are made, where that is known: a census of just as many to the person leaves nothing open.
    """
    table, unit = goal.table, goal.table.unit
    if goal.trust < 1.0 or is_first(table.universe):
        return None
    owners = _owners(table.columns, unit)
    near = (unit, terrain.schema[unit].parent)
    kept = [k for k, key in enumerate(owners) if key in terrain.axes and key[0] in near]
    universe = terrain.truth(unit, table.universe.tree) if table.universe is not None else None
    if not kept or (table.universe is not None and (universe is None or len(kept) < len(owners))):
        return None
    low, high, stated = _bounds(goal, records)
    others = tuple(k for k in range(len(owners)) if k not in kept)
    return Tabled(
        name=goal.name,
        unit=unit,
        keys=tuple(owners[k] for k in kept),
        members=tuple(terrain.axes[owners[k]].members(goal.levels[k]) for k in kept),
        low=low.sum(axis=others),
        high=high.sum(axis=others),
        stated=stated.sum(axis=others),
        scale=max(abs(sum(table.values)), 1e-300),
        percent=table.value == "share",
        levels=tuple(goal.levels[k] for k in kept),
        universe=universe,
        anchor=anchor(terrain, unit, [owners[k] for k in kept]),
    )


def _owners(columns: Sequence[str], unit: str) -> list[Key]:
    return [(name.rpartition(".")[0] or unit, name.rpartition(".")[2]) for name in columns]


def _bounds(goal: Goal, made: float | None) -> tuple[Floats, Floats, Floats]:
    table = goal.table
    total = max(abs(sum(table.values)), 1e-300)
    records = table.tolerance_records / (total if table.value == "count" else 100.0)
    hidden = 0.5 * table.resolution / total
    whole = table.value == "count" and table.resolution <= 1 and all(value == round(value) for value in table.values)
    if made == total and whole and table.universe is None:
        hidden = WHOLE / total
    room = hidden + records + goal.errors + table.tolerance * np.maximum(goal.stated, goal.shares)
    low = np.maximum(np.minimum(goal.stated, goal.shares) - room, 0.0)
    high = np.maximum(goal.stated, goal.shares) + room
    if table.structural:
        high = np.where(goal.stated <= 0, 0.0, high)
    return low.reshape(goal.shape), high.reshape(goal.shape), goal.stated.reshape(goal.shape)


def averaged(target: Statistic, brought: Floats | None, population: float | None, terrain: Terrain) -> Averaged | None:
    """Say a mean, total or quantile in codes, where `brought` (groups,) is what sources agreed on.

    None where it is about what no axis holds. `population` is the number of records that a total is about.
    """
    owners, value = _owners(target.by, target.unit), _owners([target.variable], target.unit)[0]
    near = (target.unit, terrain.schema[target.unit].parent)
    if target.statistic not in ("mean", "total", "quantile"):
        return None
    if any(key not in terrain.axes or key[0] not in near for key in (value, *owners)) or is_first(target.universe):
        return None
    universe = terrain.truth(target.unit, target.universe.tree) if target.universe is not None else None
    if target.universe is not None and universe is None:
        return None
    levels = tuple(tuple(dict.fromkeys(cell[k] for cell in target.cells)) for k in range(len(owners)))
    shape = [len(column) for column in levels]
    stated, room = np.full(shape, np.nan), np.full(shape, np.nan)
    margins = target.margins_of_error or (0.0,) * len(target.cells)
    hidden = 0.5 * target.resolution
    for cell, number, margin in zip(target.cells, target.values, margins, strict=True):
        place = tuple(column.index(level) for column, level in zip(levels, cell, strict=True))
        stated[place], room[place] = number, hidden + margin + target.tolerance * abs(number)
    used = brought.reshape(shape) if brought is not None and brought.size == stated.size else stated
    return Averaged(
        target=target,
        unit=target.unit,
        value=value,
        keys=tuple(owners),
        members=tuple(terrain.axes[key].members(column) for key, column in zip(owners, levels, strict=True)),
        low=np.fmin(stated, used) - room,
        high=np.fmax(stated, used) + room,
        stated=stated,
        levels=levels,
        population=population,
        universe=universe,
        anchor=anchor(terrain, target.unit, (value, *owners)),
    )


def numbered(spec: Spec) -> Iterator[Numbered]:
    """What totals of counts say of the number of records of a unit for each of the top: where both are counted."""
    counts = {unit.name: _counted(spec, unit.name) for unit in spec.schema.units}
    top = counts[spec.schema.top.name]
    for unit in spec.schema.units[1:]:
        own = counts[unit.name]
        if top and own:
            numbers = [sum(table.values) for table in own]
            heads = [sum(table.values) for table in top]
            low, high = min(numbers) / max(heads), max(numbers) / min(heads)
            slack = 0.005 + max(0.5 * t.resolution * len(t.values) / sum(t.values) for t in (*own, *top))
            yield Numbered(
                name=own[0].name,
                unit=unit.name,
                low=low * (1 - slack),
                high=high * (1 + slack),
                stated=sum(own[0].values) / heads[0],
                scale=heads[0],
            )


def _counted(spec: Spec, unit: str) -> list[Table]:
    return [
        t
        for t in spec.targets
        if isinstance(t, Table)
        and (t.unit, t.value, t.universe) == (unit, "count", None)
        and t.trust >= 1
        and sum(t.values) > 0
    ]


def forbidden(rules: Iterable[Rule], terrain: Terrain) -> Iterator[Forbidden]:
    """The rules, each where it can be looked up."""
    for rule in rules:
        truth = terrain.truth(rule.unit, rule.forbid.tree)
        if truth is not None:
            yield Forbidden(name=rule.name, unit=rule.unit, where=truth, anchor=anchor(terrain, rule.unit, truth.keys))
