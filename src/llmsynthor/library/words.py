"""What a language model says of words: which variable of a library is meant, and which of its levels."""

import re
from collections.abc import Callable, Sequence
from itertools import combinations

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

WORDINGS = {"library-level": '{}"', "library-same": " {}\n"}
"""Wordings in which levels are asked about, and how an answer follows. They err differently, and are added up."""

SAME = 12.0
"""Nats by which levels in the very same words belong together."""

LEAST_LENGTH = 1e-9

Said = tuple[str, Sequence[str]]
"""A label and its levels."""


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


def score_levels(score: Score, wanted: Wanted, entry: Entry, masses: Floats, shares: Floats) -> tuple[Floats, float]:
    """How well the words of two levels agree, in nats, shape (library's, user's levels), and how far the answers agree with each
    other: asked from both sides, in two wordings.

    Levels of the library without `masses` and of the user without `shares` are not asked about; the very same words need no
    question.
    """
    same = np.zeros((entry.size, len(wanted.words)), dtype=bool)
    for row, one in enumerate(entry.levels):
        same[row] = [plain(one) == plain(other) for other in wanted.words]
    known = same.any(axis=1, keepdims=True) | same.any(axis=0, keepdims=True)
    begun: Floats = np.where(known & ~same, -SAME, 0.0)
    mine, theirs = (wanted.label, wanted.words), (entry.label, entry.levels)
    answers = []
    for wording in WORDINGS:
        forth, back = begun.copy(), begun.copy()
        for level in np.flatnonzero((masses > 0) & ~same.any(axis=1)).tolist():
            forth[level] += _level(score, wording, theirs, mine, level)
        for level in np.flatnonzero((shares > 0) & ~same.any(axis=0)).tolist():
            back[:, level] += _level(score, wording, mine, theirs, level)
        answers += [forth, back]
    found = np.sum(answers, axis=0)
    found[:, shares <= 0] -= SAME
    return found, agreement(answers, masses / masses.sum(), shares / shares.sum())


def agreement(answers: Sequence[Floats], rows: Floats, columns: Floats) -> float:
    """Mean cosine of what the answers say beyond their margins: near 0 where the words have nothing to do with each other."""
    own = [_centred(matrix, rows, columns) for matrix in answers]
    chance = np.outer(rows, columns)
    lengths = [float(np.sqrt((matrix**2 * chance).sum())) for matrix in own]
    pairs = combinations(zip(own, lengths, strict=True), 2)
    found = [float((a * b * chance).sum()) / max(one * other, LEAST_LENGTH) for (a, one), (b, other) in pairs]
    return float(np.mean(found))


def _centred(matrix: Floats, rows: Floats, columns: Floats) -> Floats:
    across, down = matrix @ columns, rows @ matrix
    return np.asarray(matrix - across[:, None] - down[None, :] + rows @ matrix @ columns)


def _level(score: Score, wording: str, asked: Said, answered: Said, level: int) -> Floats:
    (one, levels), (other, answers) = asked, answered
    about = {"one": one, "other": other, "level": levels[level], "levels": tuple(levels), "answers": tuple(answers)}
    choice = WORDINGS[wording]
    choices = tuple(choice.format(own) for own in answers)
    return _normal(score(ScoreRequest(context=prompts.fill(wording, **about), choices=choices, whole=False)))


def plain(words: str) -> str:
    """Words without capitals and signs.

    >>> plain("Bachelor's  Degree")
    'bachelor s degree'
    """
    return re.sub(r"\W+", " ", words.casefold()).strip()


def _normal(scores: Floats) -> Floats:
    shifted = np.asarray(scores, dtype=np.float64) - np.max(scores)
    return np.asarray(shifted - np.log(np.exp(shifted).sum()))
