"""Attribute tables of zones: GeoJSON by ourselves, GeoPackage and shapefiles by pyogrio; shapes are not looked at."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from llmsynthor.sources.csv_text import Grid
from llmsynthor.sources.extras import needed
from llmsynthor.sources.grids import read_grid
from llmsynthor.sources.table import LongTable, Reading, SourceError


def is_geojson(document: Any) -> bool:
    return isinstance(document, dict) and document.get("type") == "FeatureCollection"


def read_geojson(text: str, reading: Reading) -> LongTable:
    """The properties of all features as a table; raises SourceError."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as cause:
        raise SourceError(f"it is no JSON ({cause})"[:160], "save it again") from cause
    features = document.get("features") if is_geojson(document) else None
    if not isinstance(features, list) or not features:
        raise SourceError("it holds no features", "a FeatureCollection with properties is expected")
    rows = [own.get("properties") or {} for own in features if isinstance(own, dict)]
    return _table(rows, reading, "geojson")


def read_layers(path: Path, reading: Reading) -> LongTable:
    """The attribute table of a layer of a GeoPackage or shapefile; raises SourceError, DataError."""
    pyogrio = needed("pyogrio", "geo", for_what=str(path))
    try:
        layers = [str(name) for name, *_ in pyogrio.list_layers(path)]
        wanted = str(reading.sheet) if reading.sheet is not None else None
        if wanted is None and len(layers) != 1:
            raise SourceError(
                "it has more than one layer", f"say which with `sheet`: {', '.join(layers)}", str(len(layers))
            )
        if wanted is not None and wanted not in layers:
            raise SourceError("there is no such layer", f"it has: {', '.join(layers)}", wanted)
        _, frame = pyogrio.read_arrow(path, layer=wanted or layers[0], read_geometry=False)
    except (pyogrio.errors.DataSourceError, OSError) as cause:
        raise SourceError(f"it cannot be read ({cause})"[:160], "save it again as a GeoPackage or GeoJSON") from cause
    return _table(frame.to_pylist(), reading, "geopackage" if path.suffix.lower() == ".gpkg" else "shapefile")


def _table(rows: Sequence[Mapping[str, Any]], reading: Reading, format_name: str) -> LongTable:
    names = list(dict.fromkeys(str(name) for row in rows for name in row))
    if not names:
        raise SourceError("its features have no properties", "there is nothing but shapes in it")
    grid: Grid = [names, *([_text(row.get(name)) for name in names] for row in rows)]
    if len(names) == 1:
        raise SourceError(
            "its features have one property: ids, and no number", "use it as the geometry of a level", names[0]
        )
    said = Reading(layout=reading.layout, keys=reading.keys, values=reading.values, head=1, decimal=".")
    return read_grid(grid, said, format_name=format_name)


def _text(value: Any) -> str:
    """A property as text: an id that a program wrote as 53.0 is 53."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return "" if value is None else " ".join(str(value).split())
