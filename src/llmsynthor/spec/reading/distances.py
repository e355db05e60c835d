"""Distances from coordinates, as the table of a lookup: great circles, longer by a stated detour."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmsynthor.sources.numbers import plain_number
from llmsynthor.spec.reading.columns import from_table
from llmsynthor.spec.reading.document import LookupPart
from llmsynthor.spec.reading.place import Place
from llmsynthor.spec.schema import Category

RADIUS = {"km": 6371.0088, "miles": 3958.7613}
"""Mean radius of the earth (IUGG 1980) in each unit of length."""

LONGITUDE, LATITUDE = ("lon", "longitude", "lng", "x"), ("lat", "latitude", "y")

Floats = NDArray[np.float64]


def distance_frame(part: LookupPart, folder: Path, place: Place) -> pl.DataFrame | None:
    """A row for every pair of zones with its distance; None where it cannot be computed, which is a problem.

    Within a zone it is half of that to the nearest other zone, or what `within` says.
    """
    names = list(part.by)
    zones = _zones(names, place)
    points = _points(part, folder, place)
    if zones is None or points is None:
        return None
    missing = sorted({zone for own in zones for zone in own} - set(points))
    if missing:
        found = ", ".join(missing[:5]) + (f" and {len(missing) - 5:,} more" if len(missing) > 5 else "")
        place.problem("zones have no coordinates", "add them to the file, or remove the levels", found)
        return None
    first, second = (np.array([points[zone] for zone in own]) for own in zones)
    far = great_circle(first, second, part.unit) * part.detour
    same = np.array(zones[0], dtype=object)[:, None] == np.array(zones[1], dtype=object)[None, :]
    beside = np.where(same, np.inf, far).min(axis=1, keepdims=True, initial=np.inf)
    inside = part.within if part.within is not None else np.where(np.isfinite(beside), beside / 2, 0.0)
    far = np.where(same, inside, far).round(3)
    rows, columns = (side.ravel() for side in np.meshgrid(*(np.arange(len(own)) for own in zones), indexing="ij"))
    return pl.DataFrame(
        {
            names[0]: pl.Series(zones[0])[rows],
            names[1]: pl.Series(zones[1])[columns],
            part.value: pl.Series(far.ravel()).cast(pl.String),
        }
    )


def great_circle(first: Floats, second: Floats, unit: str) -> Floats:
    """Distances (a, b) between points of degrees (longitude, latitude), by the haversine formula.

    >>> york, leeds = np.array([[-1.0815, 53.959]]), np.array([[-1.5491, 53.8008]])
    >>> great_circle(york, leeds, "km").round(1).item()
    35.3
    """
    (lon_a, lat_a), (lon_b, lat_b) = (np.radians(points).T for points in (first, second))
    half = np.sin((lat_a[:, None] - lat_b) / 2) ** 2
    half = half + np.cos(lat_a)[:, None] * np.cos(lat_b) * np.sin((lon_a[:, None] - lon_b) / 2) ** 2
    return np.asarray(2 * RADIUS[unit] * np.arcsin(np.sqrt(np.minimum(half, 1.0))))


def _zones(names: list[str], place: Place) -> list[tuple[str, ...]] | None:
    found = list[tuple[str, ...]]()
    for name in names:
        try:
            _, variable = place.schema.find(place.unit, name)
        except KeyError:
            variable = None
        if not isinstance(variable, Category):
            place.problem("coordinates belong to zones: levels of a category", "name two variables of zones", name)
        else:
            found.append(variable.levels)
    if len(names) != 2:
        advice = "as in by: [origin, destination]"
        place.problem("a distance is looked up by two variables", advice, ", ".join(names))
    return found if len(found) == len(names) == 2 else None


def _points(part: LookupPart, folder: Path, place: Place) -> Mapping[str, tuple[float, float]] | None:
    """Longitude and latitude of each zone."""
    frame = from_table(part.coordinates, [], folder, place)
    if frame is None:
        return None
    by_name = {name.casefold(): name for name in frame.columns}
    lon, lat = (next((by_name[n] for n in said if n in by_name), None) for said in (LONGITUDE, LATITUDE))
    key = part.key or next((name for name in frame.columns if name not in (lon, lat)), None)
    if lon is None or lat is None or key not in frame.columns:
        advice = "give columns of the zone (`key` says which), `lon` and `lat` in degrees"
        place.problem("the file of coordinates lacks a column", advice, ", ".join(frame.columns))
        return None
    found = dict[str, tuple[float, float]]()
    for row, (zone, *said) in enumerate(frame.select(key, lon, lat).rows()):
        degrees = [plain_number(text) if text is not None else None for text in said]
        x, y = degrees
        if zone is None or x is None or y is None or abs(x) > 180 or abs(y) > 90:
            place.problem("this is no point in degrees", "give longitude and latitude", f"{zone}: {said}", row=row)
            return None
        found[zone.strip()] = (x, y)
    return found
