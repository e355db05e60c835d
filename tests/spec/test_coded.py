"""Cells of targets as numbers."""

import numpy as np

from llmsynthor.spec.coded import coded_columns
from llmsynthor.spec.levels import Interval
from llmsynthor.spec.targets import Statistic, Table

CELLS = (("b", Interval(0, 5)), ("a", Interval(0, 5)), ("b", Interval(5, 9)))


def test_codes_and_levels_are_the_cells() -> None:
    """Levels stand in the order in which they come first, and codes give the cells back."""
    table = Table(name="t", unit="u", columns=("x", "n"), cells=CELLS, values=(1.0, 2.0, 3.0))
    columns = coded_columns(table)
    assert [levels for levels, _ in columns] == [("b", "a"), (Interval(0, 5), Interval(5, 9))]
    assert tuple(zip(*([levels[k] for k in codes] for levels, codes in columns), strict=True)) == CELLS


def test_equal_tables_are_not_taken_for_each_other() -> None:
    """Codes belong to the target itself, a table or a statistic; one without columns has none."""
    one = Table(name="t", unit="u", columns=("x",), cells=(("b",), ("a",)), values=(1.0, 2.0))
    other = Statistic(
        name="t", unit="u", statistic="mean", variable="n", by=("x",), cells=(("a",), ("b",)), values=(1.0, 2.0)
    )
    assert coded_columns(one)[0][0] == ("b", "a")
    assert coded_columns(other)[0][0] == ("a", "b")
    assert np.array_equal(coded_columns(one)[0][1], coded_columns(other)[0][1])
    assert (
        coded_columns(Statistic(name="t", unit="u", statistic="mean", variable="n", by=(), cells=((),), values=(1.0,)))
        == []
    )
