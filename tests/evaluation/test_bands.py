"""Bands stay within what the margins allow, and a given table is its own band."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from llmsynthor.evaluation.bands import band_of, frechet_bounds


@given(st.integers(0, 2**32), st.integers(2, 6), st.integers(2, 6))
def test_bands_hold_the_estimate_and_stay_within_the_margins(seed: int, rows: int, columns: int) -> None:
    """Every band contains its estimate and lies within the Fréchet bounds."""
    table = np.random.default_rng(seed).dirichlet(np.full(rows * columns, 0.5)).reshape(rows, columns)
    band, bounds = band_of(table, "zones"), frechet_bounds(table.sum(axis=1), table.sum(axis=0))
    assert (band.low <= table + 1e-12).all()
    assert (table <= band.high + 1e-12).all()
    assert (band.low >= bounds.low - 1e-12).all()
    assert (band.high <= bounds.high + 1e-12).all()


def test_the_bounds_are_reached() -> None:
    """A table in which two levels never meet lies on its lower bounds."""
    table = np.array([[0.5, 0.0], [0.0, 0.5]])
    assert (frechet_bounds(np.array([0.5, 0.5]), np.array([0.5, 0.5])).high == np.full((2, 2), 0.5)).all()
    assert (band_of(table, "estimated").high <= 0.5).all()
