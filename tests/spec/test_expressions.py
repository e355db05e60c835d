"""The expression language: what it reads, what it refuses, and that three-valued evaluation is sound."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmsynthor.records.evaluate import evaluate
from llmsynthor.spec.cut_points import cut_points
from llmsynthor.spec.expressions import ExpressionError, Reference, parse, references
from llmsynthor.spec.possibility import Levels, Span, possible

HOSTILE = [
    "__import__('os').system('true')",
    "age.__class__",
    "a.b.c",
    "2 ** 999999999",
    "(lambda: 1)()",
    "[x for x in y]",
    "open('file')",
    "f'{age}'",
    "age[0]",
    "age if",
    "(" * 5_000,
    "not " * 600 + "a",
    "-" * 1_500 + "1",
    "a" + "\0",
    "x := 3",
    "min(*ages)",
    "age is None",
    "1e999 < age",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_expressions_are_refused(text: str) -> None:
    """Nothing outside the allow-list is read, and the error names the position and what is allowed."""
    with pytest.raises(ExpressionError) as caught:
        parse(text)
    assert caught.value.position >= 1
    assert "allowed are" in str(caught.value)


@given(st.text(max_size=200))
def test_any_text_parses_or_is_refused(text: str) -> None:
    """Whatever the text, the parser answers with an expression or an ExpressionError, never with another failure."""
    try:
        parse(text)
    except ExpressionError:
        return


@pytest.mark.parametrize("word", ["class", "from", "is", "import", "lambda", "global"])
def test_words_of_python_are_names_here(word: str) -> None:
    """A unit or variable may be called as a school's class is, or as the origin of a trip: `from`."""
    expression = parse(f"sum({word}.size) > 2 and {word} != 'the {word}'")
    assert references(expression) == {Reference(word, "size"), Reference(None, word)}
    assert f"the {word}" in str(expression.tree)


def test_references_name_units() -> None:
    """References keep the unit before the dot."""
    assert references(parse("count(person.age >= 65) > size")) == {Reference("person", "age"), Reference(None, "size")}


@pytest.mark.parametrize(
    ("text", "integer", "points"),
    [
        ("age < 16", True, {16}),
        ("age <= 16", True, {17}),
        ("16 <= age < 65", True, {16, 65}),
        ("age == 3", True, {3, 4}),
        ("age in (3, 5)", True, {3, 4, 5, 6}),
        ("price > 9.5", False, {9.5}),
    ],
)
def test_constants_become_cuts(text: str, integer: bool, points: set[float]) -> None:
    """Comparing with a constant cuts the variable where the answer changes, and is then exact."""
    name = "price" if "price" in text else "age"
    assert cut_points(parse(text), name, integer=integer) == (frozenset(points), False)


def test_arithmetic_is_reported_as_inexact() -> None:
    """A variable that is computed with cannot be made exact by cuts."""
    assert cut_points(parse("age * 2 > income"), "age", integer=True)[1]


EXPRESSIONS = [
    "(age < 16) != (job == 'none')",
    "age + 3 * income > 50 or job == 'full'",
    "age - income < -5 and not job in ('full', 'part')",
    "(age if job == 'none' else income) >= 20",
    "max(age, income) <= abs(income - 30)",
    "age / (income + 1) > 2",
    "16 <= age <= 30",
    "min(age, 20) * income == 0",
    "age in (3, 20, 41) or job in ('full', 'part')",
]
JOBS = ("full", "part", "none")


@settings(deadline=None)
@given(
    st.sampled_from(EXPRESSIONS),
    st.integers(0, 60),
    st.integers(1, 30),
    st.floats(-20, 60),
    st.floats(0.5, 40),
    st.integers(0, 2),
    st.integers(0, 2**32 - 1),
)
def test_three_valued_evaluation_is_sound(
    text: str, low: int, width: int, start: float, extent: float, job: int, seed: int
) -> None:
    """Whatever a random point of a box gives was called possible for that box."""
    expression = parse(text)
    boxes = {
        "age": Span(low=np.array([float(low)]), high=np.array([float(low + width)]), integer=True),
        "income": Span(low=np.array([start]), high=np.array([start + extent]), integer=False),
        "job": Levels(codes=np.array([job]), levels=JOBS),
    }
    rng = np.random.default_rng(seed)
    frame = pl.DataFrame(
        {
            "age": rng.integers(low, low + width, 40),
            "income": start + extent * rng.random(40),
            "job": [JOBS[job]] * 40,
        }
    )
    truth = evaluate(expression, frame).fill_null(value=False)
    may, may_not = possible(expression, boxes)
    assert may[0] or not truth.any()
    assert may_not[0] or truth.all()


def test_evaluation_agrees_with_python() -> None:
    """Vectorised evaluation gives what the words say."""
    frame = pl.DataFrame({"age": [10, 20, 70], "job": ["none", "full", "part"]})
    assert evaluate(parse("age >= 65 or job == 'none'"), frame).to_list() == [True, False, True]
    assert evaluate(parse("5 if age < 16 else age"), frame).to_list() == [5, 20, 70]
    assert evaluate(parse("age in (10, 70)"), frame).to_list() == [True, False, True]
    assert evaluate(parse("age / 2 not in [10, 35.5]"), frame).to_list() == [True, False, True]
    assert evaluate(parse("job in ('none', 'full')"), frame).to_list() == [True, True, False]
