"""Targets and rules of the spec, brought onto the grid."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmsynthor.aims.density import Density, even_density
from llmsynthor.aims.grid import Axis, Grid, Looked, Projection, draw_evenly, look_up, project_columns
from llmsynthor.aims.laws import base_density
from llmsynthor.aims.moments import Moment, bring_moments
from llmsynthor.aims.quantiles import QuantileGoal, bring_quantiles
from llmsynthor.aims.seconds import bring_seconds
from llmsynthor.aims.uses import Uses, read_uses
from llmsynthor.records.evaluate import evaluate
from llmsynthor.spec.coded import coded_columns
from llmsynthor.spec.expressions import Expression
from llmsynthor.spec.levels import Interval, Level
from llmsynthor.spec.rules import Rule
from llmsynthor.spec.schema import Category, Numeric
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Table

Floats = NDArray[np.float64]

TRIED_POINTS = 64
MOST_POINTS = 500_000
"""Points that a rule is tried on at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A table on the grid. `shares` has one entry per cell of the product of `levels`, row-major, and sums to 1.

    `stated` are the shares as the table gives them; `shares` are what the records are led to, and differ from them only where
    sources contradict each other (see `reconcile`). `universe_share` is the share of all records that the table is about, as
    far as one-way shares tell. `errors` are margins of error in shares, zero where none are given. `about` names the records that
    the table is about: its universe, empty for all (see `about`). `is_shape`: no source says it, see `shapes`.
    """

    table: Table
    levels: tuple[tuple[Level, ...], ...]
    projection: Projection
    shares: Floats
    stated: Floats
    errors: Floats
    universe_share: float = 1.0
    about: str = ""
    is_shape: bool = False

    @property
    def trust(self) -> float:
        return self.table.trust

    @property
    def weights(self) -> Floats:
        """How dear an error of a cell is beside others: importance over the squared margin of error, relative to its mean."""
        scale = self.errors.mean() or 1.0
        return np.asarray(self.table.importance / (1.0 + (self.errors / scale) ** 2))

    @property
    def per_base(self) -> float:
        """Records that a table of absolute counts wants for each record of its base, 1 for all others."""
        return sum(self.table.values) / self.table.base.records if self.table.base is not None else 1.0

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
    """Cells that no record may fall in, because of a rule or a table's own zeros (`rule` None).

    `doubtful` cells may hold forbidden records: their values are drawn under the rule.
    """

    rule: Rule | None
    projection: Projection
    forbidden: NDArray[np.bool_]
    doubtful: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Goals:
    """All that the records of one unit must meet; `densities` are the base densities of the axes, None for a category.

    `frame` is the axis that is drawn exactly and never redrawn (see `frames`), -1 for none.
    """

    grid: Grid
    tables: tuple[Goal, ...]
    zeros: tuple[StructuralZeros, ...]
    moments: tuple[Moment, ...] = ()
    quantiles: tuple[QuantileGoal, ...] = ()
    densities: tuple[Density | None, ...] = ()
    frame: int = -1

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all targets that are to be met: tables, means and totals, quantiles."""
        return (*(goal.name for goal in self.given), *self.numeric)

    @property
    def numeric(self) -> tuple[str, ...]:
        """Names of the means, totals and quantiles."""
        names = (*(m.target.name for m in self.moments), *(q.target.name for q in self.quantiles))
        return tuple(dict.fromkeys(names))

    @property
    def given(self) -> tuple[Goal, ...]:
        """The tables that whole records are walked to; soft ones, such as estimates, left out."""
        return tuple(goal for goal in self.tables if goal.trust >= 1)

    def density(self, axis: int) -> Density:
        """The base density of a numeric axis: even where none is known."""
        known = self.densities[axis] if self.densities else None
        ends = self.grid.axes[axis].breaks[[0, -1]]
        return known if known is not None else even_density(float(ends[0]), float(ends[1]))

    def margins(self) -> tuple[Floats, ...]:
        """One-way shares on the grid, a vector per axis: from the table that cuts the variable finest, spread by its density.

        Where no table cuts a number, its first mean tilts the density, all groups alike.
        """
        about = dict[str, list[Goal]]()
        for goal in self.given:
            for name in goal.table.columns if goal.table.universe is None else ():
                about.setdefault(name, []).append(goal)
        return tuple(self._margin(axis, about.get(own.name, ())) for axis, own in enumerate(self.grid.axes))

    def _margin(self, axis: int, about: Sequence[Goal]) -> Floats:
        base = self.spread(axis)
        if about:
            return _margin(self.grid, about, axis, base)
        first = next((moment for moment in self.moments if moment.axis == axis), None)
        if first is None:
            return base
        tilted = base * np.exp(first.start.reshape(first.groups, -1))
        return np.asarray((tilted / tilted.sum(axis=1, keepdims=True)).mean(axis=0))

    def spread(self, axis: int) -> Floats:
        """Share of each code of an axis by its base density; all levels of a category are alike."""
        own = self.grid.axes[axis]
        if not isinstance(own.levels[0], Interval):
            return np.full(own.size, 1.0 / own.size)
        ends = np.ceil(own.breaks) if getattr(own.variable, "integer", False) else own.breaks
        held = np.maximum(self.density(axis).held(ends), 1e-12)
        return np.asarray(held / held.sum())


