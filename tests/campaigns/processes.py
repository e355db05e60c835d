"""Runs that are interrupted or killed at random moments, and resumed: nothing lost, nothing paid twice, the same bytes."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from tests.llm.faults import GOOD, Faulty

DIFFERS = ("ledger.sqlite", "ledger.sqlite-wal", "ledger.sqlite-shm", "run.lock", ".lock")
"""Files that hold times of day."""

SECONDS = re.compile(r'"seconds": [\d.e-]+|[\d.,]+ (?:s|seconds|minutes)\b|<td[^>]*>[\d.,]+</td>')
"""What a run says of time, in run.json and in its report."""

COMMAND = [sys.executable, "-m", "llmsynthor"]


def _hear() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(words: Sequence[str], **environment: str) -> "subprocess.Popen[str]":
    """Start a command as a terminal would."""
    return subprocess.Popen(
        [*COMMAND, *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
        preexec_fn=_hear,  # noqa: PLW1509  (nothing runs beside it)
    )


Told = Callable[[int, Counter[str], list[str]], None]
"""Is told after each try: how many there were, outcomes, faults."""

Begin = Callable[[Sequence[str]], Any]
"""Starts a command; gives what can be asked as a `subprocess.Popen` is: pid, poll, kill, communicate, returncode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When a process is struck: after so many seconds of its own work (its processor's, not the clock's), counted from its
    start, or from when its run folder has a run.json."""

    seconds: float
    in_run: bool = False
    most: float = 120.0

    def wait(self, process: Any, out: Path) -> bool:
        """Wait for it; whether the process still works then."""
        begun, until = None if self.in_run else 0.0, time.monotonic() + self.most
        while process.poll() is None and time.monotonic() < until:
            if begun is None and (out / "run.json").is_file():
                begun = worked(process.pid)
            if begun is not None and worked(process.pid) - begun >= self.seconds:
                break
            time.sleep(0.003)
        return process.poll() is None


def worked(pid: int) -> float:
    """Processor seconds of a process; seconds of the clock where the system does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    except OSError:
        return time.monotonic() if not Path("/proc/self/stat").exists() else 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """How a run ended that was interrupted: seconds from the signal to its end, None where it had ended before."""

    seconds: float | None
    code: int
    before: str
    status: str


def interrupt(words: Sequence[str], out: Path, moment: Moment, **environment: str) -> Heard:
    """Send Ctrl-C at a moment of a run."""
    with start([*words, "--out", str(out)], **environment) as process:
        works, before = moment.wait(process, out), _status(out)
        if not works:
            process.communicate()
            return Heard(seconds=None, code=process.returncode, before=before, status=_status(out))
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
        return Heard(seconds=time.monotonic() - began, code=process.returncode, before=before, status=_status(out))


def _status(out: Path) -> str:
    path = out / "run.json"
    return str(json.loads(path.read_text(encoding="utf-8")).get("status")) if path.is_file() else "nothing"


def kill_and_resume(
    words: Sequence[str], out: Path, whole: Path, moment: Moment, *, begin: Begin = start
) -> tuple[str, list[str], float]:
    """Kill a run at a moment and resume it: its status at the kill, what differs from a whole run, and when it was killed."""
    process = begin([*words, "--out", str(out)])
    works = moment.wait(process, out)
    process.kill()
    process.communicate()
    killed, when = _status(out) if works else "ended before", time.monotonic()
    process = begin([*words, "--out", str(out), "--resume"])
    _, said = process.communicate(timeout=600)
    if process.returncode not in (0, 1):
        return killed, [f"resume ended with {process.returncode}: {said[-300:]}"], when
    return killed, (differences_but_seconds if "--base-url" in words else differences)(whole, out), when


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


IN_FLIGHT = 0.5
"""Seconds before a kill in which a server was asked: the answer may not have been read, or written down, and is asked for again."""


def paid_twice(before: Sequence[str], asked: Sequence[tuple[str, float]], killed: float) -> tuple[list[str], int]:
    """Questions that a server answered more often than in a whole run (`before`), and how many more were under way at the kill.

    `asked` holds the questions that were answered well, with the moment of each.
    """
    often, twice, flying = Counter(before), list[str](), 0
    for question, count in Counter(question for question, _ in asked).items():
        more = count - often[question]
        if more <= 0:
            continue
        under_way = sum(own == question and killed - IN_FLIGHT < when <= killed for own, when in asked)
        flying += min(more, under_way)
        twice += [question] * max(0, more - under_way)
    return twice, flying


