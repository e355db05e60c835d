"""A joint table that turned up after the run, beside what the run said of it: obtained, band, covered or not."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from llmsynthor.calibration.measured import worth_records
from llmsynthor.errors import Problem, RunFolderError, SpecError
from llmsynthor.evaluation.bands import GIVEN, band_of
from llmsynthor.evaluation.compare import Comparison, compare
from llmsynthor.files import check_regular, write_beside
from llmsynthor.records.held import read_held
from llmsynthor.records.parts import records_of_run
from llmsynthor.records.run_folder import unwritable
from llmsynthor.spec.reading.files import build
from llmsynthor.spec.reading.yaml_text import read_yaml
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import MAXIMUM_ENTROPY, Table
from llmsynthor.texts import fit

AUDIT = "audit.csv"
COLUMNS = {
    "table": pl.String,
    "unit": pl.String,
    "one": pl.String,
    "level": pl.String,
    "other": pl.String,
    "other_level": pl.String,
    "source": pl.String,
    "published": pl.Float64,
    "obtained": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "covered": pl.Boolean,
}
HAIR = 5e-4
"""Shares that a published table may lie beside its band: what rounding hides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """A published pair table beside a run: `cells` has a row per cell, in shares of all records; `summary` what it comes to."""

    cells: pl.DataFrame
    summary: dict[str, Any]


def audit(run_folder: Path, published: Path, *, unit: str | None = None) -> Audit:
    """Compare a joint table with a run that did not know it, and keep the comparison in the run's `audit.csv`.

    The table is one of two columns, in the long format that a spec's tables have; `unit` names the one whose records it counts,
    where several could be. Raises SpecError, RunFolderError and DataError.
    """
    spec_path = run_folder / "spec" / "spec.yaml"
    if not spec_path.is_file():
        raise RunFolderError(
            Problem(where=str(run_folder), what="this is no run folder", advice="name the folder of a finished run")
        )
    spec = Spec.load(spec_path)
    records = records_of_run(run_folder, spec.schema)
    found = audited(spec_path, records, read_held(run_folder / "dependencies.csv"), published, unit=unit)
    _keep(run_folder / AUDIT, found.cells)
    return found


def audited(
    spec_path: Path,
    records: Mapping[str, pl.DataFrame],
    dependencies: pl.DataFrame | None,
    published: Path,
    *,
    unit: str | None = None,
) -> Audit:
    """The same of a spec that is written, records by unit, and what the run said of dependence; nothing is kept."""
    comparison = _compared(spec_path, records, published, unit)
    target = comparison.target
    assert isinstance(target, Table)
    if len(target.columns) != 2 or target.universe is not None:
        advice = "give a table of two variables about all records of a unit"
        found = " by ".join(target.columns)
        raise SpecError(Problem(where=str(published), what="this is no pair table", found=found, advice=advice))
    source = _source(dependencies, Spec.load(spec_path), target)
    cells = _cells(comparison, source, published.stem)
    return Audit(cells=cells, summary=_summary(cells, comparison, source, published))


def _compared(spec_path: Path, records: Mapping[str, pl.DataFrame], published: Path, unit: str | None) -> Comparison:
    """Read the table as a target of the run's spec, and count it in the run's records."""
    header = _header(published)
    raw = read_yaml(spec_path.read_text(encoding="utf-8"), where=str(spec_path))
    value = header[-1] if header[-1] in ("count", "share") else "count"
    columns = [name for name in header if name not in ("count", "share", "margin_of_error")]
    named = unit or _unit_of(raw, columns, published)
    raw["targets"] = [{"name": published.stem, "unit": named, "table": str(published.resolve()), "value": value}]
    raw["rules"] = []
    raw.pop("seed", None)
    return compare(build(raw, spec_path.parent, str(spec_path)), records)[0]


def _header(published: Path) -> list[str]:
    try:
        check_regular(published)
        frame = pl.read_parquet(published) if published.suffix == ".parquet" else pl.read_csv(published, n_rows=0)
    except (OSError, ValueError, pl.exceptions.PolarsError) as cause:
        what = "the table cannot be read"
        advice = "give a CSV or Parquet file with a column for each variable and one of counts or shares"
        problem = Problem(where=str(published), what=what, found=fit(str(cause)).splitlines()[0][:120], advice=advice)
        raise SpecError(problem) from cause
    return frame.columns


