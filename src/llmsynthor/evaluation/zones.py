"""How each zone came out: what its tables ask for and what the records have."""

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from llmsynthor.aims.zones import zone_columns
from llmsynthor.evaluation.compare import Comparison
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Table

ZONES = {
    "level": pl.String,
    "zone": pl.String,
    "target": pl.String,
    "unit": pl.String,
    "cells": pl.Int64,
    "asked": pl.Float64,
    "made": pl.Float64,
    "difference": pl.Float64,
    "off": pl.Float64,
    "largest": pl.Float64,
    "beyond": pl.Float64,
}

WHOLE = 1.0 - 1e-6
"""Records by which a cell is off that is not met: below it whole records cannot come nearer."""


def zones_frame(spec: Spec, comparisons: Sequence[Comparison]) -> pl.DataFrame:
    """A row for each zone and table: records asked for and made, their difference, and how far its cells are off.

    `off` is the sum of what the zone's cells are off, `largest` the worst of them, `beyond` the sum of those that are off by a
    record or more: what is less than that is the fraction of a record that no cell can have.
    """
    return pl.DataFrame(list(_rows(spec, comparisons)), schema=ZONES, orient="row")


def _rows(spec: Spec, comparisons: Sequence[Comparison]) -> Iterator[dict[str, object]]:
    for comparison in comparisons:
        table = comparison.target
        place = _zone_column(spec, table) if isinstance(table, Table) else None
        if place is None or not isinstance(table, Table):
            continue
        names = [str(cell[place]) for cell in table.cells]
        zones = list(dict.fromkeys(names))
        index = {zone: k for k, zone in enumerate(zones)}
        number = np.array([index[name] for name in names])
        error = np.abs(comparison.got - comparison.wanted)
        asked, made, off, beyond = (
            np.bincount(number, weights=values, minlength=len(zones))
            for values in (comparison.wanted, comparison.got, error, np.where(error >= WHOLE, error, 0.0))
        )
        largest = np.zeros(len(zones))
        np.maximum.at(largest, number, error)
        cells = np.bincount(number, minlength=len(zones))
        level = table.columns[place].rpartition(".")[2]
        for k, zone in enumerate(zones):
            yield {
                "level": level,
                "zone": zone,
                "target": table.name,
                "unit": table.unit,
                "cells": int(cells[k]),
                "asked": round(float(asked[k]), 3),
                "made": float(made[k]),
                "difference": round(float(made[k] - asked[k]), 3),
                "off": round(float(off[k]), 3),
                "largest": round(float(largest[k]), 3),
                "beyond": round(float(beyond[k]), 3),
            }


def _zone_column(spec: Spec, table: Table) -> int | None:
    """The column of a table that holds its zones: of the top unit's, or of a place of its own unit, the first there is."""
    top = spec.schema.top.name
    columns = set(zone_columns(spec)) if table.unit == top else {f"{top}.{zone}" for zone in zone_columns(spec)}
    columns |= set(spec.schema[table.unit].zones)
    return next((k for k, column in enumerate(table.columns) if column in columns), None)


def worst_zones(frame: pl.DataFrame, most: int) -> list[dict[str, object]]:
    """The zones whose cells are furthest off in all tables of their level together, a record or more, with their worst table."""
    if frame.is_empty():
        return []
    grouped = frame.group_by("level", "zone", maintain_order=True).agg(
        pl.col("off", "beyond").sum(),
        pl.col("largest").max(),
        pl.len().alias("tables"),
        pl.col("target").sort_by("beyond", "off", descending=True).first().alias("worst"),
        pl.col("difference").sort_by("beyond", "off", descending=True).first(),
    )
    found = grouped.filter(pl.col("largest") >= WHOLE).sort("beyond", "off", descending=True, maintain_order=True)
    return found.head(most).to_dicts()
