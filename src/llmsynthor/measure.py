"""Φ on micro-data: from records as values to the tables of a spec."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmsynthor.errors import DataError, Problem
from llmsynthor.spec.expressions import Reference, evaluate, references
from llmsynthor.spec.files import table_frame
from llmsynthor.spec.levels import Interval, Level
from llmsynthor.spec.schema import Category, Numeric, Schema
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Statistic, Table, Target

BATCH = 1_000_000
OUTSIDE = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A target with the values that the data have: `values` in the order of its cells; `outside` counts records in no cell."""

    target: Target
    values: NDArray[np.float64]
    outside: int


def cell_numbers(frame: pl.DataFrame, target: Target, schema: Schema) -> NDArray[np.int64]:
    """Give for each record the number of its cell in `target.cells`, OUTSIDE where it is in none; shape (records,)."""
    columns = target.columns if isinstance(target, Table) else target.by
    distinct = [list(dict.fromkeys(cell[k] for cell in target.cells)) for k in range(len(columns))]
    shape = [len(levels) + 1 for levels in distinct]
    codes = [_codes(frame, name, levels, target.unit, schema) for name, levels in zip(columns, distinct, strict=True)]
    flat = np.ravel_multi_index(codes, shape) if codes else np.zeros(frame.height, dtype=np.int64)
    numbers = np.full(int(np.prod(shape)), OUTSIDE, dtype=np.int64)
    for number, cell in enumerate(target.cells):
        position = [levels.index(level) for levels, level in zip(distinct, cell, strict=True)]
        numbers[np.ravel_multi_index(position, shape) if position else 0] = number
    cells = numbers[flat]
    if target.universe is not None:
        cells = np.where(evaluate(target.universe, frame).fill_null(value=False).to_numpy(), cells, OUTSIDE)
    return np.asarray(cells)


def _codes(frame: pl.DataFrame, name: str, levels: Sequence[Level], unit: str, schema: Schema) -> NDArray[np.int64]:
    """Position of each value among the levels; one past the last where it is none of them."""
    _, variable = schema.find(unit, name)
    if isinstance(variable, Category):
        names = pl.Series([str(level) for level in levels])
        table = pl.DataFrame({name: names, "code": np.arange(len(levels))})
        joined = frame.select(pl.col(name).cast(pl.String)).join(table, on=name, how="left", maintain_order="left")
        return joined["code"].fill_null(len(levels)).to_numpy().astype(np.int64)
    values = frame[name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
    order = sorted(range(len(levels)), key=lambda k: levels[k])
    low = np.array([getattr(levels[k], "low") for k in order])  # noqa: B009  (a numeric variable has intervals)
    high = np.array([getattr(levels[k], "high") for k in order])  # noqa: B009
    at = np.searchsorted(low, values, side="right") - 1
    inside = (at >= 0) & (values < high[np.maximum(at, 0)])
    return np.where(inside, np.array(order)[np.maximum(at, 0)], len(levels))


def tabulate(frame: pl.DataFrame, table: Table, schema: Schema) -> NDArray[np.int64]:
    """Count the records of each cell, in the order of `table.cells`. Additive over records, blind to their order."""
    cells = cell_numbers(frame, table, schema)
    return np.bincount(cells[cells >= 0], minlength=len(table.cells))


def measure(spec: Spec, data: Sequence[Path]) -> tuple[Measured, ...]:
    """Compute every target of the spec's top unit on files of records, batch after batch.

    Raises DataError when a column is missing or holds values outside its domain.
    """
    targets = [target for target in spec.targets if target.unit == spec.schema.top.name]
    counts = [np.zeros(len(target.cells)) for target in targets]
    sums = [np.zeros(len(target.cells)) for target in targets]
    outside = [0] * len(targets)
    for where, frame in _batches(data):
        _check_columns(frame, spec, where)
        for k, target in enumerate(targets):
            cells = cell_numbers(frame, target, spec.schema)
            inside = cells >= 0
            outside[k] += int((~inside).sum())
            counts[k] += np.bincount(cells[inside], minlength=len(target.cells))
            if isinstance(target, Statistic):
                values = frame[target.variable].cast(pl.Float64).to_numpy()
                sums[k] += np.bincount(cells[inside], weights=values[inside], minlength=len(target.cells))
    return tuple(
        Measured(target=target, values=_values(target, counts[k], sums[k]), outside=outside[k])
        for k, target in enumerate(targets)
    )


def _values(target: Target, counts: NDArray[np.float64], sums: NDArray[np.float64]) -> NDArray[np.float64]:
    if isinstance(target, Table):
        return counts / max(counts.sum(), 1.0) if target.value == "share" else counts
    if target.statistic == "total":
        return sums
    if target.statistic == "quantile":
        advice = "leave it out; means and totals are measured"
        raise DataError(Problem(where=f'target "{target.name}"', what="quantiles are not measured", advice=advice))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums / counts)


