"""One vocabulary for what becomes of a target."""

from pathlib import Path

import polars as pl
import pytest

from llmsynthor.evaluation.ends import Account, End, Status, count_ends, read_accounts, say_ends


def test_only_two_ends_fail_a_run() -> None:
    """A target that cannot be met, and one that was missed, end a run with exit code 1; no other does."""
    assert [status for status in Status if status.is_unmet] == [Status.CANNOT, Status.MISSED]


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (End(status=Status.EXACT), "exact"),
        (End(status=Status.YIELDED, others=("a", "b"), yielded=1.0), "yielded to a and b by 1 record"),
        (End(status=Status.YIELDED, others=("a",), yielded=0.25, is_records=False), "yielded to a by 0.25"),
        (End(status=Status.CANNOT, reason="x and y cannot hold"), "cannot be met: because x and y cannot hold"),
        (End(status=Status.MISSED, worst=("sex = f: 3 records missing",)), "missed: sex = f: 3 records missing"),
    ],
)
def test_an_end_is_one_phrase(end: End, said: str) -> None:
    """Who it yielded to and by how much, why it cannot be met, and where it was missed stand in the phrase."""
    assert str(end) == said


def test_counts_are_said_best_first() -> None:
    """However the targets are ordered, the best end is named first; one end for all is said so."""
    counts = count_ends([Status.MISSED, Status.EXACT, Status.EXACT])
    assert say_ends(counts) == "3 targets: 2 exact, 1 missed"
    assert say_ends(count_ends([Status.YIELDED])) == "1 target: yielded"
    assert say_ends({}) == "there are no targets to meet"


def test_a_run_folder_is_read_back(tmp_path: Path) -> None:
    """What a run said of its targets is known again; of a folder without it, or of an older vocabulary, nothing is."""
    assert read_accounts(tmp_path) == {}
    rows = {"name": ["a", "b"], "status": ["yielded", "met"], "yielded": [2.0, 0.0], "yielded_to": ["x; y", ""]}
    pl.DataFrame(rows).write_csv(tmp_path / "alignment.csv")
    assert read_accounts(tmp_path) == {
        "a": Account(status=Status.YIELDED, others=("x", "y"), yielded=2.0),
        "b": Account(),
    }
