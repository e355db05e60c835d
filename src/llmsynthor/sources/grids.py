"""Tables that are laid out for people: a grid of texts with titles, heads of one or several rows, notes; long, wide or a matrix."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from llmsynthor.sources.csv_text import Grid
from llmsynthor.sources.numbers import AmbiguousError, decimal_sign, read_numbers
from llmsynthor.sources.regions import MARKS, find_region, is_numeric, joined_heads
from llmsynthor.sources.table import Dimension, LongTable, Reading, Role, SourceError, built, distinct, free_name

VALUE_NAMES = (
    "count", "value", "obs_value", "n", "number", "persons", "people", "population", "pop", "households", "total", "share",
    "percent", "percentage", "prozent", "anteil", "anzahl", "wert", "valor", "nombre", "valeur", "frequency", "freq",
    "estimate", "personen", "einwohner", "haushalte", "trips", "flow", "mean", "median",
)  # fmt: skip
KEY_NAMES = re.compile(
    r"(^|[_ ])(id|code|geo|geography|zone|zones|taz|maz|tract|puma|region|district|county|year|date|age|ags|gemeinde|lad|lsoa|"
    r"msoa|oa|origin|destination|from|to|time|jahr|alter|cluster|group|grp)$|^(geo_?code|id_|GEOID|TRACTCE|TAZ|MAZ)\d*|cluster$",
    re.IGNORECASE,
)
ZONE_NAMES = re.compile(
    r"^(geo|geoid|geo_id|geography|area|region|district|zone|taz|maz|tract|lad|county|gemeinde|kreis|commune|municip\w*|"
    r"lsoa\w*|msoa\w*|ward|state|puma|place|code|geography code|geo_?code\d*)$",
    re.IGNORECASE,
)
TIME_NAMES = re.compile(r"^(date|year|time|time_period|jahr|ann\u00e9e|a\u00f1o|period|quarter)$", re.IGNORECASE)


def read_grid(
    grid: Grid, reading: Reading, *, format_name: str, semicolons: bool = False, spread_right: bool = True
) -> LongTable:
    """Read the table of a grid as long, wide or a matrix, as said or as it looks; raises SourceError."""
    region = find_region(grid, reading)
    names = _unique(joined_heads(region.heads, spread_right=spread_right))
    names, body, notes = _with_sections(names, region.body, list(region.notes))
    layout = reading.layout or ("matrix" if _is_matrix(names, body) else None)
    style = _Style(reading.decimal, semicolons, _sign_elsewhere(body))
    if layout == "matrix":
        return _matrix(names, body, style, format_name, notes)
    numeric = [k for k in range(len(names)) if _mostly_numbers([row[k] for row in body])]
    values = _value_columns(names, body, numeric, reading)
    keys = [k for k in range(len(names)) if k not in values]
    _fill_down(names, body, keys, notes)
    if layout == "long" or (layout is None and len(values) == 1):
        if len(values) != 1:
            shown = ", ".join(names[k] for k in values[:8])
            raise SourceError("more than one column may be the value", "name it with `value`", shown)
        return _long(names, body, keys, values[0], style, format_name, notes)
    return _wide(names, body, keys, values, style, format_name, notes)


def _with_sections(names: list[str], body: Grid, notes: list[str]) -> tuple[list[str], Grid, list[str]]:
    """Rows that hold nothing but a text in the first column are headings of what follows: they become a column of their own."""
    heading = [bool(row[0]) and not is_numeric(row[0]) and not any(row[1:]) for row in body]
    if not any(heading) or len(names) < 2:
        return names, body, notes
    found, current = list[list[str]](), ""
    for row, is_heading in zip(body, heading, strict=True):
        current = row[0] if is_heading else current
        if not is_heading:
            found.append([current, *row])
    what = f"{sum(heading)} rows are headings of sections, such as {body[heading.index(True)][0][:60]}"
    return [free_name("section", names), *names], found, [*notes, what]


def _fill_down(names: Sequence[str], body: Grid, keys: Sequence[int], notes: list[str]) -> None:
    """A cell that is left empty below its like (a year, twelve months) says the same; in place, and told."""
    k = next((key for key in keys if names[key] != "section"), None)
    if k is None or len(keys) < 2 or _distinct(body, [key for key in keys if key != k]):
        return
    if body[0][k] and any(not row[k] for row in body):
        last = ""
        for row in body:
            last = row[k] = row[k] or last
        notes.append(f"empty cells of {names[k]} were filled from above")


def _unique(names: Sequence[str]) -> list[str]:
    found = list[str]()
    for name in names:
        found.append(free_name(name, found) if name in found else name)
    return found


def _sign_elsewhere(body: Grid) -> str | None:
    """The sign of decimals that numbers anywhere in the table prove."""
    return decimal_sign([cell for row in body for cell in row if cell and is_numeric(cell)])


@dataclass(frozen=True, slots=True)
class _Style:
    """The sign of decimals that is said, and the one that other columns of the table prove."""

    decimal: str | None
    semicolons: bool
    elsewhere: str | None

    def numbers(self, texts: Sequence[str], name: str) -> tuple[list[float | None], list[str | None]]:
        """Values and marks of a column; raises SourceError where thousands and decimals cannot be told apart."""
        shown: list[str | None] = [text or None for text in texts]
        try:
            read = read_numbers(shown, shares="%" in name, semicolons=self.semicolons, decimal=self.decimal)
        except AmbiguousError as cause:
            if self.elsewhere is None:
                what = f"column {name}: {cause.what}"
                raise SourceError(what, 'say `decimal: "."` or `decimal: ","`', cause.found) from cause
            read = read_numbers(shown, decimal=self.elsewhere)
        flags = [
            None if value is not None or not text else text for value, text in zip(read.values, texts, strict=True)
        ]
        return list(read.values), flags


def _mostly_numbers(texts: Sequence[str]) -> bool:
    filled = [text for text in texts if text]
    numbers = sum(is_numeric(text) for text in filled)
    plain = sum(text.casefold() not in MARKS for text in filled)
    return bool(filled) and plain > 0 and numbers >= 0.8 * len(filled)


def _value_columns(names: Sequence[str], body: Grid, numeric: Sequence[int], reading: Reading) -> list[int]:
    """Columns that hold values: the one that is named, one of a usual name, or those of numbers that are no keys."""
    if reading.columns:
        wanted = [name for name in reading.columns if name in names]
        if not wanted:
            raise SourceError(
                "there is none of these columns", f"it has: {', '.join(names[:20])}", ", ".join(reading.columns[:8])
            )
        return [k for k, name in enumerate(names) if name in wanted]
    if reading.values is not None and reading.values in names:
        return [names.index(reading.values)]
    if reading.values is not None and reading.values.casefold() not in VALUE_NAMES:
        raise SourceError("there is no such column of values", f"it has: {', '.join(names[:20])}", reading.values)
    unknown = [key for key in reading.keys if key not in names]
    if unknown:
        raise SourceError("there is no such column", f"it has: {', '.join(names[:20])}", ", ".join(unknown))
    if reading.keys:
        return [k for k in range(len(names)) if names[k] not in reading.keys and k in numeric]
    open_ones = [k for k in numeric if names[k] not in reading.known_keys]
    free = [k for k in open_ones if not _is_key(names[k], [row[k] for row in body])]
    if not free:
        named = [k for k in open_ones if names[k].casefold() in VALUE_NAMES]
        free = named[:1] or list(open_ones[-1:])
    if not free:
        raise SourceError("no column holds numbers", "say where the table is: sheet, cells, skip_rows, head")
    usual = [k for k in free if names[k].casefold() in VALUE_NAMES]
    others = [k for k in range(len(names)) if k not in usual]
    beside = len(free) > 1 and any(
        names[k].casefold() in ("total", "estimate") for k in usual
    )  # a sum beside its parts
    if len(usual) == 1 and not beside and len(free) < 4 and _distinct(body, others):
        return usual
    return free


def _is_key(name: str, texts: Sequence[str]) -> bool:
    """Whether a column of numbers tells rows apart rather than being one of their values."""
    if name.casefold() in VALUE_NAMES:
        return False
    zeros = any(len(text) > 1 and text.startswith("0") and text.isdigit() for text in texts)
    return zeros or bool(KEY_NAMES.search(name)) or _numbered(texts)


def _numbered(texts: Sequence[str]) -> bool:
    """Whether the entries are 1, 2, 3, … or 0, 1, 2, …: rows that are counted through."""
    return (
        len(texts) > 2 and texts[0] in ("0", "1") and list(texts) == [str(k + int(texts[0])) for k in range(len(texts))]
    )


def _distinct(body: Grid, columns: Sequence[int]) -> bool:
    return len({tuple(row[k] for k in columns) for row in body}) == len(body)


def _is_matrix(names: Sequence[str], body: Grid) -> bool:
    """Whether the first column and the header say the same: origins and destinations."""
    down, across = [row[0] for row in body], list(names[1:])
    common = set(down) & set(across)
    return len(across) > 2 and len(common) >= 0.8 * max(len(set(down)), len(across)) and len(set(down)) == len(down)


def _key_dimensions(names: Sequence[str], body: Grid, keys: Sequence[int]) -> list[Dimension]:
    found = list[Dimension]()
    for k in keys:
        role: Role = "zone" if ZONE_NAMES.match(names[k]) else "time" if TIME_NAMES.match(names[k]) else ""
        taken = [dimension.name for dimension in found]
        found.append(Dimension(name=free_name(names[k], taken), codes=distinct([row[k] for row in body]), role=role))
    return found


def _long(
    names: Sequence[str],
    body: Grid,
    keys: Sequence[int],
    value: int,
    style: _Style,
    format_name: str,
    notes: Sequence[str],
) -> LongTable:
    dimensions = _key_dimensions(names, body, keys)
    columns = {own.name: [row[k] for row in body] for own, k in zip(dimensions, keys, strict=True)}
    values, flags = style.numbers([row[value] for row in body], names[value])
    return built(format_name, dimensions, columns, values, flags, notes=notes, title=names[value])


def _wide(
    names: Sequence[str],
    body: Grid,
    keys: Sequence[int],
    values: Sequence[int],
    style: _Style,
    format_name: str,
    notes: Sequence[str],
) -> LongTable:
    dimensions = _key_dimensions(names, body, keys)
    cell = free_name("cell", [own.name for own in dimensions])
    columns: dict[str, list[str]] = {name: [] for name in (*(own.name for own in dimensions), cell)}
    numbers, flags = list[float | None](), list[str | None]()
    for k in values:
        own_numbers, own_flags = style.numbers([row[k] for row in body], names[k])
        numbers += own_numbers
        flags += own_flags
        columns[cell] += [names[k]] * len(body)
        for own, key in zip(dimensions, keys, strict=True):
            columns[own.name] += [row[key] for row in body]
    codes = tuple(names[k] for k in values)
    dimensions.append(Dimension(name=cell, codes=codes, labels={code: code for code in codes}, role="cell"))
    return built(format_name, dimensions, columns, numbers, flags, notes=notes)


def _matrix(names: Sequence[str], body: Grid, style: _Style, format_name: str, notes: Sequence[str]) -> LongTable:
    """Rows are origins, columns destinations (or what the corner and the head call them)."""
    corner = [part.strip() for part in re.split(r"[\\/|>]+", names[0]) if part.strip()]
    first, second = corner if len(corner) == 2 else ("row", "column")
    columns: dict[str, list[str]] = {first: [], second: []}
    numbers, flags = list[float | None](), list[str | None]()
    for k in range(1, len(names)):
        own_numbers, own_flags = style.numbers([row[k] for row in body], names[k])
        numbers += own_numbers
        flags += own_flags
        columns[first] += [row[0] for row in body]
        columns[second] += [names[k]] * len(body)
    if not any(number is not None for number in numbers):
        raise SourceError("the matrix holds no number", "say where it is: cells, skip_rows")
    dimensions = [
        Dimension(name=first, codes=distinct(columns[first]), role="zone"),
        Dimension(name=second, codes=distinct(columns[second]), role="zone"),
    ]
    return replace(built(format_name, dimensions, columns, numbers, flags, notes=notes), layout="matrix")
