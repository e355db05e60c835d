"""Answers of servers, changed at random: what the readers make of bodies, and the exchange of whole answers with their headers."""

import json
import time
from collections import Counter
from random import Random

from llmsynthor.errors import LLMError
from llmsynthor.llm import replies
from llmsynthor.llm.answers import parse, validate
from llmsynthor.llm.backend import ScoreRequest, WriteRequest
from llmsynthor.llm.remote import open_remote
from llmsynthor.options import Server
from tests.campaigns.mutations import change_bytes, change_json
from tests.llm.faults import chat, events, http, serving

SLOW = 2.0
SCHEMA = {
    "type": "object",
    "properties": {"age": {"type": "integer"}, "reason": {"type": "string"}},
    "required": ["age"],
}
TEXT = json.dumps({"age": 40, "reason": 'as "said" {before} […]'})
BODIES = tuple(
    json.dumps(body).encode()
    for body in (
        chat(TEXT),
        chat([{"type": "text", "text": TEXT[:9]}, {"type": "text", "text": TEXT[9:]}]),
        chat(f"<think>{{well}}</think>```json\n{TEXT}\n```"),
        {"error": {"message": "slow down", "type": "rate"}},
        {"completion_probabilities": [{"top_logprobs": [{"id": 5, "logprob": -0.5}] * 9}], "tokens_evaluated": 9},
        {"tokens": [1, 2, 3, 400]},
    )
)
STREAM = events([TEXT[k : k + 5] for k in range(0, len(TEXT), 5)]).partition(b"\r\n\r\n")[2]


def attack_readers(*, count: int, rng: Random) -> tuple[Counter[str], list[str]]:
    """Give so many changed bodies to all that reads one; gives outcomes, and every unforeseen or slow one."""
    outcomes, faults = Counter[str](), list[str]()
    for _ in range(count):
        body = change_bytes(STREAM, rng) if rng.random() < 0.15 else change_json(rng.choice(BODIES), rng)
        for read in (_read_chat, replies.read_listed, replies.read_tokens, replies.read_reason):
            began = time.process_time()
            try:
                read(body)
                outcomes[f"{read.__name__} read"] += 1
            except (ValueError, LLMError):
                outcomes[f"{read.__name__} refused"] += 1
            except Exception as error:  # noqa: BLE001  (what is looked for)
                faults.append(f"{read.__name__}: {error!r} for {body[:300]!r}")
            if time.process_time() - began > SLOW:
                faults.append(f"{read.__name__}: slow for {body[:300]!r}")
    return outcomes, faults


def _read_chat(body: bytes) -> object:
    return validate(parse(replies.read_chat(body).text), SCHEMA)


def attack_exchange(*, count: int, rng: Random) -> tuple[Counter[str], list[str]]:
    """Send so many changed answers, status line and headers with them, over a socket to the client of servers."""
    outcomes, faults, sent = Counter[str](), list[str](), [b""]
    request = WriteRequest(system="s", prompt="p", json_schema=SCHEMA, max_tokens=30)
    question = ScoreRequest(context="A", choices=(" B", " C"))
    with serving(lambda *_: f"bytes:{sent[0].decode('latin-1')}") as there:
        for _ in range(count):
            body, status = rng.choice((*BODIES, STREAM)), rng.choice((200, 200, 200, 429, 500, 404, 302))
            whole = http(
                status, body, *rng.sample(("Retry-After: 0", "Content-Encoding: gzip", "Set-Cookie: a=b", "X: y"), 1)
            )
            sent[0] = change_bytes(whole, rng)
            model = open_remote("m", Server(base_url=there.address, patience=0.0, answer_seconds=0.5))
            began, used = time.monotonic(), time.thread_time()
            try:
                model.write(request) if rng.random() < 0.7 else model.score(question)
                outcomes["answered"] += 1
            except LLMError as error:
                outcomes[type(error).__name__] += 1
            except Exception as error:  # noqa: BLE001  (what is looked for)
                faults.append(f"{error!r} for {sent[0][:400]!r}")
            outcomes["over two seconds by the clock"] += time.monotonic() - began > SLOW
            if time.thread_time() - used > SLOW:  # of its own work: four requests may wait half a second each
                faults.append(f"slow for {sent[0][:400]!r}")
    return outcomes, faults
