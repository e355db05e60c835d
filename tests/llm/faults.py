"""A server on loopback that speaks like OpenAI's and does wrong by a schedule: bytes on a socket, so that anything can be sent."""

import gzip
import json
import socket
import socketserver
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

GOOD = "good"
Schedule = Callable[[int, str, Mapping[str, Any]], str]
"""(number of the request, its path, its body) → the name of what is done."""


def fitting(schema: Mapping[str, Any]) -> Any:  # noqa: PLR0911  (one for each kind)
    """The simplest value that fits a JSON schema of the kind that prompts use."""
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return schema["enum"][0]
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return fitting(schema[several][0])
    kind = schema.get("type", "object")
    if kind == "object":
        return {name: fitting(own) for name, own in schema.get("properties", {}).items()}
    if kind == "array":
        return [fitting(schema.get("items", {"type": "string"}))] * int(schema.get("minItems", 0))
    if kind in ("integer", "number"):
        return max(schema.get("minimum", 0), min(50, schema.get("maximum", 50)))
    return "a plain reason of some words" if kind == "string" else kind == "boolean" or None


def answer(body: Mapping[str, Any]) -> str:
    """What a good model would say."""
    asked = body.get("response_format", {}).get("json_schema", {}).get("schema", {"type": "object"})
    return json.dumps(fitting(asked))


def chat(content: Any, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}
    return {"id": "x", "choices": [choice], "usage": {"prompt_tokens": 7, "completion_tokens": 5}, **more}


def http(status: int, body: bytes, *headers: str, kind: str = "application/json", length: int | None = None) -> bytes:
    lines = [
        f"HTTP/1.1 {status} S",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body) if length is None else length}",
    ]
    return "\r\n".join([*lines, *headers, "Connection: close", "", ""]).encode("utf-8", "surrogateescape") + body


def said(value: Any) -> bytes:
    return http(200, json.dumps(value).encode())


def events(texts: list[str], *, end: bool = True) -> bytes:
    lines = [f"data: {json.dumps({'choices': [{'delta': {'content': text}}]})}\n\n" for text in texts]
    return http(200, ("".join(lines) + ("data: [DONE]\n\n" if end else "")).encode(), kind="text/event-stream")


@cache
def bomb() -> bytes:
    packing, block = zlib.compressobj(1, wbits=31), b"[" * (1 << 20)
    return http(200, b"".join(packing.compress(block) for _ in range(200)) + packing.flush(), "Content-Encoding: gzip")


BODIES: dict[str, bytes] = {
    "no body": b"",
    "html": b"<html><body>busy</body></html>",
    "cut json": b'{"choices": [{"message": {"con',
    "null": b"null",
    "list": b"[]",
    "string": b'"hello"',
    "number": b"17",
    "nan": b"NaN",
    "no utf-8": b'{"choices": "\xff\xfe"}',
    "deep": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "huge number": b'{"choices": 1' + b"0" * 100_000 + b"}",
    "choices a string": b'{"choices": "x"}',
    "choices an object": b'{"choices": {}}',
    "choices empty": b'{"choices": []}',
    "choices null": b'{"choices": null}',
    "no message": b'{"choices": [{}]}',
    "message null": b'{"choices": [{"message": null}]}',
    "message a string": b'{"choices": [{"message": "x"}]}',
    "content a number": b'{"choices": [{"message": {"content": 3}}]}',
    "content an object": b'{"choices": [{"message": {"content": {}}}]}',
    "content null": b'{"choices": [{"message": {"content": null}}]}',
    "error inside": b'{"error": {"message": "out of memory"}}',
    "empty lists": b'{"x": [' + b"[]," * 1_000_000 + b"[]]}",
    "control characters": b'{"choices": [{"message": {"content": "\\u0000\\u001b[31m\\ud800\\u202e"}}]}',
    "brackets": json.dumps(chat('[{"' * 33_000)).encode(),
    "prose": json.dumps(chat("Certainly! I would say nine.")).encode(),
    "wrong schema": json.dumps(chat('{"what": 1}')).encode(),
    "thinks on": json.dumps(chat("<think>let me see {")).encode(),
    "broken stream": b'data: {"choices": [{"delta": {"content": "{\\"a"}}]}\n\ndata: {"error": "gone"}\n\n',
}
"""Bodies of status 200 that hold no answer."""


