"""What a model says of the last record of a sequence beside one in its middle: where a day ends.

A form ("which trip: the last") does not make a small model say it. A list that begins with other records and goes on with the last,
or with one more, does: every such history is asked about both ways, and what they have in common is kept.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from llmsynthor import prompts
from llmsynthor.dependence.coarse import Coarse
from llmsynthor.dependence.elicit import Asking
from llmsynthor.dependence.estimates import CLIP, Estimate, agreement_of
from llmsynthor.dependence.pair_tables import fit_margins, interaction, mutual_information
from llmsynthor.dependence.related import HISTORIES, TURNS, following, say
from llmsynthor.errors import AnswerError, AskingEndedError, CannotScoreError
from llmsynthor.llm.backend import ScoreRequest
from llmsynthor.spec.schema import Category
from llmsynthor.spec.specification import Spec

LONGEST = 4

SAME_FOR_ALL = 0
"""Seed of the beginnings: runs of all seeds put the same questions, so that a ledger answers them."""

HEDGED = 2.25
"""Factor on what is said of the last record, where all histories agree: a model hedges. Chosen on the trips of NHTS 2022."""


def ask_turns(asking: Asking, name: str | None) -> list[Estimate]:
    """Score every category of an ordered unit after each turn, a variable of that name; nothing of a unit without an order."""
    turn = next((variable for variable in asking.variables if variable.name == name), None)
    own = _told_by_turn(asking.spec, asking.unit, asking.variables)
    found: list[Estimate] = []
    try:
        for variable in own if turn is not None else []:
            assert turn is not None
            found.append(_estimate(asking, variable, turn))
    except (AnswerError, AskingEndedError, CannotScoreError):
        pass
    return found


def _told_by_turn(spec: Spec, unit: str, variables: Sequence[Coarse]) -> list[Coarse]:
    """The unit's own categories, but for those that follow from the record before anyway."""
    left_out = following(spec, spec.schema[unit])
    own = {variable.name for variable in spec.schema[unit].coded if isinstance(variable, Category)}
    return [variable for variable in variables if variable.name in own - left_out and not spec.is_vetoed(variable.name)]


def _estimate(asking: Asking, variable: Coarse, turn: Coarse) -> Estimate:
    """A single record is half a last one. A first one is like one in the middle: what sets it apart is where it starts, which
    other tables know, and asked about it a model tells the start."""
    found = []
    for before in _histories(variable):
        last, between = (_scored(asking, variable, before, last=last) for last in (True, False))
        by_turn = dict(zip(TURNS, ((last + between) / 2, between, last, between), strict=True))
        scores = np.stack([by_turn[words] for words in turn.words], axis=1)
        found.append(np.clip(interaction(scores, variable.shares, turn.shares), -CLIP, CLIP))
    mean = np.mean(found, axis=0)
    agreement = agreement_of(found, np.outer(variable.shares, turn.shares))
    return Estimate(
        pair=(variable.name, turn.name),
        interaction=mean,
        strength=mutual_information(fit_margins(mean, variable.shares, turn.shares)),
        agreement=agreement,
        trust=HEDGED * float(np.sqrt(max(agreement, 0.0))),
    )


def _histories(variable: Coarse) -> Iterator[tuple[str, ...]]:
    """Beginnings of one record to LONGEST, each drawn from the shares but for the one before; the same in every run."""
    rng = np.random.default_rng(SAME_FOR_ALL)
    for number in range(HISTORIES):
        before: list[int] = []
        for _ in range(1 + number % LONGEST):
            shares = np.array(variable.shares)
            shares[before[-1:]] = 0.0
            before.append(int(rng.choice(variable.size, p=shares / shares.sum())))
        yield tuple(variable.words[code] for code in before)


def _scored(asking: Asking, variable: Coarse, before: tuple[str, ...], *, last: bool) -> NDArray[np.float64]:
    unit = asking.spec.schema[asking.unit]
    context = prompts.fill(
        "score-turn",
        context=asking.spec.context,
        scenario=asking.spec.scenario,
        unit=say(unit.name),
        parent=say(str(unit.parent)),
        given=None,
        asked=variable.label,
        before=before,
        last=last,
    )
    choices = tuple(f" {word}" for word in variable.words)
    return np.array(asking.model.score(ScoreRequest(context=context, choices=choices, whole=False)).log_probabilities)
