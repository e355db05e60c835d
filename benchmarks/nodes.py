"""Ray's nodes of one core each, on this machine: how much faster two make a run in partitions than one, and what kills change.

    python benchmarks/nodes.py SPEC OUT [--share 0.01] [--size 5000] [--repeats 3]      one node, two nodes, in turn
    python benchmarks/nodes.py SPEC OUT --kills 20                                       two nodes, workers killed meanwhile

SPEC is a folder that `benchmarks/nation.py write` wrote. One line of JSON for each run: seconds of the clock from the order to the
last file, of which the work on partitions; seconds of the processors of the workers and of the driver; the driver's peak memory;
digest of all records; load when it began. One run a process, so that peaks are its own.
"""

import argparse
import json
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from hashlib import sha256
from pathlib import Path

import polars as pl

WORKER = b"ray::_Worker"
TICKS = os.sysconf("SC_CLK_TCK")


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spec", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--share", type=float, default=0.01, help="of the households that the tables count")
    parser.add_argument("--size", type=int, default=5_000, help="households of a partition, about")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--nodes", type=int, help="one run with so many nodes, in this process")
    given = parser.parse_args()
    if given.nodes is not None:
        print(json.dumps(run(given)), flush=True)
        return
    for repeat in range(given.repeats if not given.kills else 1):
        for nodes in (1, 2) if not given.kills else (2,):
            out = given.out / f"{nodes}-{repeat}{'-killed' if given.kills else ''}"  # a run of before would be taken up
            words = [sys.executable, __file__, str(given.spec), str(out), "--nodes", str(nodes)]
            words += ["--share", str(given.share), "--size", str(given.size), "--kills", str(given.kills)]
            subprocess.run(words, check=True)


def run(given: argparse.Namespace) -> dict[str, object]:
    """Begin a cluster of so many nodes of one core, make the records, and say what it took."""
    import ray  # noqa: PLC0415  (an extra, and heavy)
    from ray.cluster_utils import Cluster  # noqa: PLC0415

    from llmsynthor.executors.executor import choose_executor  # noqa: PLC0415
    from llmsynthor.run.synthesize import synthesize  # noqa: PLC0415

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    for _ in range(given.nodes):
        cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False)
    households = float(pl.read_csv(given.spec / "tables" / "tenure.csv")["count"].sum())
    watch = Watch(kills=given.kills)
    load, began = os.getloadavg()[0], time.perf_counter()
    watch.start()
    solution = synthesize(
        given.spec,
        records=round(households * given.share),
        llm="none",
        seed=1,
        out=given.out,
        partition="county",
        partition_records=given.size,
        engine=choose_executor("ray", address=cluster.address, workers=given.nodes),
        workers=given.nodes,
    )
    clock = time.perf_counter() - began
    watch.stop()
    own = resource.getrusage(resource.RUSAGE_SELF)
    ray.shutdown()
    cluster.shutdown()
    return {
        "nodes": given.nodes,
        "made": solution.manifest.get("made"),
        "partitions": len(solution.manifest["partitions"]),
        "clock_seconds": round(clock, 1),
        "clock_with_workers": round(watch.last - watch.first, 1),
        "processor_seconds_workers": round(sum(watch.used.values()), 1),
        "processor_seconds_driver": round(own.ru_utime + own.ru_stime, 1),
        "driver_peak_megabytes": round(own.ru_maxrss / 1024),
        "killed": watch.killed,
        "records": digest(given.out / "records"),
        "load": round(load, 2),
        "exit_code": solution.exit_code,
    }


def digest(folder: Path) -> str:
    """Of the bytes of all files below a folder, in order."""
    found = sha256()
    for file in sorted(folder.rglob("*.parquet")):
        found.update(str(file.relative_to(folder)).encode() + file.read_bytes())
    return found.hexdigest()[:16]


class Watch(threading.Thread):
    """Looks at the workers that this process's cluster has: their processor seconds; kills some, at random times."""

    def __init__(self, *, kills: int) -> None:
        super().__init__(daemon=True)
        self.used, self.kills, self.killed = dict[int, float](), kills, 0
        self.first = self.last = 0.0
        self.mine, self.ended = random.Random(1), threading.Event()

    def run(self) -> None:
        following = time.perf_counter() + self.mine.uniform(2, 6)
        while not self.ended.wait(0.1):
            there = workers(os.getpid())
            now = time.perf_counter()
            if there:
                self.first, self.last = self.first or now, now
            self.used |= there
            if self.killed < self.kills and there and now > following:
                os.kill(self.mine.choice(sorted(there)), signal.SIGKILL)
                self.killed += 1
                following = now + self.mine.uniform(0.5, 4.5)

    def stop(self) -> None:
        self.ended.set()
        self.join()


def workers(ancestor: int) -> dict[int, float]:
    """Processor seconds, user's and system's, of the Ray workers that descend from a process."""
    parents, found = dict[int, int](), dict[int, float]()
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            words = (folder / "stat").read_text().rpartition(")")[2].split()
            parents[int(folder.name)] = int(words[1])
            if (folder / "cmdline").read_bytes().startswith(WORKER):
                found[int(folder.name)] = (int(words[11]) + int(words[12])) / TICKS
        except OSError:
            continue
    return {pid: seconds for pid, seconds in found.items() if _descends(pid, ancestor, parents)}


def _descends(pid: int, ancestor: int, parents: dict[int, int]) -> bool:
    while pid > 1:
        if pid == ancestor:
            return True
        pid = parents.get(pid, 0)
    return False


if __name__ == "__main__":
    main()
