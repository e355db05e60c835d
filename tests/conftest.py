"""Fixtures that several rooms share."""

import os
import socket
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from llmsynthor.calibration.measured import usual
from llmsynthor.dependence import measuring
from llmsynthor.spec.specification import Spec

os.environ.setdefault("LLMSYNTHOR_THREADS", "1")  # threads that spin beside other work make the model ten times slower

collect_ignore = ["typing"]
"""Read by mypy, not run."""

COMPILING = "conformance"
"""Compiles every kernel, where none is kept, and takes long: begins while another worker goes through rooms without kernels."""

PLAIN = ("geography", "imports", "llm", "records", "sources", "spec", "test_architecture.py")
"""Rooms whose tests compile next to nothing."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Hand out files so that two workers end together, and compile once: `make test` keeps this order."""
    heavy = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: turn(item.path, item.path in heavy))


def turn(path: Path, heavy: bool) -> int:
    """The turn of a file of tests: what compiles, what needs no kernel, what has slow tests, and the rest."""
    here = Path(__file__).parent
    room = path.relative_to(here).parts[0] if path.is_relative_to(here) else ""
    return 0 if room == COMPILING else 1 if room in PLAIN else 2 if heavy else 3


LOOPBACK = ("127.0.0.1", "::1", "localhost", "")


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    """Refuse every connection beyond this machine, so that no test can lean on one."""
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def guarded(real: Callable[[socket.socket, Any], Any]) -> Callable[[socket.socket, Any], Any]:
        def checked(self: socket.socket, address: Any) -> Any:
            if isinstance(address, tuple) and address[0] not in LOOPBACK:
                raise AssertionError(f"a test reaches for {address[0]}: only loopback is allowed")
            return real(self, address)

        return checked

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded(connect))
        patch.setattr(socket.socket, "connect_ex", guarded(connect_ex))
        yield


@pytest.fixture(autouse=True)
def _known_models(monkeypatch: pytest.MonkeyPatch) -> None:
    """Doubles of models are believed as the default model is: none of them is asked about the bench of known tables first."""
    real = measuring.recall
    monkeypatch.setattr(measuring, "recall", lambda identity: real(identity) or usual())


PERSON: dict[str, Any] = {
    "age": {"kind": "integer", "range": [0, 100], "unit": "years", "label": "Age"},
    "sex": {"kind": "category", "levels": ["Female", "Male"]},
    "employment": {"kind": "category", "levels": ["Employed", "Not employed", "Under 16"]},
}


def age_rows(*counts: float) -> list[dict[str, Any]]:
    """A one-way table of age in three intervals."""
    return [{"age": age, "count": n} for age, n in zip(("[0, 16)", "[16, 65)", "65+"), counts, strict=True)]


def town() -> dict[str, Any]:
    """A small spec of persons with one-way and joint tables that agree, and a rule that builds a wall."""
    return {
        "llmsynthor": 1,
        "name": "persons",
        "context": "Residents of a small town.",
        "units": {"person": {"variables": deepcopy(PERSON)}},
        "targets": [
            {"name": "age", "unit": "person", "cells": age_rows(200, 600, 200)},
            {
                "name": "sex",
                "unit": "person",
                "cells": [{"sex": "Male", "share": 0.48}, {"sex": "Female", "share": 0.52}],
            },
            {
                "name": "employment by sex",
                "unit": "person",
                "cells": [
                    {"employment": "Employed", "sex": "Female", "count": 220},
                    {"employment": "Employed", "sex": "Male", "count": 240},
                    {"employment": "Not employed", "sex": "Female", "count": 200},
                    {"employment": "Not employed", "sex": "Male", "count": 140},
                    {"employment": "Under 16", "sex": "Female", "count": 100},
                    {"employment": "Under 16", "sex": "Male", "count": 100},
                ],
            },
        ],
        "rules": [{"name": "child", "unit": "person", "forbid": "(age < 16) != (employment == 'Under 16')"}],
    }


@pytest.fixture
def document() -> dict[str, Any]:
    """The small town, to be changed."""
    return town()


@pytest.fixture
def spec(document: dict[str, Any]) -> Spec:
    return Spec.load(document)


@pytest.fixture
def write_table(tmp_path: Path) -> Callable[[str], str]:
    """Write a CSV table and give its path."""

    def write(text: str) -> str:
        path = tmp_path / "table.csv"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


def broken(frame: pl.DataFrame) -> int:
    """Records that break the rule of `document`."""
    return frame.filter((pl.col("age") < 16) != (pl.col("employment") == "Under 16")).height
