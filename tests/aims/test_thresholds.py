"""Cuts at which a derived variable changes its class."""

import numpy as np
import polars as pl

from llmsynthor.aims.thresholds import classes_of, threshold_cuts
from llmsynthor.records.evaluate import evaluate
from llmsynthor.spec.expressions import parse
from llmsynthor.spec.levels import Interval
from llmsynthor.spec.schema import Category, Numeric, Unit

WAGE = Numeric(name="wage", kind="number", range=Interval(0, 90_000))
SEX = Category(name="sex", levels=("F", "M"))
UNIT = Unit(name="p", variables=(WAGE, SEX))
MONTH = Numeric(name="month", kind="number", range=Interval(0, 9_000))


def test_a_cut_is_the_first_value_of_the_next_class() -> None:
    """Below a cut the derived value lies in one class, from the cut on in the next, to the last bit."""
    expression, breaks = parse("wage / 7"), [0.0, 333.3, 1_000.0, 9_000.0]
    for cut in threshold_cuts(WAGE, expression, MONTH, breaks, UNIT):
        values = pl.DataFrame({"wage": np.array([np.nextafter(cut, 0), cut])})
        below, on = classes_of(evaluate(expression, values), MONTH, breaks)
        assert below != on


def test_levels_of_other_variables_are_all_tried() -> None:
    """Where the expression depends on a category too, each of its levels has cuts of its own."""
    found = threshold_cuts(WAGE, parse("wage / 12 if sex == 'F' else wage / 10"), MONTH, [0.0, 100.0, 9_000.0], UNIT)
    assert {round(cut, 6) for cut in found} == {1_000.0, 1_200.0}


def test_whole_numbers_are_cut_at_whole_numbers() -> None:
    """An integer is cut at the first whole number of the next class."""
    whole = Numeric(name="wage", kind="integer", range=Interval(0, 90_000))
    assert threshold_cuts(whole, parse("wage / 7"), MONTH, [0.0, 100.5, 9_000.0], UNIT) == {704.0, 63_000.0}
