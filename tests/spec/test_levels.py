"""Cells of tables as texts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmsynthor.spec.levels import Interval, parse_interval

BOUNDS = Interval(0, 100)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("[16, 25)", 16, 25),
        ("65+", 65, 100),
        ("65 and over", 65, 100),
        ("under 5", 0, 5),
        ("18-24", 18, 25),
        ("7", 7, 8),
        ("[16, 24]", 16, 25),
        ("[-inf, 5)", 0, 5),
    ],
)
def test_usual_forms_are_read(text: str, low: float, high: float) -> None:
    """Every form that published tables use for whole numbers is read as a half-open interval."""
    assert parse_interval(text, bounds=BOUNDS, integer=True) == Interval(low, high)


@pytest.mark.parametrize("text", ["", "young", "[5, 5)", "[9, 3)", "24-18", "[a, b)", "5-", "[1, 2"])
def test_nonsense_is_refused(text: str) -> None:
    """What is no interval, or an empty or inverted one, raises a ValueError."""
    with pytest.raises(ValueError, match=r"."):
        parse_interval(text, bounds=BOUNDS, integer=True)


@pytest.mark.parametrize("text", ["18-24", "7", "[16, 24]"])
def test_closed_ends_are_for_integers(text: str) -> None:
    """For real numbers a closed end or a single value is refused: it would be a set of measure zero."""
    with pytest.raises(ValueError, match=r"interval|integers"):
        parse_interval(text, bounds=BOUNDS, integer=False)


@given(st.floats(-1e9, 1e9), st.floats(1e-3, 1e9))
def test_text_and_interval_are_inverse(low: float, width: float) -> None:
    """An interval that is written and read again is the same to the last bit."""
    interval = Interval(low, low + width) if low + width > low else Interval(low, low + 1)
    assert parse_interval(str(interval), bounds=BOUNDS, integer=False) == interval
