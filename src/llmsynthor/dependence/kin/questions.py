"""What is asked about the members of a household, and in which words.

A form with numbered persons does not make a small model say who lives with whom: asked for the age of "person 3" it repeats that
of person 1. Asked about the householder's husband or wife, or son or daughter, it knows. Where even that repeats or contrasts, as
with a question that names both "husband or wife", the two words are asked about apart: whose husband, and what a husband is.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from llmsynthor import prompts
from llmsynthor.dependence.coarse import Coarse
from llmsynthor.dependence.elicit import Asking
from llmsynthor.dependence.kin.weights import (
    Said,
    as_times,
    either,
    levelled,
    likeness,
    numbers,
    of_heads,
    of_kinds,
    of_role,
    of_siblings,
    or_another,
    through_words,
    told_apart,
)
from llmsynthor.dependence.related import say
from llmsynthor.llm.backend import ScoreRequest
from llmsynthor.spec.levels import Interval
from llmsynthor.spec.schema import Category, Unit

SPOUSE, CHILD, SIBLING = "husband or wife", "son or daughter", "brother or sister"
HEAD, HEAD_OF_KIND = "householder", "householder of a kind"
EITHER = f"{SPOUSE}, {CHILD}"
RELATIVE = f"{CHILD} or another relative"
FRAMES = ("kin-sentence", "kin-interview")
SIBLING_FRAMES = ("kin-siblings-parent", "kin-siblings-child")
KIND_FRAMES = ("kin-head-interview", "kin-head-sentence", "kin-member-interview")
MOST_LEVELS = 6
"""Kinds of household that are asked about: a variable with more levels is no kind."""

Floats = NDArray[np.float64]
Whole = Literal[False, "number"]


def most_calls(parent: Unit, variables: Sequence[Coarse]) -> int:
    """Scoring calls at most: kinds of household, what is inherited, and for every variable its rows in every frame and role."""
    kinds = [len(variable.levels) for variable in _possible_kinds(parent)]
    calls = sum(kinds)
    for variable in variables:
        if isinstance(variable.levels[0], Interval):
            calls += 1 + variable.size * (6 + 2 * len(FRAMES) + len(SIBLING_FRAMES))
        else:
            words = len(SPOUSE.split(" or "))
            calls += 1 + words + variable.size * (2 + 2 * len(FRAMES)) + len(KIND_FRAMES) * max(kinds, default=0)
    return calls


def said_of_roles(
    asking: Asking,
    variable: Coarse,
    first: Floats,
    sizes: Mapping[str, float],
    *,
    alone: bool,
) -> dict[str, Said]:
    """Log-weights and trust by role. Of categories these are husbands or wives and children; of numbers the householder, other
    relatives where no husband or wife lives, and children beside their brothers and sisters too, levelled by the `sizes` of the
    roles."""
    strangers = _scores(asking, "kin-strangers", variable)
    asked = {role: [_scores(asking, frame, variable, role=role) for frame in FRAMES] for role in (SPOUSE, CHILD)}
    told = told_apart([np.mean(scores, axis=0) for scores in asked.values()], strangers, variable)
    if isinstance(variable.levels[0], Interval):
        found = _said_of_numbers(asking, variable, first, strangers, asked, told)
        found |= {EITHER: either(found[SPOUSE], found[CHILD]), RELATIVE: (or_another(found[CHILD][0]), told)}
        level = levelled({role: found[role][0] for role in sizes}, sizes, first)
        return found | {role: (own, found[role][1]) for role, own in level.items()}
    if alone:
        trust = 1.0 if told > 0 else 0.0
        found = {role: (trust * of_role(scores, strangers, variable, first), trust) for role, scores in asked.items()}
    else:
        found = {role: likeness(scores, strangers, variable) for role, scores in asked.items()}
    return found | {EITHER: either(found[SPOUSE], found[CHILD])}


def said_by_words(asking: Asking, variable: Coarse, said: Mapping[str, Said], kind: Coarse | None) -> dict[str, Said]:
    """Add what the words of roles say of a category, and what is said of the householder of each `kind`."""
    (weights, trust), (added, more) = said[SPOUSE], _said_through_words(asking, variable, SPOUSE)
    spouse = as_times(weights + added, variable.shares), max(trust, more)
    found = {**said, SPOUSE: spouse, EITHER: either(spouse, said[CHILD])}
    if kind is not None:
        head, sentence, member = (_scores(asking, frame, variable, kind=kind) for frame in KIND_FRAMES)
        found[HEAD_OF_KIND] = of_kinds((head, sentence), member, kind, variable)
    return found


def _said_through_words(asking: Asking, variable: Coarse, role: str) -> Said:
    """Ask which word of a role fits a householder of each level, and which level each word has."""
    words = tuple(role.split(" or "))
    which = [_row(asking, "kin-which", words, label=variable.label, value=v, role=role) for v in variable.words]
    what = [_row(asking, "kin-of-word", variable.words, label=variable.label, role=word) for word in words]
    return through_words(np.array(which), np.array(what), variable)


def _said_of_numbers(
    asking: Asking,
    variable: Coarse,
    first: Floats,
    strangers: Floats,
    asked: Mapping[str, Sequence[Floats]],
    told: float,
) -> dict[str, Said]:
    """Numbers are asked about forth and back, and outright: who lives with a husband or wife, who is the householder."""
    unknown = _scores(asking, "kin-unknown", variable)
    living = _odds(asking, "kin-living", variable)
    found = {HEAD: (of_heads(_odds(asking, "kin-head", variable), variable, told), told)}
    for role, scores in asked.items():
        back = _scores(asking, "kin-back", variable, role=role) - unknown
        lifts = np.mean(scores, axis=0) - strangers, back.T
        found[role] = numbers(lifts, first, variable.shares, told, living if role == SPOUSE else 0.0), told
    siblings = [_scores(asking, frame, variable, role=SIBLING) for frame in SIBLING_FRAMES]
    return found | {SIBLING: of_siblings(siblings, strangers, variable, told)}


def _possible_kinds(parent: Unit) -> list[Category]:
    return [v for v in parent.coded if isinstance(v, Category) and len(v.levels) <= MOST_LEVELS]


def kinds_with_spouse(asking: Asking, parent: Unit) -> tuple[str, tuple[str, ...]] | None:
    """The parent's variable that tells households with a spouse from others, and its levels with one."""
    best: tuple[float, str, tuple[str, ...]] | None = None
    for variable in _possible_kinds(parent):
        odds = [
            _yes(asking, "kin-kind", label=variable.label or say(variable.name), value=level, role=SPOUSE)
            for level in variable.levels
        ]
        spread = max(odds) - min(odds)
        if max(odds) > 0 > min(odds) and (best is None or spread > best[0]):
            levels = tuple(level for level, own in zip(variable.levels, odds, strict=True) if own > 0)
            best = (spread, variable.name, levels)
    return best[1:] if best is not None else None


