"""OpenAI-compatible servers: every way of doing wrong ends well, and a real llama.cpp server on loopback."""

import json
import resource
import time
from typing import Any

import pytest

from llmsynthor.errors import BadAnswerError, CannotScoreError, LLMError, OutageError, ServerError
from llmsynthor.llm.backend import Scorer, ScoreRequest, WriteRequest
from llmsynthor.llm.local import Local
from llmsynthor.llm.remote import Remote, open_remote
from llmsynthor.options import Server
from tests.llm.faults import BODIES, GOOD, STATUSES, manners, serving

SCHEMA = {
    "type": "object",
    "properties": {"sex": {"enum": ["Female", "Male"]}, "count": {"type": "integer"}},
    "required": ["sex", "count"],
    "additionalProperties": False,
}
REQUEST = WriteRequest(
    system="You answer in JSON.", prompt="Give one person.", json_schema=SCHEMA, max_tokens=60, seed=3
)
KEY = "sk-very-secret-0123"
QUESTION = ScoreRequest(context="A", choices=(" B", " C"))


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setattr("llmsynthor.llm.patience.FIRST_WAIT", 0.01)


def remote(address: str, *, patience: float = 3, seconds: float = 1.0) -> Remote:
    return open_remote("m", Server(base_url=address, patience=patience, answer_seconds=seconds))


@pytest.mark.parametrize("name", sorted(manners({})))
def test_all_manners_of_answering_are_read(name: str) -> None:
    """Text, parts, streams, thinking aloud, packed bodies and accounts that are none: the answer is read."""
    with serving(name) as server:
        written = remote(server.address).write(REQUEST)
    assert '"count": 50' in written.text
    assert 0 <= written.usage.prompt_tokens < 1_000


NO_ANSWERS = sorted(
    set(BODIES) - {"content null", "control characters", "brackets", "prose", "wrong schema", "thinks on"}
)


@pytest.mark.parametrize(
    "name",
    [
        *NO_ANSWERS,
        "large",
        "bomb",
        "endless",
        "pieces",
        "empty gzip",
        "cut",
        "half gzip",
        "bad chunk",
        "no http",
        "many headers",
    ],
)
def test_what_is_no_answer_is_a_bad_answer(name: str) -> None:
    """A body that does not fit is a bad answer with a reason, within two seconds and 300 MB, whatever it is."""
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    with serving(name) as server, pytest.raises(BadAnswerError) as caught:
        remote(server.address).write(REQUEST)
    assert caught.value.reason
    assert KEY not in str(caught.value)
    assert time.monotonic() - began < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000


@pytest.mark.parametrize("name", ["hang", "drip", "drip body", "endless header"])
def test_slow_answers_are_given_up(name: str) -> None:
    """The seconds of the whole answer are bounded, not those between two bytes."""
    began = time.monotonic()
    with serving(name) as server, pytest.raises((OutageError, BadAnswerError)):
        remote(server.address, patience=0.1, seconds=0.5).write(REQUEST)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("name", ["429", "429 retry", "429 odd retry", "500", "503 html", "close", "reset", "banner"])
@pytest.mark.slow
def test_passing_failures_are_waited_out(name: str) -> None:
    """A server that is busy or away twice is asked a third time, after the seconds it asks for."""
    began = time.monotonic()
    with serving(lambda number, *_: name if number < 2 else GOOD) as server:
        assert json.loads(remote(server.address).write(REQUEST).text)["count"] == 50
    assert (time.monotonic() - began > 2) == (name == "429 retry")


def test_server_that_stays_away_ends_the_asking() -> None:
    """When the patience is at its end, that is said with what to do."""
    with serving("500") as server, pytest.raises(OutageError, match="--resume"):
        remote(server.address, patience=0.3).write(REQUEST)
    with pytest.raises(OutageError, match="cannot be reached"):
        remote("http://127.0.0.1:9/v1", patience=0.3).write(REQUEST)


def test_longer_pause_than_the_patience_is_not_waited_for() -> None:
    """A server that asks for more time than there is patience is given up at once."""
    began = time.monotonic()
    with serving("429 retry") as server, pytest.raises(OutageError):
        remote(server.address, patience=0.5).write(REQUEST)
    assert time.monotonic() - began < 0.5


@pytest.mark.parametrize(("status", "word"), [("401", "OPENAI_API_KEY"), ("403", "OPENAI_API_KEY"), ("404", "name")])
def test_refusals_are_said_at_the_first_request(status: str, word: str) -> None:
    """A wrong key or model is one request and an error; later it ends the asking, and what was answered is used."""
    with serving(status) as server:
        with pytest.raises(ServerError, match=word):
            remote(server.address).write(REQUEST)
        assert len(server.asked) == 1
    with serving(lambda number, *_: status if number else GOOD) as server:
        asked = remote(server.address)
        asked.write(REQUEST)
        with pytest.raises(OutageError, match=word):
            asked.write(REQUEST)


