"""Look-ups over a frame."""

import polars as pl

from llmsynthor.records.evaluate import evaluate
from llmsynthor.spec.expressions import Expression, Literal, Lookup, Operation, Reference
from llmsynthor.spec.levels import Interval

ZONE = Lookup(
    keys=(Reference(None, "zone"), Reference(None, "age")),
    levels=(("A", "B"), (Interval(18, 99), Interval(0, 18))),
    values=(0.0, 1.0, 1.0, 0.0),
    texts=("far", "near"),
    digest="",
)
FRAME = pl.DataFrame({"zone": ["A", "B", "A", "C", None, "B"], "age": [20, 20, 3, 3, 3, 120]})


def test_a_look_up_takes_the_value_of_its_cell() -> None:
    """Levels may stand in any order; a key that is missing or none of them gives a missing value."""
    assert evaluate(Expression("", ZONE), FRAME).to_list() == ["far", "near", "near", None, None, None]


def test_a_look_up_may_stand_inside_an_expression() -> None:
    """A comparison with its value is one with the table's value, false where that is missing."""
    near = Operation("==", (ZONE, Literal("near")))
    assert evaluate(Expression("", near), FRAME).to_list() == [False, True, True, False, False, False]
