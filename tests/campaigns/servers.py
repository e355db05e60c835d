"""Servers that do wrong in ways that are on no list of theirs: whole runs against each, always and for every second request."""

import gzip
import json
import time
import zlib
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import llmsynthor as ls
from tests.llm.faults import GOOD, Faulty, answer, chat, events, http, said, serving

Body = Mapping[str, Any]
ENDS = ("done", "failed")
LONGEST = 60.0
"""Seconds by the clock that a run against a server may take that never answers well, some of them waited for."""


def chunked(*parts: bytes, headers: str = "", trailers: str = "") -> bytes:
    """An answer in chunks."""
    lines = f"HTTP/1.1 200 S\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n{headers}\r\n".encode()
    return (
        lines + b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n" + f"{trailers}\r\n".encode()
    )


def stream(*lines: str, end: str = "\r\n\r\n") -> bytes:
    """Server-sent events, line by line."""
    return http(200, "".join(line + end for line in lines).encode(), kind="text/event-stream")


def delta(text: str, **more: Any) -> str:
    """One event of a stream."""
    return "data: " + json.dumps({"choices": [{"index": 0, "delta": {"content": text}, **more}], "usage": None})


def choice(**more: Any) -> bytes:
    """A body with one choice that holds so much beside an empty message."""
    message = {"role": "assistant", "content": None, **more.pop("message", {})}
    return said({"choices": [{"index": 0, "message": message, **more}], "usage": None})


def packed(body: Body) -> bytes:
    """A good body, to be packed."""
    return json.dumps(chat(answer(body))).encode()


