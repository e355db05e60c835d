"""Where in a grid a table is: titles above, heads of one or several rows, notes below and keys beside it are told apart."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from llmsynthor.sources.csv_text import Grid
from llmsynthor.sources.paths import PART
from llmsynthor.sources.table import Reading, SourceError

SIGNS = "x .. ... … : * ** *** c n/a na s - – — . (d) d z / nan u [c] [x] [z] [u] [low] ***** (x) n.a. k.a. .x"
MORE_SIGNS = "! ~ [n] [s] [w] (c) (u)"
MARKS = frozenset(f"{SIGNS} {MORE_SIGNS}".split(" "))
"""Signs that stand in the place of a number."""
MOST_NOTES = 6
DATE = re.compile(r"\d{1,2}[./]\d{1,2}[./]\d{4}|\d{4}-\d{2}-\d{2}")
YEAR = re.compile(r"(19|20)\d\d")
NOTE = re.compile(
    r"^([©*†_=–—(\[]|-{2,}|\d\)|(source|quelle|fuente|notes?|nota|anmerkung|hinweis|stand|erstellt|legende)\b)",
    re.IGNORECASE,
)
"""How lines below a table begin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """Where in a grid the table is: its heads (rows above each other), its body, and what was left out."""

    heads: Grid
    body: Grid
    notes: tuple[str, ...]


