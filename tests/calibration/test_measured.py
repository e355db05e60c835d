"""What is shipped of the bench can be read, and says less of a source that says less."""

from llmsynthor.calibration.measured import band_width, part_of, worth_records


def test_the_parts_are_ordered() -> None:
    """Safe believes less than balanced, and neither more than what was estimated."""
    assert 0 <= part_of("safe") < part_of("balanced") <= 1


def test_an_unknown_source_has_the_widest_band() -> None:
    """A source that was not measured is taken for the least sure one."""
    assert band_width("a new source") == max(map(band_width, ("maximum entropy", "zones", "estimated")))


def test_a_narrower_band_is_worth_more_records() -> None:
    """Records fall with the square of the width."""
    ratio = worth_records("zones") / worth_records("estimated")
    assert abs(ratio - (band_width("estimated") / band_width("zones")) ** 2) < 0.05 * ratio
