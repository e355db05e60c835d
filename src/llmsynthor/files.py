"""Files from elsewhere: only regular ones are opened, and only so much of them is read."""

import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

MOST_BYTES = 64 << 20
MOST_NODES = 20_000_000
DEEPEST = 60
PARTIAL = ".partial"
"""Ending of files that are being written: `.NAME.PROCESS.THREAD.partial`."""


class OddFileError(ValueError):
    """A file that is no regular file, or is too large; its text is the reason."""


def check_regular(path: Path, most: int | None = None) -> None:
    """Refuse pipes, devices and folders before they are opened (a pipe would be waited for), and files of more bytes than `most`.

    Raises OSError where there is nothing, OddFileError.
    """
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(21, "it is a folder", str(path))
    if not stat.S_ISREG(status.st_mode):
        raise OddFileError("it is no regular file but a pipe, a socket or a device")
    if most is not None and status.st_size > most:
        raise OddFileError(f"it has {status.st_size:,} bytes, more than the {most:,} that are read")


def read_bytes(path: Path, most: int = MOST_BYTES) -> bytes:
    """Read a regular file of at most so many bytes; raises OSError, OddFileError."""
    check_regular(path, most)
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OddFileError(f"it has more than {most:,} bytes")
    return content


def read_text(path: Path, most: int = MOST_BYTES) -> str:
    """Read a regular file of UTF-8, with or without a mark of byte order; raises OSError, ValueError."""
    return read_bytes(path, most).decode("utf-8-sig")


def write_beside(path: Path, write: Callable[[Path], object]) -> None:
    """Let a file be written beside its place and move it there: a failure leaves what was there, and a link or a pipe is
    replaced, not written through. Raises OSError, and what `write` raises."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}{PARTIAL}")
    partial.unlink(missing_ok=True)
    try:
        write(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def clear_unfinished(folder: Path) -> None:
    """Remove what a killed process was writing below a folder, see `write_beside`; raises OSError."""
    for left in folder.rglob(f".*.*[0-9].*[0-9]{PARTIAL}"):
        if left.is_file() and not left.is_symlink():
            left.unlink(missing_ok=True)


def odd_entries(folder: Path) -> list[str]:
    """Whatever is neither a regular file nor a folder, below a folder: links, pipes, devices, by their places in it."""
    found, waiting = list[str](), [folder]
    while waiting:
        for entry in os.scandir(waiting.pop()):
            if entry.is_dir(follow_symlinks=False):
                waiting.append(Path(entry.path))
            elif not entry.is_file(follow_symlinks=False):
                found.append(Path(entry.path).relative_to(folder).as_posix())
    return sorted(found)


def expanded_size(raw: Any) -> int:
    """How many values a document has when its aliases are written out; raises ValueError for one that holds itself."""
    known: dict[int, int] = {}
    return _size(raw, known, set(), 0)


def _size(value: Any, known: dict[int, int], above: set[int], depth: int) -> int:
    if not isinstance(value, list | dict):
        return 1
    if depth > DEEPEST:
        raise ValueError(f"it is nested more than {DEEPEST} levels deep")
    if id(value) in above:
        raise ValueError("a part of it holds itself, by an alias")
    if id(value) not in known:
        above.add(id(value))
        inner = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_size(own, known, above, depth + 1) for own in inner)
        above.discard(id(value))
    return known[id(value)]
