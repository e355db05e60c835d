"""Drawing by hand: round ticks, labels that fit, colours between those of a ramp, text that cannot leave its element."""

import pytest

from llmsynthor.report import drawing


@pytest.mark.parametrize(
    ("low", "high", "marks"),
    [
        (0, 480, [0, 100, 200, 300, 400]),
        (16, 70, [20, 30, 40, 50, 60, 70]),
        (0, 0.06, [0, 0.02, 0.04, 0.06]),
        (3, 3, [3]),
    ],
)
def test_ticks_are_round_and_inside(low: float, high: float, marks: list[float]) -> None:
    """Ticks are multiples of one, two or five, between the ends."""
    assert drawing.ticks(low, high, 4 if low != 16 else 5) == pytest.approx(marks)


@pytest.mark.parametrize(
    ("value", "words"), [(0, "0"), (1234.5678, "1,235"), (0.00012345, "0.0001234"), (-2.50, "-2.5"), (1e6, "1,000,000")]
)
def test_numbers_are_short(value: float, words: str) -> None:
    """Four digits count; zeros at the end do not."""
    assert drawing.say(value) == words


def test_labels_are_cut_to_their_place() -> None:
    """A label that is too wide ends in an ellipsis and is no wider than asked; one that fits is left."""
    cut = drawing.clipped("Mountains and all that lies beyond them", 60)
    assert cut.endswith("…")
    assert drawing.width_of(cut) <= 60
    assert drawing.clipped("Hill", 60) == "Hill"


def test_shades_lie_between_the_colours_of_a_ramp() -> None:
    """The ends are the ramp's, the middle is halfway, what lies outside is the nearest end."""
    ramp = ("#000000", "#ff0000")
    assert [drawing.shade(ramp, part) for part in (-1, 0, 0.5, 1, 7)] == ["#000000"] * 2 + ["#800000"] + ["#ff0000"] * 2


def test_words_of_a_user_stay_words() -> None:
    """Names of levels are escaped, in labels and in tips."""
    drawn = drawing.text(0, 0, "<script>") + drawing.rect(0, 0, 1, 1, fill="#fff", tip="a & <b>")
    assert "<script>" not in drawn
    assert "a &amp; &lt;b&gt;" in drawn
