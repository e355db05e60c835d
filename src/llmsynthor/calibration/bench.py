"""A dozen tables that are known, in the words of their surveys: what a model is asked about before it is believed.

Counts of public records, no records; see README.md beside them.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownVariable:
    """A variable as a question names it: its `label` and the `words` of its levels."""

    name: str
    label: str
    words: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownTable:
    """Counts of records by two variables, (levels of one, levels of the other), of a `unit` in a `context`."""

    source: str
    unit: str
    context: str
    one: KnownVariable
    other: KnownVariable
    counts: tuple[tuple[int, ...], ...]


@cache
def known_tables() -> tuple[KnownTable, ...]:
    """The tables that are shipped, the most telling first."""
    rows = json.loads(_text())
    return tuple(
        KnownTable(
            source=row["source"],
            unit=row["unit"],
            context=row["context"],
            one=_variable(row["one"]),
            other=_variable(row["other"]),
            counts=tuple(tuple(own) for own in row["counts"]),
        )
        for row in rows
    )


def digest_of(wordings: Iterable[str]) -> str:
    """Digest of the tables and of the wordings in which they are asked about: with others a model is measured anew."""
    found = hashlib.sha256(_text().encode())
    for text in wordings:
        found.update(b"\0" + text.encode())
    return found.hexdigest()


def _text() -> str:
    return (files("llmsynthor.calibration") / "tables.json").read_text(encoding="utf-8")


def _variable(row: dict[str, object]) -> KnownVariable:
    words = row["words"]
    assert isinstance(words, list)
    return KnownVariable(name=str(row["name"]), label=str(row["label"]), words=tuple(map(str, words)))