def bring_to_grid(spec: Spec, grid: Grid) -> Goals:
    """Collect the targets and rules of the grid's unit."""
    return bring_goals(spec, grid, read_uses(spec))


def bring_goals(spec: Spec, grid: Grid, uses: Uses) -> Goals:
    """The same where the uses of the variables are known."""
    tables = [t for t in spec.targets if t.unit == grid.unit.name and isinstance(t, Table)]
    rules = [rule for rule in spec.rules if rule.unit == grid.unit.name]
    goals = tuple(bring_table(t, grid) for t in tables)
    about = dict[str, list[Goal]]()
    for goal in goals:
        for name in goal.table.columns:
            about.setdefault(name, []).append(goal)
    shares = [_margin(grid, about.get(own.name, ()), axis, own.measure) for axis, own in enumerate(grid.axes)]
    numbers = [axis.variable if isinstance(axis.variable, Numeric) else None for axis in grid.axes]
    return Goals(
        grid=grid,
        tables=tuple(replace(goal, universe_share=_universe_share(goal, shares)) for goal in goals),
        zeros=(*(_zeros(rule, grid) for rule in rules), *(_own_zeros(goal) for goal in goals if goal.table.structural)),
        moments=(*bring_moments(spec, grid, uses), *bring_seconds(spec, grid, uses)),
        quantiles=bring_quantiles(spec, grid),
        densities=tuple(
            None if number is None else base_density(uses[grid.unit.name, number.name]) for number in numbers
        ),
    )


def with_tables(goals: Goals, tables: Sequence[Table]) -> Goals:
    """Add tables behind those that there are; they must cut no variable finer than the grid."""
    return replace(goals, tables=(*goals.tables, *(bring_table(table, goals.grid) for table in tables)))


def _own_zeros(goal: Goal) -> StructuralZeros:
    forbidden = goal.stated <= 0
    projection = goal.projection
    outside = projection.cells < 0
    if outside.any():  # records outside the universe need a cell of their own, which is open
        cells = np.where(outside, projection.size, projection.cells)
        projection = replace(projection, cells=cells, size=projection.size + 1)
        forbidden = np.append(forbidden, False)
    return StructuralZeros(
        rule=None, projection=projection, forbidden=forbidden, doubtful=np.zeros(len(forbidden), dtype=bool)
    )


def bring_table(table: Table, grid: Grid, projection: Projection | None = None) -> Goal:
    """Bring one table onto a grid; with a projection of its levels where it is known already."""
    levels = table_levels(table, grid)
    index = [{level: position for position, level in enumerate(column)} for column in levels]
    shape = tuple(len(column) for column in levels)
    places = [
        np.array([positions[level] for level in own])[codes]
        for positions, (own, codes) in zip(index, coded_columns(table), strict=True)
    ]
    values, errors = np.zeros(shape), np.zeros(shape)
    np.add.at(values, tuple(places), np.array(table.values))
    if table.margins_of_error is not None:
        np.add.at(errors, tuple(places), np.array(table.margins_of_error))
    stated = nearest_shares(values.ravel())
    return Goal(
        table=table,
        levels=levels,
        projection=projection or project_columns(grid, table.columns, levels, table.universe),
        shares=stated,
        stated=stated,
        errors=errors.ravel() / max(values.sum(), 1e-300),
        about=str(table.universe or ""),
    )


def nearest_shares(values: Floats) -> Floats:
    """Give shares that sum to 1; where noise made values negative, the nearest point without negative ones.

    Euclidean projection on the simplex of the same total (Held, Wolfe, Crowder 1974), so that dropping negative noise does
    not raise the total.

    >>> nearest_shares(np.array([6.0, 5.0, -1.0]))
    array([0.55, 0.45, 0.  ])
    """
    total = values.sum()
    if values.min() >= 0:
        return np.asarray(values / total)
    ordered = np.sort(values)[::-1]
    excess = (np.cumsum(ordered) - total) / np.arange(1, len(values) + 1)
    shift = excess[np.flatnonzero(ordered > excess)[-1]]
    return np.asarray(np.maximum(values - shift, 0.0) / np.maximum(values - shift, 0.0).sum())


def _universe_share(goal: Goal, shares: Sequence[Floats]) -> float:
    if goal.table.universe is None:
        return 1.0
    index, weight = np.zeros(1, dtype=np.int64), np.ones(1)
    for axis, offset in zip(goal.projection.axes, goal.projection.offsets, strict=True):
        index = (index[:, None] + offset[None, :]).ravel()
        weight = (weight[:, None] * shares[axis][None, :]).ravel()
    return float(weight[goal.projection.cells[index] >= 0].sum())


