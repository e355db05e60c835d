"""Pictures described in Vega-Lite, as plain mappings, and rendered as SVG by vl-convert, offline.

Reference: https://vega.github.io/vega-lite/docs/ for what a mark and a channel may have.
"""

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

FONT = "Liberation Sans, Arial, Helvetica, sans-serif"  # measured by the renderer, so labels are not cut
TYPES = {"N": "nominal", "Q": "quantitative"}
CHANNELS = ("x", "x2", "y", "y2", "yOffset", "color")
VERSION = "6.1"
"""Of Vega-Lite: one that every vl-convert has that this project allows."""

LOOKS: dict[str, Any] = {
    "font": FONT,
    "background": "transparent",
    "padding": {"left": 22, "right": 8, "top": 6, "bottom": 12},
    "view": {"stroke": None},
}

Chart = dict[str, Any]


def by(shorthand: str, **how: Any) -> Chart:
    """A channel of a field: its name and its type.

    >>> by("records:Q", title=None)
    {'field': 'records', 'type': 'quantitative', 'title': None}
    """
    field, _, kind = shorthand.rpartition(":")
    return {"field": field, "type": TYPES[kind], **how}


def chart(rows: Sequence[Mapping[str, Any]], mark: Chart, **parts: Any) -> Chart:
    """Rows drawn with a mark; `parts` are CHANNELS, and what else a chart has (`width`, `height`, `title`)."""
    channels = {name: parts.pop(name) for name in CHANNELS if name in parts}
    return {"data": {"values": list(rows)}, "mark": mark, "encoding": channels, **parts}


def layered(*charts: Chart, width: int, height: int) -> Chart:
    """Charts on top of each other."""
    return {"layer": list(charts), "width": width, "height": height}


def beside(*charts: Chart, spacing: int) -> Chart:
    """Charts side by side."""
    return {"hconcat": list(charts), "spacing": spacing}


def below(*charts: Chart, spacing: int) -> Chart:
    """Charts below each other."""
    return {"vconcat": list(charts), "spacing": spacing}


def to_svg(drawn: Chart, name: str) -> str:
    """Render a chart; `name` makes the identifiers inside unique on the page, and the same in every process."""
    svg = _render(json.dumps(drawn | {"config": LOOKS}, sort_keys=True))
    element = r"<(?:linearGradient|radialGradient|clipPath) id="
    for number, old in enumerate(re.findall(element + r'"([^"]+)"', svg)):
        place = rf'({element}"|="url\(#){re.escape(old)}(?=[")])'
        svg = re.sub(place, rf"\g<1>{name}-{number}", svg)
    return re.sub(r' xmlns:xlink="[^"]*"| xmlns="[^"]*"', "", svg)


@cache
def _render(specification: str) -> str:
    import vl_convert  # noqa: PLC0415  (heavy)

    return str(vl_convert.vegalite_to_svg(vl_spec=specification, vl_version=VERSION))
