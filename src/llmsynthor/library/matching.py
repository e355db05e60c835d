"""Which variable of a library each of the user's is: numbers by arithmetic, categories by words, and the margins as the witness.

A match is trusted where the library's margin, recoded, is near to the user's table; else it never enters a run.
"""

from collections.abc import Mapping, Sequence, Set
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from llmsynthor.errors import AnswerError, AskingEndedError, CannotScoreError
from llmsynthor.library.recoding import gap, hardened, in_order, recodings, transported
from llmsynthor.library.store import Entry, Part, stratum_of_bins
from llmsynthor.library.trust import (
    CLEAR,
    NEAR,
    NEARLY,
    POSSIBLE,
    Match,
    Matching,
    Plan,
    Sought,
    how_of,
    judged,
    with_ages,
    younger,
)
from llmsynthor.library.wanted import Wanted
from llmsynthor.library.words import Score, liked_anyway, plain, score_levels, score_variables

Floats = NDArray[np.float64]

ENOUGH_LEVELS = 4
"""Levels of a number with records in them, from which the margins alone tell which number it is."""

LEAST_SHARE = 0.02
LEAST_KEPT = 0.2
LEAST_MASS = 1e-6
TRIES = 2
"""Variables of the library that are tried for one of the user's."""
RIVAL = 2.0
"""How many nats less may speak for another variable that is tried although the first can be trusted."""
TELLING, TELLING_COUNTS = 10.0, 2.0
"""Nats by which levels are told apart that count at most, and how many of them are worth one nat of the variable's own words."""
NO = "none"


def match_part(
    part: Part, wanted: Sequence[Wanted], score: Score | None, known: Mapping[str, Match] | None = None
) -> Matching:
    """Match the user's variables with those of a part; without `score` only numbers and what stands in the same words.

    `known` are matches by name that are settled already, such as those of the unit above.
    """
    weights, of_levels = _strata(part, wanted)
    found: dict[str, Match] = {
        own.name: Match(wanted=own, why="no variable of the library says this") for own in wanted
    }
    found |= known or {}
    free = [own for own in wanted if own.like != NO and own.name not in (known or {})]
    found |= {own.name: Match(wanted=own, why="like: none") for own in wanted if own.like == NO}
    taken = {match.entry.name for match in found.values() if match.entry is not None}
    sought = Sought(part=part, weights=weights, of_levels=of_levels)
    found |= _numbers(sought, free, taken)
    left = [own for own in free if found[own.name].entry is None]
    taken = {match.entry.name for match in found.values() if match.entry is not None}
    same = {own.name: match for own in left if (match := _same_words(sought, own, taken)) is not None}
    found |= same
    taken |= {match.entry.name for match in same.values() if match.entry is not None}
    left = [own for own in left if own.name not in same]
    sentence = ""
    if score is not None:
        try:
            unsure = [found[own.name] for own in free if found[own.name].how == "numbers"]
            found |= _confirmed(sought, unsure, score)
            found |= _by_words(sought, left, taken, score)
        except CannotScoreError:
            sentence = "the model gives no log-probabilities: words were not matched"
        except (AnswerError, AskingEndedError) as ended:
            sentence = f"not all words were matched: {ended}"
    return Matching(
        part=part,
        matches=tuple(found[own.name] for own in wanted),
        weights=weights,
        of_levels=of_levels,
        sentence=sentence,
    )


def _strata(part: Part, wanted: Sequence[Wanted]) -> tuple[Floats, Floats]:
    """Weights of the strata and of the levels of the number that makes them: as the user's own table of it has them."""
    even = np.ones(len(part.starts))
    if not part.strata:
        return even, even
    entry = part[part.strata]
    masses = part.margin(entry.name).sum(axis=0)
    best: tuple[float, Floats] | None = None
    for own in wanted:
        if own.like not in ("", entry.name):
            continue
        for scale, mapped in recodings(own, entry, outside=True):
            recoded = masses @ mapped
            apart = gap(recoded, own.shares)
            if scale == 1.0 and recoded.sum() >= LEAST_KEPT * masses.sum() and apart <= NEARLY:
                of_levels = mapped @ (own.shares / np.maximum(recoded / recoded.sum(), 1e-9))
                best = min(best or (apart, of_levels), (apart, of_levels), key=lambda found: found[0])
    if best is None:
        return even, np.ones(entry.size)
    counts = part.margin(entry.name)
    weights = (counts @ best[1]) / np.maximum(counts.sum(axis=1), 1e-300)
    return weights, best[1]


