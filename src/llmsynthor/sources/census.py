"""Tables of the US Census Bureau: the CSV of data.census.gov (two header rows) and the JSON of its API.

Estimates come with margins of error (90 %), annotations, and numbers below -100 million that stand for words. The grammar of
labels is a path, `Estimate!!Total:!!Male:!!Under 5 years`; sums stand beside their parts.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from llmsynthor.sources.paths import PART, parts_of
from llmsynthor.sources.table import Dimension, LongTable, SourceError, built, distinct

COLUMN = re.compile(r"^([A-Z]+\d+[A-Z0-9]*(?:_C\d+)?_\d{3,4})(PE|PM|PEA|PMA|E|EA|M|MA)$|^([A-Z]+\d+[A-Z]*_\d{3})N$")
GEO = ("GEO_ID", "ucgid", "GEOID")
LEVELS = (
    "us", "region", "division", "state", "county", "county subdivision", "place", "tract", "block group", "block",
    "public use microdata area", "congressional district", "zip code tabulation area",
    "metropolitan statistical area/micropolitan statistical area",
)  # fmt: skip
SENTINELS = {
    -666666666: "-",
    -222222222: "**",
    -333333333: "***",
    -555555555: "*****",
    -888888888: "(X)",
    -999999999: "N",
}
CONTROLLED = "*****"
OPEN_END = re.compile(r"^([\d,]+)([+-])$")
WORDS = {
    "-": "too few observations",
    "**": "too few observations for a margin of error",
    "***": "median in an open group",
    "*****": "controlled: no sampling error",
    "(X)": "does not apply",
    "N": "not shown",
}
"""What the signs mean."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cell:
    """Columns of one cell: where its estimate, margin and their annotations stand."""

    estimate: int
    margin: int | None = None
    notes: tuple[int, ...] = ()


def is_census_head(head: Sequence[str]) -> bool:
    """Whether these are names of columns of the Census Bureau."""
    return any(COLUMN.match(name) for name in head) and (
        any(name in GEO for name in head) or any(name in LEVELS for name in head) or "NAME" in head
    )


def read_census_json(text: str, labels: Mapping[str, str]) -> LongTable:
    """Read an answer of the API, an array of arrays with the header first; `labels` by column, from its `variables.json`."""
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as cause:
        raise SourceError(f"it is no JSON ({cause})"[:160], "download it again") from cause
    if not isinstance(rows, list) or not rows or not all(isinstance(row, list) for row in rows):
        raise SourceError("it is no answer of the Census API", "an array of arrays is expected, the header first")
    head = [str(name) for name in rows[0]]
    body = [[None if cell is None else str(cell) for cell in row] for row in rows[1:]]
    return read_census(head, body, labels, format_name="census-json")


