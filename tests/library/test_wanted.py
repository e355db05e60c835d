"""Numbers in words, whatever the language."""

import pytest

from llmsynthor.library.wanted import numbers_in, ranges_of


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        (["moins de 10 000 €", "10 000 à 25 000 €", "25 000 à 50 000 €", "plus de 50 000 €"], "-inf 10000 25000 50000"),
        (["1", "2", "3", "4 or more"], "1 2 3 4"),
        (["0-4", "5-15", "16-64", "65+"], "0 5 16 65"),
        (["none", "$1 to $9,999", "$10,000 to $14,999", "$15,000 or more"], "None 1 10000 15000"),
    ],
)
def test_ranges_follow_each_other(levels: list[str], said: str) -> None:
    """Levels in words are read as ranges that begin where they say, in any order."""
    for order in (levels, levels[::-1]):
        found = ranges_of(order)
        assert found is not None
        lows = {words: "None" if own is None else f"{own.low:g}" for words, own in zip(order, found, strict=True)}
        assert [lows[words] for words in levels] == said.split()


@pytest.mark.parametrize(
    "levels", [["yes", "no"], ["grade 1-8", "grade 9-12", "degree", "doctorate"], ["1 or 7", "2 or 9", "3"]]
)
def test_words_are_no_numbers(levels: list[str]) -> None:
    """Levels that are no ranges of one number are left to words."""
    assert ranges_of(levels) is None


def test_grouped_digits_are_read() -> None:
    """Thousands are grouped by comma, full stop, apostrophe or space; a single decimal stays one."""
    assert numbers_in("1'500 2.500 3 500 4,500 0.5") == (1500.0, 2500.0, 3500.0, 4500.0, 0.5)
