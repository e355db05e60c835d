"""A table that turns up after a run is held beside it: obtained, band, covered or not."""

import json
import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

import llmsynthor
from llmsynthor.cli.commands import app
from llmsynthor.errors import RunFolderError, SpecError
from llmsynthor.run.audit import audit


def table(name: str, **shares: float) -> dict[str, Any]:
    return {
        "name": name,
        "unit": "animal",
        "value": "share",
        "cells": [{name: level, "share": share} for level, share in shares.items()],
    }


SPEC: dict[str, Any] = {
    "llmsynthor": 1,
    "units": {
        "animal": {
            "variables": {
                "colour": {"kind": "category", "levels": ["red", "green"]},
                "food": {"kind": "category", "levels": ["grass", "fish"]},
            }
        }
    },
    "targets": [table("colour", red=0.5, green=0.5), table("food", grass=0.5, fish=0.5)],
}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    llmsynthor.synthesize(SPEC, records=1_000, llm="none", seed=1, out=tmp_path / "run")
    return tmp_path / "run"


def published(folder: Path, share: float) -> Path:
    path = folder / "published.csv"
    cells = [
        ("red", "grass", share),
        ("red", "fish", 0.5 - share),
        ("green", "grass", 0.5 - share),
        ("green", "fish", share),
    ]
    pl.DataFrame(cells, schema=["colour", "food", "share"], orient="row").write_csv(path)
    return path


def test_a_table_near_what_was_made_is_covered(run: Path, tmp_path: Path) -> None:
    """Close to independence every cell lies in its band, and the pair is said to rest on maximum entropy."""
    summary = audit(run, published(tmp_path, 0.26)).summary
    assert (summary["covered"], summary["cells"], summary["source"]) == (4, 4, "maximum entropy")
    assert 0 < summary["tvd"] < 0.05


def test_a_table_far_off_is_not_covered(run: Path, tmp_path: Path) -> None:
    """A strong dependence that the run did not know lies outside, and its cells are named."""
    found = audit(run, published(tmp_path, 0.49))
    assert found.summary["covered"] == 0
    assert found.summary["outside"][0]["obtained"] == pytest.approx(0.25, abs=0.02)


def test_the_report_shows_it(run: Path, tmp_path: Path) -> None:
    """The command prints JSON, keeps the cells in audit.csv once, and writes the report anew."""
    for _ in range(2):
        result = CliRunner().invoke(app, ["audit", str(run), str(published(tmp_path, 0.49))])
        assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["pair"] == ["colour", "food"]
    assert pl.read_csv(run / "audit.csv").height == 4
    assert "Tables that turned up later" in (run / "report.html").read_text(encoding="utf-8")


def test_what_is_no_pair_table_is_refused(run: Path, tmp_path: Path) -> None:
    """A table of one variable, of an unknown one, and a folder without a run are errors that say what to do."""
    one, unknown = tmp_path / "one.csv", tmp_path / "unknown.csv"
    one.write_text("colour,count\nred,1\ngreen,1\n")
    unknown.write_text("colour,wings,count\nred,2,1\n")
    with pytest.raises(SpecError, match="no pair table"):
        audit(run, one)
    with pytest.raises(SpecError, match="no unit of the run"):
        audit(run, unknown)
    with pytest.raises(RunFolderError, match="no run folder"):
        audit(tmp_path, one)


def test_a_frame_is_held_beside_a_solution(tmp_path: Path) -> None:
    """From Python a frame gives the cells that the command keeps for the same table in a file."""
    solution = llmsynthor.synthesize(SPEC, records=1_000, llm="none", seed=1)
    path = published(tmp_path, 0.49)
    cells = audit(solution.save(tmp_path / "run"), path).cells
    assert solution.audit(pl.read_csv(path)).drop("table").equals(cells.drop("table"))
    assert solution.audit(path).equals(cells)


def test_records_in_parts_are_counted(tmp_path: Path) -> None:
    """A run in partitions is read part by part, all of them."""
    spec = json.loads(json.dumps(SPEC))
    crosswalk = tmp_path / "crosswalk.csv"
    crosswalk.write_text("land,place\nall,north\nall,south\n")
    spec["geographies"] = {"zones": {"levels": ["land", "place"], "crosswalk": {"file": str(crosswalk)}}}
    spec["units"]["animal"]["geography"] = "zones"
    spec["targets"].append(table("place", north=0.5, south=0.5))
    spec["synthesis"] = {"partition": "place", "partition_records": 1}
    llmsynthor.synthesize(spec, records=1_000, llm="none", seed=1, out=tmp_path / "run")
    assert (tmp_path / "run" / "records" / "animal").is_dir()
    assert audit(tmp_path / "run", published(tmp_path, 0.26)).summary["covered"] == 4


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
def test_a_pipe_is_no_table(run: Path, tmp_path: Path) -> None:
    """A named pipe in place of a table is refused, not waited for."""
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(SpecError, match="pipe"):
        audit(run, tmp_path / "pipe.csv")
