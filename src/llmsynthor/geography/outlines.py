"""Outlines of zones from GeoJSON, projected and thinned out for a small map."""

import json
from dataclasses import dataclass
from math import cos, radians
from pathlib import Path
from typing import Any

from llmsynthor.geography.levels import Outline

WIDTH = 640
"""Points that a map is wide: nothing finer is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes:
    """The path of each zone, as SVG writes it, on a map of this size."""

    paths: dict[str, str]
    width: int
    height: int


def read_shapes(outline: Outline) -> Shapes | None:
    """Read polygons of a GeoJSON file; None where it has none that can be drawn.

    Degrees are projected with the scale of the middle latitude; points nearer than one of the map's are one.
    """
    rings = _rings(Path(outline.file), outline.key)
    points = [point for own in rings.values() for ring in own for point in ring]
    if not points:
        return None
    west, east = min(x for x, _ in points), max(x for x, _ in points)
    south, north = min(y for _, y in points), max(y for _, y in points)
    narrow = max(cos(radians((south + north) / 2)), 0.1) if south >= -90 and north <= 90 else 1.0
    scale = WIDTH / max((east - west) * narrow, (north - south), 1e-12)
    size = (round((east - west) * narrow * scale) + 2, round((north - south) * scale) + 2)
    paths = {}
    for zone, own in rings.items():
        drawn = [
            _thinned([(round((x - west) * narrow * scale) + 1, round((north - y) * scale) + 1) for x, y in ring])
            for ring in own
        ]
        text = "".join("M" + "L".join(f"{x} {y}" for x, y in ring) + "Z" for ring in drawn if len(ring) > 2)
        if text:
            paths[zone] = text
    return Shapes(paths=paths, width=size[0], height=size[1]) if paths else None


def _rings(path: Path, key: str) -> dict[str, list[list[tuple[float, float]]]]:
    """The rings of each zone by its id; nothing where the file is no GeoJSON."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    found: dict[str, list[list[tuple[float, float]]]] = {}
    features = document.get("features", []) if isinstance(document, dict) else []
    for feature in features:
        zone = _id((feature.get("properties") or {}).get(key))
        geometry = feature.get("geometry") or {}
        parts = geometry.get("coordinates", [])
        polygons = {"Polygon": [parts], "MultiPolygon": parts}.get(str(geometry.get("type")), [])
        for polygon in polygons:
            found.setdefault(zone, []).extend([(float(p[0]), float(p[1])) for p in ring] for ring in polygon)
    return found


def _id(value: Any) -> str:
    """An id as text; one that a program wrote as 53.0 is 53."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _thinned(ring: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Without points that repeat the one before."""
    return [point for k, point in enumerate(ring) if k == 0 or point != ring[k - 1]]
