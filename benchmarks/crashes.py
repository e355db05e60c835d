"""Runs killed (SIGKILL) or interrupted (Ctrl-C) at random moments: nothing lost, nothing paid twice, the same bytes, heard at once.

    python -m benchmarks.crashes kills --count 200 --seed 1
    python -m benchmarks.crashes interrupts --count 100 --seed 1

Moments are drawn in processor seconds of the run itself, so that a busy machine does not push them to its start. `kills`: a flat
run with a script, a nested one, and one with a server that answers 429 or 500 to some questions at first; each is resumed and
compared with a whole run, and the server counts what was answered twice. `interrupts`: while a model is opened and answers, while
code is compiled (no compiled code is there), and while a server is asked. Prints outcomes and every fault.
"""

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from tempfile import mkdtemp
from typing import Any
from zlib import crc32

import yaml
from tests.campaigns.processes import Interrupted, campaign_of_interrupts, campaign_of_kills
from tests.homes import HOMES
from tests.llm.faults import GOOD, Schedule, serving

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
FLAT = ["synthesize", str(EXAMPLES / "quickstart" / "spec.yaml"), "--records", "300", "--seed", "1"]
SCRIPT = f"scripted:{EXAMPLES / 'quickstart' / 'answers.yaml'}"


def refusing() -> Schedule:
    """Some questions are refused when they are first asked: one in twelve with 429, one in twelve with 500."""
    seen = set[int]()

    def deed(_: int, path: str, body: Mapping[str, Any]) -> str:
        told = crc32(json.dumps([path, body], sort_keys=True).encode())
        first = told not in seen
        seen.add(told)
        return {0: "429", 1: "500"}.get(told % 12, GOOD) if first else GOOD

    return deed


class Prepared:
    """A command in a process that a server of processes has forked with everything imported: half the work of a small run."""

    def __init__(self, words: Sequence[str]) -> None:
        self.said = Path(mkdtemp()) / "said"
        self.process = FORKING.Process(target=become, args=([*words], str(self.said)))
        self.process.start()
        self.pid, self.kill = self.process.pid, self.process.kill

    def poll(self) -> int | None:
        """The exit code, None while it works."""
        return self.process.exitcode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for its end, and give what it said."""
        self.process.join(timeout)
        return "", self.said.read_text(encoding="utf-8", errors="replace") if self.said.exists() else ""

    @property
    def returncode(self) -> int | None:
        return self.process.exitcode


def become(words: list[str], said: str) -> None:
    """Be a command, in the main thread of a process of its own; what it measures of a model, only its own resume remembers."""
    from llmsynthor.cli.commands import main as run  # noqa: PLC0415  (in the other process)
    from llmsynthor.llm import measured  # noqa: PLC0415  (in the other process)

    remembered = Path(f"{words[words.index('--out') + 1]}.measured")
    measured.measured_file = lambda: remembered  # type: ignore[assignment]
    stream = open(said, "w", encoding="utf-8")  # noqa: PTH123, SIM115  (until the process ends)
    os.dup2(stream.fileno(), 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    sys.argv = ["llmsynthor", *words]
    run()


FORKING = multiprocessing.get_context("forkserver")
IMPORTED = [
    f"llmsynthor.{name}" for name in ("cli.commands", "run.synthesize", "report.page", "alignment.align", "llm.remote")
]


def tell(number: int, outcomes: Counter[str], faults: Sequence[str]) -> None:
    """Say every tenth time where a campaign is, so that one that is ended before its end says something."""
    if number % 10 == 0:
        print(f"{number} tries, {len(faults)} faults: {dict(outcomes)} {faults[-3:]}", file=sys.stderr, flush=True)


def kills(count: int, rng: Random, scratch: Path) -> tuple[Counter[str], list[str]]:
    """Kill and resume a flat run with a script, a nested one, and one with a server."""
    nested = scratch / "nested.yaml"
    nested.write_text(yaml.safe_dump(HOMES), encoding="utf-8")
    with serving(refusing()) as there:
        specs = {
            "flat": [*FLAT, "--llm", SCRIPT],
            "nested": ["synthesize", str(nested), "--llm", "none", "--records", "60", "--seed", "1"],
            "remote": [*FLAT, "--llm", "openai:m", "--base-url", there.address],
        }
        FORKING.set_forkserver_preload(IMPORTED)
        return campaign_of_kills(specs, scratch, count=count, rng=rng, there=there, begin=Prepared, told=tell)


def interrupts(count: int, rng: Random, scratch: Path) -> tuple[Counter[str], list[str]]:
    """Ctrl-C while a model is opened and answers, while code is compiled, and while a server is asked."""
    with serving(refusing()) as there:
        runs = {
            "model": Interrupted(words=[*FLAT, "--llm", "local:smollm2-135m"], longest=8.0),
            "compiling": Interrupted(words=[*FLAT, "--llm", "none"], longest=20.0, compiles=True),
            "remote": Interrupted(words=[*FLAT, "--llm", "openai:m", "--base-url", there.address], longest=3.0),
        }
        outcomes, faults, taken = campaign_of_interrupts(runs, scratch, count=count, rng=rng, told=tell)
    taken.sort()
    if taken:
        print(f"seconds: median {taken[len(taken) // 2]:.2f}, most {taken[-1]:.2f}; {sum(t > 1 for t in taken)} over 1")
    return outcomes, faults


def main() -> None:
    """Run one campaign; what was found at fault is kept in a folder that is named."""
    reading = argparse.ArgumentParser()
    reading.add_argument("name", choices=("kills", "interrupts"))
    reading.add_argument("--count", type=int, default=30)
    reading.add_argument("--seed", type=int, default=1)
    given = reading.parse_args()
    os.environ.setdefault("OPENAI_API_KEY", "sk-campaign-0123")
    began, scratch = time.monotonic(), Path(mkdtemp())
    found = {"kills": kills, "interrupts": interrupts}[given.name](given.count, Random(given.seed), scratch)
    outcomes, faults = found
    for name, count in sorted(outcomes.items()):
        print(f"{count:9,} {name}")
    print(f"{given.count:,} tries, {time.monotonic() - began:.0f} s; {len(faults)} faults; folders in {scratch}")
    for fault in faults[:50]:
        print(fault)


if __name__ == "__main__":
    main()
