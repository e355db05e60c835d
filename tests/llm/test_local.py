"""The embedded model, with the real small weights."""

import json
import math
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from llmsynthor.errors import BadAnswerError, LLMError, OutageError
from llmsynthor.llm.backend import Identity, Scorer, ScoreRequest, Writer, WriteRequest
from llmsynthor.llm.child import CONTEXT_TOKENS, RESTARTS
from llmsynthor.llm.local import Local

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


LISTENING = [Path(f"/proc/net/{name}") for name in ("tcp", "tcp6", "udp", "udp6") if Path(f"/proc/net/{name}").exists()]


@pytest.mark.skipif(not LISTENING, reason="reads the kernel's tables of sockets")
def test_no_port_listens(small: Local) -> None:
    """Neither this process nor the engine's has a socket of the network; the one between them lies where only the user may look."""
    for process in (os.getpid(), small._engine.process):
        own = {str(entry.readlink()) for entry in Path(f"/proc/{process}/fd").iterdir() if entry.is_symlink()}
        for table in LISTENING:
            lines = [line.split() for line in table.read_text().splitlines()[1:]]
            listening = [line for line in lines if f"socket:[{line[9]}]" in own and line[3] in ("0A", "07")]
            assert listening == [], table
    folder = Path(str(small._engine.folder))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_socket_wants_a_key(small: Local) -> None:
    """Another process of the same user that finds the socket is not answered, but for the health check."""
    transport = httpx.HTTPTransport(uds=f"{small._engine.folder}/engine.sock")
    with httpx.Client(transport=transport, base_url="http://engine", trust_env=False) as client:
        for path in ("/v1/models", "/props", "/slots", "/completion", "/tokenize", "/"):
            assert client.get(path).status_code in (401, 403, 404, 501)
        assert not client.get("/health").headers.get("Access-Control-Allow-Origin")


@pytest.mark.slow
def test_crash_is_a_bad_answer_and_the_engine_is_back(weights: Path) -> None:
    """An engine that dies costs the question; the next one is answered as if nothing had been; too many end the asking."""
    model = Local(weights, Identity(name="local:smollm2-135m", digest="test"))
    said = model.write(REQUEST).text
    for crash in range(RESTARTS + 1):
        os.kill(model._engine.process, signal.SIGKILL if crash % 2 else signal.SIGSEGV)
        with pytest.raises(BadAnswerError if crash < RESTARTS else OutageError, match="crashed"):
            model.write(REQUEST)
        if crash == 0:
            assert model.write(REQUEST).text == said
    with pytest.raises(OutageError):
        model.score(ScoreRequest(context="A", choices=(" b",)))


@pytest.mark.slow
def test_engine_ends_with_its_owner(weights: Path) -> None:
    """A process that is killed leaves no engine, whatever the engine was doing."""
    code = (
        "import sys, time; from pathlib import Path; from llmsynthor.llm.child import Child; "
        "child = Child(Path(sys.argv[1])); print(child.process, child.folder, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(weights)], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        process, folder = owner.stdout.readline().split()
        owner.kill()
    end = time.monotonic() + 5
    while Path(f"/proc/{process}").exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert not Path(f"/proc/{process}").exists()
    assert not Path(folder).exists()


def test_engine_is_silent(capfd: pytest.CaptureFixture[str], small: Local) -> None:
    """Nothing is printed while it works."""
    small.write(REQUEST)
    small.score(ScoreRequest(context="A", choices=(" b",)))
    assert capfd.readouterr() == ("", "")