def _numbers(sought: Sought, wanted: Sequence[Wanted], settled: Set[str]) -> dict[str, Match]:
    """The nearest numbers, one to one, the smallest gap first; those of the library that are `settled` are no longer free."""
    every = []
    for own in wanted:
        for entry in sought.part.entries:
            if own.ranges is None or not entry.is_number or own.like not in ("", entry.name):
                continue
            strata = entry.name == sought.part.strata
            found = [(_gap_of(sought, own, entry, m), s, m) for s, m in recodings(own, entry, outside=strata)]
            apart, scale, mapped = min(found, key=lambda one: one[0])
            every.append((apart, own, entry, scale, mapped))
    every.sort(key=lambda one: one[0])
    matches: dict[str, Match] = {}
    taken = set(settled)
    for apart, own, entry, scale, mapped in every:
        if own.name in matches or entry.name in taken or (apart > NEARLY and not own.like):
            continue
        taken.add(entry.name)
        several = int((own.shares > LEAST_SHARE).sum()) >= ENOUGH_LEVELS
        sure = (apart <= NEAR and (several or _same(own.label, entry.label))) or own.like == entry.name
        why = "" if sure else "the margins alone do not tell that it is this number"
        matches[own.name] = Match(
            wanted=own,
            entry=entry,
            how=how_of(own, "numbers"),
            trusted="hard" if sure else "none",
            gap=apart,
            scale=scale,
            why=why,
            maps=np.broadcast_to(mapped, (len(sought.weights), *mapped.shape)),
        )
    return matches


def _gap_of(sought: Sought, own: Wanted, entry: Entry, mapped: Floats) -> float:
    """Of the number that makes the strata the gap is that to the library's own shares, not to those that follow the user's."""
    if entry.name == sought.part.strata:
        return gap(sought.part.margin(entry.name).sum(axis=0) @ mapped, own.shares)
    return sought.measured(own, entry, mapped)


def _same_words(sought: Sought, own: Wanted, taken: set[str]) -> Match | None:
    """A variable whose levels stand in the library in the very same words, or that the user names and whose levels do."""
    mine = {plain(word) for word in own.words}
    entries = [
        entry
        for entry in sought.part.entries
        if not entry.is_number and entry.name not in taken and {plain(word) for word in entry.words} == mine
    ]
    if own.like:
        entries = [entry for entry in entries if entry.name == own.like]
    labelled = [entry for entry in entries if _same(entry.label, own.label)]
    telling = max((len(word) for word in mine), default=0) > 3
    chosen = labelled or (entries if len(entries) == 1 and (telling or own.like) else [])
    if not chosen:
        return None
    entry = chosen[0]
    maps = np.array([[float(plain(one) == plain(word)) for word in own.words] for one in entry.words])
    said = Plan(plan=maps, how=how_of(own, "same words"), score=float("inf"))
    return judged(sought, own, entry, said)


def _confirmed(sought: Sought, matches: Sequence[Match], score: Score) -> dict[str, Match]:
    """Numbers that the margins alone did not tell are asked about."""
    found = {}
    entries = [entry for entry in sought.part.entries if entry.is_number]
    liked = None
    for match in matches:
        if match.trusted == "none" and match.entry is not None:
            liked = liked_anyway(score, entries) if liked is None else liked
            scores = score_variables(score, match.wanted, entries, liked)
            own = float(scores[[entry.name for entry in entries].index(match.entry.name)])
            sure = own >= (POSSIBLE if match.gap <= NEAR else CLEAR) and own == scores.max()
            why = "" if sure else match.why
            found[match.wanted.name] = replace(match, score=own, trusted="hard" if sure else "none", why=why)
    return found


