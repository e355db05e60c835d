"""Executors do every order, whatever happens to those who work."""

import os
import random
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from llmsynthor.errors import SpecError
from llmsynthor.executors.executor import choose_executor
from llmsynthor.executors.threads import Threads


def _square(shared: int, order: int) -> int:
    return shared + order**2


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_threads_do_every_order_once(workers: int) -> None:
    """Each order's result comes with its position."""
    found = dict(Threads(workers=workers).each(_square, 10, range(20)))
    assert found == {k: 10 + k**2 for k in range(20)}


def test_an_error_ends_the_work() -> None:
    """What goes wrong in one order is raised where the results are taken."""

    def work(shared: int, order: int) -> int:
        return shared // order

    with pytest.raises(ZeroDivisionError):
        list(Threads(workers=2).each(work, 1, [3, 2, 1, 0]))


def test_threads_have_no_address() -> None:
    """An address without a cluster is refused."""
    with pytest.raises(SpecError, match="threads have no address"):
        choose_executor("threads", address="auto")


def _pause(shared: Any, order: int) -> tuple[int, int]:
    time.sleep(shared["seconds"])
    with (Path(shared["folder"]) / f"{os.getpid()}.pid").open("a") as file:
        file.write(f"{order}\n")
    return order, os.getpid()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_killed_actors_orders_are_done_again(tmp_path: Path) -> None:
    """Twenty orders come to their end though workers are killed meanwhile."""
    ray = pytest.importorskip("ray")
    executor = choose_executor("ray", workers=2)
    stop, killed, mine = threading.Event(), [], random.Random(1)

    def kill() -> None:
        while not stop.wait(mine.uniform(0.3, 0.8)):
            files = sorted(tmp_path.glob("*.pid"))
            victims = [int(file.stem) for file in files if int(file.stem) not in killed]
            if victims and len(killed) < 4:
                killed.append(mine.choice(victims))
                try:
                    os.kill(killed[-1], signal.SIGKILL)
                except ProcessLookupError:
                    killed.pop()

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        found = dict(executor.each(_pause, {"seconds": 0.4, "folder": str(tmp_path)}, range(20)))
    finally:
        stop.set()
        thread.join()
        ray.shutdown()
    assert killed
    assert {position: order for position, (order, _) in found.items()} == {k: k for k in range(20)}
