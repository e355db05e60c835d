"""Files that a person has written or edited: told by their digests, never replaced without a word."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from llmsynthor.errors import Problem, RunFolderError
from llmsynthor.files import read_text, write_beside

KEPT = ".before"
"""End of the name of a file that was kept beside a new one."""

MOST_NAMED = 5
RECORD = ".measured.json"
"""Digests of the files that `measure` wrote into a folder."""


def digest_of(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def edited_files(folder: Path, written: Mapping[str, str], names: Iterable[str]) -> list[Path]:
    """Those of the files that are there and are not as they were written."""
    found = []
    for name in sorted(set(names)):
        path = folder / name
        if path.is_file() and not path.is_symlink() and written.get(name) != digest_of(path):
            found.append(path)
    return found


def keep_edited(edited: list[Path], *, force: bool) -> None:
    """Put edited files beside their places; without `force` raises RunFolderError that names them."""
    if not edited:
        return
    if not force:
        more = f" and {len(edited) - MOST_NAMED} more" if len(edited) > MOST_NAMED else ""
        found = ", ".join(str(path) for path in edited[:MOST_NAMED]) + more
        what = "files would be replaced that somebody has written or edited"
        advice = f"name another folder, move them, or use --force, which keeps each beside the new one (NAME{KEPT})"
        raise RunFolderError(Problem(where=str(edited[0].parent), what=what, found=found, advice=advice))
    for path in edited:
        number, kept = 1, path.with_name(path.name + KEPT)
        while kept.exists():
            number += 1
            kept = path.with_name(f"{path.name}{KEPT}{number}")
        path.rename(kept)


def write_kept(folder: Path, texts: Mapping[str, str], *, force: bool) -> None:
    """Write texts by name; what is there with another text must be as it was written here, else it is refused, or kept.

    Raises RunFolderError, OSError.
    """
    new = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
    written = _recorded(folder)
    edited = [path for path in edited_files(folder, written, texts) if digest_of(path) != new[path.name]]
    keep_edited(edited, force=force)
    for name, text in texts.items():
        _write(folder / name, text)
    _write(folder / RECORD, json.dumps(written | new, indent=1, sort_keys=True) + "\n")


def _write(path: Path, text: str) -> None:
    write_beside(path, lambda partial: partial.write_text(text, encoding="utf-8", newline=""))


def _recorded(folder: Path) -> dict[str, str]:
    try:
        found = json.loads(read_text(folder / RECORD))
    except (OSError, ValueError, RecursionError):
        return {}
    return {str(name): str(digest) for name, digest in found.items()} if isinstance(found, dict) else {}
