"""What servers answer is read by schemas, and by nothing else."""

import gc
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsynthor.llm.replies import bounded, read_chat, read_listed, read_reason, read_tokens
from tests.llm.faults import BODIES, chat

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
NAMES = ("choices", "message", "content", "delta", "usage", "prompt_tokens", "error", "text", "refusal", "tokens")
LIKE = st.recursive(
    JSON,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=20,
)


def read_all(body: bytes, kind: str) -> None:
    for read in (lambda: read_chat(body, kind), lambda: read_listed(body), lambda: read_tokens(body)):
        try:
            read()
        except ValueError as error:
            assert str(error)
    assert len(read_reason(body)) <= 160


@given(LIKE, st.sampled_from(["", "text/event-stream"]))
def test_any_json_is_read_or_refused(value: Any, kind: str) -> None:
    """Any JSON, near an answer or far, is read or is a ValueError with a sentence."""
    read_all(json.dumps(value).encode(), kind)
    read_all(b"data: " + json.dumps(value).encode() + b"\n\ndata: [DONE]", kind)


@given(st.binary(max_size=300), st.sampled_from(["", "text/event-stream"]))
def test_any_bytes_are_read_or_refused(body: bytes, kind: str) -> None:
    """Any bytes likewise."""
    read_all(body, kind)


@given(st.data())
def test_damaged_answers_are_read_or_refused(data: st.DataObject) -> None:
    """A good answer with bytes cut out, doubled or replaced likewise."""
    body = bytearray(json.dumps(chat('{"a": 1}', usage={"prompt_tokens": 3})).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body) - 1))
        until = data.draw(st.integers(at, min(len(body), at + 9)))
        body[at:until] = data.draw(st.binary(max_size=6))
        if not body:
            return
    read_all(bytes(body), "")


@pytest.mark.parametrize("name", sorted(BODIES))
@pytest.mark.slow
def test_reading_is_quick(name: str) -> None:
    """No body of those that broke it before takes two seconds, at the second try at the latest."""
    gc.freeze()  # what other tests have left is not looked through again and again
    seconds = []
    while len(seconds) < 2 and min(seconds, default=2.0) >= 2:
        began = time.process_time()
        try:
            read_chat(BODIES[name])
        except ValueError as error:
            assert str(error)
        seconds.append(time.process_time() - began)
    gc.unfreeze()
    assert min(seconds) < 2


def test_what_no_text_may_hold_is_replaced() -> None:
    """Halves of surrogate pairs, NUL, escapes and marks that turn the direction of writing never come in."""
    said = read_chat(BODIES["control characters"])
    assert said.text == "\ufffd\ufffd[31m\ufffd\ufffd"


@given(st.floats())
def test_scores_are_bounded(score: float) -> None:
    """A log-probability is one, whatever was answered."""
    assert -100 <= bounded(score) <= 0
