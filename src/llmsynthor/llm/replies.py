"""What servers answer, read by schemas into what is used of it; whatever does not fit is no answer.

The only place that looks into the JSON of a server or of the embedded engine.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from llmsynthor.texts import fit

LEAST_SCORE = -100.0
"""Log-probability of a token that a model holds for impossible."""

MOST_TOKENS = 10**9
EVENT, END = "data:", "[DONE]"
HALF = re.compile(
    rb"(?<!\\)\\u[dD][89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB]..)(?<!\\)\\u[dD][c-fC-F][0-9a-fA-F]{2}"
)
"""Half of a surrogate pair in JSON, which no reader takes: it is replaced like other characters that no text may hold."""

LETTERS_A_TOKEN = 4

Form = TypeVar("Form", bound="Shape")


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The text of an answer, and the tokens that the server counted, None where it did not."""

    text: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """Natural-log probabilities of next tokens by their numbers, and how many tokens were read."""

    log_probabilities: Mapping[int, float]
    prompt_tokens: int


class Shape(BaseModel):
    """A part of an answer: what else it holds is passed over, nothing is coerced."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


def _counted(value: Any) -> int | None:
    """A number of tokens; whatever is none is not known."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < MOST_TOKENS:
        return None
    return int(value)


def _object(value: Any) -> Any:
    return value if isinstance(value, dict) else {}


Count = Annotated[int | None, BeforeValidator(_counted)]


class _Usage(Shape):
    prompt_tokens: Count = None
    completion_tokens: Count = None


class _Part(Shape):
    text: str | None = None


class _Message(Shape):
    content: str | list[str | _Part] | None = None
    refusal: str | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "".join(part if isinstance(part, str) else part.text or "" for part in self.content)
        return self.content or self.refusal or ""


class _Choice(Shape):
    message: _Message


class _Told(Shape):
    """Servers say what is wrong as `error: {message}`, as `error: text`, or as `detail`."""

    error: Any = None
    detail: Any = None

    @property
    def reason(self) -> str | None:
        found = self.error if self.error is not None else self.detail
        if isinstance(found, dict):
            found = found.get("message")
        return None if found is None else fit(str(found)[:4_000])[:160]


class _Chat(_Told):
    choices: list[_Choice] = Field(min_length=1)
    usage: Annotated[_Usage, BeforeValidator(_object)] = _Usage()


class _Delta(Shape):
    delta: _Message | None = None
    message: _Message | None = None


class _Event(_Told):
    choices: list[_Delta] = Field(default_factory=list)
    usage: Annotated[_Usage, BeforeValidator(_object)] = _Usage()


def _log_probability(value: Any) -> Any:
    """Null is what JSON has for minus infinity."""
    return LEAST_SCORE if value is None else value


LogProbability = Annotated[float, Field(allow_inf_nan=True), BeforeValidator(_log_probability)]


class _Token(Shape):
    id: int = Field(ge=0, lt=MOST_TOKENS)
    logprob: LogProbability


class _Position(Shape):
    top_logprobs: list[_Token] = Field(min_length=1)


class _Completion(Shape):
    completion_probabilities: list[_Position] = Field(min_length=1)
    tokens_evaluated: Count = None


class _LogProbabilities(Shape):
    content: list[_Position] = Field(min_length=1)


class _Scoring(Shape):
    logprobs: _LogProbabilities


class _Embedded(Shape):
    choices: list[_Scoring] = Field(min_length=1)
    usage: Annotated[_Usage, BeforeValidator(_object)] = _Usage()


class _Tokens(Shape):
    tokens: list[Annotated[int, Field(ge=0, lt=MOST_TOKENS)]]


def read_chat(body: bytes | Mapping[str, Any], kind: str = "") -> Said:
    """Read what a model wrote: a text, a list of parts, or a stream of events. Raises ValueError that says what is wrong."""
    if isinstance(body, bytes) and (kind == "text/event-stream" or body.lstrip()[:5] == EVENT.encode()):
        return _read_events(body)
    found = read_shape(_Chat, body)
    usage = found.usage
    return Said(
        text=fit(found.choices[0].message.text),
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
    )


def _read_events(body: bytes) -> Said:
    texts, usage, ended = list[str](), _Usage(), False
    for line in body.split(b"\n"):
        text = line.strip()
        if not text.startswith(EVENT.encode()):
            continue
        text = text.removeprefix(EVENT.encode()).strip()
        if text == END.encode():
            ended = True
            break
        event = read_shape(_Event, text)
        if event.reason is not None:
            raise ValueError(f"the server broke off: {event.reason}")
        said = [choice.delta or choice.message for choice in event.choices[:1]]
        texts += [message.text for message in said if message is not None]
        usage = event.usage if event.usage.prompt_tokens is not None else usage
    if not ended and not texts:
        raise ValueError("the stream holds no event")
    return Said(text=fit("".join(texts)), prompt_tokens=usage.prompt_tokens, completion_tokens=usage.completion_tokens)


def read_listed(body: bytes | Mapping[str, Any]) -> Listed:
    """Read the probabilities of the next token, as a llama.cpp server or the embedded engine gives them; raises ValueError."""
    if isinstance(body, bytes):
        found = read_shape(_Completion, body)
        tokens, read = found.completion_probabilities[0].top_logprobs, found.tokens_evaluated
    else:
        embedded = read_shape(_Embedded, body)
        tokens, read = embedded.choices[0].logprobs.content[0].top_logprobs, embedded.usage.prompt_tokens
    return Listed(log_probabilities={t.id: bounded(t.logprob) for t in tokens}, prompt_tokens=read or 0)


def read_tokens(body: bytes | Mapping[str, Any]) -> list[int]:
    """Read the tokens of a text; raises ValueError."""
    return read_shape(_Tokens, body).tokens


def read_reason(body: bytes) -> str:
    """What a server says of an error, at most 160 characters; empty where it says nothing that can be read."""
    try:
        return read_shape(_Told, body).reason or ""
    except ValueError:
        return ""


def bounded(score: float) -> float:
    """A log-probability, whatever was answered: what is no number, or less than any, is next to impossible."""
    return min(max(score, LEAST_SCORE), 0.0) if math.isfinite(score) else LEAST_SCORE


def count_tokens(text: str) -> int:
    """About how many tokens a text has, for servers that do not count them.

    >>> count_tokens("nine chars")
    3
    """
    return -(-len(text) // LETTERS_A_TOKEN)


def read_shape(shape: type[Form], body: bytes | Mapping[str, Any]) -> Form:
    """Validate; the reason names the place and what is wrong there, and repeats nothing of the answer."""
    if isinstance(body, bytes) and HALF.search(body):
        body = HALF.sub(rb"\\ufffd", body)
    try:
        return shape.model_validate_json(body) if isinstance(body, bytes) else shape.model_validate(body)
    except ValidationError as cause:
        first = cause.errors(include_url=False, include_context=False, include_input=False)[0]
        told = read_reason(body) if shape is _Chat and isinstance(body, bytes) else ""
        if told:
            raise ValueError(f"the server says: {told}") from None
        if first["type"] == "json_invalid":
            raise ValueError("the answer is no JSON") from None
        place = ".".join(str(part) for part in first["loc"][:6])
        raise ValueError(fit(f"the answer is of another form ({place or 'whole'}: {first['msg']})")[:200]) from None
    except RecursionError as cause:
        raise ValueError("the answer is nested too deep") from cause
