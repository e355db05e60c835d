"""Ways in which servers show log-probabilities, other than llama.cpp's own: of a prompt's tokens, or of the next token of a chat.

Each puts its questions through `ask`, which knows the server, and gives the scores of all choices with the tokens read and
written. A server that does not take a way, or answers in another form, is left to the next one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from string import ascii_uppercase
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field

from llmsynthor.llm.backend import ScoreRequest
from llmsynthor.llm.replies import LogProbability, Shape, bounded, count_tokens, read_shape
from llmsynthor.llm.token_tree import openings, shared

T = TypeVar("T")
Ask = Callable[[str, Mapping[str, Any], Callable[[bytes], Any]], Any]
"""(path, body, how its answer is read) → what was read; raises what asking raises."""

MOST_LISTED = 20
"""Tokens that a chat lists at most."""

LETTERS = "{context}\n\nWhich of these comes next? Answer with its letter only.\n{options}"

MOST_CHOICES = len(ascii_uppercase)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Scores of all choices, and the tokens that were read and written for them."""

    scores: tuple[float, ...]
    read: int
    written: int


Way = Callable[[Ask, str, ScoreRequest], Found]
"""(ask, model, question) → scores."""

Piece = tuple[str, float]
"""A token's text and log-probability."""


PLAIN = ScoreRequest(context="one two three four one two three four one two three", choices=(" four", " dog"))
PLAINLY = 3.0
"""What every model knows, and by how many nats. Some servers show each token the probability of the one behind it
(llama-cpp-python 0.3.36 does for models without a token of beginning): they are found out by this."""


def is_true(found: Found) -> bool:
    """Whether the scores of PLAIN are those of its own tokens."""
    return found.scores[0] >= -PLAINLY / 2 and found.scores[0] - found.scores[1] >= PLAINLY


def by_echo(ask: Ask, model: str, request: ScoreRequest) -> Found:
    """`echo` of a completion (vLLM, llama-cpp-python and others): the prompt comes back with its log-probabilities."""
    return _of_prompts(ask, model, request, {"echo": True, "logprobs": 1}, _read_echo)


def by_prompt(ask: Ask, model: str, request: ScoreRequest) -> Found:
    """`prompt_logprobs` of a completion (vLLM)."""
    return _of_prompts(ask, model, request, {"prompt_logprobs": 0}, _read_prompt)


def by_letters(ask: Ask, model: str, request: ScoreRequest) -> Found:
    """`top_logprobs` of a chat: the choices stand behind letters, and the letter is to be named.

    A liking for a letter is the same whatever the context says, so that it falls out where contexts are compared. A letter that
    is not listed has the score of the last one that is. There are MOST_CHOICES letters.
    """
    letters = ascii_uppercase[: len(request.choices)]
    options = tuple(f"{letter}) {choice.strip()}" for letter, choice in zip(letters, request.choices, strict=True))
    prompt = LETTERS.format(context=request.context.strip(), options="\n".join(options))
    about = {"messages": [{"role": "user", "content": prompt}], "logprobs": True, "top_logprobs": MOST_LISTED}
    body = {"model": model, **about, "max_tokens": 1, "temperature": 0.0}
    listed = ask("chat/completions", body, lambda answer: _read_letters(answer, letters))
    return Found(scores=listed, read=count_tokens(prompt), written=1)


def _of_prompts(
    ask: Ask,
    model: str,
    request: ScoreRequest,
    about: Mapping[str, Any],
    read: Callable[..., Sequence[Piece]],
) -> Found:
    """Put the context with each choice behind it; the tokens at the end that spell the choice are its own."""
    own, tokens = [], 0
    for choice in request.choices:
        prompt = request.context + choice
        body = {"model": model, "prompt": prompt, "max_tokens": 1, "temperature": 0.0, **about}
        pieces = ask("completions", body, partial(read, prompt=prompt))
        own.append(_last(pieces, choice))
        tokens += len(pieces)
    scores = tuple(sum(score for _, score in part) for part in _as_asked(own, request))
    return Found(scores=tuple(bounded(score) for score in scores), read=tokens, written=len(request.choices))


def _last(pieces: Sequence[Piece], choice: str) -> list[Piece]:
    """The fewest tokens at the end that hold the whole choice."""
    length, first = 0, len(pieces)
    while first > 0 and length < len(choice):
        first -= 1
        length += len(pieces[first][0])
    return list(pieces[first:])