def inherited_ones(asking: Asking, variables: Sequence[Coarse]) -> set[str]:
    """The variables that the model holds for inherited more than the others."""
    odds = {v.name: _yes(asking, "kin-inherited", label=v.label, value="", role=CHILD) for v in variables}
    usual = float(np.mean(list(odds.values()))) if odds else 0.0
    return {name for name, own in odds.items() if own > usual}


def _odds(asking: Asking, frame: str, variable: Coarse) -> Floats:
    """Log-odds that somebody of each level lives with a husband or wife, or is the householder, as the frame asks."""
    return np.array([_yes(asking, frame, label=variable.label, value=value, role=SPOUSE) for value in variable.words])


def _scores(asking: Asking, frame: str, variable: Coarse, *, role: str = "", kind: Coarse | None = None) -> Floats:
    """log p(a member's level | the first person's level, or the kind of household), shape (given, levels)."""
    given = variable if kind is None else kind
    words = {"label": variable.label, "role": role} | ({} if kind is None else {"kind": kind.label})
    whole: Whole = "number" if isinstance(variable.levels[0], Interval) else False
    return np.array([_row(asking, frame, variable.words, whole=whole, value=value, **words) for value in given.words])


def _row(asking: Asking, frame: str, levels: Sequence[str], *, whole: Whole = False, **words: str) -> tuple[float, ...]:
    """log p of each level."""
    choices = tuple(f" {level}" for level in levels)
    return asking.model.score(
        ScoreRequest(context=_fill(asking, frame, **words), choices=choices, whole=whole)
    ).log_probabilities


def _yes(asking: Asking, frame: str, **words: str) -> float:
    request = ScoreRequest(context=_fill(asking, frame, **words), choices=(" Yes", " No"))
    yes, no = asking.model.score(request).log_probabilities
    return yes - no


def _fill(asking: Asking, frame: str, **words: str) -> str:
    unit = asking.spec.schema[asking.unit]
    return prompts.fill(
        frame, context=asking.spec.context, scenario=asking.spec.scenario, unit=unit.name, parent=unit.parent, **words
    )
