"""The run folder: what is written where, and when a folder may be written to."""

import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from llmsynthor.errors import Problem, RunFolderError
from llmsynthor.files import PARTIAL, clear_unfinished, odd_entries, read_text, write_beside
from llmsynthor.options import Budget, key_of, options_of
from llmsynthor.records.edited import KEPT, digest_of, edited_files, keep_edited
from llmsynthor.records.held import check_manifest
from llmsynthor.records.lock import LOCK, Lock, lock
from llmsynthor.texts import fit_all, hide

MANIFEST = "run.json"
LEDGER = "ledger.sqlite"
SCENARIO_FILE = "scenario.csv"
PREPARED = frozenset({LEDGER, SCENARIO_FILE, "base"})
"""What a folder may hold before its run begins: answers, and what a scenario has prepared."""
WRITTEN = (
    "alignment.csv",
    "disagreements.csv",
    "start.parquet",
    "dependencies.csv",
    "proposals.parquet",
    "history.parquet",
    "report.html",
    "zones.csv",
    "counts.parquet",
    "before_after.csv",
    "audit.csv",
)
EDITABLE = ("spec", "estimated", "adjustments", "maps")
LIMITS = tuple(key_of(option) for option in options_of(Budget))
LOG = logging.getLogger("llmsynthor")
IDENTITY = ("spec", "scenario_of", "arguments", "model", "prompts", "llmsynthor")
"""Entries of the manifest that say which run it is: an equal run may be repeated in its own folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFolder:
    """A folder that this run may write to; `lock` keeps others out until it is released."""

    path: Path
    lock: Lock | None = None

    @property
    def ledger(self) -> Path:
        return self.path / LEDGER

    def release(self) -> None:
        """Let others write here."""
        if self.lock is not None:
            self.lock.release()

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        text = json.dumps(fit_all(dict(manifest)), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        self.write_text(MANIFEST, text)

    def write_text(self, name: str, text: str) -> None:
        self._write(name, lambda path: path.write_text(hide(text), encoding="utf-8"))

    def write_parquet(self, name: str, frame: pl.DataFrame) -> None:
        self._write(name, lambda path: frame.write_parquet(path, compression="zstd"))

    def write_csv(self, name: str, frame: pl.DataFrame) -> None:
        self.write_text(name, frame.write_csv())

    def digests(self, *folders: str) -> dict[str, str]:
        """Of every file that a person may edit, by its place in the folder; where folders are named, of those in them alone."""
        return {name: digest_of(self.path / name) for name in _editable(self.path, folders or EDITABLE)}

    def _write(self, name: str, write: Any) -> None:
        """Write beside the place and move there, so that a failure leaves what was there before."""
        target = self.path / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            write_beside(target, write)
        except (OSError, pl.exceptions.PolarsError) as cause:
            raise unwritable(target, cause) from cause


def claim(path: Path, manifest: Mapping[str, Any], *, resume: bool, force: bool) -> RunFolder:
    """Take and lock a folder for a run; raises RunFolderError when it holds something that the run would spoil.

    A new or empty folder, one that holds but a ledger, and that of an equal run are free, with `resume` or without; that of
    another run needs `force`. So does what a person has edited in it: it is kept beside then.
    """
    if path.exists() and not path.is_dir():
        raise RunFolderError(Problem(where=str(path), what="this is a file", advice="name a folder for the run"))
    try:
        path.mkdir(parents=True, exist_ok=True)
        taken = RunFolder(path=path, lock=lock(path))
    except (OSError, ValueError) as cause:
        raise unwritable(path, cause) from cause
    try:
        _make_room(path, manifest, resume=resume, force=force)
    except OSError as cause:
        taken.release()
        raise unwritable(path, cause) from cause
    except RunFolderError:
        taken.release()
        raise
    return taken


def refuse_foreign(path: Path) -> None:
    """See, before anything is made, that a folder holds nothing that no run has put there; raises RunFolderError."""
    held = _held(path) if path.is_dir() else []
    if not set(held) <= PREPARED and MANIFEST not in held:
        advice = "name another folder; nothing in it was touched"
        raise RunFolderError(
            Problem(where=str(path), what="the folder holds something else", found=", ".join(held[:5]), advice=advice)
        )


def _make_room(path: Path, manifest: Mapping[str, Any], *, resume: bool, force: bool) -> None:
    """See what the folder holds, and clear away what another run left, files that a killed one was writing among it."""
    held = _held(path)
    refuse_links(path)
    if not set(held) <= PREPARED:
        _check_held(path, held, manifest, resume=resume, force=force)
    clear_unfinished(path)
    if set(held) <= PREPARED:
        return
    before, different = read_manifest(path), different_entries(path, manifest)
    if before.get("status") == "running":
        LOG.warning("the run before in %s ended without a word: it was killed, or the machine went down", path)
    written = before.get("files")
    if isinstance(written, dict):
        names = _editable(path) if different else [name for name in _editable(path) if name in written]
        keep_edited(edited_files(path, written, names), force=force)
    if different:
        _clear(path)


def _held(path: Path) -> list[str]:
    """Names in a folder, but for its lock and files that were never finished."""
    return sorted(entry.name for entry in path.iterdir() if not entry.name.endswith(PARTIAL) and entry.name != LOCK)


def refuse_links(path: Path) -> None:
    """What is written into a link, or read from one, is elsewhere; a pipe is waited for. Raises RunFolderError, OSError."""
    odd = odd_entries(path)
    if odd:
        advice = "put folders and files of the run there, no links, or name another folder"
        what = "the folder holds links or what is no file"
        raise RunFolderError(Problem(where=str(path), what=what, found=", ".join(odd[:5]), advice=advice))


def _editable(path: Path, among: Sequence[str] = EDITABLE) -> list[str]:
    """Places of the files that a person may edit: tables and texts, not records and the ledger."""
    folders = [name for name in among if (path / name).is_dir() and not (path / name).is_symlink()]
    found = [file for name in folders for file in (path / name).rglob("*") if file.is_file() and KEPT not in file.name]
    return sorted(file.relative_to(path).as_posix() for file in found if not file.name.endswith(PARTIAL))


def _check_held(path: Path, held: list[str], manifest: Mapping[str, Any], *, resume: bool, force: bool) -> None:
    if MANIFEST not in held:
        advice = "name another folder; nothing in it was touched"
        raise RunFolderError(
            Problem(where=str(path), what="the folder holds something else", found=", ".join(held[:5]), advice=advice)
        )
    different = different_entries(path, manifest)
    if different and resume:
        advice = "repeat the command of the first run, or begin in another folder"
        what = "the run in this folder is another one and cannot be resumed"
        raise RunFolderError(
            Problem(where=str(path), what=what, found=f"different: {', '.join(different)}", advice=advice)
        )
    if different and not force:
        advice = "name another folder, or use --force to replace it (its ledger of LLM calls is kept)"
        what = "the folder holds another run"
        raise RunFolderError(
            Problem(where=str(path), what=what, found=f"different: {', '.join(different)}", advice=advice)
        )


def different_entries(path: Path, manifest: Mapping[str, Any]) -> list[str]:
    """Name the entries by which the run in a folder differs from another."""
    other = read_manifest(path)
    return [name for name in IDENTITY if _identity(other.get(name)) != _identity(manifest.get(name))]


def _identity(entry: Any) -> Any:
    """An entry without what may be raised when a run goes on: its budget."""
    return {key: own for key, own in entry.items() if key not in LIMITS} if isinstance(entry, dict) else entry


def _clear(path: Path) -> None:
    """Remove what another run left, so that old and new never stand side by side; the ledger stays, and what was kept."""
    for name in ("records", "start", "partitions", *EDITABLE):
        _clear_folder(path / name)
    for name in WRITTEN:
        (path / name).unlink(missing_ok=True)


def _clear_folder(folder: Path) -> None:
    if folder.is_symlink() or not folder.is_dir():
        return
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            _clear_folder(entry)
        elif KEPT not in entry.name:
            entry.unlink()
    with suppress(OSError):  # what was kept is still in it
        folder.rmdir()


def read_manifest(path: Path) -> dict[str, Any]:
    """Read run.json; raises RunFolderError when the folder holds none that can be read."""
    try:
        refuse_links(path)
        content = fit_all(json.loads(read_text(path / MANIFEST)))
    except (OSError, ValueError, RecursionError) as cause:
        problem = Problem(where=str(path), what=f"this is no run folder ({cause})", advice="name the folder of a run")
        raise RunFolderError(problem) from cause
    return check_manifest(path / MANIFEST, content)


def unwritable(path: Path, cause: Exception) -> RunFolderError:
    """Make the error of a place that cannot be written."""
    advice = "make room or choose a folder that can be written; answers of the LLM so far are in the ledger"
    return RunFolderError(Problem(where=str(path), what=f"it cannot be written ({cause})", advice=advice))
