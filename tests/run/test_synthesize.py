"""Whole runs: the folder, replay, interruption, refusal."""

import hashlib
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import llmsynthor
from llmsynthor.errors import LLMError, RunFolderError, SpecError
from llmsynthor.evaluation.metrics import evaluate
from llmsynthor.llm.backend import Identity, Writer
from llmsynthor.llm.opening import Choice
from llmsynthor.report.page import write_report
from llmsynthor.run.synthesize import synthesize

PLAN = {
    "answers": [
        {"groups": [{"variables": ["age", "employment"], "reason": "children do not work"}]},
        {
            "proposal_1": {
                "age": "[16, 65)",
                "sex": "Male",
                "employment": "Employed",
                "count": 50,
                "reason": "<script>alert(1)</script> men work",
            }
        },
    ],
    "repeat": True,
}


@pytest.fixture
def script(tmp_path: Path) -> str:
    path = tmp_path / "script.json"
    path.write_text(json.dumps(PLAN), encoding="utf-8")
    return f"scripted:{path}"


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def run(document: Any, out: Path | None = None, **more: Any) -> llmsynthor.Solution:
    return synthesize(document, **{"records": 400, "seed": 3, "proposals": 1, "out": out, **more})


@pytest.mark.slow
def test_run_folder_is_complete(document: Any, script: str, tmp_path: Path) -> None:
    """A run leaves every file of the contract, with the columns of the contract."""
    out = tmp_path / "out"
    solution = run(document, out, llm=script)
    names = {path.split("/")[0] for path in hashes(out)}
    assert names == {
        "alignment.csv", "dependencies.csv",
        "disagreements.csv", "history.parquet", "ledger.sqlite", "proposals.parquet", "records", "report.html", "run.json", "spec",
    }  # fmt: skip
    assert (out / "estimated").is_dir()
    records = pl.read_parquet(out / "records" / "person.parquet")
    assert records.columns == ["person_id", "age", "sex", "employment", "proposal_id"]
    assert records["person_id"].to_list() == list(range(1, 401))
    assert pl.read_csv(out / "alignment.csv").columns[:8] == [
        "name", "unit", "source", "cells", "records", "tvd", "max_abs_error", "status",
    ]  # fmt: skip
    proposals = pl.read_parquet(out / "proposals.parquet")
    led_to = records.drop_nulls("proposal_id").group_by("proposal_id").len()
    assert dict(led_to.iter_rows()) == dict(
        proposals.filter(pl.col("records") > 0).select("proposal_id", "records").iter_rows()
    )
    manifest = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert manifest["status"] == "done"
    assert manifest["usage"]["writes"] == 3
    assert solution.exit_code == 0
    report = (out / "report.html").read_bytes()
    assert b"not finished" not in report
    write_report(out)
    assert (out / "report.html").read_bytes() == report


@pytest.mark.slow
def test_same_command_gives_same_bytes(document: Any, script: str, tmp_path: Path) -> None:
    """Run twice, in one folder or in two, with any number of workers: every file has the same bytes."""
    one, two = tmp_path / "one", tmp_path / "two"
    run(document, one, llm=script, workers=1)
    first = hashes(one)
    run(document, one, llm=script, workers=2)
    run(document, two, llm=script, workers=8)
    assert hashes(one) == first
    second = hashes(two)
    assert {k: v for k, v in first.items() if k != "ledger.sqlite"} == {
        k: v for k, v in second.items() if k != "ledger.sqlite"
    }


@pytest.mark.slow
def test_replay_needs_no_model(document: Any, tmp_path: Path) -> None:
    """With the ledger of a run, the same command gives the same bytes though the model cannot be opened."""

    def gone() -> Writer:
        raise AssertionError("the model was opened")

    from llmsynthor.llm.scripted import Scripted  # noqa: PLC0415  (only where used)

    model, identity = Scripted(PLAN), Identity(name="model", digest="d")
    one, two = tmp_path / "one", tmp_path / "two"
    run(document, one, llm=Choice(identity=identity, open_model=lambda: model))
    two.mkdir()
    (two / "ledger.sqlite").write_bytes((one / "ledger.sqlite").read_bytes())
    run(document, two, llm=Choice(identity=identity, open_model=gone))
    assert hashes(one) == hashes(two)


