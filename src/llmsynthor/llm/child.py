"""The embedded engine's process, seen from the one that asks: started, asked, ended, and started again when it has crashed."""

import importlib.util
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any, NoReturn

from llmsynthor.errors import BadAnswerError, LLMError, ModelError, OutageError, Problem

CONTEXT_TOKENS = 8_192
RESTARTS = 3
"""So often an engine that crashed is started again; then nothing more is asked of it."""

LONGEST_PLACE = 80
"""Letters of a folder for a socket: its whole path has at most 104."""


def threads() -> int:
    """Threads for the model: as many as there are idle cores, one left to others where there are more than two.

    Threads wait for each other at every layer, so that one that shares its core holds up all: with other work on both of two
    cores, two threads write ten times slower than one. Scores are the same bits. LLMSYNTHOR_THREADS overrides.
    """
    given = os.environ.get("LLMSYNTHOR_THREADS", "")
    if given.isdigit() and int(given) > 0:
        return int(given)
    every = os.cpu_count() or 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else every
    others = max(0.0, (os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0) - 1) * cores / every
    return max(1, min(cores - 1 if cores > 2 else cores, round(cores - others)))


class Child:
    """The engine with a model in it. One question at a time: who asks waits until the one before is answered."""

    def __init__(self, path: Path) -> None:
        if importlib.util.find_spec("xllamacpp") is None:
            advice = "install the extra: pip install 'llmsynthor[local]'"
            raise ModelError(Problem(where="llm local", what="the embedded engine is not installed", advice=advice))
        self._path, self._numbers, self._crashes = path.resolve(), count(1), 0
        self._turn = threading.Lock()
        self._start()

    @property
    def process(self) -> int:
        """The number of the process."""
        return self._process.pid

    def ask(self, do: str, body: Mapping[str, Any]) -> Any:
        """Put a question: "chat", "completion" or "tokens". Raises LLMError when the engine refuses it, BadAnswerError when it
        crashes over it, OutageError when it has crashed too often."""
        with self._turn:
            number = next(self._numbers)
            if not self._send({"number": number, "do": do, "body": body}):
                self._begin_again()
            while (found := self._receive()) is not None:
                if found.get("number") == number:  # others belong to questions that nobody waits for any more
                    break
            else:
                self._begin_again()
        if "error" in found:
            raise refused(str(found["error"]))
        return found.get("answer")

    def _start(self) -> None:
        """Start the engine and wait until the model is open; raises ModelError."""
        self._process, self.folder = _launch()
        self._end = weakref.finalize(self, _end, self._process, self.folder)
        _RUNNING.add(self)
        place = str(Path(self.folder) / "engine.sock") if self.folder else ""
        about = {"path": str(self._path), "key": secrets.token_hex(24), "socket": place}
        self._send({**about, "threads": threads(), "context": CONTEXT_TOKENS})
        found = self._receive()
        if found is None or "ready" not in found:
            reason = found.get("error") if found is not None else self._how_it_ended()
            self._end()
            advice = "use GGUF weights that llama.cpp can load, and see that there is memory for them"
            what = f"the model cannot be loaded ({reason})"
            raise ModelError(Problem(where=str(self._path), what=what, advice=advice))

    def _begin_again(self) -> NoReturn:
        """After a crash: the question is lost, the engine is started again; always raises."""
        reason = f"the embedded engine crashed ({self._how_it_ended()})"
        self._end()
        self._crashes += 1
        advice = (
            "the same command with --resume goes on asking; if it happens again, see that there is memory for the model"
        )
        problem = Problem(where="llm local", what=reason, advice=advice)
        if self._crashes > RESTARTS:
            raise OutageError(problem)
        try:
            self._start()
        except ModelError as cause:
            raise OutageError(*cause.problems) from cause
        raise BadAnswerError(problem, reason=reason)

    def _send(self, value: Mapping[str, Any]) -> bool:
        try:
            self._process.stdin.write(json.dumps(value).encode("ascii") + b"\n")  # type: ignore[union-attr]  # a pipe
            self._process.stdin.flush()  # type: ignore[union-attr]
        except (OSError, ValueError):
            return False
        return True

    def _receive(self) -> dict[str, Any] | None:
        """One line of the engine; None when it has ended."""
        try:
            found = json.loads(self._process.stdout.readline())  # type: ignore[union-attr]  # a pipe
        except (OSError, ValueError):
            return None
        return found if isinstance(found, dict) else None

    def _how_it_ended(self) -> str:
        try:
            code = self._process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            return "it does not answer"
        return signal.Signals(-code).name if -code in set(signal.Signals) else f"exit code {code}"


_RUNNING: "weakref.WeakSet[Child]" = weakref.WeakSet()
"""Engines of this process: whoever ends the process ends them."""


def stop_all() -> None:
    """End every engine at once, whatever it does; for the last moment before the process ends."""
    for child in tuple(_RUNNING):
        child._end()


def _launch() -> tuple["subprocess.Popen[bytes]", str | None]:
    """Start the script apart: not in the group that Ctrl-C of a terminal reaches, and with nothing of the current folder."""
    folder = _private_folder() if hasattr(os, "fork") else None
    command = [sys.executable, "-P", str(Path(__file__).with_name("engine.py"))]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    try:
        return subprocess.Popen(command, start_new_session=True, cwd=folder, **pipes), folder
    except OSError as cause:
        _remove(folder)
        advice = "see that the machine has memory and processes left"
        problem = Problem(where="llm local", what=f"the engine cannot be started ({cause})", advice=advice)
        raise ModelError(problem) from cause


def _private_folder() -> str:
    """A new folder that only this user may enter."""
    usual = tempfile.gettempdir()
    return tempfile.mkdtemp(prefix="llmsynthor-", dir=usual if len(usual) <= LONGEST_PLACE else "/tmp")


def _end(process: "subprocess.Popen[bytes]", folder: str | None) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            _close(pipe)
    _remove(folder)


def _close(pipe: Any) -> None:
    try:
        pipe.close()
    except OSError:  # what was never read by the engine
        return


def _remove(folder: str | None) -> None:
    if folder is not None:
        shutil.rmtree(folder, ignore_errors=True)


def refused(said: str) -> LLMError:
    """Make the error of a question that the engine does not answer."""
    advice = f"shorten context and descriptions if the question is longer than {CONTEXT_TOKENS} tokens; otherwise report this"
    return LLMError(
        Problem(where="llm local", what="the embedded model refused a question", found=said[:300], advice=advice)
    )
