"""Elicitation: what a language model holds for likely, as conditional log-probabilities of one variable given another.

Every question is short, and neighbours share their beginning: all variables are asked about one value of another before the
next value. Models that only chat are asked for shares in JSON instead.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmsynthor import prompts
from llmsynthor.dependence.coarse import Coarse
from llmsynthor.errors import AnswerError, AskingEndedError, CannotScoreError
from llmsynthor.llm.answers import ask, prepare, validate
from llmsynthor.llm.backend import ScoreRequest, WriteRequest
from llmsynthor.llm.recorded import Recorded
from llmsynthor.spec.specification import Spec

Floats = NDArray[np.float64]
Pair = tuple[str, str]
Direction = tuple[str, str]
"""A variable that is given, and one that is asked for."""


def bare(pair: Pair) -> frozenset[str]:
    """A pair as the user names it, without the units that nested pairs carry.

    >>> sorted(bare(("age", "household.tenure")))
    ['age', 'tenure']
    """
    return frozenset(name.rpartition(".")[2] for name in pair)


STRANGERS = "strangers"
FRAMES: Mapping[str, float] = {"record": 1.0, STRANGERS: -1.5, "interview": 1.5, "table": 0.5}
"""Wordings of the questions and their weights, in the order in which they are asked. They err differently, and are averaged.

