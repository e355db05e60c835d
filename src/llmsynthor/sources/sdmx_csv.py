"""SDMX-CSV, versions 1 and 2, with labels or without, Eurostat's among them; and Eurostat's older tables with tabs."""

import re
from collections.abc import Mapping, Sequence

from llmsynthor.sources.numbers import DECIMAL_COMMA
from llmsynthor.sources.table import Dimension, LongTable, Role, SourceError, built, distinct, free_name

Rows = Sequence[Sequence[str]]
TIME = ("TIME_PERIOD", "TIME", "YEAR")
AREA = ("GEO", "REF_AREA", "AREA", "GEOGRAPHY", "REGION", "COUNTRY", "LOCATION")
STRUCTURE = ("DATAFLOW", "STRUCTURE", "STRUCTURE_ID", "STRUCTURE_NAME", "ACTION", "LAST UPDATE", "FREQ_NAME")
ATTRIBUTES = {
    "OBS_FLAG", "OBS_STATUS", "OBS_CONF", "CONF_STATUS", "OBS_COM", "OBS_COMMENT", "DECIMALS", "UNIT_MULT", "UNIT_MULTIPLIER",
    "AVAILABILITY", "COLLECTION", "TIME_FORMAT", "TITLE", "TITLE_COMPL", "SOURCE_AGENCY", "COMMENT_OBS", "BASE_PER",
    "OBS_PRE_BREAK", "COMPILATION", "COVERAGE", "DISS_ORG", "PUBL_ECB", "PUBL_PUBLIC", "CONF", "PREFERRED_SCALE", "SCALE",
}  # fmt: skip
"""What SDMX calls attributes: they say something of a value, and cut nothing."""
FLAGS = ("OBS_FLAG", "OBS_STATUS", "CONF_STATUS", "OBS_CONF")
VALUES = ("OBS_VALUE", "OBSVALUE", "VALUE")
NORMAL = ("A", "F", "")
TSV_ENTRY = re.compile(r"^(-?\d+(?:\.\d+)?)?\s*([a-z:@ ]*)$")


def is_sdmx_csv(head: Sequence[str]) -> bool:
    """Whether a header is one of SDMX-CSV: the structure first, the value somewhere."""
    plain = [_code(name) for name in head]
    return bool(plain) and plain[0] in ("DATAFLOW", "STRUCTURE") and any(name in VALUES for name in plain)


def is_eurostat_tsv(text: str) -> bool:
    """Whether a file is one of Eurostat's tables with tabs: `freq,unit,geo\\TIME_PERIOD` first."""
    first = text.lstrip("\ufeff").split("\t", 1)[0]
    return "\\" in first and "," in first and "\t" in text and "\n" not in first


def read_sdmx_csv(head: Sequence[str], body: Rows, *, decimal: str | None = None) -> LongTable:
    """Read the observations; raises SourceError, for rows that delete some too. A comma may part decimals, as spreadsheets save."""
    codes = [_code(name) for name in head]
    at = next(codes.index(name) for name in VALUES if name in codes)
    _refuse_deletions(codes, body)
    attributes, labels = _attributes(codes, head, at, body)
    wanted = [k for k in range(len(head)) if k != at and k not in attributes and k not in labels and codes[k]]
    wanted = [k for k in wanted if codes[k] not in STRUCTURE]
    dimensions, columns = list[Dimension](), dict[str, list[str]]()
    for k in wanted:
        own, said = _column(k, codes, body, labels)
        name = free_name(_plain_code(head[k]), [dimension.name for dimension in dimensions])
        role: Role = "time" if codes[k] in TIME else "zone" if codes[k] in AREA else ""
        title = head[k].partition(": ")[2] or next((head[j] for j, home in labels.items() if home == k), "")
        dimensions.append(Dimension(name=name, codes=distinct(own), labels=said, label=title, role=role))
        columns[name] = own
    values, flags = list[float | None](), list[str | None]()
    marks = [k for k in sorted(attributes) if codes[k] in FLAGS]
    comma = decimal == "," or (decimal is None and _has_commas([row[at] for row in body]))
    for row in body:
        entry = row[at].partition(": ")[0]
        value, flag = _number(entry.replace(".", "").replace(",", ".") if comma else entry)
        said_of = [row[k].partition(": ")[0] for k in marks]
        mark = next((own for own in said_of if own not in NORMAL), None)
        values.append(value)
        flags.append(flag or mark)
    version = "1" if codes[0] == "DATAFLOW" else "2"
    title = body[0][0 if version == "1" else codes.index("STRUCTURE_ID") if "STRUCTURE_ID" in codes else 0]
    return built(f"sdmx-csv {version}", dimensions, columns, values, flags, title=title)


def _code(name: str) -> str:
    return _plain_code(name).upper()


def _plain_code(name: str) -> str:
    """A name without its label behind a colon, and without the sign of lists."""
    return name.partition(": ")[0].strip().removesuffix("[]")


