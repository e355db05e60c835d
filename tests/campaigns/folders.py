"""Run folders from strangers: a file of a folder is changed, and every reader of run folders is asked for it."""

import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from random import Random

from llmsynthor.cli.commands import _run
from tests.campaigns.mutations import change_bytes, change_json

READERS = ("report", "evaluate", "ledger")
DEFECT = 70


@contextmanager
def changed(folder: Path, name: str, content: bytes | None) -> Iterator[None]:
    """Put another content into a file of the folder, or take the file away, and put it back."""
    path = folder / name
    before = path.read_bytes()
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(before)


def answer(*words: str) -> tuple[int, str]:
    """Exit code and the words of a command, run in this process."""
    said, argv = StringIO(), sys.argv
    sys.argv = ["llmsynthor", *words]
    try:
        with redirect_stdout(StringIO()), redirect_stderr(said):
            return _run(), said.getvalue()
    finally:
        sys.argv = argv


def attack_folder(made: Path, scratch: Path, *, count: int, rng: Random) -> tuple[Counter[str], list[str]]:
    """Change so many files of a copy of a run folder; gives the exit codes by command, and every unforeseen or slow end."""
    folder = scratch / "run"
    shutil.copytree(made, folder, dirs_exist_ok=True)
    for extra in (".lock", "run.lock"):
        (folder / extra).unlink(missing_ok=True)
    names = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    names = [name for name in names if name not in ("report.html", "run.lock")]
    codes, faults = Counter[str](), list[str]()
    for number in range(count):
        name, reader = rng.choice(names), rng.choice(READERS)
        given = (folder / name).read_bytes()
        content = _changed(name, given, rng)
        with changed(folder, name, content):
            began = time.process_time()
            code, said = answer(reader, str(folder))
            seconds = time.process_time() - began
        codes[f"{reader} {code}"] += 1
        if code == DEFECT or seconds > 5:
            kept = scratch / f"fault-{number}"
            kept.write_bytes(content or b"")
            faults.append(f"{reader} with {name} ({kept.name}): {code}, {seconds:.1f} s: {said.strip()[-300:]}")
    return codes, faults


def _changed(name: str, given: bytes, rng: Random) -> bytes | None:
    if rng.random() < 0.1:
        return rng.choice((None, b"", b"\x00" * 100, given[: len(given) // 2]))
    return change_json(given, rng) if name.endswith(".json") else change_bytes(given, rng)