def find_region(grid: Grid, reading: Reading) -> Region:
    """Find the table: titles above and notes below are left out and told. Raises SourceError where there is none."""
    rows = _rectangle([row for row in grid[reading.skip_rows :] if not (row and row[0].startswith("#"))])
    if not rows or len(rows[0]) < 2:
        raise SourceError("there is no table of two or more columns", "say where it is: sheet, cells, skip_rows")
    filled = [_texts_in(row) for row in rows]
    usual = _usual_width(filled, len(rows[0]))
    first = next((k for k, number in enumerate(filled) if number >= max(2, (usual + 1) // 2)), 0)
    while first and filled[first - 1] >= 2 and not any(is_numeric(cell) for cell in rows[first - 1] if cell):
        first -= 1
    head = reading.head if reading.head is not None else _head_rows(rows[first:])
    while head > 1 and reading.head is None and filled[first + head - 1] == 1 and rows[first + head - 1][0]:
        head -= 1  # the heading of a section
    titles = [" ".join(dict.fromkeys(cell for cell in row if cell)) for row in rows[:first] if any(row)]
    body, notes = [row for row in rows[first + head :] if any(row)], list[str]()
    while body and _is_note(body[-1]):
        notes.insert(0, " ".join(dict.fromkeys(cell for cell in body.pop() if cell)))
    if not body or not any(is_numeric(cell) and any(map(str.isdigit, cell)) for row in body for cell in row[1:]):
        raise SourceError(
            "there is no row of numbers below the header", "say where the table is: sheet, cells, skip_rows, head"
        )
    told = [f"left out above: {text[:100]}" for text in titles[:MOST_NOTES]]
    told += [f"left out below: {text[:100]}" for text in notes[:MOST_NOTES]]
    told += [f"and {len(notes) - MOST_NOTES} more lines below"] if len(notes) > MOST_NOTES else []
    heads = rows[first : first + head] or [["" for _ in rows[0]]]
    return _without_margins(heads, body, told)


def _rectangle(rows: Grid) -> Grid:
    """Rows of one length, without columns and last rows that are empty."""
    while rows and not any(rows[-1]):
        rows = rows[:-1]
    width = max((len(row) for row in rows), default=0)
    full = [[*row, *[""] * (width - len(row))] for row in rows]
    used = [k for k in range(width) if any(row[k] for row in full)]
    return [[row[k] for k in used] for row in full]


def _texts_in(row: Sequence[str]) -> int:
    """How many cells are filled; a text that is merged over several counts once."""
    numbers = sum(is_numeric(cell) for cell in row if cell)
    return numbers + len({cell for cell in row if cell and not is_numeric(cell)})


def _without_margins(heads: Grid, body: Grid, told: list[str]) -> Region:
    """Leave out columns beside the table: empty ones, and those without a head that are hardly filled (keys of colours)."""
    kept, dropped = list[int](), list[str]()
    for k in range(len(body[0])):
        own = [row[k] for row in body if row[k]]
        named = any(row[k] for row in heads)
        if own and (named or k == 0 or len(own) > 0.2 * len(body)):
            kept.append(k)
        elif own:
            dropped.append(own[0])
    told += [f"left out beside: {text[:60]}" for text in dropped[:MOST_NOTES]]
    return Region(
        heads=[[row[k] for k in kept] for row in heads],
        body=[[row[k] for k in kept] for row in body],
        notes=tuple(told),
    )


def _usual_width(filled: Sequence[int], most: int) -> int:
    """The number of filled cells that most rows reach."""
    many = sorted(number for number in filled if number > 1)
    return many[len(many) // 2] if many else most


def _is_note(row: Sequence[str]) -> bool:
    """A line below a table: one text and nothing else, or a text that begins as notes do, in a row without numbers."""
    texts = {cell for cell in row if cell}
    if row and NOTE.match(row[0]) and not any(is_numeric(cell) for cell in row[1:] if cell):
        return True
    return len(row) > 1 and len(texts) == 1 and not is_numeric(next(iter(texts)))


def is_numeric(text: str) -> bool:
    """Whether a text is a number in some dress, or a sign that stands in its place."""
    plain = text.strip().rstrip("%").strip()
    if DATE.fullmatch(plain):
        return False
    return plain.casefold() in MARKS or bool(
        re.fullmatch(r"[+-]?[$€£]?[\d][\d.,' \u2009]*(?:[eE][+-]?\d+)?|<\s*\d+", plain)
    )


def _head_rows(rows: Grid) -> int:
    """How many rows the head has: those that have words where numbers stand below, or nothing."""
    below = rows[:60]
    numeric = [
        k
        for k in range(len(rows[0]))
        if _numbers_in([row[k] for row in below]) >= 0.6 * _filled([row[k] for row in below])
    ]
    numeric = [k for k in numeric if _numbers_in([row[k] for row in below])]
    for k, row in enumerate(rows[:8]):
        words = [j for j in numeric if row[j] and not is_numeric(row[j])]
        numbers = [j for j in numeric if row[j] and is_numeric(row[j])]
        if numbers and _is_years([row[j] for j in numbers]) and _has_words(rows[k + 1 : k + 4], numbers):
            continue
        if numbers and len(words) < max(2, 0.3 * len(numeric)) and not (k == 0 and words):
            return max(k, 1)
    return 1


def _is_years(texts: Sequence[str]) -> bool:
    return all(YEAR.fullmatch(text) for text in texts)


def _has_words(rows: Grid, columns: Sequence[int]) -> bool:
    """Whether some row has words in all columns: a head goes on below its years."""
    return any(all(row[k] and not is_numeric(row[k]) for k in columns) for row in rows)


def _filled(texts: Sequence[str]) -> int:
    return sum(bool(text) for text in texts)


def _numbers_in(texts: Sequence[str]) -> int:
    return sum(is_numeric(text) for text in texts if text)


def joined_heads(heads: Grid, *, spread_right: bool = True) -> list[str]:
    """One name a column from heads above each other: a text of an upper row holds to its right until the next.

    Where merged cells are known they are filled already, and nothing is spread.

    >>> joined_heads([["", "Owned", "", "Rented"], ["zone", "men", "women", "men"]])
    ['zone', 'Owned!!men', 'Owned!!women', 'Rented!!men']
    """
    spread = []
    for number, row in enumerate(heads):
        last, own = "", list[str]()
        for k, cell in enumerate(row):
            below = any(lower[k] for lower in heads[number + 1 :])
            last = cell if cell else last if spread_right and below and number < len(heads) - 1 else ""
            own.append(last)
        spread.append(own)
    names = [
        PART.join(dict.fromkeys(" ".join(row[k].split()) for row in spread if row[k])) for k in range(len(heads[0]))
    ]
    return [name or f"column {k + 1}" for k, name in enumerate(names)]
