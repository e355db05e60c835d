"""Any OpenAI-compatible server: vLLM, Ollama, llama.cpp, OpenAI and others.

What a server does wrong is one of three things. It may *pass* (too many requests, its own errors, no connection, no answer in
time): it is waited out. It may be *final* (a refused key, an unknown model): said at once, or, once the server has answered,
the end of the asking. All else is a *bad answer* to one question.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import Any, TypeVar

from llmsynthor.errors import BadAnswerError, CannotScoreError, ChoiceError, LLMError, OutageError, Problem, ServerError
from llmsynthor.llm import replies
from llmsynthor.llm.backend import Identity, Scored, ScoreRequest, Usage, WriteRequest, Written
from llmsynthor.llm.endpoint import DEFAULT, Endpoint, own_address, read_endpoint
from llmsynthor.llm.keys import USUAL, find_key
from llmsynthor.llm.patience import Gate, PassingError, Patience
from llmsynthor.llm.token_tree import LISTED, score_tree
from llmsynthor.llm.ways import MOST_CHOICES, PLAIN, Found, Way, by_echo, by_letters, by_prompt, is_true
from llmsynthor.llm.wire import Bounds, Reply, WireError, post
from llmsynthor.options import Server
from llmsynthor.texts import Secret, fit

PASSING = (408, 409, 425, 429)
LOCKED = (401, 402, 403)
GONE = (404, 405, 410)
UNREAD = (400, 415, 422, 501)
"""What servers answer to a way of asking that they do not take."""

BROKEN = 500

ODD = 3
"""A server that answers so many questions for scores in another form gives none."""

TOKENS, ECHO, PROMPT, LETTERS = "tokens", "echo", "prompt", "letters"
WAYS = {
    TOKENS: "probabilities of tokens (llama.cpp)",
    ECHO: "log-probabilities of the prompt (echo)",
    PROMPT: "log-probabilities of the prompt (prompt_logprobs)",
    LETTERS: "log-probabilities of letters (top_logprobs of a chat)",
}
"""Ways of scoring, the best first: each server is asked in the first that it offers."""

FURTHER: dict[str, Way] = {ECHO: by_echo, PROMPT: by_prompt, LETTERS: by_letters}
PERCENTAGES = "percentages that the model writes"

BYTES_A_TOKEN = 200
"""At most so many bytes describe a token in a list of probabilities."""

FEWEST_SECONDS, SLOWEST, KNOWN, LONGER = 3.0, 10.0, 20, 4.0
"""Once 20 answers came, one that takes ten times as long as the slowest of them, and over three seconds, counts as hanging; the
same question is given four times as long when it is put again, up to what one answer may take."""

ADVICE = {
    401: "check the key (OPENAI_API_KEY, or --key)",
    402: "see to the account of the server",
    403: "check the key (OPENAI_API_KEY, or --key) and what it may use",
    404: "check the model's name and --base-url",
}

T = TypeVar("T")


def identify(model: str, base_url: str | None) -> Identity:
    """Name a remote model: server and model name are all that is known of it; without user and password."""
    named = own_address(base_url)
    server = read_endpoint(named).shown if named else "openai"
    return Identity(name=f"openai:{model}", digest=f"{server.rstrip('/')}#{model}")


class Remote:
    """Writes JSON in the strictest way the server takes (to a schema, as an object, or in words), and scores in the first of WAYS
    that it offers."""

    def __init__(
        self,
        endpoint: Endpoint,
        identity: Identity,
        model: str,
        *,
        key: Secret | None = None,
        server: Server | None = None,
    ) -> None:
        server = server or Server()
        self._endpoint, self._identity, self._model, self._key = endpoint, identity, model, key
        self._bounds = Bounds(seconds=server.answer_seconds)
        self.concurrency = server.concurrency
        self._patience = Patience(server.patience, Gate(server.concurrency))
        self._manners: list[Callable[[WriteRequest], dict[str, Any]]] = [_to_schema, _to_object, _in_words]
        self._answered, self._slowest = 0, 0.0
        self._settled, self._scores, self._odd = False, False, 0
        self._ways = [name for name in WAYS if endpoint.shown != DEFAULT or name == LETTERS]
        self._lock, self._probing = Lock(), Lock()

    @property
    def identity(self) -> Identity:
        return self._identity

    def write(self, request: WriteRequest) -> Written:
        """Where the server does not take a way of asking, the next one is tried, and kept."""
        about = {
            "model": self._model,
            "temperature": request.temperature,
            "max_tokens": request.max_tokens,
            "seed": request.seed % 2**31,
        }
        while True:
            manner = self._manners[0]
            started = time.perf_counter()
            reply = self._ask("chat/completions", {**about, **manner(request)})
            if reply.status not in UNREAD or self._settled or not self._give_up(manner):
                said = self._read(reply, partial(replies.read_chat, reply.body, reply.kind), started)
                self._settled = True
                return Written(text=said.text, usage=_usage(request, said, started))

    def _give_up(self, manner: Callable[[WriteRequest], dict[str, Any]]) -> bool:
        """Leave a way of asking for the next; false where there is none."""
        with self._lock:
            if self._manners[0] is manner and len(self._manners) > 1:
                del self._manners[0]
                return True
            return self._manners[0] is not manner

    @property
    def scoring(self) -> str:
        """How the server scores choices, in words; empty as long as it was not asked."""
        return "" if not self._scores and self._ways else WAYS[self._ways[0]] if self._ways else PERCENTAGES

    def score(self, request: ScoreRequest) -> Scored:
        """Score in the first way that the server offers, and keep to it: others wait until it is known.

        Raises CannotScoreError where it offers none.
        """
        if self._scores or not self._ways:
            return self._score(request)
        with self._probing:
            return self._score(request)

    def _score(self, request: ScoreRequest) -> Scored:
        started = time.perf_counter()
        while self._ways:
            name = self._ways[0]
            if name == LETTERS and len(request.choices) > MOST_CHOICES:
                break
            try:
                found = self._by_tokens(request, started) if name == TOKENS else self._by_way(name, request, started)
            except CannotScoreError:
                with self._lock:
                    if self._ways[:1] == [name] and not self._scores:
                        del self._ways[0]
                        self._odd = 0
                if not self._scores:
                    continue
                raise
            self._scores = True
            usage = Usage(prompt_tokens=found.read, completion_tokens=found.written, seconds=_since(started))
            return Scored(log_probabilities=found.scores, usage=usage)
        raise CannotScoreError(_no_scores(self._identity))

    def _by_way(self, name: str, request: ScoreRequest, started: float) -> Found:
        """A way that is no llama.cpp's: the first answer in another form, or one that is plainly untrue, ends it."""

        def ask(path: str, body: Mapping[str, Any], read: Callable[[bytes], Any]) -> Any:
            return self._about_scores(path, body, read, started, chances=1)

        if not self._scores and name != LETTERS and not is_true(FURTHER[name](ask, self._model, PLAIN)):
            raise CannotScoreError(_no_scores(self._identity))
        return FURTHER[name](ask, self._model, request)

    def _by_tokens(self, request: ScoreRequest, started: float) -> Found:
        """By the tokens of a llama.cpp server, which lists the probabilities of as many as are wanted."""
        read, written = 0, 0

        def next_tokens(tokens: Sequence[int], most: int) -> Mapping[int, float]:
            nonlocal read, written
            body = {"prompt": list(tokens), "n_predict": 1, "n_probs": most, "temperature": 0.0, "cache_prompt": True}
            longest = max(self._bounds.bytes, BYTES_A_TOKEN * min(most, 300_000)) if most > LISTED[0] else None
            listed = self._about_scores("/completion", body, replies.read_listed, started, longest)
            read, written = read + listed.prompt_tokens, written + 1
            return listed.log_probabilities

        context = self._tokens(request.context, started, special=True)
        choices = [self._tokens(choice, started, special=False) for choice in request.choices]
        scores = score_tree(context, choices, next_tokens, whole=request.whole)
        return Found(scores=scores, read=read, written=written)

    def _tokens(self, text: str, started: float, *, special: bool) -> list[int]:
        body = {"content": text, "add_special": special}
        return self._about_scores("/tokenize", body, replies.read_tokens, started)

    def _about_scores(
        self,
        path: str,
        body: Mapping[str, Any],
        read: Callable[[bytes], T],
        started: float,
        longest: int | None = None,
        *,
        chances: int = ODD,
    ) -> T:
        """Ask what not all servers know: one that never showed it has it not; one that did gave a bad answer."""
        probed = chances == 1 and not self._scores
        reply = self._ask(path, body, replace(self._bounds, bytes=longest) if longest else None, probed=probed)
        if reply.status in (*GONE, *UNREAD, BROKEN) and not self._scores:
            raise CannotScoreError(_no_scores(self._identity))
        try:
            return self._read(reply, lambda: read(reply.body), started)
        except BadAnswerError as cause:
            self._odd += 1
            if self._scores or self._odd < chances:
                raise
            raise CannotScoreError(_no_scores(self._identity)) from cause

    def _ask(self, path: str, body: Mapping[str, Any], bounds: Bounds | None = None, *, probed: bool = False) -> Reply:
        """Put a question until there is an answer that is not passing; one that is no HTTP is a bad answer.

        Where a way is only `probed`, an error of the server itself says that it has it not.
        """
        content, late = json.dumps(body).encode(), 0

        def once() -> Reply:
            nonlocal late
            began = time.perf_counter()
            allowed = bounds or self._bounds
            try:
                reply = post(self._endpoint, path, content, key=self._key, bounds=self._hurried(allowed, late))
            except WireError as cause:
                late += cause.fault == "late"
                if cause.fault in ("away", "late"):
                    raise PassingError(cause.reason) from cause
                raise BadAnswerError(cause.problems[0], reason=cause.reason, seconds=_since(began)) from cause
            broken = reply.status >= 500 and reply.status != 501 and not (probed and reply.status == BROKEN)
            if reply.status in PASSING or broken:
                raise PassingError(_status(reply), after=reply.retry_after)
            if reply.status == 200:
                self._slowest = max(self._slowest, time.perf_counter() - began)
            return reply

        return self._patience.ask(once)

    def _hurried(self, bounds: Bounds, late: int) -> Bounds:
        """Bounds of a question that was too late so many times."""
        if self._answered < KNOWN:
            return bounds
        seconds = max(FEWEST_SECONDS, SLOWEST * self._slowest) * LONGER ** min(late, 10)
        return replace(bounds, seconds=min(bounds.seconds, seconds))

    def _read(self, reply: Reply, read: Callable[[], T], started: float) -> T:
        if reply.status != 200:
            raise self._refusal(reply, started)
        try:
            found = read()
        except ValueError as cause:
            advice = "nothing to do: it is asked for again; if it happens often, look at the server"
            problem = Problem(where="llm server", what="a bad answer", found=str(cause), advice=advice)
            raise BadAnswerError(problem, reason=str(cause), seconds=_since(started)) from cause
        self._answered += 1
        return found

    def _refusal(self, reply: Reply, started: float) -> LLMError:
        """What a status means that waiting does not mend: final before the first answer, or where nobody is let in."""
        found = _status(reply)
        advice = ADVICE.get(reply.status, "check --base-url and that the server is compatible with OpenAI's")
        problem = Problem(where="llm server", what="the server refuses", found=found, advice=advice)
        if reply.status in (*LOCKED, *GONE):
            return OutageError(problem) if self._answered else ServerError(problem, status=reply.status)
        if reply.status in UNREAD and not self._settled:
            return ServerError(problem, status=reply.status)
        return BadAnswerError(problem, reason=f"the server refuses: {found}", seconds=_since(started))


