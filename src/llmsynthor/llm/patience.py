"""How a server that is busy or away is waited for, and how many questions it is asked at once."""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from llmsynthor.errors import OutageError, Problem

LOG = logging.getLogger("llmsynthor")

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
HANGS, HANGS_AFTER = 1.0, 4.0
"""A question hangs after so many seconds, and so many times what an answer takes."""

HALVED_EVERY = 6.0
"""Times of an answer between two halvings."""

LOOK_EVERY = 0.2
SAID_EVERY = 5.0
"""Seconds between two words about waiting."""

T = TypeVar("T")


class PassingError(Exception):
    """What may pass by itself: too many requests, an error of the server, no connection, no answer in time."""

    def __init__(self, reason: str, *, after: float | None = None) -> None:
        """`after` is how many seconds the server asks to wait."""
        super().__init__(reason)
        self.reason, self.after = reason, after


class Gate:
    """Lets so many threads ask at once: one more for each answer, half as many when the server is busy (additive increase,
    multiplicative decrease: Chiu and Jain 1989). Half at most once in the time of a few answers, or one burst would count often,
    and a server that refuses a few questions at random would be asked one by one.

    A question that takes far longer than others holds nobody up: it hangs, and no longer counts as asked.
    """

    def __init__(self, most: int) -> None:
        self._most, self._limit = most, float(min(most, 4))
        self._inside = dict[object, float]()
        self._typical, self._halved = 0.0, 0.0
        self._free = threading.Condition()

    @property
    def limit(self) -> int:
        return max(1, int(self._limit))

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn; how the block ends decides how many turns there are."""
        own, busy = object(), False
        with self._free:
            while self._asked() >= self.limit:
                self._free.wait(LOOK_EVERY)
            began = self._inside[own] = time.monotonic()
        try:
            yield
        except PassingError:
            busy = True
            raise
        finally:
            self._leave(own, began, busy=busy)

    def _asked(self) -> int:
        """Questions that a server is busy with, as far as can be known; before the first answer nothing is known to hang."""
        if len(self._inside) < self.limit or not self._typical:
            return len(self._inside)
        since = time.monotonic() - max(HANGS, HANGS_AFTER * self._typical)
        return sum(began > since for began in self._inside.values())

    def _leave(self, own: object, began: float, *, busy: bool) -> None:
        now = time.monotonic()
        with self._free:
            del self._inside[own]
            if not busy:
                self._limit = min(float(self._most), self._limit + 1.0)
                self._typical += (0.1 if self._typical else 1.0) * (now - began - self._typical)
            elif now - self._halved > HALVED_EVERY * self._typical:
                self._limit, self._halved = max(1.0, self._limit / 2), now
            self._free.notify_all()


class Patience:
    """Asks again until there is an answer or the patience is at its end; stamina does the asking again."""

    def __init__(self, seconds: float, gate: Gate, *, first_wait: float | None = None) -> None:
        self.seconds, self._gate = seconds, gate
        self._first = FIRST_WAIT if first_wait is None else first_wait
        self._said = -SAID_EVERY

    def ask(self, call: Callable[[], T]) -> T:
        """Call in turn; a PassingError is waited out. Raises OutageError when a wait would outlast the patience."""
        import stamina  # noqa: PLC0415  (heavy, only where used)

        began, tries = time.monotonic(), 0

        def wait(error: Exception) -> bool | float:
            nonlocal tries
            if not isinstance(error, PassingError):
                return False
            tries += 1
            seconds = self._wait(error, tries)
            left = self.seconds - (time.monotonic() - began)
            if seconds > left:
                return False
            self._say(error, seconds, left)
            return seconds

        try:
            for attempt in stamina.retry_context(on=wait, attempts=None, timeout=None):
                with attempt, self._gate.turn():
                    return call()
        except PassingError as cause:
            waited = time.monotonic() - began
            raise OutageError(
                Problem(
                    where="llm server",
                    what=f"the server stays away ({cause.reason}): given up after {waited:.0f} s and {max(tries, 1)} tries",
                    advice="the same command with --resume goes on asking; --patience says how long is waited",
                )
            ) from cause
        raise AssertionError("asking again ends with an answer or an error")

    def _wait(self, error: PassingError, tries: int) -> float:
        """Seconds: what the server asks for, or twice as long each time; with jitter, so that not all come back at once."""
        backoff = min(LONGEST_WAIT, self._first * 2.0 ** min(tries - 1, 10)) * random.uniform(0.5, 1.0)
        if error.after is None:
            return backoff
        return max(error.after * random.uniform(1.0, 1.05), min(backoff, 1.0))

    def _say(self, error: PassingError, seconds: float, left: float) -> None:
        now = time.monotonic()
        if now - self._said >= SAID_EVERY:
            self._said = now
            LOG.warning(
                "waiting %.1f s for the server (%s); patience for %.0f s more",
                seconds,
                error.reason,
                left,
                extra={"event": "waiting", "seconds": round(seconds, 1), "left": round(left)},
            )
