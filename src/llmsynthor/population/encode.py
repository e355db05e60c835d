"""Records that are there already, as codes on the grids of the aims: a starting population, or a few as evidence."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmsynthor.aims.aims import Aims
from llmsynthor.aims.goals import Goals
from llmsynthor.aims.grid import Axis, Grid
from llmsynthor.aims.layout import Layout
from llmsynthor.errors import DataError, Problem
from llmsynthor.population.roster import NO_PROPOSAL, Roster, rows_below
from llmsynthor.records.linked import link
from llmsynthor.records.weights import START_WEIGHT, with_weights
from llmsynthor.spec.schema import Category, Numeric, Schema, Unit

Codes = NDArray[np.int32]
Floats = NDArray[np.float64]
Rows = NDArray[np.int64]

MOST_ROUNDS, RAKED = 200, 1e-9
"""Rounds of raking at most, and the part of all weights whose change ends it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Starting:
    """A roster that begins where given records are; `rows[u]` (records,) are those of the frame of unit u, counted from 0."""

    frames: Mapping[str, pl.DataFrame]
    roster: Roster
    rows: tuple[Rows, ...]


def begin_with(frames: Mapping[str, pl.DataFrame], aims: Aims, records: int, *, rng: np.random.Generator) -> Starting:
    """Take as many top records as asked for, with all below: each as often as any other or as its weight says. Raises DataError."""
    layout = aims.layout
    frames, rows, lengths = _linked(frames, layout)
    problems = list[Problem]()
    several = len(layout.units) > 1
    codes = [
        encode(frames[unit.name], layout.own_grid(number), problems, f"start, {unit.name}" if several else "start")
        for number, unit in enumerate(layout.units)
    ]
    if problems:
        raise DataError(*problems)
    top = frames[layout.units[0].name]
    weights = _raked(top[START_WEIGHT].to_numpy(), codes[0], aims.own[0]) if START_WEIGHT in top.columns else None
    chosen = _chosen(top.height, weights, records, rng)
    taken, starts, kept = [chosen], [np.zeros(0, dtype=np.int32)], [np.zeros(0, dtype=np.int32)]
    for unit in range(1, len(layout.units)):
        above = taken[layout.parent(unit)]
        first, length = (np.cumsum(lengths[unit]) - lengths[unit])[above], lengths[unit][above].astype(np.int32)
        taken.append(rows[unit][rows_below(first, length)[0]])
        starts.append((np.cumsum(length) - length).astype(np.int32))
        kept.append(length)
    roster = Roster(
        codes=tuple(np.ascontiguousarray(own[source]) for own, source in zip(codes, taken, strict=True)),
        start=tuple(starts),
        length=tuple(kept),
        proposal=np.full(records, NO_PROPOSAL, dtype=np.int64),
    )
    return Starting(frames=frames, roster=roster, rows=tuple(taken))


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A few real records, all of them once, -1 where one has no value; `weights[u]` (records,) are those of unit u."""

    roster: Roster
    weights: tuple[Floats, ...]

    @property
    def is_complete(self) -> bool:
        """Whether every record has every variable, so that others can be computed."""
        return all((codes >= 0).all() for codes in self.roster.codes)


def evidence_of(frames: Mapping[str, pl.DataFrame], weight: str | None, aims: Aims) -> Evidence:
    """Read a few real records; columns and values may be missing. Raises DataError."""
    layout = aims.layout
    weighted = with_weights(frames, Schema(units=layout.units), weight)
    linked, rows, lengths = _linked(weighted, layout, where="seed")
    problems = list[Problem]()
    codes = [
        _in_part(linked[unit.name], layout.own_grid(number), problems, f"seed, {unit.name}")
        for number, unit in enumerate(layout.units)
    ]
    if problems:
        raise DataError(*problems)
    top = linked[layout.units[0].name]
    own = top[START_WEIGHT].to_numpy() if START_WEIGHT in top.columns else np.ones(top.height)
    starts, kept, weights = [np.zeros(0, dtype=np.int32)], [np.zeros(0, dtype=np.int32)], [own]
    for unit in range(1, len(layout.units)):
        length = lengths[unit].astype(np.int32)
        codes[unit] = codes[unit][rows[unit]]
        order = np.repeat(np.arange(len(length)), length)
        weights.append(weights[layout.parent(unit)][order])
        starts.append((np.cumsum(length) - length).astype(np.int32))
        kept.append(length)
    proposal = np.full(top.height, NO_PROPOSAL, dtype=np.int64)
    roster = Roster(codes=tuple(codes), start=tuple(starts), length=tuple(kept), proposal=proposal)
    return Evidence(roster=roster, weights=tuple(weights))


def _in_part(frame: pl.DataFrame, grid: Grid, problems: list[Problem], where: str) -> Codes:
    """Codes of what there is, -1 for columns and values that are missing."""
    columns = []
    for axis in grid.axes:
        codes = np.full(frame.height, -1, dtype=np.int64)
        if axis.name in frame.columns:
            there = frame[axis.name].is_not_null().to_numpy()
            found = frame.filter(pl.Series(there, dtype=pl.Boolean))
            codes[there] = _encode(found, axis, problems, f"{where}, column {axis.name}")
        columns.append(codes)
    return np.stack(columns, axis=1).astype(np.int32) if columns else np.zeros((frame.height, 0), dtype=np.int32)


def _raked(weights: Floats, codes: NDArray[np.int32], goals: Goals) -> Floats:
    """Bring weights of rows to the tables of their own variables by raking, as far as the rows have their cells."""
    found = np.asarray(weights, dtype=np.float64)
    tables = [(goal.projection.of(codes), goal.shares) for goal in goals.given]
    for _ in range(MOST_ROUNDS if tables else 0):
        before = found
        for cells, shares in tables:
            inside = cells >= 0
            sums = np.bincount(cells[inside], weights=found[inside], minlength=len(shares))
            wanted = shares * sums.sum() / max(float(shares[sums > 0].sum()), 1e-300)
            ratio = np.where(sums > 0, wanted / np.maximum(sums, 1e-300), 0.0)
            raked = found.copy()
            raked[inside] *= ratio[cells[inside]]
            found = raked if raked.sum() > 0 else found
        if np.abs(found - before).sum() <= RAKED * found.sum():
            break
    return found


def _chosen(height: int, weights: Floats | None, records: int, rng: np.random.Generator) -> Rows:
    """Rows of the top unit, each as often as any other, or as its weight says, give or take one."""
    order = rng.permutation(height)
    if weights is not None:
        mass = np.cumsum(weights[order])
        wanted = (np.arange(records) + rng.random()) * (mass[-1] / records)
        return np.asarray(order[np.minimum(np.searchsorted(mass, wanted, side="right"), height - 1)])
    return np.arange(records) if height == records else order[(np.arange(records) * height // records) % height]


def _linked(
    frames: Mapping[str, pl.DataFrame], layout: Layout, *, where: str = "start"
) -> tuple[Mapping[str, pl.DataFrame], list[Rows], list[Rows]]:
    """The frames with the variables that count children; rows of each unit by parent, and numbers per parent's row."""
    missing = [unit.name for unit in layout.units if unit.name not in frames]
    if missing:
        advice = f"give records of every unit: {', '.join(unit.name for unit in layout.units)}"
        what = f"there are no records of {', '.join(missing)}"
        raise DataError(Problem(where=where, what=what, found=", ".join(frames) or "nothing", advice=advice))
    complete, rows, lengths = dict(frames), [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for unit in layout.units[1:]:
        links = link(frames[str(unit.parent)], frames[unit.name], str(unit.parent), unit.name)
        rows.append(np.argsort(links.parents, kind="stable"))
        lengths.append(links.counts)
        complete[str(unit.parent)] = _with_count(complete[str(unit.parent)], unit, links.counts)
    return complete, rows, lengths


def _with_count(parents: pl.DataFrame, child: Unit, counts: Rows) -> pl.DataFrame:
    """The parents with the variable that counts their children; raises DataError where it says something else."""
    name = str(child.count)
    if name in parents.columns:
        stated = parents[name].cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()
        wrong = np.flatnonzero(stated != counts)
        if wrong.size:
            found = f"{stated[wrong[0]]:g} stated, {counts[wrong[0]]} there, and {wrong.size - 1:,} more"
            advice = f"correct {name}, or leave the column out"
            what = f"{name} does not count the records of {child.name}"
            raise DataError(Problem(where=f"start, {child.parent}", what=what, found=found, advice=advice))
    return parents.with_columns(pl.Series(name, counts))


def encode(frame: pl.DataFrame, grid: Grid, problems: list[Problem], where: str) -> Codes:
    """Find the code of every value, shape (records, variables); adds a problem for every column with values without one."""
    if not frame.height and grid.unit.parent is None:
        problems.append(Problem(where=where, what="it holds no records", advice="give at least one record"))
    columns = [_encode(frame, axis, problems, f"{where}, column {axis.name}") for axis in grid.axes]
    return np.stack(columns, axis=1).astype(np.int32) if columns else np.zeros((frame.height, 0), dtype=np.int32)


def _encode(frame: pl.DataFrame, axis: Axis, problems: list[Problem], where: str) -> NDArray[np.int64]:
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
