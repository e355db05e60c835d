"""Pictures of the report."""

import numpy as np

from llmsynthor.report.charts import draw_distribution
from llmsynthor.spec.levels import Interval

INCOME = [Interval(0.0, 1.0), Interval(1.0, 10_000.0), Interval(10_000.0, 50_000.0)]


def test_spike_that_hides_all_else_is_said_not_drawn() -> None:
    """Of incomes of which most are 0 the others are drawn, and a word says how many are 0; even bins are all drawn."""
    counts = np.array([1_600.0, 300.0, 2_000.0])
    picture, word = draw_distribution(INCOME, counts, counts, "a")
    assert word.startswith("[0, 1) is not drawn: its 1,600 records would hide all others.")
    assert "1,600" not in picture
    _, word = draw_distribution(INCOME, None, np.array([0.0, 300.0, 2_000.0]), "b")
    assert "not drawn:" not in word
