"""Φ on micro-data: from records as values to the tables of a spec."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmsynthor.errors import DataError, Problem
from llmsynthor.files import check_regular
from llmsynthor.records.edited import write_kept
from llmsynthor.records.levels import as_text
from llmsynthor.records.linked import Nested, column, evaluate_nested, nest
from llmsynthor.records.microdata import as_frame, blocks, source_sets
from llmsynthor.records.run_folder import unwritable
from llmsynthor.records.seconds import SUMS, power_sums, second_moment
from llmsynthor.records.weights import NONE, row_weights, weighted_quantile
from llmsynthor.spec.coded import coded_columns
from llmsynthor.spec.levels import Level
from llmsynthor.spec.reading.files import table_frame
from llmsynthor.spec.schema import Category, Schema
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Statistic, Table, Target

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


def cell_numbers(nested: Nested, target: Target) -> NDArray[np.int64]:
    """Give for each record of the target's unit the number of its cell in `target.cells`, OUTSIDE where it is in none.

    Columns may be derived variables, which the frames must have, and those of units above. Shape (records,).
    """
    columns, coded = target.columns if isinstance(target, Table) else target.by, coded_columns(target)
    shape = [len(levels) + 1 for levels, _ in coded]
    codes = [_codes(nested, name, levels, target.unit) for name, (levels, _) in zip(columns, coded, strict=True)]
    flat = np.ravel_multi_index(codes, shape) if codes else np.zeros(nested.frames[target.unit].height, dtype=np.int64)
    numbers = np.full(int(np.prod(shape)), OUTSIDE, dtype=np.int64)
    every = np.arange(len(target.cells))
    numbers[np.ravel_multi_index([places for _, places in coded], shape) if coded else every] = every
    cells = numbers[flat]
    if target.universe is not None:
        cells = np.where(evaluate_nested(target.universe, target.unit, nested).to_numpy(), cells, OUTSIDE)
    return np.asarray(cells)


def _codes(nested: Nested, name: str, levels: Sequence[Level], unit: str) -> NDArray[np.int64]:
    """Position of each value among the levels; one past the last where it is none of them."""
    _, variable = nested.schema.find(unit, name)
    values = column(nested, unit, name)
    if isinstance(variable, Category):
        return level_codes(values, [str(level) for level in levels])
    numbers = numeric(values)
    order = sorted(range(len(levels)), key=lambda k: levels[k])
    low = np.array([getattr(levels[k], "low") for k in order])  # noqa: B009  (a numeric variable has intervals)
    high = np.array([getattr(levels[k], "high") for k in order])  # noqa: B009  (as above)
    at = np.searchsorted(low, numbers, side="right") - 1
    inside = (at >= 0) & (numbers < high[np.maximum(at, 0)])
    return np.where(inside, np.array(order)[np.maximum(at, 0)], len(levels))


def level_codes(values: pl.Series, levels: Sequence[str]) -> NDArray[np.int64]:
    """Position of each text among the levels, one past the last where it is none of them."""
    codes = values.cast(pl.String).cast(pl.Enum(list(levels)), strict=False).to_physical()
    return codes.cast(pl.Int64).fill_null(len(levels)).to_numpy()


def numeric(values: pl.Series) -> NDArray[np.float64]:
    """Give numbers as float64, NaN where there is none."""
    return values.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def statistic_cells(nested: Nested, target: Statistic) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Give the cell and the value of each record; one without a value is OUTSIDE. Both shape (records,)."""
    values = numeric(column(nested, target.unit, target.variable))
    return np.where(np.isnan(values), OUTSIDE, cell_numbers(nested, target)), values


def tabulate(frame: pl.DataFrame, table: Table, schema: Schema) -> NDArray[np.int64]:
    """Count one unit's records of each cell, in the order of `table.cells`. Additive over records, blind to their order."""
    cells = cell_numbers(nest({table.unit: frame}, schema, only=frozenset()), table)
    return np.bincount(cells[cells >= 0], minlength=len(table.cells))


def measure(spec: Spec, data: Sequence[Path], *, weight: str | None = None) -> tuple[Measured, ...]:
    """Compute every target on files of records, one or more of each unit (see `microdata.source_sets`), block after block.

    `weight` names a column of the top records that says how many records each stands for; "none" says that each counts alike.
    Memory does not grow with the records, but for quantiles, which keep twelve bytes of each. Raises DataError when a file or a
    column is missing or holds values outside its domain.
    """
    tallies = [Tally.of(target) for target in spec.targets]
    for nested in blocks(spec, data, spec.targets, weight=weight):
        for tally in tallies:
            weights = row_weights(nested, tally.target.unit, weight) if weight not in (None, NONE) else None
            tally.add(nested, weights=weights)
    return tuple(tally.measured() for tally in tallies)


