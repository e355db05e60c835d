"""What was assumed about dependence that no table gives: the strongest estimates, in words and pictures."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from llmsynthor.evaluation.compare import Comparison, compare
from llmsynthor.records.held import read_held
from llmsynthor.report.charts import draw_lifts
from llmsynthor.spec.reading.yaml_text import read_yaml
from llmsynthor.spec.specification import Spec

MOST_DRAWN = 8

ASSUMED = ("seed", "library", "estimated", "zones")
"""Sources of a dependence that nobody gave, in the words of dependencies.csv."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumption:
    """One estimated dependence: its row of dependencies.csv, and a picture where it is among the strongest."""

    row: dict[str, Any]
    svg: str = ""


def assumptions(folder: Path, records: dict[str, pl.DataFrame]) -> list[Assumption]:
    """The estimated dependences of a run folder, the strongest first."""
    path = folder / "dependencies.csv"
    held = read_held(path)
    if held is None:
        return []
    frame = held.filter(pl.col("source").is_in(ASSUMED))
    rows = frame.sort("strength", descending=True, nulls_last=True, maintain_order=True).to_dicts()
    strongest = [row for row in rows if row["strength"] is not None][:MOST_DRAWN]
    drawn = {c.target.name: c for c in _compared(folder, {row["table"]: row["unit"] for row in strongest}, records)}
    return [_assumption(row, drawn.get(row["table"]), f"lift{k}") for k, row in enumerate(rows)]


def _assumption(row: dict[str, Any], comparison: Comparison | None, name: str) -> Assumption:
    return Assumption(row=row, svg=draw_lifts(comparison, name) if comparison is not None else "")


def _compared(folder: Path, units: Mapping[str, str], records: dict[str, pl.DataFrame]) -> tuple[Comparison, ...]:
    """Read estimated tables as targets of the run's spec, and compare them with the records."""
    path = folder / "spec" / "spec.yaml"
    units = {table: unit for table, unit in units.items() if (folder / table).is_file()}
    if not units or not records or not path.is_file():
        return ()
    raw = read_yaml(path.read_text(encoding="utf-8"), where=str(folder))
    kept = [table for table in units if _is_about(raw, units[table], folder / table)]
    if not kept:
        return ()
    raw["targets"] = [
        {"name": table, "unit": units[table], "table": str((folder / table).resolve()), "value": "share"}
        for table in kept
    ]
    raw["rules"] = []
    for geography in raw.get("geographies", {}).values():  # their files stand beside the spec
        crosswalk = geography.get("crosswalk")
        if isinstance(crosswalk, dict) and "file" in crosswalk:
            geography["crosswalk"] = {**crosswalk, "file": str((path.parent / crosswalk["file"]).resolve())}
        geography.pop("geometry", None)
    raw.pop("seed", None)
    return compare(Spec.load(raw), records)


def _is_about(raw: dict[str, Any], unit: str, path: Path) -> bool:
    """Whether all columns of a table are variables of the spec: those of the order of records are computed in a run only."""
    table = read_held(path)
    for column in table.columns[:-1] if table is not None else ():
        owner, _, name = column.rpartition(".")
        part = raw["units"].get(owner or unit, {})
        if name not in {*part.get("variables", {}), *part.get("derived", {})}:
            return False
    return True


def audits(cells: pl.DataFrame | None) -> list[dict[str, Any]]:
    """Tables that turned up after the run, each in a line, and the cells that lie outside their bands."""
    if cells is None:
        return []
    found = []
    for (table,), own in cells.group_by("table", maintain_order=True):
        outside = own.filter(pl.col("covered") != "true")
        off = (own["published"] - own["obtained"]).abs().sum() / 2
        pair, source = " × ".join(own.select("one", "other").row(0)), own["source"][0]
        line = {"table": table, "pair": pair, "source": source, "cells": own.height, "tvd": off}
        found.append({**line, "covered": own.height - outside.height, "outside": outside.head(MOST_DRAWN).to_dicts()})
    return found
