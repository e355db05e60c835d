"""Runs with servers that do wrong: they end well, lose nothing that was answered, and say what came to nothing."""

import json
import random
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import llmsynthor as ls
from llmsynthor.llm.remote import WAYS
from tests.llm.faults import BODIES, GOOD, Schedule, events, http, said, serving

KEY = "sk-planted-key-4711"
QUICK = {"records": 300, "llm": "openai:m", "seed": 1}


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setattr("llmsynthor.llm.patience.FIRST_WAIT", 0.01)


def server(address: str, *, patience: float = 5.0, seconds: float = 3.0, **more: Any) -> ls.Server:
    return ls.Server(base_url=address, patience=patience, answer_seconds=seconds, **more)


def rows(folder: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(folder / "ledger.sqlite")) as base:
        return base.execute(query).fetchall()


def by_chance(**shares: float) -> Schedule:
    rng = random.Random(7)
    names, weights = [*shares, GOOD], [*shares.values(), 1 - sum(shares.values())]
    return lambda *_: rng.choices(names, weights)[0]


@pytest.mark.slow
def test_every_loss_is_in_the_ledger(spec: ls.Spec, tmp_path: Path) -> None:
    """A server with a third of failures of every kind: the run ends well, and each bad answer has its reason."""
    plan = by_chance(
        **{"429": 0.15, "500": 0.05, "close": 0.05, "cut": 0.05, "hang": 0.02, "null": 0.05, "prose": 0.05}
    )
    with serving(plan) as there:
        solution = ls.synthesize(spec, out=tmp_path / "out", server=server(there.address, seconds=0.3), **QUICK)
        asked, done = len(there.asked), Counter(name for _, name in there.asked)
    assert solution.exit_code == 0
    assert solution.manifest["status"] == "done"
    lost = rows(tmp_path / "out", "select reason from losses")
    assert len(lost) == solution.manifest["usage"]["lost"] == done["cut"] + done["null"]
    assert all(reason for (reason,) in lost)
    assert asked > solution.manifest["usage"]["calls"] > 5
    assert all(outcome for (outcome,) in rows(tmp_path / "out", "select outcome from calls where answer != 'null'"))


@pytest.mark.slow
def test_absent_server_leaves_a_run_that_goes_on(spec: ls.Spec, tmp_path: Path) -> None:
    """A server that goes away ends the asking: records are made, exit code 3; with resume the rest is asked, nothing twice."""
    out, gone = tmp_path / "out", {"now": False}
    with serving(lambda number, *_: "503 html" if gone["now"] and number > 4 else GOOD) as there:
        gone["now"] = True
        solution = ls.synthesize(spec, out=out, server=server(there.address, patience=0.2, concurrency=1), **QUICK)
        assert solution.exit_code == 3
        assert solution.stop is ls.StopReason.SERVER_AWAY
        assert "stays away" in solution.stop_reason
        assert solution.records["person"].height == 300
        answered = len(rows(out, "select 1 from calls where answer != 'null'"))
        gone["now"], there.asked[:], there.bodies[:] = False, [], []
        again = ls.synthesize(spec, out=out, resume=True, server=server(there.address), **QUICK)
        total = len(rows(out, "select 1 from calls where answer != 'null'"))
        asked = zip(there.asked, there.bodies, strict=True)
        written = [path for (path, _), body in asked if path.endswith("chat/completions") and "logprobs" not in body]
        assert len(written) == total - answered > 0  # ways of scoring are probed anew
    assert again.exit_code == 0
    assert again.stop is ls.StopReason.ALIGNED


@pytest.mark.parametrize("calls", [0, 7, *(pytest.param(calls, marks=pytest.mark.slow) for calls in (1, 2))])
def test_budget_of_calls_holds_to_the_call(spec: ls.Spec, calls: int) -> None:
    """As many answers are paid for as were allowed, one after another or at once, good or bad; ways of scoring are probed once."""
    for name in (GOOD, "null"):
        with serving(name) as there:
            ls.synthesize(spec, server=server(there.address), max_calls=calls, **QUICK)
            asked = zip(there.asked, there.bodies, strict=True)
            probed = [path for (path, _), body in asked if "chat" not in path or "logprobs" in body]
            assert there.count(name) - len(probed) <= calls
            assert len(probed) < 2 * len(WAYS)
            assert there.count(name) >= min(calls, 1)


