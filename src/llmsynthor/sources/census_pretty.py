"""The table of data.census.gov as it is shown there (`Label (Grouping)`): zones across, labels down with blanks before them."""

import csv
from collections.abc import Sequence
from io import StringIO

from llmsynthor.sources.census import CONTROLLED, number_or_sign
from llmsynthor.sources.paths import PART
from llmsynthor.sources.table import Dimension, LongTable, SourceError, built, distinct

FIRST = "label (grouping)"
MARGIN = "Margin of Error"
STEP = 4
"""Blanks by which a part of a sum is moved in."""


def is_shown_table(head: Sequence[str]) -> bool:
    """Whether a header is that of the table as shown."""
    return bool(head) and head[0].casefold() == FIRST and any(PART in name for name in head)


def read_shown_table(text: str) -> LongTable:
    """Read it: `Autauga County, Alabama!!Estimate` beside its margin; cells are paths. Raises SourceError."""
    try:
        rows = [row for row in csv.reader(StringIO(text)) if any(row)]
    except csv.Error as cause:
        raise SourceError(f"it is no CSV ({cause})", "download the file again: a quote may not be closed") from cause
    head = [" ".join(name.split()) for name in rows[0]]
    short = next((k for k, row in enumerate(rows) if len(row) < len(head)), None)
    if short is not None:
        raise SourceError("a row is shorter than the header", "download the file again", f"row {short + 1}")
    columns: dict[str, list[str]] = {"zone": [], "cell": []}
    values, margins = list[float | None](), list[float | None]()
    flags = list[str | None]()
    places = {name: k for k, name in enumerate(head)}
    for name, k in list(places.items())[1:]:
        *above, kind = name.split(PART)
        if kind == MARGIN or kind.endswith(MARGIN):
            continue
        beside = places.get(PART.join([*above, MARGIN if kind == "Estimate" else f"{kind} {MARGIN}"]))
        behind = [*above[1:], *([] if kind == "Estimate" else [kind])] if above else []
        path = list[str]()
        for row in rows[1:]:
            label = row[0].replace("\u00a0", " ")
            depth = (len(label) - len(label.lstrip())) // STEP
            path = [*path[:depth], label.strip().rstrip(":")]
            value, flag = number_or_sign(row[k].rstrip("%"))
            margin, sign = number_or_sign(row[beside].rstrip("%")) if beside is not None else (None, None)
            if not row[k].strip():
                continue
            columns["zone"].append(above[0] if above else name)
            columns["cell"].append(PART.join([*path, *behind]))
            values.append(value)
            margins.append(0.0 if sign == CONTROLLED else margin)
            flags.append(flag or sign)
    zone = Dimension(name="zone", codes=distinct(columns["zone"]), role="zone", label="Geography")
    codes = distinct(columns["cell"])
    cell = Dimension(name="cell", codes=codes, labels={code: code for code in codes}, role="cell", label="Cell")
    told = ["zones are named, without their codes: the table as a file (with GEO_ID) has them"]
    kept = margins if any(own is not None for own in margins) else None
    return built("census-shown", (zone, cell), columns, values, flags, margins=kept, notes=told)
