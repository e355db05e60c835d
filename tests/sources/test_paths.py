"""Paths of labels: sums and their parts, levels, patterns."""

import pytest

from llmsynthor.sources.paths import leaves, levels_of, matcher, parts_of

PATHS = {
    "1": ("Total",),
    "2": ("Total", "Male"),
    "3": ("Total", "Male", "young"),
    "4": ("Total", "Male", "old"),
    "5": ("Total", "Female"),
}


def test_cells_without_parts() -> None:
    """A cell is no sum of others where no path goes on from its own."""
    assert leaves(PATHS) == ("3", "4", "5")


def test_paths_of_different_lengths_have_no_levels() -> None:
    """Only paths of one length are cut into variables."""
    assert levels_of([PATHS[code] for code in leaves(PATHS)]) is None


@pytest.mark.parametrize("pattern", ["Estimate!!Total:!!{sex}:!!{age}", "Total!!{sex}!!{age}"])
def test_pattern_takes_the_parts(pattern: str) -> None:
    """A pattern with or without its colons and its first word takes the same parts."""
    match = matcher(pattern).fullmatch("!!".join(parts_of("Total:!!Male:!!Under 5 years")))
    assert match is not None
    assert match.groupdict() == {"sex": "Male", "age": "Under 5 years"}


@pytest.mark.parametrize("pattern", ["Total", "Total!!{a}!!{a}", "Total!!{a}{b}"])
def test_patterns_that_say_nothing(pattern: str) -> None:
    """A pattern without a name, with one twice, or with two side by side is refused."""
    with pytest.raises(ValueError, match=r"pattern|side by side"):
        matcher(pattern)
