"""What a spec holds, looked through before it is read: texts that can stand."""

from collections.abc import Iterator, Mapping
from typing import Any

from llmsynthor.errors import Problem
from llmsynthor.files import DEEPEST
from llmsynthor.texts import clean, unfit

LONGEST_NAME, LONGEST_TEXT = 1_000, 50_000
"""Letters of a level, a name or a label; of a context, a description or an expression: they go into prompts."""

TEXTS = (
    "context",
    "scenario",
    "description",
    "prompt",
    "sentence",
    "source",
    "expression",
    "forbid",
    "universe",
    "where",
    "of",
)
MOST_NAMED = 20


def odd_texts(raw: Any) -> list[Problem]:
    """Name the texts of a document that cannot stand, each with its place; frames are looked through where they are read."""
    found = list[Problem]()
    for place, key, value in _texts(raw, "", 0):
        found += _problem(place, key, value)
        if len(found) >= MOST_NAMED:
            break
    return found


def _texts(value: Any, place: str, depth: int) -> Iterator[tuple[str, str, str]]:
    """Place, key and text of every text; `key` is the last name of the place."""
    if depth > DEEPEST:
        return
    if isinstance(value, Mapping):
        for key, own in value.items():
            name = str(key)
            yield place, "", name
            yield from _of(own, f"{place}.{name}" if place else name, name, depth)
    elif isinstance(value, list | tuple):
        key = place.rpartition(".")[2].partition("[")[0]
        for number, own in enumerate(value):
            yield from _of(own, f"{place}[{number}]", key, depth)


def _of(value: Any, place: str, key: str, depth: int) -> Iterator[tuple[str, str, str]]:
    if isinstance(value, str):
        yield place, key, value
    elif isinstance(value, Mapping | list | tuple):
        yield from _texts(value, place, depth + 1)


def _problem(place: str, key: str, text: str) -> Iterator[Problem]:
    where = clean(place)[:200] or "spec"
    odd = unfit(text)
    most = LONGEST_TEXT if key in TEXTS else LONGEST_NAME
    if odd is not None:
        advice = (
            "remove it: control characters, halves of letters and marks that turn the direction of writing cannot stand"
        )
        yield Problem(where=where, what=f"the text holds {odd}", found=clean(text)[:80], advice=advice)
    elif len(text) > most:
        advice = f"give at most {most:,} letters: it goes into questions to a model"
        yield Problem(where=where, what=f"the text has {len(text):,} letters", found=text[:60] + "…", advice=advice)
