"""Every call goes through the ledger."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from llmsynthor.errors import BudgetError, LLMError
from llmsynthor.llm.backend import Identity, Scored, ScoreRequest, Usage, Writer, WriteRequest, Written
from llmsynthor.llm.ledger import Ledger
from llmsynthor.llm.recorded import Recorded
from llmsynthor.options import Budget
from llmsynthor.run.account import account, read_ledger

REQUEST = WriteRequest(system="s", prompt="p", json_schema={"type": "object"})


class Counting:
    """A model that counts what it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    @property
    def identity(self) -> Identity:
        return Identity(name="counting", digest="d")

    def write(self, request: WriteRequest) -> Written:
        self.asked += 1
        if request.prompt == "interrupt":
            raise KeyboardInterrupt
        return Written(text='{"a": "\ud800 ok"}', usage=Usage(prompt_tokens=3, completion_tokens=2, seconds=1.5))

    def score(self, request: ScoreRequest) -> Scored:
        self.asked += 1
        return Scored(log_probabilities=tuple(-float(len(c)) / 3 for c in request.choices))


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    yield ledger
    ledger.close()


def recorded(ledger: Ledger, model: Writer | None = None, budget: Budget | None = None) -> Recorded:
    def missing() -> Writer:
        raise AssertionError("the model was opened")

    open_model = missing if model is None else lambda: model
    return Recorded(Identity(name="counting", digest="d"), open_model, ledger, budget or Budget())


def test_same_question_is_asked_once(ledger: Ledger) -> None:
    """A repeated question is answered from the ledger, with the same text, scores and usage."""
    model = Counting()
    first, again = recorded(ledger, model), recorded(ledger, model)
    assert first.write(REQUEST) == again.write(REQUEST)
    scores = ScoreRequest(context="c", choices=(" a", " bb"))
    assert first.score(scores) == again.score(scores)
    assert model.asked == 2
    assert (again.spent.calls, again.spent.new, again.spent.tokens) == (2, 0, 5)


def test_texts_are_timed_apart(ledger: Ledger) -> None:
    """A mean of calls that write records is not drawn down by titles, and a token is the same for both."""
    asking = recorded(ledger, Counting())
    assert ledger.mean_seconds(asking.identity) == {}
    asking.write(REQUEST)
    asking.stage = "texts"
    asking.write(WriteRequest(system="s", prompt="another", json_schema={"type": "string"}))
    assert ledger.mean_seconds(asking.identity) == {"write": 1.5, "token": pytest.approx(3.0 / (4 + 0.15 * 6))}


def test_replay_needs_no_model(ledger: Ledger, tmp_path: Path) -> None:
    """With all answers recorded the model is never opened, and the file keeps its bytes."""
    recorded(ledger, Counting()).write(REQUEST)
    before = (tmp_path / "ledger.sqlite").read_bytes()
    replay = recorded(ledger)
    replay.write(REQUEST)
    replay.ledger.note(replay.last_call, "")
    assert (tmp_path / "ledger.sqlite").read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["ledger.sqlite"]


def test_everything_in_a_question_counts(ledger: Ledger) -> None:
    """Another seed, schema or model is another question."""
    model = Counting()
    ask = recorded(ledger, model)
    ask.write(REQUEST)
    ask.write(WriteRequest(system="s", prompt="p", json_schema={"type": "object"}, seed=1))
    ask.write(WriteRequest(system="s", prompt="p", json_schema={"type": "array"}))
    other = Recorded(Identity(name="other", digest="e"), lambda: model, ledger)
    other.write(REQUEST)
    assert model.asked == 4


@pytest.mark.parametrize("budget", [Budget(calls=2), Budget(seconds=2.0)])
def test_budget_counts_recorded_calls_alike(ledger: Ledger, budget: Budget) -> None:
    """A run and its replay stop at the same call."""
    for model in (Counting(), None):
        ask = recorded(ledger, model, budget)
        for seed in range(2):
            ask.write(WriteRequest(system="s", prompt="p", json_schema={}, seed=seed))
        with pytest.raises(BudgetError, match="budget"):
            ask.write(REQUEST)
        assert ask.spent.calls == 2


def test_interrupted_call_stores_nothing(ledger: Ledger) -> None:
    """A call that is interrupted leaves no answer behind."""
    ask = recorded(ledger, Counting())
    request = WriteRequest(system="s", prompt="interrupt", json_schema={})
    with pytest.raises(KeyboardInterrupt):
        ask.write(request)
    assert ask.spent.calls == 0
    with pytest.raises(AssertionError, match="opened"):
        recorded(ledger).write(request)


def test_damaged_ledger_is_said(tmp_path: Path) -> None:
    """A file that is no ledger is refused with what to do."""
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"this is no database, it only looks like a file" * 50)
    with pytest.raises(LLMError, match="cannot be used"):
        Ledger(path)


def test_ledger_in_memory_can_be_kept(tmp_path: Path) -> None:
    """A run without a folder keeps its calls in memory and can write them out later."""
    memory = Ledger(None)
    recorded(memory, Counting()).write(REQUEST)
    memory.copy_to(tmp_path / "copy.sqlite")
    memory.close()
    copy = Ledger(tmp_path / "copy.sqlite")
    recorded(copy).write(REQUEST)
    copy.close()


def test_a_damaged_ledger_is_no_failure_of_the_model(tmp_path: Path) -> None:
    """Whoever repeats a command as long as a server is away does not repeat this one for ever: the exit code is another."""
    path = tmp_path / "ledger.sqlite"
    path.write_text("no ledger")
    with pytest.raises(LLMError) as caught:
        Ledger(path)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("row", [("'abc'", "1"), ("9e999", "1"), ("1.0", "'many'"), ("x'ff'", "-4")])
def test_losses_that_hold_something_else_are_named(tmp_path: Path, row: tuple[str, str]) -> None:
    """Seconds and requests that are no numbers are said to be corrupt, and not added up."""
    path = tmp_path / "ledger.sqlite"
    ledger = Ledger(path)
    ledger.close()
    with closing(sqlite3.connect(path)) as base:
        base.execute(f"insert into losses values (null, 'a', 'write', 'm', 'd', '{{}}', {row[0]}, 'r', 's', {row[1]})")
        base.commit()
    assert "corrupt: a" in account(read_ledger(path), Budget())
