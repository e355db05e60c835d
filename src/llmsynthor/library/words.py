"""What a language model says of words: which variable of a library is meant, and which of its levels."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from llmsynthor import prompts
from llmsynthor.library.store import Entry
from llmsynthor.library.wanted import Wanted
from llmsynthor.llm.backend import ScoreRequest

Floats = NDArray[np.float64]
Score = Callable[[ScoreRequest], Floats]
"""Log-probabilities of the choices of a question; raises what asking raises."""

NONE = "none of these"
EMPTY = ("Variable", ("first", "second", "third"))
"""A variable without content: what a model likes to answer whatever is asked."""

PRIOR = 0.5
MOST_WORDS = 12
"""Levels that a question shows of a variable."""


def score_variables(score: Score, wanted: Wanted, entries: Sequence[Entry], liked: Floats) -> Floats:
    """How much rather each variable of the library is meant than none of them, in nats, shape (entries,).

    `liked` is the answer to a variable without content, as `liked_anyway` has it.
    """
    asked = _answers(score, wanted.label, wanted.words, entries)
    return np.asarray(asked[:-1] - asked[-1] - PRIOR * (liked[:-1] - liked[-1]))


def liked_anyway(score: Score, entries: Sequence[Entry]) -> Floats:
    """Log-probabilities of all answers where the question has no content, shape (entries + 1,)."""
    return _answers(score, *EMPTY, entries)


def _answers(score: Score, label: str, words: Sequence[str], entries: Sequence[Entry]) -> Floats:
    context = prompts.fill("library-variable", label=label, words=tuple(words)[:MOST_WORDS])
    choices = (*(f" {entry.label}\n" for entry in entries), f" {NONE}\n")
    return _normal(score(ScoreRequest(context=context, choices=choices, whole=False)))


def score_levels(score: Score, wanted: Wanted, entry: Entry) -> Floats:
    """How well the words of two levels agree, in nats, shape (library's, user's levels): asked from both sides."""
    forth = [_level(score, entry.label, wanted.label, level, wanted.words) for level in entry.levels]
    back = [_level(score, wanted.label, entry.label, level, entry.levels) for level in wanted.words]
    return np.asarray(np.array(forth) + np.array(back).T)


def _level(score: Score, one: str, other: str, level: str, answers: Sequence[str]) -> Floats:
    context = prompts.fill("library-level", one=one, other=other, level=level, answers=tuple(answers))
    return _normal(score(ScoreRequest(context=context, choices=tuple(f'{own}"' for own in answers), whole=False)))


def _normal(scores: Floats) -> Floats:
    shifted = np.asarray(scores, dtype=np.float64) - np.max(scores)
    return np.asarray(shifted - np.log(np.exp(shifted).sum()))