def cut(body: Body, often: int) -> list[str]:
    """A good answer in so many parts."""
    text = answer(body)
    step = max(1, len(text) // often)
    return [text[k : k + step] for k in range(0, len(text), step)]


MODES: dict[str, Callable[[Body], bytes]] = {
    "length too short": lambda body: http(200, packed(body), length=20),
    "length twice": lambda body: http(200, packed(body), "Content-Length: 3"),
    "length and chunks": lambda body: chunked(packed(body), headers="Content-Length: 5\r\n"),
    "length of words": lambda _: b"HTTP/1.1 200 S\r\nContent-Length: many\r\n\r\n{}",
    "length of 10^20": lambda _: b"HTTP/1.1 200 S\r\nContent-Length: 100000000000000000000\r\n\r\n{}",
    "trailers": lambda body: chunked(packed(body), trailers="X-Key: 1\r\nContent-Length: 9\r\n"),
    "chunk extensions": lambda body: chunked(packed(body)).replace(b"\r\n{", b";a=b;c\r\n{", 1),
    "chunk of 2^64": lambda _: b"HTTP/1.1 200 S\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}",
    "chunk negative": lambda _: b"HTTP/1.1 200 S\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n{}",
    "chunks without end": lambda body: chunked(packed(body))[:-5],
    "100 before": lambda body: b"HTTP/1.1 100 Continue\r\n\r\n" + said(chat(answer(body))),
    "103 before": lambda body: b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" * 5 + said(chat(answer(body))),
    "100 for ever": lambda _: b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000,
    "101": lambda _: b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n\x81\x05hello",
    "199": lambda _: http(199, b"{}"),
    "205": lambda _: http(205, b"{}"),
    "206": lambda body: http(206, packed(body)[:40], "Content-Range: bytes 0-39/999"),
    "301 elsewhere": lambda _: http(301, b"", "Location: http://127.0.0.2:9/v1"),
    "307 elsewhere": lambda _: http(307, b"{}", "Location: http://127.0.0.2:9/v1"),
    "308 no place": lambda _: http(308, b"{}"),
    "304": lambda _: http(304, b"", 'ETag: "x"'),
    "402": lambda _: http(402, b'{"error": {"message": "no credit"}}'),
    "405": lambda _: http(405, b"{}", "Allow: GET"),
    "407": lambda _: http(407, b"{}", "Proxy-Authenticate: Basic"),
    "408": lambda _: http(408, b"{}"),
    "409": lambda _: http(409, b"{}"),
    "410": lambda _: http(410, b"{}"),
    "413": lambda _: http(413, b'{"error": {"message": "too long"}}'),
    "425": lambda _: http(425, b"{}"),
    "431": lambda _: http(431, b"{}"),
    "451": lambda _: http(451, b"{}"),
    "529": lambda _: http(529, b'{"type": "overloaded_error"}'),
    "599": lambda _: http(599, b"{}"),
    "600": lambda _: http(600, b"{}"),
    "999": lambda _: http(999, b"{}"),
    "status 0": lambda _: b"HTTP/1.1 000 S\r\nContent-Length: 0\r\n\r\n",
    "status of words": lambda _: b"HTTP/1.1 fine S\r\nContent-Length: 2\r\n\r\n{}",
    "status 20": lambda _: b"HTTP/1.1 20 S\r\nContent-Length: 2\r\n\r\n{}",
    "http 1.0": lambda body: b"HTTP/1.0 200 S\r\n\r\n" + packed(body),
    "http 0.9": packed,
    "http 2 preface": lambda _: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "http 3.7": lambda _: b"HTTP/3.7 200 S\r\nContent-Length: 2\r\n\r\n{}",
    "line feeds alone": lambda body: http(200, packed(body)).replace(b"\r\n", b"\n"),
    "cut in a header": lambda _: b"HTTP/1.1 200 S\r\nContent-Ty",
    "cut in the status": lambda _: b"HTTP/1.",
    "tls": lambda _: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)),
    "tls alert": lambda _: b"\x15\x03\x01\x00\x02\x02\x46",
    "redis": lambda _: b"-ERR unknown command\r\n",
    "nulls": lambda _: bytes(5_000),
    "header without a colon": lambda body: http(200, packed(body), "this is none"),
    "header folded": lambda body: http(200, packed(body), "X-A: 1\r\n 2"),
    "header of nulls": lambda body: http(200, packed(body), "X-A: \0\0"),
    "header of letters": lambda body: http(200, packed(body), "X-ä: ü"),
    "header of 90 kB": lambda body: http(200, packed(body), "X-A: " + "a" * 90_000),
    "cookies": lambda body: http(200, packed(body), *(f"Set-Cookie: a{k}=b; Domain=.com" for k in range(90))),
    "kind of another": lambda body: http(200, packed(body), kind="image/png; charset=klingon"),
    "charset of its own": lambda body: http(200, packed(body), kind="application/json; charset=utf-7"),
    "deflate": lambda body: http(200, zlib.compress(packed(body)), "Content-Encoding: deflate"),
    "deflate raw": lambda body: http(200, zlib.compress(packed(body))[2:-4], "Content-Encoding: deflate"),
    "gzip twice": lambda body: http(200, gzip.compress(gzip.compress(packed(body))), "Content-Encoding: gzip, gzip"),
    "gzip a hundred times": lambda _: http(200, b"x", "Content-Encoding: " + ", ".join(["gzip"] * 100)),
    "gzip of two": lambda body: http(200, gzip.compress(packed(body)) + gzip.compress(b" "), "Content-Encoding: gzip"),
    "gzip and rubbish": lambda body: http(200, gzip.compress(packed(body)) + b"rubbish", "Content-Encoding: gzip"),
    "gzip wrong sum": lambda body: http(200, gzip.compress(packed(body))[:-8] + b"12345678", "Content-Encoding: gzip"),
    "zstd": lambda _: http(200, b"\x28\xb5\x2f\xfd\x04\x00", "Content-Encoding: zstd"),
    "identity": lambda body: http(200, packed(body), "Content-Encoding: identity"),
    "encoding of none": lambda body: http(200, packed(body), "Content-Encoding: rot13"),
    "bom": lambda body: http(200, b"\xef\xbb\xbf" + packed(body)),
    "utf-16": lambda body: http(200, packed(body).decode().encode("utf-16")),
    "utf-32": lambda body: http(200, packed(body).decode().encode("utf-32")),
    "latin-1": lambda body: http(200, b'{"a": "\xe4", ' + packed(body)[1:]),
    "two bodies": lambda body: http(200, packed(body) * 2),
    "blanks before": lambda body: http(200, b" \r\n\t" * 50_000 + packed(body)),
    "a comment": lambda body: http(200, b"/* x */" + packed(body)),
    "keys twice": lambda body: http(200, b'{"choices": [], ' + packed(body)[1:]),
    "keys twice, the good first": lambda body: http(200, packed(body)[:-1] + b', "choices": null}'),
    "a hundred thousand keys": lambda body: http(
        200, json.dumps({**{f"k{k}": k for k in range(100_000)}, **chat(answer(body))}).encode()
    ),
    "a hundred choices": lambda body: said({**chat(answer(body)), "choices": chat(answer(body))["choices"] * 100}),
    "choices of other numbers": lambda body: said(
        {"choices": [{**chat(answer(body))["choices"][0], "index": k} for k in (-1, 10**30, "x", None)]}
    ),
    "infinity": lambda body: http(200, packed(body).replace(b'"prompt_tokens": 7', b'"prompt_tokens": 1e999')),
    "digits of 5,000": lambda body: http(
        200, packed(body).replace(b'"prompt_tokens": 7', b'"prompt_tokens": ' + b"7" * 5_000)
    ),
    "usage of halves": lambda body: said(chat(answer(body), usage={"prompt_tokens": 0.5, "completion_tokens": True})),
    "usage of a trillion": lambda body: said(
        chat(answer(body), usage={"prompt_tokens": 10**12, "completion_tokens": 1})
    ),
    "usage of lists inside": lambda body: said(chat(answer(body), usage={"prompt_tokens": [7]})),
    "another model": lambda body: said(chat(answer(body), model="\u202eevil\x00\ud800")),
    "a model of 1 MB": lambda body: said(chat(answer(body), model="m" * 1_000_000)),
    "tool calls": lambda body: choice(
        message={"tool_calls": [{"function": {"name": "answer", "arguments": answer(body)}}]},
        finish_reason="tool_calls",
    ),
    "function call": lambda body: choice(message={"function_call": {"name": "f", "arguments": answer(body)}}),
    "refusal": lambda _: choice(message={"refusal": "I cannot help with that."}),
    "content filter": lambda _: choice(finish_reason="content_filter"),
    "length": lambda body: choice(message={"content": answer(body)[:-3]}, finish_reason="length"),
    "reasoning alone": lambda body: choice(message={"reasoning_content": answer(body)}),
    "audio": lambda _: choice(message={"content": [{"type": "input_audio", "input_audio": {"data": "AAAA"}}]}),
    "an image": lambda _: choice(message={"content": [{"type": "image_url", "image_url": {"url": "http://x/"}}]}),
    "parts of parts": lambda body: choice(message={"content": [[{"type": "text", "text": answer(body)}]]}),
    "text in the choice": lambda body: said({"choices": [{"text": answer(body)}]}),
    "of another service": lambda body: said({"content": [{"type": "text", "text": answer(body)}], "role": "assistant"}),
    "ollama's": lambda body: said({"message": {"content": answer(body)}, "done": True}),
    "error of a list": lambda _: http(400, b'{"error": ["a", {"b": 1}]}'),
    "error of a string": lambda _: http(400, b'{"error": "' + b"e" * 900_000 + b'"}'),
    "error and choices": lambda body: said({**chat(answer(body)), "error": {"message": "yet"}}),
    "error null": lambda body: said({**chat(answer(body)), "error": None}),
    "logprobs of others": lambda body: said(
        {
            "choices": [
                {
                    **chat(answer(body))["choices"][0],
                    "logprobs": {
                        "content": [
                            {"token": "z", "logprob": -1e308, "bytes": [999], "top_logprobs": [{"token": "q"}]}
                        ],
                        "tokens": ["a"] * 3,
                        "token_logprobs": [None, 5.0],
                        "text_offset": [0, -1, 10**30],
                        "top_logprobs": [{"a": "b"}],
                    },
                }
            ]
        }
    ),
    "logprobs above nought": lambda body: said(
        {
            "choices": [
                {
                    **chat(answer(body))["choices"][0],
                    "logprobs": {"content": [{"token": t, "logprob": 700.0, "top_logprobs": []} for t in "ABCDEFGH"]},
                }
            ]
        }
    ),
    "stream": lambda body: stream(*map(delta, cut(body, 9)), "data: [DONE]"),
    "stream of line feeds": lambda body: stream(*map(delta, cut(body, 9)), "data: [DONE]", end="\n\n"),
    "stream of returns": lambda body: stream(*map(delta, cut(body, 9)), "data: [DONE]", end="\r\r"),
    "stream with comments": lambda body: stream(
        ": ping", *map(delta, cut(body, 5)), ": ping", "retry: 5", "id: 1", "data: [DONE]"
    ),
    "stream without blanks": lambda body: stream(*(d.replace("data: ", "data:") for d in map(delta, cut(body, 5)))),
    "stream without end": lambda body: stream(*map(delta, cut(body, 5))),
    "stream of numbers twice": lambda body: stream(
        *(line for own in cut(body, 5) for line in (delta(own), delta(own)))
    ),
    "stream of several lines": lambda body: stream(
        *(f'data: {{"choices":\ndata: [{{"delta": {{"content": {json.dumps(own)}}}}}]}}' for own in cut(body, 5))
    ),
    "stream of names": lambda body: stream(*(f"event: message\n{delta(own)}" for own in cut(body, 5))),
    "stream of an error": lambda body: stream(
        *map(delta, cut(body, 5)), 'event: error\ndata: {"error": {"message": "overloaded"}}'
    ),
    "stream of usage": lambda body: stream(
        *map(delta, cut(body, 5)), 'data: {"choices": [], "usage": {"prompt_tokens": 4, "completion_tokens": null}}'
    ),
    "stream of messages": lambda body: stream("data: " + json.dumps(chat(answer(body))), "data: [DONE]"),
    "stream after its end": lambda body: stream(*map(delta, cut(body, 5)), "data: [DONE]", delta("more"), "data: {"),
    "stream of nothing": lambda _: stream("data:", "data: ", "data: null", "data: [DONE]"),
    "stream of 100,000": lambda body: stream(
        *(delta("") for _ in range(20_000)), *map(delta, cut(body, 2)), "data: [DONE]"
    ),
    "stream called json": lambda body: http(200, events(cut(body, 4)).partition(b"\r\n\r\n")[2]),
    "lines of json": lambda body: http(200, b"\n".join(json.dumps({"response": own}).encode() for own in cut(body, 4))),
    "retry in the past": lambda _: http(429, b"{}", "Retry-After: Fri, 31 Dec 1999 23:59:59 GMT"),
    "retry in ten years": lambda _: http(429, b"{}", "Retry-After: Fri, 31 Dec 2039 23:59:59 GMT"),
    "retry of the year 99999": lambda _: http(429, b"{}", "Retry-After: Fri, 31 Dec 99999 23:59:59 GMT"),
    "retry of no zone": lambda _: http(429, b"{}", "Retry-After: Fri, 31 Dec 1999 23:59:59"),
    "retry negative": lambda _: http(429, b"{}", "Retry-After: -17"),
    "retry nan": lambda _: http(503, b"{}", "Retry-After: nan"),
    "retry inf": lambda _: http(503, b"{}", "Retry-After: inf"),
    "retry of 5,000 digits": lambda _: http(429, b"{}", "Retry-After: " + "9" * 5_000),
    "retry in milliseconds": lambda _: http(429, b"{}", "retry-after-ms: 1e400", "x-should-retry: maybe"),
    "retry twice": lambda _: http(429, b"{}", "Retry-After: 0", "Retry-After: 9"),
    "429 of 5 MB": lambda _: http(429, b"x" * 5_000_000),
    "429 of a gigabyte": lambda _: http(429, b"x", length=1 << 30),
}
"""What is sent in place of a good answer, whole: none of it stands in the lists of `tests/llm/faults.py`."""


