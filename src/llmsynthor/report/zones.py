"""Zones in the report: the worst of them, and maps of where records are off."""

from collections.abc import Mapping
from html import escape

import polars as pl

from llmsynthor.geography.outlines import read_shapes
from llmsynthor.spec.specification import Spec

STEPS = ((1.0, "#eef3ee"), (2.0, "#f6dfb0"), (5.0, "#eeb36f"), (20.0, "#d9714a"), (float("inf"), "#a8322d"))
"""Colours by how many records the missed cells of a zone are off, up to each number (not in)."""

NO_TABLE = "#ffffff"


def maps(spec: Spec, frame: pl.DataFrame) -> list[dict[str, str]]:
    """A map for each level with outlines: by how many records the cells of each zone are off, in all its tables, that miss by one
    or more."""
    found = []
    for geography in spec.geographies:
        for level, outline in geography.outlines.items():
            names = [place.variable(level) for place in spec.schema.top.places if place.geography == geography.name]
            own = frame.filter(pl.col("level").is_in(names)) if names else frame.head(0)
            off = dict(own.group_by("zone").agg(pl.col("beyond").sum()).iter_rows())
            shapes = read_shapes(outline)
            if shapes is not None and off:
                found.append({"title": level, "svg": _drawn(shapes.paths, off, (shapes.width, shapes.height))})
    return found


def _drawn(paths: Mapping[str, str], off: Mapping[str, float], size: tuple[int, int]) -> str:
    pieces = []
    for zone, path in paths.items():
        said = f"{zone}: {off[zone]:,.1f} records off" if zone in off else f"{zone}: no table"
        colour = next(c for most, c in STEPS if off[zone] < most) if zone in off else NO_TABLE
        pieces.append(f'<path d="{path}" fill="{colour}"><title>{escape(said)}</title></path>')
    inside = "".join(pieces)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size[0]} {size[1]}" width="{size[0]}" height="{size[1]}" '
        f'role="img" stroke="#8a8f98" stroke-width="0.5" fill-rule="evenodd">{inside}</svg>'
    )


def legend() -> list[tuple[str, str]]:
    """Colour and words of each step of the map."""
    ends = ["less than 1", "1 to 2", "2 to 5", "5 to 20", "20 and more"]
    return [(colour, words) for (_, colour), words in zip(STEPS, ends, strict=True)]
