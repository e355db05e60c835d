"""Orders done by threads of this process: compiled kernels let others work meanwhile."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TypeVar

Shared = TypeVar("Shared")
Order = TypeVar("Order")
Done = TypeVar("Done")


@dataclass(frozen=True, slots=True, kw_only=True)
class Threads:
    """As many threads as `workers`, one a core where it is None."""

    workers: int | None = None

    def each(
        self, work: Callable[[Shared, Order], Done], shared: Shared, orders: Sequence[Order]
    ) -> Iterator[tuple[int, Done]]:
        """Do the orders side by side; the first error ends it, once those at work have ended."""
        workers = self.workers or os.cpu_count() or 1
        if workers == 1 or len(orders) < 2:
            for position, order in enumerate(orders):
                yield position, work(shared, order)
            return
        pool, left = ThreadPoolExecutor(workers), iter(enumerate(orders))
        running: dict[Future[Done], int] = {}
        try:
            for position, order in left:
                running[pool.submit(work, shared, order)] = position
                if len(running) < workers:
                    continue
                yield from _ended(running)
            while running:
                yield from _ended(running)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _ended(running: "dict[Future[Done], int]") -> Iterator[tuple[int, Done]]:
    """Wait for one or more to end, and take them out."""
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    for future in sorted(done, key=lambda one: running[one]):
        yield running.pop(future), future.result()