Of two strangers nothing that is true of one depends on the other: what a model says there all the same is echo and association
of words, and is taken off. Texts: prompts/score-*.md.
"""

PEOPLE = frozenset(
    {
        "person",
        "people",
        "individual",
        "resident",
        "citizen",
        "inhabitant",
        "member",
        "adult",
        "child",
        "user",
        "customer",
        "client",
        "patient",
        "worker",
        "employee",
        "commuter",
        "traveller",
        "traveler",
        "driver",
        "passenger",
        "student",
        "pupil",
        "respondent",
        "householder",
        "voter",
        "tourist",
        "visitor",
    }
)
"""Units that can be interviewed; of all others somebody is asked about them."""

CLOSED_UP = ("table",)
"""Frames after which a choice follows without a space."""

CHAT_SAMPLES = 2
LEAST_SHARE = 0.3
"""Percent that a share of zero stands for: a model that chats rounds."""


def is_people(unit: str) -> bool:
    """Whether records of a unit can be interviewed.

    >>> is_people("Persons"), is_people("trip")
    (True, False)
    """
    return unit.lower().removesuffix("s") in PEOPLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditional:
    """log p(asked | given) of one frame, shape (given, asked), rows up to a constant."""

    frame: str
    given: str
    asked: str
    scores: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """Who is asked, about the records of which unit, in which words."""

    spec: Spec
    unit: str
    variables: tuple[Coarse, ...]
    model: Recorded
    seed: int
    temperature: float

    def request(self, frame: str, given: Coarse, value: str, asked: Coarse) -> ScoreRequest:
        context = prompts.fill(
            f"score-{frame}",
            context=self.spec.context,
            scenario=self.spec.scenario,
            unit=self.unit.replace("_", " "),
            person=is_people(self.unit),
            given=given.label,
            value=value,
            asked=asked.label,
        )
        before = "" if frame in CLOSED_UP else " "
        return ScoreRequest(context=context, choices=tuple(before + word for word in asked.words), whole=False)


def count_questions(variables: Sequence[Coarse], directions: Iterable[Direction]) -> int:
    """Number of scoring calls for one frame: one for every level of the given variable."""
    size = {variable.name: variable.size for variable in variables}
    return sum(size[given] for given, _ in directions)


def elicit(
    asking: Asking, frame: str, directions: Sequence[Direction], *, notify: Callable[[], None] = lambda: None
) -> tuple[list[Conditional], AskingEndedError | None]:
    """Score the asked variable of every direction after each level of the given one.

    Returns what is complete, and the error if the asking ended early. Raises CannotScoreError where the model gives no
    log-probabilities.
    """
    found: list[Conditional] = []
    for given in asking.variables:
        asked = [v for v in asking.variables if (given.name, v.name) in directions]
        rows: dict[str, list[tuple[float, ...]]] = {v.name: [] for v in asked}
        lost = set[str]()
        try:
            for value in given.words:
                for variable in asked:
                    request = asking.request(frame, given, value, variable)
                    try:
                        rows[variable.name].append(asking.model.score(request).log_probabilities)
                    except AnswerError:  # a row is missing: the whole is left out
                        lost.add(variable.name)
                    notify()
        except AskingEndedError as spent:
            return found, spent
        found += [
            Conditional(frame=frame, given=given.name, asked=name, scores=np.array(scores))
            for name, scores in rows.items()
            if name not in lost
        ]
    return found, None


def elicit_shares(asking: Asking, pairs: Sequence[Pair]) -> tuple[list[Conditional], AskingEndedError | None]:
    """Ask for percentages as JSON, several times for every direction of every pair; unusable answers are dropped."""
    by_name = {variable.name: variable for variable in asking.variables}
    directions = [(by_name[a], by_name[b]) for one, other in pairs for a, b in ((one, other), (other, one))]
    every = [(given, asked, sample) for given, asked in directions for sample in range(CHAT_SAMPLES)]
    found: list[Conditional] = []
    try:
        prepare(asking.model, [_shares_asked(asking, *about) for about in every])
        for given, asked, sample in every:
            try:
                scores = _ask_shares(asking, given, asked, sample)
            except AnswerError:
                continue
            found.append(Conditional(frame=f"shares {sample + 1}", given=given.name, asked=asked.name, scores=scores))
    except AskingEndedError as ended:
        return found, ended
    return found, None


def _ask_shares(asking: Asking, given: Coarse, asked: Coarse, sample: int) -> Floats:
    request, accept = _shares_asked(asking, given, asked, sample)
    return ask(asking.model, request, accept=accept).value


def _shares_asked(
    asking: Asking, given: Coarse, asked: Coarse, sample: int
) -> tuple[WriteRequest, Callable[[Any, bool], Floats]]:
    """The question, and how its answer is read."""
    request = _shares_request(asking, given, asked, sample)
    return request, lambda answer, _last: _read_shares(validate(answer, request.json_schema), given, asked)


def _shares_request(asking: Asking, given: Coarse, asked: Coarse, sample: int) -> WriteRequest:
    prompt = prompts.fill(
        "shares",
        context=asking.spec.context,
        scenario=asking.spec.scenario,
        unit=asking.unit,
        given=given.label,
        asked=asked.label,
        values=given.words,
        choices=asked.words,
    )
    return WriteRequest(
        system=prompts.text("system").strip(),
        prompt=prompt,
        json_schema=_shares_schema(given, asked),
        temperature=asking.temperature,
        max_tokens=60 + 12 * given.size * (asked.size + 1),
        seed=asking.seed * 1_000 + sample,
    )


def _shares_schema(given: Coarse, asked: Coarse) -> dict[str, Any]:
    whole = {"type": "integer", "minimum": 0, "maximum": 100}
    row = {
        "type": "object",
        "properties": dict.fromkeys(asked.words, whole),
        "required": list(asked.words),
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": dict.fromkeys(given.words, row),
        "required": list(given.words),
        "additionalProperties": False,
    }


def _read_shares(answer: dict[str, Any], given: Coarse, asked: Coarse) -> Floats:
    shares = np.array([[float(answer[x][y]) for y in asked.words] for x in given.words])
    if (shares.sum(axis=1) <= 0).any():
        raise ValueError("in every row at least one number must be positive")
    shares = np.maximum(shares / shares.sum(axis=1, keepdims=True) * 100, LEAST_SHARE)
    return np.asarray(np.log(shares / shares.sum(axis=1, keepdims=True)))


__all__ = ["FRAMES", "Asking", "CannotScoreError", "Conditional", "Pair", "count_questions", "elicit", "elicit_shares"]