def attack_servers(
    scratch: Path, spec: ls.Spec, key: str, *, modes: Mapping[str, Callable[[Body], bytes]] = MODES
) -> tuple[Counter[str], list[str]]:
    """Run a small synthesis against each; gives outcomes, and every fault: unforeseen, slow, left running, a key that is kept."""
    outcomes, faults = Counter[str](), list[str]()
    for number, (name, make) in enumerate(modes.items()):
        for every in (1, 2):
            out, began = scratch / f"{number}-{every}", time.monotonic()

            def deed(
                asked: int, _path: str, body: Body, make: Callable[[Body], bytes] = make, every: int = every
            ) -> str:
                return f"bytes:{make(body).decode('latin-1')}" if asked % every == 0 else GOOD

            with serving(deed) as there:
                ended, fault = _run(spec, there, out, key)
                asked = len(there.asked)
            seconds = time.monotonic() - began
            outcomes[ended] += 1
            if seconds > LONGEST:
                fault += f", {seconds:.0f} s"
            if fault:
                faults.append(f"{name}, every {every}, {asked} asked: {ended}{fault}")
    return outcomes, faults


def _run(spec: ls.Spec, there: Faulty, out: Path, key: str) -> tuple[str, str]:
    """One run: how it ended, and what is at fault, "" where nothing is."""
    server = ls.Server(base_url=there.address, patience=0.3, answer_seconds=1.0, concurrency=2)
    said_last, fault = "", ""
    try:
        ended = ls.synthesize(spec, records=200, llm="openai:m", seed=1, out=out, server=server).stop.name
    except ls.LLMSynthorError as error:
        ended, said_last = type(error).__name__, str(error)
    except Exception as error:  # noqa: BLE001  (what is looked for)
        ended, said_last, fault = "unforeseen", repr(error), f": unforeseen {error!r}"
    status = (
        json.loads((out / "run.json").read_text(encoding="utf-8"))["status"] if (out / "run.json").is_file() else ""
    )
    fault += f", status {status!r}" if status not in ENDS else ""
    kept = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    return ended, fault + (", the key is kept" if key.encode() in kept or key in said_last else "")
