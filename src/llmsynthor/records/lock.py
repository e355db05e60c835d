"""The lock of a folder: one process at a time writes to it, and the others are told which."""

import json
import os
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from llmsynthor.errors import Problem, RunFolderError

LOCK = "run.lock"
LONGEST = 4_096


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock that is held; it falls when it is released, or when the process ends, however it ends."""

    path: Path
    descriptor: int

    def release(self) -> None:
        """Give the folder free; a second time does nothing."""
        with suppress(OSError):
            if os.fstat(self.descriptor).st_ino == self.path.stat().st_ino:
                self.path.unlink()
        with suppress(OSError):
            os.close(self.descriptor)


def lock(folder: Path) -> Lock:
    """Lock a folder that is there; raises RunFolderError that names the owner when another process holds it."""
    path = folder / LOCK
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
        if not _take(descriptor):
            said = os.pread(descriptor, LONGEST, 0) if hasattr(os, "pread") else b""
            os.close(descriptor)
            advice = "wait for it, end it, or name another folder"
            raise RunFolderError(
                Problem(where=str(folder), what="another run works in this folder", found=_owner(said), advice=advice)
            )
        with suppress(OSError):
            if os.fstat(descriptor).st_ino == path.stat().st_ino:  # else it was released and removed just now
                break
        os.close(descriptor)
    about = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "since": int(time.time()),
        "command": Path(sys.argv[0]).name,
    }
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.write(descriptor, json.dumps(about).encode())
    return Lock(path, descriptor)


def _take(descriptor: int) -> bool:
    try:
        import fcntl  # noqa: PLC0415  (not on every system)
    except ImportError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _owner(said: bytes) -> str:
    try:
        about = json.loads(said)
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(int(about["since"])))
        return f"process {int(about['pid'])} on {str(about['host'])[:80]}, since {since}"
    except (ValueError, TypeError, KeyError, OverflowError, OSError, RecursionError):
        return "it did not say its name"
