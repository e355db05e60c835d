"""Targets and rules of the spec, brought onto the grid."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmsynthor.spec.levels import Interval, Level
from llmsynthor.spec.rules import Rule
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Table
from llmsynthor.synthesis.grid import Grid
from llmsynthor.synthesis.moments import Moment, bring_moments
from llmsynthor.synthesis.projection import Projection, project_columns, project_condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A table on the grid. `shares` has one entry per cell of the product of `levels`, row-major, and sums to 1."""

    table: Table
    levels: tuple[tuple[Level, ...], ...]
    projection: Projection
    shares: NDArray[np.float64]

    @property
    def name(self) -> str:
        return self.table.name

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(len(column) for column in self.levels)

    def cell(self, number: int) -> tuple[Level, ...]:
        """Name the levels of a cell."""
        position = np.unravel_index(number, self.shape)
        return tuple(column[int(k)] for column, k in zip(self.levels, position, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class StructuralZeros:
    """Cells that no record may fall in. `doubtful` cells may hold forbidden records: their values are drawn under the rule."""

    rule: Rule
    projection: Projection
    forbidden: NDArray[np.bool_]
    doubtful: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Goals:
    """All that the records of one unit must meet."""

    grid: Grid
    tables: tuple[Goal, ...]
    zeros: tuple[StructuralZeros, ...]
    moments: tuple[Moment, ...] = ()

    def margins(self) -> tuple[NDArray[np.float64], ...]:
        """One-way shares on the grid, a vector per axis: from the table that cuts the variable finest, spread by width."""
        return tuple(_margin(self.grid, self.tables, axis) for axis in range(len(self.grid.axes)))


def bring_to_grid(spec: Spec, grid: Grid) -> Goals:
    """Collect the tables and rules of the grid's unit."""
    tables = [t for t in spec.targets if t.unit == grid.unit.name and isinstance(t, Table)]
    rules = [rule for rule in spec.rules if rule.unit == grid.unit.name]
    return Goals(
        grid=grid,
        tables=tuple(_goal(t, grid) for t in tables),
        zeros=tuple(_zeros(rule, grid) for rule in rules),
        moments=bring_moments(spec, grid),
    )


def _goal(table: Table, grid: Grid) -> Goal:
    levels = tuple(_distinct([cell[k] for cell in table.cells]) for k in range(len(table.columns)))
    index = [{level: position for position, level in enumerate(column)} for column in levels]
    shape = tuple(len(column) for column in levels)
    shares = np.zeros(shape)
    for cell, value in zip(table.cells, table.values, strict=True):
        shares[tuple(positions[level] for positions, level in zip(index, cell, strict=True))] += value
    projection = project_columns(grid, table.columns, levels, table.universe)
    return Goal(table=table, levels=levels, projection=projection, shares=shares.ravel() / shares.sum())


def _distinct(levels: Sequence[Level]) -> tuple[Level, ...]:
    intervals = sorted({level for level in levels if isinstance(level, Interval)})
    names = dict.fromkeys(level for level in levels if isinstance(level, str))
    return (*intervals, *names)


def _zeros(rule: Rule, grid: Grid) -> StructuralZeros:
    projection, may_break, may_hold = project_condition(grid, rule.forbid)
    return StructuralZeros(
        rule=rule, projection=projection, forbidden=may_break & ~may_hold, doubtful=may_break & may_hold
    )


def _margin(grid: Grid, tables: Sequence[Goal], axis: int) -> NDArray[np.float64]:
    name, size = grid.axes[axis].name, grid.axes[axis].size
    width = np.diff(grid.axes[axis].breaks) if isinstance(grid.axes[axis].levels[0], Interval) else np.ones(size)
    cutting = [goal for goal in tables if name in goal.table.columns and goal.table.universe is None]
    if not cutting:
        return np.asarray(width / width.sum())
    goal = max(cutting, key=lambda goal: (goal.shape[goal.table.columns.index(name)], -len(goal.shape)))
    column = goal.table.columns.index(name)
    own = goal.shares.reshape(goal.shape).sum(axis=tuple(k for k in range(len(goal.shape)) if k != column))
    shares = np.zeros(size)
    for level, share in zip(goal.levels[column], own, strict=True):
        inside = grid.axes[axis].within(level)
        shares[inside] = share * width[inside] / width[inside].sum()
    return shares
