"""PX files (PC-Axis), as the Nordic, Swiss, Spanish and other offices publish them: keywords, then one long list of numbers."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod

from llmsynthor.sources.table import Dimension, LongTable, Role, SourceError, built, free_name

MOST_CELLS = 20_000_000
KEYWORD = re.compile(r'([A-Z][A-Z0-9-]*)(?:\[([A-Za-z-]+)\])?(?:\(((?:"[^"]*"\s*,?\s*)+)\))?\s*=')
TEXT = re.compile(r'"([^"]*)"')
ENTRY = re.compile(r'"([^"]*)"|([^\s;",]+)')
SYMBOLS = (".", "..", "...", "....", ".....", "......", "-")
ZERO = "-"


def is_px(text: str) -> bool:
    """Whether the beginning of a file is that of a PX file."""
    head = text.lstrip("\ufeff \r\n\t")[:4000]
    return bool(re.match(r"(CHARSET|AXIS-VERSION|CODEPAGE|LANGUAGE|CREATION-DATE|MATRIX|TITLE|DECIMALS)\b", head)) and (
        "=" in head[:60] and ";" in head
    )


def decode_px(data: bytes) -> tuple[str, list[str]]:
    """The text, and what is to be said of its encoding: what a file says of it is not always so."""
    said = re.search(rb'CODEPAGE\s*=\s*"([^"]+)"', data[:20_000])
    named = said[1].decode("ascii", "replace").lower() if said else "cp1252"
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        try:
            return data.decode(named), []
        except (LookupError, ValueError):
            return data.decode("cp1252", "replace"), [f"it says {named}, which it is not: read as Windows-1252"]
    notes = [f"it says {named}, but is in UTF-8"] if not text.isascii() and "utf" not in named else []
    if "\ufffd" in text:
        notes.append("letters were lost before it was saved: labels hold the sign of a missing letter")
    return text, notes


def read_px(data: bytes, language: str | None = None) -> LongTable:
    """Read the table in its own language, or in another that it has; raises SourceError."""
    text, notes = decode_px(data)
    start = re.search(r"(?:^|[\r\n;])\s*DATA\s*=", text)
    if start is None:
        raise SourceError("it has no DATA", "download the file again: it is cut, or no PX file")
    about = dict(_keywords(text[: start.end() - len("DATA=")]))
    names = [*about.get(("STUB", None, ()), []), *about.get(("HEADING", None, ()), [])]
    if not names:
        raise SourceError("it names no dimension", "STUB and HEADING list them")
    dimensions = list[Dimension]()
    for name in names:
        dimensions.append(_dimension(name, about, names, language, [own.name for own in dimensions]))
    shape = [len(dimension.codes) for dimension in dimensions]
    if prod(shape) > MOST_CELLS:
        raise SourceError(f"it has {prod(shape):,} cells, more than the {MOST_CELLS:,} that are read", "ask for a part")
    values, flags, keys = _data(text[start.end() :], dimensions, about)
    columns = {own.name: [key[k] for key in keys] for k, own in enumerate(dimensions)}
    title = _said(about, "TITLE", language) or _said(about, "CONTENTS", language)
    units = _said(about, "UNITS", language)
    notes = [*([f"in {units}"] if units else []), *notes]
    return built("px", dimensions, columns, values, flags, title=title, notes=notes)


Key = tuple[str, str | None, tuple[str, ...]]


def _keywords(text: str) -> Iterator[tuple[Key, list[str]]]:
    """Each keyword with its language and what it is about, and its texts."""
    place = 0
    while match := KEYWORD.search(text, place):
        end = match.end()
        inside = False
        while end < len(text) and (inside or text[end] != ";"):
            inside ^= text[end] == '"'
            end += 1
        value = text[match.end() : end]
        texts = TEXT.findall(value) if '"' in value else [value.strip()]
        yield (match[1], match[2], tuple(TEXT.findall(match[3] or ""))), texts
        place = end + 1


def _said(about: Mapping[Key, list[str]], keyword: str, language: str | None) -> str:
    texts = about.get((keyword, language, ())) or about.get((keyword, None, ())) or []
    return " ".join("".join(texts).split())


def _dimension(
    name: str, about: Mapping[Key, list[str]], names: Sequence[str], language: str | None, taken: Sequence[str]
) -> Dimension:
    labels = about.get(("VALUES", None, (name,)))
    if not labels:
        raise SourceError(f"the dimension {name} has no VALUES", "download the file again")
    codes = about.get(("CODES", None, (name,)), labels)
    codes = codes if len(codes) == len(labels) and len(set(codes)) == len(codes) else labels
    if len(set(codes)) < len(codes):
        codes = [str(k + 1) for k in range(len(labels))]
    shown, called = labels, name
    if language is not None:
        places = [*about.get(("STUB", language, ()), []), *about.get(("HEADING", language, ()), [])]
        if len(places) != len(names):
            found = sorted({own for _, own, _ in about if own})
            raise SourceError("it has no such language", f"it has: {', '.join(found) or 'one only'}", language)
        called = places[names.index(name)]
        shown = about.get(("VALUES", language, (called,)), labels)
    return Dimension(
        name=free_name(called, taken),
        codes=tuple(codes),
        labels=dict(zip(codes, shown, strict=True)),
        label=called.strip(),
        role=_role(name, about),
        total=_total(about.get(("ELIMINATION", None, (name,))), codes, labels),
    )


def _role(name: str, about: Mapping[Key, list[str]]) -> Role:
    kind = "".join(about.get(("VARIABLE-TYPE", None, (name,)), [])).casefold()
    if ("TIMEVAL", None, (name,)) in about or kind == "time":
        return "time"
    if ("MAP", None, (name,)) in about or kind == "geographical":
        return "zone"
    return "measure" if about.get(("CONTVARIABLE", None, ())) == [name] else ""


def _total(said: list[str] | None, codes: Sequence[str], labels: Sequence[str]) -> str | None:
    """The code that ELIMINATION names; `YES` names none."""
    text = "".join(said or [])
    if text in labels:
        return codes[labels.index(text)]
    return text if text in codes else None


def _data(
    text: str, dimensions: Sequence[Dimension], about: Mapping[Key, list[str]]
) -> tuple[list[float | None], list[str | None], list[tuple[str, ...]]]:
    """Values, marks and keys of the cells; with KEYS each row begins with its codes, and rows may be missing."""
    entries = [(quoted, plain) for quoted, plain in ENTRY.findall(text)]
    keyed = [dimension for dimension in dimensions if ("KEYS", None, (dimension.name,)) in about]
    across = [dimension for dimension in dimensions if dimension not in keyed]
    keys: list[tuple[str, ...]]
    cells: list[tuple[str, str]]
    if keyed:
        width, keys, cells = prod(len(own.codes) for own in across), [], []
        step = len(keyed) + width
        if len(entries) % step:
            raise SourceError("its rows have different lengths", "download the file again: it is cut")
        inner = list(product(*(own.codes for own in across)))
        for row in range(0, len(entries), step):
            said = [quoted or plain for quoted, plain in entries[row : row + len(keyed)]]
            head = tuple(_code_of(text, own) for text, own in zip(said, keyed, strict=True))
            keys += [(*head, *rest) for rest in inner]
            cells += entries[row + len(keyed) : row + step]
        order = [[*keyed, *across].index(own) for own in dimensions]
        keys = [tuple(key[k] for k in order) for key in keys]
    else:
        keys, cells = list(product(*(own.codes for own in dimensions))), entries
    if len(cells) != len(keys):
        what = f"it has {len(cells):,} values where its dimensions make {len(keys):,}"
        raise SourceError(what, "download the file again: it is cut")
    values, flags = list[float | None](), list[str | None]()
    for quoted, plain in cells:
        value, flag = _value(quoted or plain)
        values.append(value)
        flags.append(flag)
    return values, flags, keys


def _code_of(text: str, dimension: Dimension) -> str:
    """The code of a key, which may be a code or, with `KEYS("x")=VALUES`, a value."""
    if text in dimension.codes:
        return text
    code = next((own for own, label in dimension.labels.items() if label == text), None)
    if code is None:
        raise SourceError("a row has a key that is none of the values", "download the file again", text)
    return code


def _value(text: str) -> tuple[float | None, str | None]:
    """A number or a sign; `-` alone means exactly none."""
    if text == ZERO:
        return 0.0, ZERO
    if text in SYMBOLS:
        return None, text
    try:
        return float(text), None
    except ValueError:
        return None, text[:20]
