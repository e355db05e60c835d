"""Progress that is drawn: a bar in a terminal or a notebook, a line a stage where nobody watches."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

from llmsynthor.synthesis.outcome import Progress

Watch = Callable[[Progress], None] | bool | None
"""What a caller may ask for: a callback, True for a bar, nothing."""

STAGES = {
    "dependency": "asking which variables depend on each other",
    "library": "matching the variables with a library",
    "copula": "asking how variables depend on each other",
    "proposals": "asking for proposals",
    "fit": "fitting to the tables",
    "correct": "correcting to whole records",
    "realize": "drawing values",
    "partitions": "making partitions",
    "texts": "writing texts",
}


def describe(event: Progress, elapsed: float) -> str:
    """Put an event in one line: stage, iteration, discrepancy, calls, estimated time left."""
    parts = [STAGES.get(event.stage, event.stage)]
    if event.stage == "proposals":
        parts.append(f"iteration {event.iteration} of {event.iterations}")
    if event.stage == "partitions":
        parts.append(f"{event.iteration:,} of {event.iterations:,} {event.message}")
    if event.stage == "texts":
        parts.append(f"{event.message}, {event.iteration} of {event.iterations}")
    if event.discrepancy is not None:
        parts.append(f"discrepancy {event.discrepancy:.4f}")
    if event.expected_calls:
        parts.append(f"calls {event.calls} of {event.expected_calls}")
        if 0 < event.calls < event.expected_calls:
            left = elapsed / event.calls * (event.expected_calls - event.calls)
            parts.append(f"about {max(1, round(left))} s left")
    return " · ".join(parts)


@contextmanager
def watched(progress: Watch) -> Iterator[Callable[[Progress], None]]:
    """Give the callback of a run: the caller's own, one that draws (True), or one that says nothing."""
    if callable(progress):
        yield progress
    elif not progress:
        yield lambda _: None
    elif in_notebook():
        yield _drawing_in_notebook()
    elif sys.stderr.isatty():
        with bar() as draw:
            yield draw
    else:
        yield _telling_stages()


def in_notebook() -> bool:
    """Whether a notebook runs this: then a bar is a display of its own."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"


@contextmanager
def bar() -> Iterator[Callable[[Progress], None]]:
    """Draw a bar on stderr: of calls where a model is asked, pulsing where the work is not counted."""
    from rich.console import Console  # noqa: PLC0415  (only where something is drawn)
    from rich.progress import BarColumn, SpinnerColumn, TextColumn  # noqa: PLC0415  (heavy, only where used)
    from rich.progress import Progress as Bars  # noqa: PLC0415  (heavy, only where used)

    started = time.monotonic()
    columns = (SpinnerColumn(), BarColumn(bar_width=24), TextColumn("{task.description}"))
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("starting", total=None)

        def draw(event: Progress) -> None:
            total = event.expected_calls or None
            line = describe(event, time.monotonic() - started)
            bars.update(task, description=line, total=total, completed=event.calls)

        yield draw


def _drawing_in_notebook() -> Callable[[Progress], None]:
    from IPython.display import HTML, display  # noqa: PLC0415  (only a notebook has it)

    started = time.monotonic()
    shown: Any = display(HTML("<progress></progress> starting"), display_id=True)

    def draw(event: Progress) -> None:
        value = f' value="{event.calls}" max="{event.expected_calls}"' if event.expected_calls else ""
        shown.update(HTML(f"<progress{value}></progress> {escape(describe(event, time.monotonic() - started))}"))

    return draw


def _telling_stages() -> Callable[[Progress], None]:
    last = ""

    def tell(event: Progress) -> None:
        nonlocal last
        if event.stage != last:
            last = event.stage
            sys.stderr.write(f"{STAGES.get(last, last)}\n")

    return tell
