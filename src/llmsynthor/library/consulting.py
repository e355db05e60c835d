"""A library is consulted about one unit: matches, the pair tables that follow, and what is written of them in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmsynthor.library.matching import Matching, match_part
from llmsynthor.library.store import Library, Part
from llmsynthor.library.tables import pair_tables
from llmsynthor.library.wanted import Wanted
from llmsynthor.library.words import Score
from llmsynthor.spec.levels import number_text

Floats = NDArray[np.float64]

ENOUGH = 0.02
"""Share of the records of a library's level below which its match is not written in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consulted:
    """What a library says about one unit: `tables` of pairs, and the `matching` that they stand on."""

    library: str
    unit: str
    matching: Matching
    tables: Mapping[tuple[str, str], Floats] = field(repr=False)

    @property
    def source(self) -> str:
        return f"library {self.library}"

    @property
    def rows(self) -> tuple[dict[str, Any], ...]:
        """A row of library.csv for each variable: what it was matched with, how, how near, and its levels in words."""
        return tuple(_row(self, number) for number in range(len(self.matching.matches)))


def consult(library: Library, unit: str, wanted: Sequence[Wanted], score: Score | None) -> Consulted:
    """Match a unit's variables with those of one part of the library."""
    part = _part(library, unit, wanted)
    matching = match_part(part, wanted, score)
    return Consulted(library=library.name, unit=unit, matching=matching, tables=pair_tables(matching))


def _part(library: Library, unit: str, wanted: Sequence[Wanted]) -> Part:
    """The part of the unit's own name, else the one whose numbers and plain words fit best; of equals the larger."""
    named = [part for part in library.parts if part.unit == unit]
    known = lambda part: (len(match_part(part, wanted, None).trusted), part.records)  # noqa: E731  (a key)
    return named[0] if named else max(library.parts, key=known)


def _row(consulted: Consulted, number: int) -> dict[str, Any]:
    match = consulted.matching.matches[number]
    entry = match.entry
    return {
        "unit": consulted.unit,
        "variable": match.wanted.name,
        "label": match.wanted.label,
        "library": consulted.library,
        "like": entry.name if entry is not None else "none",
        "library_label": entry.label if entry is not None else None,
        "how": match.how or None,
        "trust": match.trusted,
        "gap": round(match.gap, 4) if isfinite(match.gap) else None,
        "score": round(match.score, 3) if isfinite(match.score) else None,
        "agreement": round(match.agreement, 3) if isfinite(match.agreement) else None,
        "scale": match.scale if entry is not None and entry.is_number else None,
        "in_words": _in_words(consulted.matching, number),
    }


def _in_words(matching: Matching, number: int) -> str:
    """What a match says: which levels are taken for which, or why there is none."""
    match = matching.matches[number]
    if match.entry is None or match.maps is None:
        return match.why
    if match.entry.is_number:
        said = f"cut at the same numbers{'' if match.scale == 1 else f', one counts {number_text(match.scale)}'}"
        return f"{said}; {match.why}" if match.why else said
    masses = matching.part.margin(match.entry.name) * matching.weights[:, None]
    whole = np.einsum("sl,slu->lu", masses, match.maps)
    rows = []
    for level, words in enumerate(match.entry.levels):
        if whole[level].sum() > 0:
            share = whole[level] / whole[level].sum()
            to = [f"{match.wanted.words[k]}" for k in np.argsort(-share) if share[k] >= max(ENOUGH, 0.2)]
            rows.append(f"{words} = {' / '.join(to)}")
    return "; ".join(rows)
