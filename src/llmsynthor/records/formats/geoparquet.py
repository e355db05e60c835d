"""GeoParquet 1.1: the records of the top unit as points, placed anywhere inside their zones. The place is no information."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmsynthor.errors import DataError, Problem
from llmsynthor.records.formats.made import Made
from llmsynthor.records.formats.places import telling
from llmsynthor.records.formats.points import outlines_of, place_points
from llmsynthor.sources.extras import needed

WHERE = "export geoparquet"
POINT = np.dtype([("order", "<u1"), ("type", "<u4"), ("x", "<f8"), ("y", "<f8")])
LOG = logging.getLogger("llmsynthor")
MOST_NAMED = 6
NOTE = "points lie anywhere inside the record's zone, drawn by the seed: the place is no information, and hides nothing"


def write_geoparquet(made: Made, out: Path) -> list[Path]:
    """Write the top unit with a point a record, and the other units as plain Parquet; raises DataError."""
    parquet = needed("pyarrow.parquet", "geo", for_what=WHERE)
    outlines, column = _outlines(made)
    frame = made.frames[made.top]
    zones = frame[column].cast(pl.String)
    placed = zones.is_in(list(outlines))
    points = place_points(zones.filter(placed), outlines, np.random.default_rng([made.seed, 16]), WHERE)
    note = NOTE + _without(zones.filter(~placed))
    table = frame.to_arrow()
    binary = iter(_binary(points))
    import pyarrow as pa  # noqa: PLC0415  (only where it is needed)

    cells = [next(binary) if there else None for there in placed]
    table = table.append_column("geometry", pa.array(cells, type=pa.binary()))
    ends = [float(end) for end in (*points.min(axis=0), *points.max(axis=0))] if len(points) else [0.0] * 4
    geo = {
        "version": "1.1.0",
        "primary_column": "geometry",
        "columns": {"geometry": {"encoding": "WKB", "geometry_types": ["Point"], "bbox": ends}},
    }
    table = table.replace_schema_metadata({"geo": json.dumps(geo), "note": note})
    paths = [out / f"{unit}.parquet" for unit in made.frames]
    with telling(paths[0]):
        parquet.write_table(table, paths[0], compression="zstd")
    for unit, path in zip(list(made.frames)[1:], paths[1:], strict=True):
        with telling(path):
            made.frames[unit].write_parquet(path, compression="zstd")
    return paths


def _outlines(made: Made) -> tuple[dict[str, Any], str]:
    """Shapes by zone, and the variable that holds the zone; raises DataError."""
    for place in made.spec.schema.top.places:
        found = outlines_of(made, place, WHERE, gaps=True)
        if found is not None:
            return found
    advice = "say where zones lie: geographies: {NAME: {geometry: {LEVEL: {file: zones.geojson, key: PROPERTY}}}}"
    raise DataError(Problem(where=WHERE, what="the spec has no outlines of zones", advice=advice))


def _without(zones: pl.Series) -> str:
    """A word about records whose zones have no outline, said as a warning too; empty where there are none."""
    if not len(zones):
        return ""
    names = zones.unique(maintain_order=True)
    shown = ", ".join(names.head(MOST_NAMED)) + (" …" if len(names) > MOST_NAMED else "")
    said = f"{len(zones):,} records have no point: their zones have no outline ({shown})"
    LOG.warning("%s: %s", WHERE, said)
    return f"; {said}"


def _binary(points: NDArray[np.float64]) -> list[bytes]:
    """Points as WKB."""
    rows = np.zeros(len(points), dtype=POINT)
    rows["order"], rows["type"], rows["x"], rows["y"] = 1, 1, points[:, 0], points[:, 1]
    size = POINT.itemsize
    data = rows.tobytes()
    return [data[k : k + size] for k in range(0, len(data), size)]
