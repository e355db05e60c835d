"""The commands for tables as published: look, init, import, export."""

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from llmsynthor.cli.commands import app
from llmsynthor.errors import DataError, RunFolderError
from tests.sources.test_census import CSV
from tests.sources.test_px import PX

WIDE = "zone,men,women,note\na,1,2,x\nb,3,4,y\nc,5,6,z\n"


def said(*arguments: Any) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_look_says_what_a_file_holds(tmp_path: Path) -> None:
    """Format, dimensions, totals, margins and a target to paste are said."""
    path = tmp_path / "B25003-Data.csv"
    path.write_text(CSV, encoding="utf-8")
    text = said("look", path).output
    for word in ("census-csv", "2 codes", "margins of error", "totals inside", "read:", "margin_of_error: published"):
        assert word in text


def test_look_takes_what_cannot_be_told(tmp_path: Path) -> None:
    """A table whose thousands cannot be told is refused with the option, and read with it."""
    path = tmp_path / "t.csv"
    path.write_text("zone,count\na,1.200\nb,450\nc,3\n", encoding="utf-8")
    with pytest.raises(DataError, match="decimal"):
        said("look", path)
    assert "1,653" in said("look", path, "--decimal", ",").output


MATRIX = "origin,Z1,Z2,Z3\nZ1,10,5,1\nZ2,4,20,2\nZ3,0,6,9\n"
WITHIN = "sex,job,percent\nwomen,works,52.0\nwomen,rests,48.0\nmen,works,58.4\nmen,rests,41.6\n"


@pytest.mark.parametrize(
    "files",
    [
        {"B25003-Data.csv": CSV},
        {"t.px": PX},
        {"w.csv": WIDE},
        {"B25003-Data.csv": CSV, "t.px": PX, "w.csv": WIDE},
        {"flows.csv": MATRIX, "jobs.csv": WITHIN},
    ],
    ids=["census", "px", "wide", "all", "matrix and shares within groups"],
)
def test_init_writes_a_spec_that_passes_check(tmp_path: Path, files: dict[str, str]) -> None:
    """What init writes passes check as it is, and is not written over."""
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8" if name != "t.px" else "latin-1")
    spec = tmp_path / "spec.yaml"
    said("init", *(tmp_path / name for name in files), "--out", spec)
    assert "can be read" in said("check", spec).output
    assert "decide" in spec.read_text(encoding="utf-8")
    with pytest.raises(RunFolderError, match="of this name"):
        said("init", *(tmp_path / name for name in files), "--out", spec)


def test_export_of_a_run(tmp_path: Path) -> None:
    """A finished run is exported, and the map of a kind is written to be edited."""
    (tmp_path / "w.csv").write_text(WIDE, encoding="utf-8")
    said("init", tmp_path / "w.csv", "--out", tmp_path / "spec.yaml")
    said("synthesize", tmp_path / "spec.yaml", "--llm", "none", "--records", 20, "--out", tmp_path / "run")
    assert "dictionary.csv" in said("export", tmp_path / "run", "csv", "--out", tmp_path / "out").output
    with pytest.raises(DataError, match="no households above"):
        said("export", tmp_path / "run", "starsim", "--out", tmp_path / "no")
