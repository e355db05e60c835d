"""Each target as the report shows it: its end, and what was stated beside what was obtained, cell by cell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from llmsynthor.evaluation.compare import Comparison
from llmsynthor.spec.targets import Origin, Table

MOST_CELLS, CELLS_IN_ALL = 60, 6_000
"""Cells of a target that are listed, fewer where there are many targets; those that are furthest off come first."""

HAIR = 1e-6
"""Part of a value by which it may be off and still be the value: what arithmetic leaves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A cell of a table, or a group of a mean, total or quantile: texts to be shown."""

    cell: str
    stated: str
    wanted: str
    obtained: str
    off: str


def target_rows(comparisons: Sequence[Comparison], origins: Sequence[Origin] = ()) -> list[dict[str, Any]]:
    """Lay out all targets, in the order of the spec, with who says each in full where the spec tells."""
    told = {origin.name: str(origin) + (f", {origin.licence}" if origin.licence else "") for origin in origins}
    most = max(8, min(MOST_CELLS, CELLS_IN_ALL // max(len(comparisons), 1)))
    return [_target_row(comparison, most, told) for comparison in comparisons]


def _target_row(comparison: Comparison, most: int, told: Mapping[str, str]) -> dict[str, Any]:
    target = comparison.target
    about = " × ".join(target.columns) if isinstance(target, Table) else f"{target.statistic} of {target.variable}"
    if not isinstance(target, Table) and target.by:
        about += f" by {', '.join(target.by)}"
    cells = _cells(comparison, most)
    return {
        "name": target.name,
        "unit": target.unit,
        "about": about,
        "universe": str(target.universe or ""),
        "source": told.get(target.source, target.source),
        "cells": len(target.cells),
        "tvd": None if np.isnan(comparison.tvd) else comparison.tvd,
        "error": comparison.largest_error,
        "status": str(comparison.status),
        "end": str(comparison.end),
        "worst": comparison.worst(3),
        "is_table": isinstance(target, Table),
        "rows": cells,
        "left_out": len(target.cells) - len(cells),
    }


def _cells(comparison: Comparison, most: int) -> list[Row]:
    """In the order of the target; where not all are listed, the ones that are furthest off, then the largest."""
    error = np.nan_to_num(np.abs(comparison.got - comparison.wanted))
    order = np.lexsort((-np.abs(comparison.wanted), -np.round(error, 6)))[:most]
    return [_row(comparison, int(cell)) for cell in sorted(order)]


def _row(comparison: Comparison, cell: int) -> Row:
    target = comparison.target
    wanted, got = float(comparison.wanted[cell]), float(comparison.got[cell])
    nobody = np.isnan(got)
    return Row(
        cell=comparison.cell_name(cell),
        stated=shown(target.values[cell]),
        wanted=shown(wanted, whole=isinstance(target, Table)),
        obtained="no records" if nobody else shown(got),
        off="" if nobody else _signed(got - wanted) if abs(got - wanted) > HAIR * max(abs(wanted), 1.0) else "0",
    )


def _signed(off: float) -> str:
    """A difference to three digits, or to hundredths where it is large."""
    return f"{off:+,.2f}" if abs(off) >= 1 else f"{off:+.3g}"


def shown(value: float, *, whole: bool = False) -> str:
    """A number as a reader wants it: six digits; of records one behind the point.

    >>> shown(1234567.0), shown(0.123456789), shown(12.34, whole=True), shown(5.0)
    ('1,234,567', '0.123457', '12.3', '5')
    """
    if float(value).is_integer():
        return f"{value:,.0f}"
    if whole:
        return f"{value:,.1f}"
    return f"{value:,.2f}" if abs(value) >= 10_000 else f"{value:,.6g}"
