"""Crosswalks: what is read of them, and which rows are named where they are none."""

import pytest

from llmsynthor.errors import Problem
from llmsynthor.geography.crosswalk import nested_rows

LEVELS = ("county", "tract", "block")


def read(*rows: tuple[str | None, ...]) -> tuple[object, list[Problem]]:
    problems: list[Problem] = []
    return nested_rows(LEVELS, list(zip(*rows, strict=True)), "crosswalk", problems), problems


def test_zones_of_one_parent_stand_together_each_once() -> None:
    """Rows are sorted by level in the order in which zones come first, and repeated rows are one."""
    rows, problems = read(("A", "1", "x"), ("B", "2", "y"), ("A", "1", "z"), ("A", "1", "x"))
    assert rows == [("A", "1", "x"), ("A", "1", "z"), ("B", "2", "y")]
    assert problems == []


def test_a_zone_in_two_parents_is_named_with_both_rows() -> None:
    """A zone that lies in two zones of the level above is an error that names both rows."""
    rows, problems = read(("A", "1", "x"), ("B", "1", "y"))
    assert rows is None
    assert "tract 1: row 1 in county A, row 2 in county B" in str(problems[0])


def test_a_gap_is_named_with_its_row() -> None:
    """A row without the zone of a level is an error that names the row and the level."""
    rows, problems = read(("A", "1", "x"), ("A", None, "y"), ("A", " ", "z"))
    assert rows is None
    assert "row 2: no tract; row 3: no tract" in str(problems[0])


@pytest.mark.parametrize("number", [9, 20])
def test_many_wrong_rows_are_counted(number: int) -> None:
    """Of many gaps the first are shown and the others counted."""
    _, problems = read(*(("A", "1", None) for _ in range(number)))
    assert f"and {number - 8} more" in str(problems[0])
