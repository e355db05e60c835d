"""Codes: the cells of every variable of a unit (a grid), and from a record's codes to the cell of a table (a projection)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.told import classes_of, ends_of, first_of_each
from llmsynthor.errors import Problem, SpecError
from llmsynthor.spec.apart import Cells, look_apart
from llmsynthor.spec.expressions import Expression, references
from llmsynthor.spec.levels import Interval, Level
from llmsynthor.spec.possibility import Box, Levels, Span, possible
from llmsynthor.spec.schema import Coded, Numeric, Unit

OUTSIDE = -1
"""The cell of a record that lies outside a table's universe."""


LARGEST_BOX_COUNT = 20_000_000

UNEVEN = 50.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One variable on the grid: code k stands for `levels[k]`, a category's level or a half-open interval."""

    variable: Coded
    levels: tuple[Level, ...]

    @property
    def name(self) -> str:
        return self.variable.name

    @property
    def size(self) -> int:
        return len(self.levels)

    @property
    def breaks(self) -> NDArray[np.float64]:
        """Ends of the cells of a numeric axis, shape (size + 1,)."""
        low, high = ends_of(self.levels)
        return np.concatenate([low[:1], high])

    @property
    def measure(self) -> NDArray[np.float64]:
        """How many values each code stands for: its width, of whole numbers how many it holds, of a category's level one."""
        if not isinstance(self.levels[0], Interval):
            return np.ones(self.size)
        ends = np.ceil(self.breaks) if isinstance(self.variable, Numeric) and self.variable.integer else self.breaks
        return np.diff(ends)

    @property
    def uneven(self) -> bool:
        """Whether the cells are so unequal in width that only the density says how records are spread inside them."""
        return isinstance(self.levels[0], Interval) and bool(
            np.diff(self.breaks).max() > UNEVEN * np.diff(self.breaks).min()
        )

    def within(self, level: Level) -> NDArray[np.bool_]:
        """Say for each code whether its cell lies in `level`, shape (size,)."""
        if isinstance(level, str):
            inside = np.zeros(self.size, dtype=np.bool_)
            inside[[self.levels.index(level)] if level in self.levels else []] = True
            return inside
        return np.array([isinstance(own, Interval) and level.holds(own) for own in self.levels])


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed:
    """A derived variable as a function of own codes: `codes` over the box of the axes `sources`, row-major.

    A code behind the last stands for a value outside the range, or none. With `exact` the derived number has one value in each
    joint cell; if it enters sums, that is the lower end of its cell.
    """

    axis: Axis
    sources: tuple[int, ...]
    codes: NDArray[np.int64]
    exact: bool

    @property
    def name(self) -> str:
        return self.axis.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The axes of one unit, in the order of its columns of codes, and the derived variables that follow from them."""

    unit: Unit
    axes: tuple[Axis, ...]
    computed: tuple[Computed, ...] = ()

    def function(self, name: str) -> Computed | None:
        """The derived variable of that name, if it is one."""
        return next((entry for entry in self.computed if entry.name == name), None)

    def axis(self, name: str) -> Axis:
        """The axis of a variable, derived ones included; raises KeyError."""
        found = self.function(name)
        return found.axis if found is not None else self.axes[self.position(name)]

    def sources(self, name: str) -> tuple[int, ...]:
        """Columns of the codes that say where a variable lies: its own, or those that it is computed from."""
        found = self.function(name)
        return found.sources if found is not None else (self.position(name),)

    def position(self, name: str) -> int:
        """Column of the codes that holds the variable; raises KeyError."""
        for position, axis in enumerate(self.axes):
            if axis.name == name:
                return position
        raise KeyError(name)

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(axis.size for axis in self.axes)


def whole_or_not(axis: Axis, values: NDArray[np.float64]) -> NDArray[np.float64] | NDArray[np.int64]:
    """Give the values of an integer variable as whole numbers."""
    integer = isinstance(axis.variable, Numeric) and axis.variable.integer
    return np.floor(values).astype(np.int64) if integer else values


def draw_evenly(
    axis: Axis, codes: NDArray[np.int32] | NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.float64] | NDArray[np.int64]:
    """Draw a number evenly inside the cell of each code of a numeric axis."""
    low, high = axis.breaks[codes], axis.breaks[codes + 1]
    return whole_or_not(axis, np.minimum(low + (high - low) * rng.random(len(codes)), np.nextafter(high, low)))


def closed_box(axis: Axis, codes: NDArray[np.int64]) -> Box:
    """The values that a cell of each code can hold, both ends in, for interval arithmetic; shape (codes,)."""
    if not isinstance(axis.levels[0], Interval):
        return Levels(codes=codes, levels=tuple(str(level) for level in axis.levels))
    low, high = axis.breaks[codes], axis.breaks[codes + 1]
    if isinstance(axis.variable, Numeric) and axis.variable.integer:
        return Span(low=low, high=high, integer=True)
    return Span(low=low, high=np.nextafter(high, low), integer=False, closed=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """Map codes to cells: cell = `cells[Σ offsets[j][code of axes[j]]]`, OUTSIDE where no cell is meant.

    The offsets are already multiplied by the strides of the box that the axes span after merging codes that the table
    does not tell apart, so that a look-up costs one addition per axis, however fine the grid is.
    """

    axes: tuple[int, ...]
    offsets: tuple[NDArray[np.int64], ...]
    cells: NDArray[np.int64]
    size: int

    def of(self, codes: NDArray[np.int32]) -> NDArray[np.int64]:
        """Give the cell of each record, shape (records,)."""
        index = np.zeros(len(codes), dtype=np.int64)
        for axis, offset in zip(self.axes, self.offsets, strict=True):
            index += offset[codes[:, axis]]
        found: NDArray[np.int64] = self.cells[index]
        return found


def project_columns(
    grid: Grid, columns: Sequence[str], levels: Sequence[Sequence[Level]], universe: Expression | None
) -> Projection:
    """Project on a table whose column j has the distinct `levels[j]`; cells are numbered in row-major order of the levels."""
    shape = tuple(len(column) for column in levels)
    if any(grid.function(name) is not None for name in columns):
        return _project_jointly(grid, columns, levels, universe)
    members = [membership(grid.axes[grid.position(name)], column) for name, column in zip(columns, levels, strict=True)]
    axes = [grid.position(name) for name in columns]
    inside = np.ones(0, dtype=bool)
    names = (
        sorted({reference.name for reference in references(universe)} - set(columns)) if universe is not None else []
    )
    classes = [np.where(member < 0, size, member) for member, size in zip(members, shape, strict=True)]
    cells = np.full(tuple(size + 1 for size in shape), OUTSIDE, dtype=np.int64)
    cells[tuple(slice(0, size) for size in shape)] = np.arange(int(np.prod(shape))).reshape(shape)
    if universe is None:
        return pack(axes, classes, cells, int(np.prod(shape)))
    every = [*axes, *(grid.position(name) for name in names)]
    inside = _may(universe, grid, every)
    index = np.meshgrid(*classes, *(np.arange(grid.axes[axis].size) for axis in every[len(axes) :]), indexing="ij")
    dense = np.where(inside, cells[tuple(index[: len(axes)])], OUTSIDE)
    return pack(every, [np.arange(grid.axes[axis].size) for axis in every], dense, int(np.prod(shape)))


def _project_jointly(
    grid: Grid, columns: Sequence[str], levels: Sequence[Sequence[Level]], universe: Expression | None
) -> Projection:
    """Project on a table that has derived columns, over the box of all own variables that say where a record lies."""
    named = {position for name in columns for position in grid.sources(name)}
    named |= {grid.position(r.name) for r in references(universe)} if universe is not None else set()
    axes = sorted(named)
    sizes = [grid.axes[axis].size for axis in axes]
    _check_size([(grid.axes[axis].name, grid.axes[axis].size) for axis in axes], " by ".join(columns))
    place, inside = np.zeros(sizes, dtype=np.int64), np.ones(sizes, dtype=bool)
    for name, column in zip(columns, levels, strict=True):
        member = np.append(membership(grid.axis(name), column), OUTSIDE)[_codes_over(grid, name, axes)]
        place, inside = place * len(column) + np.maximum(member, 0), inside & (member >= 0)
    if universe is not None:
        inside = inside & _may(universe, grid, axes)
    cells = np.where(inside, place, OUTSIDE)
    classes = []
    for k in range(len(axes)):  # codes that the table does not tell apart are merged
        first, merged = np.unique(np.moveaxis(cells, k, 0).reshape(cells.shape[k], -1), axis=0, return_inverse=True)
        rest = [size for j, size in enumerate(cells.shape) if j != k]
        cells = np.moveaxis(first.reshape(len(first), *rest), 0, k)
        classes.append(merged.ravel())
    return pack(axes, classes, cells, int(np.prod([len(column) for column in levels])))


def _codes_over(grid: Grid, name: str, axes: Sequence[int]) -> NDArray[np.int64]:
    """Code of a variable, own or derived, in each cell of a box, of a shape that broadcasts to it."""
    entry = grid.function(name)
    sources = grid.sources(name)
    sizes = [grid.axes[axis].size for axis in sources]
    own = np.arange(sizes[0]) if entry is None else entry.codes
    shape = [grid.axes[axis].size if axis in sources else 1 for axis in axes]
    return own.reshape(sizes).reshape(shape)  # both are in the order of the axes


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """Where a condition may be true and may be false, for each cell of `projection`: codes that it does not tell apart are one.

    `picks[k]` has a code of each class of the k-th axis; `may` and `may_not` are row-major over the classes, and `mostly`, which
    says whether it is true in nearly every point of a cell: None where that is not known.
    """

    projection: Projection
    picks: tuple[NDArray[np.int64], ...]
    may: NDArray[np.bool_]
    may_not: NDArray[np.bool_]
    mostly: NDArray[np.bool_] | None = None


def look_up(grid: Grid, condition: Expression) -> Looked:
    """Project on the box of the variables of a condition."""
    axes = sorted(grid.position(reference.name) for reference in references(condition))
    apart = look_apart(
        condition.tree, [grid.axes[axis].name for axis in axes], [_cells(grid.axes[axis]) for axis in axes], nearly=True
    )
    if apart is not None:
        places = np.arange(apart.may.size).reshape(apart.may.shape)
        projection = pack(axes, apart.classes, places, apart.may.size)
        may, may_not = apart.may.ravel(), apart.may_not.ravel()
        mostly = apart.mostly if apart.mostly is None else apart.mostly.ravel()
        return Looked(projection=projection, picks=apart.picks, may=may, may_not=may_not, mostly=mostly)
    own = [_classes(grid.axes[axis], condition) for axis in axes]
    picks = [first_of_each(classes) for classes in own]
    sizes = [len(pick) for pick in picks]
    _check_size([(grid.axes[axis].name, size) for axis, size in zip(axes, sizes, strict=True)], str(condition))
    codes, number = np.indices(sizes).reshape(len(sizes), -1), int(np.prod(sizes))
    boxes = {grid.axes[axis].name: _box(grid.axes[axis], picks[k][codes[k]]) for k, axis in enumerate(axes)}
    may, may_not = possible(condition, boxes)
    projection = pack(axes, own, np.arange(number).reshape(sizes), number)
    return Looked(projection=projection, picks=tuple(picks), may=may, may_not=may_not)


def _cells(axis: Axis) -> Cells:
    return Cells(axis.levels, integer=isinstance(axis.variable, Numeric) and axis.variable.integer)


def _classes(axis: Axis, condition: Expression) -> NDArray[np.int64]:
    integer = isinstance(axis.variable, Numeric) and axis.variable.integer
    return classes_of(condition.tree, axis.name, axis.levels, integer=integer)


def possible_in_cells(
    grid: Grid, condition: Expression, columns: Sequence[str], levels: Sequence[Sequence[Level]]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Say for each cell of a table, row-major, whether a condition on its columns may be true, and may be false."""
    place = np.indices([len(column) for column in levels]).reshape(len(levels), -1)
    boxes: dict[str, Box] = {}
    for name, column, codes in zip(columns, levels, place, strict=True):
        intervals = [level for level in column if isinstance(level, Interval)]
        if intervals:
            low, high = np.array([level.low for level in intervals]), np.array([level.high for level in intervals])
            integer = getattr(grid.axis(name).variable, "integer", False)
            boxes[name] = Span(low=low[codes], high=high[codes], integer=integer)
        else:
            boxes[name] = Levels(codes=codes, levels=tuple(str(level) for level in column))
    return possible(condition, boxes)


