"""Pieces of work side by side, with results in the order of the pieces."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

T = TypeVar("T")


def in_parallel(work: Callable[[int], T], firsts: Sequence[int], workers: int | None) -> list[T]:
    """Run the pieces on all workers; the results come in the order of the pieces."""
    workers = workers or os.cpu_count() or 1
    if len(firsts) < 2 or workers < 2:
        return [work(first) for first in firsts]
    return list(_pool(workers, os.getpid()).map(work, firsts))


@cache
def _pool(workers: int, _process: int) -> ThreadPoolExecutor:
    """Threads that stay for the next pieces, which are many and short; a process that was forked has none of its parent's."""
    return ThreadPoolExecutor(workers)
