"""Compilation of kernels: what is compiled is kept for the next run, in a folder that changes with any kernel's source.

By itself numba looks at the file of a function alone, not at those of what it calls, nor at the shapes of its arguments.
"""

import os
from collections.abc import Callable
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numba
from numba.core import config as settings

TELLING = ("@jit", "(NamedTuple)")
"""What a source file has that changes compiled code: kernels, and the tuples that they take."""


def jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a kernel when it is first called, without Python's lock; a folder that numba was given goes before our own."""
    given = settings.CACHE_DIR  # type: ignore[attr-defined]
    settings.CACHE_DIR = given or str(compiled_folder())  # type: ignore[attr-defined]
    try:
        return numba.njit(nogil=True, cache=True)(function)
    except RuntimeError:  # no folder can be written
        return numba.njit(nogil=True)(function)
    finally:
        settings.CACHE_DIR = given  # type: ignore[attr-defined]


@cache
def compiled_folder() -> Path:
    """Where compiled code is kept: in LLMSYNTHOR_COMPILED or the user's cache folder, by what it was compiled from."""
    told = sha256(numba.__version__.encode())
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        source = path.read_bytes()
        if any(mark.encode() in source for mark in TELLING) and path != Path(__file__):
            told.update(source)
    return _root() / told.hexdigest()[:16]


def _root() -> Path:
    given = os.environ.get("LLMSYNTHOR_COMPILED")
    if given:
        return Path(given)
    from platformdirs import user_cache_path  # noqa: PLC0415  (keeps the import of the package quick)

    return user_cache_path("llmsynthor") / "compiled"
