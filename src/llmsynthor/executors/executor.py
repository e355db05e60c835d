"""Who does the work of many partitions: threads of this process, or a Ray cluster. One small contract, no scheduler of our own."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

from llmsynthor.errors import Problem, SpecError
from llmsynthor.executors.threads import Threads

Shared = TypeVar("Shared")
Order = TypeVar("Order")
Done = TypeVar("Done")

ENGINES = ("threads", "ray")


class Executor(Protocol):
    """Does orders, each by itself: `work(shared, order)` must depend on these alone, as an order may be done twice."""

    def each(
        self, work: Callable[[Shared, Order], Done], shared: Shared, orders: Sequence[Order]
    ) -> Iterator[tuple[int, Done]]:
        """Yield the position of each order with what came of it, in whatever order they end."""
        ...


def choose_executor(engine: str, *, workers: int | None = None, address: str | None = None) -> Executor:
    """The executor of this name; raises SpecError where there is none, or the extra is not installed.

    >>> choose_executor("dask")
    Traceback (most recent call last):
    llmsynthor.errors.SpecError: engine: there is no such engine (found: dask). Use one of: threads, ray.
    """
    if engine not in ENGINES:
        advice = f"use one of: {', '.join(ENGINES)}"
        raise SpecError(Problem(where="engine", what="there is no such engine", found=engine, advice=advice))
    if engine == "ray":
        from llmsynthor.executors.cluster import Cluster  # noqa: PLC0415  (an extra, and heavy)

        return Cluster.open(address=address, workers=workers)
    if address is not None:
        advice = "use --engine ray with an address"
        raise SpecError(Problem(where="address", what="threads have no address", found=address, advice=advice))
    return Threads(workers=workers)
