"""Directions on which all frames of a scoring model agree.

A model knows levels, not effects: each way of asking by itself is right little more often than chance, and how far it moves says
nothing. Where four ways agree, each beside the ordinary day and beside a day of which nothing is said, most signs are right
(docs/scenarios.md has the figures).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmsynthor import prompts
from llmsynthor.llm.backend import ScoreRequest
from llmsynthor.llm.recorded import Recorded
from llmsynthor.scenarios.cells import Cells, tilted
from llmsynthor.scenarios.naming import FACTOR
from llmsynthor.spec.adjustments import Adjustment
from llmsynthor.spec.expressions import parse

Floats = NDArray[np.float64]

FRAMES = ("in order", "reversed", "shuffled", "plain")
NEUTRAL = "Nothing else is known about this day."
CONTROL = "The sky is neither clear nor quite covered."
"""A sentence without an effect: what the rule proposes for it, it would propose for anything."""

SENTENCES = 4
"""The scenario, the ordinary day, the neutral sentence and the control: every frame scores each."""

BEYOND = 0.5
"""Standard deviations beyond which a frame is said to move a cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A scenario beside the ordinary state, both in words, for records of a context."""

    context: str
    scenario: str
    ordinary: str
    seed: int = 0


def agreed_cells(
    question: Question, cells: Sequence[Cells], model: Recorded, *, notify: Callable[[], None] = lambda: None
) -> tuple[tuple[Adjustment, ...], float]:
    """Adjustments for cells that all frames move one way, and the share of cells that they move for a sentence without effect.

    Raises CannotScoreError.
    """
    found, controls, total = list[Adjustment](), 0, 0
    for own in cells:
        signs, control = signs_of(question, own, model, notify=notify)
        controls, total = controls + int(np.count_nonzero(control)), total + len(control)
        factors, named = tilted(own.shares, FACTOR ** signs.astype(np.float64))
        for k in np.flatnonzero(named):
            found.append(
                Adjustment(
                    unit=own.unit,
                    where=parse(own.condition((own.levels[k],))),
                    factor=float(factors[k]),
                    reason=f"{own.label}: {own.words[k]} {'more' if signs[k] > 0 else 'less'} often",
                    origin=f"{model.identity.name}: {len(FRAMES)} of {len(FRAMES)} frames agree",
                    accepted=False,
                )
            )
    return tuple(found), controls / max(total, 1)


def planned_scores(cells: Sequence[Cells]) -> int:
    """Scoring calls at most: each variable in every frame, for the scenario and the three sentences beside it."""
    return len(cells) * len(FRAMES) * SENTENCES


def signs_of(
    question: Question, cells: Cells, model: Recorded, *, notify: Callable[[], None] = lambda: None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which way each cell moves (-1, 0, 1) for the scenario, and for the control; both (levels,)."""
    sentences = (question.scenario, question.ordinary, NEUTRAL, CONTROL)
    scores = np.array(
        [[_scores(question, cells, frame, said, model, notify) for said in sentences] for frame in FRAMES]
    )
    contrasts = {which: [scores[:, which] - scores[:, beside] for beside in (1, 2)] for which in (0, 3)}
    return _agreed(np.concatenate(contrasts[0]), cells.shares), _agreed(np.concatenate(contrasts[3]), cells.shares)


def _scores(
    question: Question, cells: Cells, frame: str, sentence: str, model: Recorded, notify: Callable[[], None]
) -> Floats:
    order = np.arange(len(cells.levels))
    listed = {
        "in order": order,
        "reversed": order[::-1],
        "shuffled": np.random.default_rng([question.seed, 60]).permutation(order),
        "plain": order[:0],
    }[frame]
    context = prompts.fill(
        "scenario-form",
        context=question.context,
        sentence=sentence,
        unit=cells.unit,
        asked=cells.label,
        levels=[cells.words[k] for k in listed],
    )
    request = ScoreRequest(context=context, choices=tuple(f" {word}" for word in cells.words), whole=False)
    notify()
    return np.array(model.score(request).log_probabilities)


def _agreed(shifts: Floats, shares: Floats) -> NDArray[np.int64]:
    """Signs on which all contrasts (contrasts, levels) agree, each beyond BEYOND of its own standard deviation."""
    centred = shifts - (shifts @ shares)[:, None]
    spread = np.sqrt((centred**2).mean(axis=1, keepdims=True))
    moved = np.where(np.abs(centred) > BEYOND * np.maximum(spread, 1e-12), np.sign(centred), 0)
    same = (moved == moved[0]).all(axis=0)
    return np.where(same, moved[0], 0).astype(np.int64)
