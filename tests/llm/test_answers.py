"""Answers are hostile until they are proven good."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsynthor.errors import AnswerError, LLMError
from llmsynthor.llm.answers import ask, parse, prepare, validate
from llmsynthor.llm.backend import WriteRequest
from llmsynthor.llm.ledger import Ledger
from llmsynthor.llm.recorded import Recorded
from llmsynthor.llm.scripted import Scripted

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer", "maximum": 9}}, "required": ["n"]}
REQUEST = WriteRequest(system="s", prompt="Give n.", json_schema=SCHEMA)


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    ledger = Ledger(None)
    yield ledger
    ledger.close()


def scripted(ledger: Ledger, *answers: Any) -> Recorded:
    script = Scripted({"answers": list(answers)})
    return Recorded(script.identity, lambda: script, ledger)


def read(value: Any, last: bool) -> int:
    return int(validate(value, SCHEMA)["n"])


HOSTILE = [
    "",
    "Sure! The answer is nine.",
    '{"n": 3',
    '{"n": 3, "n": 4}',
    '{"n": NaN}',
    '{"n": 1' + "0" * 5_000 + "}",
    '{"a": ' * 5_000,
    "[" * 100_000,
    "{" + "x" * 10_000_000,
    '{"n": "3"}',
    '{"n": 10}',
    '{"m": 3}',
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_is_refused(text: str) -> None:
    """Whatever is wrong with an answer becomes a ValueError with a sentence."""
    with pytest.raises(ValueError, match=r"answer|n:|required|maximum|type"):
        read(parse(text), last=False)


@given(st.text(max_size=300))
def test_any_text_parses_or_is_refused(text: str) -> None:
    """Parsing any text gives a value or a ValueError."""
    try:
        parse(text)
    except ValueError:
        return


def test_words_around_are_ignored() -> None:
    """An object is found between fences and polite words."""
    assert parse('Of course:\n```json\n{"n": 3}\n```\nAnything else?') == {"n": 3}


def test_repair_says_what_was_wrong(ledger: Ledger) -> None:
    """The second question holds the fault of the first answer; the answer then counts as repaired."""
    model = scripted(ledger, '{"n": 10}', {"when": "greater than the maximum", "answer": {"n": 4}})
    answer = ask(model, REQUEST, accept=read)
    assert answer.value == 4
    assert answer.call_id == model.last_call
    assert (model.spent.repaired, model.spent.dropped, model.spent.calls) == (1, 0, 2)


def test_unusable_answers_are_dropped_and_counted(ledger: Ledger) -> None:
    """After the bounded attempts the answer is dropped, counted, and the caller told."""
    model = scripted(ledger, "a", "b", "c", '{"n": 1}')
    with pytest.raises(AnswerError, match="3 attempts"):
        ask(model, REQUEST, accept=read)
    assert (model.spent.calls, model.spent.dropped) == (3, 1)


def test_script_that_ends_is_said(ledger: Ledger) -> None:
    """A script without further answers is a clear error, not an endless loop."""
    with pytest.raises(LLMError, match="no answer left"):
        ask(scripted(ledger, "a"), REQUEST, accept=read)


def test_bad_answers_are_asked_again_abreast(ledger: Ledger) -> None:
    """What several questions at once need repaired is put again before it is needed, just as it is asked for then."""

    class Server(Scripted):
        concurrency = 2

    script = Server({"answers": ["prose"] * 3 + [{"n": 3}] * 3})
    model = Recorded(script.identity, lambda: script, ledger)
    asked = [replace(REQUEST, prompt=f"Give n, {k}.") for k in range(3)]
    prepare(model, [(request, read) for request in asked])
    made = model.spent.new
    assert made == 6
    assert [ask(model, request, accept=read).value for request in asked] == [3, 3, 3]
    assert model.spent.new == made