def questions(there: Faulty, first: int = 0) -> list[tuple[str, float]]:
    """What a server was asked and answered well, from its request number `first` on, and when."""
    rows = zip(there.asked[first:], there.bodies[first:], there.times[first:], strict=True)
    return [(json.dumps([path, body], sort_keys=True), when) for (path, deed), body, when in rows if deed == GOOD]


def campaign_of_kills(
    specs: Mapping[str, Sequence[str]],
    scratch: Path,
    *,
    count: int,
    rng: random.Random,
    there: Faulty | None = None,
    begin: Begin = start,
    told: Told = lambda *_: None,
) -> tuple[Counter[str], list[str]]:
    """Kill and resume each of the runs in turn, so often in all; `there` is the server of those that ask one."""
    outcomes, faults, seconds, before = Counter[str](), list[str](), dict[str, float](), dict[str, list[str]]()
    for name, words in specs.items():
        first = len(there.asked) if there else 0
        process = begin([*words, "--out", str(scratch / name)])
        while process.poll() is None:
            seconds[name] = worked(process.pid) or seconds.get(name, 0.0)
            time.sleep(0.01)
        process.communicate()
        before[name] = [question for question, _ in questions(there, first)] if there else []
    for number in range(count):
        name = list(specs)[number % len(specs)]
        out, moment = scratch / f"{name}-{number}", Moment(seconds=rng.random() * seconds[name])
        first = len(there.asked) if there else 0
        killed, found, when = kill_and_resume(specs[name], out, scratch / name, moment, begin=begin)
        twice, flying = paid_twice(before[name], questions(there, first), when) if there else ([], 0)
        outcomes[f"{name} killed: {killed}"] += 1
        outcomes[f"{name} {'differs' if found else 'same bytes'}"] += 1
        outcomes[f"{name} answers asked for twice"] += len(twice)
        outcomes[f"{name} answers under way at the kill, asked for again"] += flying
        if found or twice:
            faults.append(
                f"{name} after {moment.seconds:.2f} of {seconds[name]:.2f} CPU s: {found[:5]}, {len(twice)} paid twice"
            )
        else:
            shutil.rmtree(out)
        told(number + 1, outcomes, faults)
    return outcomes, faults


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupted:
    """A run that is interrupted at random within so many processor seconds; with `compiles` it finds no compiled code."""

    words: Sequence[str]
    longest: float
    compiles: bool = False


def campaign_of_interrupts(
    runs: Mapping[str, Interrupted],
    scratch: Path,
    *,
    count: int,
    rng: random.Random,
    limit: float = 1.0,
    told: Told = lambda *_: None,
) -> tuple[Counter[str], list[str], list[float]]:
    """Interrupt each of the runs in turn at a random moment, four of five after its run.json is there; gives the seconds, too."""
    outcomes, faults, taken = Counter[str](), list[str](), list[float]()
    for number in range(count):
        name = list(runs)[number % len(runs)]
        run, out, cache = runs[name], scratch / f"{name}-{number}", scratch / f"compiled-{number}"
        moment = Moment(seconds=rng.random() * run.longest, in_run=rng.random() < 0.8)
        environment = {"NUMBA_CACHE_DIR": str(cache)} if run.compiles else {}
        heard = interrupt(run.words, out, moment, **environment)
        shutil.rmtree(cache, ignore_errors=True)
        outcomes[f"{name}: {heard.before}, then {heard.code} {heard.status}"] += 1
        if heard.seconds is None:
            continue
        taken.append(heard.seconds)
        early = heard.code == -signal.SIGINT and heard.before == "nothing"  # before the first line of the program
        well = heard.status in ("stopped" if heard.before == "running" else heard.before, "stopped")
        late = heard.before in ("done", "stopped")  # what is done stays done
        if heard.seconds > limit or not (heard.code == 130 or early or late) or not well:
            faults.append(f"{name} {moment}: {heard}")
        told(number + 1, outcomes, faults)
    return outcomes, faults, taken
