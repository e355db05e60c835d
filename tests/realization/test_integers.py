"""Whole sums by an integer program."""

import numpy as np

from llmsynthor.realization.integers import moved_by_program


def test_a_way_through_several_sets_is_found() -> None:
    """Sums that only a chain of moves through several sets brings to what is wanted are met, inside the sets' room."""
    rng = np.random.default_rng(1)
    entering = np.zeros((36, 12))
    for row in range(6):
        for column in range(6):
            entering[row * 6 + column, [row, 6 + column]] = 1.0
    least, most = np.zeros(36), rng.integers(0, 3, 36).astype(float)
    wanted = entering.T @ np.minimum(rng.integers(0, 3, 36), most)
    sums = np.zeros(36)
    found = moved_by_program(entering, sums, entering.T @ sums - wanted, least, most)
    assert (entering.T @ found).tolist() == wanted.tolist()
    assert (found >= least).all() and (found <= most).all()


def test_sums_that_cannot_be_met_come_near() -> None:
    """Where the room is too small, the sums end as near as it lets them."""
    found = moved_by_program(np.ones((2, 1)), np.zeros(2), np.array([-9.0]), np.zeros(2), np.full(2, 3.0))
    assert found.tolist() == [3.0, 3.0]
