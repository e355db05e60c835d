"""Which libraries there are: those of the package, and files of the user's own."""

from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

from llmsynthor.errors import DataError, Problem
from llmsynthor.library.store import Library, read_library

FOLDER, SUFFIX, NONE = "shipped", ".zip", "none"


def shipped() -> tuple[str, ...]:
    """Names of the libraries of the package.

    >>> shipped()
    ('acs2024', 'nhts2022')
    """
    found = files(__package__).joinpath(FOLDER).iterdir()
    return tuple(sorted(own.name.removesuffix(SUFFIX) for own in found if own.name.endswith(SUFFIX)))


def open_library(name: str) -> Library:
    """Open a library by its name, or by the path of a file; raises DataError."""
    if name in shipped():
        return _shipped(name)
    if name.endswith(SUFFIX) or "/" in name:
        return read_library(Path(name).expanduser())
    advice = f"use one of: {', '.join(shipped())}, {NONE}, or the path of a library file (…{SUFFIX})"
    raise DataError(Problem(where="library", what="there is no library of this name", found=name, advice=advice))


@cache
def _shipped(name: str) -> Library:
    with as_file(files(__package__).joinpath(FOLDER).joinpath(f"{name}{SUFFIX}")) as path:
        return read_library(path)
