"""The embedded model, with the real small weights."""

import json
import math
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from llmsynthor.errors import LLMError
from llmsynthor.llm.backend import Scorer, ScoreRequest, Writer, WriteRequest
from llmsynthor.llm.local import CONTEXT_TOKENS, Local

pytestmark = pytest.mark.model

SCHEMA = {
    "type": "object",
    "properties": {
        "zone": {"enum": ["north [1, 2)", "south"]},
        "age": {"type": "integer", "minimum": 1, "maximum": 90},
        "reason": {"type": "string", "minLength": 5, "maxLength": 40},
    },
    "required": ["zone", "age", "reason"],
    "additionalProperties": False,
}
REQUEST = WriteRequest(system="You answer in JSON.", prompt="Invent a person.", json_schema=SCHEMA, seed=5)


def test_answers_fit_the_schema_in_its_order(small: Local) -> None:
    """Whatever the model would like to say, the grammar makes it JSON of the schema, fields in the schema's order."""
    written = small.write(REQUEST)
    answer = json.loads(written.text)
    assert list(answer) == ["zone", "age", "reason"]
    assert answer["zone"] in ("north [1, 2)", "south")
    assert 1 <= answer["age"] <= 90
    assert written.usage.completion_tokens > 5
    assert isinstance(small, Writer)
    assert isinstance(small, Scorer)


def test_seed_decides(small: Local) -> None:
    """The same seed writes the same text."""
    assert small.write(REQUEST).text == small.write(REQUEST).text


def test_truncated_answer_is_passed_on(small: Local) -> None:
    """An answer that is cut off comes back as it is, for validation to refuse."""
    cut = WriteRequest(system="s", prompt="p", json_schema=SCHEMA, max_tokens=3)
    with pytest.raises(json.JSONDecodeError):
        json.loads(small.write(cut).text)


def test_scores_are_log_probabilities(small: Local) -> None:
    """Choices that exclude each other have probabilities that add up to no more than one."""
    request = ScoreRequest(context="The opposite of hot is", choices=(" cold", " warm", " the", " a", " not"))
    scores = small.score(request).log_probabilities
    assert sum(math.exp(score) for score in scores) <= 1
    assert scores[0] == max(scores)


def test_long_choices_share_their_beginning(small: Local) -> None:
    """A longer choice never scores more than its beginning."""
    short, long = small.score(
        ScoreRequest(context="She has a", choices=(" master", " master's degree"))
    ).log_probabilities
    assert long < short


def test_scores_do_not_depend_on_what_was_asked_before(small: Local) -> None:
    """The cache of prefixes moves a score by float noise at most (the ledger makes a replay exact)."""
    request = ScoreRequest(context="Sex: female. Age group:", choices=(" 25-34", " 35-44", " 0-4"))
    first = small.score(request).log_probabilities
    small.score(ScoreRequest(context="Sex: male. Age group:", choices=(" 25-34", " 35-44")))
    assert small.score(request).log_probabilities == pytest.approx(first, abs=0.05)


def test_question_that_is_too_long_is_refused(small: Local) -> None:
    """A question longer than the context is an error that says so, not a crash."""
    with pytest.raises(LLMError, match="longer than"):
        small.write(WriteRequest(system="s", prompt="word " * (2 * CONTEXT_TOKENS), json_schema=SCHEMA))


def test_port_is_closed_to_others(small: Local) -> None:
    """The engine's port is on loopback only and answers nothing without the key but the health check."""
    address = small._server.listening_address
    assert address.startswith("http://127.0.0.1:")
    for path in ("/v1/models", "/props", "/slots", "/completion", "/tokenize", "/"):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{address}{path}", timeout=5)
        assert caught.value.code in (401, 403, 404, 501)
        caught.value.close()
    with urllib.request.urlopen(f"{address}/health", timeout=5) as answer:
        assert answer.headers.get("Access-Control-Allow-Origin") in (None, "")


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads the kernel's table of sockets")
def test_nothing_listens_to_the_outside(small: Local) -> None:
    """No listening socket of this process is bound to an address that others can reach."""
    port = int(small._server.listening_address.rsplit(":", 1)[1])
    own = {entry.stat().st_ino for entry in Path("/proc/self/fd").iterdir() if entry.exists()}
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = [line[1] for line in lines if line[3] == "0A" and int(line[9]) in own]
    loopback = socket.inet_aton("127.0.0.1")[::-1].hex().upper()
    assert listening == [f"{loopback}:{port:04X}"]


def test_engine_is_silent(capfd: pytest.CaptureFixture[str], small: Local) -> None:
    """Nothing is printed while it works."""
    small.write(REQUEST)
    small.score(ScoreRequest(context="A", choices=(" b",)))
    assert capfd.readouterr() == ("", "")
