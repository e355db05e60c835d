"""Φ on micro-data: from records as values to the tables of a spec."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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

BATCH, CSV_BYTES = 1_000_000, 1 << 26
OUTSIDE = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A target with the values that the data have: `values` in the order of its cells; `outside` counts records in no cell.

    `margins` (90 %) stand beside values that noise was added to.
    """

    target: Target
    values: NDArray[np.float64]
    outside: int
    margins: NDArray[np.float64] | None = None


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

    Memory does not grow with the records, but for quantiles, which keep eight bytes of each. Raises DataError when a column is
    missing or holds values outside its domain.
    """
    tallies = [Tally.of(target) for target in spec.targets if target.unit == spec.schema.top.name]
    for frame in batches(spec, data):
        for tally in tallies:
            tally.add(frame, spec.schema)
    return tuple(tally.measured() for tally in tallies)


@dataclass(slots=True)
class Tally:
    """What the batches so far add up to for one target: counts and sums per cell, and for a quantile the values."""

    target: Target
    counts: NDArray[np.float64]
    sums: NDArray[np.float64]
    values: list[tuple[NDArray[np.int32], NDArray[np.float64]]]
    outside: int = 0

    @classmethod
    def of(cls, target: Target) -> "Tally":
        size = len(target.cells)
        return cls(target=target, counts=np.zeros(size), sums=np.zeros(size), values=[])

    def add(self, frame: pl.DataFrame, schema: Schema) -> None:
        """Take in a batch of records."""
        cells = cell_numbers(frame, self.target, schema)
        inside = cells >= 0
        self.outside += int((~inside).sum())
        self.counts += np.bincount(cells[inside], minlength=len(self.target.cells))
        if isinstance(self.target, Statistic):
            values = frame[self.target.variable].cast(pl.Float64).to_numpy()[inside]
            self.sums += np.bincount(cells[inside], weights=values, minlength=len(self.target.cells))
            if self.target.statistic == "quantile":
                self.values.append((cells[inside].astype(np.int32), values))

    def measured(self) -> Measured:
        return Measured(target=self.target, values=self.result(), outside=self.outside)

    def result(self) -> NDArray[np.float64]:
        """The target's values; NaN for a mean or quantile of no records."""
        if isinstance(self.target, Table):
            return self.counts / max(self.counts.sum(), 1.0) if self.target.value == "share" else self.counts
        if self.target.statistic == "total":
            return self.sums
        if self.target.statistic == "mean":
            return self.sums / np.where(self.counts > 0, self.counts, np.nan)
        cells = np.concatenate([own for own, _ in self.values]) if self.values else np.zeros(0, dtype=np.int32)
        values = np.concatenate([own for _, own in self.values]) if self.values else np.zeros(0)
        found = np.full(len(self.target.cells), np.nan)
        for group in np.flatnonzero(self.counts > 0):
            found[group] = np.quantile(values[cells == group], self.target.probability or 0.0)
        return found


def write_measured(measured: Sequence[Measured], folder: Path) -> list[Path]:
    """Write a long table per target: NAME.csv; released tables with a column `margin_of_error`."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for entry in measured:
        frame = table_frame(entry.target).drop("margin_of_error", strict=False)
        value = entry.target.value if isinstance(entry.target, Table) else entry.target.statistic
        path = folder / f"{entry.target.name.replace('/', '-')}.csv"
        columns = [pl.Series(value, entry.values).fill_nan(None)]
        if entry.margins is not None:
            columns.append(pl.Series("margin_of_error", entry.margins))
        frame.with_columns(columns).write_csv(path)
        paths.append(path)
    return paths


def read_records(source: Any) -> pl.DataFrame:
    """Read records from a frame of any kind, or a Parquet or CSV file, or a run folder's; raises DataError."""
    if isinstance(source, pl.DataFrame):
        return source
    if hasattr(source, "__arrow_c_stream__") or hasattr(source, "__dataframe__"):
        return pl.DataFrame(source)
    path = Path(source)
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            return pl.read_parquet(path)
        return pl.read_csv(path, infer_schema_length=None)
    except (OSError, pl.exceptions.PolarsError) as cause:
        first = (str(cause).splitlines() or [""])[0][:120]
        problem = Problem(where=str(path), what=f"the records cannot be read ({first})", advice="give CSV or Parquet")
        raise DataError(problem) from cause


def records_digest(frame: pl.DataFrame) -> str:
    """SHA-256 of all values: to know the same records again."""
    return hashlib.sha256(frame.write_csv().encode()).hexdigest()


def batches(spec: Spec, data: Sequence[Path]) -> Iterator[pl.DataFrame]:
    """Read the columns that the targets need, a batch of records at a time, and check their values; raises DataError."""
    import pyarrow as pa  # noqa: PLC0415  (heavy)

    for path in data:
        try:
            for batch in _arrow_batches(path, spec):
                frame = pl.from_arrow(pa.Table.from_batches([batch]))
                assert isinstance(frame, pl.DataFrame)
                _check_columns(frame, spec, str(path))
                yield frame
        except (OSError, pa.ArrowException, pl.exceptions.PolarsError) as cause:
            problem = Problem(
                where=str(path),
                what=f"the data cannot be read ({(str(cause).splitlines() or [''])[0][:120]})",
                advice="give CSV with a header, or Parquet",
            )
            raise DataError(problem) from cause


def _arrow_batches(path: Path, spec: Spec) -> Iterator[Any]:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.csv  # noqa: PLC0415
    import pyarrow.parquet  # noqa: PLC0415

    needed = _needed(spec)
    if path.suffix.lower() in (".parquet", ".pq"):
        file = pyarrow.parquet.ParquetFile(path)
        yield from file.iter_batches(BATCH, columns=[name for name in file.schema_arrow.names if name in needed])
        return
    types = {
        name: pa.float64() if isinstance(spec.schema.top.variable(name), Numeric) else pa.string() for name in needed
    }
    with pyarrow.csv.open_csv(
        path,
        read_options=pyarrow.csv.ReadOptions(block_size=CSV_BYTES),
        convert_options=pyarrow.csv.ConvertOptions(column_types=types, strings_can_be_null=True),
    ) as reader:
        for batch in reader:
            yield batch.select([name for name in batch.schema.names if name in needed])


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
