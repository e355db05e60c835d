"""The process of the embedded engine: a script of its own that knows nothing of this package, started by `local.py`.

It reads settings and then questions from its input, a line of JSON each, and writes one line for each to its output. The engine
has a server in it that wants to listen: it listens on a socket in a folder that only this user may enter, never on a port where
there are such sockets, and asks for a random key. When the input ends, so does the process.
"""

import json
import os
import shutil
import sys
import threading
import time
from typing import Any

PARENT_EVERY = 0.5
"""Seconds between two looks at whether whoever started this process is still there."""


def main() -> None:
    """Serve questions until there are no more."""
    answers = os.fdopen(os.dup(1), "w", encoding="ascii", buffering=1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # what a library prints is no answer
    os.dup2(nowhere, 2)
    settings = json.loads(sys.stdin.readline() or "{}")
    threading.Thread(target=_watch_parent, args=(os.getppid(), settings.get("socket")), daemon=True).start()
    try:
        engine = _Engine(settings)
    except (RuntimeError, ValueError, OSError, KeyError) as error:
        _say(answers, {"error": str(error)})
        os._exit(1)
    _say(answers, {"ready": engine.address})
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            found = {"answer": engine.do(asked["do"], asked["body"])}
        except (RuntimeError, ValueError, TypeError, LookupError, OSError) as error:
            found = {"error": str(error)[:2_000]}
        _say(answers, {"number": asked["number"], **found})
    _leave(settings["socket"])


class _Engine:
    """llama.cpp through xllamacpp, and the way to its tokens."""

    def __init__(self, settings: dict[str, Any]) -> None:
        import xllamacpp  # noqa: PLC0415  (an extra, and heavy)

        self._key = settings["key"]
        own = xllamacpp.CommonParams()
        own.model.path, own.n_ctx, own.n_parallel = settings["path"], settings["context"], 1
        own.hostnames, own.port = [settings["socket"] or "127.0.0.1"], 0
        own.api_keys, own.cors_origins = [self._key], ""
        own.ui = own.endpoint_slots = own.endpoint_props = own.warmup = False
        own.verbosity, own.cache_ram_mib = -1, 256
        for cpu in (own.cpuparams, own.cpuparams_batch):
            cpu.n_threads, cpu.poll = settings["threads"], 0
        self._server = xllamacpp.Server(own)
        self.address = str(self._server.listening_address)
        self._socket = settings["socket"]

    def do(self, name: str, body: dict[str, Any]) -> Any:
        if name == "chat":
            return self._server.handle_chat_completions(body)
        if name == "tokens":
            return self._tokens(body)
        return _slim(self._server.handle_completions(body))

    def _tokens(self, body: dict[str, Any]) -> Any:
        import httpx  # noqa: PLC0415  (heavy, only where used)

        transport = httpx.HTTPTransport(uds=self._socket or None)
        with httpx.Client(transport=transport, trust_env=False, timeout=60) as client:
            base = "http://engine" if self._socket else self.address
            answer = client.post(f"{base}/tokenize", json=body, headers={"Authorization": f"Bearer {self._key}"})
            answer.raise_for_status()
            return answer.json()


def _slim(answer: Any) -> Any:
    """Of thousands of tokens, what is used: numbers and log-probabilities."""
    try:
        content = answer["choices"][0]["logprobs"]["content"][:1]
        listed = [[{"id": token["id"], "logprob": token["logprob"]} for token in at["top_logprobs"]] for at in content]
    except (KeyError, IndexError, TypeError):
        return answer
    slim = {"content": [{"top_logprobs": own} for own in listed]}
    return {"choices": [{"logprobs": slim}], "usage": answer.get("usage")}


def _say(answers: Any, value: Any) -> None:
    answers.write(json.dumps(value) + "\n")
    answers.flush()


def _watch_parent(parent: int, place: str | None) -> None:
    """End with whoever started this process, however that ended, in the middle of an answer too."""
    while os.getppid() == parent:
        time.sleep(PARENT_EVERY)
    _leave(place)


def _leave(place: str | None) -> None:
    """Clear the socket's folder away and end; the engine's threads are not waited for."""
    if place:
        shutil.rmtree(os.path.dirname(place), ignore_errors=True)  # noqa: PTH120  (pathlib takes long to import)
    os._exit(0)


if __name__ == "__main__":
    main()
