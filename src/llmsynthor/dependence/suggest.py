"""Rules that a language model would suggest: combinations it holds for impossible, and levels that say the same thing.

Nothing here is applied by itself: a person reads the reasons and takes over what is right.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from llmsynthor import prompts
from llmsynthor.dependence.coarse import Coarse
from llmsynthor.dependence.coincidence import Coincidence, coincidences
from llmsynthor.dependence.elicit import Asking
from llmsynthor.dependence.estimates import Estimate
from llmsynthor.dependence.pair_tables import fit_margins
from llmsynthor.dependence.trust import Trust
from llmsynthor.errors import AnswerError, AskingEndedError
from llmsynthor.llm.answers import ask, validate
from llmsynthor.llm.backend import ScoreRequest, WriteRequest
from llmsynthor.spec.levels import Interval, Level, number_text

RARE = 0.05
"""A combination that the estimate makes this many times as frequent as chance, or less, may be impossible."""

MOST_REASONS = 12
REASON = {
    "type": "object",
    "properties": {"reason": {"type": "string", "minLength": 10, "maxLength": 160}},
    "required": ["reason"],
    "additionalProperties": False,
}

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """A rule to consider. `times` is how often as by chance the model expects what it forbids, `doubt` its log-odds for "Yes,
    that can be" against a usual combination of the same levels (NaN where it was not asked); `records` shares forbidden.
    """

    name: str
    forbid: str
    why: str
    times: float
    doubt: float = float("nan")
    reason: str = ""


def suggest(asking: Asking, estimates: Sequence[Estimate], trust: Trust) -> tuple[Suggestion, ...]:
    """Suggest rules from what was elicited: equal levels first, then impossible combinations, the rarest first."""
    by_name = {variable.name: variable for variable in asking.variables}
    same: list[Suggestion] = []
    impossible: list[Suggestion] = []
    for estimate in estimates:
        one, other = (by_name[name] for name in estimate.pair)
        chance = np.outer(one.shares, other.shares)
        table = fit_margins(trust.of(estimate.strength) * estimate.interaction, one.shares, other.shares)
        equal = [_equal_level(found) for found in coincidences(one, other, table)]
        same += equal
        if not equal:
            impossible += _impossible(asking, one, other, table / chance)
    found = [*same, *sorted(impossible, key=lambda entry: entry.times)]
    return tuple(_reasoned(asking, entry) if k < MOST_REASONS else entry for k, entry in enumerate(found))


def _equal_level(found: Coincidence) -> Suggestion:
    level = np.arange(found.category.size) == found.level
    return Suggestion(
        name=f"{_words(found.category, level)} if and only if {_words(found.number, found.inside)}",
        forbid=f"({condition(found.number, found.inside)}) != ({condition(found.category, level)})",
        why=f"both hold for {found.share:.2%} of the records, and the model expects them to go together "
        f"{found.together:.1f} times as often as by chance",
        times=0.0,
    )


def _impossible(asking: Asking, one: Coarse, other: Coarse, times: Floats) -> Iterator[Suggestion]:
    """Combinations that the estimate makes rare and that the model, asked outright, denies; alike ones are joined."""
    rare = np.argwhere((times <= RARE) & (np.outer(one.shares, other.shares) > 0))
    denied = np.zeros(times.shape, dtype=bool)
    doubts = np.full(times.shape, np.nan)
    for x, y in rare:
        try:
            doubts[x, y] = _doubt(asking, one, int(x), other, int(y), times)
        except AnswerError:
            continue
        except AskingEndedError:
            return
        denied[x, y] = doubts[x, y] < 0
    columns = [y for y in range(other.size) if denied[:, y].any()]
    for pattern, group in groupby(
        sorted(columns, key=lambda y: tuple(denied[:, y])), key=lambda y: tuple(denied[:, y])
    ):
        inside, among = np.array(pattern), np.isin(np.arange(other.size), list(group))
        cells = np.ix_(inside, among)
        chance = np.outer(one.shares, other.shares)[cells]
        yield Suggestion(
            name=f"no {_words(one, inside)} with {_words(other, among)}",
            forbid=f"{condition(one, inside)} and {condition(other, among)}",
            why=f"the model expects it {(times[cells] * chance).sum() / chance.sum():.2g} times as often as by chance",
            times=float((times[cells] * chance).sum() / chance.sum()),
            doubt=float(np.max(doubts[cells])),
        )


def _doubt(asking: Asking, one: Coarse, x: int, other: Coarse, y: int, times: Floats) -> float:
    """Log-odds of "Yes, that can be", beside those of the likeliest partners of the same two levels."""
    usual = (
        _yes(asking, one, x, other, int(np.argmax(times[x]))),
        _yes(asking, one, int(np.argmax(times[:, y])), other, y),
    )
    return _yes(asking, one, x, other, y) - float(np.mean(usual))


def _yes(asking: Asking, one: Coarse, x: int, other: Coarse, y: int) -> float:
    context = prompts.fill(
        "rule",
        context=asking.spec.context,
        scenario=asking.spec.scenario,
        unit=asking.unit,
        given=one.label,
        value=one.words[x],
        asked=other.label,
        choice=other.words[y],
    )
    yes, no = asking.model.score(ScoreRequest(context=context, choices=(" Yes", " No"))).log_probabilities
    return yes - no


def _reasoned(asking: Asking, suggestion: Suggestion) -> Suggestion:
    """Let the model give its reason in a sentence; without a usable answer there is none."""
    prompt = prompts.fill(
        "rule-reason",
        context=asking.spec.context,
        scenario=asking.spec.scenario,
        unit=asking.unit,
        rule=suggestion.name,
    )
    request = WriteRequest(
        system=prompts.text("system").strip(),
        prompt=prompt,
        json_schema=REASON,
        temperature=0.0,
        max_tokens=80,
        seed=asking.seed,
    )
    try:
        answer = ask(asking.model, request, accept=lambda value, _: validate(value, REASON), attempts=1)
    except (AnswerError, AskingEndedError):
        return suggestion
    return replace(suggestion, reason=" ".join(str(answer.value["reason"]).split()))


def condition(variable: Coarse, inside: NDArray[np.bool_]) -> str:
    """Write a set of levels as an expression of the spec.

    >>> age = Coarse(axis=0, name="age", label="Age", levels=(Interval(0, 16), Interval(16, 65), Interval(65, 100)),
    ...              words=("", "", ""), shares=np.ones(3))
    >>> condition(age, np.array([True, False, False])), condition(age, np.array([False, True, True]))
    ('age < 16', 'age >= 16')
    """
    chosen = [level for level, own in zip(variable.levels, inside, strict=True) if own]
    if isinstance(chosen[0], Interval):
        return _interval_condition(variable, inside)
    texts = [repr(str(level)) for level in chosen]
    left = [repr(str(level)) for level, own in zip(variable.levels, inside, strict=True) if not own]
    if len(left) == 1:
        return f"{variable.name} != {left[0]}"
    return f"{variable.name} == {texts[0]}" if len(texts) == 1 else f"{variable.name} in ({', '.join(texts)})"


def _interval_condition(variable: Coarse, inside: NDArray[np.bool_]) -> str:
    pieces = []
    for run in _runs(variable.levels, inside):
        low = f"{variable.name} >= {number_text(run.low)}" if run.low > _low(variable) else ""
        high = f"{variable.name} < {number_text(run.high)}" if run.high < _high(variable) else ""
        pieces.append(" and ".join(part for part in (low, high) if part) or "True")
    return pieces[0] if len(pieces) == 1 else "(" + " or ".join(f"({piece})" for piece in pieces) + ")"


def _runs(levels: Sequence[Level], inside: NDArray[np.bool_]) -> list[Interval]:
    """Join neighbouring intervals."""
    found: list[Interval] = []
    for level, own in zip(levels, inside, strict=True):
        if not own or not isinstance(level, Interval):
            continue
        if found and found[-1].high == level.low:
            found[-1] = Interval(found[-1].low, level.high)
        else:
            found.append(level)
    return found


def _low(variable: Coarse) -> float:
    return min(level.low for level in variable.levels if isinstance(level, Interval))


def _high(variable: Coarse) -> float:
    return max(level.high for level in variable.levels if isinstance(level, Interval))


def _words(variable: Coarse, inside: NDArray[np.bool_]) -> str:
    runs = _runs(variable.levels, inside)
    said = [str(run) for run in runs] or [word for word, own in zip(variable.words, inside, strict=True) if own]
    return f"{variable.name} {' or '.join(said)}"
