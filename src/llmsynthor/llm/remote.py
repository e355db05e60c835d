"""Any OpenAI-compatible server: vLLM, Ollama, llama.cpp, OpenAI and others: how it is asked to write and to score."""

import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from threading import Lock
from typing import Any, TypeVar

from llmsynthor.errors import BadAnswerError, CannotScoreError, ChoiceError, Problem, UnprobedError
from llmsynthor.llm import replies
from llmsynthor.llm.allowance import Allowance
from llmsynthor.llm.asking import BROKEN, GONE, UNREAD, Asker, Question
from llmsynthor.llm.backend import Identity, Scored, ScoreRequest, Usage, WriteRequest, Written
from llmsynthor.llm.endpoint import DEFAULT, Endpoint, own_address, read_endpoint
from llmsynthor.llm.keys import USUAL, find_key
from llmsynthor.llm.token_tree import LISTED, openings, score_tree, shared
from llmsynthor.llm.ways import MOST_CHOICES, PLAIN, Found, Way, by_echo, by_letters, by_prompt, is_true
from llmsynthor.options import Server
from llmsynthor.texts import Secret

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

LOG = logging.getLogger("llmsynthor")
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
        self._identity, self._model = identity, model
        self._asker = Asker(endpoint, key, server)
        self.concurrency = server.concurrency
        self._manners: list[Callable[[WriteRequest], dict[str, Any]]] = [_to_schema, _to_object, _in_words]
        self._scores, self._odd = False, 0
        self._ways = [name for name in WAYS if endpoint.shown != DEFAULT or name == LETTERS]
        self._known, self._said = "", False
        self._lock, self._probing = Lock(), Lock()

    @property
    def identity(self) -> Identity:
        return self._identity

    def within(self, allowance: Allowance, known: Mapping[str, str]) -> None:
        """Send no more requests than are allowed, and begin with what was `found` out about the server before."""
        self._asker.allowance = allowance
        names = [manner.__name__ for manner in self._manners]
        if known.get("writing") in names:
            del self._manners[: names.index(known["writing"])]
        way = next((name for name in self._ways if WAYS[name] == known.get("scoring")), "")
        self._ways.sort(key=lambda name: name != way)
        self._known = way
        if known.get("scoring") == PERCENTAGES:
            self._ways.clear()

    @property
    def found(self) -> dict[str, str]:
        """What was found out about the server, for another run: how it scores, and how it is asked to write."""
        found = {"scoring": self.scoring, "writing": self._manners[0].__name__ if self._asker.settled else ""}
        return {about: text for about, text in found.items() if text}

    def write(self, request: WriteRequest) -> Written:
        """Where the server does not take a way of asking, the next one is tried, and kept."""
        with Question() as question:
            return self._write(request, question)

    def _write(self, request: WriteRequest, question: Question) -> Written:
        about = {
            "model": self._model,
            "temperature": request.temperature,
            "max_tokens": request.max_tokens,
            "seed": request.seed % 2**31,
        }
        while True:
            manner = self._manners[0]
            question.started = time.perf_counter()
            reply = self._asker.ask("chat/completions", {**about, **manner(request)}, question)
            if reply.status not in UNREAD or self._asker.settled or not self._give_up(manner):
                said = self._asker.read(reply, partial(replies.read_chat, reply.body, reply.kind), question)
                self._asker.settled = True
                return Written(text=said.text, usage=_usage(request, said, question))

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
            with Question() as question:
                return self._score(request, question)
        with self._probing, Question() as question:
            self._refuse_probing()
            return self._score(request, question)

    def _refuse_probing(self) -> None:
        """See that what is left of the budget suffices to try every way once."""
        left = self._asker.allowance.left
        if left is None or self._scores or self._known or left > len(self._ways):
            return
        what = f"a budget of {left} more calls is not enough to find out how this server scores choices"
        advice = f"give {len(self._ways) + 1} or more (--max-calls); as it is the model is asked for percentages"
        problem = Problem(where=f"llm {self._identity.name}", what=what, advice=advice)
        if left and not self._said:
            self._said = True
            LOG.warning("%s", problem)
        raise UnprobedError(problem)

    def _score(self, request: ScoreRequest, question: Question) -> Scored:
        while self._ways:
            name = self._ways[0]
            if name == LETTERS and len(request.choices) > MOST_CHOICES:
                break
            try:
                found = self._by_tokens(request, question) if name == TOKENS else self._by_way(name, request, question)
            except CannotScoreError:
                with self._lock:
                    if self._ways[:1] == [name] and not self._scores:
                        del self._ways[0]
                        self._odd = 0
                if not self._scores:
                    continue
                raise
            self._scores = True
            return Scored(log_probabilities=found.scores, usage=question.usage(found.read, found.written))
        raise CannotScoreError(_no_scores(self._identity))

    def _by_way(self, name: str, request: ScoreRequest, question: Question) -> Found:
        """A way that is no llama.cpp's: the first answer in another form, or one that is plainly untrue, ends it."""

        def ask(path: str, body: Mapping[str, Any], read: Callable[[bytes], Any]) -> Any:
            return self._about_scores(path, body, read, question, chances=1)

        if (
            not self._scores
            and name not in (LETTERS, self._known)
            and not is_true(FURTHER[name](ask, self._model, PLAIN))
        ):
            raise CannotScoreError(_no_scores(self._identity))
        return FURTHER[name](ask, self._model, request)

    def _by_tokens(self, request: ScoreRequest, question: Question) -> Found:
        """By the tokens of a llama.cpp server, which lists the probabilities of as many as are wanted."""
        read, written = 0, 0

        def next_tokens(tokens: Sequence[int], most: int) -> Mapping[int, float]:
            nonlocal read, written
            body = {"prompt": list(tokens), "n_predict": 1, "n_probs": most, "temperature": 0.0, "cache_prompt": True}
            longest = max(self._asker.bounds.bytes, BYTES_A_TOKEN * min(most, 300_000)) if most > LISTED[0] else None
            listed = self._about_scores("/completion", body, replies.read_listed, question, longest)
            read, written = read + listed.prompt_tokens, written + 1
            return listed.log_probabilities

        context = self._tokens(request.context, question, special=True)
        choices = [self._tokens(choice, question, special=False) for choice in request.choices]
        least: tuple[int, ...] = ()
        if request.whole == "number":
            begun = [self._tokens(opening, question, special=False) for opening in openings(request.choices)]
            least = tuple(map(shared, choices, begun))
        scores = score_tree(context, choices, next_tokens, whole=request.whole is True, least=least)
        return Found(scores=scores, read=read, written=written)

    def _tokens(self, text: str, question: Question, *, special: bool) -> list[int]:
        body = {"content": text, "add_special": special}
        return self._about_scores("/tokenize", body, replies.read_tokens, question)

    def _about_scores(
        self,
        path: str,
        body: Mapping[str, Any],
        read: Callable[[bytes], T],
        question: Question,
        longest: int | None = None,
        *,
        chances: int = ODD,
    ) -> T:
        """Ask what not all servers know: one that never showed it has it not; one that did gave a bad answer."""
        probed = chances == 1 and not self._scores
        bounds = replace(self._asker.bounds, bytes=longest) if longest else self._asker.bounds
        reply = self._asker.ask(path, body, question, bounds=bounds, probed=probed)
        if reply.status in (*GONE, *UNREAD, BROKEN) and not self._scores:
            raise CannotScoreError(_no_scores(self._identity))
        try:
            return self._asker.read(reply, lambda: read(reply.body), question)
        except BadAnswerError as cause:
            self._odd += 1
            if self._scores or self._odd < chances:
                raise
            raise CannotScoreError(_no_scores(self._identity)) from cause


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


def _no_scores(identity: Identity) -> Problem:
    advice = "use the embedded model, or a server that shows log-probabilities"
    return Problem(where=f"llm {identity.name}", what="this model cannot score choices", advice=advice)


def _usage(request: WriteRequest, said: replies.Said, question: Question) -> Usage:
    """What the server counted, or about what it would have: a budget of tokens holds for servers that tell nothing, too."""
    read, wrote = said.prompt_tokens, said.completion_tokens
    return question.usage(
        read if read is not None else replies.count_tokens(request.system + request.prompt),
        wrote if wrote is not None else replies.count_tokens(said.text),
    )
