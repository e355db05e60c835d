"""What every test may lean on."""

import socket

import pytest


def test_no_test_reaches_a_network() -> None:
    """A connection beyond loopback fails at once and says so; one to this machine is tried."""
    with socket.socket() as far, pytest.raises(AssertionError, match="only loopback"):
        far.connect(("192.0.2.1", 9))
    with socket.socket() as near, pytest.raises(ConnectionError):
        near.connect(("127.0.0.1", 9))
