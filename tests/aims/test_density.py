"""The one density of a number."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsynthor.aims.density import even_density, mean_place, mixed, place_of, share_below, smooth_density

bends = st.floats(-500, 500)
SIZES = np.array([1.0, 2, 3, 4, 15]), np.array([0.3, 0.35, 0.15, 0.2])


@given(st.floats(0, 1), bends)
def test_place_and_share_are_inverse(share: float, bend: float) -> None:
    """A share goes to a place between 0 and 1, and back to itself, however steep the exponential is."""
    place = place_of(np.array([share]), np.array([bend]))
    assert 0 <= place[0] <= 1
    assert share_below(place, np.array([bend]))[0] == pytest.approx(share, abs=1e-6)


@given(bends)
def test_mean_place_is_the_mean_of_the_places(bend: float) -> None:
    """The mean that is reckoned with is that of the places that are drawn."""
    shares = (np.arange(4_000) + 0.5) / 4_000
    assert mean_place(np.array([bend]))[0] == pytest.approx(place_of(shares, np.full(4_000, bend)).mean(), abs=1e-3)


@given(st.floats(0.001, 0.999), st.integers(0, 8))
def test_a_mean_is_reached_in_any_range(part: float, power: int) -> None:
    """A tilted density has the mean asked for, in ranges of one and of a hundred million."""
    high = 10.0**power
    law = even_density(0.0, high).with_mean(part * high)
    assert law.mean() == pytest.approx(part * high, rel=1e-6)


def test_a_tilt_keeps_fixed_cells() -> None:
    """With breaks, each of their cells holds what it held, and inside the density leans."""
    breaks = np.array([0.0, 3.0, 120.0])
    law = even_density(0, 120).shared(breaks, np.array([0.5, 0.5])).with_mean(5.0, breaks)
    assert law.held(breaks) == pytest.approx([0.5, 0.5])
    assert law.mean() == pytest.approx(5.0)
    assert law.held(np.array([3.0, 4.0]))[0] > law.held(np.array([4.0, 5.0]))[0]


def test_the_mean_of_whole_numbers_is_that_of_the_numbers_rounded_down() -> None:
    """A law of whole numbers from 0 to 5 has its mean after rounding down, also where it is near the end."""
    law = even_density(0, 6).with_mean(0.2, whole=True)
    assert law.held(np.arange(7.0)) @ np.arange(6) == pytest.approx(0.2)
    assert law.centres(np.arange(7.0), whole=True) == pytest.approx(np.arange(6))


def test_an_open_count_falls_geometrically() -> None:
    """Of households of 4 and more, each size is the same part of the one before, as the sizes before it fall."""
    held = smooth_density(*SIZES, integer=True).held(np.arange(4.0, 16.0))
    ratios = held[1:] / held[:-1]
    assert ratios == pytest.approx(np.full(10, 0.2 / 0.35), rel=1e-3)


@given(st.integers(8, 200))
def test_a_wider_range_does_not_shorten_an_open_end(high: int) -> None:
    """Where "4 and more" may be more, its mean does not fall."""
    breaks = np.array([1.0, 2, 3, 4, high])
    wider = np.array([1.0, 2, 3, 4, high + 10])
    means = [smooth_density(own, SIZES[1], integer=True).mean() for own in (breaks, wider)]
    assert means[1] >= means[0] - 1e-9


def test_a_mixture_holds_the_mean_of_what_its_parts_hold() -> None:
    """Half of the records follow one law, half another."""
    parts = [even_density(0, 100).with_mean(mean) for mean in (5.0, 80.0)]
    breaks = np.array([0.0, 10, 50, 100])
    assert mixed(parts).held(breaks) == pytest.approx(np.mean([part.held(breaks) for part in parts], axis=0), abs=1e-3)