def _unit_of(raw: dict[str, Any], columns: Sequence[str], published: Path) -> str:
    """The unit that has all variables of a table, the innermost first."""
    for name, part in reversed(list(raw["units"].items())):
        own = {*part.get("variables", {}), *part.get("derived", {})}
        if all(column in own or "." in column for column in columns) and any(column in own for column in columns):
            return str(name)
    what, advice = "no unit of the run has all of its variables", "use the names of the run's spec, or name the unit"
    raise SpecError(Problem(where=str(published), what=what, found=", ".join(columns), advice=advice))


def _source(dependencies: pl.DataFrame | None, spec: Spec, target: Table) -> str:
    """Where the run has the dependence of the pair from."""
    pair = set(target.columns)
    given = (t for t in spec.targets if isinstance(t, Table) and t.unit == target.unit and t.universe is None)
    if any(pair <= set(own.columns) and own.trust >= 1 for own in given):
        return GIVEN
    rows = [] if dependencies is None else dependencies.filter(pl.col("unit") == target.unit).to_dicts()
    return next((str(row["source"]) for row in rows if {row["one"], row["other"]} == pair), MAXIMUM_ENTROPY)


def _cells(comparison: Comparison, source: str, name: str) -> pl.DataFrame:
    """A row for every cell."""
    target = comparison.target
    assert isinstance(target, Table)
    levels = [list(dict.fromkeys(cell[k] for cell in target.cells)) for k in range(2)]
    place = tuple(np.array([levels[k].index(cell[k]) for cell in target.cells]) for k in range(2))
    obtained, published = np.zeros((len(levels[0]), len(levels[1]))), np.zeros((len(levels[0]), len(levels[1])))
    obtained[place], published[place] = comparison.got, comparison.wanted
    obtained, published = obtained / max(obtained.sum(), 1e-300), published / max(published.sum(), 1e-300)
    band = band_of(obtained, source)
    inside = (published >= band.low - HAIR) & (published <= band.high + HAIR)
    rows = [
        {
            "table": name,
            "unit": target.unit,
            "one": target.columns[0],
            "level": str(levels[0][i]),
            "other": target.columns[1],
            "other_level": str(levels[1][j]),
            "source": source,
            "published": round(float(published[i, j]), 6),
            "obtained": round(float(obtained[i, j]), 6),
            "low": round(float(band.low[i, j]), 6),
            "high": round(float(band.high[i, j]), 6),
            "covered": bool(inside[i, j]),
        }
        for i in range(len(levels[0]))
        for j in range(len(levels[1]))
    ]
    return pl.DataFrame(rows, schema=COLUMNS, orient="row")


def _keep(path: Path, cells: pl.DataFrame) -> None:
    """Put the table's rows in place of those of an audit of the same name before."""
    before = read_held(path)
    if before is not None:
        before = before.with_columns(pl.col("covered") == "true").filter(pl.col("table") != cells["table"][0])
        cells = pl.concat([before.select(list(COLUMNS)), cells])
    try:
        write_beside(path, cells.write_csv)
    except OSError as cause:
        raise unwritable(path, cause) from cause


def _summary(cells: pl.DataFrame, comparison: Comparison, source: str, published: Path) -> dict[str, Any]:
    outside = cells.filter(~pl.col("covered")).with_columns((pl.col("published") - pl.col("obtained")).alias("off"))
    worst = outside.sort(pl.col("off").abs(), descending=True).head(5)
    return {
        "table": str(published),
        "unit": comparison.target.unit,
        "pair": list(cells.select("one", "other").row(0)),
        "source": source,
        "cells": cells.height,
        "tvd": round(float((cells["published"] - cells["obtained"]).abs().sum() / 2), 6),
        "covered": int(cells["covered"].sum()),
        "worth_records": None if source in (GIVEN, MAXIMUM_ENTROPY) else worth_records(source),
        "outside": worst.select("level", "other_level", "published", "obtained", "low", "high").to_dicts(),
    }
