"""A run with a scenario: the base beside it, what was accepted applied, proposals never silently."""

import json
from pathlib import Path

import polars as pl
import pytest

import llmsynthor as ls
from llmsynthor.errors import RunFolderError, SpecError
from llmsynthor.run.check import examine
from llmsynthor.run.propose import expected_proposals, propose
from llmsynthor.spec.specification import Spec

CONTEXT = {"scenario": "There will be a concert from 20 to 24.", "instead_of": "It is an ordinary weekday."}


def spec_of(**more: object) -> Spec:
    hours = [{"hour": f"[{h}, {h + 4})", "count": 10 + h} for h in range(0, 24, 4)]
    modes = [{"mode": mode, "count": 1 + k} for k, mode in enumerate(("Car", "Bus", "Walk"))]
    return Spec(
        units=[
            ls.unit(
                "trip", hour=ls.integer(0, 24, unit="o'clock", label="Hour"), mode=ls.category("Car", "Bus", "Walk")
            )
        ],
        targets=[
            ls.table(hours, unit="trip", name="hour"),
            ls.table(modes, unit="trip", name="mode"),
        ],
        **more,  # type: ignore[arg-type]  # keys of a document
    )


@pytest.mark.slow
def test_stated_adjustments_are_applied_to_the_base(tmp_path: Path) -> None:
    """The folder holds both populations, before and after by cell, and a report that shows them; the same command repeats it."""
    spec = spec_of(adjustments=[{"hour": "20-23", "factor": 2, "reason": "a concert"}])
    solution = ls.synthesize(spec, records=900, llm="none", seed=5, out=tmp_path / "run")
    base = pl.read_parquet(tmp_path / "run" / "base" / "records" / "trip.parquet")
    late = [int((frame["hour"] >= 20).sum()) for frame in (base, solution.records["trip"])]
    assert late[1] == 2 * late[0]
    figures = solution.manifest["scenario"]
    assert figures["records_changed"] == late[0] == solution.records["trip"]["start_changed"].sum()
    assert figures["worst_kept_tvd"] == 0
    assert solution.records["trip"]["mode"].cast(pl.String).equals(base["mode"])
    beside = (
        pl.read_csv(tmp_path / "run" / "before_after.csv").filter(pl.col("cell") == "hour [20, 24)").row(0, named=True)
    )
    assert (beside["before"], beside["after"]) == tuple(late)
    html = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "What the scenario changed" in html
    assert "a concert" in html
    assert set(solution.alignment["source"]) == {"given", "scenario"}
    assert solution.exit_code == 0
    again = ls.synthesize(spec, records=900, llm="none", seed=5, out=tmp_path / "run")
    assert again.records["trip"].equals(solution.records["trip"])
    with pytest.raises(RunFolderError, match="another run"):
        ls.synthesize(
            spec_of(adjustments=[{"mode": "Car", "factor": 2}]), records=900, llm="none", out=tmp_path / "run"
        )


@pytest.mark.slow
def test_proposals_wait_until_they_are_accepted(tmp_path: Path) -> None:
    """Without a word the base is all that is made; an edited file, or `accept`, applies what stands there."""
    out = tmp_path / "run"
    waiting = ls.synthesize(spec_of(**CONTEXT), records=900, llm="none", seed=5, out=out)
    assert "scenario" not in waiting.manifest
    told = pl.read_csv(out / "scenario.csv")
    assert told["accepted"].to_list() == ["no"]
    assert not (out / "records").exists()
    made = ls.synthesize(spec_of(**CONTEXT), records=900, llm="none", seed=5, out=out, accept=True)
    row = made.manifest["scenario"]["adjustments"][0]
    assert row["after"] == round(1.2 * row["before"])
    told.with_columns(pl.lit(3.0).alias("factor"), pl.lit("yes").alias("accepted")).write_csv(out / "scenario.csv")
    edited = ls.synthesize(spec_of(**CONTEXT), records=900, llm="none", seed=5, out=out, force=True)
    row = edited.manifest["scenario"]["adjustments"][0]
    assert row["after"] == min(3 * row["before"], 900)


def test_a_policy_accepts_what_agrees() -> None:
    """`accept: agreed` in the spec applies what the sentence names, without a person."""
    made = ls.synthesize(spec_of(**CONTEXT, accept="agreed"), records=900, llm="none", seed=5)
    assert made.manifest["scenario"]["adjustments"][0]["origin"] == "named in the sentence"


def test_proposing_makes_no_records(tmp_path: Path) -> None:
    """Only scenario.csv is written; without what it is instead of there is nothing to propose."""
    found = propose(spec_of(**CONTEXT), llm="none", out=tmp_path / "run")
    assert [own.where.text for own in found.adjustments] == ["20 <= hour and hour < 24"]
    assert sorted(entry.name for entry in (tmp_path / "run").iterdir()) == ["scenario.csv"]
    with pytest.raises(SpecError, match="instead_of"):
        propose(spec_of(), llm="none")


def test_a_foreign_folder_is_not_touched(tmp_path: Path) -> None:
    """A folder that holds something else is refused before anything is made."""
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(RunFolderError, match="something else"):
        ls.synthesize(spec_of(adjustments=[{"mode": "Car", "factor": 2}]), records=90, llm="none", out=tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["notes.txt"]


def test_a_writing_model_proposes_where_both_askings_agree(tmp_path: Path) -> None:
    """Of a plan asked twice only directions named both times are proposed; a slip of one asking is left out."""
    script = tmp_path / "answers.yaml"
    hours = [f"{h} to {h + 3} o'clock" for h in range(0, 24, 4)]
    same = dict.fromkeys(hours, "same")
    answers = [
        {"what_happens": "People go out late.", "changes": {**same, hours[5]: "much more", hours[1]: "less"}},
        {"what_happens": "A concert.", "changes": {**same, hours[5]: "more"}},
        {"what_happens": "Nothing.", "changes": same},
        *({"what_happens": "-", "changes": dict.fromkeys(("Car", "Bus", "Walk"), "same")} for _ in range(3)),
    ]
    script.write_text(json.dumps({"answers": answers}), encoding="utf-8")
    text = {"scenario": "There is a concert late.", "instead_of": "It is an ordinary weekday."}
    found = propose(spec_of(**text), llm=f"scripted:{script}", out=tmp_path / "run")
    assert [own.where.text for own in found.adjustments] == ["20 <= hour and hour < 24"]
    assert found.adjustments[0].factor is not None
    assert 1 < found.adjustments[0].factor < 1.25
    assert found.neutral == 0
    assert "both askings agree" in found.adjustments[0].origin


def test_the_calls_of_proposals_are_said_before() -> None:
    """Two variables in four frames under four sentences with an embedded model; three plans each with one that writes."""
    spec = spec_of(**CONTEXT)
    assert expected_proposals(spec, "local:smollm2-135m").calls == 2 * 4 * 4
    assert expected_proposals(spec, "openai:gpt").calls == 2 * 3 * 3
    assert expected_proposals(spec, "none").calls == expected_proposals(spec_of(), "local").calls == 0
    assert "at most 32 calls" in examine(spec, "local").scenario
