"""The embedded model: llama.cpp, through xllamacpp, in a process of its own.

So this process hears Ctrl-C while a model is opened, outlives a crash of the engine, and listens nowhere.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from llmsynthor.llm import replies
from llmsynthor.llm.backend import Identity, Scored, ScoreRequest, Usage, WriteRequest, Written
from llmsynthor.llm.child import Child, refused
from llmsynthor.llm.token_tree import openings, score_tree, shared

T = TypeVar("T")
COMPACT = {"x-guidance": {"whitespace_flexible": False}}


class Local:
    """Writes and scores with GGUF weights; a Writer and a Scorer."""

    def __init__(self, path: Path, identity: Identity) -> None:
        self._identity = identity
        self._engine = Child(path)
        self._tokens: dict[tuple[str, bool], list[int]] = {}

    @property
    def identity(self) -> Identity:
        return self._identity

    def write(self, request: WriteRequest) -> Written:
        """Write JSON under a grammar, without white space: it costs time; a truncated answer comes back as it is."""
        body = {
            "messages": [{"role": "system", "content": request.system}, {"role": "user", "content": request.prompt}],
            "grammar": "%llguidance {}\nstart: %json " + json.dumps({**request.json_schema, **COMPACT}),
            "temperature": request.temperature,
            "max_tokens": request.max_tokens,
            "seed": request.seed % 2**31,
        }
        started = time.perf_counter()
        said = self._call("chat", body, replies.read_chat)
        usage = Usage(
            prompt_tokens=said.prompt_tokens or 0,
            completion_tokens=said.completion_tokens or 0,
            seconds=round(time.perf_counter() - started, 3),
        )
        return Written(text=said.text, usage=usage)

    def score(self, request: ScoreRequest) -> Scored:
        """Score choices by the log-probabilities of their tokens."""
        answers: list[replies.Listed] = []

        def next_tokens(tokens: Sequence[int], most: int) -> Mapping[int, float]:
            body = {"prompt": list(tokens), "n_predict": 1, "n_probs": most, "temperature": 0.0, "cache_prompt": True}
            answers.append(self._call("completion", body, replies.read_listed))
            return answers[-1].log_probabilities

        started = time.perf_counter()
        context = self._tokenize(request.context, special=True)
        choices = [self._tokenize(choice, special=False) for choice in request.choices]
        least: tuple[int, ...] = ()
        if request.whole == "number":
            begun = [self._tokenize(opening, special=False) for opening in openings(request.choices)]
            least = tuple(map(shared, choices, begun))
        scores = score_tree(context, choices, next_tokens, whole=request.whole is True, least=least)
        usage = Usage(
            prompt_tokens=sum(answer.prompt_tokens for answer in answers),
            completion_tokens=len(answers),
            seconds=round(time.perf_counter() - started, 3),
        )
        return Scored(log_probabilities=scores, usage=usage)

    def _call(self, do: str, body: Mapping[str, Any], read: Callable[[Mapping[str, Any]], T]) -> T:
        """Ask the engine; whoever must stay free to hear Ctrl-C calls from another thread."""
        answer = self._engine.ask(do, body)
        try:
            return read(answer)
        except ValueError as cause:
            raise refused(f"{cause}: {json.dumps(answer)[:300]}") from cause

    def _tokenize(self, text: str, *, special: bool) -> list[int]:
        if (text, special) not in self._tokens:
            body = {"content": text, "add_special": special}
            self._tokens[text, special] = self._call("tokens", body, replies.read_tokens)
        return self._tokens[text, special]
