"""A budget of calls holds to the request, whatever the requests are for; what a server was found to be is remembered."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from llmsynthor.errors import BudgetError, CannotScoreError, UnprobedError
from llmsynthor.llm.backend import ScoreRequest, WriteRequest
from llmsynthor.llm.ledger import Ledger
from llmsynthor.llm.recorded import Recorded
from llmsynthor.llm.remote import identify, open_remote
from llmsynthor.options import Budget, Server
from tests.llm.faults import GOOD, Faulty, Schedule, serving
from tests.llm.test_ways import QUESTION, server_of

OBJECT = {"type": "object", "properties": {"count": {"type": "integer"}}}


def write(number: int) -> WriteRequest:
    return WriteRequest(system="s", prompt=f"p{number}", json_schema=OBJECT)


def asking(server: Faulty, ledger: Path | None = None, calls: int | None = None) -> Recorded:
    """A model that is asked at a server, with a ledger of its own or one in a file."""
    options = Server(base_url=server.address, patience=3, answer_seconds=1)
    who = identify("m", server.address)
    return Recorded(who, lambda: open_remote("m", options), Ledger(ledger), Budget(calls=calls))


def plainly(*refused: str) -> Schedule:
    """A server that shows no probabilities, and refuses such ways of asking to write."""

    def plan(_number: int, path: str, body: Any) -> str:
        kind = body.get("response_format", {}).get("type", "words")
        return "404" if not path.endswith("chat/completions") else "400" if kind in refused else GOOD

    return plan


@pytest.mark.parametrize("calls", [1, 2, 3, 5, 9])
@pytest.mark.parametrize("way", ["echo", "prompt_logprobs", "top_logprobs", "none"])
def test_no_more_is_sent_than_the_budget_of_calls_says(way: str, calls: int) -> None:
    """Probes, tokens and choices are requests, and each counts."""
    with serving(server_of(way, [])) as server:
        model = asking(server, calls=calls)
        for whole in (True, False):
            with Whatever():
                model.score(ScoreRequest(context=QUESTION.context, choices=QUESTION.choices, whole=whole))
    assert len(server.asked) <= calls
    assert model.spent.requests == len(server.asked)


class Whatever:
    """Whatever the model says."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: Any, _trace: Any) -> bool:
        return isinstance(error, BudgetError | CannotScoreError)


def test_one_call_is_one_request_to_write() -> None:
    """A server that refuses the way in which it is asked has answered: what is left of the budget is what is asked further."""
    with serving(plainly("json_schema", "json_object")) as server:
        model = asking(server, calls=1)
        with pytest.raises(BudgetError):
            model.write(write(0))
        again = asking(server, calls=3)
        assert again.write(write(0)).text
        assert again.left == 0
    assert len(server.asked) == 1 + 3


def test_a_small_budget_is_not_spent_on_probing(caplog: pytest.LogCaptureFixture) -> None:
    """Where every way cannot be tried none is, which is said; all calls go to what is written."""
    with serving(plainly()) as server:
        model = asking(server, calls=4)
        with pytest.raises(UnprobedError):
            model.score(QUESTION)
        for number in range(4):
            model.write(write(number))
        with pytest.raises(BudgetError):
            model.write(write(9))
    assert [path for path, _ in server.asked] == ["/v1/chat/completions"] * 4
    assert "--max-calls" in caplog.text


def test_a_larger_budget_finds_out_what_a_small_one_could_not(tmp_path: Path) -> None:
    """That a budget was too small for probing is no answer, and is not kept."""
    path = tmp_path / "ledger.sqlite"
    with serving(server_of("top_logprobs", [])) as server:
        with pytest.raises(UnprobedError):
            asking(server, path, calls=2).score(QUESTION)
        assert len(asking(server, path, calls=20).score(QUESTION).log_probabilities) == 3