@pytest.mark.slow
def test_solution_of_one_folder_can_be_saved_to_another(document: Any, script: str, tmp_path: Path) -> None:
    """A run that was written to one folder and is saved to another takes its ledger along: the copy can be replayed."""
    run(document, tmp_path / "one", llm=script).save(tmp_path / "two")
    assert hashes(tmp_path / "two") == hashes(tmp_path / "one")


@pytest.mark.slow
def test_saved_solution_is_a_run_folder(document: Any, script: str, tmp_path: Path) -> None:
    """What was made in memory and saved is the same as what a run writes, ledger aside."""
    run(document, tmp_path / "run", llm=script)
    run(document, llm=script).save(tmp_path / "saved")
    one, two = hashes(tmp_path / "run"), hashes(tmp_path / "saved")
    one.pop("ledger.sqlite")
    assert two.pop("ledger.sqlite")
    assert one == two


def test_public_names(document: Any) -> None:
    """The Python interface is what its documentation says."""
    spec = llmsynthor.Spec.load(document)
    solution = llmsynthor.synthesize(spec, records=50, llm="none", seed=7)
    assert solution.records["person"].to_pandas().shape == (50, 5)
    assert set(solution.alignment["status"]) <= {"exact", "within tolerance"}
    assert set(llmsynthor.__all__) <= set(dir(llmsynthor))


def test_foreign_folder_is_not_touched(document: Any, tmp_path: Path) -> None:
    """A folder that holds something else is refused, with or without force, and left as it was."""
    (tmp_path / "thesis.txt").write_text("my only copy")
    for force in (False, True):
        with pytest.raises(RunFolderError, match=r"something else.*thesis"):
            run(document, tmp_path, llm="none", force=force)
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.slow
def test_other_run_is_replaced_only_by_force(document: Any, script: str, tmp_path: Path) -> None:
    """Another run in the folder is refused, and replaced with force; its ledger is kept."""
    out = tmp_path / "out"
    run(document, out, llm=script)
    with pytest.raises(RunFolderError, match="arguments"):
        run(document, out, llm=script, seed=4)
    with pytest.raises(RunFolderError, match="cannot be resumed"):
        run(document, out, llm=script, seed=4, resume=True)
    for old in ("estimated/old.csv", "start.parquet"):
        (out / old).write_text("of the first run\n")
    ledger = (out / "ledger.sqlite").read_bytes()
    run(document, out, llm="none", seed=4, force=True)
    assert (out / "ledger.sqlite").read_bytes() == ledger
    assert not (out / "estimated" / "old.csv").exists()
    assert not (out / "start.parquet").exists()


@pytest.mark.slow
def test_interrupted_run_says_where_and_goes_on(document: Any, script: str, tmp_path: Path) -> None:
    """Ctrl-C leaves a manifest that says where the run stopped; with resume it comes to the same end."""
    out, whole = tmp_path / "out", tmp_path / "whole"
    run(document, whole, llm=script)

    def stop(event: Any) -> None:
        if event.stage == "fit":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(document, out, llm=script, progress=stop)
    manifest = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert (manifest["status"], manifest["stage"]) == ("stopped", "fit")
    assert "interrupted in the stage fit" in (out / "report.html").read_text(encoding="utf-8")
    run(document, out, llm=script, resume=True)
    one, two = hashes(out), hashes(whole)
    one.pop("ledger.sqlite")
    two.pop("ledger.sqlite")
    assert one == two


def test_failed_model_is_in_the_manifest(document: Any, tmp_path: Path) -> None:
    """When the model fails for good the run ends with its error, and the manifest says so."""
    path = tmp_path / "script.yaml"
    path.write_text("[]")
    with pytest.raises(LLMError, match="no answer left"):
        run(document, tmp_path / "out", llm=f"scripted:{path}")
    assert json.loads((tmp_path / "out" / "run.json").read_text())["status"] == "failed"


