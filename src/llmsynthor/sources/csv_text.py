"""CSV as it is published: marks of the encoding, separators, titles above and notes below; what was done is said."""

import csv
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from io import StringIO
from itertools import islice
from pathlib import Path

import polars as pl

from llmsynthor.files import read_bytes
from llmsynthor.texts import unfit

SEPARATORS = (",", ";", "\t", "|")
NAMES = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
MOST_BYTES = 2 << 30
LARGEST_PLAIN = 1 << 24
"""Bytes from which on a file is only read as plain CSV in UTF-8: the care for odd ones takes time."""

NOTES = "notes?|sources?|quellen?|anmerkung(en)?|hinweise?|fuentes?|notas?|fonte"
NOTE = re.compile(rf"[*#†‡]|\(?[a-z0-9]\)|({NOTES})\b", re.IGNORECASE)
"""How a line begins that is a note rather than a record."""

Grid = list[list[str]]

Say = Callable[[str, str, str], None]
"""Takes what is the matter, what to do, and what was found."""


class OddFileError(ValueError):
    """A file that is no table; says what, what to do, and what was found."""

    def __init__(self, what: str, advice: str, found: str) -> None:
        super().__init__(what)
        self.what, self.advice, self.found = what, advice, found


def grid_of(data: bytes, warn: Say, *, encoding: str | None = None, separator: str | None = None) -> tuple[Grid, str]:
    """Cut the bytes of a file into trimmed fields, row by row, and give the separator; raises OddFileError."""
    text = decoded(data, warn, encoding)
    odd = unfit(text)
    if odd is not None:
        line = text.count("\n", 0, int(odd.rpartition(" ")[2])) + 1
        raise OddFileError(
            f"line {line} holds {odd.partition(' ')[0]}, which no text may hold", "remove it there", f"line {line}"
        )
    parted = separator or _separator(text, ())
    try:
        reader = csv.reader(StringIO(text, newline=""), delimiter=parted)
        return [[plain(field) for field in row] for row in reader], parted
    except (csv.Error, TypeError) as cause:
        raise OddFileError(f"it is no CSV ({cause})", "say its separator: one sign", repr(parted)) from cause


def read_csv(path: Path, wanted: Sequence[str], warn: Say) -> tuple[pl.DataFrame, str]:
    """Read a table as text, and its separator; `wanted` are names that its header may have. Raises OddFileError, OSError.

    An empty cell is null. Names and values are trimmed, names also composed (NFC).
    """
    data = read_bytes(path, MOST_BYTES)
    text = decoded(data, warn)
    odd = unfit(text)
    if odd is not None:
        line = text.count("\n", 0, int(odd.rpartition(" ")[2])) + 1
        raise OddFileError(
            f"line {line} holds {odd.partition(' ')[0]}, which no text may hold", "remove it there", str(path.name)
        )
    separator = _separator(text, wanted)
    if len(data) > LARGEST_PLAIN:
        frame = pl.read_csv(data, infer_schema=False, null_values=[""], separator=separator)
        return frame.rename({name: name.strip().lstrip("\ufeff") for name in frame.columns}), separator
    rows = [[field.strip() for field in row] for row in _rows(StringIO(text, newline=""), separator)]
    return _table(rows, wanted, separator, warn), separator


def plain(text: str) -> str:
    """Composed (NFC), with plain blanks, trimmed: texts that look the same are the same."""
    return unicodedata.normalize("NFC", text).replace("\u00a0", " ").replace("\u202f", " ").strip()


def decoded(data: bytes, warn: Say, encoding: str | None = None) -> str:
    """The text of a file, by its marks, as UTF-8, or as Windows-1252 with a warning; raises OddFileError."""
    if encoding is not None:
        try:
            return data.decode(encoding).removeprefix("\ufeff")
        except (LookupError, ValueError) as cause:
            raise OddFileError(f"it is not in {encoding} ({cause})"[:160], "name its encoding", encoding) from cause
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        try:
            return data.decode("utf-16")
        except UnicodeDecodeError as cause:
            raise OddFileError(f"its UTF-16 is damaged ({cause})"[:160], "save it as CSV in UTF-8", "utf-16") from cause
    if b"\0" in data[:4096]:
        raise OddFileError("this is no CSV", "save it as CSV in UTF-8", "bytes that are no text")
    if data[:4] == b"PK\x03\x04":
        raise OddFileError("this is a workbook or an archive", "save the sheet as CSV in UTF-8", "PK…")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        line = data[: cause.start].count(b"\n") + 1
        text = data.decode("cp1252", errors="replace")
        shown = text.splitlines()[line - 1][:60]
        warn(
            "the file is not in UTF-8: it was read as Windows-1252 (Latin-1)",
            "see that its letters are right, or save it in UTF-8",
            f"line {line}: {shown}",
        )
        return text


