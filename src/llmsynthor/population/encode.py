"""A starting population: records that are there already, as the start of an alignment and as its prior.

The prior is the tree of pairwise dependence that says most about them (Chow and Liu 1968): where a record must change, it
changes to something that the others make plausible.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmsynthor.aims.grid import Axis, Grid
from llmsynthor.errors import DataError, Problem
from llmsynthor.spec.schema import Category, Numeric

Codes = NDArray[np.int32]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Starting:
    """`codes` (records, variables) on the grid; `rows` (records,) of the frame that they come from, counted from 0."""

    frame: pl.DataFrame
    codes: Codes
    rows: NDArray[np.int64]


def begin_with(frame: pl.DataFrame, grid: Grid, records: int, *, rng: np.random.Generator) -> Starting:
    """Take as many records as asked for: each row as often as any other, give or take one. Raises DataError."""
    codes = encode(frame, grid)
    order = rng.permutation(frame.height)
    rows = order[(np.arange(records) * frame.height // records) % frame.height]
    if frame.height == records:
        rows = np.arange(records)
    return Starting(frame=frame, codes=np.ascontiguousarray(codes[rows]), rows=rows)


def encode(frame: pl.DataFrame, grid: Grid) -> Codes:
    """Find the code of every value, shape (records, variables); raises DataError that names every value without one."""
    problems: list[Problem] = []
    if not frame.height:
        problems.append(Problem(where="start", what="it holds no records", advice="give at least one record"))
    columns = [_encode(frame, axis, problems) for axis in grid.axes]
    if problems:
        raise DataError(*problems)
    return np.stack(columns, axis=1).astype(np.int32)


def _encode(frame: pl.DataFrame, axis: Axis, problems: list[Problem]) -> NDArray[np.int64]:
    where = f"start, column {axis.name}"
    if axis.name not in frame.columns:
        advice = f"give a column for every variable; the records have: {', '.join(frame.columns)}"
        problems.append(Problem(where=where, what="the column is missing", advice=advice))
        return np.zeros(frame.height, dtype=np.int64)
    column = frame[axis.name]
    if isinstance(axis.variable, Category):
        texts = column.cast(pl.String).to_list()
        index = {str(level): code for code, level in enumerate(axis.levels)}
        codes = np.array([index.get(text, -1) for text in texts], dtype=np.int64)
    elif isinstance(axis.variable, Numeric) and column.dtype.is_numeric():
        values = column.cast(pl.Float64).fill_null(float("nan")).to_numpy()
        codes = np.searchsorted(axis.breaks, values, side="right") - 1
        inside = (values >= axis.breaks[0]) & (values < axis.breaks[-1])
        codes = np.where(inside, codes, -1)
    else:
        problems.append(
            Problem(where=where, what="it holds no numbers", found=str(column.dtype), advice="give numbers")
        )
        return np.zeros(frame.height, dtype=np.int64)
    if (codes < 0).any():
        odd = column.filter(pl.Series(codes < 0)).unique().sort().head(5)
        advice = "correct the records, or the levels or the range in the spec"
        found = ", ".join(str(value) for value in odd)
        problems.append(Problem(where=where, what="values outside the domain", found=found, advice=advice))
    return np.asarray(codes)
