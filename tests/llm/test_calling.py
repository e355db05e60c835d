"""Calls beside the main thread: several at once, and what is to be called again."""

import threading
from collections.abc import Callable

from llmsynthor.llm.calling import call_abreast


def test_what_comes_later_is_called_too() -> None:
    """A call that is put back when nothing else waits is made all the same, beside those that still run."""
    waiting, done, seen = ["bad", "slow"], threading.Event(), list[str]()

    def following() -> tuple[str, Callable[[], str]] | None:
        if not waiting:
            return None
        name = waiting.pop(0)
        return name, (lambda: str(done.wait(10))) if name == "slow" else (lambda: name)

    for name, future in call_abreast(following, 4):
        seen.append(name)
        future.result()
        if name == "bad":
            waiting.append("again")
        if name == "again":
            done.set()
    assert seen == ["bad", "again", "slow"]
