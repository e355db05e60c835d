"""Where an export is written: a new or empty folder, files never over what is there."""

import gzip
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from llmsynthor.errors import Problem, RunFolderError


def take_folder(out: Path) -> Path:
    """Make the folder; raises RunFolderError where it holds something, or cannot be made."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        held = sorted(own.name for own in out.iterdir())
    except OSError as cause:
        advice = "name a folder that can be written"
        raise RunFolderError(Problem(where=str(out), what=f"it cannot be written ({cause})", advice=advice)) from cause
    if held:
        advice = "name a new or empty folder"
        raise RunFolderError(
            Problem(where=str(out), what="the folder is not empty", found=", ".join(held[:5]), advice=advice)
        )
    return out


@contextmanager
def telling(path: Path) -> Iterator[Path]:
    """Turn what goes wrong while a file is written into a sentence."""
    try:
        yield path
    except OSError as cause:
        advice = "make room, or name another folder"
        raise RunFolderError(Problem(where=str(path), what=f"it cannot be written ({cause})", advice=advice)) from cause


def write_gzip(path: Path, pieces: Iterable[str]) -> Path:
    """Write texts one after the other, packed, without a time: same texts, same bytes."""
    with telling(path), path.open("wb") as raw, gzip.GzipFile("", "wb", 5, raw, mtime=0) as packed:
        for piece in pieces:
            packed.write(piece.encode("utf-8"))
    return path
