"""Whoever asks a model asks here: the ledger first, then the model, within the budget."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from llmsynthor.errors import (
    AnswerError,
    AskingEndedError,
    BadAnswerError,
    BudgetError,
    CannotScoreError,
    LLMError,
    Problem,
    UnprobedError,
    UselessError,
)
from llmsynthor.llm.allowance import Allowance
from llmsynthor.llm.backend import Identity, Scored, Scorer, ScoreRequest, Usage, Writer, WriteRequest, Written
from llmsynthor.llm.calling import call_abreast, call_aside
from llmsynthor.llm.ledger import CANNOT, Entry, Ledger, Request, call_id, kind_of, read_scores
from llmsynthor.llm.replies import bounded
from llmsynthor.options import Budget, key_of, options_of
from llmsynthor.texts import fit

TRIES = 3
"""So often a question is put whose answers come to nothing."""

WAITING = 8
"""Questions under way for each that a server is asked at once: those that wait to be put again, or hang, hold nobody up."""

MOST_USELESS = 12
"""After so many questions in a row without a usable answer the asking ends."""


@dataclass(slots=True)
class Spent:
    """What a run has used so far; `lost` answers came to nothing, and are paid all the same."""

    writes: int = 0
    scores: int = 0
    new: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    repaired: int = 0
    dropped: int = 0
    lost: int = 0
    requests: int = 0
    """What a budget of calls counts: a question may take several of them."""

    @property
    def calls(self) -> int:
        return self.writes + self.scores + self.lost

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def totals(self) -> dict[str, float]:
        """The part that a replay repeats, for the manifest."""
        names = ("calls", "writes", "scores", "prompt_tokens", "completion_tokens", "seconds", "repaired", "dropped")
        return {name: round(getattr(self, name), 3) for name in (*names, "lost", "requests")}


@dataclass(slots=True)
class Recorded:
    """A Writer and Scorer that asks the ledger first; the model is opened only when an answer is not there."""

    identity: Identity
    open_model: Callable[[], Writer]
    ledger: Ledger
    budget: Budget = field(default_factory=Budget)
    spent: Spent = field(default_factory=Spent)
    last_call: str = ""
    stage: str = ""
    """What the run is about, for the ledger."""
    ended: AskingEndedError | None = None
    """Why nothing is asked any more, but for a spent budget."""
    allowance: Allowance = field(init=False)
    _model: Writer | None = None
    _known: dict[str, str] = field(init=False)
    """What the ledger knows of the server."""
    _useless: int = 0
    _given_up: set[str] = field(default_factory=set)
    _lost: set[str] = field(default_factory=set)
    """Calls whose losses are in `spent`."""
    _passed: dict[str, Request] = field(default_factory=dict)
    """Questions that the ledger answered, in order: a script counts what it would have been asked."""

    def __post_init__(self) -> None:
        self.allowance = Allowance(self.budget.calls)
        self._known = self.ledger.recall(self.identity)

    @property
    def scoring(self) -> str:
        """How a server scored choices, in words; empty where no server was asked."""
        return self.told("scoring")

    @property
    def left(self) -> int | None:
        """Calls that the budget has left; None where it has no limit of calls."""
        return None if self.budget.calls is None else max(self.budget.calls - self.spent.requests, 0)

    @property
    def cost(self) -> float | None:
        """What all calls cost, None where the price of tokens is not known."""
        return self.budget.price(self.spent.prompt_tokens, self.spent.completion_tokens)

    @property
    def totals(self) -> dict[str, float]:
        """What was used, for the manifest; with the cost where prices are known."""
        return {**self.spent.totals(), **({"cost": round(self.cost, 6)} if self.cost is not None else {})}

    def write(self, request: WriteRequest) -> Written:
        """Raises AnswerError when nothing usable came back, AskingEndedError when no more is asked."""
        entry = self._answer(request)
        self.spent.writes += 1
        return Written(text=entry.answer, usage=entry.usage)

    def score(self, request: ScoreRequest) -> Scored:
        """Raises CannotScoreError too."""
        entry = self._answer(request)
        if entry.answer == CANNOT:
            advice = "use the embedded model, or a server that shows log-probabilities"
            raise CannotScoreError(
                Problem(where=f"llm {self.identity.name}", what="this model cannot score choices", advice=advice)
            )
        self.spent.scores += 1
        self.ledger.note(self.last_call, "used")
        return Scored(log_probabilities=tuple(bounded(s) for s in read_scores(entry.answer)), usage=entry.usage)

    def note(self, call: str, outcome: str) -> None:
        """Record what became of an answer: "used", "repaired", "rejected: why" or "dropped: why"."""
        self.ledger.note(call, outcome)
        self.spent.repaired += outcome == "repaired"
        if outcome.startswith("dropped"):
            self._drop(outcome)
        elif outcome in ("used", "repaired"):
            self._useless = 0

    def prepare(self, requests: Sequence[Request]) -> None:
        """Ask several questions at once where the model is a server, so that the ledger knows the answers when they are needed.

        Changes no answer and no account; as many are sent as the budget of calls has left. With a budget of tokens, seconds or
        cost each question waits for the one before, so that it holds to the call.
        """
        if self.ended is not None or any(
            limit is not None for limit in (self.budget.tokens, self.budget.seconds, self.budget.cost)
        ):
            return
        missing = {call: r for r in requests if self._find(call := call_id(self.identity, r), r) is None}
        most = getattr(self._open(), "concurrency", 1) if len(missing) > 1 else 1
        if most > 1:
            self._prepare(missing, most)

    def _prepare(self, missing: dict[str, Request], most: int) -> None:
        waiting, tries, under_way = list(reversed(missing)), dict.fromkeys(missing, 0), dict[str, int]()

        def following() -> tuple[str, Callable[[], Entry]] | None:
            if not waiting or self.ended is not None:
                return None
            call, left = waiting[-1], self.allowance.left
            under_way[call] = _most_requests(missing[call])
            if (
                left is not None and sum(under_way.values()) > left
            ):  # one that is cut off by the budget is paid for nothing
                del under_way[call]
                return None
            waiting.pop()
            return call, partial(_ask, self._open(), missing[call])

        for call, future in call_abreast(following, WAITING * most):
            del under_way[call]
            try:
                self._keep(call, missing[call], future.result())
            except (BudgetError, UnprobedError) as over:
                self._cut(call, missing[call], over)
                waiting.clear()
            except BadAnswerError as bad:
                self._lose(call, missing[call], bad)
                tries[call] += 1
                if tries[call] < TRIES:
                    waiting.append(call)
                else:
                    self._given_up.add(call)
            except AskingEndedError as error:
                self.ended = error

    def told(self, about: str) -> str:
        """What the ledger keeps of the model beside its answers."""
        return self._known.get(about, "")

    def tell(self, about: str, text: str) -> None:
        """Keep something that was found out about the model."""
        self.ledger.remember(self.identity, {about: text})
        self._known[about] = text

    def known(self, request: WriteRequest) -> str | None:
        """The answer that the ledger has, without any account of it."""
        entry = self._find(call_id(self.identity, request), request)
        return entry.answer if entry is not None else None

    def _find(self, call: str, request: Request) -> Entry | None:
        choices = len(request.choices) if not isinstance(request, WriteRequest) else 0
        return self.ledger.find(call, kind_of(request), choices)

    def _answer(self, request: Request) -> Entry:
        self._refuse_more()
        call = call_id(self.identity, request)
        entry = self._find(call, request)
        if entry is None:
            entry = self._ask(call, request)
        else:
            self._pass(call, request, entry)
        self.last_call = call
        self.spent.requests += entry.usage.requests
        self.spent.prompt_tokens += entry.usage.prompt_tokens
        self.spent.completion_tokens += entry.usage.completion_tokens
        self.spent.seconds += entry.usage.seconds
        return entry

    def _ask(self, call: str, request: Request) -> Entry:
        """Put a question until there is an answer, a few times at most."""
        reason = "bad answers"
        for _ in range(0 if call in self._given_up else TRIES):
            self._refuse_more()
            model = self._open()
            try:
                entry = call_aside(partial(_ask, model, request))
            except BadAnswerError as bad:
                self._lose(call, request, bad)
                reason = bad.reason
                continue
            except (BudgetError, UnprobedError) as over:
                self._cut(call, request, over)
                raise
            except AskingEndedError as error:
                self.ended = error
                raise
            self._keep(call, request, entry)
            return entry
        self._drop(f"dropped: {reason}")
        raise AnswerError(
            Problem(
                where=f"llm {self.identity.name}",
                what=f"no answer in {TRIES} attempts",
                found=reason,
                advice="nothing to do: the question is left out; if it happens often, look at the server",
            )
        )

    def _pass(self, call: str, request: Request, entry: Entry) -> None:
        """Take account of a question that the ledger answers."""
        lost = 0 if call in self._lost else entry.lost_requests
        if call not in self._lost:
            self.spent.lost += entry.lost
            self.spent.requests += lost
            self._lost.add(call)
        if call not in self._passed:
            self._passed[call] = request
            self.allowance.count(entry.usage.requests + lost)
            _tell_passed(self._model, request)

    def _keep(self, call: str, request: Request, entry: Entry) -> None:
        self.ledger.keep(call, self.identity, request, entry, self.stage)
        self.spent.new += 1
        self._passed[call] = request
        for about, text in getattr(self._model, "found", {}).items() - self._known.items():
            self.tell(about, text)

    def _lose(self, call: str, request: Request, bad: BadAnswerError) -> None:
        self.ledger.lose(call, self.identity, request, bad, self.stage)
        self.spent.lost += 1
        self.spent.requests += bad.requests
        self._lost.add(call)

    def _cut(self, call: str, request: Request, over: LLMError) -> None:
        """Take account of what was sent for a question before the budget ended."""
        if over.requests:
            bad = BadAnswerError(over.problems[0], reason="the budget was spent before its answer was whole")
            bad.requests = over.requests
            self._lose(call, request, bad)

    def _drop(self, outcome: str) -> None:
        self.spent.dropped += 1
        self._useless += 1
        if self._useless >= MOST_USELESS:
            advice = "use a larger model, or look at the server; what was answered before is used"
            what = f"{self._useless} questions in a row had no usable answer"
            self.ended = UselessError(
                Problem(where=f"llm {self.identity.name}", what=what, found=fit(outcome)[:200], advice=advice)
            )

    def _refuse_more(self) -> None:
        if self.ended is not None:
            raise self.ended
        used = {
            "calls": self.spent.requests,
            "tokens": self.spent.tokens,
            "seconds": self.spent.seconds,
            "cost": self.cost,
        }
        for option in options_of(Budget):
            limit, spent = getattr(self.budget, option.name), used.get(option.name)
            if limit is not None and spent is not None and spent >= limit:
                raise BudgetError(_spent(option.name, limit, f"--{key_of(option).replace('_', '-')}"))

    def _open(self) -> Writer:
        if self._model is None:
            self._model = self.open_model()
            within = getattr(self._model, "within", None)
            if within is not None:
                within(self.allowance, self._known)
            for request in self._passed.values():
                _tell_passed(self._model, request)
        return self._model


def _tell_passed(model: Writer | None, request: Request) -> None:
    passed = getattr(model, "passed", None)
    if passed is not None:
        passed(request)


def _ask(model: Writer, request: Request) -> Entry:
    if isinstance(request, WriteRequest):
        written = model.write(request)
        return Entry(answer=fit(written.text), usage=written.usage)
    try:
        if not isinstance(model, Scorer):
            return Entry(answer=CANNOT, usage=Usage(requests=0))  # kept, so that a replay without a model knows it too
        scored = model.score(request)
    except UnprobedError:
        raise
    except CannotScoreError as none:
        return Entry(answer=CANNOT, usage=Usage(requests=none.requests))
    return Entry(answer=json.dumps([bounded(s) for s in scored.log_probabilities]), usage=scored.usage)


def _most_requests(request: Request) -> int:
    """What a server may have to be asked for one question, about: for scores, the tokens of all texts, and each choice."""
    return 1 if isinstance(request, WriteRequest) else 2 * len(request.choices) + 2


def _spent(what: str, limit: float, option: str) -> Problem:
    advice = f"raise {option} to go on; what was made so far is used"
    return Problem(where="llm budget", what=f"the budget of {limit:g} {what} is spent", advice=advice)
