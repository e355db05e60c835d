"""measure and evaluate from Python: files, frames and solutions alike."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

import llmsynthor as ls
from tests.homes import HOMES, homes, write_homes


def test_frames_and_files_are_measured_alike(tmp_path: Path) -> None:
    """Frames by unit, of polars or pandas, and the files they were written to have the same tables; `out` holds them."""
    frames = homes(1, 50)
    files = ls.measure(HOMES, write_homes(frames, tmp_path / "data"))
    for given in (frames, {unit: frame.to_pandas() for unit, frame in frames.items()}):
        measured = ls.measure(HOMES, given, out=tmp_path / "tables")
        assert measured.keys() == files.keys()
        assert all(measured[name].equals(files[name]) for name in files)
    assert len(list((tmp_path / "tables").glob("*.csv"))) == len(files)


def test_solutions_and_folders_are_evaluated_alike(document: Any, tmp_path: Path) -> None:
    """A solution, its folder and the command line's figures are the same, with a reference of any kind."""
    solution = ls.synthesize(document, records=200, llm="none")
    folder = solution.save(tmp_path / "out")
    reference = solution.records["person"].head(100)
    reference.write_parquet(tmp_path / "reference.parquet")
    wanted = ls.evaluate(folder, tmp_path / "reference.parquet")
    assert ls.evaluate(solution, reference) == wanted
    assert ls.evaluate(solution, {"person": reference.to_pandas()}) == wanted
    assert solution.evaluate(tmp_path / "reference.parquet") == wanted


def test_what_is_no_data_is_said(document: Any) -> None:
    """Data of another kind, or of units that are not there, are errors of the tree."""
    with pytest.raises(ls.LLMSynthorError, match=r"no frame.*int"):
        ls.measure(document, 5)
    with pytest.raises(ls.LLMSynthorError, match=r"no such unit.*people"):
        ls.measure(document, {"people": pl.DataFrame({"age": [1]})})
    with pytest.raises(ls.LLMSynthorError, match="no run folder"):
        ls.evaluate("nowhere")
