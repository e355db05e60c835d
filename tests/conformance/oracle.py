"""The oracle: records as plain Python trees, and targets that are counted and judged on them record by record.

Nothing here is the project's own code: a target's text is written for the spec, and beside it stands a Python function that says
the same. What the solver, its evaluation and its report say is held against these.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import polars as pl

Value = Any
Level = str | tuple[float, float]
"""A level of a category, or a half-open interval of numbers."""


@dataclass(slots=True)
class Record:
    """A record with all below it. `record["age"]` is its own or derived value, `record["household.tenure"]` one further up."""

    unit: str
    values: dict[str, Value]
    derived: Mapping[str, Callable[["Record"], Value]]
    parent: "Record | None" = None
    before: "Record | None" = None
    position: int = 1
    children: "list[Record]" = field(default_factory=list)

    def __getitem__(self, name: str) -> Value:
        unit, _, own = name.rpartition(".")
        if unit and unit != self.unit:
            return self.parent[name] if self.parent is not None else None
        if own == "position":
            return self.position
        return self.derived[own](self) if own in self.derived else self.values[own]

    def adopt(self, child: "Record") -> None:
        """Take a record as the last child."""
        child.parent, child.position = self, len(self.children) + 1
        child.before = self.children[-1] if self.children else None
        self.children.append(child)

    def walk(self, unit: str) -> "Iterator[Record]":
        """Give the records of a unit in this tree, in order."""
        if self.unit == unit:
            yield self
        for child in self.children:
            yield from child.walk(unit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A condition on the records of a unit, as the spec writes it and as Python decides it."""

    unit: str
    text: str
    holds: Callable[[Record], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Units, parents first: `units` as the spec writes them, `derived` as Python computes them, by unit and name."""

    units: Mapping[str, Mapping[str, Any]]
    derived: Mapping[str, Mapping[str, Callable[[Record], Value]]]

    @property
    def top(self) -> str:
        return next(iter(self.units))

    def record(self, unit: str, values: dict[str, Value]) -> Record:
        return Record(unit, values, self.derived.get(unit, {}))


def first(values: Sequence[Value]) -> Value:
    """Give the first value, None where there is none."""
    return values[0] if values else None


@dataclass(frozen=True, slots=True)
class Population:
    """Top records with all below them."""

    tops: tuple[Record, ...]

    def records(self, unit: str) -> list[Record]:
        return [record for top in self.tops for record in top.walk(unit)]

    def without(self, rules: Sequence[Condition]) -> "Population":
        """Leave out the top records in whose tree a condition holds anywhere."""
        return Population(
            tuple(top for top in self.tops if not any(rule.holds(r) for rule in rules for r in top.walk(rule.unit)))
        )

    def broken(self, rule: Condition) -> int:
        return sum(bool(rule.holds(record)) for record in self.records(rule.unit))


def read(frames: Mapping[str, pl.DataFrame], shape: Shape) -> Population:
    """Build the trees of written records; derived columns are left alone and computed anew."""
    known: dict[str, dict[int, Record]] = {}
    for unit, part in shape.units.items():
        known[unit] = {}
        for row in frames[unit].iter_rows(named=True):
            record = shape.record(unit, {name: row[name] for name in part["variables"]})
            known[unit][row[f"{unit}_id"]] = record
            if "parent" in part:
                known[part["parent"]][row[f"{part['parent']}_id"]].adopt(record)
    return Population(tuple(known[shape.top].values()))


def miscounted(population: Population, shape: Shape) -> int:
    """Count the parents that have another number of children than their count variable says."""
    parents = {part["parent"]: part["count"] for part in shape.units.values() if "parent" in part}
    return sum(len(r.children) != r[count] for unit, count in parents.items() for r in population.records(unit))


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table: a variable as the spec names it, and its levels."""

    name: str
    levels: tuple[Level, ...]

    def place(self, value: Value) -> int | None:
        """Give the number of the level that a value lies in, None where it lies in none."""
        for number, level in enumerate(self.levels):
            if value == level if isinstance(level, str) else value is not None and level[0] <= value < level[1]:
                return number
        return None


def say(level: Level) -> str:
    """Write a level as a cell of the spec."""
    return level if isinstance(level, str) else f"[{level[0]}, {level[1]})"


def _cell(columns: Sequence[Column], record: Record) -> tuple[int, ...] | None:
    places = [column.place(record[column.name]) for column in columns]
    return None if any(place is None for place in places) else tuple(place for place in places if place is not None)


def _inside(population: Population, unit: str, universe: Condition | None) -> list[Record]:
    return [record for record in population.records(unit) if universe is None or universe.holds(record)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table to be counted; `change` makes other values of the counts, as a source that disagrees; `more` are further keys.

    A `sparse` one leaves out cells of zero where all levels are still named.
    """

    name: str
    unit: str
    columns: tuple[Column, ...]
    value: str = "count"
    universe: Condition | None = None
    change: Callable[[list[float]], list[float]] | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
    margins: Callable[[list[float]], list[float]] | None = None
    values: tuple[float, ...] = ()
    sparse: bool = False

    def cells(self) -> list[tuple[int, ...]]:
        return list(product(*(range(len(column.levels)) for column in self.columns)))

    def counts(self, population: Population) -> tuple[list[float], int]:
        """Count the cells; returns the counts and how many records of the universe lie in none."""
        found, stray = dict.fromkeys(self.cells(), 0.0), 0
        for record in _inside(population, self.unit, self.universe):
            cell = _cell(self.columns, record)
            if cell is None:
                stray += 1
            else:
                found[cell] += 1
        return list(found.values()), stray

    def state(self, population: Population) -> "Table":
        """Take the values from a population."""
        counts, _ = self.counts(population)
        stated = self.change(counts) if self.change is not None else counts
        whole = sum(stated) if self.value == "share" else 1.0
        return replace(self, values=tuple(value / whole for value in stated))

    def document(self) -> dict[str, Any]:
        """Write the target for a spec."""
        margins = self.margins(list(self.values)) if self.margins is not None else None
        cells = []
        named = [cell for cell, value in zip(self.cells(), self.values, strict=True) if value]
        is_full = all({cell[k] for cell in named} == set(range(len(c.levels))) for k, c in enumerate(self.columns))
        for number, cell in enumerate(self.cells()):
            if self.sparse and is_full and not self.values[number]:
                continue
            row: dict[str, Any] = {c.name: say(c.levels[k]) for c, k in zip(self.columns, cell, strict=True)}
            row[self.value] = int(self.values[number]) if self.value == "count" else self.values[number]
            cells.append(row if margins is None else {**row, "margin": margins[number]})
        found = {"name": self.name, "unit": self.unit, "cells": cells, "value": self.value, **self.more}
        found |= {"universe": self.universe.text} if self.universe is not None else {}
        return found | ({"margin_of_error": "margin"} if margins is not None else {})

    def errors(self, population: Population) -> list[float]:
        """How many records each cell has too many, for the records in its universe; those in no cell stand at the end."""
        got, stray = self.counts(population)
        scale = (sum(got) + stray) / sum(self.values)
        return [*(a - b * scale for a, b in zip(got, self.values, strict=True)), float(stray)]

    def worst(self, population: Population) -> float:
        return max(abs(error) for error in self.errors(population))

    def is_exact(self, population: Population) -> bool:
        """Say whether no cell is a whole record off."""
        return self.worst(population) < 1 - 1e-6

    def holds(self, population: Population) -> bool:
        """Say whether every cell is within one record."""
        return self.worst(population) <= 1 + 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistic:
    """A mean, total or quantile to be computed: `kind` as the spec calls it, `whole` says that the variable is a whole number."""

    name: str
    unit: str
    kind: str
    variable: str
    whole: bool
    by: tuple[Column, ...] = ()
    universe: Condition | None = None
    probability: float | None = None
    change: Callable[[float], float] | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[tuple[int, ...], float] = field(default_factory=dict)
    stated_for: int = 0

    def groups(self, population: Population) -> dict[tuple[int, ...], list[float]]:
        """The values of each group, in order."""
        found: dict[tuple[int, ...], list[float]] = {}
        for record in _inside(population, self.unit, self.universe):
            cell, value = _cell(self.by, record), record[self.variable]
            if cell is not None and value is not None:
                found.setdefault(cell, []).append(float(value))
        return {cell: sorted(own) for cell, own in sorted(found.items())}

    def state(self, population: Population) -> "Statistic":
        """Take the values from a population; a group without records states nothing."""
        stated = {cell: self._of(own) for cell, own in self.groups(population).items()}
        change = self.change if self.change is not None else float
        values = {cell: change(value) for cell, value in stated.items()}
        return replace(self, values=values, stated_for=len(population.records(self.unit)))

    def _of(self, own: list[float]) -> float:
        if self.kind == "quantile":
            place = int((self.probability or 0.0) * len(own))
            return own[place] if self.whole else (own[max(place - 1, 0)] + own[place]) / 2
        return sum(own) / (len(own) if self.kind == "mean" else 1)

    def document(self) -> dict[str, Any]:
        """Write the target for a spec."""
        cells = [
            {**{c.name: say(c.levels[k]) for c, k in zip(self.by, cell, strict=True)}, self.kind: value}
            for cell, value in self.values.items()
        ]
        found = {"name": self.name, "unit": self.unit, self.kind: self.variable, "cells": cells, **self.more}
        found |= {"by": [column.name for column in self.by]} if self.by else {}
        found |= {"universe": self.universe.text} if self.universe is not None else {}
        return found | ({"probability": self.probability} if self.probability is not None else {})

    def errors(self, population: Population) -> list[float]:
        """How far off each group is, as a multiple of what rounding allows; infinite for a group without records."""
        groups, scale = self.groups(population), 1.0
        if self.kind == "total" and self.stated_for:
            scale = len(population.records(self.unit)) / self.stated_for
        return [self._error(groups.get(cell, []), value * scale) for cell, value in self.values.items()]

    def _error(self, own: list[float], value: float) -> float:
        if not own:
            return float("inf")
        if self.kind == "quantile":
            share, n = self.probability or 0.0, len(own)
            below, upto = sum(x < value for x in own), sum(x <= value for x in own)
            return max(below - share * n, share * n - upto, 0.0) / (1 + 1e-9)
        wanted = value * (len(own) if self.kind == "mean" else 1)
        return abs(sum(own) - wanted) / (0.5 + 1e-6 if self.whole else max(1e-6 * abs(wanted), 1e-9))

    def worst(self, population: Population) -> float:
        return max(self.errors(population), default=0.0)

    def holds(self, population: Population) -> bool:
        """Say whether each group's value holds: whole sums to the nearest, real ones to six digits, quantiles to a record."""
        return self.worst(population) <= 1

    is_exact = holds


Goal = Table | Statistic


def document(shape: Shape, goals: Sequence[Goal], rules: Sequence[Condition]) -> dict[str, Any]:
    """Write a spec of stated targets and rules."""
    return {
        "llmsynthor": 1,
        "name": "made",
        "units": {unit: dict(part) for unit, part in shape.units.items()},
        "targets": [goal.document() for goal in goals],
        "rules": [{"name": rule.text, "unit": rule.unit, "forbid": rule.text} for rule in rules],
    }
