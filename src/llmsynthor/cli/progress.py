"""Progress on the terminal: a bar on stderr, nothing where nobody watches."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from llmsynthor.run.progress import bar
from llmsynthor.synthesis.outcome import Progress


@contextmanager
def live_progress() -> Iterator[Callable[[Progress], None]]:
    """Give a callback that draws; quiet when stderr is not a terminal."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    with bar() as draw:
        yield draw
