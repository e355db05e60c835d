"""Campaigns of faults, deterministic by seed; small ones stand in the tests, kills and interrupts in `benchmarks/crashes.py`.

    python -m benchmarks.faults readers --count 100000 --seed 1
    python -m benchmarks.faults exchange|parsers|folders|commands --count N --seed S
    python -m benchmarks.faults servers

Prints outcomes, how long it took, and every fault: an unforeseen error, a slow end, a file that differs.
"""

import argparse
import os
import time
from collections import Counter
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from tests.campaigns.answers import attack_exchange, attack_readers
from tests.campaigns.commands import attack_commands
from tests.campaigns.folders import attack_folder
from tests.campaigns.parsers import attack_parsers
from tests.campaigns.processes import start
from tests.campaigns.servers import attack_servers

from llmsynthor.spec.specification import Spec

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
FLAT = str(EXAMPLES / "quickstart" / "spec.yaml")
SCRIPT = f"scripted:{EXAMPLES / 'quickstart' / 'answers.yaml'}"
Found = tuple[Counter[str], list[str]]


def folders(count: int, rng: Random, scratch: Path) -> Found:
    """Change a file of a finished run's folder, and read it."""
    with start(["synthesize", FLAT, "--llm", SCRIPT, "--records", "300", "--out", str(scratch / "made")]) as process:
        process.communicate()
    return attack_folder(scratch / "made", scratch, count=count, rng=rng)


def attack(count: int, rng: Random, scratch: Path) -> Found:
    """Call so many command lines of absurd values; 0 calls all."""
    return attack_commands(scratch, count=count or None, rng=rng)


def servers(_count: int, _rng: Random, scratch: Path) -> Found:
    """Run a small synthesis against each of the servers that do wrong in a way of its own, twice."""
    return attack_servers(scratch, Spec.load(FLAT), os.environ["OPENAI_API_KEY"])


def main() -> None:
    """Run one campaign."""
    reading = argparse.ArgumentParser()
    reading.add_argument("name", choices=("readers", "exchange", "parsers", "folders", "commands", "servers"))
    reading.add_argument("--count", type=int, default=100)
    reading.add_argument("--seed", type=int, default=1)
    given = reading.parse_args()
    os.environ.setdefault("OPENAI_API_KEY", "sk-campaign-0123")
    rng, began, used = Random(given.seed), time.monotonic(), time.process_time()
    with TemporaryDirectory() as scratch:
        place = Path(scratch)
        if given.name == "readers":
            outcomes, faults = attack_readers(count=given.count, rng=rng)
        elif given.name == "exchange":
            outcomes, faults = attack_exchange(count=given.count, rng=rng)
        elif given.name == "parsers":
            outcomes, faults = attack_parsers(place, count=given.count, rng=rng)
        else:
            campaign = {"folders": folders, "commands": attack, "servers": servers}[given.name]
            outcomes, faults = campaign(given.count, rng, place)
    for name, count in sorted(outcomes.items()):
        print(f"{count:9,} {name}")
    print(
        f"{given.count:,} tries, {time.monotonic() - began:.0f} s, {time.process_time() - used:.0f} CPU s; {len(faults)} faults"
    )
    for fault in faults[:50]:
        print(fault)


if __name__ == "__main__":
    main()
