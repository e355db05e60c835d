"""A library is consulted about one unit: matches, the pair tables that follow, and what is written of them in words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmsynthor.library.matching import match_part
from llmsynthor.library.recoding import gap
from llmsynthor.library.store import Library, Part
from llmsynthor.library.tables import pair_tables
from llmsynthor.library.trust import NEARLY, Match, Matching, Sought
from llmsynthor.library.wanted import Wanted
from llmsynthor.library.words import Score
from llmsynthor.llm.backend import ScoreRequest
from llmsynthor.spec.levels import number_text
from llmsynthor.spec.targets import LIBRARY

Floats = NDArray[np.float64]

LEAST = 1e-9
NEARER = 0.9
"""How near the user's tables must be within a universe, in parts of their distance from those of the whole: family households of
three states had 0.7 to 0.87."""

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
        universe = self.matching.part.universe
        return f"{LIBRARY} {self.library}" + (f" ({universe})" if universe else "")

    @property
    def rows(self) -> tuple[dict[str, Any], ...]:
        """A row of library.csv for each variable: what it was matched with, how, how near, and its levels in words."""
        return tuple(_row(self, number) for number in range(len(self.matching.matches)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The variables of one unit for which a library is consulted; those of the unit `above` are named with it. `given` are the
    shares of pairs that the user's tables have, shape (levels of one, levels of the other)."""

    unit: str
    wanted: tuple[Wanted, ...]
    above: str = ""
    given: Mapping[tuple[str, str], Floats] = field(default_factory=dict, repr=False)


def consult(library: Library, asked: Sequence[Asked], score: Score | None) -> tuple[Consulted, ...]:
    """Match the variables of all units with those of the library, in the universe that the user's tables are about.

    That is the whole, unless the user's margins and joint tables are clearly nearer within another one. Units stand behind the
    unit above them.
    """
    kept = score if score is None else _once(score)
    found = {universe: _within(library, universe, asked, kept) for universe in ("", *library.universes)}
    apart = dict(zip(found, _apart(tuple(found.values()), asked), strict=True))
    nearest = min(apart, key=lambda universe: apart[universe])
    return found[nearest if apart[nearest] <= NEARER * apart[""] else ""]


def _once(score: Score) -> Score:
    """Ask each question once, however many universes are tried."""
    answers: dict[ScoreRequest, Floats] = {}

    def asked(request: ScoreRequest) -> Floats:
        if request not in answers:
            answers[request] = score(request)
        return answers[request]

    return asked


def _within(library: Library, universe: str, asked: Sequence[Asked], score: Score | None) -> tuple[Consulted, ...]:
    parts = library.within(universe)
    found: dict[str, Consulted] = {}
    for own in asked:
        part = _part(parts, own.unit, own.wanted)
        above = found.get(own.above)
        settled = {} if above is None else dict(_settled(part, own, above.matching))
        matching = match_part(part, own.wanted, score, settled)
        tables = pair_tables(matching)
        found[own.unit] = Consulted(library=library.name, unit=own.unit, matching=matching, tables=tables)
    return tuple(found.values())


def _settled(part: Part, asked: Asked, above: Matching) -> Iterator[tuple[str, Match]]:
    """The matches of the unit above, for its variables in this one; levels that its records do not have are left out."""
    names = {entry.name for entry in part.entries}
    for own in asked.wanted:
        owner, _, name = own.name.rpartition(".")
        match = next((match for match in above.matches if match.wanted.name == name), None)
        if owner != asked.above or match is None or match.wanted.levels != own.levels:
            continue
        if match.entry is None or match.maps is None or match.entry.name not in names:
            if match.entry is None:
                yield own.name, Match(wanted=own, why=match.why, score=match.score)
            continue
        mapped = mean_map(above, match)
        yield own.name, replace(match, wanted=own, maps=np.broadcast_to(mapped, (len(part.starts), *mapped.shape)))


def mean_map(matching: Matching, match: Match) -> Floats:
    """A match's map over all strata, as often as the user's records are in them, shape (library's levels, user's levels)."""
    assert match.maps is not None and match.entry is not None
    sought = Sought(part=matching.part, weights=matching.weights, of_levels=matching.of_levels)
    masses = sought.masses(match.entry)
    whole, total = np.einsum("sl,slu->lu", masses, match.maps), masses.sum(axis=0)[:, None]
    return np.asarray(np.where(total > LEAST, whole / np.maximum(total, LEAST), 0.0))


def _apart(ways: Sequence[Sequence[Consulted]], asked: Sequence[Asked]) -> list[float]:
    """How far the user's tables are apart from the library's in each way to consult it, in total variation distance in all.

    A margin that is matched in another way only counts as one that is just not trusted; of joint tables those count that all ways
    have, each raked to the user's margins.
    """
    total = [0.0] * len(ways)
    for unit, own in enumerate(asked):
        matchings, tables = [way[unit].matching for way in ways], [way[unit].tables for way in ways]
        named = {name for matching in matchings for name in matching.trusted if "." not in name}
        pairs = [pair for pair in own.given if all(pair in known for known in tables)]
        for k, (matching, known) in enumerate(zip(matchings, tables, strict=True)):
            margins = (matching.trusted[name].gap if name in matching.trusted else NEARLY for name in named)
            total[k] += sum(margins) + sum(gap(known[pair].ravel(), own.given[pair].ravel()) for pair in pairs)
    return total


def _part(parts: Sequence[Part], unit: str, wanted: Sequence[Wanted]) -> Part:
    """The part of the unit's own name, else the one whose numbers and plain words fit best; of equals the larger."""
    named = [part for part in parts if part.unit == unit]
    known = lambda part: (len(match_part(part, wanted, None).trusted), part.records)  # noqa: E731  (a key)
    return named[0] if named else max(parts, key=known)


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
