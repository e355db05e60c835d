"""The ledger: every call and its answer, content-addressed. A question that was asked before is not asked again.

What came to nothing is kept beside, with its reason, and is asked again.
"""

import hashlib
import json
import logging
import math
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from llmsynthor.errors import BadAnswerError, LedgerError, Problem
from llmsynthor.llm.backend import Identity, ScoreRequest, Usage, WriteRequest
from llmsynthor.llm.speed import READ
from llmsynthor.texts import fit, hide

TABLES = (
    """create table if not exists calls (
    call_id text primary key, kind text not null, model text not null, digest text not null, request text not null,
    answer text not null, prompt_tokens integer not null, completion_tokens integer not null, seconds real not null,
    outcome text not null, stage text not null default '', requests integer not null default 1)""",
    """create table if not exists losses (
    number integer primary key, call_id text not null, kind text not null, model text not null, digest text not null,
    request text not null, seconds real not null, reason text not null, stage text not null,
    requests integer not null default 1)""",
    """create table if not exists servers (
    digest text not null, about text not null, found text not null, primary key (digest, about))""",
)
ADDED = (
    ("calls", "stage", "text not null default ''"),
    *((t, "requests", "integer not null default 1") for t in ("calls", "losses")),
)
"""Columns that a ledger of before has not."""

Request = WriteRequest | ScoreRequest

LOSSES = "select call_id, kind, model, digest, request, seconds, reason, stage, requests from losses"
LOST = "select requests from losses where call_id = ?"
KINDS = ("write", "score")
MOST = 2**53
LONGEST = 200
LOG = logging.getLogger("llmsynthor")

CANNOT = "null"
"""Answer to a question for scores by a model that gives none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A recorded call: the raw answer and what it cost; `lost` answers, of `lost_requests`, came to nothing before it."""

    answer: str
    usage: Usage
    lost: int = 0
    lost_requests: int = 0


def refuse_no_ledger(path: Path) -> None:
    """See that a file is a ledger before it is opened as one, which would begin a new one in it; raises ValueError."""
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as base:
            known = base.execute("select name from sqlite_master where type = 'table' and name = 'calls'").fetchall()
    except sqlite3.Error as cause:
        raise ValueError(f"it cannot be read as one: {cause}") from cause
    if not known:
        raise ValueError("the file holds no calls")


