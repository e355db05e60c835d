"""A run with a server that fails: what is lost, whether the ledger says why, and how quick it is beside one that does not fail.

    python -m benchmarks.throughput [--variables 60] [--latency 0.1] [--plan faults|retry] [--seed 1]

Each pair of variables is asked about four times, in JSON. With `faults` the server answers 20 % of all calls with 429, 5 %
with 500, cuts 5 % short, gives prose for 5 %, and hangs at 2 %; with `retry` every tenth call is answered with 429 and
`Retry-After: 20`. A refusal comes at once, an answer (good, cut or prose) after the latency. The same run is made with a server
that does not fail, for comparison. Prints a row for each.
"""

import argparse
import json
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml
from tests.llm.faults import GOOD, STATUSES, Schedule, serving

FAULTS = {"429": 0.20, "500": 0.05, "cut": 0.05, "prose": 0.05, "hang": 0.02}
STATUSES["429 retry 20"] = STATUSES["429 retry"].replace(b"Retry-After: 1", b"Retry-After: 20")


def spec(variables: int) -> dict[str, object]:
    """Categories of four levels, each with its shares."""
    names = [f"v{k}" for k in range(variables)]
    own = {name: {"kind": "category", "levels": [f"{name} {k}" for k in range(4)]} for name in names}
    tables = [
        {"name": name, "unit": "thing", "cells": [{name: f"{name} {k}", "share": 0.25} for k in range(4)]}
        for name in names
    ]
    return {"llmsynthor": 1, "units": {"thing": {"variables": own}}, "targets": tables}


def schedule(plan: str, seed: int) -> Schedule:
    """What is done with each call."""
    rng = random.Random(seed)
    if plan == "faults":
        return lambda *_: rng.choices([*FAULTS, GOOD], [*FAULTS.values(), 1 - sum(FAULTS.values())])[0]
    return lambda number, *_: "429 retry 20" if plan == "retry" and number % 10 == 9 else GOOD


def run(plan: str, path: Path, out: Path, latency: float, seed: int) -> dict[str, float]:
    """One run; calls that were answered well a second, and what the ledger and the server say."""
    with serving(schedule(plan, seed)) as there:
        there.latency, there.quick_refusals = latency, True
        words = ["synthesize", str(path), "--llm", "openai:m", "--base-url", there.address, "--records", "200"]
        began = time.monotonic()
        ended = subprocess.run(
            [sys.executable, "-m", "llmsynthor", *words, "--out", str(out)], capture_output=True, text=True, check=False
        )
        seconds = time.monotonic() - began
        done, times = Counter(name for _, name in there.asked), there.times
    with closing(sqlite3.connect(out / "ledger.sqlite")) as base:
        good = base.execute("select count(*) from calls where outcome in ('used', 'repaired')").fetchone()[0]
        rejected = base.execute("select count(*) from calls where outcome like 'rejected: _%'").fetchone()[0]
        silent = base.execute("select count(*) from calls where outcome = '' and answer != 'null'").fetchone()[0]
        lost = base.execute("select count(*) from losses").fetchone()[0]
        reasons = base.execute("select count(*) from losses where reason != ''").fetchone()[0]
    asking = max(times) - min(times)
    status = json.loads((out / "run.json").read_text(encoding="utf-8"))
    print(
        f"| {plan} | {sum(done.values()):,} | {good:,} | {dict(done)} | {lost:,} lost, {reasons:,} with a reason; {rejected:,} "
        f"rejected; {silent} without an outcome | {asking:.0f} s asking, {seconds:.0f} s in all | exit {ended.returncode}, "
        f"{status['status']}, dropped {status['usage']['dropped']} | {good / asking:.1f} good answers a second |",
        flush=True,
    )
    return {"rate": good / asking, "good": good}


def main() -> None:
    """Both runs."""
    reading = argparse.ArgumentParser()
    reading.add_argument("--variables", type=int, default=60)
    reading.add_argument("--latency", type=float, default=0.1)
    reading.add_argument("--plan", choices=("faults", "retry"), default="faults")
    reading.add_argument("--seed", type=int, default=1)
    given = reading.parse_args()
    os.environ.setdefault("OPENAI_API_KEY", "sk-campaign-0123")
    print(
        "| plan | calls | good | the server's deeds | the ledger | time | end | rate |\n|---|---|---|---|---|---|---|---|"
    )
    with TemporaryDirectory() as scratch:
        path = Path(scratch) / "spec.yaml"
        path.write_text(yaml.safe_dump(spec(given.variables)), encoding="utf-8")
        whole = run(GOOD, path, Path(scratch) / "whole", given.latency, given.seed)
        faulty = run(given.plan, path, Path(scratch) / "faulty", given.latency, given.seed)
    rate, good = (faulty[name] / whole[name] for name in ("rate", "good"))
    print(f"{rate:.0%} of the throughput without faults; {good:.1%} of the answers")


if __name__ == "__main__":
    main()
