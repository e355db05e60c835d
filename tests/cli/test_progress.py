"""Progress in words."""

from llmsynthor.cli.progress import by_stage, describe
from llmsynthor.synthesis.outcome import Progress


def event(stage: str, iteration: int = 0, calls: int = 0) -> Progress:
    return Progress(
        stage=stage, iteration=iteration, iterations=2, discrepancy=0.25, calls=calls, expected_calls=10 if calls else 0
    )


def test_off_a_terminal_a_stage_is_a_line() -> None:
    """However many events a stage has, it is one line, written when it begins."""
    lines: list[str] = []
    notify = by_stage(lines.append)
    for stage in ("fit", "fit", "correct", "correct", "correct", "realize"):
        notify(event(stage))
    assert lines == ["fitting to the tables", "correcting to whole records", "drawing values"]


def test_a_line_says_where_the_run_is() -> None:
    """Stage, iteration, discrepancy, calls and the time that is left."""
    said = describe(event("proposals", iteration=1, calls=5), elapsed=10.0)
    assert said == "asking for proposals · iteration 1 of 2 · discrepancy 0.2500 · calls 5 of 10 · about 10 s left"
