"""Campaigns of faults, deterministic by seed but for the moments at which a busy machine acts; small ones stand in the tests.

    python -m benchmarks.faults readers --count 100000 --seed 1
    python -m benchmarks.faults exchange|parsers|folders|kills|interrupts --count N --seed S

Prints outcomes, how long it took, and every fault: an unforeseen error, a slow end, a file that differs.
"""

import argparse
import os
import time
from collections import Counter
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import yaml
from tests.campaigns.answers import attack_exchange, attack_readers
from tests.campaigns.folders import attack_folder
from tests.campaigns.parsers import attack_parsers
from tests.campaigns.processes import campaign_of_interrupts, campaign_of_kills, start
from tests.homes import HOMES
from tests.llm.faults import GOOD, serving

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
FLAT = str(EXAMPLES / "quickstart" / "spec.yaml")
SCRIPT = f"scripted:{EXAMPLES / 'quickstart' / 'answers.yaml'}"
Found = tuple[Counter[str], list[str]]


def folders(count: int, rng: Random, scratch: Path) -> Found:
    """Change a file of a finished run's folder, and read it."""
    with start(["synthesize", FLAT, "--llm", SCRIPT, "--records", "300", "--out", str(scratch / "made")]) as process:
        process.communicate()
    return attack_folder(scratch / "made", scratch, count=count, rng=rng)


def kills(count: int, rng: Random, scratch: Path) -> Found:
    """Kill and resume a flat run with a script, a nested one, and one with a server."""
    nested = scratch / "nested.yaml"
    nested.write_text(yaml.safe_dump(HOMES), encoding="utf-8")
    with serving(GOOD) as there:
        specs = {
            "flat": ["synthesize", FLAT, "--llm", SCRIPT, "--records", "300", "--seed", "1"],
            "nested": ["synthesize", str(nested), "--llm", "none", "--records", "100", "--seed", "1"],
            "remote": ["synthesize", FLAT, "--llm", "openai:m", "--base-url", there.address, "--records", "300"],
        }
        outcomes, faults = campaign_of_kills(specs, scratch, count=count, rng=rng)
        outcomes["remote questions"] = len(there.asked)
    return outcomes, faults


def interrupts(count: int, rng: Random, scratch: Path) -> Found:
    """Ctrl-C while a model is opened and answers, while code is compiled, and at any other moment."""
    os.environ["NUMBA_CACHE_DIR"] = str(scratch / "numba")
    words = ["synthesize", FLAT, "--records", "300"]
    runs = {
        "model": ([*words, "--llm", "local:smollm2-135m"], 45.0),
        "compiling": ([*words, "--llm", "none"], 45.0),
    }
    outcomes, faults, taken = campaign_of_interrupts(runs, scratch, count=count, rng=rng)
    taken.sort()
    if taken:
        print(f"seconds: median {taken[len(taken) // 2]:.2f}, most {taken[-1]:.2f}; {sum(t > 1 for t in taken)} over 1")
    return outcomes, faults


def main() -> None:
    """Run one campaign."""
    reading = argparse.ArgumentParser()
    reading.add_argument("name", choices=("readers", "exchange", "parsers", "folders", "kills", "interrupts"))
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
            outcomes, faults = {"folders": folders, "kills": kills, "interrupts": interrupts}[given.name](
                given.count, rng, place
            )
    for name, count in sorted(outcomes.items()):
        print(f"{count:9,} {name}")
    print(
        f"{given.count:,} tries, {time.monotonic() - began:.0f} s, {time.process_time() - used:.0f} CPU s; {len(faults)} faults"
    )
    for fault in faults[:50]:
        print(fault)


if __name__ == "__main__":
    main()
