"""Monotone cubics against scipy's."""

import numpy as np
import pytest
from scipy.interpolate import PchipInterpolator

from llmsynthor.aims.monotone import interpolate


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("points", [2, 3, 4, 12])
def test_the_curve_is_that_of_scipy(points: int, seed: int) -> None:
    """Through any points, level and turning ones too, the curve is the same to the last digits, and rises where they rise."""
    rng = np.random.default_rng(seed)
    x = np.cumsum(rng.exponential(size=points) + 1e-3)
    y = np.cumsum(
        rng.exponential(size=points) * (rng.random(points) < 0.7) * (1 if seed % 2 else rng.choice([-1, 1], points))
    )
    at = np.linspace(x[0], x[-1], 301)
    found = interpolate(x, y, at)
    np.testing.assert_allclose(found, PchipInterpolator(x, y)(at), rtol=1e-12, atol=1e-13)
    if seed % 2:
        assert (np.diff(found) >= -1e-12).all()