def _by_words(sought: Sought, wanted: Sequence[Wanted], taken: set[str], score: Score) -> dict[str, Match]:
    """Ask which variable is meant, one to one; then what its levels mean."""
    from scipy.optimize import linear_sum_assignment  # noqa: PLC0415  (heavy)

    entries = [entry for entry in sought.part.entries if not entry.is_number]
    if not wanted or not entries:
        return {}
    liked = liked_anyway(score, entries)
    scores = np.array([score_variables(score, own, entries, liked) for own in wanted])
    for row, own in enumerate(wanted):
        if own.like:
            scores[row] = [1e3 if entry.name == own.like else -1e3 for entry in entries]
    scores[:, [entry.name in taken for entry in entries]] = -1e3
    possible = np.where(scores >= POSSIBLE, scores - POSSIBLE, 0.0)
    chosen = {int(row): int(column) for row, column in zip(*linear_sum_assignment(-possible), strict=True)}
    free = {column for column in range(len(entries)) if entries[column].name not in taken}
    free -= {column for row, column in chosen.items() if scores[row, column] >= POSSIBLE}
    found = {}
    for row, own in enumerate(wanted):
        best = Match(wanted=own, score=float(scores[row].max()), why="no variable of the library says this")
        told = 0.0
        for column in _candidates(scores[row], chosen.get(row), free):
            rival = float(scores[row, column])
            if best.trusted != "none" and rival < best.score - RIVAL:
                break
            entry, how = entries[column], how_of(own, "words and margins")
            plan, agreed, apart = _plan(sought, own, entry, score)
            match = judged(sought, own, entry, Plan(plan=plan, how=how, score=rival, agreement=agreed))
            if best.entry is None or (match.trusted != "none" and _rank(match, apart) > _rank(best, told)):
                best, told = match, apart
        found[own.name] = best
        free -= {column for column in free if best.trusted != "none" and entries[column] is best.entry}
    return found


def _rank(match: Match, apart: float) -> tuple[bool, float]:
    """How much speaks for a match: its words, how well its levels tell the user's `apart`, and how near the margins are."""
    return match.trusted != "none", match.score + min(apart, TELLING) / TELLING_COUNTS - match.gap / NEAR


def _candidates(scores: Floats, chosen: int | None, free: set[int]) -> list[int]:
    """The variable that is meant, and the next best that nobody else is, where the margins speak against the first."""
    others = sorted(free - {chosen}, key=lambda column: -scores[column])[: TRIES - 1]
    every = ([] if chosen is None else [chosen]) + others
    return [column for column in every if scores[column] >= POSSIBLE]


def _plan(sought: Sought, own: Wanted, entry: Entry, score: Score) -> tuple[Floats, float, float]:
    """Transport the library's masses to the user's levels, those left out that an age decides; how far the words agree, and how
    well they tell the user's levels apart."""
    masses, shares = sought.masses(entry), own.shares.copy()
    for level, first in younger(sought, own):
        masses, shares[level] = masses[first:], 0.0
    masses = masses.sum(axis=0)
    masses = np.where(masses > LEAST_MASS, masses, 0.0)
    scores, agreed = score_levels(score, own, entry, masses, shares)
    plan = transported(scores, masses, shares)
    if entry.ordered and sought.measured(own, entry, with_ages(sought, own, hardened(plan))) > NEAR:
        plan = in_order(scores, plan, masses, shares)
    return plan, agreed, told_apart(scores[masses > 0][:, shares > 0])


def told_apart(scores: Floats) -> float:
    """How surely some level of the library is each of the user's and no other, in nats, of the least sure of these.

    >>> told_apart(np.array([[0.0, -9.0, -9.0], [-9.0, 0.0, -1.0], [-9.0, -2.0, 0.0]]))
    1.0
    """
    if scores.shape[1] < 2:
        return 0.0
    ordered = np.sort(scores, axis=1)
    others = np.where(scores == ordered[:, -1:], ordered[:, -2:-1], ordered[:, -1:])
    return float((scores - others).max(axis=0).min())


def _same(one: str, other: str) -> bool:
    return plain(one) == plain(other)


__all__ = ["Match", "Matching", "match_part", "stratum_of_bins"]
