"""An offline double: answers from a file, for tests, documentation and demonstrations."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from llmsynthor.errors import ChoiceError, LLMError, Problem
from llmsynthor.llm.backend import Identity, Scored, ScoreRequest, Usage, WriteRequest, Written


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
    return answer if isinstance(answer, str) else json.dumps(answer)


def read_script(path: Path) -> Scripted:
    """Read a script from YAML or JSON; a list stands for its `answers`. Raises ChoiceError when it cannot be read."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as cause:
        problem = Problem(
            where=str(path), what=f"the script cannot be read ({cause})", advice="give a YAML or JSON file"
        )
        raise ChoiceError(problem) from cause
    script: Any = {"answers": content} if isinstance(content, Sequence) and not isinstance(content, str) else content
    if not isinstance(script, Mapping):
        raise ChoiceError(Problem(where=str(path), what="a script is a mapping or a list", advice="see docs/llm.md"))
    return Scripted(script)
