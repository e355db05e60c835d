"""The run folder: what is written where, and when a folder may be written to."""

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from llmsynthor.errors import Problem, RunFolderError

MANIFEST = "run.json"
LEDGER = "ledger.sqlite"
WRITTEN = (
    "alignment.csv",
    "disagreements.csv",
    "start.parquet",
    "dependencies.csv",
    "proposals.parquet",
    "history.parquet",
    "report.html",
    "zones.csv",
)
IDENTITY = ("spec", "arguments", "model", "prompts", "llmsynthor")
"""Entries of the manifest that say which run it is: an equal run may be repeated in its own folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFolder:
    """A folder that this run may write to."""

    path: Path

    @property
    def ledger(self) -> Path:
        return self.path / LEDGER

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        text = json.dumps(manifest, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
        self.write_text(MANIFEST, text)

    def write_text(self, name: str, text: str) -> None:
        self._write(name, lambda path: path.write_text(text, encoding="utf-8"))

    def write_parquet(self, name: str, frame: pl.DataFrame) -> None:
        self._write(name, lambda path: frame.write_parquet(path, compression="zstd"))

    def write_csv(self, name: str, frame: pl.DataFrame) -> None:
        self._write(name, frame.write_csv)

    def _write(self, name: str, write: Any) -> None:
        """Write beside the place and move there, so that a failure leaves what was there before."""
        target = self.path / name
        partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            write(partial)
            partial.replace(target)
        except (OSError, pl.exceptions.PolarsError) as cause:
            partial.unlink(missing_ok=True)
            raise unwritable(target, cause) from cause


def claim(path: Path, manifest: Mapping[str, Any], *, resume: bool, force: bool) -> RunFolder:
    """Take a folder for a run; raises RunFolderError when it holds something that the run would spoil.

    A new or empty folder, one that holds but a ledger, and that of an equal run are free; that of another run needs `force`.
    """
    if path.exists() and not path.is_dir():
        raise RunFolderError(Problem(where=str(path), what="this is a file", advice="name a folder for the run"))
    held = (
        sorted(entry.name for entry in path.iterdir() if not entry.name.endswith(".partial")) if path.is_dir() else []
    )
    if held and held != [LEDGER]:
        _check_held(path, held, manifest, resume=resume, force=force)
        if different_entries(path, manifest):
            _clear(path)
    elif resume and not held:
        raise RunFolderError(Problem(where=str(path), what="there is no run to resume", advice="leave out --resume"))
    folder = RunFolder(path=path)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as cause:
        raise unwritable(path, cause) from cause
    return folder


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
    return [name for name in IDENTITY if other.get(name) != manifest.get(name)]


def _clear(path: Path) -> None:
    """Remove what another run left, so that old and new never stand side by side; the ledger stays."""
    for name in ("records", "estimated", "spec", "start"):
        shutil.rmtree(path / name, ignore_errors=True)
    for name in WRITTEN:
        (path / name).unlink(missing_ok=True)


def read_manifest(path: Path) -> dict[str, Any]:
    """Read run.json; raises RunFolderError when the folder holds none that can be read."""
    try:
        content = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as cause:
        problem = Problem(where=str(path), what=f"this is no run folder ({cause})", advice="name the folder of a run")
        raise RunFolderError(problem) from cause
    if not isinstance(content, dict) or not all(isinstance(content.get(name), dict) for name in ("spec", "arguments")):
        raise RunFolderError(
            Problem(where=str(path / MANIFEST), what="it is no manifest", advice="name the folder of a run")
        )
    return content


def unwritable(path: Path, cause: Exception) -> RunFolderError:
    """Make the error of a place that cannot be written."""
    advice = "make room or choose a folder that can be written; answers of the LLM so far are in the ledger"
    return RunFolderError(Problem(where=str(path), what=f"it cannot be written ({cause})", advice=advice))
