"""The exchange itself: the way there, and that nothing of one answer reaches the next request."""

import logging

import pytest

from llmsynthor.errors import ChoiceError
from llmsynthor.llm.endpoint import read_endpoint
from llmsynthor.llm.wire import Bounds, WireError, post
from llmsynthor.texts import Secret
from tests.llm.faults import GOOD, serving

KEY = Secret("sk-wire-key-0123")


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def test_proxies_of_the_environment_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server elsewhere is asked through the proxy, with the proxy's own login; its password is shown nowhere."""
    with serving(GOOD) as there:
        monkeypatch.setenv("http_proxy", there.address.replace("/v1", "").replace("//", "//who:pass-word-0815@"))
        endpoint = read_endpoint("http://models.example:8000/v1")
        reply = post(endpoint, "chat/completions", b"{}", key=KEY, bounds=Bounds(seconds=5))
    assert reply.status == 200
    assert there.asked[0][0] == "http://models.example:8000/v1/chat/completions"
    assert "proxy-authorization: basic" in there.headers[0].lower()
    assert "pass-word" not in repr(endpoint.proxy())


def test_this_machine_is_asked_without_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server on loopback is reached though a proxy is set that is not there."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with serving(GOOD) as there:
        reply = post(read_endpoint(there.address), "models", b"{}", key=None, bounds=Bounds(seconds=5))
    assert reply.status == 200


def test_tunnel_that_is_refused_is_a_server_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that opens no tunnel sees no key, and the server counts as away."""
    with serving("500") as there:
        monkeypatch.setenv("https_proxy", there.address.replace("/v1", ""))
        with pytest.raises(WireError) as caught:
            post(read_endpoint("https://models.example/v1"), "models", b"", key=KEY, bounds=Bounds(seconds=5))
    assert caught.value.fault == "away"
    assert all(KEY.reveal() not in headers for headers in there.headers)


@pytest.mark.parametrize("proxy", ["socks5://h:1", "http://h:port", "http://\x01", "http://["])
def test_bad_proxy_is_said(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that names no proxy is named, and is no crash."""
    monkeypatch.setenv("http_proxy", proxy)
    with pytest.raises(ChoiceError, match="http_proxy"):
        read_endpoint("http://models.example/v1").proxy()


def test_nothing_of_an_answer_reaches_the_next_request() -> None:
    """Redirects are not followed, cookies not sent back."""
    names = iter(["302", "cookie", GOOD])
    with serving(lambda *_: next(names)) as there:
        endpoint = read_endpoint(there.address)
        statuses = [post(endpoint, "x", b"{}", key=KEY, bounds=Bounds(seconds=5)).status for _ in range(3)]
    assert statuses == [302, 500, 200]
    assert len(there.asked) == 3
    assert "cookie" not in there.headers[2].lower()


def test_client_writes_no_headers_down(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever listens to all logs sees no header that a server sent back."""
    with caplog.at_level(logging.DEBUG), serving("echo") as there:
        post(read_endpoint(there.address), "x", b"{}", key=KEY, bounds=Bounds(seconds=5))
    assert KEY.reveal() not in caplog.text
    assert "content-type" not in caplog.text.lower()
