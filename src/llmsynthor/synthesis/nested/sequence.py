"""What a model says of the first, the last and other records of a sequence: where a day begins, and where it ends.

A form ("which trip: the last") does not make a small model say it; the sequence put into a sentence does.
"""

from collections.abc import Sequence

import numpy as np

from llmsynthor import prompts
from llmsynthor.errors import BudgetError, CannotScoreError
from llmsynthor.llm.backend import ScoreRequest
from llmsynthor.spec.schema import Category
from llmsynthor.spec.specification import Spec
from llmsynthor.synthesis.coarse import Coarse, fit_margins, interaction, mutual_information
from llmsynthor.synthesis.elicit import Asking
from llmsynthor.synthesis.estimates import CLIP, Estimate
from llmsynthor.synthesis.nested.related import TURNS, following, say

FIRST, LAST, ANY = "The first", "The last", "One in the middle"


def ask_turns(asking: Asking, name: str | None) -> list[Estimate]:
    """Score every category of an ordered unit after each turn, a variable of that name; nothing of a unit without an order."""
    turn = next((variable for variable in asking.variables if variable.name == name), None)
    own = _told_by_turn(asking.spec, asking.unit, asking.variables)
    found: list[Estimate] = []
    try:
        for variable in own if turn is not None else []:
            assert turn is not None
            found.append(_estimate(asking, variable, turn))
    except (BudgetError, CannotScoreError):
        pass
    return found


def _told_by_turn(spec: Spec, unit: str, variables: Sequence[Coarse]) -> list[Coarse]:
    """The unit's own categories, but for those that follow from the record before anyway."""
    left_out = following(spec, spec.schema[unit])
    own = {variable.name for variable in spec.schema[unit].coded if isinstance(variable, Category)}
    return [variable for variable in variables if variable.name in own - left_out and not spec.is_vetoed(variable.name)]


def _estimate(asking: Asking, variable: Coarse, turn: Coarse) -> Estimate:
    unit = asking.spec.schema[asking.unit]
    choices = tuple(f" {word}" for word in variable.words)
    rows = {}
    for words in (FIRST, LAST, ANY):
        context = prompts.fill(
            "score-turn",
            context=asking.spec.context,
            scenario=asking.spec.scenario,
            unit=say(unit.name),
            parent=say(str(unit.parent)),
            asked=variable.label,
            turn=words,
        )
        request = ScoreRequest(context=context, choices=choices, whole=False)
        rows[words] = np.array(asking.model.score(request).log_probabilities)
    only = (rows[FIRST] + rows[LAST]) / 2
    by_turn = dict(zip(TURNS, (only, rows[FIRST], rows[LAST], rows[ANY]), strict=True))
    scores = np.stack([by_turn[words] for words in turn.words], axis=1)
    mean = np.clip(interaction(scores, variable.shares, turn.shares), -CLIP, CLIP)
    strength = mutual_information(fit_margins(mean, variable.shares, turn.shares))
    return Estimate(
        pair=(variable.name, turn.name), interaction=mean, strength=strength, agreement=float("nan"), apart=True
    )