def _refuse_deletions(codes: Sequence[str], body: Rows) -> None:
    if not body:
        raise SourceError("it has no observation", "ask for another part of the table")
    short = next((k for k, row in enumerate(body) if len(row) < len(codes)), None)
    if short is not None:
        raise SourceError("a row is shorter than the header", "download the file again", f"row {short + 1}")
    if "ACTION" in codes:
        actions = {row[codes.index("ACTION")] for row in body}
        if "D" in actions:
            raise SourceError("it deletes observations (ACTION D): it is no table", "ask for the data themselves", "D")


def _attributes(codes: Sequence[str], head: Sequence[str], at: int, body: Rows) -> tuple[set[int], dict[int, int]]:
    """Columns that cut nothing, and columns of labels with the column that they are the labels of.

    A label stands behind its code, and is a function of it; what stands behind the value are attributes. What else varies
    not with the rest but by itself is one too, where the others tell observations apart already.
    """
    labels = dict[int, int]()
    if "STRUCTURE_NAME" in codes or any(name != name.upper() and " " in name for name in head):
        for k in range(1, len(head)):
            before = k - 1
            if before in labels or codes[before] in STRUCTURE or ": " in head[k]:
                continue
            small = "STRUCTURE_NAME" in codes and head[before] == head[before].lower() and head[k] != head[k].lower()
            code = small or head[before] == head[before].upper()
            if code and _named(head[k], head[before]) and _function(body, before, k):
                labels[k] = before
    found = {k for k, code in enumerate(codes) if code in ATTRIBUTES}
    labels = {k: home for k, home in labels.items() if codes[k] not in ATTRIBUTES}
    dimensions = [k for k in range(at) if k not in found and k not in labels and codes[k] not in STRUCTURE]
    after = [k for k in range(at + 1, len(codes)) if k not in found and k not in labels and codes[k] not in TIME]
    if dimensions and _distinct_rows(body, [*dimensions, *(k for k in range(at, len(codes)) if codes[k] in TIME)]):
        found |= set(after)
    return found, labels


def _named(name: str, code: str) -> bool:
    """Whether a name may be that of the column before in words: it is no code itself, or says the same in words."""
    return name != name.upper() or " " in name or name.casefold() == code.casefold()


def _function(body: Rows, one: int, other: int) -> bool:
    seen: dict[str, str] = {}
    return all(seen.setdefault(row[one], row[other]) == row[other] for row in body)


def _distinct_rows(body: Rows, columns: Sequence[int]) -> bool:
    return len({tuple(row[k] for k in columns) for row in body}) == len(body)


def _column(k: int, codes: Sequence[str], body: Rows, labels: Mapping[int, int]) -> tuple[list[str], dict[str, str]]:
    """Codes of a dimension, row by row, and their labels: `M: Male` in a cell, or in a column of their own."""
    beside = next((j for j, home in labels.items() if home == k), None)
    own, said = list[str](), dict[str, str]()
    both = all(": " in row[k] or not row[k] for row in body)
    for row in body:
        code, _, label = row[k].partition(": ") if both else (row[k], "", "")
        label = row[beside] if beside is not None else label
        own.append(code)
        if label and label != code:
            said[code] = label
    return own, said


def _has_commas(entries: Sequence[str]) -> bool:
    """Whether commas part decimals: some entry has one, and none a point."""
    return any(DECIMAL_COMMA.match(own) for own in entries) and not any("." in own for own in entries)


def _number(text: str) -> tuple[float | None, str | None]:
    plain = text.strip()
    if not plain or plain in ("NaN", "null"):
        return None, None
    try:
        return float(plain), None
    except ValueError:
        return None, plain[:40]


def read_eurostat_tsv(text: str) -> LongTable:
    """Read a table with tabs: periods across, a mark behind a number, `:` where there is none."""
    rows = [line.rstrip("\r").split("\t") for line in text.lstrip("\ufeff").split("\n") if line.strip()]
    down, _, across = rows[0][0].partition("\\")
    names = [name.strip() for name in down.split(",")]
    periods = [period.strip() for period in rows[0][1:]]
    keys: list[tuple[str, ...]] = []
    values, flags = list[float | None](), list[str | None]()
    for number, row in enumerate(rows[1:], 2):
        head = [code.strip() for code in row[0].split(",")]
        if len(head) != len(names) or len(row) != len(periods) + 1:
            raise SourceError("a row does not fit the header", "download the file again", f"line {number}")
        for period, entry in zip(periods, row[1:], strict=True):
            match = TSV_ENTRY.match(entry.strip())
            if match is None:
                raise SourceError("a value is no number", "correct the file", f"line {number}: {entry.strip()[:40]}")
            keys.append((*head, period))
            values.append(float(match[1]) if match[1] else None)
            flags.append(match[2].strip() or None)
    dimensions = list[Dimension]()
    for k, name in enumerate([*names, across.strip() or "time"]):
        codes = distinct([key[k] for key in keys])
        role: Role = "time" if name.upper() in TIME else "zone" if name.upper() in AREA else ""
        dimensions.append(Dimension(name=free_name(name, [own.name for own in dimensions]), codes=codes, role=role))
    columns = {own.name: [key[k] for key in keys] for k, own in enumerate(dimensions)}
    return built("eurostat-tsv", dimensions, columns, values, flags)
