"""The embedded model: llama.cpp in this process, through xllamacpp.

The library opens a loopback port of its own. It is given a random key and no allowed origin, and nothing but this process
knows the key; only the health check answers without it.
"""

import json
import os
import secrets
import signal
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from llmsynthor.errors import LLMError, ModelError, Problem
from llmsynthor.llm import replies
from llmsynthor.llm.backend import Identity, Scored, ScoreRequest, Usage, WriteRequest, Written
from llmsynthor.llm.token_tree import score_tree

CONTEXT_TOKENS = 8_192

T = TypeVar("T")
COMPACT = {"x-guidance": {"whitespace_flexible": False}}


def threads() -> int:
    """Threads for the model: as many as there are idle cores, one left to others where there are more than two.

    Threads wait for each other at every layer, so that one that shares its core holds up all: with one other process on each of
    two cores, two threads write ten times slower than one. Scores are the same bits. LLMSYNTHOR_THREADS overrides.
    """
    given = os.environ.get("LLMSYNTHOR_THREADS", "")
    if given.isdigit() and int(given) > 0:
        return int(given)
    every = os.cpu_count() or 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else every
    others = max(0.0, (os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0) - 1) * cores / every
    return max(1, min(cores - 1 if cores > 2 else cores, round(cores - others)))


class Local:
    """Writes and scores with GGUF weights; a Writer and a Scorer."""

    def __init__(self, path: Path, identity: Identity) -> None:
        self._identity = identity
        self._key = secrets.token_hex(24)
        self._server = _start(path, self._key)
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
        said = self._call(self._server.handle_chat_completions, body, replies.read_chat)
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
            answers.append(self._call(self._server.handle_completions, body, replies.read_listed))
            return answers[-1].log_probabilities

        started = time.perf_counter()
        context = self._tokenize(request.context, special=True)
        choices = [self._tokenize(choice, special=False) for choice in request.choices]
        scores = score_tree(context, choices, next_tokens, whole=request.whole)
        usage = Usage(
            prompt_tokens=sum(answer.prompt_tokens for answer in answers),
            completion_tokens=len(answers),
            seconds=round(time.perf_counter() - started, 3),
        )
        return Scored(log_probabilities=scores, usage=usage)

    def _call(self, handle: Any, body: Mapping[str, Any], read: Callable[[Mapping[str, Any]], T]) -> T:
        """Ask the engine; whoever must stay free to hear Ctrl-C calls from another thread."""
        try:
            answer = handle(body)
        except (RuntimeError, ValueError) as cause:
            raise _refused(str(cause)) from cause
        try:
            return read(answer)
        except ValueError as cause:
            raise _refused(f"{cause}: {json.dumps(answer)[:300]}") from cause

    def _tokenize(self, text: str, *, special: bool) -> list[int]:
        if (text, special) not in self._tokens:
            body = json.dumps({"content": text, "add_special": special}).encode()
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"}
            request = urllib.request.Request(f"{self._server.listening_address}/tokenize", body, headers)
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(request, timeout=60) as answer:
                self._tokens[text, special] = replies.read_tokens(answer.read())
        return self._tokens[text, special]


def _start(path: Path, key: str) -> Any:
    try:
        import xllamacpp  # noqa: PLC0415  (an extra, and heavy)
    except ImportError as cause:
        advice = "install the extra: pip install 'llmsynthor[local]'"
        raise ModelError(
            Problem(where="llm local", what="the embedded engine is not installed", advice=advice)
        ) from cause
    settings = xllamacpp.CommonParams()
    settings.model.path = str(path)
    settings.n_ctx, settings.n_parallel = CONTEXT_TOKENS, 1
    settings.hostnames, settings.port = ["127.0.0.1"], 0
    settings.api_keys, settings.cors_origins = [key], ""
    settings.ui = settings.endpoint_slots = settings.endpoint_props = settings.warmup = False
    settings.verbosity, settings.cache_ram_mib = -1, 256
    for cpu in (settings.cpuparams, settings.cpuparams_batch):
        cpu.n_threads, cpu.poll = threads(), 0
    try:
        with _own_signals():
            return xllamacpp.Server(settings)
    except (RuntimeError, ValueError, OSError) as cause:
        advice = "use GGUF weights that llama.cpp can load, and see that there is memory for them"
        raise ModelError(
            Problem(where=str(path), what=f"the model cannot be loaded ({cause})", advice=advice)
        ) from cause


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep this process's handlers: the library installs its own while it starts, and they end its loop for good.

    What arrives meanwhile waits until the handlers are back, unless a thread of another library takes it: then the start ends,
    and a second Ctrl-C ends the process. The threads of this library inherit that they are not asked.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "pthread_sigmask"):
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM)
    handlers = {number: signal.getsignal(number) for number in numbers}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _refused(said: str) -> LLMError:
    advice = f"shorten context and descriptions if the question is longer than {CONTEXT_TOKENS} tokens; otherwise report this"
    return LLMError(
        Problem(where="llm local", what="the embedded model refused a question", found=said[:300], advice=advice)
    )
