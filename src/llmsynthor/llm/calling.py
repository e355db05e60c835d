"""Calls of a model beside the main thread, which stays free to hear Ctrl-C: one, or several at once."""

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")

HEARD_EVERY = 0.1
"""Seconds between two looks at whether somebody wants to end."""


def call_aside(call: Callable[[], T]) -> T:
    """Call in a thread and wait here; what the call raises is raised here."""
    done: Future[T] = Future()
    threading.Thread(target=_settle, args=(call, done), daemon=True).start()
    while True:
        try:
            return done.result(timeout=HEARD_EVERY)
        except TimeoutError:
            if done.done():
                raise


def call_abreast(
    following: Callable[[], tuple[str, Callable[[], T]] | None], most: int
) -> Iterator[tuple[str, Future[T]]]:
    """Call at most so many at once; gives each with its name when it is done, and takes the following ones then.

    `following` gives None where there is nothing to call just now: as long as others run it is asked again.
    """
    done: queue.SimpleQueue[tuple[str, Future[T]]] = queue.SimpleQueue()

    def begin() -> bool:
        named = following()
        if named is None:
            return False
        name, call = named
        future: Future[T] = Future()
        future.add_done_callback(lambda ended, name=name: done.put((name, ended)))  # type: ignore[misc]
        threading.Thread(target=_settle, args=(call, future), daemon=True).start()
        return True

    running = 0
    while True:
        while running < most and begin():
            running += 1
        if not running:
            return
        try:
            ended = done.get(timeout=HEARD_EVERY)
        except queue.Empty:
            continue
        running -= 1
        yield ended


def _settle(call: Callable[[], T], done: Future[T]) -> None:
    with _Into(done):
        done.set_result(call())


class _Into:
    """Hands whatever is raised inside to whoever waits: it is raised again where the call was made."""

    def __init__(self, done: "Future[T]") -> None:
        self._done = done

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> bool:
        if error is not None:
            self._done.set_exception(error)
        return error is not None
