"""How each target was met by finished records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmsynthor.measure import cell_numbers
from llmsynthor.spec.levels import Level
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Statistic, Table, Target
from llmsynthor.synthesis.discrepancy import say_cell, say_missing

Status = Literal["met", "within tolerance", "unmet"]
Floats = NDArray[np.float64]

NUMERIC_ROUNDING = 1e-6
"""A mean of real numbers is met when it agrees to six digits; of whole numbers, when no other whole sum is nearer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A target beside what the records have, cell by cell.

    Of a table `wanted` are records, scaled to the records in its universe, and `got` counts; of a mean both are means.
    `tvd` is NaN for a mean. "met" says that no cell is a whole record off, or that a mean
    holds to rounding.
    """

    target: Target
    wanted: Floats
    got: Floats
    tvd: float
    status: Status

    @property
    def largest_error(self) -> float:
        errors = np.abs(self.got - self.wanted)
        return float(np.nanmax(errors)) if errors.size else 0.0

    @property
    def records(self) -> float:
        return float(self.wanted.sum()) if isinstance(self.target, Table) else float("nan")

    def worst(self, most: int) -> tuple[str, ...]:
        """Name the cells that are furthest off, a record or more."""
        order = np.argsort(-np.abs(np.nan_to_num(self.got - self.wanted)), kind="stable")[:most]
        return tuple(self._say(int(k)) for k in order if abs(self.got[k] - self.wanted[k]) >= self._least())

    def _least(self) -> float:
        return 1.0 - 1e-6 if isinstance(self.target, Table) else 1e-9

    def _say(self, cell: int) -> str:
        if isinstance(self.target, Table):
            return say_missing(self.target.columns, self._levels(cell), self.wanted[cell] - self.got[cell])
        where = say_cell(self.target.by, self._levels(cell)) or "all records"
        return f"{where}: {self.target.variable} {self.got[cell]:,.4g} instead of {self.wanted[cell]:,.4g}"

    def _levels(self, cell: int) -> tuple[Level, ...]:
        return self.target.cells[cell]


def compare(spec: Spec, records: Mapping[str, pl.DataFrame]) -> tuple[Comparison, ...]:
    """Compare every target whose unit was made; quantiles and totals are left out."""
    return tuple(
        _table(spec, target, records[target.unit])
        if isinstance(target, Table)
        else _mean(spec, target, records[target.unit])
        for target in spec.targets
        if target.unit in records and (isinstance(target, Table) or target.statistic == "mean")
    )


def _table(spec: Spec, table: Table, frame: pl.DataFrame) -> Comparison:
    cells = cell_numbers(frame, table, spec.schema)
    got = np.bincount(cells[cells >= 0], minlength=len(table.cells)).astype(np.float64)
    shares = np.array(table.values) / sum(table.values)
    universe = frame.height if table.universe is None else int(got.sum())
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
    allowed = np.maximum(1.0, table.tolerance * wanted)
    return "within tolerance" if stray < 1 and bool((error <= allowed).all()) else "unmet"


def _mean(spec: Spec, target: Statistic, frame: pl.DataFrame) -> Comparison:
    cells = cell_numbers(frame, target, spec.schema)
    values = frame[target.variable].cast(pl.Float64).to_numpy()
    counts = np.bincount(cells[cells >= 0], minlength=len(target.cells))
    sums = np.bincount(cells[cells >= 0], weights=values[cells >= 0], minlength=len(target.cells))
    with np.errstate(invalid="ignore", divide="ignore"):
        got = sums / counts
    wanted = np.array(target.values)
    error = np.where(counts > 0, np.abs(np.nan_to_num(got) - wanted), np.inf)
    whole = frame[target.variable].dtype.is_integer()
    rounding = (0.5 + 1e-6) / np.maximum(counts, 1) if whole else NUMERIC_ROUNDING * np.maximum(np.abs(wanted), 1e-12)
    met = bool((error <= rounding).all())
    within = bool((error <= target.tolerance * np.abs(wanted)).all())
    status: Status = "met" if met else "within tolerance" if within else "unmet"
    return Comparison(target=target, wanted=wanted, got=np.asarray(got), tvd=float("nan"), status=status)


def alignment_frame(
    comparisons: Sequence[Comparison], *, start: Mapping[str, float], fitted: Mapping[str, float]
) -> pl.DataFrame:
    """Lay out `alignment.csv`: a row per target; what the tables' distances were at the start and after fitting behind."""
    rows = [
        {
            "name": c.target.name,
            "unit": c.target.unit,
            "source": "given",
            "cells": len(c.target.cells),
            "records": None if np.isnan(c.records) else round(c.records, 3),
            "tvd": None if np.isnan(c.tvd) else round(c.tvd, 9),
            "max_abs_error": round(c.largest_error, 6),
            "status": c.status,
            "start_tvd": _rounded(start.get(c.target.name)),
            "fitted_tvd": _rounded(fitted.get(c.target.name)),
            "worst_cell": "; ".join(c.worst(1)),
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
}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 9)