def test_target_that_cannot_be_met_is_exit_code_one(document: Any) -> None:
    """When targets exclude each other the best population is made, the exit code is 1, and one sentence says so everywhere."""
    document["targets"].append({"name": "mean age", "unit": "person", "mean": "age", "cells": [{"mean": 90}]})
    solution = run(document, llm="none")
    assert solution.exit_code == 1
    assert solution.manifest["alignment"]["unmet"] == ["mean age"]
    row = solution.alignment.row(by_predicate=pl.col("name") == "mean age", named=True)
    assert row["status"] == "cannot be met"
    because = 'target "age" and target "mean age" cannot hold together'
    numbers = "mean of age: 90 stated, at most 61.2 by the others"
    assert row["end"] == f"cannot be met: because {because} ({numbers})"
    assert solution.manifest["alignment"]["ends"] == {"exact": 3, "cannot be met": 1}
    assert solution.records["person"].height == 400


def test_sources_that_disagree_yield_openly(document: Any, tmp_path: Path) -> None:
    """Of two sources of one fact each yields to the other by a number that is said, the same in all that is written."""
    cells = [{"sex": "Male", "share": 0.9}, {"sex": "Female", "share": 0.1}]
    document["targets"].append({"name": "other source", "unit": "person", "cells": cells})
    solution = run(document, tmp_path / "out", llm="none")
    assert solution.exit_code == 0
    assert solution.manifest["alignment"]["ends"] == {"exact": 1, "yielded": 3}
    end = solution.alignment.row(by_predicate=pl.col("name") == "other source", named=True)["end"]
    assert end.startswith("yielded to employment by sex and sex by ")
    found = {target["name"]: target for target in evaluate(tmp_path / "out")["targets"]}
    assert found["other source"]["end"] == end
    assert end in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_totals_that_differ_are_not_passed_over(document: Any, tmp_path: Path) -> None:
    """What `check` warns of stands in the manifest and in the report of the run as well."""
    cells = [{"sex": "Male", "count": 960}, {"sex": "Female", "count": 1_040}]
    document["targets"].append({"name": "of more records", "unit": "person", "cells": cells})
    solution = run(document, tmp_path / "out", llm="none")
    assert sum("the totals differ" in warning for warning in solution.manifest["warnings"]) == 1
    assert "the totals differ" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_contradiction_stops_before_the_first_call(document: Any, script: str) -> None:
    """A rule against a given cell is an error before anything is asked."""
    document["rules"].append({"name": "nobody works", "unit": "person", "forbid": "employment == 'Employed'"})
    with pytest.raises(SpecError, match="nobody works"):
        run(document, llm=script)


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"records": None}, "not given"),
        ({"records": 0}, "too small"),
        ({"seed": -1}, "too small"),
        ({"align": "perfect"}, "unknown alignment"),
        ({"align": "none", "llm": "none"}, "nothing makes records"),
    ],
)
def test_senseless_arguments_are_refused(document: Any, given: dict[str, Any], word: str) -> None:
    """Arguments that make no sense are refused with what to give instead."""
    with pytest.raises(SpecError, match=word):
        run(document, **{"llm": "none", **given})


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_full_disk_is_said(document: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk without room is a clear error, what was there before is kept, and run.json says that the run failed."""
    out = tmp_path / "out"
    run(document, out, llm="none")
    before = (out / "records" / "person.parquet").read_bytes()

    def full(frame: pl.DataFrame, path: Path, **_: Any) -> None:
        with Path("/dev/full").open("wb") as device:
            device.write(b"x" * 10**6)

    monkeypatch.setattr(pl.DataFrame, "write_parquet", full)
    with pytest.raises(RunFolderError, match=r"No space left.*[Mm]ake room"):
        run(document, out, llm="none")
    assert (out / "records" / "person.parquet").read_bytes() == before
    manifest = json.loads((out / "run.json").read_text(encoding="utf-8"))
    assert (manifest["status"], manifest["stage"]) == ("failed", "realize")


def test_empty_universe_is_not_met(document: Any) -> None:
    """A table about records that the rules forbid altogether is missed, not met by nobody."""
    cells = [{"sex": "Male", "share": 0.5}, {"sex": "Female", "share": 0.5}]
    universe = "age < 16 and employment == 'Employed'"
    document["targets"].append({"name": "child labour", "unit": "person", "universe": universe, "cells": cells})
    assert "child labour" in run(document, llm="none").manifest["alignment"]["unmet"]