def _separator(text: str, wanted: Sequence[str]) -> str:
    """The sign that cuts the most lines into the same number of fields, two at least; a known header decides."""
    lines = [line for line in islice(StringIO(text, newline=""), 200) if line.strip()]
    known = {name.casefold() for name in wanted}
    best, most = ",", (-1, -1)
    for separator in SEPARATORS:
        rows = _rows(lines, separator)
        widths = Counter(len(row) for row in rows if len(row) > 1)
        names = max(
            (len(known & {plain(field).casefold() for field in row}) for row in rows if len(row) > 1), default=0
        )
        score = (names, widths.most_common(1)[0][1] if widths else 0)
        if score > most:
            best, most = separator, score
    return best


def _rows(lines: Iterable[str], separator: str) -> list[list[str]]:
    """The fields of each line; a field without end is refused as the file's fault."""
    try:
        return list(csv.reader(lines, delimiter=separator))
    except csv.Error as cause:
        raise OddFileError(f"it is no CSV ({cause})", "see that quotes are closed", "") from cause


def _table(rows: list[list[str]], wanted: Sequence[str], separator: str, warn: Say) -> pl.DataFrame:
    """Find the header; leave out titles above it and notes below."""
    filled = [(number, row) for number, row in enumerate(rows, 1) if any(row)]
    if not filled:
        return pl.DataFrame()
    first = _header_at([row for _, row in filled[:30]], wanted)
    header = [plain(name) for name in filled[first][1]]
    while header and not header[-1]:
        header = header[:-1]
    if first:
        shown = "; ".join(" ".join(row).strip()[:60] for _, row in filled[:first])
        warn("lines above the header were left out", "see that they are a title", shown)
    body = filled[first + 1 :]
    notes = _notes_below(body, len(header))
    body = body[: len(body) - len(notes)]
    if notes:
        shown = "; ".join(" ".join(row).strip()[:60] for _, row in notes)
        warn("lines below the table were left out", "see that they are notes", shown)
    repeated = [name for name, count in Counter(header).items() if count > 1]
    if repeated:
        raise OddFileError(
            "a column name stands twice in the header", "give each column one name", repeated[0] or "no name"
        )
    for number, row in body:
        if len(row) < len(header) or any(row[len(header) :]):
            shown = separator.join(row)[:80]
            raise OddFileError(
                f"line {number} has {len(row)} fields where the header has {len(header)} (the separator is {NAMES[separator]})",
                "correct the line, or put fields that hold the separator in quotes",
                shown,
            )
    return pl.DataFrame(
        {name: pl.Series([row[k] or None for _, row in body], dtype=pl.String) for k, name in enumerate(header)}
    )


def _header_at(rows: Grid, wanted: Sequence[str]) -> int:
    """Find the row of names; above it only titles may stand: one field, or a sentence that the separator cuts elsewhere."""
    known = {name.casefold() for name in wanted}
    scores = [sum(field.casefold() in known for field in row) for row in rows]
    first = scores.index(max(scores)) if max(scores) >= min(2, len(known)) else 0
    width = len(rows[first])
    titles = all(
        sum(bool(field) for field in row) == 1 or (len(row) != width and not score)
        for row, score in zip(rows[:first], scores, strict=False)
    )
    return first if titles else 0


def _notes_below(body: Sequence[tuple[int, list[str]]], width: int) -> Sequence[tuple[int, list[str]]]:
    """The last lines that are no records: one field, or a sentence that the separator cuts, where it says that it is a note.

    A line that ends early and says no such thing is a fault of the file.
    """
    first = len(body)
    while first and width > 1:
        row = body[first - 1][1]
        single = sum(bool(field) for field in row) == 1
        if len(row) == width or not (single or NOTE.match(row[0])):
            break
        first -= 1
    return body[first:]