def _as_asked(own: Sequence[list[Piece]], request: ScoreRequest) -> list[list[Piece]]:
    """All tokens of each choice, or those up to the one that tells it from all others and, of numbers, to where they end.

    >>> both = [[(" a", -1.0), ("b", -2.0), ("c", -3.0)], [(" a", -1.0), ("d", -4.0)]]
    >>> asked = [ScoreRequest(context="", choices=(" abc", " ad"), whole=whole) for whole in (False, True)]
    >>> [len(part) for part in _as_asked(both, asked[0])], [len(part) for part in _as_asked(both, asked[1])]
    ([2, 2], [3, 2])
    """
    if request.whole is True:
        return list(own)
    words = [[text for text, _ in part] for part in own]
    ends = openings(request.choices) if request.whole == "number" else ("",) * len(own)
    found = []
    for number, (part, choice, end) in enumerate(zip(own, request.choices, ends, strict=True)):
        others = [word for other, word in enumerate(words) if other != number]
        telling = max((shared(words[number], word) for word in others), default=0) + 1
        behind = len(choice) - len(end)
        needed = len(part) - _within(words[number], behind) if end else 0
        found.append(part[: max(telling, needed)])
    return found


def _within(words: Sequence[str], length: int) -> int:
    """How many tokens at the end lie within so many characters."""
    found = 0
    while found < len(words) and len("".join(words[len(words) - found - 1 :])) <= length:
        found += 1
    return found


class _Echoed(Shape):
    tokens: list[str] = Field(min_length=2)
    token_logprobs: list[float | None]
    text_offset: list[int]


class _EchoChoice(Shape):
    logprobs: _Echoed


class _Echo(Shape):
    choices: list[_EchoChoice] = Field(min_length=1)


def _read_echo(body: bytes, prompt: str) -> list[Piece]:
    """The tokens of the prompt; what was written behind it is left out. Raises ValueError where the prompt did not come back."""
    found = read_shape(_Echo, body).choices[0].logprobs
    if not len(found.tokens) == len(found.token_logprobs) == len(found.text_offset):
        raise ValueError("tokens and their log-probabilities are not as many")
    every = zip(found.tokens, found.token_logprobs, found.text_offset, strict=True)
    first = min(found.text_offset)
    pieces = [(text, score) for text, score, offset in every if offset - first < len(prompt)]
    if sum(len(text) for text, _ in pieces) < len(prompt) - 2 or not _ends_alike(pieces, prompt):
        raise ValueError("the prompt did not come back")
    return _known(pieces)


def _ends_alike(pieces: Sequence[tuple[str, float | None]], prompt: str) -> bool:
    text = "".join(text for text, _ in pieces[-3:])
    return bool(text) and prompt.endswith(text)


def _known(pieces: Sequence[tuple[str, float | None]]) -> list[Piece]:
    """Only the first token may have no log-probability."""
    if any(score is None for _, score in pieces[1:]):
        raise ValueError("a token has no log-probability")
    return [(text, bounded(score) if score is not None else 0.0) for text, score in pieces]


class _PromptToken(Shape):
    logprob: LogProbability
    decoded_token: str


class _PromptChoice(Shape):
    prompt_logprobs: list[dict[str, _PromptToken] | None] = Field(min_length=2)


class _Prompted(Shape):
    choices: list[_PromptChoice] = Field(min_length=1)


def _read_prompt(body: bytes, prompt: str) -> list[Piece]:
    """The tokens of the prompt; where two are told at a place the first is the prompt's own."""
    found = read_shape(_Prompted, body).choices[0].prompt_logprobs
    first = [next(iter(place.values())) if place else None for place in found]
    pieces = [(own.decoded_token, own.logprob) if own is not None else ("", None) for own in first]
    if not _ends_alike(pieces, prompt):
        raise ValueError("the prompt did not come back")
    return _known(pieces)


class _Letter(Shape):
    token: str
    logprob: LogProbability


class _LetterPlace(Shape):
    top_logprobs: list[_Letter] = Field(min_length=2)


def _no_list(value: Any) -> Any:
    return value if value is not None else []


class _LetterPlaces(Shape):
    content: Annotated[list[_LetterPlace], BeforeValidator(_no_list)] = Field(min_length=1)


class _LetterChoice(Shape):
    logprobs: _LetterPlaces


class _Letters(Shape):
    choices: list[_LetterChoice] = Field(min_length=1)


def _read_letters(body: bytes, letters: str) -> tuple[float, ...]:
    """The log-probability of each letter, of all spellings the likeliest; raises ValueError where none is listed."""
    listed = read_shape(_Letters, body).choices[0].logprobs.content[0].top_logprobs
    found: dict[str, float] = {}
    for own in listed:
        letter = own.token.strip().rstrip(").:").upper()
        if letter in set(letters):
            found[letter] = max(bounded(own.logprob), found.get(letter, -float("inf")))
    if not found:
        raise ValueError("none of the letters is listed")
    least = min(bounded(own.logprob) for own in listed)
    return tuple(found.get(letter, least) for letter in letters)