def usages(body: Mapping[str, Any]) -> dict[str, bytes]:
    """Good answers with an account that is none."""
    odd = {
        "a string": "x",
        "a list": [1],
        "null": None,
        "huge": {"prompt_tokens": 10**30},
        "less": {"prompt_tokens": -4},
    }
    found = {f"usage {name}": said(chat(answer(body), usage=usage)) for name, usage in odd.items()}
    text = json.dumps(chat(answer(body))).replace('"prompt_tokens": 7', '"prompt_tokens": NaN')
    return {**found, "usage nan": http(200, text.encode())}


def manners(body: Mapping[str, Any]) -> dict[str, bytes]:
    """Good answers in all the ways in which servers give them."""
    text = answer(body)
    return {
        "parts": said(chat([{"type": "text", "text": text[:4]}, {"type": "text", "text": text[4:]}])),
        "part texts": said(chat([text[:3], text[3:]])),
        "stream": events([text[k : k + 5] for k in range(0, len(text), 5)]),
        "thinking": said(chat(f"<think>First {{this}}, then that.</think>\n{text}")),
        "thought": said(chat(f"hm, {{so}} be it</think>{text}")),
        "fenced": said(chat(f"Of course:\n```json\n{text}\n```")),
        "gzip": http(200, gzip.compress(json.dumps(chat(text)).encode()), "Content-Encoding: gzip"),
        **usages(body),
    }


STATUSES = {
    "429": http(429, b"{}"),
    "429 retry": http(429, b'{"error": "slow down"}', "Retry-After: 1"),
    "429 odd retry": http(429, b"{}", "Retry-After: soon"),
    "500": http(500, b"<html>"),
    "503 html": http(503, b"<html>busy</html>", kind="text/html"),
    "302": http(302, b"", "Location: http://127.0.0.1:1/"),
    "204": http(204, b"", length=0),
    "418": http(418, b'{"detail": "teapot"}'),
    "no http": b"220 mail.example ESMTP\r\n\r\n",
    "banner": b"SSH-2.0-OpenSSH_9.6\r\n",
    "cookie": http(500, b"{}", "Set-Cookie: a=b; Path=/"),
    "half gzip": http(200, gzip.compress(b"{}" * 500)[:30], "Content-Encoding: gzip"),
    "bad length": http(200, b"{}", length=-5),
    "many headers": b"HTTP/1.1 200 S\r\n" + b"X-A: 1\r\n" * 5_000 + b"\r\n{}",
    "odd packing": http(200, b"x" * 50, "Content-Encoding: br"),
    "no gzip": http(200, b"x" * 50, "Content-Encoding: gzip"),
    "cut": http(200, b'{"choices": [', length=5_000),
    "bad chunk": b"HTTP/1.1 200 S\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n",
}