@pytest.mark.parametrize("name", ["echo", "echo 401", "302", "418", "204"])
def test_echoed_keys_are_stars(name: str) -> None:
    """What a server repeats of the request is shown without the key; redirects are not followed."""
    with serving(name) as server:
        with pytest.raises(LLMError) as caught:
            remote(server.address.replace("//", "//user:pass-word-1@")).write(REQUEST)
        assert len(server.asked) == 1
    shown = f"{caught.value} {caught.value.__cause__!r}"
    assert KEY not in shown
    assert "pass-word-1" not in shown


def test_lesser_servers_are_asked_their_way() -> None:
    """A server without schemas is asked for an object, one without that in words; what worked is remembered."""
    seen: list[str] = []

    def schedule(_number: int, _path: str, body: Any) -> str:
        seen.append(body.get("response_format", {}).get("type", "words"))
        return "fenced" if seen[-1] == "words" else "400"

    with serving(schedule) as server:
        asked = remote(server.address)
        asked.write(REQUEST)
        asked.write(REQUEST)
    assert seen == ["json_schema", "json_object", "words", "words"]


def test_refused_question_is_a_bad_answer() -> None:
    """Once a way of asking works, a refusal concerns one question and not the server."""
    with serving(lambda number, *_: "400" if number == 1 else GOOD) as server:
        asked = remote(server.address)
        asked.write(REQUEST)
        with pytest.raises(BadAnswerError, match="400"):
            asked.write(REQUEST)
        asked.write(REQUEST)


ODD_SCORES = [
    {},
    None,
    [],
    "x",
    {"completion_probabilities": None},
    {"completion_probabilities": []},
    {"completion_probabilities": [{"top_logprobs": [{"logprob": -1}]}]},
    {"completion_probabilities": [{"top_logprobs": [{"id": 1, "logprob": "-1"}]}]},
    {"completion_probabilities": [{"top_logprobs": {}}]},
    {"completion_probabilities": [{"top_logprobs": [{"id": 10**30, "logprob": -1}]}]},
]


@pytest.mark.parametrize("body", [*ODD_SCORES, {"tokens": "1"}, {"tokens": [None]}, {"tokens": [{}]}, {"tokens": {}}])
def test_odd_scores_are_no_scores(body: Any) -> None:
    """A server whose tokens or probabilities are of another form is asked three times, then taken for one without scores."""
    raw = f"raw:{json.dumps(body)}"
    tokens = 'raw:{"tokens": [1]}'
    plan = (lambda _n, path, _b: raw if path == "/completion" else tokens) if body in ODD_SCORES else raw
    with serving(plan) as server:
        asked = remote(server.address)
        for error in (BadAnswerError, BadAnswerError, CannotScoreError):
            with pytest.raises(error):
                asked.score(QUESTION)


def test_scores_are_read() -> None:
    """A llama.cpp server's probabilities are summed over tokens; null is next to impossible."""
    listed = [{"id": 1, "logprob": -0.5}, {"id": 2, "logprob": None}]
    scored = "raw:" + json.dumps({"completion_probabilities": [{"top_logprobs": listed}], "tokens_evaluated": 4})

    def schedule(_number: int, path: str, body: Any) -> str:
        return f'raw:{{"tokens": [{2 if body.get("content") == " C" else 1}]}}' if path == "/tokenize" else scored

    with serving(schedule) as server:
        found = remote(server.address).score(QUESTION)
    assert found.log_probabilities == (-0.5, -100.0)
    assert found.usage.prompt_tokens == 4


def test_missing_key_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key and without a server of one's own nothing is sent."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(LLMError, match="OPENAI_API_KEY"):
        open_remote("m")


@pytest.mark.parametrize("name", sorted(STATUSES))
def test_every_status_ends_in_an_error_of_the_house(name: str) -> None:
    """Whatever a status is, the outcome is one of the errors that callers know."""
    with serving(name) as server, pytest.raises(LLMError):
        remote(server.address, patience=0.05, seconds=0.5).write(REQUEST)


@pytest.mark.slow
@pytest.mark.model
def test_real_server_writes_and_scores(server: str, small: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real llama.cpp server writes JSON that fits the schema, and scores as the embedded model does."""
    monkeypatch.setenv("OPENAI_API_KEY", "secret-key")
    asked = open_remote("smollm2", Server(base_url=f"{server}/v1"))
    found = json.loads(asked.write(REQUEST).text)
    assert set(found) == {"sex", "count"}
    assert found["sex"] in ("Female", "Male")
    assert isinstance(asked, Scorer)
    question = ScoreRequest(context="The capital of France is", choices=(" Paris", " London", " Berlin"))
    there, here = asked.score(question).log_probabilities, small.score(question).log_probabilities
    assert there == pytest.approx(here, abs=0.05)
    assert there[0] == max(there)


@pytest.mark.model
def test_real_server_refuses_a_wrong_key(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong key is an error that names the key's variable."""
    monkeypatch.setenv("OPENAI_API_KEY", "wrong")
    with pytest.raises(ServerError, match="OPENAI_API_KEY"):
        open_remote("smollm2", Server(base_url=f"{server}/v1")).write(REQUEST)
