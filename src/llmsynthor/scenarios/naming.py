"""Cells that a sentence names outright, found without a model: hours, and levels by their words."""

import re
from collections.abc import Iterator, Sequence

from llmsynthor.scenarios.cells import Cells, is_category
from llmsynthor.spec.adjustments import Adjustment
from llmsynthor.spec.expressions import parse
from llmsynthor.spec.levels import Interval, Level
from llmsynthor.spec.schema import Numeric

NAMED = "named in the sentence"
FACTOR = 1.2
"""How many times as many records a proposal asks for, or as few: sizes are not known (docs/scenarios.md)."""

LESS = re.compile(
    r"\b(clos\w*|cancel\w*|no|without|strike|ban\w*|block\w*|out of (?:order|service)|suspend\w*|fewer|less|declin\w*|"
    r"shut\w*|fall\w*|drop\w*|avoid\w*)\b",
    re.IGNORECASE,
)
OFF = r"s?\s+(?:holidays?|vacations?|breaks?|recess)\b"
"""What follows a level of which there is none then: a school holiday."""

TIME = r"(\d{1,2})(?:[:.](\d{2}))?\s*(am|pm|a\.m\.|p\.m\.|h|o'clock)?"
SPAN = re.compile(rf"\b{TIME}\s*(?:to|until|till|and|-|–)\s*{TIME}(?!\w)", re.IGNORECASE)
SMALL = {"and", "or", "the", "of", "at", "in", "on", "to", "a", "an", "for", "up", "off", "someone", "other", "with"}


def named_cells(sentence: str, cells: Sequence[Cells]) -> tuple[Adjustment, ...]:
    """What the sentence names: more of it, or less where it speaks of closing, cancelling, a strike."""
    less, fewer = round(1 / FACTOR, 3), LESS.search(sentence) is not None
    found = list[Adjustment]()
    for own in cells:
        levels = _levels_named(sentence, own) if is_category(own) else _hours_named(sentence, own)
        if levels and len(levels) < len(own.levels):
            words = [own.words[own.levels.index(level)] for level in levels]
            single = [re.escape(part) for word in words for part in re.split(r"\s+or\s+", word)]
            off = re.search(rf"\b(?:{'|'.join(single)}){OFF}", sentence, re.IGNORECASE)
            factor, reason = less if fewer or off else FACTOR, f"the sentence names {', '.join(words)}"
            where = parse(own.condition(tuple(levels)))
            found.append(
                Adjustment(
                    unit=own.unit, where=where, factor=factor, reason=reason, origin=NAMED, bounds=None, accepted=False
                )
            )
    return tuple(found)


def spans(sentence: str) -> Iterator[tuple[float, float]]:
    """Spans of the clock in hours, the end after the beginning.

    >>> list(spans("There will be a concert from 20 to 24 at Tokyo Dome.")), list(spans("open 8:30 am to 1 pm"))
    ([(20.0, 24.0)], [(8.5, 13.0)])
    """
    for match in SPAN.finditer(sentence):
        first = _hour(match[1], match[2], match[3] or match[6])
        last = _hour(match[4], match[5], match[6])
        if first <= 28 and last <= 28 and first != last:
            yield first, last if last > first else last + 24.0


def _hour(whole: str, minutes: str | None, half: str | None) -> float:
    hour = float(whole) + float(minutes or 0) / 60
    half = (half or "").replace(".", "").lower()
    if half == "pm" and hour < 12:
        return hour + 12
    return hour - 12 if half == "am" and hour >= 12 else hour


def _hours_named(sentence: str, cells: Cells) -> list[Level]:
    """Cells of a variable of the clock that lie within a span."""
    per_hour = _per_hour(cells)
    if not per_hour:
        return []
    found = list[Level]()
    for first, last in spans(sentence):
        for level in cells.levels:
            assert isinstance(level, Interval)
            if level.low >= first * per_hour - 1e-9 and level.high <= last * per_hour + 1e-9:
                found.append(level)
    return found


def _per_hour(cells: Cells) -> float:
    """Units of the variable in an hour of the clock; 0 where it is no time of day."""
    variable = cells.variable
    assert isinstance(variable, Numeric)
    said = f"{variable.name} {variable.label} {variable.unit}".lower().replace("_", " ")
    if "clock" in said or re.search(r"\bhour\b", said):
        return 1.0 if variable.range.high <= 30 else 0.0
    if "minute" in said and "after midnight" in said:
        return 60.0
    return 0.0


def _levels_named(sentence: str, cells: Cells) -> list[Level]:
    """Levels one of whose names, all its words, stand in the sentence."""
    there = {_stem(word) for word in re.findall(r"[^\W\d_]+", sentence.lower())}
    found = list[Level]()
    for level, words in zip(cells.levels, cells.words, strict=True):
        for part in re.split(r"\bor\b|\band\b|[,/]", words.lower()):
            content = {_stem(word) for word in re.findall(r"[^\W\d_]+", part) if word not in SMALL and len(word) > 2}
            if content and content <= there:
                found.append(level)
                break
    return found


def _stem(word: str) -> str:
    for ending in ("ing", "es", "s"):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            return word[: -len(ending)]
    return word