def open_remote(model: str, server: Server | None = None) -> Remote:
    """Make ready to ask: the key is fetched and the address checked; nothing is sent. Raises ChoiceError."""
    server = server or Server()
    endpoint, key = read_endpoint(own_address(server.base_url)), find_key(server.key)
    if key is None and endpoint.login is None and endpoint.shown == DEFAULT and server.key == USUAL:
        advice = "set OPENAI_API_KEY, or name a server of your own with --base-url"
        raise ChoiceError(Problem(where="llm openai", what="there is no key", advice=advice))
    return Remote(endpoint, identify(model, server.base_url), model, key=key, server=server)


def _to_schema(request: WriteRequest) -> dict[str, Any]:
    schema = {"name": "answer", "schema": request.json_schema, "strict": True}
    return {"messages": _messages(request, ""), "response_format": {"type": "json_schema", "json_schema": schema}}


def _to_object(request: WriteRequest) -> dict[str, Any]:
    return {**_in_words(request), "response_format": {"type": "json_object"}}


def _in_words(request: WriteRequest) -> dict[str, Any]:
    schema = json.dumps(request.json_schema)
    return {"messages": _messages(request, f"\n\nAnswer with one JSON object that fits this JSON schema:\n{schema}")}


def _messages(request: WriteRequest, more: str) -> list[dict[str, str]]:
    return [{"role": "system", "content": request.system}, {"role": "user", "content": request.prompt + more}]


def _status(reply: Reply) -> str:
    said = replies.read_reason(reply.body)
    return fit(f"status {reply.status}" + (f": {said}" if said else ""))


def _no_scores(identity: Identity) -> Problem:
    advice = "use the embedded model, or a server that shows log-probabilities"
    return Problem(where=f"llm {identity.name}", what="this model cannot score choices", advice=advice)


def _usage(request: WriteRequest, said: replies.Said, started: float) -> Usage:
    """What the server counted, or about what it would have: a budget of tokens holds for servers that tell nothing, too."""
    read, wrote = said.prompt_tokens, said.completion_tokens
    return Usage(
        prompt_tokens=read if read is not None else replies.count_tokens(request.system + request.prompt),
        completion_tokens=wrote if wrote is not None else replies.count_tokens(said.text),
        seconds=_since(started),
    )


def _since(started: float) -> float:
    return round(time.perf_counter() - started, 3)