@dataclass(slots=True)
class Tally:
    """What the batches so far add up to for one target: counts and sums per cell, and for a quantile the values."""

    target: Target
    counts: NDArray[np.float64]
    sums: NDArray[np.float64]
    values: list[tuple[NDArray[np.int32], NDArray[np.float64], NDArray[np.float64] | None]]
    powers: NDArray[np.float64]
    outside: int = 0

    @classmethod
    def of(cls, target: Target) -> "Tally":
        size = len(target.cells)
        return cls(target=target, counts=np.zeros(size), sums=np.zeros(size), values=[], powers=np.zeros((size, SUMS)))

    def add(
        self, nested: Nested, kept: NDArray[np.bool_] | None = None, *, weights: NDArray[np.float64] | None = None
    ) -> None:
        """Take in a block of records, each as many times as its weight; where `kept` is given, of the target's unit only those."""
        size = len(self.target.cells)
        if isinstance(self.target, Statistic):
            cells, values = statistic_cells(nested, self.target)
        else:
            cells, values = cell_numbers(nested, self.target), np.zeros(0)
        inside = (cells >= 0) & kept if kept is not None else cells >= 0
        self.outside += int((~inside).sum())
        own = weights[inside] if weights is not None else None
        self.counts += np.bincount(cells[inside], weights=own, minlength=size)
        if isinstance(self.target, Statistic):
            worth = values[inside] if own is None else values[inside] * own
            self.sums += np.bincount(cells[inside], weights=worth, minlength=size)
            if self.target.statistic in ("deviation", "correlation"):
                self.powers += power_sums(nested, self.target, np.where(inside, cells, OUTSIDE))
            if self.target.statistic == "quantile":
                self.values.append((cells[inside].astype(np.int32), values[inside], own))

    def measured(self) -> Measured:
        return Measured(target=self.target, values=self.result(), outside=self.outside)

    def result(self) -> NDArray[np.float64]:
        """The target's values; NaN for a mean or quantile of no records."""
        if isinstance(self.target, Table):
            return self.counts / max(self.counts.sum(), 1.0) if self.target.value == "share" else self.counts
        if self.target.statistic == "total":
            return self.sums
        if self.target.statistic in ("deviation", "correlation"):
            return second_moment(self.target, self.powers)
        if self.target.statistic == "mean":
            return self.sums / np.where(self.counts > 0, self.counts, np.nan)
        return self._quantiles()

    def _quantiles(self) -> NDArray[np.float64]:
        found, share = np.full(len(self.target.cells), np.nan), self.target.probability or 0.0  # type: ignore[union-attr]
        if not self.values:
            return found
        cells, values = (np.concatenate([block[k] for block in self.values]) for k in (0, 1))
        weights = [block[2] for block in self.values if block[2] is not None]
        for group in np.flatnonzero(self.counts > 0):
            here = cells == group
            if weights:
                found[group] = weighted_quantile(values[here], np.concatenate(weights)[here], share)
            else:
                found[group] = np.quantile(values[here], share)
        return found


def write_measured(measured: Sequence[Measured], folder: Path, *, force: bool = False) -> list[Path]:
    """Write a long table per target: NAME.csv; released tables with a column `margin_of_error`.

    A file that somebody has written or edited is not replaced: raises RunFolderError, or keeps it beside with `force`.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tables = {f"{entry.target.name.replace('/', '-')}.csv": measured_frame(entry).write_csv() for entry in measured}
        write_kept(folder, tables, force=force)
    except (OSError, ValueError) as cause:
        raise unwritable(folder, cause) from cause
    return [folder / name for name in tables]


def measured_frame(entry: Measured) -> pl.DataFrame:
    """A measured target as a long table."""
    frame = table_frame(entry.target).drop("margin_of_error", strict=False)
    value = entry.target.value if isinstance(entry.target, Table) else entry.target.statistic
    columns = [pl.Series(value, entry.values).fill_nan(None)]
    if entry.margins is not None:
        columns.append(pl.Series("margin_of_error", entry.margins))
    return frame.with_columns(columns)


def read_start(spec: Spec, source: Any) -> dict[str, pl.DataFrame]:
    """Read records of every unit: a frame or a file of a flat spec; frames by unit, or a folder (a run's too) of a nested one.

    Raises DataError.
    """
    units = [unit.name for unit in spec.schema.units]
    if isinstance(source, Mapping):
        return {name: read_records(frame) for name, frame in source.items()}
    if isinstance(source, str | Path) and (len(units) > 1 or Path(source).is_dir()):
        files = source_sets(spec, [Path(source)])
        return {name: read_records(file) for name, file in (files[0] if files else {}).items()}
    if len(units) > 1:
        advice = f"give a frame for each of {', '.join(units)}, or a folder with a file for each"
        raise DataError(
            Problem(where="start", what="one frame cannot hold the records of several units", advice=advice)
        )
    return {units[0]: read_records(source)}


def start_digest(spec: Spec, frames: Mapping[str, pl.DataFrame]) -> dict[str, Any]:
    """How many top records a starting population has, and what it is known by."""
    digests = {name: records_digest(frame) for name, frame in frames.items()}
    top = frames.get(spec.schema.top.name)
    digest = next(iter(digests.values())) if len(digests) == 1 else digests
    return {"rows": top.height if top is not None else 0, "digest": digest}


def read_records(source: Any) -> pl.DataFrame:
    """Read records from a frame of any kind, or a Parquet or CSV file, or a run folder's; raises DataError."""
    if not isinstance(source, str | Path):
        return as_text(as_frame(source, "start"))
    path = Path(source)
    try:
        check_regular(path)
        if path.suffix.lower() in (".parquet", ".pq"):
            return pl.read_parquet(path, glob=False)
        return pl.read_csv(path, infer_schema_length=None, glob=False)
    except (OSError, ValueError, pl.exceptions.PolarsError) as cause:
        first = (str(cause).splitlines() or [""])[0][:120]
        problem = Problem(where=str(path), what=f"the records cannot be read ({first})", advice="give CSV or Parquet")
        raise DataError(problem) from cause


def records_digest(frame: pl.DataFrame) -> str:
    """SHA-256 of all values: to know the same records again."""
    return hashlib.sha256(frame.write_csv().encode()).hexdigest()
