"""How each target was met by finished records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmsynthor.aims.laws import stated_population
from llmsynthor.aims.moments import COMPUTED_CELLS
from llmsynthor.aims.words import say_cell, say_missing
from llmsynthor.records.linked import Nested, column, nest
from llmsynthor.records.measure import cell_numbers, statistic_cells
from llmsynthor.records.seconds import power_sums, second_moment, second_rounding
from llmsynthor.spec.inputs import Column, derived_below, target_columns
from llmsynthor.spec.levels import Level
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import MAXIMUM_ENTROPY, Statistic, Table, Target, last_digit

Status = Literal["met", "within tolerance", "within rounding", "within margin of error", "leaned towards", "unmet"]
Floats = NDArray[np.float64]

LLM = "llm "
"""How the source of a table begins that the LLM has estimated in this run."""

NUMERIC_ROUNDING = 1e-6
"""A mean of real numbers is met when it agrees to six digits; of whole numbers, when no other whole sum is nearer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A target beside what the records have, cell by cell.

    Of a table `wanted` are records, scaled to the records in its universe, and `got` counts; of a mean, total or quantile both
    are in its own unit. `tvd` is NaN for those. "met" says that no cell is a whole record off, or that a statistic holds to
    rounding.
    """

    target: Target
    wanted: Floats
    got: Floats
    tvd: float
    status: Status

    @property
    def largest_error(self) -> float:
        errors = np.abs(self.got - self.wanted)
        return float(np.nanmax(errors)) if errors.size and not np.isnan(errors).all() else 0.0

    @property
    def records(self) -> float:
        return float(self.wanted.sum()) if isinstance(self.target, Table) else float("nan")

    def worst(self, most: int) -> tuple[str, ...]:
        """Name the cells that are furthest off, a record or more."""
        if self.status == "met":
            return ()
        order = np.argsort(-np.abs(np.nan_to_num(self.got - self.wanted)), kind="stable")[:most]
        return tuple(self._say(int(k)) for k in order if abs(self.got[k] - self.wanted[k]) >= self._least())

    def _least(self) -> float:
        return 1.0 - 1e-6 if isinstance(self.target, Table) else 1e-9

    def _say(self, cell: int) -> str:
        if isinstance(self.target, Table):
            return say_missing(self.target.columns, self._levels(cell), self.wanted[cell] - self.got[cell])
        where = say_cell(self.target.by, self._levels(cell)) or "all records"
        got, wanted = (f"{x:,.0f}" if abs(x) >= 10_000 else f"{x:,.4g}" for x in (self.got[cell], self.wanted[cell]))
        return f"{where}: {self.target.variable} {got} instead of {wanted}"

    def _levels(self, cell: int) -> tuple[Level, ...]:
        return self.target.cells[cell]


def compare(spec: Spec, records: Mapping[str, pl.DataFrame]) -> tuple[Comparison, ...]:
    """Compare every target whose unit was made; derived variables are computed from the records. Raises DataError."""
    named = [target_columns(target) for target in spec.targets if target.unit in records]
    return compare_nested(
        spec, nest(records, spec.schema, only=derived_below(frozenset[Column]().union(*named), spec.schema))
    )


def compare_nested(spec: Spec, nested: Nested) -> tuple[Comparison, ...]:
    """Compare every target whose unit is there."""
    return tuple(
        _table(nested, target) if isinstance(target, Table) else compare_statistic(spec, target, nested)
        for target in spec.targets
        if target.unit in nested.frames
    )


def _table(nested: Nested, table: Table) -> Comparison:
    cells = cell_numbers(nested, table)
    got = np.bincount(cells[cells >= 0], minlength=len(table.cells)).astype(np.float64)
    shares = np.array(table.values) / sum(table.values)
    universe = len(cells) if table.universe is None else int(got.sum())
    wanted = shares * universe
    stray = universe - got.sum()
    tvd = float((np.abs(got - wanted).sum() + stray) / (2 * universe)) if universe else 1.0
    return Comparison(
        target=table,
        wanted=wanted,
        got=got,
        tvd=tvd,
        status=_status(table, wanted, got, stray) if universe else "unmet",
    )


def _status(table: Table, wanted: Floats, got: Floats, stray: float) -> Status:
    error = np.abs(got - wanted)
    if stray < 1 and bool((error < 1.0 - 1e-6).all() | (error < 1e-6).all()):
        return "met"
    allowed = np.maximum(1.0, table.tolerance * np.abs(wanted))
    if stray < 1 and bool((error <= allowed).all()):
        return "within tolerance"
    scale = wanted.sum() / sum(table.values)
    if stray < 1 and bool((error <= np.maximum(allowed, 0.5 * table.last_digit * scale + 1)).all()):
        return "within rounding"
    margins = np.array(table.margins_of_error) if table.margins_of_error is not None else np.zeros(len(wanted))
    if stray < 1 and bool((error <= np.maximum(allowed, margins * scale)).all()):
        return "within margin of error"
    return "unmet" if table.trust >= 1 else "leaned towards"


def compare_statistic(spec: Spec, target: Statistic, nested: Nested) -> Comparison:
    """Compare a mean, total or quantile, group by group."""
    every, values = statistic_cells(nested, target)
    cells, records = every, len(every)
    cells, values = cells[cells >= 0], values[cells >= 0]
    counts = np.bincount(cells, minlength=len(target.cells)).astype(np.float64)
    wanted = np.array(target.values)
    if target.statistic in ("deviation", "correlation"):
        got = second_moment(target, power_sums(nested, target, every))
        rounding = second_rounding(target, counts)
    elif target.statistic == "quantile":
        got, rounding = _quantiles(target, values, cells, counts)
    else:
        got, rounding = _sums(target, values, cells, counts)
        if target.statistic == "total":
            population = stated_population(spec, target.unit)
            wanted = wanted * (records / population if population else 1.0)
        if not column(nested, target.unit, target.variable).dtype.is_integer():
            rounding = NUMERIC_ROUNDING * np.maximum(np.abs(wanted), 1e-12)
        if _is_derived(spec, target) and len(values):
            each = np.maximum(counts, 1.0) if target.statistic == "mean" else 1.0
            rounding = np.maximum(rounding, 0.5 * float(np.ptp(values)) / COMPUTED_CELLS / each)
    error = np.where(np.isnan(got), np.inf, np.abs(np.nan_to_num(got) - wanted))
    return Comparison(
        target=target,
        wanted=wanted,
        got=got,
        tvd=float("nan"),
        status=_statistic_status(target, wanted, error, rounding),
    )


def _is_derived(spec: Spec, target: Statistic) -> bool:
    owner, _ = spec.schema.find(target.unit, target.variable)
    return any(derived.name == target.variable.rpartition(".")[2] for derived in spec.schema[owner].derived)


def _statistic_status(target: Statistic, wanted: Floats, error: Floats, rounding: Floats) -> Status:
    if bool((error <= rounding).all()):
        return "met"
    allowed = np.maximum(rounding, target.tolerance * np.abs(wanted))
    if bool((error <= allowed).all()):
        return "within tolerance"
    scale = np.abs(wanted) / np.maximum(np.abs(target.values), 1e-300)
    if bool((error <= np.maximum(allowed, 0.5 * last_digit(target.values) * np.where(scale > 0, scale, 1.0))).all()):
        return "within rounding"
    if target.margins_of_error is not None and bool(
        (error <= np.maximum(allowed, target.margins_of_error * scale)).all()
    ):
        return "within margin of error"
    return "unmet"


def _sums(target: Statistic, values: Floats, cells: NDArray[np.int64], counts: Floats) -> tuple[Floats, Floats]:
    """The total or mean of each group, and how far that of whole numbers may be off with no other whole sum nearer."""
    sums = np.bincount(cells, weights=values, minlength=len(counts)).astype(np.float64)
    if target.statistic == "total":
        return sums, np.full(len(counts), 0.5 + 1e-6)
    return sums / np.where(counts > 0, counts, np.nan), (0.5 + 1e-6) / np.maximum(counts, 1)


def _quantiles(target: Statistic, values: Floats, cells: NDArray[np.int64], counts: Floats) -> tuple[Floats, Floats]:
    """The quantile of each group, and how far it may be off without a whole record lying on the wrong side."""
    share = target.probability or 0.0
    got, rounding = np.full(len(counts), np.nan), np.zeros(len(counts))
    for group in np.flatnonzero(counts > 0):
        own = np.sort(values[cells == group])
        got[group] = np.quantile(own, share)
        below, upto = (np.searchsorted(own, target.values[group], side=side) for side in ("left", "right"))
        if below <= share * len(own) + 1 and upto >= share * len(own) - 1:
            rounding[group] = np.inf
    return got, rounding


def _source(target: Target) -> str:
    """Who says so: the user, a model, or nobody."""
    if isinstance(target, Table) and target.source == MAXIMUM_ENTROPY and target.trust < 1:
        return MAXIMUM_ENTROPY
    return "llm" if target.source.startswith(LLM) else "given"


def alignment_frame(
    comparisons: Sequence[Comparison],
    *,
    start: Mapping[str, float],
    fitted: Mapping[str, float],
    yielded: Mapping[str, tuple[float, str]],
) -> pl.DataFrame:
    """Lay out `alignment.csv`: a row per target.

    Behind the fixed columns: the tables' distances at the start and after fitting, and by how many records a table yielded to
    which others where sources disagree.
    """
    rows = [
        {
            "name": c.target.name,
            "unit": c.target.unit,
            "source": _source(c.target),
            "cells": len(c.target.cells),
            "records": None if np.isnan(c.records) else round(c.records, 3),
            "tvd": None if np.isnan(c.tvd) else round(c.tvd, 9),
            "max_abs_error": round(c.largest_error, 6),
            "status": c.status,
            "start_tvd": _rounded(start.get(c.target.name)),
            "fitted_tvd": _rounded(fitted.get(c.target.name)),
            "worst_cell": "; ".join(c.worst(1)),
            "yielded": round(yielded[c.target.name][0], 3) if c.target.name in yielded else 0.0,
            "yielded_to": yielded[c.target.name][1] if c.target.name in yielded else "",
        }
        for c in comparisons
    ]
    return pl.DataFrame(rows, schema=ALIGNMENT, orient="row")


ALIGNMENT = {
    "name": pl.String,
    "unit": pl.String,
    "source": pl.String,
    "cells": pl.Int64,
    "records": pl.Float64,
    "tvd": pl.Float64,
    "max_abs_error": pl.Float64,
    "status": pl.String,
    "start_tvd": pl.Float64,
    "fitted_tvd": pl.Float64,
    "worst_cell": pl.String,
    "yielded": pl.Float64,
    "yielded_to": pl.String,
}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 9)
