"""Compiled kernels are kept by what they were compiled from, wherever the package lies, and once a type of argument."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import numba

from llmsynthor.alignment import compiled, kernels_random
from llmsynthor.alignment.trees import kernels_build


def test_every_file_that_kernels_read_tells_of_a_change() -> None:
    """What kernels import of this package is part of the digest that names their folder: no stale code is ever run."""
    told = compiled.telling()
    read = {
        compiled.HERE.parent.joinpath(*part.module.split(".")[1:])
        for path in told
        if path.stem.startswith("kernels")
        for part in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(part, ast.ImportFrom) and part.module and part.module.startswith("llmsynthor.")
        if not part.module.endswith(".compiled")
    }
    names = {"fields"} | {path.stem for path in read if path.with_suffix(".py").is_file()}
    assert len(names) > 10
    assert names <= {path.stem for path in told}


def test_another_checkout_finds_the_same_code() -> None:
    """A kernel's place in the cache does not hold the path of its checkout, and two rooms with a file of one name have two."""
    places = {
        room: Path(kernel.stats.cache_path)
        for room, kernel in {"trees": kernels_build.rebuild, "alignment": kernels_random.mix}.items()
    }
    assert {room: place.name for room, place in places.items()} == {room: room for room in places}
    if not compiled.settings.CACHE_DIR:
        assert {place.parent for place in places.values()} == {compiled.compiled_folder()}


def test_a_number_in_a_call_compiles_nothing_anew() -> None:
    """A kernel that others call with numbers, alone or in tuples, is compiled once: a number is known by its type."""

    @compiled._by_type
    @numba.njit
    def inner(number: int, pair: tuple[int, int]) -> int:
        return number + pair[0]

    @numba.njit
    def outer(number: int) -> int:
        return int(inner(1, (2, number)) + inner(number, (number, 3)) + inner(4, (5, 6)))

    assert outer(7) == 3 + 14 + 9
    assert len(inner.signatures) == 1


def test_kept_code_is_loaded_without_what_compiling_needs(tmp_path: Path) -> None:
    """A second process that finds a kernel's code kept reads in none of the definitions that numba compiles from."""
    code = (
        "import sys, numpy as np; from llmsynthor.alignment.kernels_random import stream; print(stream(1, 2, 3)); "
        "print('numba.np.random.generator_methods' in sys.modules)"
    )
    environment = {**os.environ, "LLMSYNTHOR_COMPILED": str(tmp_path)}
    answers = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment).stdout
        for _ in range(2)
    ]
    (first, compiled), (second, loaded) = (answer.split() for answer in answers)
    assert first == second
    assert (compiled, loaded) == ("True", "False")
