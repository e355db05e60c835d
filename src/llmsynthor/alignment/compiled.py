"""Compilation of kernels: what is compiled is kept for the next run, in a folder that changes with any kernel's source.

By itself numba looks at the file of a function alone, not at those of what it calls, nor at the shapes of its arguments; and it
compiles anew in every checkout and every environment, since it keeps apart what lies in other folders. Kernels are compiled once a
type of argument, not once a number that is written in a call.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numba
from numba.core import caching, types
from numba.core import config as settings
from numba.core.runtime.nrt import rtsys

TELLING = ("@jit", "@intrinsic", "(NamedTuple)", ") = range(")
"""What a source file has that changes compiled code: kernels, the tuples that they take, and where everything stands in arrays."""

HERE = Path(__file__).resolve().parent


def jit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a kernel when it is first called, without Python's lock; a folder that numba was given goes before our own."""
    given = settings.CACHE_DIR, getattr(settings, "CACHE_LOCATOR_CLASSES", "")  # type: ignore[attr-defined]
    if not any(given):
        settings.CACHE_DIR = str(compiled_folder())  # type: ignore[attr-defined]
        settings.CACHE_LOCATOR_CLASSES = PLACES  # type: ignore[attr-defined]
    try:
        return _by_type(_ready(numba.njit(nogil=True, cache=True)(function)))
    except RuntimeError:  # no folder can be written
        return _by_type(numba.njit(nogil=True)(function))
    finally:
        settings.CACHE_DIR, settings.CACHE_LOCATOR_CLASSES = given  # type: ignore[attr-defined]


def _ready(kernel: Any) -> Any:
    """Let code that is kept be loaded without all that only compiling needs: numba reads that in before it looks what is kept.

    That took longer than to load the code, in every process. What has to be compiled reads it in by itself.
    """
    kept: Any = getattr(kernel, "_cache", None)
    load = getattr(kept, "_load_overload", None)
    if load is None:
        return kernel

    def load_overload(signature: Any, target: Any) -> Any:
        rtsys.initialize(target)
        return load(signature, target)

    kept.load_overload = load_overload
    return kernel


def _by_type(kernel: Any) -> Callable[..., Any]:
    """Let other kernels call a kernel by the types of their arguments; by itself numba compiles it anew for a number in a call."""
    resolve = kernel.get_call_template

    def resolve_types(given: Sequence[Any], named: Mapping[str, Any]) -> Any:
        return resolve([_plain(own) for own in given], {name: _plain(own) for name, own in named.items()})

    kernel.get_call_template = resolve_types
    return kernel  # type: ignore[no-any-return]


def _plain(given: Any) -> Any:
    """Give the type of an argument without its value."""
    if type(given) in (types.Tuple, types.UniTuple):
        return types.BaseTuple.from_types([_plain(own) for own in given])  # type: ignore[no-untyped-call]
    return types.unliteral(given)  # type: ignore[no-untyped-call]


class Compiled(getattr(caching, "UserProvidedCacheLocator", object)):  # type: ignore[misc]
    """Where numba finds the compiled code of a kernel: by its place in the package, wherever that lies.

    An older numba, which has no such class to build on, keeps to a folder for each checkout.
    """

    @classmethod
    def get_suitable_cache_subpath(cls, py_file: str) -> str:
        """Name the folder of a source file inside our own: `compiled_folder` tells sources apart already."""
        return Path(py_file).resolve().relative_to(HERE).parent.name or HERE.name


PLACES = f"{__name__}.Compiled" if hasattr(caching, "UserProvidedCacheLocator") else ""


def telling() -> list[Path]:
    """Files whose change changes compiled code."""
    files = sorted(HERE.rglob("*.py"))
    marks = [mark.encode() for mark in TELLING]
    return [path for path in files if path != HERE / "compiled.py" and any(mark in path.read_bytes() for mark in marks)]


@cache
def compiled_folder() -> Path:
    """Where compiled code is kept: in LLMSYNTHOR_COMPILED or the user's cache folder, by what it was compiled from."""
    told = sha256(numba.__version__.encode())
    for path in telling():
        told.update(path.read_bytes())
    return _root() / told.hexdigest()[:16]


def _root() -> Path:
    given = os.environ.get("LLMSYNTHOR_COMPILED")
    if given:
        return Path(given)
    from platformdirs import user_cache_path  # noqa: PLC0415  (keeps the import of the package quick)

    return user_cache_path("llmsynthor") / "compiled"
