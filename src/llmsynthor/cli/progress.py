"""Progress on the terminal: one live line on stderr, nothing where nobody watches."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmsynthor.synthesis.outcome import Progress

STAGES = {
    "dependency": "asking which variables depend on each other",
    "copula": "asking how variables depend on each other",
    "proposals": "asking for proposals",
    "fit": "fitting to the tables",
    "correct": "correcting to whole records",
    "realize": "drawing values",
}


def describe(event: "Progress", elapsed: float) -> str:
    """Put an event in one line: stage, iteration, discrepancy, calls, estimated time left."""
    parts = [STAGES.get(event.stage, event.stage)]
    if event.stage == "proposals":
        parts.append(f"iteration {event.iteration} of {event.iterations}")
    if event.discrepancy is not None:
        parts.append(f"discrepancy {event.discrepancy:.4f}")
    if event.expected_calls:
        parts.append(f"calls {event.calls} of {event.expected_calls}")
        if 0 < event.calls < event.expected_calls:
            left = elapsed / event.calls * (event.expected_calls - event.calls)
            parts.append(f"about {max(1, round(left))} s left")
    return " · ".join(parts)


@contextmanager
def live_progress() -> Iterator[Callable[["Progress"], None]]:
    """Give a callback that draws; quiet when stderr is not a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415  (keeps --help quick)

    started = time.monotonic()
    with Console(stderr=True).status("starting") as status:
        yield lambda event: status.update(describe(event, time.monotonic() - started))
