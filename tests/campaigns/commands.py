"""Commands called with absurd values: each option and place of each command in turn, with every odd value of its kind.

A command that is called so works, or ends in a plain error (exit code 1, 2 or 3), soon, and leaves its inputs as they were.
"""

import hashlib
import inspect
import os
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import get_args

import typer
from typer.models import ArgumentInfo

from llmsynthor.cli.commands import _run, app
from tests.campaigns.processes import start

PLAIN_ENDS = (0, 1, 2, 3)
LIMIT, WAITS = 10.0, 90.0
"""Processor seconds that a command may take, and seconds by the clock after which it waits for something that never comes."""

NUMBERS = ("0", "-1", "-0", "1", "nan", "inf", "-inf", "1e308", "1e-320", "9" * 40, "1e9", "", "x", "0x10", "1_0", "٣")
WORDS = (
    "",
    " ",
    "x",
    "none",
    "9" * 40,
    "a" * 5_000,
    "..",
    "../x",
    "%s{}",
    "\x1b[31m",
    "\u202e",
    "\ud800",
    "*",
    "=",
    ":",
    "-",
)
PLACES = (
    *("", ".", "..", "missing", "missing/below", "given", "given/folder", "given/pipe", "/dev/null", "/dev/zero"),
    *("given/binary.csv", "given/empty.csv", "given/spec.yaml", "given/data.csv", "given/table.csv", "run", "run/run.json"),
    *("run/records", "br[1]", "st*r", "a" * 300, "a/" * 2_000, "\x1b[31m", "\ud800", "given/data.csv/below", "~", "-"),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A command line, and which value of it is odd."""

    name: str
    words: tuple[str, ...]
    about: str


REWRITTEN = ("here/run/report.html", "here/run/run.lock")
"""What a command may write anew."""

BASES: dict[str, tuple[str, ...]] = {
    "check": ("given/spec.yaml",),
    "synthesize": ("given/spec.yaml", "--out", "out", "--llm", "none", "--records", "20"),
    "measure": ("given/spec.yaml", "given/data.csv", "--out", "out"),
    "evaluate": ("run",),
    "report": ("run",),
    "audit": ("run", "given/table.csv"),
    "ledger": ("run", "--export", "rows.jsonl"),
    "suggest-rules": ("given/spec.yaml", "--llm", "none"),
    "look": ("given/table.csv",),
    "init": ("given/table.csv", "--out", "new.yaml"),
    "export": ("run", "csv", "--out", "out"),
    "models fetch": ("nothing",),
    "scenario bench": ("--llm", "none", "--cases", "1"),
    "library show": ("acs2024",),
    "library match": ("given/spec.yaml", "--llm", "none", "--out", "matches.csv"),
    "library build": ("given/data.csv", "--out", "out"),
    "import populationsim": ("given/folder", "--out", "out"),
    "import popgen": ("given/folder", "--out", "out"),
    "import census": ("given/table.csv", "--out", "out"),
}
"""A command line of each command, to be called in a folder that `lay` has laid."""

SPEC = """llmsynthor: 1
name: shop
units:
  sale:
    variables:
      size: {kind: category, levels: [S, M, L]}
      colour: {kind: category, levels: [red, blue]}
      price: {kind: number, range: [0, 50]}
targets:
  - {name: size, unit: sale, cells: [{size: S, share: 0.5}, {size: M, share: 0.3}, {size: L, share: 0.2}]}
  - {name: colour, unit: sale, cells: [{colour: red, share: 0.4}, {colour: blue, share: 0.6}]}
synthesis: {records: 20, seed: 1}
"""
TABLE = "size,colour,count\nS,red,5\nS,blue,4\nM,red,3\nM,blue,3\nL,red,2\nL,blue,3\n"


def lay(folder: Path) -> None:
    """Lay what the command lines name: a spec, records of it, a table, odd files, and a finished run."""
    given = folder / "given"
    (given / "folder").mkdir(parents=True)
    (given / "spec.yaml").write_text(SPEC, encoding="utf-8")
    rng = Random(1)
    rows = [f"{rng.choice('SML')},{rng.choice(('red', 'blue'))},{rng.random() * 50:.2f}" for _ in range(60)]
    (given / "data.csv").write_text("\n".join(["size,colour,price", *rows, ""]), encoding="utf-8")
    (given / "table.csv").write_text(TABLE, encoding="utf-8")
    (given / "binary.csv").write_bytes(rng.randbytes(3_000))
    (given / "empty.csv").write_bytes(b"")
    os.mkfifo(given / "pipe")
    with start(["synthesize", str(given / "spec.yaml"), "--llm", "none", "--out", str(folder / "run")]) as process:
        said = process.communicate()[1]  # by a process of its own: threads of this one would be missing after a fork
    assert process.returncode == 0, said


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A parameter of a command: its option, none for a place, and the kind of its values."""

    option: str
    kind: type


def commands(group: typer.Typer = app, above: str = "") -> Iterator[tuple[str, list[Given]]]:
    """Every command of the program by its name, with its parameters."""
    for own in group.registered_commands:
        assert own.callback is not None
        found = inspect.signature(own.callback, eval_str=True).parameters.values()
        yield above + (own.name or own.callback.__name__.replace("_", "-")), [_given(parameter) for parameter in found]
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        yield from commands(inner.typer_instance, f"{above}{inner.name} ")


def _given(parameter: inspect.Parameter) -> Given:
    kind, info = get_args(parameter.annotation)[:2]
    declared = [word for word in getattr(info, "param_decls", None) or () if word.startswith("--")]
    named = declared[0] if declared else f"--{parameter.name.replace('_', '-')}"
    kinds = {Path, bool, int, float, str} & {kind, *get_args(kind)}
    return Given(option="" if isinstance(info, ArgumentInfo) else named, kind=kinds.pop() if len(kinds) == 1 else str)


def calls() -> Iterator[Call]:
    """Every command with every odd value in each of its options and places."""
    values = {int: NUMBERS, float: NUMBERS, Path: PLACES, str: WORDS, bool: ()}
    for name, parameters in commands():
        places = 0
        for own in parameters:
            for value in values[own.kind]:
                words = _with(BASES.get(name, ()), own.option, value, places)
                yield Call(name=name, words=words, about=own.option or f"place {places}")
            places += not own.option


def _with(base: Sequence[str], option: str, value: str, place: int) -> tuple[str, ...]:
    """The words of a command line with another value for an option, or for a place."""
    words = list(base)
    if not option:
        words[place : place + 1] = ["./-" if value == "-" else value]
        return tuple(words)
    if option in words:
        at = words.index(option)
        del words[at : at + 2]
    return (*words, f"{option}={value}")


def attack_commands(scratch: Path, *, count: int | None, rng: Random) -> tuple[Counter[str], list[str]]:
    """Call so many of the command lines (all without `count`), each in a process and a folder of its own."""
    lay(scratch / "laid")
    whole = list(calls())
    chosen = whole if count is None else rng.sample(whole, min(count, len(whole)))
    outcomes, faults = Counter[str](), list[str]()
    for call in chosen:
        code, said, seconds, changed = _called(call, scratch)
        outcomes[f"{call.name} {code}"] += 1
        if code not in PLAIN_ENDS or "Traceback" in said or seconds > LIMIT or changed:
            shown = " ".join(repr(word[:80]) for word in call.words)
            faults.append(f"{call.name} {shown}: {code}, {seconds:.1f} s, changed {changed}: {said.strip()[-400:]!r}")
    return outcomes, faults


def _called(call: Call, scratch: Path) -> tuple[int, str, float, list[str]]:
    """Exit code, words on stderr, processor seconds, and the inputs that were changed."""
    place, said = scratch / "call" / "here", scratch / "said"
    shutil.rmtree(place.parent, ignore_errors=True)
    shutil.copytree(scratch / "laid", place, ignore=lambda _, names: {"pipe"} & set(names))
    os.mkfifo(place / "given" / "pipe")
    (place.parent / "beside.txt").write_text("a file of somebody", encoding="utf-8")
    before = digests(place.parent)
    said.write_bytes(b"")
    began, child = time.monotonic(), os.fork()
    if child == 0:
        try:
            _become(call, place, said)
        finally:  # nothing of the process that was forked is cleared away
            os._exit(99)
    done, status, usage = os.wait4(child, os.WNOHANG)
    while not done:
        if time.monotonic() - began > WAITS:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.01)
        done, status, usage = os.wait4(child, os.WNOHANG)
    after = digests(place.parent)
    changed = [name for name, own in before.items() if after.get(name) != own and name not in REWRITTEN]
    words = said.read_text("utf-8", "replace")
    return os.waitstatus_to_exitcode(status), words, usage.ru_utime + usage.ru_stime, changed


def _become(call: Call, place: Path, said: Path) -> None:
    """Be the command, in its folder; never returns."""
    os.chdir(place)
    os.environ["HOME"] = str(place / "home")
    for number, path in enumerate((os.devnull, os.devnull, str(said))):
        os.dup2(os.open(path, os.O_RDWR), number)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  (until the process ends)
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    sys.argv = ["llmsynthor", *call.name.split(), *call.words]
    try:
        code = _run()
    except BaseException:  # noqa: BLE001  (what is looked for)
        traceback.print_exc()
        code = 99
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def digests(folder: Path) -> dict[str, str]:
    """What each regular file of a folder holds."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink()
    }
