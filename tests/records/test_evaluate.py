"""Look-ups over a frame."""

import polars as pl

from llmsynthor.records.evaluate import count_true, evaluate
from llmsynthor.spec.expressions import Expression, Literal, Lookup, Operation, Reference, parse, references
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


def test_conditions_counted_together_are_those_counted_alone() -> None:
    """Each condition is true as often as by itself; missing values are false, and one of no column holds for all or none."""
    texts = ["age > 3", "age > 3 and zone == 'B'", "not (age > 3)", "zone in ('A', 'C') or age < 4", "1 == 1", "1 == 2"]
    found = [parse(text) for text in texts]
    leaves = {reference: FRAME[reference.name] for own in found for reference in references(own)}
    alone = [int(evaluate(own, FRAME).fill_null(value=False).sum()) for own in found]
    assert count_true([own.tree for own in found], leaves, FRAME.height) == alone == [3, 2, 3, 4, 6, 0]
    assert count_true([], leaves, FRAME.height) == []
