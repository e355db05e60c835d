"""The nouns of nested records: units, their columns, and the numbers that cells stand for."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.grid import Axis, Grid
from llmsynthor.spec.expressions import Expression, Reference
from llmsynthor.spec.schema import Category, Schema, Unit

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]
Place = tuple[int, int]
"""A column, by the number of its unit and its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A variable of a unit: its own, or computed from an expression (`derived`, or implied by a `universe` or a `rule`).

    A `value` is a derived number once more, finely cut: its sums are reckoned with it, and nobody is held to its cells.
    """

    axis: Axis
    role: Literal["own", "derived", "universe", "rule", "value"] = "own"
    expression: Expression | None = None

    @property
    def name(self) -> str:
        return self.axis.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """All units of a schema with their columns, own ones first.

    `order` lists the computed columns so that each comes behind those it uses. `values` has, for a numeric column that is no
    expression, the number that each of its codes stands for.
    """

    schema: Schema
    columns: tuple[tuple[Column, ...], ...]
    order: tuple[Place, ...]
    values: Mapping[Place, Floats]

    @property
    def units(self) -> tuple[Unit, ...]:
        return self.schema.units

    def number(self, unit: str) -> int:
        """Number of a unit; raises KeyError."""
        for number, candidate in enumerate(self.schema.units):
            if candidate.name == unit:
                return number
        raise KeyError(unit)

    def parent(self, unit: int) -> int:
        """Number of the parent unit, -1 for the top."""
        parent = self.schema.units[unit].parent
        return -1 if parent is None else self.number(parent)

    def lineage(self, unit: int) -> tuple[int, ...]:
        """The unit, its parent, and so on to the top."""
        found = [unit]
        while self.parent(found[-1]) >= 0:
            found.append(self.parent(found[-1]))
        return tuple(found)

    def descends(self, unit: int, other: int) -> bool:
        """Say whether records of `unit` lie below those of `other`."""
        return unit != other and other in self.lineage(unit)

    def n_own(self, unit: int) -> int:
        return sum(column.role == "own" for column in self.columns[unit])

    def place(self, unit: int, reference: Reference) -> Place | None:
        """Find the column that a reference in an expression of `unit` means; None where there is none."""
        owner = unit if reference.unit is None else self.number(reference.unit)
        for position, column in enumerate(self.columns[owner]):
            if column.name == reference.name:
                return owner, position
        return None

    def count_column(self, unit: int) -> Place:
        """The parent's column that says how many records of `unit` it has."""
        child = self.schema.units[unit]
        found = self.place(self.parent(unit), Reference(None, str(child.count)))
        assert found is not None
        return found

    def counting(self, unit: int) -> tuple[int, ...]:
        """Columns of a unit that count children: an alignment leaves them as they were drawn."""
        children = [k for k in range(len(self.units)) if self.parent(k) == unit]
        return tuple(sorted({self.count_column(child)[1] for child in children}))

    def own_grid(self, unit: int) -> Grid:
        """The grid of a unit's own variables alone."""
        axes = tuple(column.axis for column in self.columns[unit] if column.role == "own")
        return Grid(unit=self.units[unit], axes=axes)

    def wide_grid(self, unit: int) -> Grid:
        """All columns that a table of the unit may have: its own, its computed ones, then its ancestors' as `parent.name`."""
        return Grid(unit=self.units[unit], axes=tuple(axis for _, axis in self._wide(unit)))

    def wide_places(self, unit: int) -> tuple[Place, ...]:
        """Where each axis of the wide grid comes from."""
        return tuple(place for place, _ in self._wide(unit))

    def computed(self, unit: int) -> tuple[bool, ...]:
        """Whether each axis of the wide grid is computed from others."""
        return tuple(self.columns[owner][position].role != "own" for owner, position in self.wide_places(unit))

    def _wide(self, unit: int) -> list[tuple[Place, Axis]]:
        found = []
        for owner in self.lineage(unit):
            prefix = "" if owner == unit else f"{self.units[owner].name}."
            for position, column in enumerate(self.columns[owner]):
                found.append(((owner, position), _renamed(column.axis, prefix)))
        return found


def _renamed(axis: Axis, prefix: str) -> Axis:
    return replace(axis, variable=replace(axis.variable, name=prefix + axis.name)) if prefix else axis


def value_name(name: str) -> str:
    """Name of the finely cut column of a derived number."""
    return f"value of {name}"


def flag_axis(name: str) -> Axis:
    """An axis for a condition: code 1 where it holds."""
    return Axis(variable=Category(name=name, levels=("no", "yes")), levels=("no", "yes"))
