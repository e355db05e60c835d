"""CSV of nomis (ONS): bulk tables with a column for each cell, and the long form of its API with counts and per cents."""

import re
from collections.abc import Sequence

from llmsynthor.sources.paths import PART
from llmsynthor.sources.table import Dimension, LongTable, Role, SourceError, built, distinct, free_name

Rows = Sequence[Sequence[str]]
HEAD = re.compile(r"^(?P<what>[^:;]+): (?P<path>.+); measures: (?P<measure>.+)$")
ALL = re.compile(r"^(All categories|All|Total)\b.*$")
KEYS = ("date", "geography", "geography code")


def is_nomis_bulk(head: Sequence[str]) -> bool:
    """Whether columns are named as in `Tenure: Owned: Total; measures: Value`."""
    return sum(HEAD.match(name) is not None for name in head) >= 2


def is_nomis_long(head: Sequence[str]) -> bool:
    """Whether these are the columns of the API: codes and names in pairs, OBS_VALUE."""
    plain = [name.upper() for name in head]
    return "OBS_VALUE" in plain and any(name.startswith("GEOGRAPHY") for name in plain) and "DATAFLOW" not in plain


def read_nomis_bulk(head: Sequence[str], body: Rows) -> LongTable:
    """Read a bulk table: paths of cells from the header, `Owned: Total` being the sum of what begins with `Owned`."""
    cells = {k: match for k, name in enumerate(head) if (match := HEAD.match(name))}
    measures = distinct([match["measure"] for match in cells.values()])
    keys = [k for k in range(len(head)) if k not in cells]
    zone = next((k for k in keys if head[k].casefold() in ("geography code", "geography_code")), None)
    zone = keys[0] if zone is None else zone
    named = next((k for k in keys if head[k].casefold() == "geography"), None)
    others = [k for k in keys if k not in (zone, named)]
    varying = [k for k in others if len({row[k] for row in body if len(row) == len(head)}) > 1]
    codes = {k: _path(match["what"], match["path"]) for k, match in cells.items()}
    columns: dict[str, list[str]] = {"zone": [], "cell": []}
    names = [free_name(head[k], ["zone", "cell", "measure"]) for k in varying]
    columns |= {name: [] for name in names} | ({"measure": []} if len(measures) > 1 else {})
    values, flags = list[float | None](), list[str | None]()
    for number, row in enumerate(body, 2):
        if len(row) != len(head):
            raise SourceError("a row does not fit the header", "download the file again", f"line {number}")
        for k, match in cells.items():
            value, flag = number_or_mark(row[k])
            columns["zone"].append(row[zone])
            columns["cell"].append(codes[k])
            for name, own in zip(names, varying, strict=True):
                columns[name].append(row[own])
            if len(measures) > 1:
                columns["measure"].append(match["measure"])
            values.append(value)
            flags.append(flag)
    labels = {row[zone]: row[named] for row in body} if named is not None else {}
    what = distinct([match["what"] for match in cells.values()])
    dimensions = [
        Dimension(name="zone", codes=distinct(columns["zone"]), labels=labels, role="zone"),
        Dimension(
            name="cell",
            codes=distinct(list(codes.values())),
            labels={code: code for code in codes.values()},
            label="; ".join(what),
            role="cell",
        ),
        *(Dimension(name=name, codes=distinct(columns[name]), role="time" if name == "date" else "") for name in names),
        *([Dimension(name="measure", codes=measures, role="measure")] if len(measures) > 1 else []),
    ]
    constant = [f"{head[k]} is {body[0][k]} in every row" for k in others if k not in varying and body]
    return built("nomis", dimensions, columns, values, flags, title="; ".join(what), notes=constant)


def _path(what: str, path: str) -> str:
    """`Owned: Total` is the cell Owned itself, `All categories: Tenure` that of all.

    >>> _path("Tenure", "Owned: Total"), _path("Tenure", "Owned: Owned outright"), _path("Tenure", "All categories: Tenure")
    ('Total!!Owned', 'Total!!Owned!!Owned outright', 'Total')
    """
    if ALL.match(path):
        return "Total"
    parts = [part.strip() for part in path.split(": ")]
    parts = parts[:-1] if len(parts) > 1 and parts[-1].casefold() == "total" else parts
    return PART.join(["Total", *parts])


def read_nomis_long(head: Sequence[str], body: Rows) -> LongTable:
    """Read what the API gives: of pairs of code and name the code, with the name as its label; per cents are a measure."""
    plain = [name.upper() for name in head]
    at = plain.index("OBS_VALUE")
    bases = distinct([_base(name) for name in plain])
    dimensions, columns = list[Dimension](), dict[str, list[str]]()
    notes = list[str]()
    for base in bases:
        if base in ("OBS_VALUE", "OBS_STATUS", "RECORD", "OBS_CONF", "URN", "") or base.startswith("RECORD"):
            continue
        code = next((plain.index(name) for name in (f"{base}_CODE", base) if name in plain), None)
        name = plain.index(f"{base}_NAME") if f"{base}_NAME" in plain else None
        chosen = code if code is not None else name
        if chosen is None:
            continue
        own = [row[chosen] for row in body]
        if len(set(own)) <= 1:
            notes += [f"{base} is {(body[0][name] if name is not None else own[0])} in every row"] if own else []
            continue
        labels = {row[chosen]: row[name] for row in body} if name is not None and name != chosen else {}
        called = free_name(base.lower(), [dimension.name for dimension in dimensions])
        role: Role = {"GEOGRAPHY": "zone", "DATE": "time", "MEASURES": "measure"}.get(base, "")  # type: ignore[assignment]
        dimensions.append(Dimension(name=called, codes=distinct(own), labels=labels, role=role))
        columns[called] = own
    mark = next((plain.index(n) for n in ("OBS_STATUS", "OBS_STATUS_CODE", "OBS_STATUS_NAME") if n in plain), None)
    values, flags = list[float | None](), list[str | None]()
    for row in body:
        value, flag = number_or_mark(row[at])
        status = row[mark] if mark is not None else ""
        values.append(value)
        flags.append(flag or (status if status not in ("A", "Normal Value", "") else None))
    return built("nomis", dimensions, columns, values, flags, notes=notes)


def _base(name: str) -> str:
    for end in ("_CODE", "_NAME", "_TYPE", "_TYPECODE", "_SORTORDER"):
        if name.endswith(end):
            return "" if end in ("_TYPE", "_TYPECODE", "_SORTORDER") else name.removesuffix(end)
    return name


def number_or_mark(text: str) -> tuple[float | None, str | None]:
    """A number with a point, or what stands in its place."""
    if not text:
        return None, None
    try:
        return float(text), None
    except ValueError:
        return None, text[:40]
