"""Orders done by actors of a Ray cluster (Moritz and others 2018). What is shared is sent once to each of them.

Ray sees to scheduling, to actors that die and to orders that they had: they are begun again elsewhere. Needs the extra `ray`.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from llmsynthor.errors import Problem, SpecError

Shared = TypeVar("Shared")
Order = TypeVar("Order")
Done = TypeVar("Done")

AHEAD = 2
"""Orders that an actor has at a time: the next waits where the last ends."""


class _Worker:
    """An actor: holds what is shared, does one order after the other."""

    def __init__(self, work: Callable[[Any, Any], Any], shared: Any) -> None:
        self.work, self.shared = work, shared

    def do(self, order: Any) -> Any:
        return self.work(self.shared, order)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A Ray cluster that is reached; `workers` actors of one core each."""

    workers: int

    @classmethod
    def open(cls, *, address: str | None, workers: int | None) -> "Cluster":
        """Join the cluster at an address ("auto" for the one of this machine), or begin one of this machine's cores alone.

        Raises SpecError where Ray is not installed or the cluster cannot be reached.
        """
        try:
            import ray  # noqa: PLC0415  (an extra, and heavy)
        except ImportError as cause:
            advice = 'pip install "llmsynthor[ray]", or use --engine threads'
            raise SpecError(Problem(where="engine", what="Ray is not installed", advice=advice)) from cause
        if not ray.is_initialized():
            begun: dict[str, Any] = {"address": address} if address else {"num_cpus": workers, "address": "local"}
            try:
                ray.init(
                    **begun,
                    log_to_driver=False,
                    include_dashboard=False if not address else None,
                    logging_level=logging.ERROR,
                )
            except (ConnectionError, RuntimeError, ValueError, OSError) as cause:
                advice = "begin a cluster with `ray start --head`, name its address, or leave --address out"
                what = f"no Ray cluster can be reached ({str(cause).splitlines()[0][:200]})"
                raise SpecError(Problem(where="address", what=what, found=address, advice=advice)) from cause
        cores = ray.cluster_resources().get("CPU", 1)
        return cls(workers=workers or max(1, int(cores)))

    def each(
        self, work: Callable[[Shared, Order], Done], shared: Shared, orders: Sequence[Order]
    ) -> Iterator[tuple[int, Done]]:
        """Give each actor an order whenever it has ended one; an actor that dies is begun again, with the order that it had."""
        import ray  # noqa: PLC0415  (an extra, and heavy)

        kept = ray.put(shared)
        options = {"num_cpus": 1, "max_restarts": -1, "max_task_retries": -1}
        kind: Any = ray.remote(_Worker).options(**options)
        actors = [kind.remote(work, kept) for _ in range(min(self.workers, len(orders)))]
        left, running = iter(enumerate(orders)), dict[Any, tuple[int, Any]]()
        for actor in [actor for _ in range(AHEAD) for actor in actors]:
            for position, order in left:
                running[actor.do.remote(order)] = (position, actor)
                break
        try:
            while running:
                ended, _ = ray.wait(list(running), num_returns=1)
                position, actor = running.pop(ended[0])
                for following, order in left:
                    running[actor.do.remote(order)] = (following, actor)
                    break
                yield position, ray.get(ended[0])
        finally:
            for actor in actors:
                ray.kill(actor)
