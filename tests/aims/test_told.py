"""Codes that a condition does not tell apart are looked up once, and nothing else changes."""

import numpy as np
import pytest

from llmsynthor.aims.grid import Axis, Grid, look_up
from llmsynthor.aims.told import classes_of
from llmsynthor.spec.expressions import parse
from llmsynthor.spec.levels import Interval
from llmsynthor.spec.possibility import Levels, Span, possible
from llmsynthor.spec.schema import Category, Numeric, Unit

NUMBERS = [Interval(a, b) for a, b in zip([0, 1, 2.5, 4, 5, 7], [1, 2.5, 4, 5, 7, 10], strict=True)]
AGE = Numeric(name="age", kind="number", range=Interval(0, 10))
SIZE = Numeric(name="size", kind="integer", range=Interval(0, 10))
JOB = Category(name="job", levels=("a", "b", "c", "d"))
SEX = Category(name="sex", levels=("a", "m"))
CONDITIONS = (
    "age < 5",
    "age <= 5",
    "age > 4 and job == 'b'",
    "age == 4 or size != 5",
    "2 * age > size",
    "job in ['a', 'c'] and not (size >= 4)",
    "job == sex",
    "(job if age < 4 else sex) == 'a'",
    "3 < age and size < 3",
    "age < size or job != 'd'",
)


@pytest.mark.parametrize("text", CONDITIONS)
def test_classes_say_what_all_codes_say(text: str) -> None:
    """A condition looked up by classes is, at every combination of codes, what it is when looked up code by code."""
    axes = tuple(Axis(variable=own, levels=tuple(NUMBERS)) for own in (AGE, SIZE))
    axes += tuple(Axis(variable=own, levels=own.levels) for own in (JOB, SEX))
    grid = Grid(unit=Unit(name="p", variables=(AGE, SIZE, JOB, SEX)), axes=axes)
    condition = parse(text)
    looked = look_up(grid, condition)
    codes = np.indices([axis.size for axis in axes]).reshape(4, -1)
    low, high = np.array([cell.low for cell in NUMBERS]), np.array([cell.high for cell in NUMBERS])
    boxes = {
        "age": Span(low=low[codes[0]], high=high[codes[0]], integer=False),
        "size": Span(low=low[codes[1]], high=high[codes[1]], integer=True),
        "job": Levels(codes=codes[2], levels=JOB.levels),
        "sex": Levels(codes=codes[3], levels=SEX.levels),
    }
    may, may_not = possible(condition, boxes)
    cells = looked.projection.of(codes.T.astype(np.int32))
    assert (looked.may[cells] == may).all()
    assert (looked.may_not[cells] == may_not).all()


def test_a_rule_with_one_constant_sees_few_classes() -> None:
    """On an axis of thousands of cells a comparison with a constant sees at most three classes, a missing value apart."""
    cells = [Interval(k, k + 1) for k in range(5_000)]
    found = classes_of(parse("x >= 400").tree, "x", cells, integer=False, outside=True)
    assert len(found) == 5_001
    assert len(np.unique(found)) <= 4
    assert (found == found[-1]).sum() == 1
