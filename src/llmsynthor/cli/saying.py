"""What the command line says: through the one filter, as text for people or as lines of JSON for programs."""

import json
import logging
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import typer

from llmsynthor.errors import LLMSynthorError, Problem, RunFolderError
from llmsynthor.texts import hide

LOG = logging.getLogger("llmsynthor")
FORMATS = ("text", "json")
KEPT = ("event", "stage", "seconds", "left", "calls", "expected_calls", "discrepancy", "exit_code")
OPTION = "--log-format"
MOST_PARTS = 400
ENDING = threading.Event()
"""Set when a signal ends the process: what fails then is no news."""


def say(text: str) -> None:
    """Print for whoever asked."""
    typer.echo(_written(hide(text)))


def complain(text: str) -> None:
    """Print beside what was asked for: on stderr, or into the log where that is one of JSON lines; nothing when all ends."""
    if ENDING.is_set():
        return
    if _is_json():
        LOG.error(text, extra={"event": "error"})
    else:
        typer.echo(_written(hide(f"error: {text}")), err=True)


def tell(text: str) -> None:
    """The same for what is no error."""
    if _is_json():
        LOG.warning(text, extra={"event": "notice"})
    else:
        typer.echo(_written(hide(text)), err=True)


def _written(text: str) -> str:
    """A text as any stream takes it: bytes of a command line that are no UTF-8 are shown by their numbers."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def complain_of(error: LLMSynthorError) -> None:
    for problem in error.problems:
        complain(str(problem))


def set_up_log(form: str) -> None:
    """Let the program's own log go to stderr; that of the library which asks again is told there already."""
    handler = logging.StreamHandler(_Stderr())
    handler.setFormatter(_Lines() if form == "json" else _Words())
    LOG.handlers[:] = [handler]
    LOG.setLevel(logging.INFO if form == "json" else logging.WARNING)
    LOG.propagate = False
    logging.getLogger("stamina").setLevel(logging.ERROR)


def watcher() -> Callable[[Any], None] | bool:
    """How the stages of a run are shown: drawn, or as lines of the log."""
    if not _is_json():
        return True
    last = ""

    def log(event: Any) -> None:
        nonlocal last
        if event.stage != last:
            last = event.stage
            about = {"stage": event.stage, "calls": event.calls, "expected_calls": event.expected_calls}
            LOG.info("stage %s", event.stage, extra={"event": "stage", **about, "discrepancy": event.discrepancy})

    return log


def in_front(arguments: list[str]) -> list[str]:
    """The arguments with the form of the log before the command, wherever it was given.

    >>> in_front(["check", "spec.yaml", "--log-format", "json"])
    ['--log-format', 'json', 'check', 'spec.yaml']
    """
    found, rest, waiting = list[str](), list[str](), False
    for argument in arguments:
        mine = waiting or argument == OPTION or argument.startswith(f"{OPTION}=")
        (found if mine else rest).append(argument)
        waiting = argument == OPTION
    return [*found, *rest]


def refuse_deep(arguments: Sequence[str]) -> None:
    """Refuse paths of more parts than any system has; raises RunFolderError."""
    for argument in arguments:
        if max(argument.count("/"), argument.count("\\")) > MOST_PARTS:
            what, advice = f"the path has more than {MOST_PARTS} parts", "name a shorter one"
            raise RunFolderError(Problem(where=f"{argument[:60]}…", what=what, advice=advice))


def _is_json() -> bool:
    return any(isinstance(handler.formatter, _Lines) for handler in LOG.handlers)


class _Stderr:
    """Stderr as it is when something is said: a bar that is being drawn takes its place."""

    def write(self, text: str) -> None:
        sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


class _Words(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return hide(record.getMessage())


class _Lines(logging.Formatter):
    """One JSON object a line: time (UTC), level, message, and what the event carries."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"
        about = {name: getattr(record, name) for name in KEPT if getattr(record, name, None) is not None}
        return hide(json.dumps({"time": moment, "level": record.levelname, "message": record.getMessage(), **about}))
