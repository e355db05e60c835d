"""Where a derived variable changes its class along one variable that it is computed from: at the age of 18, at 12 times 1,000."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmsynthor.records.evaluate import evaluate, places
from llmsynthor.spec.expressions import Expression, references
from llmsynthor.spec.schema import Category, Coded, Numeric, Unit

POINTS = 4_097
"""Values that are tried along a number; changes closer together than two of them may be missed."""

MOST_WHOLE = 100_000
"""Whole numbers with no more values than this are tried one by one."""

MOST_COMBINATIONS = 64
"""Combinations of levels of the categories that the expression names beside the number."""

HALVINGS = 80

Floats = NDArray[np.float64]


def threshold_cuts(
    variable: Numeric, expression: Expression, derived: Coded, breaks: Sequence[float], unit: Unit
) -> set[float]:
    """Cuts of `variable` at which what the expression gives changes its class.

    Classes are the levels of a derived category, or lie between the `breaks` of a derived number. The expression may name
    categories beside the one number; where it names more numbers nothing is found.
    """
    others = [unit.variable(reference.name) for reference in references(expression) if reference.name != variable.name]
    categories = [other for other in others if isinstance(other, Category)]
    combinations = list(product(*(other.levels for other in categories)))
    if len(categories) < len(others) or len(combinations) > MOST_COMBINATIONS:
        return set()
    found = set[float]()
    for levels in combinations:
        fixed = dict(zip((category.name for category in categories), levels, strict=True))

        def classes(values: Floats, fixed: dict[str, str] = fixed) -> NDArray[np.int64]:
            own = pl.Series(variable.name, values.astype(np.int64) if variable.integer else values)
            frame = pl.DataFrame([own]).with_columns(pl.lit(text).alias(name) for name, text in fixed.items())
            return classes_of(evaluate(expression, frame), derived, breaks)

        tried = _tried(variable)
        own = classes(tried)
        at = np.flatnonzero(np.diff(own))
        found |= set(_narrowed(tried[at], tried[at + 1], own[at], classes, whole=variable.integer).tolist())
    return found


def classes_of(values: pl.Series, derived: Coded, breaks: Sequence[float]) -> NDArray[np.int64]:
    """Class of each value of a derived variable: its level, or the interval between breaks that it lies in; -1 outside."""
    if isinstance(derived, Category):
        return places(values.cast(pl.String), derived.levels)
    numbers = values.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    numbers = np.floor(numbers) if derived.integer else numbers
    inside = (numbers >= breaks[0]) & (numbers < breaks[-1])
    return np.where(inside, np.searchsorted(np.asarray(breaks), numbers, side="right") - 1, -1)


def _tried(variable: Numeric) -> Floats:
    low, high = variable.range.low, variable.range.high
    if not variable.integer:
        return np.linspace(low, np.nextafter(high, low), POINTS)
    first, last = np.ceil(low), np.ceil(high) - 1
    if last - first < MOST_WHOLE:
        return np.arange(first, last + 1)
    return np.unique(np.rint(np.linspace(first, last, POINTS)))


def _narrowed(low: Floats, high: Floats, below: NDArray[np.int64], classes: object, *, whole: bool) -> Floats:
    """The first value of another class than `below`, that of `low`, between `low` and `high`, by bisection; shape (changes,)."""
    assert callable(classes)
    for _ in range(HALVINGS if len(low) else 0):
        middle = np.floor((low + high) / 2) if whole else low + (high - low) / 2
        done = (middle <= low) | (middle >= high)
        if done.all():
            break
        same = (classes(middle) == below) & ~done
        low, high = np.where(same, middle, low), np.where(~same & ~done, middle, high)
    return high
