"""Newton steps by arrays and by sparse matrices."""

import numpy as np
import pytest

from llmsynthor.realization import newton
from llmsynthor.realization.newton import Effort, entries, find_root, thinned, whole_array

EFFORT = Effort(steps=50, halvings=20, close=1e-12)


def root(rows: np.ndarray, columns: np.ndarray, wanted: np.ndarray, ridge: float) -> np.ndarray:
    """Where the sums of exp(what records enter) are as wanted."""
    member = entries(rows, columns, (int(rows.max()) + 1, len(wanted)))
    small = np.full(len(wanted), ridge)

    def gradient(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        size = np.exp(member @ at)
        return member.T @ size - wanted + small * at, size

    return find_root(np.zeros(len(wanted)), gradient, member, ridge=small, scale=wanted, effort=EFFORT)


def test_small_and_large_systems_come_to_the_same_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """An array and a sparse matrix of the same entries give the same root."""
    rng = np.random.default_rng(1)
    rows, columns = np.arange(60), rng.integers(0, 4, 60)
    wanted = np.array([20.0, 9.0, 31.0, 14.0])
    small = root(rows, columns, wanted, 1e-9)
    monkeypatch.setattr(newton, "FEW_ENTRIES", 0)
    assert not isinstance(entries(rows, columns, (60, 4)), np.ndarray)
    assert np.allclose(small, root(rows, columns, wanted, 1e-9), rtol=0, atol=1e-9)


def test_sums_that_say_the_same_are_met_together() -> None:
    """Two equal sums, with no ridge to tell them apart, are both met."""
    rows, columns = np.repeat(np.arange(10), 2), np.tile([0, 1], 10)
    found = root(rows, columns, np.array([25.0, 25.0]), 0.0)
    assert 10 * np.exp(found.sum()) == pytest.approx(25.0)


def test_matrices_keep_their_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is thinned is whole again, with entries named twice counted twice."""
    dense = whole_array(entries(np.array([0, 0, 1]), np.array([1, 1, 0]), (2, 2)))
    monkeypatch.setattr(newton, "FEW_ENTRIES", 0)
    assert np.array_equal(whole_array(thinned(dense)), dense)
    assert np.array_equal(dense, [[0.0, 2.0], [1.0, 0.0]])
