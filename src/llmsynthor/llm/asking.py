"""Questions put to a server one by one, as often as it takes: what it does wrong is waited out, final, or a bad answer.

What may *pass* (too many requests, its own errors, no connection, no answer in time) is waited out. What is *final* (a refused
key, an unknown model) is said at once, or, once the server has answered, is the end of the asking. All else is a *bad answer*
to one question.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from llmsynthor.errors import BadAnswerError, LLMError, OutageError, Problem, ServerError
from llmsynthor.llm import replies
from llmsynthor.llm.allowance import Allowance
from llmsynthor.llm.backend import Usage
from llmsynthor.llm.endpoint import Endpoint
from llmsynthor.llm.patience import Gate, PassingError, Patience
from llmsynthor.llm.wire import Bounds, Reply, WireError, post
from llmsynthor.options import Server
from llmsynthor.texts import Secret, fit

PASSING = (408, 409, 425, 429)
LOCKED = (401, 402, 403)
GONE = (404, 405, 410)
UNREAD = (400, 415, 422, 501)
"""What servers answer to a way of asking that they do not take."""

BROKEN = 500

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


@dataclass(slots=True)
class Question:
    """A question under way: when it began, and how many requests the server answered for it."""

    started: float = field(default_factory=time.perf_counter)
    requests: int = 0

    def usage(self, read: int, written: int) -> Usage:
        seconds = _since(self.started)
        return Usage(prompt_tokens=read, completion_tokens=written, seconds=seconds, requests=self.requests)

    def __enter__(self) -> "Question":
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, LLMError):
            error.requests = self.requests


class Asker:
    """Puts questions to one server; `settled` says that it has written an answer, so that what it refuses is about one question."""

    def __init__(self, endpoint: Endpoint, key: Secret | None, server: Server) -> None:
        self._endpoint, self._key = endpoint, key
        self.bounds = Bounds(seconds=server.answer_seconds)
        self.allowance = Allowance(None)
        self.settled = False
        self._patience = Patience(server.patience, Gate(server.concurrency))
        self._answered, self._slowest = 0, 0.0

    def ask(
        self,
        path: str,
        body: Mapping[str, Any],
        question: Question,
        *,
        bounds: Bounds | None = None,
        probed: bool = False,
    ) -> Reply:
        """Put a question until there is an answer that is not passing; one that is no HTTP is a bad answer.

        Where a way is only `probed`, an error of the server itself says that it has it not. Raises BudgetError.
        """
        content, late = json.dumps(body).encode(), 0

        def once() -> Reply:
            nonlocal late
            began = time.perf_counter()
            allowed = bounds or self.bounds
            self.allowance.take()
            try:
                reply = post(self._endpoint, path, content, key=self._key, bounds=self._hurried(allowed, late))
            except WireError as cause:
                late += cause.fault == "late"
                if cause.fault in ("away", "late"):
                    self.allowance.give_back()
                    raise PassingError(cause.reason) from cause
                question.requests += 1
                raise BadAnswerError(cause.problems[0], reason=cause.reason, seconds=_since(began)) from cause
            broken = reply.status >= 500 and reply.status != 501 and not (probed and reply.status == BROKEN)
            if reply.status in PASSING or broken:
                self.allowance.give_back()
                raise PassingError(_status(reply), after=reply.retry_after)
            question.requests += 1
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

    def read(self, reply: Reply, read: Callable[[], T], question: Question) -> T:
        if reply.status != 200:
            raise self._refusal(reply, question)
        try:
            found = read()
        except ValueError as cause:
            advice = "nothing to do: it is asked for again; if it happens often, look at the server"
            problem = Problem(where="llm server", what="a bad answer", found=str(cause), advice=advice)
            raise BadAnswerError(problem, reason=str(cause), seconds=_since(question.started)) from cause
        self._answered += 1
        return found

    def _refusal(self, reply: Reply, question: Question) -> LLMError:
        """What a status means that waiting does not mend: final before the first answer, or where nobody is let in."""
        found = _status(reply)
        advice = ADVICE.get(reply.status, "check --base-url and that the server is compatible with OpenAI's")
        problem = Problem(where="llm server", what="the server refuses", found=found, advice=advice)
        if reply.status in (*LOCKED, *GONE):
            return OutageError(problem) if self._answered else ServerError(problem, status=reply.status)
        if reply.status in UNREAD and not self.settled:
            return ServerError(problem, status=reply.status)
        return BadAnswerError(problem, reason=f"the server refuses: {found}", seconds=_since(question.started))


def _status(reply: Reply) -> str:
    said = replies.read_reason(reply.body)
    return fit(f"status {reply.status}" + (f": {said}" if said else ""))


def _since(started: float) -> float:
    return round(time.perf_counter() - started, 3)
