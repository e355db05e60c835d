"""Weights of micro-data: how many records each row stands for. They are used where they are named, and never passed over."""

import re
from collections.abc import Iterable, Mapping

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmsynthor.errors import DataError, Problem
from llmsynthor.records.linked import Nested
from llmsynthor.spec.schema import Schema

START_WEIGHT = "start_weight"
"""The column that holds the weights of a starting population."""

NONE = "none"
"""In place of a column's name: every row counts alike, whatever its columns are called."""

LIKELY = re.compile(
    r"(?:.*_)?(?:weights?|wgts?|wts?|gewichte?|hochrechnungsfaktor|poids|peso)(?:_.*)?|pwgtp|wgtp|perwt|hhwt|hwgt|pweight",
    re.IGNORECASE,
)


def looks_like_weight(name: str) -> bool:
    """Say whether a column is likely to hold weights.

    >>> [looks_like_weight(name) for name in ("weight", "PWGTP", "design_weight", "weightlifter", "age")]
    [True, True, True, False, False]
    """
    return LIKELY.fullmatch(name) is not None


def refuse_unused(columns: Mapping[str, Iterable[str]], schema: Schema, weight: str | None) -> None:
    """Raise DataError where records of a unit have a column that is likely a weight, and nobody says what it is."""
    if weight is not None:
        return
    for unit, names in columns.items():
        known = {variable.name for variable in (*schema[unit].variables, *(d.variable for d in schema[unit].derived))}
        for name in names:
            if name not in known and name != START_WEIGHT and looks_like_weight(name):
                advice = f"use it with --weight {name}, or say with --weight {NONE} that every row counts alike"
                what = "the records have a column of weights that would not be used"
                raise DataError(Problem(where=f"records of {unit}", what=what, found=name, advice=advice))


def with_weights(frames: Mapping[str, pl.DataFrame], schema: Schema, weight: str | None) -> dict[str, pl.DataFrame]:
    """Put the weights of a starting population's top records under START_WEIGHT; raises DataError."""
    refuse_unused({unit: frame.columns for unit, frame in frames.items() if unit in _names(schema)}, schema, weight)
    top = schema.top.name
    if weight in (None, NONE) or top not in frames:
        return dict(frames)
    frame = frames[top]
    if weight not in frame.columns:
        advice = f"name a column of the {top} records: {', '.join(frame.columns)}"
        raise DataError(
            Problem(where=f"records of {top}", what="the column of weights is missing", found=weight, advice=advice)
        )
    values = checked(frame[weight], top)
    if values.sum() <= 0:
        what, advice = "the weights are all zero", "correct the column"
        raise DataError(Problem(where=f"records of {top}", what=what, found=weight, advice=advice))
    return {**frames, top: frame.with_columns(pl.Series(START_WEIGHT, values))}


def _names(schema: Schema) -> set[str]:
    return {unit.name for unit in schema.units}


def checked(column: pl.Series, unit: str) -> NDArray[np.float64]:
    """The weights of rows, shape (rows,): numbers of zero or more; raises DataError."""
    values = column.cast(pl.Float64, strict=False).fill_null(float("nan")).to_numpy()
    odd = column.filter(pl.Series(~(np.isfinite(values) & (values >= 0))))
    if len(odd):
        found = ", ".join(str(value) for value in odd.head(5))
        what = f"the weights in {column.name} are no numbers of zero or more"
        raise DataError(Problem(where=f"records of {unit}", what=what, found=found, advice="correct the column"))
    return np.asarray(values)


def weighted_quantile(values: NDArray[np.float64], weights: NDArray[np.float64], probability: float) -> float:
    """The value below or at which a share of the weight lies, between two values where the border falls on one.

    >>> weighted_quantile(np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 2.0]), 0.5)
    2.5
    """
    order = np.argsort(values, kind="stable")
    mass = np.cumsum(weights[order])
    wanted = probability * mass[-1]
    low = int(np.searchsorted(mass, wanted * (1 - 1e-12), side="left"))
    high = int(np.searchsorted(mass, wanted * (1 + 1e-12), side="right"))
    return float((values[order][low] + values[order][min(high, len(order) - 1)]) / 2)


def row_weights(nested: Nested, unit: str, weight: str | None) -> NDArray[np.float64]:
    """The weight of each record of a unit: that of its top record, shape (records,)."""
    line = [unit, *(above.name for above in nested.schema.ancestors(unit))]
    weights = checked(nested.frames[line[-1]][str(weight)], line[-1])
    for below in reversed(line[:-1]):
        weights = weights[nested.links[below].parents]
    return weights
