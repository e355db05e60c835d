"""What a written text must not be is found, and what may be is let through."""

import pytest

from llmsynthor.spec.levels import Interval
from llmsynthor.spec.schema import Category, Numeric
from llmsynthor.writing.judging import Wanted, are_near, cut, odd, threes

WANTED = Wanted(
    instruction="Write a short review of the product as the customer would put it in an online shop.",
    max_words=12,
    script="LATIN",
    facts={"kind": "Lamp", "age": 34, "season": "Winter"},
    variables=(
        Category(name="kind", levels=("Lamp", "Table", "Table lamp")),
        Category(name="season", levels=("Winter", "Summer")),
        Numeric(name="age", kind="integer", range=Interval(0, 100), unit="years"),
    ),
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("A warm light for long evenings.", ""),
        ("My lamp is lovely, at 34 years I deserve it.", ""),
        ("  …  ", "empty"),
        ("one two three four five six seven eight nine ten eleven twelve thirteen", "too long"),
        ("とても良いランプです", "another script"),
        ("As the customer would put it in an online shop: fine.", "an echo"),
        ("A table as I wanted it.", "a contradiction"),
        ("Perfect for summer.", "a contradiction"),
        ("At 60 years I see well again.", "a contradiction"),
    ],
)
def test_slips_are_named(text: str, reason: str) -> None:
    """Each kind of slip has its word; a text that says what the record says stands."""
    assert odd(text, WANTED).partition(":")[0] == reason


def test_near_duplicates_share_their_words() -> None:
    """A word more is nearly the same text, other words are not."""
    one = threes("A warm light for long evenings in the kitchen at home")
    assert are_near(one, threes("A warm light for long evenings in the kitchen at home!"))
    assert are_near(one, threes("A warm light for long evenings in the kitchen at home again"))
    assert not are_near(one, threes("The lamp broke after two days and nobody answered"))


def test_a_long_text_is_cut_within_its_words() -> None:
    """Whatever is cut has at most so many words, and ends at a sentence where there is one."""
    assert cut("It works. It really does work every day.", 4) == "It works."
    assert cut("one two three, four", 3) == "one two three"
