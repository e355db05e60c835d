"""Each target stated beside what was obtained."""

from typing import Any

import polars as pl

from llmsynthor.evaluation.compare import compare
from llmsynthor.report.targets import MOST_CELLS, target_rows
from llmsynthor.spec.specification import Spec


def compared(levels: int, wrong: int) -> list[dict[str, Any]]:
    """A table of so many levels with ten records each, where one level has twice as many."""
    names = [f"level {k:03d}" for k in range(levels)]
    document = {
        "llmsynthor": 1,
        "units": {"p": {"variables": {"a": {"kind": "category", "levels": names}}}},
        "targets": [{"name": "t", "unit": "p", "cells": [{"a": name, "count": 10} for name in names]}],
    }
    frame = pl.DataFrame({"a": [name for name in names for _ in range(10)] + [names[wrong]] * 10})
    return target_rows(compare(Spec.load(document), {"p": frame}))


def test_stated_wanted_and_obtained_stand_side_by_side() -> None:
    """A cell says what the source states, what that is of the records made, what they have, and how far off that is."""
    row = compared(2, 1)[0]
    cells = [(cell.cell, cell.stated, cell.wanted, cell.obtained, cell.off) for cell in row["rows"]]
    assert cells == [("a = level 000", "10", "15", "10", "-5.00"), ("a = level 001", "10", "15", "20", "+5.00")]
    assert row["end"].startswith("missed: a = level 000: 5 records missing")


def test_of_long_tables_the_worst_cells_are_listed() -> None:
    """Not more than are read, the one that is off among them, and how many were left out is known."""
    row = compared(MOST_CELLS + 40, MOST_CELLS + 20)[0]
    assert len(row["rows"]) == MOST_CELLS
    assert row["left_out"] == 40
    assert f"a = level {MOST_CELLS + 20:03d}" in [cell.cell for cell in row["rows"]]
