"""Projections: from a record's codes to the cell of a table it falls in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.grid import Axis, Grid
from llmsynthor.errors import Problem, SpecError
from llmsynthor.spec.expressions import Expression, references
from llmsynthor.spec.levels import Interval, Level
from llmsynthor.spec.possibility import Box, Levels, Span, possible

OUTSIDE = -1
"""The cell of a record that lies outside a table's universe."""

LARGEST_BOX_COUNT = 20_000_000


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
    _check_size(grid, axes, " by ".join(columns))
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


def project_condition(grid: Grid, condition: Expression) -> tuple[Projection, NDArray[np.bool_], NDArray[np.bool_]]:
    """Project on the full box of the variables of a condition.

    Returns the projection and, for each of its cells, whether the condition may be true and may be false there.
    """
    axes = sorted(grid.position(reference.name) for reference in references(condition))
    sizes = [grid.axes[axis].size for axis in axes]
    boxes = _boxes(grid, axes, condition)
    true, false = possible(condition, boxes)
    cells = np.arange(len(true)).reshape(sizes)
    return pack(axes, [np.arange(size) for size in sizes], cells, len(true)), true, false


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
    _check_size(grid, axes, str(condition))
    codes = np.indices(sizes).reshape(len(sizes), -1)
    return {grid.axes[axis].name: _box(grid.axes[axis], codes[k]) for k, axis in enumerate(axes)}


def _check_size(grid: Grid, axes: Sequence[int], what: str) -> None:
    if np.prod([grid.axes[axis].size for axis in axes], dtype=float) > LARGEST_BOX_COUNT:
        raise SpecError(
            Problem(
                where=f'expression "{what}"',
                what="it joins variables with too many cells to be held as a table",
                found=" × ".join(f"{grid.axes[axis].name} {grid.axes[axis].size}" for axis in axes),
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