WHOLE_RUNS = ("cut json", "deep", "prose", "wrong schema", "broken stream")
"""Bodies that a whole run meets in the quick tests; `tests/llm` reads each of them by itself."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in WHOLE_RUNS else [pytest.mark.slow]) for name in sorted(BODIES)]
)
@pytest.mark.slow
def test_answers_that_are_none_end_the_asking(name: str, spec: ls.Spec) -> None:
    """A server that never answers well is asked a bounded number of times; the records are made without it."""
    with serving(name) as there:
        solution = ls.synthesize(spec, server=server(there.address), **QUICK)
        assert len(there.asked) < 120
    assert solution.exit_code == 0
    assert solution.manifest["usage"]["dropped"] > 0


ECHOES = ("echo", "echo said", "echo 401", "302", "418")


@pytest.mark.parametrize("name", ECHOES)
@pytest.mark.slow
def test_echoed_keys_are_nowhere(
    name: str, spec: ls.Spec, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """A server that repeats the key and the password leaves them in no file, no log and no message."""
    out, said = tmp_path / "out", ""
    with serving(lambda number, *_: name if number % 2 or name == "echo said" else "echo") as there:
        address = there.address.replace("//", "//user:pass-word-4711@")
        try:
            ls.synthesize(spec, out=out, server=server(address), **QUICK)
        except ls.LLMError as error:
            said = str(error)
        assert any(KEY in headers for headers in there.headers)
    kept = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    for secret in (KEY, "pass-word-4711"):
        assert secret.encode() not in kept
        assert secret not in said + caplog.text + "".join(capfd.readouterr())


def test_refused_key_is_said_before_any_work(spec: ls.Spec, tmp_path: Path) -> None:
    """A wrong key is one request and an error; run.json says that the run failed."""
    with serving("401") as there, pytest.raises(ls.LLMError, match="OPENAI_API_KEY"):
        ls.synthesize(spec, out=tmp_path / "out", server=server(there.address), **QUICK)
    assert len(there.asked) == 1
    assert '"status": "failed"' in (tmp_path / "out" / "run.json").read_text(encoding="utf-8")


HEADERS = (
    "Set-Cookie",
    "Location",
    "WWW-Authenticate",
    "Server",
    "ETag",
    "Retry-After",
    "Content-Type",
    "X-Request-Id",
    "Date",
    "Link",
)
FIELDS = (
    "id",
    "model",
    "object",
    "system_fingerprint",
    "created",
    "service_tier",
    "usage",
    "error",
    "warning",
    "request_id",
)


def planted() -> list[bytes]:
    """Whole answers with the key in one place each: status line, headers, fields, an answer's parts, errors, bodies of any kind."""
    good = {"choices": [{"message": {"role": "assistant", "content": "no"}}]}
    found = [http(200, json.dumps(good).encode(), f"{name}: {KEY}") for name in HEADERS]
    found += [said({**good, field: KEY}) for field in FIELDS]
    choice = good["choices"][0]
    for own in ({"finish_reason": KEY}, {"index": KEY}, {"logprobs": KEY}, {"text": KEY}, {KEY: 1}, {"message": KEY}):
        found.append(said({"choices": [{**choice, **own}]}))
    for own in ({"role": KEY}, {"content": KEY}, {"refusal": KEY}, {"tool_calls": [KEY]}, {"reasoning_content": KEY}):
        found.append(said({"choices": [{"message": {"role": "assistant", "content": "no", **own}}]}))
    found += [http(status, json.dumps({"error": {"message": KEY, "code": KEY}}).encode()) for status in (400, 422, 500)]
    found += [f"HTTP/1.1 200 {KEY}\r\nContent-Length: 0\r\n\r\n".encode(), f"HTTP/1.1 503 {KEY}\r\n\r\n".encode()]
    found += [KEY.encode(), http(200, KEY.encode()), http(200, f"<html>{KEY}".encode(), kind="text/html")]
    return [*found, events([KEY, "{"])]


@pytest.mark.slow
@pytest.mark.parametrize("quarter", range(4))
def test_a_key_in_forty_places_is_nowhere(
    quarter: int, spec: ls.Spec, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Wherever in its answers a server repeats the key, no file, log or message has it; every second answer is a good one."""
    answers, out, said_last = planted()[quarter::4], tmp_path / "out", ""
    assert len(planted()) == 40
    with serving(
        lambda number, *_: f"bytes:{answers[number // 2 % 10].decode('latin-1')}" if number % 2 else GOOD
    ) as there:
        try:
            ls.synthesize(spec, out=out, server=server(there.address, patience=0.2, concurrency=1), **QUICK)
        except ls.LLMError as error:
            said_last = str(error)
        assert len(there.asked) >= 20
    kept = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    assert KEY.encode() not in kept
    assert KEY not in said_last + caplog.text + "".join(capfd.readouterr())
