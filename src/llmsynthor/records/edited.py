"""Files that a person has written or edited: told by their digests, never replaced without a word."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from llmsynthor.errors import Problem, RunFolderError

KEPT = ".before"
"""End of the name of a file that was kept beside a new one."""

MOST_NAMED = 5


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
