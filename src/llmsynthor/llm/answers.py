"""From the raw text of a model to a value that can be trusted: parse, validate, bounded repair, then drop and count."""

import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, NoReturn, TypeVar

from llmsynthor.errors import AnswerError, Problem
from llmsynthor.llm.backend import WriteRequest
from llmsynthor.llm.recorded import Recorded
from llmsynthor.texts import fit_all

LONGEST = 200_000
DEEPEST = 30
ATTEMPTS = 3
THINKING, THOUGHT = "<think>", "</think>"
OBJECT = re.compile(r'\{\s*["}]')
MARKS = re.compile(r'\\.|["{}\[\]]', re.DOTALL)
"""What decides how deep a JSON text is nested; a backslash takes the letter behind it along."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Generic[T]):
    """An accepted value and the call it came from."""

    value: T
    call_id: str


def ask(
    model: Recorded, request: WriteRequest, *, accept: Callable[[Any, bool], T], attempts: int = ATTEMPTS
) -> Answer[T]:
    """Ask until an answer parses and is accepted.

    `accept(value, last)` validates the value and raises ValueError with a sentence; it is told when no attempt will follow,
    so that it may then keep the good part of a bad answer. Each further attempt tells the model what was wrong. After the
    last one raises AnswerError, and the answer is counted as dropped.
    """
    question, why = request, ""
    for attempt in range(attempts):
        text = model.write(question).text
        call = model.last_call
        try:
            value = accept(parse(text), attempt == attempts - 1)
        except ValueError as error:
            why = str(error)[:300]
            model.note(call, f"rejected: {why}")
            question = _repair(request, why, attempt)
            continue
        model.note(call, "repaired" if attempt else "used")
        return Answer(value=value, call_id=call)
    model.note(model.last_call, f"dropped: {why}")
    advice = "nothing to do: the proposal is left out; if it happens often, use a larger model"
    raise AnswerError(
        Problem(
            where=f"llm {model.identity.name}",
            what=f"no usable answer in {attempts} attempts",
            found=why,
            advice=advice,
        )
    )


def _repair(request: WriteRequest, why: str, attempt: int) -> WriteRequest:
    """The question once more, with what was wrong."""
    repair = f"{request.prompt}\n\nAn earlier answer could not be used: {why}. Answer with JSON that fits the schema."
    return replace(request, prompt=repair, seed=request.seed + 7919 * (attempt + 1))


def prepare(
    model: Recorded, asked: Sequence[tuple[WriteRequest, Callable[[Any, bool], object]]], *, attempts: int = ATTEMPTS
) -> None:
    """Let a server answer many questions at once, and those once more whose answer could not be used: as `ask` does it then."""
    left = [(request, request, accept) for request, accept in asked]
    for attempt in range(attempts):
        model.prepare([question for _, question, _ in left])
        again = []
        for request, question, accept in left:
            text = model.known(question)
            if text is None:
                continue
            try:
                accept(parse(text), attempt == attempts - 1)
            except ValueError as error:
                again.append((request, _repair(request, str(error)[:300], attempt), accept))
        left = again
        if not left:
            return


def parse(text: str) -> Any:
    """Read the first JSON object of a text, whatever stands around it; raises ValueError that says what is wrong.

    What a model thinks aloud before it answers is left out. Takes time in proportion to the length of the text.
    """
    if len(text) > LONGEST:
        raise ValueError(f"the answer is longer than {LONGEST:,} characters")
    text = _after_thinking(text)
    begin = OBJECT.search(text)
    if begin is None:
        raise ValueError("the answer holds no JSON object")
    if _depth(text, begin.start()) > DEEPEST:
        raise ValueError(f"the answer is nested more than {DEEPEST} levels deep")
    try:
        value, _ = DECODER.raw_decode(text, begin.start())
    except json.JSONDecodeError as cause:
        raise ValueError(f"the answer is no complete JSON ({cause.msg} at character {cause.pos})") from cause
    return fit_all(value)


def _after_thinking(text: str) -> str:
    """The text behind `</think>`; some servers leave out the beginning of that part."""
    if text.lstrip()[:1] == "{":
        return text
    _, end, answer = text.partition(THOUGHT)
    if not end and text.lstrip().startswith(THINKING):
        raise ValueError("the answer ends while the model still thinks")
    return answer if end else text


def validate(value: Any, schema: Any) -> Any:
    """Check a value against a JSON schema; raises ValueError that names the place and what is wrong there."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415  (keeps the import of the package quick)

    error = next(
        iter(sorted(Draft202012Validator(schema).iter_errors(value), key=lambda e: list(map(str, e.path)))), None
    )
    if error is not None:
        place = ".".join(str(part) for part in error.absolute_path) or "the answer"
        raise ValueError(f"{place}: {error.message[:200]}")
    return value


def _depth(text: str, start: int) -> int:
    """How deep the value is nested that begins at a place; strings are passed over."""
    depth = deepest = 0
    inside = False
    for mark in MARKS.finditer(text, start):
        letter = mark[0]
        if letter == '"':
            inside = not inside
        elif not inside and letter in "{[":
            depth += 1
            deepest = max(deepest, depth)
        elif not inside and letter in "}]":
            depth -= 1
            if not depth:
                break
    return deepest


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("the answer names a key twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"the answer holds {name}, which is no number")


def _bounded_int(digits: str) -> int:
    if len(digits) > 18:
        raise ValueError("the answer holds a number of more than 18 digits")
    return int(digits)


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("the answer holds a number that is too large")
    return number


DECODER = json.JSONDecoder(
    object_pairs_hook=_no_duplicates, parse_constant=_no_constant, parse_int=_bounded_int, parse_float=_finite
)

LONGEST_REASON = 110


def tidy_reason(text: str) -> str:
    """Strip a reason; where the model was cut off, end it at a word.

    >>> tidy_reason(" Young men buy phones. ")
    'Young men buy phones.'
    """
    text = " ".join(text.split())
    return text if len(text) < LONGEST_REASON else text[:LONGEST_REASON].rsplit(" ", 1)[0].rstrip(" ,;:'\"") + " …"
