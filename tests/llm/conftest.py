"""A real small model, and a real llama.cpp server on loopback."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmsynthor.llm import models
from llmsynthor.llm.backend import Identity
from llmsynthor.llm.local import Local

SERVER = """
import sys, time, xllamacpp
settings = xllamacpp.CommonParams()
settings.model.path, settings.n_ctx, settings.n_parallel = sys.argv[1], 4096, 1
settings.hostnames, settings.port, settings.api_keys, settings.verbosity = ["127.0.0.1"], 0, [sys.argv[2]], -1
server = xllamacpp.Server(settings)
print(server.listening_address, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="session")
def weights() -> Path:
    """The weights of the small model, fetched once into the cache; without them the tests fail, they are not skipped."""
    return models.fetch("smollm2-135m")


@pytest.fixture(scope="session")
def small(weights: Path) -> Local:
    return Local(weights, Identity(name="local:smollm2-135m", digest="test"))


@pytest.fixture(scope="session")
def server(weights: Path) -> Iterator[str]:
    """The address of a llama.cpp server in a process of its own, with the key "secret-key"."""
    command = [sys.executable, "-c", SERVER, str(weights), "secret-key"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.kill()