def read_labels(text: str) -> dict[str, str]:
    """Labels of columns from `variables.json` of the API, `{"variables": {CODE: {"label": …}}}` with or without its wrapping."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as cause:
        raise SourceError(f"the labels are no JSON ({cause})"[:160], "give the variables.json of the table") from cause
    found = document.get("variables", document) if isinstance(document, dict) else {}
    if not isinstance(found, dict):
        raise SourceError("the labels are no variables.json", "give the variables.json of the table")
    return {str(code): str(own.get("label", "")) if isinstance(own, dict) else str(own) for code, own in found.items()}


def read_census(
    head: Sequence[str], body: Sequence[Sequence[str | None]], labels: Mapping[str, str], *, format_name: str
) -> LongTable:
    """Make a long table of the columns of cells; what is no cell tells the zone."""
    uneven = next((k for k, row in enumerate(body) if len(row) < len(head)), None)
    if uneven is not None:
        raise SourceError("a row is shorter than the header", "download the file again: it is cut", f"row {uneven + 1}")
    cells = _cells(head)
    if not cells:
        raise SourceError("no column holds estimates", "columns are named as in B01001_001E", ", ".join(head[:6]))
    zones, names = _zones(head, body)
    codes = list(cells)
    columns: dict[str, list[str]] = {"zone": [], "cell": []}
    values: list[float | None] = []
    margins: list[float | None] = []
    flags: list[str | None] = []
    for where, row in zip(zones, body, strict=True):
        for code in codes:
            value, margin, flag = _entry(row, cells[code])
            columns["zone"].append(where)
            columns["cell"].append(code)
            values.append(value)
            margins.append(margin)
            flags.append(flag)
    said = _said(head, labels, cells)
    zone = Dimension(name="zone", codes=distinct(zones), labels=names, role="zone", label="Geography")
    cell = Dimension(name="cell", codes=tuple(codes), labels=said, role="cell", label="Cell")
    notes = [] if said else ["the file has no labels: give the table's variables.json as `labels`"]
    table = codes[0].rpartition("_")[0]
    has_margins = any(own.margin is not None for own in cells.values())
    return built(
        format_name,
        (zone, cell),
        columns,
        values,
        flags,
        margins=margins if has_margins else None,
        title=f"table {table}",
        notes=notes,
    )


def _cells(head: Sequence[str]) -> dict[str, _Cell]:
    """Columns of each cell; of percent columns (`PE`) the code ends in P."""
    places: dict[str, dict[str, int]] = {}
    for k, name in enumerate(head):
        match = COLUMN.match(name)
        if match is None:
            continue
        code, kind = (match[3], "E") if match[3] else (match[1], match[2])
        code, kind = (code + "P", kind[1:]) if kind.startswith("P") else (code, kind)
        places.setdefault(code, {})[kind] = k
    return {
        code: _Cell(
            estimate=own["E"], margin=own.get("M"), notes=tuple(own[kind] for kind in ("EA", "MA") if kind in own)
        )
        for code, own in places.items()
        if "E" in own
    }


def _zones(head: Sequence[str], body: Sequence[Sequence[str | None]]) -> tuple[list[str], dict[str, str]]:
    """The id of each row's zone, and names: GEO_ID if it is there, else the codes of its levels put together."""
    at = next((head.index(name) for name in GEO if name in head), None)
    parts = [head.index(level) for level in LEVELS if level in head]
    if at is not None:
        zones = [str(row[at] or "") for row in body]
    elif parts:
        zones = ["".join(str(row[k] or "") for k in parts) for row in body]
    elif "NAME" in head:
        zones = [str(row[head.index("NAME")] or "") for row in body]
    else:
        zones = ["all"] * len(body)
    repeated = next((zone for zone in distinct(zones) if zones.count(zone) > 1), None) if len(zones) < 2000 else None
    if repeated is not None:
        raise SourceError("a zone stands in two rows", "keep one of them", repeated)
    named = head.index("NAME") if "NAME" in head else None
    names = {zone: str(row[named] or "") for zone, row in zip(zones, body, strict=True)} if named is not None else {}
    return zones, names


def _entry(row: Sequence[str | None], cell: _Cell) -> tuple[float | None, float | None, str | None]:
    """Value, margin and flag of a cell."""
    value, flag = number_or_sign(row[cell.estimate])
    margin, sign = number_or_sign(row[cell.margin]) if cell.margin is not None else (None, None)
    signs = [note for k in cell.notes if (note := (row[k] or "").strip()) and note != "null"]
    found = [own for own in (flag, sign, *signs) if own]
    if CONTROLLED in found:
        margin = 0.0
    return value, margin, next(iter(found), None)


def number_or_sign(text: str | None) -> tuple[float | None, str | None]:
    """A number, or the sign that stands for it; open medians, `250,000+`, are signs."""
    plain = (text or "").strip()
    if not plain or plain == "null":
        return None, None
    match = OPEN_END.match(plain)
    if match:
        return None, plain
    try:
        number = float(plain.replace(",", "").removeprefix("±"))
    except ValueError:
        return None, plain
    sign = SENTINELS.get(round(number)) if number < -100_000_000 else None
    return (None, sign) if sign else (number, None)


def _said(head: Sequence[str], labels: Mapping[str, str], cells: Mapping[str, _Cell]) -> dict[str, str]:
    """The path of each cell, without the word `Estimate` before it."""
    found = {}
    for code, cell in cells.items():
        label = labels.get(head[cell.estimate], labels.get(code, ""))
        parts = parts_of(label) if label else ()
        parts = parts[1:] if parts and parts[0].casefold() in ("estimate", "percent", "percent estimate") else parts
        parts = tuple(part for part in parts if part)
        if parts:
            found[code] = PART.join(parts)
    return found
