"""Conditions that are looked up variable by variable say what whole ones say."""

import numpy as np
import pytest

from llmsynthor.spec.apart import Apart, Cells, look_apart
from llmsynthor.spec.expressions import parse
from llmsynthor.spec.levels import Interval
from llmsynthor.spec.possibility import Levels, Span, possible

KINDS = ("red", "green", "blue", "white")
AGES = tuple(Interval(low, low + 10.0) for low in range(0, 100, 10))
SIZES = tuple(Interval(low, low + 2.5) for low in (0.0, 2.5, 5.0, 7.5))
CELLS = {
    "kind": Cells(KINDS, integer=False),
    "age": Cells(AGES, integer=True),
    "size": Cells(SIZES, integer=False),
}
CONDITIONS = (
    "kind == 'red' and age < 20",
    "not (kind in ['red', 'blue'] or age >= 33) and size > 2.5",
    "kind != 'green' or (age < 20 and not size <= 5) or age > 90",
    "kind == 'red' and kind == 'blue' and age > 5",
    "age not in (3, 30) and kind == 'mauve'",
    "age * 2 < 70 and not (size + 1 == 3.5)",
    "3 < age <= 47 and kind not in ['white']",
    "(kind == 'red' if age < 30 else kind == 'red') and size > 1",
)


def look(text: str) -> tuple[Apart | None, list[str]]:
    names = [name for name in CELLS if name in text]
    return look_apart(parse(text).tree, names, [CELLS[name] for name in names], nearly=True), names


@pytest.mark.parametrize("text", CONDITIONS[:-1])
def test_it_says_what_the_whole_condition_says(text: str) -> None:
    """In every joint cell what may be true and what may be false is the same as where the condition is looked at whole."""
    found, names = look(text)
    assert found is not None
    sizes = [len(CELLS[name].levels) for name in names]
    codes = np.indices(sizes).reshape(len(sizes), -1)
    boxes: dict[str, Levels | Span] = {}
    for name, own in zip(names, codes, strict=True):
        box = CELLS[name].box()
        if isinstance(box, Levels):
            boxes[name] = Levels(codes=own, levels=box.levels)
        else:
            boxes[name] = Span(low=box.low[own], high=box.high[own], integer=box.integer)
    may, may_not = possible(parse(text), boxes)
    at = tuple(classes[own] for classes, own in zip(found.classes, codes, strict=True))
    assert (found.may[at] == may).all()
    assert (found.may_not[at] == may_not).all()
    for classes, picks in zip(found.classes, found.picks, strict=True):
        assert (classes[picks] == np.arange(len(picks))).all()


def test_parts_about_several_variables_are_left_to_others() -> None:
    """A comparison of two variables is no condition on one of them."""
    assert look("age > size")[0] is None
    assert look(CONDITIONS[-1])[0] is None


def test_nearly_every_point_of_a_cell() -> None:
    """Where only the end of a cell is otherwise, nearly every point is alike; not where it is cut inside."""
    ended, _ = look("size > 2.5 and kind == 'red'")
    assert ended is not None
    assert ended.mostly is not None
    doubtful = ended.may & ended.may_not
    assert doubtful.any()
    assert ended.mostly[doubtful].all()
    cut, _ = look("size > 3 and kind == 'red'")
    assert cut is not None
    assert cut.mostly is None


def test_what_is_not_known_may_be_anything() -> None:
    """A condition on a name without cells may be true and may be false."""
    found = look_apart(parse("kind == 'red' and other == 1").tree, ["kind"], [CELLS["kind"]], ["other"])
    assert found is not None
    assert found.may[found.classes[0]].tolist() == [True, False, False, False]
    assert found.may_not.all()


def test_a_cell_without_a_value_stands_alone() -> None:
    """The last cell, which has no value, is a class of its own."""
    cells = Cells(AGES, integer=True, outside=True)
    found = look_apart(parse("age < 200").tree, ["age"], [cells])
    assert found is not None
    assert (found.classes[0] == found.classes[0][-1]).sum() == 1