class Ledger:
    """A SQLite file of calls. Written after each call, so that a kill loses at most the call under way."""

    def __init__(self, path: Path | None) -> None:
        """Open or begin a ledger; None keeps it in memory. Raises LedgerError when the file is no ledger."""
        self.path = path
        self.corrupt: list[str] = []
        """Calls whose rows could not be read in this run, and why: they are asked again."""
        try:
            self._base = sqlite3.connect(":memory:" if path is None else path)
            known = self._base.execute("select name from sqlite_master").fetchall()
            if ("servers",) not in known:
                self._begin()
        except sqlite3.Error as cause:
            raise _broken(path, cause) from cause

    def _begin(self) -> None:
        for table in TABLES:
            self._base.execute(table)
        for table, column, kind in ADDED:
            if column not in {row[1] for row in self._base.execute(f"pragma table_info({table})")}:
                self._base.execute(f"alter table {table} add column {column} {kind}")
        self._base.commit()

    def find(self, call_id: str, kind: str, choices: int = 0) -> Entry | None:
        """The answer to a call; of `kind` "score" one with as many scores as `choices`. A row that holds anything else is
        named in `corrupt`, and the call counts as never asked."""
        query = "select answer, prompt_tokens, completion_tokens, seconds, requests, kind from calls where call_id = ?"
        row = self._one(query, (call_id,))
        if row is None:
            return None
        problem = _problem_of(row, kind, choices)
        if problem is not None:
            self.corrupt.append(f"{call_id}: {problem}")
            LOG.warning("a row of the ledger is corrupt and is asked again: %s: %s", call_id, problem)
            return None
        lost = [own if _is_count(own) else 1 for (own,) in self._all(LOST, (call_id,))]
        usage = Usage(prompt_tokens=row[1], completion_tokens=row[2], seconds=row[3], requests=row[4])
        return Entry(answer=row[0], usage=usage, lost=len(lost), lost_requests=sum(lost))

    def keep(self, call_id: str, identity: Identity, request: Request, entry: Entry, stage: str = "") -> None:
        usage = entry.usage
        costs = (usage.prompt_tokens, usage.completion_tokens, usage.seconds)
        about = (call_id, kind_of(request), identity.name, identity.digest, _text(request))
        row = (*about, entry.answer, *costs, "", stage, usage.requests)
        self._write("insert or replace into calls values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def lose(self, call_id: str, identity: Identity, request: Request, bad: BadAnswerError, stage: str) -> None:
        """Keep why an answer came to nothing; it is no answer, and the call will be made again."""
        about = (call_id, kind_of(request), identity.name, identity.digest, _text(request))
        row = (*about, bad.seconds, fit(bad.reason), stage, bad.requests)
        self._write("insert into losses values (null, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def remember(self, identity: Identity, found: Mapping[str, str]) -> None:
        """Keep what was found out about a server (how it scores, how it is asked to write), for runs that go on."""
        for about, text in found.items():
            self._write("insert or replace into servers values (?, ?, ?)", (identity.digest, about, fit(text)))

    def recall(self, identity: Identity) -> dict[str, str]:
        """What was found out about a server before."""
        rows = self._all("select about, found from servers where digest = ?", (identity.digest,))
        return {about: fit(text)[:LONGEST] for about, text in rows if isinstance(about, str) and isinstance(text, str)}

    def note(self, call_id: str, outcome: str) -> None:
        """Say what became of an answer; nothing is written when it is said already."""
        row = self._one("select outcome from calls where call_id = ?", (call_id,))
        if row is not None and row[0] != outcome:
            self._write("update calls set outcome = ? where call_id = ?", (fit(outcome), call_id))

    def mean_seconds(self, identity: Identity) -> dict[str, float]:
        """Mean seconds of a call of this model, by kind, texts apart; `token` of all that was written, as `speed` counts tokens."""
        query = """select kind, avg(seconds) from calls where digest = ? and seconds > 0 and stage <> 'texts' group by kind
            union all select 'token', sum(seconds) / sum(completion_tokens + ? * prompt_tokens) from calls
            where digest = ? and seconds > 0 and kind = 'write' having sum(completion_tokens) > 0"""
        found = self._all(query, (identity.digest, READ, identity.digest))
        return {str(kind): float(seconds) for kind, seconds in found}

    def rows(self) -> Iterator[dict[str, Any]]:
        """All calls and losses as mappings, for people and for other programs; what cannot be read is said in `corrupt`."""
        for row in self._all("select * from calls order by rowid", ()):
            names = ("call_id", "kind", "model", "digest", "request", "answer", "prompt_tokens", "completion_tokens")
            entry = dict(zip((*names, "seconds", "outcome", "stage", "requests"), row, strict=True))
            choices = _choices(entry["request"]) if entry["kind"] == "score" else 0
            problem = _problem_of((entry["answer"], *row[6:9], row[11], entry["kind"]), str(entry["kind"]), choices)
            yield {**entry, "corrupt": problem}
        for row in self._all(LOSSES, ()):
            call, kind, model, digest, request, seconds, reason, stage, requests = row
            yield {
                "call_id": call,
                "kind": kind,
                "model": model,
                "digest": digest,
                "request": request,
                "answer": None,
                "prompt_tokens": 0,
                "completion_tokens": 0,
                "seconds": seconds,
                "outcome": f"lost: {reason}",
                "stage": stage,
                "requests": requests,
                "corrupt": None
                if _is_time(seconds) and _is_count(requests)
                else "the seconds or the requests are no number",
            }

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

    def _one(self, query: str, values: tuple[Any, ...]) -> Any:
        return next(iter(self._all(query, values)), None)

    def _all(self, query: str, values: tuple[Any, ...]) -> list[Any]:
        try:
            return self._base.execute(query, values).fetchall()
        except sqlite3.Error as cause:
            raise _broken(self.path, cause) from cause

    def _write(self, statement: str, row: tuple[Any, ...]) -> None:
        try:
            self._base.execute(statement, row)
            self._base.commit()
        except sqlite3.Error as cause:
            raise _broken(self.path, cause) from cause


def _text(request: Request) -> str:
    return hide(json.dumps(asdict(request), sort_keys=True))


def _choices(request: Any) -> int:
    try:
        return len(json.loads(request)["choices"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return -1


def _problem_of(row: tuple[Any, ...], kind: str, choices: int) -> str | None:
    """What is wrong with a recorded answer; None where it can be used."""
    answer, prompt_tokens, completion_tokens, seconds, requests, own = row
    if kind not in KINDS:
        return "there is no such kind of call"
    if own != kind or not isinstance(answer, str):
        return "the answer is of another kind"
    if not all(map(_is_count, (prompt_tokens, completion_tokens, requests))):
        return "the tokens or the requests are no counts"
    if not _is_time(seconds):
        return "the seconds are no time"
    if kind == "score" and answer != CANNOT:
        return None if len(read_scores(answer)) == choices else "the scores are no numbers, or too few"
    return None


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and 0 <= value < MOST


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value >= 0


def read_scores(answer: str) -> tuple[float, ...]:
    """Log-probabilities as they were kept; none where the text holds something else."""
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError):
        return ()
    if not isinstance(found, list) or any(isinstance(s, bool) or not isinstance(s, int | float) for s in found):
        return ()
    try:
        return tuple(float(score) for score in found)
    except OverflowError:
        return ()


def _broken(path: Path | None, cause: sqlite3.Error) -> LedgerError:
    advice = "see that the folder can be written and has room; a damaged file may be moved aside and repaired with sqlite3's "
    advice += ".recover, which keeps the answers that were paid for"
    return LedgerError(Problem(where=str(path), what=f"the ledger cannot be used ({cause})", advice=advice))


def call_id(identity: Identity, request: Request) -> str:
    """Address of a call: 24 hex digits of SHA-256 over model and request."""
    content = json.dumps([kind_of(request), identity.digest, asdict(request)], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:24]


def kind_of(request: Request) -> str:
    """ "write" or "score"."""
    return "write" if isinstance(request, WriteRequest) else "score"
