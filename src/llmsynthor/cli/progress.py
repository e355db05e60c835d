"""Progress on stderr: one live line on a terminal, elsewhere a line a stage."""

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


def by_stage(write: Callable[[str], None]) -> Callable[["Progress"], None]:
    """Give a callback that writes one line for each stage, when it begins."""
    last = ""

    def notify(event: "Progress") -> None:
        nonlocal last
        if event.stage != last:
            last = event.stage
            write(STAGES.get(last, last))

    return notify


@contextmanager
def live_progress() -> Iterator[Callable[["Progress"], None]]:
    """Give a callback that draws on a terminal, and elsewhere writes a line when a stage begins."""
    started = time.monotonic()
    if not sys.stderr.isatty():
        import typer  # noqa: PLC0415  (keeps the import quick)

        yield by_stage(lambda line: typer.echo(line, err=True))
        return
    from rich.console import Console  # noqa: PLC0415  (keeps --help quick)

    with Console(stderr=True).status("starting") as status:
        yield lambda event: status.update(describe(event, time.monotonic() - started))