@pytest.mark.parametrize("way", ["echo", "prompt_logprobs", "top_logprobs", "none"])
def test_a_run_that_goes_on_does_not_probe_again(tmp_path: Path, way: str) -> None:
    """The ledger knows how the server scores; the next run asks in that way, or not at all, and says so."""
    path, seen = tmp_path / "ledger.sqlite", list[str]()
    other = ScoreRequest(context=QUESTION.context, choices=QUESTION.choices, whole=False)
    with serving(server_of(way, seen)) as server:
        first = asking(server, path)
        with Whatever():
            first.score(QUESTION)
        seen.clear()
        second = asking(server, path)
        with Whatever():
            second.score(other)
    assert set(seen) == ({way} if way != "none" else set())
    assert second.scoring == first.scoring != ""


def test_a_run_that_goes_on_asks_to_write_as_before(tmp_path: Path) -> None:
    """What the server refused before is not tried again."""
    with serving(plainly("json_schema")) as server:
        asking(server, tmp_path / "l").write(write(0))
        before = len(server.asked)
        asking(server, tmp_path / "l").write(write(1))
    assert (before, len(server.asked)) == (2, 3)


def test_what_a_server_has_lost_is_looked_for_anew(tmp_path: Path) -> None:
    """A server that scored in a way and no longer does is probed as if nothing were known."""
    with serving(server_of("echo", [])) as server:
        first = asking(server, tmp_path / "l")
        first.score(QUESTION)
        server.schedule = server_of("top_logprobs", [])
        second = asking(server, tmp_path / "l")
        second.score(ScoreRequest(context="Sky!", choices=QUESTION.choices))
    assert "top_logprobs" in second.scoring


def test_a_replay_counts_the_requests_of_the_run(tmp_path: Path) -> None:
    """The same budget ends a replay where it ended the run, and nothing is sent."""
    with serving(server_of("echo", [])) as server:
        first = asking(server, tmp_path / "l", calls=9)
        first.score(QUESTION)
        sent = len(server.asked)
        second = asking(server, tmp_path / "l", calls=9)
        second.score(QUESTION)
    assert sent == len(server.asked)
    assert first.spent.requests == second.spent.requests == sent
    assert first.left == second.left == 9 - sent


def test_questions_put_at_once_keep_to_the_budget() -> None:
    """Several threads share one allowance; what is cut off by it is not paid for in vain."""
    with serving(plainly()) as server:
        server.latency = 0.02
        model = asking(server, calls=7)
        requests = [write(number) for number in range(20)]
        model.prepare(requests)
        for number in range(7):
            model.write(requests[number])
        with pytest.raises(BudgetError):
            model.write(requests[7])
    assert len(server.asked) == 7
    assert model.spent.lost == 0


def test_a_ledger_of_before_is_read_and_counts_one_request_a_row(tmp_path: Path) -> None:
    """Rows without a count of requests took one; the rest is found out and written as ever."""
    path = tmp_path / "ledger.sqlite"
    with serving(plainly()) as server:
        model = asking(server, path)
        model.write(write(0))
        model.ledger.close()
        with closing(sqlite3.connect(path)) as base:
            base.execute("drop table servers")
            for table in ("calls", "losses"):
                base.execute(f"alter table {table} drop column requests")
        again = asking(server, path)
        again.write(write(0))
        again.write(write(1))
    assert (len(server.asked), again.spent.requests) == (2, 2)


@pytest.mark.parametrize("found", [b"\xff", 7, "x" * 10_000, json.dumps({"a": 1}), None])
def test_what_a_strange_ledger_says_of_a_server_is_nothing(tmp_path: Path, found: Any) -> None:
    """Only known ways are believed."""
    path = tmp_path / "ledger.sqlite"
    with serving(server_of("top_logprobs", [])) as server:
        Ledger(path).close()
        with closing(sqlite3.connect(path)) as base:
            base.execute("drop table servers")
            base.execute("create table servers (digest, about, found)")
            digest = identify("m", server.address).digest
            base.executemany(
                "insert into servers values (?, ?, ?)", [(digest, a, found) for a in ("scoring", "writing")]
            )
            base.commit()
        model = asking(server, path)
        assert len(model.score(QUESTION).log_probabilities) == 3
    assert "top_logprobs" in model.scoring
