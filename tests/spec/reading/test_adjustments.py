"""Adjustments are read from a spec and from a file, and every slip is said."""

from pathlib import Path

import pytest

import llmsynthor as ls
from llmsynthor.errors import SpecError
from llmsynthor.spec.adjustments import Adjustment
from llmsynthor.spec.reading.adjustments import adjustments_frame
from llmsynthor.spec.specification import Spec


def spec_of(*adjustments: dict[str, object], **more: object) -> Spec:
    return Spec(
        units=[
            ls.unit(
                "trip",
                hour=ls.integer(0, 28, unit="o'clock"),
                activity=ls.category("Home", "Work"),
                text=ls.text("Say."),
            )
        ],
        targets=[ls.table({"Home": 3, "Work": 1}, unit="trip", columns=["activity"], name="activity")],
        adjustments=list(adjustments),
        **more,  # type: ignore[arg-type]  # keys of a document
    )


def only(**said: object) -> Adjustment:
    return spec_of(said).beside.adjustments[0]


def test_cells_are_conditions() -> None:
    """A level, several levels, an interval in any form and a condition say the same things."""
    assert only(activity="Work", factor=0.35).where.text == "activity == 'Work'"
    assert only(cell={"activity": ["Home", "Work"]}, factor=2).where.text == "activity in ('Home', 'Work')"
    assert only(hour="20-23", count=5).where.text == "20 <= hour and hour < 24"
    assert only(hour=[20, 24], count=5).where.text == "20 <= hour and hour < 24"
    assert only(where="hour >= 20", share=0.1).share == 0.1
    assert only(table="activity", activity="Work", factor="-20 %").factor == 0.8


def test_a_spec_with_adjustments_survives(tmp_path: Path) -> None:
    """What is read, written and read again is equal: in the spec, and as scenario.csv beside it."""
    spec = spec_of(
        {"activity": "Work", "factor": "× 0.35", "bounds": [0.2, 1], "reason": "no, “really”", "origin": "model"},
        {"where": "hour >= 20", "count": 7, "keep": "none", "accepted": False},
        scenario="It is Sunday.",
        instead_of="It is Monday.",
        accept="agreed",
    )
    assert Spec.load(spec.save(tmp_path / "one")) == spec
    adjustments_frame(spec.beside.adjustments).write_csv(tmp_path / "one" / "scenario.csv")
    text = (tmp_path / "one" / "spec.yaml").read_text(encoding="utf-8")
    (tmp_path / "one" / "spec.yaml").write_text(
        text[: text.index("adjustments:")] + "adjustments: scenario.csv\n", encoding="utf-8"
    )
    assert Spec.load(tmp_path / "one").beside == spec.beside


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"activty": "Work", "factor": 2}, "no such variable"),
        ({"activity": "Wrok", "factor": 2}, "has no such level"),
        ({"activity": "Work"}, "one of `factor`"),
        ({"activity": "Work", "factor": 2, "share": 0.1}, "one of `factor`"),
        ({"factor": 2}, "say which records"),
        ({"where": "hours > 3", "factor": 2}, "hours"),
        ({"where": "1 == 1", "factor": 2}, "the same for every record"),
        ({"text": "a", "factor": 2}, "no such variable"),
        ({"activity": "Work", "factor": -1}, "greater than or equal to 0"),
        ({"activity": "Work", "factor": 2, "bounds": [2, 1]}, "bounds"),
        ({"unit": "trips", "activity": "Work", "factor": 2}, "which records are meant"),
        ({"file": "nowhere.csv"}, "cannot be read"),
    ],
)
def test_slips_are_said(said: dict[str, object], words: str) -> None:
    """Each slip is a problem with its place, and never passed over."""
    with pytest.raises(SpecError, match=words) as caught:
        spec_of(said)
    assert "adjustments[0]" in str(caught.value)
