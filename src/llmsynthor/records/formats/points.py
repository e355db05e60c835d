"""Points anywhere inside zones: outlines of GeoJSON, cut into triangles. The place of a point is no information."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmsynthor.errors import DataError, Problem
from llmsynthor.files import read_text
from llmsynthor.geography.levels import Located
from llmsynthor.records.formats.made import Made
from llmsynthor.sources.extras import needed

DEGREES = "EPSG:4326"
"""The coordinates of GeoJSON: longitude, latitude."""


def outlines_of(made: Made, place: Located, where: str, *, gaps: bool = False) -> tuple[dict[str, Any], str] | None:
    """Shapes by zone, of the finest level that has any, and the variable that holds the zone; raises DataError.

    With `gaps` some zones may have none: they are not among the shapes.
    """
    geography = next(own for own in made.spec.geographies if own.name == place.geography)
    for level in reversed(geography.levels):
        outline = geography.outlines.get(level)
        if outline is None:
            continue
        shapes = _shapes(Path(outline.file), outline.key, where)
        shapes = {zone: shape for zone, shape in shapes.items() if shape}
        missing = [zone for zone in geography.zones(level) if zone not in shapes]
        if missing and not (gaps and shapes):
            what = f"zones of {level} have no outline"
            found = ", ".join(missing[:6])
            advice = "give outlines of all zones, or take the zones themselves: csv, or matsim with places: {zones: facilities}"
            raise DataError(Problem(where=where, what=what, found=found, advice=advice))
        return shapes, place.variable(level)
    return None


def _shapes(path: Path, key: str, where: str) -> dict[str, Any]:
    try:
        document = json.loads(read_text(path, 1 << 30))
        features = document["features"]
    except (OSError, ValueError, KeyError, TypeError) as cause:
        advice = "points are placed in outlines of GeoJSON: a FeatureCollection with a polygon for each zone"
        problem = Problem(where=where, what="outlines cannot be read", found=str(path), advice=advice)
        raise DataError(problem) from cause
    return {_id((own.get("properties") or {}).get(key)): own.get("geometry") for own in features}


def _id(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def place_points(
    zones: pl.Series, outlines: dict[str, Any], rng: np.random.Generator, where: str
) -> NDArray[np.float64]:
    """A point inside each record's zone, shape (records, 2): a triangle by its area, then anywhere in it."""
    shapely = needed("shapely", "geo", for_what=where)
    found = np.empty((len(zones), 2))
    known = zones.unique(maintain_order=True)
    codes = zones.replace_strict(known, pl.int_range(len(known), eager=True)).to_numpy()
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(known)))
    for number, zone in enumerate(known.to_list()):
        rows = order[ends[number - 1] if number else 0 : ends[number]]
        corners = _triangles(outlines[zone], shapely)
        if not len(corners):
            raise DataError(Problem(where=where, what="a zone has no area", found=zone, advice="mend its outline"))
        sides = corners[:, 1:] - corners[:, :1]
        areas = np.abs(sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 0, 1] * sides[:, 1, 0])
        chosen = rng.choice(len(corners), size=len(rows), p=areas / areas.sum())
        u, v = rng.random((2, len(rows)))
        turned = u + v > 1
        u, v = np.where(turned, 1 - u, u), np.where(turned, 1 - v, v)
        found[rows] = corners[chosen, 0] + u[:, None] * sides[chosen, 0] + v[:, None] * sides[chosen, 1]
    return found


def _triangles(outline: Any, shapely: Any) -> NDArray[np.float64]:
    """Triangles that make up a zone, shape (triangles, 3, 2)."""
    shape = shapely.make_valid(shapely.from_geojson(json.dumps(outline)))
    parts = shapely.get_parts(shapely.constrained_delaunay_triangles(shape))
    return np.array([shapely.get_coordinates(own)[:3] for own in parts if own.area > 0])
