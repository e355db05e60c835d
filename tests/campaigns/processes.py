"""Runs that are interrupted or killed at random moments, and resumed: nothing lost, nothing paid twice, the same bytes."""

import json
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import polars as pl

DIFFERS = ("ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm", "run.lock", ".lock")
"""Files that hold times of day."""

SECONDS = re.compile(r'"seconds": [\d.e-]+|[\d.,]+ (?:s|seconds|minutes)\b|<td[^>]*>[\d.,]+</td>')
"""What a run says of time, in run.json and in its report."""

COMMAND = [sys.executable, "-m", "llmsynthor"]


def _hear() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(words: Sequence[str]) -> "subprocess.Popen[str]":
    """Start a command as a terminal would."""
    return subprocess.Popen(
        [*COMMAND, *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_hear,  # noqa: PLW1509  (nothing runs beside it)
    )


def interrupt(words: Sequence[str], out: Path, *, after: float) -> tuple[float | None, int, str]:
    """Send Ctrl-C so many seconds after the start: seconds until the end, exit code, status. None where it had ended before."""
    with start([*words, "--out", str(out)]) as process:
        time.sleep(after)
        if process.poll() is not None:
            return None, process.returncode, _status(out)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
        return time.monotonic() - began, process.returncode, _status(out)


def _status(out: Path) -> str:
    path = out / "run.json"
    return str(json.loads(path.read_text(encoding="utf-8")).get("status")) if path.is_file() else "nothing"


def kill_and_resume(words: Sequence[str], out: Path, whole: Path, *, after: float) -> tuple[bool, list[str]]:
    """Kill a run so many seconds after its start and resume it: whether it was killed, and what differs from a whole run."""
    with start([*words, "--out", str(out)]) as process:
        time.sleep(after)
        killed = process.poll() is None
        process.kill()
        process.communicate()
    with start([*words, "--out", str(out), "--resume"]) as process:
        _, said = process.communicate(timeout=600)
    if process.returncode not in (0, 1):
        return killed, [f"resume ended with {process.returncode}: {said[-300:]}"]
    return killed, differences_but_seconds(whole, out) if "--base-url" in words else differences(whole, out)


def differences(one: Path, other: Path) -> list[str]:
    """Names of the files that differ, times of day apart."""
    names = {file.relative_to(one).as_posix() for file in one.rglob("*") if file.is_file()}
    names |= {file.relative_to(other).as_posix() for file in other.rglob("*") if file.is_file()}
    kept = [name for name in sorted(names) if not name.endswith(DIFFERS)]
    return [name for name in kept if not _same(one / name, other / name)]


def _same(one: Path, other: Path) -> bool:
    return one.is_file() and other.is_file() and one.read_bytes() == other.read_bytes()


def differences_but_seconds(one: Path, other: Path) -> list[str]:
    """The same for runs with a server, whose answers take their time each time anew."""
    return [name for name in differences(one, other) if not _same_but_seconds(one / name, other / name)]


def _same_but_seconds(one: Path, other: Path) -> bool:
    if not one.is_file() or not other.is_file():
        return False
    if one.name == "history.parquet":
        first, second = (pl.read_parquet(path).drop("seconds") for path in (one, other))
        return first.equals(second)
    first_text, second_text = (SECONDS.sub("", path.read_text(encoding="utf-8")) for path in (one, other))
    return first_text == second_text


def campaign_of_kills(
    specs: dict[str, Sequence[str]], scratch: Path, *, count: int, rng: random.Random
) -> tuple[Counter[str], list[str]]:
    """Kill and resume each of the runs in turn, so often in all."""
    outcomes, faults, seconds = Counter[str](), list[str](), dict[str, float]()
    for name, words in specs.items():
        with start([*words, "--out", str(scratch / name)]) as process:
            began = time.monotonic()
            process.communicate()
            seconds[name] = time.monotonic() - began
    for number in range(count):
        name = list(specs)[number % len(specs)]
        out, after = scratch / f"{name}-{number}", rng.random() * seconds[name]
        killed, found = kill_and_resume(specs[name], out, scratch / name, after=after)
        outcomes[f"{name} {'killed' if killed else 'ended before'}"] += 1
        outcomes[f"{name} {'differs' if found else 'same bytes'}"] += 1
        if found:
            faults.append(f"{name} after {after:.2f} s of {seconds[name]:.2f}: {found[:5]}")
    return outcomes, faults


def campaign_of_interrupts(
    runs: dict[str, tuple[Sequence[str], float]], scratch: Path, *, count: int, rng: random.Random, limit: float = 1.0
) -> tuple[Counter[str], list[str], list[float]]:
    """Interrupt each of the runs in turn at a random moment before its given seconds; gives the seconds it took, too."""
    outcomes, faults, taken = Counter[str](), list[str](), list[float]()
    for number in range(count):
        name = list(runs)[number % len(runs)]
        words, longest = runs[name]
        after = 0.3 + rng.random() * longest
        seconds, code, status = interrupt(words, scratch / f"{name}-{number}", after=after)
        outcomes[f"{name} {code} {status}"] += 1
        if seconds is None:
            continue
        taken.append(seconds)
        if seconds > limit or code not in (130, -signal.SIGINT) or (code == 130 and status == "running"):
            faults.append(f"{name} after {after:.2f} s: {seconds:.2f} s, exit {code}, status {status}")
    return outcomes, faults, taken
