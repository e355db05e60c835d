"""Labels of intervals as statistical offices publish them."""

import pytest

from llmsynthor.spec.labels import is_total, read_interval
from llmsynthor.spec.levels import Interval

BOUNDS = Interval(0, 100)

READ = {
    "Under 5 years": (0, 5),
    "5 to 17 years": (5, 18),
    "18 and 19 years": (18, 20),
    "20 years": (20, 21),
    "85 years and over": (85, 100),
    "Aged 18 to 64": (18, 65),
    "Aged 4 years and under": (0, 5),
    "Age 65 and over": (65, 100),
    "Y_LT5": (0, 5),
    "Y5-17": (5, 18),
    "Y15T24": (15, 25),
    "Y_GE65": (65, 100),
    ">=65": (65, 100),
    "≥ 65": (65, 100),
    ">64": (65, 100),
    "<=64": (0, 65),
    "5–9": (5, 10),
    "unter 5 Jahren": (0, 5),
    "5 bis unter 10 Jahre": (5, 10),
    "65 Jahre und älter": (65, 100),
    "moins de 5 ans": (0, 5),
    "85 y más años": (85, 100),
    "6 or more persons": (6, 100),
}


@pytest.mark.parametrize(("text", "ends"), READ.items())
def test_published_labels_of_whole_numbers(text: str, ends: tuple[float, float]) -> None:
    """Each form is read as the interval that it names."""
    assert read_interval(text, bounds=BOUNDS, integer=True) == Interval(*ends)


@pytest.mark.parametrize("text", ["Under 1 month", "No cars", "Unknown", "10k-20k", "1/2", "5-", ""])
def test_what_is_no_interval_is_refused(text: str) -> None:
    """Words that may change the meaning are never passed over."""
    with pytest.raises(ValueError, match="expected an interval"):
        read_interval(text, bounds=BOUNDS, integer=True)


def test_money_and_thousands() -> None:
    """Signs of money and of thousands add nothing; a point before three digits parts thousands of a whole number."""
    bounds = Interval(0, 500_000)
    for text in ("$10,000 to $49,999", "10 000 - 49 999", "€10.000 bis 49.999", "10000-49999"):
        assert read_interval(text, bounds=bounds, integer=True) == Interval(10_000, 50_000)


def test_closed_ends_of_real_numbers_stay_refused() -> None:
    """Where the upper end of a real number is in or out is not guessed; "under" says it."""
    with pytest.raises(ValueError, match="expected"):
        read_interval("10 to 20", bounds=BOUNDS, integer=False)
    assert read_interval("10 to under 20", bounds=BOUNDS, integer=False) == Interval(10, 20)


def test_the_variables_own_unit_adds_nothing() -> None:
    """A label may repeat the unit of the variable."""
    assert read_interval("5 to 9 nights", bounds=BOUNDS, integer=True, unit="nights") == Interval(5, 10)


def test_totals_are_known() -> None:
    """A label that means the sum of others is told from a level."""
    assert all(is_total(text) for text in ("Total", "Insgesamt", "All ages", "_T"))
    assert not any(is_total(text) for text in ("Totnes", "18+", "Alleinstehend"))