class Faulty:
    """What a test sees of the server: its address, what it was asked, what it did."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule, self.asked, self.bodies = schedule, list[tuple[str, str]](), list[Mapping[str, Any]]()
        self.headers, self.times = list[str](), list[float]()
        self.latency, self.quick_refusals = 0.0, False
        self.stop = threading.Event()
        self.address = ""
        self.lock = threading.Lock()

    def count(self, name: str) -> int:
        return sum(own == name for _, own in self.asked)


class _Handler(socketserver.StreamRequestHandler):
    server: Any

    def handle(self) -> None:
        faulty: Faulty = self.server.faulty
        try:
            self._answer(faulty)
        except (ConnectionError, OSError):
            return

    def _answer(self, faulty: Faulty) -> None:
        first = self.rfile.readline().decode("latin-1")
        if not first.strip():  # the client has gone
            return
        headers = ""
        while (line := self.rfile.readline().decode("latin-1")).strip():
            headers += line
        length = next((int(h.split(":")[1]) for h in headers.splitlines() if h.lower().startswith("content-length")), 0)
        body = json.loads(self.rfile.read(length) or b"{}")
        path = first.split(" ")[1]
        with faulty.lock:
            name = faulty.schedule(len(faulty.asked), path, body)
            faulty.asked.append((path, name))
            faulty.bodies.append(body)
            faulty.headers.append(headers)
            faulty.times.append(time.monotonic())
        refused = faulty.quick_refusals and (name.isdigit() or name.startswith(("429", "5")))
        if faulty.latency and not refused:
            time.sleep(faulty.latency)
        self._do(name, path, body, headers, faulty)

    def _do(self, name: str, path: str, body: Mapping[str, Any], headers: str, faulty: Faulty) -> None:  # noqa: PLR0912  (a list of deeds)
        send = self.wfile.write
        if name == "hang":
            faulty.stop.wait(60)
        elif name == "close":
            return
        elif name == "reset":
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        elif name == "drip":
            for byte in http(200, b"{" * 1_000):
                send(bytes([byte]))
                if faulty.stop.wait(0.2):
                    return
        elif name == "drip body":
            send(http(200, b"", length=10_000))
            while not faulty.stop.wait(0.2):
                send(b" ")
        elif name in ("endless", "endless header"):
            send(b"HTTP/1.1 200 S\r\n" + (b"\r\n" if name == "endless" else b"X-A: "))
            while not faulty.stop.is_set():
                send(b" " * 65_536)
        elif name in ("pieces", "empty gzip"):
            packed = "Content-Encoding: gzip\r\n" if name == "empty gzip" else ""
            send(f"HTTP/1.1 200 S\r\n{packed}Transfer-Encoding: chunked\r\n\r\n".encode())
            while not faulty.stop.is_set():
                send(b"1\r\n \r\n" * 10_000 if name == "pieces" else b"14\r\n" + gzip.compress(b"", mtime=0) + b"\r\n")
        elif name == "large":
            send(http(200, b'{"choices": "' + b"x" * (50 << 20) + b'"}'))
        elif name == "bomb":
            send(bomb())
        elif name == "echo":
            send(http(200, json.dumps({"error": {"message": headers}, "choices": headers}).encode()))
        elif name == "echo 401":
            send(http(401, json.dumps({"error": {"message": f"not this: {headers}"}}).encode()))
        elif name == "echo said":
            send(said(chat(json.dumps({**json.loads(answer(body)), "reason": headers}))))
        elif name in BODIES:
            send(http(200, BODIES[name]))
        elif name in STATUSES:
            send(STATUSES[name])
        elif name.isdigit():
            send(http(int(name), b'{"error": {"message": "no"}}'))
        elif name.startswith("bytes:"):
            send(name[6:].encode("latin-1"))
        elif name.startswith("raw:"):
            send(http(200, name[4:].encode("utf-8", "surrogateescape")))
        elif path.endswith(("/tokenize", "/completion")):
            send(http(404, b"{}"))
        elif name in (found := manners(body)):
            send(found[name])
        else:
            assert name == GOOD, name
            send(said(chat(answer(body))))


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True
    block_on_close = False
    request_queue_size = 128


@contextmanager
def serving(schedule: Schedule | str) -> Iterator[Faulty]:
    """Serve by a schedule, or one thing always."""
    plan: Schedule = (lambda *_: schedule) if isinstance(schedule, str) else schedule
    faulty = Faulty(plan)
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.faulty = faulty  # type: ignore[attr-defined]
        faulty.address = f"http://127.0.0.1:{server.server_address[1]}/v1"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield faulty
        finally:
            faulty.stop.set()
            server.shutdown()
