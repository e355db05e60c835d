"""Where activities take place, as attributes of XML: links, facilities, coordinates, or zones as points or facilities."""

from dataclasses import dataclass, field
from xml.sax.saxutils import quoteattr

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmsynthor.errors import DataError, Problem
from llmsynthor.records.formats.made import Made
from llmsynthor.records.formats.mapping import Columns, Map, mapped
from llmsynthor.records.formats.points import DEGREES, outlines_of, place_points
from llmsynthor.texts import clean

ADVICE = (
    "name variables in a map (--write-map writes one to edit): ends: {zone: VARIABLE}, {x: …, y: …}, {link: …} or {facility: …}, "
    "likewise homes and starts; or say places: {zones: none} for days without places"
)
WAYS = ("points", "facilities", "none")


@dataclass(slots=True, kw_only=True)
class Spots:
    """How places are found, and the system of coordinates once points were placed."""

    made: Made
    said: Map
    crs: str | None = None
    drawn: int = field(default=0)

    @property
    def zones(self) -> str | None:
        """What zones become: points, facilities or none; None for points where there are outlines; raises DataError."""
        way = self.said.tables["places"]["zones"]
        if way is not None and way not in WAYS:
            advice = f"use one of: {', '.join(WAYS)}"
            raise DataError(
                Problem(where="map places.zones", what="there is no such way", found=str(way), advice=advice)
            )
        return None if way is None else str(way)

    def zone(self, unit: str, table: str) -> pl.Series | None:
        """The zone of each record; None where no variable says it; raises DataError."""
        entry = self.said.tables[table]["zone"]
        if entry is None:
            return None
        if entry not in self.made.frames[unit].columns:
            advice = f"name one of: {', '.join(self.made.frames[unit].columns)}"
            where = f"map {table}.zone"
            raise DataError(Problem(where=where, what=f"{unit} has no such variable", found=str(entry), advice=advice))
        return self.made.frames[unit][str(entry)].cast(pl.String)

    def texts(self, unit: str, table: str, same: pl.DataFrame, *, rows: NDArray[np.int64] | None = None) -> pl.Series:
        """The attributes of each record's place (of `rows` only), null where it is not known.

        Records that are the `same`, a row of it each, share a point.
        """
        columns = self.said.tables[table]
        named = [name for name in ("link", "facility", "x", "y") if columns[name] is not None]
        if ("x" in named) != ("y" in named):
            where = f"map {table}"
            raise DataError(
                Problem(where=where, what="a point needs both x and y", found=", ".join(named), advice=ADVICE)
            )
        if named:
            parts = [_attribute(name, self._values(unit, table, columns, name)) for name in named]
            return _only(pl.DataFrame(parts).select(pl.concat_str(pl.all())).to_series(), rows)
        zone = None if self.zones == "none" else self.zone(unit, table)
        if zone is None:
            return pl.Series([None], dtype=pl.String).new_from_index(0, same.height)
        shapes = self._shapes(unit, str(columns["zone"])) if self.zones != "facilities" else None
        if shapes is None and self.zones == "points":
            what = f"the zones of {columns['zone']} have no outlines"
            advice = (
                "geographies: {NAME: {geometry: {LEVEL: {file: zones.geojson, key: PROPERTY}}}} says where they lie"
            )
            raise DataError(Problem(where="map places.zones", what=what, advice=advice))
        if shapes is None:
            return _attribute("facility", _only(zone, rows))
        outlines, name = shapes
        zone = _only(self.made.frames[unit][name].cast(pl.String), rows)
        return self._points(outlines, same.with_columns(zone.alias("zone")))

    def _values(self, unit: str, table: str, columns: Columns, name: str) -> pl.Series:
        entry = columns[name]
        assert entry is not None
        return mapped(self.made, unit, f"{table}.{name}", entry, {}).cast(pl.String).alias(name)

    def _shapes(self, unit: str, entry: str) -> tuple[dict[str, object], str] | None:
        """Outlines of the zones that a variable holds, and the variable of the level that has them."""
        for place in self.made.spec.schema[unit].places:
            if entry in place.variables:
                return outlines_of(self.made, place, "export matsim")
        return None

    def _points(self, outlines: dict[str, object], keys: pl.DataFrame) -> pl.Series:
        once = keys.filter(pl.col("zone").is_not_null()).unique(maintain_order=True)
        self.drawn += 1
        rng = np.random.default_rng([self.made.seed, 16, self.drawn])
        found = place_points(once["zone"], outlines, rng, "export matsim").round(6)
        self.crs = DEGREES
        once = once.with_columns(x=found[:, 0], y=found[:, 1])
        text = pl.format(' x="{}" y="{}"', "x", "y")
        return keys.join(once, on=keys.columns, how="left", maintain_order="left").select(text=text).to_series()


def _only(values: pl.Series, rows: NDArray[np.int64] | None) -> pl.Series:
    return values if rows is None else values.gather(rows)


def _attribute(name: str, values: pl.Series) -> pl.Series:
    """An attribute of XML for each value; null stays null."""
    known = values.unique().drop_nulls().to_list()
    texts = [f" {name}={quoteattr(clean(text))}" for text in known]
    return values.replace_strict(known, texts, default=None, return_dtype=pl.String).alias(name)
