"""The `geographies:` section and the places of units: zones become variables, the levels above them lookups."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import polars as pl

from llmsynthor.errors import Problem
from llmsynthor.geography.crosswalk import nested_rows
from llmsynthor.geography.levels import Geography, Located, Outline
from llmsynthor.spec.reading.columns import from_cells, from_table
from llmsynthor.spec.reading.document import Document
from llmsynthor.spec.reading.lookups import category_lookup
from llmsynthor.spec.reading.parts import GeographyPart
from llmsynthor.spec.reading.place import Place
from llmsynthor.spec.schema import Category, Schema, Unit
from llmsynthor.spec.specification import Spec


def read_geographies(
    parts: Mapping[str, GeographyPart], folder: Path, problems: list[Problem]
) -> tuple[Geography, ...]:
    """Read every geography with its crosswalk; one that cannot be read is a problem and left out."""
    read = (_geography(name, part, folder, problems) for name, part in parts.items())
    return tuple(geography for geography in read if geography is not None)


def _geography(name: str, part: GeographyPart, folder: Path, problems: list[Problem]) -> Geography | None:
    where = f"geographies.{name}"
    repeated = sorted({level for level in part.levels if part.levels.count(level) > 1})
    if repeated:
        found, advice = ", ".join(repeated), "name each level once, coarse to fine"
        problems.append(Problem(where=f"{where}.levels", what="a level is listed twice", found=found, advice=advice))
        return None
    unknown = [level for level in (*part.crosswalk.columns, *part.geometry) if level not in part.levels]
    for level in unknown:
        advice = f"use one of: {', '.join(part.levels)}"
        problems.append(Problem(where=where, what="there is no such level", found=level, advice=advice))
    place = Place(where=f"{where}.crosswalk", schema=Schema(units=()), unit="", problems=problems)
    names = [part.crosswalk.columns.get(level, level) for level in part.levels]
    cells, file = part.crosswalk.cells, part.crosswalk.file
    frame = from_cells(cells, place) if cells is not None else from_table(file, names, folder, place)
    having = frame.columns if frame is not None else []
    missing = [column for column in names if frame is not None and column not in having]
    for column in missing:
        advice = f"say under `columns` how the file calls the level; it has: {', '.join(having)}"
        place.problem("the crosswalk has no column for a level", advice, column)
    if frame is None or missing or unknown:
        return None
    rows = nested_rows(part.levels, [frame[column].to_list() for column in names], place.where, problems)
    if rows is None:
        return None
    files = {level: str(folder / shape.file) for level, shape in part.geometry.items()}
    for level, file in files.items():
        if not Path(file).is_file():
            advice = "correct the path, or leave the geometry out: it is for maps only"
            problems.append(
                Problem(where=f"{where}.geometry.{level}", what="there is no such file", found=file, advice=advice)
            )
    outlines = {level: Outline(file=files[level], key=shape.key) for level, shape in part.geometry.items()}
    return Geography(name=name, levels=tuple(part.levels), rows=tuple(rows), outlines=outlines)


def with_places(
    units: Sequence[Unit], document: Document, geographies: Sequence[Geography], problems: list[Problem]
) -> list[Unit]:
    """Give each unit with a geography a variable for the finest level of each place, and lookups for those above it."""
    known = {geography.name: geography for geography in geographies}
    return [_placed(unit, document.units[unit.name].places, known, document, problems) for unit in units]


def _placed(
    unit: Unit, places: Mapping[str, str], known: Mapping[str, Geography], document: Document, problems: list[Problem]
) -> Unit:
    for place, name in places.items():
        where = f"units.{unit.name}.geography" + (f".{place}" if place else "")
        if name not in document.geographies:
            names = ", ".join(document.geographies) or "none is there yet"
            advice = f"describe it under `geographies`, or use one of: {names}"
            problems.append(Problem(where=where, what="there is no such geography", found=name, advice=advice))
        if name not in known:  # what is wrong with it is a problem already
            continue
        geography = known[name]
        located = Located(geography=name, levels=geography.levels, place=place)
        taken = {variable.name for variable in (*unit.variables, *(d.variable for d in unit.derived))}
        taken |= set(document.units[unit.name].derived)
        for level in geography.levels:
            if located.variable(level) in taken:
                found, advice = located.variable(level), "remove the variable: the geography gives it"
                problems.append(Problem(where=where, what="a variable is there twice", found=found, advice=advice))
        unit = with_place(unit, geography, located)
    return unit


def with_place(unit: Unit, geography: Geography, located: Located) -> Unit:
    finest = Category(name=located.variable(geography.finest), levels=geography.zones(geography.finest))
    lookups = [
        category_lookup(located.variable(level), geography.zones(level), finest, geography.of(level))
        for level in reversed(geography.levels[:-1])
    ]
    return replace(
        unit,
        variables=(finest, *unit.variables),
        derived=(*lookups, *unit.derived),
        places=(*unit.places, located),
    )


def crosswalk_frame(geography: Geography) -> pl.DataFrame:
    """A row for each finest zone, a column for each level."""
    columns = zip(*geography.rows, strict=True)
    return pl.DataFrame(
        {level: pl.Series(own, dtype=pl.String) for level, own in zip(geography.levels, columns, strict=True)}
    )


def outline_file(geography: Geography, level: str) -> str:
    return f"outlines-{geography.name}-{level}.geojson"


def crosswalk_file(geography: Geography) -> str:
    return f"crosswalk-{geography.name}.csv"


def write_geographies(spec: Spec) -> dict[str, Any]:
    """The sections `geographies` and `sources` as they are read; nothing where there are none."""
    geographies = {
        geography.name: {
            "levels": list(geography.levels),
            "crosswalk": {"file": f"tables/{crosswalk_file(geography)}"},
            "geometry": {
                level: {"file": f"tables/{outline_file(geography, level)}", "key": own.key}
                for level, own in geography.outlines.items()
            },
        }
        for geography in spec.geographies
    }
    sources = {
        origin.name: {key: value for key, value in asdict(origin).items() if key != "name" and value not in (None, "")}
        for origin in spec.sources
    }
    return {name: part for name, part in (("geographies", geographies), ("sources", sources)) if part}


def write_places(unit: Unit) -> dict[str, Any]:
    """The geography of a unit as it is read."""
    if not unit.places:
        return {}
    named = {place.place: place.geography for place in unit.places}
    return {"geography": named.get("", named)}
