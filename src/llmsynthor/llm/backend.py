"""What a language model is asked for: two capabilities, each a small Protocol.

A backend is told everything that decides its answer in the request; an equal request may be answered from the ledger.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteRequest:
    """Ask for one JSON value that fits `json_schema` (draft 2020-12, the subset that grammars understand)."""

    system: str
    prompt: str
    json_schema: Mapping[str, Any]
    temperature: float = 0.7
    max_tokens: int = 1024
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRequest:
    """Ask for log p(choice | context) of every choice, as a continuation of plain text; `choices` hold their own leading space.

    Not `whole`, each choice is scored up to the token that tells it from all others: that is cheaper, and what follows is
    spelling. Of choices that begin with numbers a digit may tell, and yet be that of another number, as a "6" goes on to 60:
    with "number" each is scored at least up to where its number ends (see `openings`).
    """

    context: str
    choices: tuple[str, ...]
    whole: bool | Literal["number"] = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What an answer took; `requests` are those that a server answered for it, one of a model that is here."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    requests: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Raw text of an answer: nothing about it may be trusted."""

    text: str
    usage: Usage = Usage()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Natural-log probabilities, one per choice, each the sum over the choice's tokens."""

    log_probabilities: tuple[float, ...]
    usage: Usage = Usage()


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Which model answers: `name` for people, `digest` for the ledger (SHA-256 of the weights, or server and model name)."""

    name: str
    digest: str


@runtime_checkable
class Writer(Protocol):
    """Writes JSON to a schema."""

    @property
    def identity(self) -> Identity: ...

    def write(self, request: WriteRequest) -> Written: ...


@runtime_checkable
class Scorer(Protocol):
    """Scores given choices by log-probability."""

    @property
    def identity(self) -> Identity: ...

    def score(self, request: ScoreRequest) -> Scored: ...