def write_measured(measured: Sequence[Measured], folder: Path) -> list[Path]:
    """Write a long table per target: NAME.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for entry in measured:
        frame = table_frame(entry.target)
        value = entry.target.value if isinstance(entry.target, Table) else entry.target.statistic
        path = folder / f"{entry.target.name.replace('/', '-')}.csv"
        frame.with_columns(pl.Series(value, entry.values)).write_csv(path)
        paths.append(path)
    return paths


def _batches(data: Sequence[Path]) -> Iterator[tuple[str, pl.DataFrame]]:
    for path in data:
        try:
            if path.suffix.lower() in (".parquet", ".pq"):
                height = pl.scan_parquet(path).select(pl.len()).collect().item()
                frames = (pl.scan_parquet(path).slice(k, BATCH).collect() for k in range(0, max(height, 1), BATCH))
            else:
                frames = (frame for frame in [pl.read_csv(path, infer_schema_length=None)])
            for frame in frames:
                yield str(path), frame
        except (OSError, pl.exceptions.PolarsError) as cause:
            problem = Problem(
                where=str(path), what=f"the data cannot be read ({str(cause)[:120]})", advice="give CSV or Parquet"
            )
            raise DataError(problem) from cause


def _check_columns(frame: pl.DataFrame, spec: Spec, where: str) -> None:
    problems = []
    for name in _needed(spec):
        variable = spec.schema.top.variable(name)
        if name not in frame.columns:
            advice = f"name a column {name}; the data have: {', '.join(frame.columns)}"
            problems.append(Problem(where=where, what="a column is missing", found=name, advice=advice))
        elif isinstance(variable, Numeric) and not frame[name].dtype.is_numeric():
            advice = "give numbers"
            problems.append(
                Problem(where=where, what=f"{name} holds no numbers", found=str(frame[name].dtype), advice=advice)
            )
        elif strange := _strange(frame[name], variable):
            advice = "correct the data, or the levels or the range in the spec"
            problems.append(
                Problem(where=where, what=f"{name} has values outside its domain", found=strange, advice=advice)
            )
    if problems:
        raise DataError(*problems)


def _needed(spec: Spec) -> list[str]:
    names: dict[str, None] = {}
    for target in spec.targets:
        if target.unit == spec.schema.top.name:
            own = target.columns if isinstance(target, Table) else (*target.by, target.variable)
            universe = references(target.universe) if target.universe is not None else frozenset[Reference]()
            names |= dict.fromkeys((*own, *sorted(reference.name for reference in universe)))
    return list(names)


def _strange(column: pl.Series, variable: object) -> str:
    """Name the first values outside the domain, or nothing."""
    if isinstance(variable, Category):
        odd = column.cast(pl.String).unique().filter(~column.cast(pl.String).unique().is_in(list(variable.levels)))
        odd = odd.sort()
    elif isinstance(variable, Numeric):
        bounds: Interval = variable.range
        odd = column.filter((column < bounds.low) | (column >= bounds.high) | column.is_null())
    else:
        return ""
    return ", ".join(str(value) for value in odd.head(5)) if len(odd) else ""
