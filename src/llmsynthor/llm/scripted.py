"""An offline double: answers from a file, for tests, documentation and demonstrations."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from llmsynthor.errors import ChoiceError, LLMError, Problem
from llmsynthor.files import MOST_NODES, expanded_size, read_text
from llmsynthor.llm.backend import Identity, Scored, ScoreRequest, Usage, WriteRequest, Written
from llmsynthor.texts import clean, fit_all


class Scripted:
    """Answers from a script, a mapping with

    - `answers`: a list; each entry is an answer (a text, or a value that is sent as JSON), or a mapping of `when` (a piece of
      the prompt) and `answer`. Entries without `when` are used in order; one with `when` answers every prompt that holds it.
    - `scores`: a mapping from a piece of the context to a mapping of choices to log-probabilities; all else scores -1.
    - `repeat`: true to go on with the last answer when the answers have run out.
    """

    def __init__(self, script: Mapping[str, Any]) -> None:
        entries = script.get("answers", [])
        self._matching = [e for e in entries if isinstance(e, Mapping) and "when" in e]
        self._in_order = [e for e in entries if not (isinstance(e, Mapping) and "when" in e)]
        self._scores: Mapping[str, Mapping[str, float]] = script.get("scores", {})
        self._repeat = bool(script.get("repeat", False))
        self._next = 0
        digest = hashlib.sha256(json.dumps(script, sort_keys=True, default=str).encode()).hexdigest()
        self._identity = Identity(name="scripted", digest=digest)

    @property
    def identity(self) -> Identity:
        return self._identity

    def passed(self, request: WriteRequest | ScoreRequest) -> None:
        """Take note of a question that a ledger answered: its place in the order is used."""
        if isinstance(request, WriteRequest) and not any(e["when"] in request.prompt for e in self._matching):
            self._next += 1

    def write(self, request: WriteRequest) -> Written:
        for entry in self._matching:
            if entry["when"] in request.prompt:
                return Written(text=_text(entry["answer"]))
        if self._next >= len(self._in_order) and not (self._repeat and self._in_order):
            advice = "add answers to the script, or `repeat: true`"
            raise LLMError(
                Problem(
                    where="llm scripted", what="the script has no answer left", found=str(self._next), advice=advice
                )
            )
        answer = self._in_order[min(self._next, len(self._in_order) - 1)]
        self._next += 1
        return Written(text=_text(answer), usage=Usage(prompt_tokens=len(request.prompt.split())))

    def score(self, request: ScoreRequest) -> Scored:
        known: Mapping[str, float] = next((s for piece, s in self._scores.items() if piece in request.context), {})
        return Scored(log_probabilities=tuple(float(known.get(choice.strip(), -1.0)) for choice in request.choices))


def _text(answer: Any) -> str:
    return answer if isinstance(answer, str) else json.dumps(answer, default=str)


def read_script(path: Path) -> Scripted:
    """Read a script from YAML or JSON; a list stands for its `answers`. Raises ChoiceError when it cannot be read."""
    try:
        content = yaml.safe_load(read_text(path))
        if expanded_size(content) > MOST_NODES:
            raise ValueError(f"it has more than {MOST_NODES:,} values when its aliases are written out")
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as cause:
        raise _unreadable(path, str(cause)) from cause
    except (AttributeError, KeyError, TypeError, OverflowError) as cause:  # a value that is not what its tag says
        raise _unreadable(path, "a value is not what its tag says") from cause
    script: Any = {"answers": content} if isinstance(content, Sequence) and not isinstance(content, str) else content
    wrong = _wrong(script)
    if wrong:
        raise ChoiceError(Problem(where=str(path), what=wrong, advice="see docs/llm.md"))
    return Scripted(fit_all(script))


def _wrong(script: Any) -> str:  # noqa: PLR0911  (one for each thing that may be wrong)
    """What is wrong with the shape of a script; empty where nothing is."""
    if not isinstance(script, Mapping):
        return "a script is a mapping or a list"
    answers, scores = script.get("answers", []), script.get("scores", {})
    if not isinstance(answers, list):
        return "the answers of a script are a list"
    for number, entry in enumerate(answers):
        if entry is None or not isinstance(entry, str | int | float | list | Mapping):
            return f"answers[{number}] is no text and no value of JSON"
        if (
            isinstance(entry, Mapping)
            and "when" in entry
            and not (isinstance(entry["when"], str) and "answer" in entry)
        ):
            return f"answers[{number}] needs a text for when, and an answer"
    if not isinstance(scores, Mapping) or not all(isinstance(own, Mapping) for own in scores.values()):
        return "the scores of a script map pieces of contexts to choices with log-probabilities"
    for own in scores.values():
        if any(isinstance(score, bool) or not isinstance(score, int | float) for score in own.values()):
            return "the scores of a script are numbers"
    if not isinstance(script.get("repeat", False), bool):
        return "repeat is true or false"
    return ""


def _unreadable(path: Path, reason: str) -> ChoiceError:
    what = f"the script cannot be read ({clean(reason)[:200]})"
    return ChoiceError(Problem(where=str(path), what=what, advice="give a YAML or JSON file"))
