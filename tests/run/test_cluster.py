"""A run on a Ray cluster: the bytes of the run by threads, whoever is killed meanwhile."""

import os
import random
import signal
import threading
from contextlib import suppress
from pathlib import Path

import pytest

import llmsynthor
from tests.run.test_partitioned import digests, made
from tests.shires import land


def actors() -> list[int]:
    """Processes that are actors of any Ray: it names them by their class."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if b"ray::_Worker" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


def ancestors(pid: int) -> set[int]:
    """The processes that a process comes from."""
    found = set[int]()
    with suppress(OSError):
        while pid > 1:
            pid = int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
            found.add(pid)
    return found


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="processes are looked up in /proc")
def test_a_cluster_that_loses_workers_makes_the_same_bytes(tmp_path: Path) -> None:
    """Actors that are killed at random times while they make partitions leave no trace in what is made."""
    ray = pytest.importorskip("ray")
    made(tmp_path / "threads", workers=1)
    stop, killed, chance = threading.Event(), list[int](), random.Random(4)

    def kill() -> None:
        while not stop.wait(chance.uniform(0.5, 2.0)):
            mine = [pid for pid in actors() if os.getpid() in ancestors(pid)]
            if mine and len(killed) < 5:
                killed.append(chance.choice(mine))
                try:
                    os.kill(killed[-1], signal.SIGKILL)
                except ProcessLookupError:
                    killed.pop()

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        solution = llmsynthor.synthesize(land(), llm="none", seed=3, out=tmp_path / "ray", engine="ray", workers=2)
    finally:
        stop.set()
        thread.join()
        ray.shutdown()
    assert killed
    assert solution.exit_code == 0
    assert digests(tmp_path / "ray") == digests(tmp_path / "threads")