def table_levels(table: Table, grid: Grid) -> tuple[tuple[Level, ...], ...]:
    """The levels of each column of a table, in the order in which its cells are numbered."""
    axes = [grid.axis(name) for name in table.columns]
    return tuple(_levels_of(axis, [cell[k] for cell in table.cells]) for k, axis in enumerate(axes))


def _levels_of(axis: Axis, listed: Sequence[Level]) -> tuple[Level, ...]:
    """All levels of a category, since one that a table does not list is a zero; the table's own intervals of a number."""
    if isinstance(axis.variable, Category):
        return axis.levels
    return tuple(sorted({level for level in listed if isinstance(level, Interval)}))


def _zeros(rule: Rule, grid: Grid) -> StructuralZeros:
    looked = look_up(grid, rule.forbid)
    doubtful, forbidden = looked.may & looked.may_not, ~looked.may_not
    hopeless = _hopeless(grid, rule.forbid, looked)
    doubtful[hopeless], forbidden[hopeless] = False, True
    return StructuralZeros(rule=rule, projection=looked.projection, forbidden=forbidden, doubtful=doubtful)


def _hopeless(grid: Grid, forbidden: Expression, looked: Looked) -> NDArray[np.int64]:
    """Of cells that a rule cuts through, find those where hardly a drawn point is allowed: they are closed as a whole."""
    boxes = np.flatnonzero(looked.may & looked.may_not)
    if not len(boxes):
        return boxes
    if looked.mostly is not None:
        return boxes[looked.mostly[boxes]]
    places = np.unravel_index(boxes, [len(pick) for pick in looked.picks])
    codes = [pick[place] for pick, place in zip(looked.picks, places, strict=True)]
    rng = np.random.default_rng(0)
    own = [grid.axes[axis] for axis in looked.projection.axes]
    allowed = np.zeros(len(boxes), dtype=np.int64)
    together = max(1, MOST_POINTS // len(boxes))
    for first in range(0, TRIED_POINTS, together):
        tries = range(first, min(first + together, TRIED_POINTS))
        drawn = [[_point(axis, code, rng) for axis, code in zip(own, codes, strict=True)] for _ in tries]
        columns = {axis.name: pl.concat(points) for axis, points in zip(own, zip(*drawn, strict=True), strict=True)}
        free = ~evaluate(forbidden, pl.DataFrame(columns)).fill_null(value=False).to_numpy()
        allowed += free.reshape(len(tries), len(boxes)).sum(axis=0)
    few: NDArray[np.int64] = boxes[allowed < 2]
    return few


def _point(axis: Axis, codes: NDArray[np.int64], rng: np.random.Generator) -> pl.Series:
    if isinstance(axis.variable, Category):
        return pl.Series([str(level) for level in axis.levels]).gather(pl.Series(codes.astype(np.uint32)))
    return pl.Series(draw_evenly(axis, codes, rng))


def finest_table(tables: Sequence[Goal], name: str) -> Goal | None:
    """Find the table that cuts a variable into most cells; among equals the one with more columns."""
    having = [goal for goal in tables if name in goal.table.columns]
    if not having:
        return None
    return max(having, key=lambda goal: (goal.shape[goal.table.columns.index(name)], len(goal.shape)))


def _margin(grid: Grid, tables: Sequence[Goal], axis: int, width: Floats) -> Floats:
    """Shares of the codes of an axis by the table that cuts it finest, spread inside its cells in proportion to `width`."""
    name, size = grid.axes[axis].name, grid.axes[axis].size
    cutting = [goal for goal in tables if name in goal.table.columns and goal.table.universe is None]
    if not cutting:
        return np.asarray(width / width.sum())
    goal = max(cutting, key=lambda goal: (goal.shape[goal.table.columns.index(name)], -len(goal.shape)))
    column = goal.table.columns.index(name)
    own = goal.shares.reshape(goal.shape).sum(axis=tuple(k for k in range(len(goal.shape)) if k != column))
    shares = np.zeros(size)
    if goal.levels[column] == grid.axes[axis].levels:
        return np.asarray(own)
    if isinstance(grid.axes[axis].variable, Category):
        at = {level: code for code, level in enumerate(grid.axes[axis].levels)}
        there = np.array([level in at for level in goal.levels[column]], dtype=np.bool_)
        codes = np.array([at[level] for level in goal.levels[column] if level in at], dtype=np.int64)
        shares[codes] = own[there] * width[codes] / width[codes]
        return shares
    for level, share in zip(goal.levels[column], own, strict=True):
        inside = grid.axes[axis].within(level)
        shares[inside] = share * width[inside] / width[inside].sum()
    return shares