def membership(axis: Axis, levels: Sequence[Level]) -> NDArray[np.int64]:
    """Give for each code of an axis the position of the level it lies in, OUTSIDE where it lies in none."""
    member = np.full(axis.size, OUTSIDE, dtype=np.int64)
    if isinstance(levels[0], str):
        index = {level: position for position, level in enumerate(levels)}
        return np.array([index.get(level, OUTSIDE) for level in axis.levels], dtype=np.int64)
    for position, level in enumerate(levels):
        member[axis.within(level)] = position
    return member


def _may(condition: Expression, grid: Grid, axes: Sequence[int]) -> NDArray[np.bool_]:
    true, _ = possible(condition, _boxes(grid, axes, condition))
    return true.reshape([grid.axes[axis].size for axis in axes])


def _boxes(grid: Grid, axes: Sequence[int], condition: Expression) -> Mapping[str, Box]:
    sizes = [grid.axes[axis].size for axis in axes]
    _check_size([(grid.axes[axis].name, grid.axes[axis].size) for axis in axes], str(condition))
    codes = np.indices(sizes).reshape(len(sizes), -1)
    return {grid.axes[axis].name: _box(grid.axes[axis], codes[k]) for k, axis in enumerate(axes)}


def _check_size(sizes: Sequence[tuple[str, int]], what: str) -> None:
    if np.prod([size for _, size in sizes], dtype=float) > LARGEST_BOX_COUNT:
        raise SpecError(
            Problem(
                where=f'expression "{what}"',
                what="it joins variables with too many cells to be held as a table",
                found=" × ".join(f"{name} {size}" for name, size in sizes),
                advice=f"split it into conditions that span at most {LARGEST_BOX_COUNT:,} combinations",
            )
        )


def _box(axis: Axis, codes: NDArray[np.int64]) -> Box:
    if isinstance(axis.levels[0], Interval):
        breaks = axis.breaks
        integer = getattr(axis.variable, "integer", False)
        return Span(low=breaks[codes], high=breaks[codes + 1], integer=integer)
    return Levels(codes=codes, levels=tuple(str(level) for level in axis.levels))


def pack(axes: Sequence[int], classes: Sequence[NDArray[np.int64]], cells: NDArray[np.int64], size: int) -> Projection:
    """Make a projection from the class of each code on each axis and the cell of each combination of classes.

    An axis that occurs twice (totals of incomes by income) is one: whoever changes its code finds all that this changes.
    """
    strides = [int(np.prod(cells.shape[k + 1 :])) for k in range(cells.ndim)]
    merged: dict[int, NDArray[np.int64]] = {}
    for axis, codes, stride in zip(axes, classes, strides, strict=True):
        merged[axis] = merged.get(axis, 0) + (codes * stride).astype(np.int64)
    return Projection(
        axes=tuple(merged), offsets=tuple(merged.values()), cells=np.ascontiguousarray(cells.ravel()), size=size
    )
