"""What every test may lean on."""

import socket
from pathlib import Path

import pytest

from tests.conftest import turn


def test_no_test_reaches_a_network() -> None:
    """A connection beyond loopback fails at once and says so; one to this machine is tried."""
    with socket.socket() as far, pytest.raises(AssertionError, match="only loopback"):
        far.connect(("192.0.2.1", 9))
    with socket.socket() as near, pytest.raises(ConnectionError):
        near.connect(("127.0.0.1", 9))


def test_files_have_their_turn() -> None:
    """What compiles every kernel goes first, then rooms without kernels, then what takes long; doctests end."""
    here = Path(__file__).parent
    order = ["conformance/test_conformance.py", "spec/test_levels.py", "run/test_faults.py", "run/test_audit.py"]
    slow = [True, False, True, False]
    assert [turn(here / name, heavy) for name, heavy in zip(order, slow, strict=True)] == [0, 1, 2, 3]
    assert turn(here.parent / "src" / "llmsynthor" / "texts.py", heavy=False) == 3
    assert all((here / name).is_file() for name in order)
