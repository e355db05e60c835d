"""OpenAI-compatible servers: one table of failures, and a real llama.cpp server on loopback."""

import json
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import openai
import pytest

from llmsynthor.errors import LLMError, ServerError
from llmsynthor.llm.backend import Identity, Scorer, ScoreRequest, WriteRequest
from llmsynthor.llm.local import Local
from llmsynthor.llm.remote import Remote, open_remote

httpx: Any = import_module(openai.DefaultHttpxClient.__mro__[1].__module__.split(".")[0])
"""The very transport library that the installed client uses; its name depends on the client's version."""

SCHEMA = {
    "type": "object",
    "properties": {"sex": {"enum": ["Female", "Male"]}, "count": {"type": "integer"}},
    "required": ["sex", "count"],
    "additionalProperties": False,
}
REQUEST = WriteRequest(
    system="You answer in JSON.", prompt="Give one person.", json_schema=SCHEMA, max_tokens=60, seed=3
)
KEY = "sk-very-secret"

Handler = Callable[[Any], Any]


def reply(text: str | None, **more: Any) -> Any:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text, **more}}
    body = {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
    return httpx.Response(200, json={**body, "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}})


@pytest.fixture
def connect() -> Iterator[Callable[[Handler], Remote]]:
    """Connect to a transport that answers as a function says."""
    clients = []

    def make(handler: Handler) -> Remote:
        transport = httpx.Client(transport=httpx.MockTransport(handler))
        client = openai.OpenAI(api_key=KEY, base_url="http://127.0.0.1:9/v1", max_retries=0, http_client=transport)
        clients.append(client)
        return Remote(client, Identity(name="openai:m", digest="x"), "m", wait=0.001)

    yield make
    for client in clients:
        client.close()


def fail(status: int) -> Handler:
    return lambda request: httpx.Response(status, json={"error": {"message": f"no, {KEY[:3]}", "type": "t"}})


def time_out(request: Any) -> Any:
    raise httpx.ConnectTimeout("too slow", request=request)


@pytest.mark.parametrize(
    ("handler", "retryable", "word"),
    [
        (fail(401), False, "OPENAI_API_KEY"),
        (fail(403), False, "OPENAI_API_KEY"),
        (fail(404), False, "name"),
        (fail(429), True, "limits"),
        (fail(500), True, "server"),
        (time_out, True, "server"),
    ],
)
def test_failures_become_sentences(connect: Any, handler: Handler, retryable: bool, word: str) -> None:
    """Each failure is an error that says what to do and whether it may pass; the key is never shown."""
    with pytest.raises(ServerError, match=word) as caught:
        connect(handler).write(REQUEST)
    assert caught.value.retryable is retryable
    assert KEY not in str(caught.value)


def test_passing_failures_are_tried_again(connect: Any) -> None:
    """A server that is busy twice is asked a third time."""
    answers = iter([fail(429), fail(503), lambda _: reply('{"sex": "Male", "count": 2}')])

    def answer_next(request: Any) -> Any:
        return next(answers)(request)

    written = connect(answer_next).write(REQUEST)
    assert json.loads(written.text)["count"] == 2
    assert (written.usage.prompt_tokens, written.usage.completion_tokens) == (7, 5)


def test_lasting_failures_are_not_tried_again(connect: Any) -> None:
    """A wrong key is not tried again."""
    seen = []
    with pytest.raises(ServerError):
        connect(lambda request: (seen.append(1), fail(401)(request))[1]).write(REQUEST)
    assert len(seen) == 1


def test_lesser_servers_are_asked_their_way(connect: Any) -> None:
    """A server without schemas is asked for an object, one without that in words; what worked is remembered."""
    seen: list[str] = []

    def handler(request: Any) -> Any:
        manner = json.loads(request.content).get("response_format", {}).get("type", "words")
        seen.append(manner)
        return reply("{}") if manner == "words" else fail(400)(request)

    remote = connect(handler)
    remote.write(REQUEST)
    remote.write(REQUEST)
    assert seen == ["json_schema", "json_object", "words", "words"]


@pytest.mark.parametrize(
    ("answer", "text"), [(reply(None), ""), (reply(None, refusal="I may not"), "I may not"), (reply("x"), "x")]
)
def test_odd_answers_are_passed_on(connect: Any, answer: Any, text: str) -> None:
    """Empty answers and refusals come back as text, to be validated like any other."""
    assert connect(lambda _: answer).write(REQUEST).text == text


def test_missing_key_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key and without a server of one's own nothing is sent."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(LLMError, match="OPENAI_API_KEY"):
        open_remote("m", None)


@pytest.mark.slow
@pytest.mark.model
def test_real_server_writes_and_scores(server: str, small: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real llama.cpp server writes JSON that fits the schema, and scores as the embedded model does."""
    monkeypatch.setenv("OPENAI_API_KEY", "secret-key")
    remote = open_remote("smollm2", f"{server}/v1")
    try:
        answer = json.loads(remote.write(REQUEST).text)
        assert set(answer) == {"sex", "count"}
        assert answer["sex"] in ("Female", "Male")
        assert isinstance(remote, Scorer)
        question = ScoreRequest(context="The capital of France is", choices=(" Paris", " London", " Berlin"))
        there, here = remote.score(question).log_probabilities, small.score(question).log_probabilities
        assert there == pytest.approx(here, abs=0.05)
        assert there[0] == max(there)
    finally:
        remote._client.close()


@pytest.mark.model
def test_real_server_refuses_a_wrong_key(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong key is an error that names the key's variable."""
    monkeypatch.setenv("OPENAI_API_KEY", "wrong")
    remote = open_remote("smollm2", f"{server}/v1")
    with pytest.raises(ServerError, match="OPENAI_API_KEY"):
        remote.write(REQUEST)
    remote._client.close()
