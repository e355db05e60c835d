"""The ledger: every call and its answer, content-addressed. A question that was asked before is not asked again."""

import hashlib
import json
import math
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from llmsynthor.errors import BudgetError, CannotScoreError, LLMError, Problem
from llmsynthor.llm.backend import Identity, Scored, Scorer, ScoreRequest, Usage, Writer, WriteRequest, Written
from llmsynthor.options import Budget, key_of, options_of

TABLE = """create table if not exists calls (
    call_id text primary key, kind text not null, model text not null, digest text not null, request text not null,
    answer text not null, prompt_tokens integer not null, completion_tokens integer not null, seconds real not null,
    outcome text not null)"""

Request = WriteRequest | ScoreRequest

CANNOT = "null"
"""Answer to a question for scores by a model that gives none."""

LEAST_SCORE = -100.0
"""Log-probability of a choice that a model holds for impossible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A recorded call: the raw answer and what it cost."""

    answer: str
    usage: Usage


class Ledger:
    """A SQLite file of calls. Written after each call, so that a kill loses at most the call under way."""

    def __init__(self, path: Path | None) -> None:
        """Open or begin a ledger; None keeps it in memory. Raises LLMError when the file is no ledger."""
        self.path = path
        try:
            self._base = sqlite3.connect(":memory:" if path is None else path)
            if not self._base.execute("select name from sqlite_master where name = 'calls'").fetchone():
                self._base.execute(TABLE)
                self._base.commit()
        except sqlite3.Error as cause:
            raise _broken(path, cause) from cause

    def find(self, call_id: str) -> Entry | None:
        query = "select answer, prompt_tokens, completion_tokens, seconds from calls where call_id = ?"
        try:
            row = self._base.execute(query, (call_id,)).fetchone()
        except sqlite3.Error as cause:
            raise _broken(self.path, cause) from cause
        if row is None:
            return None
        return Entry(answer=row[0], usage=Usage(prompt_tokens=row[1], completion_tokens=row[2], seconds=row[3]))

    def keep(self, call_id: str, identity: Identity, request: Request, entry: Entry) -> None:
        kind, usage = _kind(request), entry.usage
        text = json.dumps(asdict(request), sort_keys=True)
        costs = (usage.prompt_tokens, usage.completion_tokens, usage.seconds)
        row = (call_id, kind, identity.name, identity.digest, text, entry.answer, *costs, "")
        self._write("insert or replace into calls values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def note(self, call_id: str, outcome: str) -> None:
        """Say what became of an answer; nothing is written when it is said already."""
        row = self._base.execute("select outcome from calls where call_id = ?", (call_id,)).fetchone()
        if row is not None and row[0] != outcome:
            self._write("update calls set outcome = ? where call_id = ?", (outcome, call_id))

    def mean_seconds(self, identity: Identity) -> dict[str, float]:
        """Mean seconds of a call of this model, by kind; kinds that never took time are left out."""
        query = "select kind, avg(seconds) from calls where digest = ? and seconds > 0 group by kind"
        return {str(kind): float(seconds) for kind, seconds in self._base.execute(query, (identity.digest,))}

    def copy_to(self, path: Path) -> None:
        """Copy all calls into a file, for a run that began elsewhere; a ledger that is there is replaced."""
        if self.path is not None:
            shutil.copyfile(self.path, path)
            return
        path.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as copy:
            self._base.backup(copy)

    def close(self) -> None:
        self._base.close()

    def _write(self, statement: str, row: tuple[Any, ...]) -> None:
        try:
            self._base.execute(statement, row)
            self._base.commit()
        except sqlite3.Error as cause:
            raise _broken(self.path, cause) from cause


def _broken(path: Path | None, cause: sqlite3.Error) -> LLMError:
    advice = "remove the file to begin a new ledger, or see that the folder can be written and has room"
    return LLMError(Problem(where=str(path), what=f"the ledger cannot be used ({cause})", advice=advice))


def call_id(identity: Identity, request: Request) -> str:
    """Address of a call: 24 hex digits of SHA-256 over model and request."""
    content = json.dumps([_kind(request), identity.digest, asdict(request)], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:24]


def _kind(request: Request) -> str:
    return "write" if isinstance(request, WriteRequest) else "score"


@dataclass(slots=True)
class Spent:
    """What a run has used so far."""

    writes: int = 0
    scores: int = 0
    new: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    repaired: int = 0
    dropped: int = 0

    @property
    def calls(self) -> int:
        return self.writes + self.scores

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    def totals(self) -> dict[str, float]:
        """The part that a replay repeats, for the manifest."""
        names = ("calls", "writes", "scores", "prompt_tokens", "completion_tokens", "seconds", "repaired", "dropped")
        return {name: round(getattr(self, name), 3) for name in names}


@dataclass(slots=True)
class Recorded:
    """A Writer and Scorer that asks the ledger first; the model is opened only when an answer is not there."""

    identity: Identity
    open_model: Callable[[], Writer]
    ledger: Ledger
    budget: Budget = field(default_factory=Budget)
    spent: Spent = field(default_factory=Spent)
    last_call: str = ""
    _model: Writer | None = None

    @property
    def cost(self) -> float | None:
        """What all calls cost, None where the price of tokens is not known."""
        return self.budget.price(self.spent.prompt_tokens, self.spent.completion_tokens)

    @property
    def totals(self) -> dict[str, float]:
        """What was used, for the manifest; with the cost where prices are known."""
        return {**self.spent.totals(), **({"cost": round(self.cost, 6)} if self.cost is not None else {})}

    def write(self, request: WriteRequest) -> Written:
        entry = self._answer(request, self._ask_writer)
        self.spent.writes += 1
        return Written(text=entry.answer, usage=entry.usage)

    def score(self, request: ScoreRequest) -> Scored:
        entry = self._answer(request, self._ask_scorer)
        if entry.answer == CANNOT:
            advice = "use the embedded model or a llama.cpp server"
            raise CannotScoreError(
                Problem(where=f"llm {self.identity.name}", what="this model cannot score choices", advice=advice)
            )
        self.spent.scores += 1
        scores = tuple(_score(score) for score in json.loads(entry.answer))
        return Scored(log_probabilities=scores, usage=entry.usage)

    def note(self, call: str, outcome: str) -> None:
        """Record what became of an answer: "accepted", "repaired" or "dropped: why"."""
        self.ledger.note(call, outcome)
        self.spent.repaired += outcome == "repaired"
        self.spent.dropped += outcome.startswith("dropped")

    def _answer(self, request: Request, ask: Callable[[Any], Entry]) -> Entry:
        self._check_budget()
        address = call_id(self.identity, request)
        entry = self.ledger.find(address)
        if entry is None:
            entry = ask(request)
            self.ledger.keep(address, self.identity, request, entry)
            self.spent.new += 1
        self.last_call = address
        self.spent.prompt_tokens += entry.usage.prompt_tokens
        self.spent.completion_tokens += entry.usage.completion_tokens
        self.spent.seconds += entry.usage.seconds
        return entry

    def _check_budget(self) -> None:
        used = {
            "calls": self.spent.calls,
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
        return self._model

    def _ask_writer(self, request: WriteRequest) -> Entry:
        written = self._open().write(request)
        return Entry(answer=written.text.encode("utf-8", "replace").decode("utf-8"), usage=written.usage)

    def _ask_scorer(self, request: ScoreRequest) -> Entry:
        model = self._open()
        if not isinstance(model, Scorer):
            return Entry(answer=CANNOT, usage=Usage())  # kept, so that a replay without a model knows it too
        scored = model.score(request)
        return Entry(answer=json.dumps(list(scored.log_probabilities)), usage=scored.usage)


def _score(told: float) -> float:
    """A log-probability, whatever was answered: what is no number, or less than any, is next to impossible."""
    return min(max(told, LEAST_SCORE), 0.0) if math.isfinite(told) else LEAST_SCORE


def _spent(what: str, limit: float, option: str) -> Problem:
    advice = f"raise {option} to go on; what was made so far is used"
    return Problem(where="llm budget", what=f"the budget of {limit:g} {what} is spent", advice=advice)
