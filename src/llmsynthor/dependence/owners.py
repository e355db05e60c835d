"""What a model says of records that follow each other and whose they are: the trips of a worker, the orders of an old customer.

A form with a line of the parent and a line of the child does not make a small model say it: a trip to work goes with everybody. A
list does ("One person. Has a paid job: no. The trips of this person, one after another: Trip 1:"), and so does the same list or an
interview put the other way round, which name the purpose and ask about the person. The three err differently: what counts is what
all of them say.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from llmsynthor import prompts
from llmsynthor.dependence.coarse import Coarse
from llmsynthor.dependence.elicit import Asking, Pair, bare, is_people
from llmsynthor.dependence.estimates import CLIP, Estimate, agreement_of
from llmsynthor.dependence.pair_tables import fit_margins, interaction, mutual_information
from llmsynthor.dependence.related import Related, following, say
from llmsynthor.errors import AnswerError, AskingEndedError, CannotScoreError
from llmsynthor.llm.backend import ScoreRequest
from llmsynthor.spec.schema import Category
from llmsynthor.spec.specification import Spec

WORTH_ASKING_BACK = 0.001
"""Mutual information in nats that the lists must show for a pair to be asked about the other way round."""

LISTED = 2.5
"""Factor on what all three ways say: a model hedges. Chosen on the trips of NHTS 2022."""

BACKWARDS = ("score-owner", "score-owner-interview")

Floats = NDArray[np.float64]


def owned_pairs(spec: Spec, related: Related) -> list[Pair]:
    """Pairs of an own category and a variable of the parent that no table gives, of units whose records follow each other.

    Categories that follow from the record before are left to that one; how many records there are says nothing of what they are.
    """
    if related.turn is None:
        return []
    unit = spec.schema[related.unit]
    own = {v.name for v in unit.coded if isinstance(v, Category)} - following(spec, unit)
    tabled = [set(goal.table.columns) for goal in related.goals.tables]
    return [
        pair
        for pair in related.pairs
        if pair[0] in own
        and "." in pair[1]
        and pair[1].rpartition(".")[2] != unit.count
        and bare(pair) not in spec.dependencies.skip
        and not any(set(pair) <= columns for columns in tabled)
        and not bare(pair) & spec.zone_variables
    ]


def ask_owners(asking: Asking, related: Related, *, notify: Callable[[], None]) -> list[Estimate]:
    """Score each of these pairs in lists, and back again where that says something; what is complete when the asking ends."""
    by_name = {variable.name: variable for variable in asking.variables}
    found: list[Estimate] = []
    for one, other in owned_pairs(asking.spec, related):
        try:
            found.append(_estimate(asking, by_name[one], by_name[other], notify))
        except AnswerError:
            continue
        except (AskingEndedError, CannotScoreError):
            break
    return found


def _estimate(asking: Asking, own: Coarse, parent: Coarse, notify: Callable[[], None]) -> Estimate:
    """The mean of the three ways where all of them say the same direction, nothing elsewhere, and LISTED times that."""
    chance = np.outer(own.shares, parent.shares)
    listed = [_in_list(asking, parent, words, own, notify) for words in parent.words]
    ways = [_centred(np.stack(listed, axis=1), own, parent)]
    agreed, agreement = np.zeros_like(ways[0]), 0.0
    if _strength(ways[0], own, parent) >= WORTH_ASKING_BACK:
        back = [[_back(asking, frame, own, words, parent, notify) for words in own.words] for frame in BACKWARDS]
        ways += [_centred(np.stack(scores), own, parent) for scores in back]
        same = (np.sign(ways) == np.sign(ways[0])).all(axis=0)
        agreed = np.clip(LISTED * np.where(same, np.mean(ways, axis=0), 0.0), -CLIP, CLIP)
        agreement = agreement_of(ways, chance)
    return Estimate(
        pair=(own.name, parent.name),
        interaction=agreed,
        strength=_strength(agreed, own, parent),
        agreement=agreement,
        trust=1.0 if agreement > 0 else 0.0,
    )


def _centred(scores: Floats, own: Coarse, parent: Coarse) -> Floats:
    return np.clip(interaction(scores, own.shares, parent.shares), -CLIP, CLIP)


def _strength(centred: Floats, own: Coarse, parent: Coarse) -> float:
    return mutual_information(fit_margins(centred, own.shares, parent.shares))


def _in_list(asking: Asking, given: Coarse, value: str, asked: Coarse, notify: Callable[[], None]) -> Floats:
    """Scores of the first record of a parent of which this is known."""
    about = {"given": given.label, "value": value, "before": (), "last": False}
    return _scores(asking, "score-turn", asked, notify, **about)


def _back(asking: Asking, frame: str, given: Coarse, value: str, asked: Coarse, notify: Callable[[], None]) -> Floats:
    """Scores of the parent's levels once a record is known."""
    return _scores(asking, frame, asked, notify, given=given.label, value=value)


def _scores(asking: Asking, frame: str, asked: Coarse, notify: Callable[[], None], **about: object) -> Floats:
    parent = str(asking.spec.schema[asking.unit].parent)
    context = prompts.fill(
        frame,
        context=asking.spec.context,
        scenario=asking.spec.scenario,
        unit=say(asking.unit),
        parent=say(parent),
        person=is_people(parent),
        asked=asked.label,
        **about,
    )
    choices = tuple(f" {word}" for word in asked.words)
    notify()
    return np.array(asking.model.score(ScoreRequest(context=context, choices=choices, whole=False)).log_probabilities)


def planned_owners(spec: Spec, related: Related) -> int:
    """Scoring calls at most: each level of the parent's once, each own level once for both ways back."""
    size = {variable.name: variable.size for variable in related.variables}
    return sum(size[other] + len(BACKWARDS) * size[one] for one, other in owned_pairs(spec, related))
