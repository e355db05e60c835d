"""Numbers as they are published: signs of thousands and decimals, per cents, and marks of what is withheld."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

OPEN = "open"
WITHHELD = ("x", "..", "...", "…", ":", "*", "**", "c", "n/a", "na", "s", "-", "–", "—", ".", "(d)", "d", "z", "/")
"""What statistical offices print for "withheld", "unknown" or, some of them, "exactly none"."""

PLAIN = re.compile(r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$")
GROUPED = {
    ",": re.compile(r"^[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?$"),
    ".": re.compile(r"^[+-]?[1-9]\d{0,2}(\.\d{3})+(,\d+)?$"),
    " ": re.compile(r"^[+-]?[1-9]\d{0,2}([ \u2009']\d{3})+([.,]\d+)?$"),
}
PROOF = re.compile(r"^[+-]?\d[\d \u2009'.,]*?([.,])(?:\d{1,2}|\d{4,})$")
DECIMAL_COMMA = re.compile(r"^[+-]?\d+,\d+$")
DRESS = re.compile(r"^[$€£]\s*|\s*[%$€£]$")


class AmbiguousError(ValueError):
    """A column whose numbers may be read in two ways; `row` is one of them."""

    def __init__(self, row: int, found: str, what: str) -> None:
        super().__init__(what)
        self.row, self.found, self.what = row, found, what


@dataclass(frozen=True, slots=True)
class Numbers:
    """Values of a column, None where a cell is open, and the rows (from 0) that hold no number."""

    values: tuple[float | None, ...]
    odd: tuple[int, ...]


def read_numbers(
    texts: Sequence[str | None], *, shares: bool = False, semicolons: bool = False, decimal: str | None = None
) -> Numbers:
    """Read a column; raises AmbiguousError where a point or comma may part thousands or decimals and `decimal` does not say.

    Shares have no thousands; where semicolons part the fields of a file, commas more likely part decimals.
    """
    plain = {text: _undressed(text) if text is not None else "" for text in dict.fromkeys(texts)}
    style = ""
    if decimal is None:
        try:
            style = _style(list(dict.fromkeys(plain.values())), shares=shares, semicolons=semicolons)
        except AmbiguousError as error:
            decimal = decimal_sign(list(plain.values()))
            if decimal is None:
                row = next(row for row, text in enumerate(texts) if plain[text] == error.found)
                raise AmbiguousError(row, error.found, error.what) from None
    known = {
        raw: (_number(text, style) if decimal is None else _number_with(text, decimal)) if text != OPEN else None
        for raw, text in plain.items()
    }
    unread = {raw for raw, value in known.items() if value is None and plain[raw] != OPEN}
    odd = tuple(row for row, text in enumerate(texts) if text in unread) if unread else ()
    return Numbers(values=tuple(known[text] for text in texts), odd=odd)


def decimal_sign(texts: Sequence[str]) -> str | None:
    """The sign that parts decimals, where some number proves it and none proves the other; None else.

    >>> decimal_sign(["1.200", "3,5"]), decimal_sign(["1.200", "450"]), decimal_sign(["1,210", "12.5"])
    (',', None, '.')
    """
    found = {match[1] for text in texts if (match := PROOF.match(_undressed(text)))}
    return found.pop() if len(found) == 1 else None


def _undressed(text: str) -> str:
    """Without signs of money and per cent, with plain blanks and signs."""
    return DRESS.sub("", text.strip().replace("\u00a0", " ").replace("\u202f", " ")).replace("\u2212", "-")


def plain_number(text: object) -> float | None:
    """Read one finite number without signs of thousands, None where it is none."""
    try:
        value = float(str(text))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _number(text: str, style: str) -> float | None:
    if style == "." and (GROUPED["."].match(text) or DECIMAL_COMMA.match(text)):
        text = text.replace(".", "").replace(",", ".")
    elif style in (",", " ") or GROUPED[" "].match(text):
        text = re.sub(r"[ \u2009']", "", text)
        text = text.replace(",", "") if style == "," else text
    if style == ";" and DECIMAL_COMMA.match(text):
        text = text.replace(",", ".")
    return plain_number(text)


def _number_with(text: str, decimal: str) -> float | None:
    """A number whose sign of decimals is known: the other one parts thousands, in whole groups."""
    other = "." if decimal == "," else ","
    text = re.sub(r"(?<=\d)[ \u2009'](?=\d{3}(?!\d))", "", text)
    whole, point, rest = text.partition(decimal)
    if other in rest or (other in whole and not GROUPED[other].match(whole)):
        return None
    return plain_number(whole.replace(other, "") + ("." if point else "") + rest)


def _style(texts: Sequence[str], *, shares: bool, semicolons: bool) -> str:
    """What parts thousands: `,` or `.`, or nothing (`;` where the comma parts decimals)."""
    commas = [(row, text) for row, text in enumerate(texts) if "," in text]
    points = [(row, text) for row, text in enumerate(texts) if "." in text and any(letter.isdigit() for letter in text)]
    by_point = [row for row, text in points if GROUPED["."].match(text)]
    if any(text.count(".") > 1 or ("," in text and text.rfind(",") > text.find(".")) for _, text in points):
        return "." if len(by_point) == len(points) else ""
    if commas:
        return _comma_style(commas, points, decimal=shares, doubtful=semicolons)
    whole = any(text.isdigit() for text in texts)
    if (
        points
        and whole
        and not shares
        and len(by_point) == len(points)
        and any(PLAIN.match(text) for _, text in points)
    ):
        row, text = points[0]
        other = next(other for other in texts if other.isdigit())
        raise AmbiguousError(
            row, text, f"the point may part thousands or decimals: three digits follow each, and {other} has none"
        )
    return ""


def _comma_style(
    commas: Sequence[tuple[int, str]], points: Sequence[tuple[int, str]], *, decimal: bool, doubtful: bool
) -> str:
    grouped = [text for _, text in commas if GROUPED[","].match(text)]
    plain = [text for _, text in commas if DECIMAL_COMMA.match(text)]
    if len(plain) == len(commas) and not points and (decimal or len(grouped) < len(commas)):
        return ";"
    if len(grouped) < len(commas):
        row, text = next((row, text) for row, text in commas if not GROUPED[","].match(text))
        if points or grouped:
            raise AmbiguousError(row, text, "commas and points part thousands in one cell and decimals in another")
        return ""
    if doubtful and len(plain) == len(commas) and not points:
        row, text = commas[0]
        raise AmbiguousError(row, text, "the comma may part thousands or decimals: three digits follow each")
    return ","
