"""What is shipped of the bench can be read, and says less of a source that says less."""

import pytest

from llmsynthor.calibration.measured import (
    NOTHING,
    band_width,
    read_measured,
    shipped,
    usual,
    worth_records,
    write_measured,
)
from llmsynthor.dependence.measuring import bench
from llmsynthor.llm.models import DEFAULT, MODELS, find


def test_the_parts_are_ordered() -> None:
    """Safe believes less than balanced, and neither more than what was estimated."""
    assert 0 < usual().part("safe") < usual().part("balanced") <= 1


def test_pinned_models_were_measured() -> None:
    """Of every model that can be fetched it is known how far to believe it, on the questions as they stand: no first use asks."""
    found = [shipped(model.sha256, bench()) for model in MODELS]
    assert None not in found
    assert shipped(find(DEFAULT).sha256, bench()) == usual()


def test_other_questions_need_another_measurement() -> None:
    """What was measured with other wordings or tables says nothing."""
    assert shipped(find(DEFAULT).sha256, "another bench") is None


@pytest.mark.parametrize(
    "change",
    [{"full": -1.0}, {"full": float("nan")}, {"half": 0.0}, {"safe": 0.99}, {"balanced": 2.0}, {"pairs": "many"}],
)
def test_damaged_measurements_are_none(change: dict[str, object]) -> None:
    """A number that cannot be is taken for no measurement."""
    kept = write_measured(usual())
    assert read_measured(kept) is not None
    assert read_measured({**kept, **change}) is None
    assert read_measured(None) is None


def test_nothing_is_believed_of_nobody() -> None:
    """A model that could not be measured is not believed, in either mode."""
    assert not NOTHING.is_believed("safe")
    assert not NOTHING.is_believed("balanced")


def test_an_unknown_source_has_the_widest_band() -> None:
    """A source that was not measured is taken for the least sure one."""
    assert band_width("a new source") == max(map(band_width, ("maximum entropy", "zones", "estimated")))


def test_a_narrower_band_is_worth_more_records() -> None:
    """Records fall with the square of the width."""
    ratio = worth_records("zones") / worth_records("estimated")
    assert abs(ratio - (band_width("estimated") / band_width("zones")) ** 2) < 0.05 * ratio
