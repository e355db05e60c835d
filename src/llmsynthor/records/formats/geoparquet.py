"""GeoParquet 1.1: the records of the top unit as points, placed anywhere inside their zones. The place is no information."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmsynthor.errors import DataError, Problem
from llmsynthor.files import read_text
from llmsynthor.records.formats.made import Made
from llmsynthor.records.formats.places import telling
from llmsynthor.sources.extras import needed

POINT = np.dtype([("order", "<u1"), ("type", "<u4"), ("x", "<f8"), ("y", "<f8")])
NOTE = "points lie anywhere inside the record's zone, drawn by the seed: the place is no information, and hides nothing"


def write_geoparquet(made: Made, out: Path) -> list[Path]:
    """Write the top unit with a point a record, and the other units as plain Parquet; raises DataError."""
    shapely = needed("shapely", "geo", for_what="export geoparquet")
    parquet = needed("pyarrow.parquet", "geo", for_what="export geoparquet")
    outlines, column = _outlines(made)
    frame = made.frames[made.top]
    points = place_points(frame[column].cast(pl.String).to_list(), outlines, made.seed, shapely)
    table = frame.to_arrow()
    binary = _binary(points)
    import pyarrow as pa  # noqa: PLC0415  (only where it is needed)

    table = table.append_column("geometry", pa.array(binary, type=pa.binary()))
    ends = [float(end) for end in (*points.min(axis=0), *points.max(axis=0))] if len(points) else [0.0] * 4
    geo = {
        "version": "1.1.0",
        "primary_column": "geometry",
        "columns": {"geometry": {"encoding": "WKB", "geometry_types": ["Point"], "bbox": ends}},
    }
    table = table.replace_schema_metadata({"geo": json.dumps(geo), "note": NOTE})
    paths = [out / f"{unit}.parquet" for unit in made.frames]
    with telling(paths[0]):
        parquet.write_table(table, paths[0], compression="zstd")
    for unit, path in zip(list(made.frames)[1:], paths[1:], strict=True):
        with telling(path):
            made.frames[unit].write_parquet(path, compression="zstd")
    return paths


def _outlines(made: Made) -> tuple[dict[str, Any], str]:
    """Shapes by zone, of the finest level that has any, and the variable that holds the zone; raises DataError."""
    geographies = {own.name: own for own in made.spec.geographies}
    for place in made.spec.schema.top.places:
        geography = geographies[place.geography]
        for level in reversed(geography.levels):
            outline = geography.outlines.get(level)
            if outline is None:
                continue
            document = json.loads(read_text(Path(outline.file), 1 << 30))
            shapes = {
                _id((own.get("properties") or {}).get(outline.key)): own.get("geometry")
                for own in document.get("features", [])
            }
            missing = [zone for zone in geography.zones(level) if not shapes.get(zone)]
            if missing:
                advice = "give outlines of all zones"
                what = f"zones of {level} have no outline"
                found = ", ".join(missing[:6])
                raise DataError(Problem(where="export geoparquet", what=what, found=found, advice=advice))
            return shapes, place.variable(level)
    advice = "say where zones lie: geographies: {NAME: {geometry: {LEVEL: {file: zones.geojson, key: PROPERTY}}}}"
    raise DataError(Problem(where="export geoparquet", what="the spec has no outlines of zones", advice=advice))


def _id(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def place_points(zones: list[str], outlines: dict[str, Any], seed: int, shapely: Any) -> NDArray[np.float64]:
    """A point inside each record's zone, shape (records, 2): a triangle by its area, then anywhere in it."""
    rng = np.random.default_rng([seed, 16])
    found = np.empty((len(zones), 2))
    order: dict[str, list[int]] = {}
    for row, zone in enumerate(zones):
        order.setdefault(zone, []).append(row)
    for zone, rows in order.items():
        shape = shapely.make_valid(shapely.from_geojson(json.dumps(outlines[zone])))
        corners = np.array(
            [
                shapely.get_coordinates(own)[:3]
                for own in shapely.get_parts(shapely.constrained_delaunay_triangles(shape))
                if own.area > 0
            ]
        )
        if not len(corners):
            problem = Problem(
                where="export geoparquet", what="a zone has no area", found=zone, advice="mend its outline"
            )
            raise DataError(problem)
        sides = corners[:, 1:] - corners[:, :1]
        areas = np.abs(sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 0, 1] * sides[:, 1, 0])
        chosen = rng.choice(len(corners), size=len(rows), p=areas / areas.sum())
        u, v = rng.random((2, len(rows)))
        turned = u + v > 1
        u, v = np.where(turned, 1 - u, u), np.where(turned, 1 - v, v)
        found[rows] = corners[chosen, 0] + u[:, None] * sides[chosen, 0] + v[:, None] * sides[chosen, 1]
    return found


def _binary(points: NDArray[np.float64]) -> list[bytes]:
    """Points as WKB."""
    rows = np.zeros(len(points), dtype=POINT)
    rows["order"], rows["type"], rows["x"], rows["y"] = 1, 1, points[:, 0], points[:, 1]
    size = POINT.itemsize
    data = rows.tobytes()
    return [data[k : k + size] for k in range(0, len(data), size)]
