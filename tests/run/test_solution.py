"""Solutions: what they say of themselves, and that a run folder gives them back."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import llmsynthor as ls
from tests.homes import HOMES

FAMILIES = {**HOMES, "targets": HOMES["targets"][:3]}

TABLES = ("alignment", "disagreements", "dependencies", "proposals", "history")


@pytest.fixture
def solution(document: Any) -> ls.Solution:
    return ls.synthesize(document, records=400, llm="none", seed=3)


def test_read_back_is_what_was_made(solution: ls.Solution, tmp_path: Path) -> None:
    """A solution that is saved and read again has the same records, tables, types and manifest."""
    again = ls.read_solution(solution.save(tmp_path / "out"))
    assert again.spec == solution.spec
    assert again.manifest == solution.manifest
    assert again.records["person"].equals(solution.records["person"])
    assert again.records["person"].schema == solution.records["person"].schema
    for name in TABLES:
        assert getattr(again, name).equals(getattr(solution, name)), name
        assert getattr(again, name).schema == getattr(solution, name).schema, name
    assert (again.stop, again.unmet, again.exit_code) == (solution.stop, solution.unmet, solution.exit_code)


@pytest.mark.slow
def test_nested_solution_is_read_back(tmp_path: Path) -> None:
    """Every unit of nested records comes back, linked as it was."""
    made = ls.synthesize(FAMILIES, records=60, llm="none", seed=3, out=tmp_path / "out")
    again = ls.read_solution(tmp_path / "out")
    assert list(again.records) == list(made.records)
    for unit, frame in made.records.items():
        assert again.records[unit].equals(frame)


def test_categories_are_enums_in_their_order_and_texts_on_disk(solution: ls.Solution, tmp_path: Path) -> None:
    """In memory a category has its levels in the order of the spec; the Parquet file holds plain text."""
    frame = solution.records["person"]
    assert frame["employment"].dtype == pl.Enum(["Employed", "Not employed", "Under 16"])
    assert frame["employment"].sort()[0] == "Employed"
    folder = solution.save(tmp_path / "out")
    assert pl.read_parquet(folder / "records" / "person.parquet")["employment"].dtype == pl.String


def test_enums_may_go_in_again(document: Any, solution: ls.Solution) -> None:
    """Records of a solution are taken wherever records are: as a start, a reference, micro-data."""
    again = ls.synthesize(document, records=400, start=solution.records["person"])
    assert again.manifest["start_changes"]["changed"] == 0
    assert solution.evaluate(again)["reference"]["tvd_2way"] == 0
    assert ls.measure(document, solution)["sex"]["share"].sum() == pytest.approx(1.0)


def test_a_run_that_did_not_end_is_said(document: Any, tmp_path: Path) -> None:
    """A folder whose run was interrupted, or that holds none, is refused with what to do."""

    def stop(event: Any) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ls.synthesize(document, records=400, llm="none", out=tmp_path / "out", progress=stop)
    with pytest.raises(ls.LLMSynthorError, match=r"has not ended.*--resume"):
        ls.read_solution(tmp_path / "out")
    with pytest.raises(ls.LLMSynthorError, match="no run folder"):
        ls.read_solution(tmp_path)


def test_damaged_files_are_said(solution: ls.Solution, tmp_path: Path) -> None:
    """A file that cannot be read is named."""
    folder = solution.save(tmp_path / "out")
    (folder / "history.parquet").write_bytes(b"x")
    with pytest.raises(ls.LLMSynthorError, match=r"history\.parquet"):
        ls.read_solution(folder)


def test_folders_of_before_are_read(solution: ls.Solution, tmp_path: Path) -> None:
    """A run.json without a stop of the enumeration leads to the one that its figures say."""
    folder = solution.save(tmp_path / "out")
    manifest = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    del manifest["stop"]
    (folder / "run.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert ls.read_solution(folder).stop is ls.StopReason.ALIGNED


@pytest.mark.slow
def test_report_is_written_anywhere(solution: ls.Solution, tmp_path: Path) -> None:
    """The report of a solution in memory is that of its folder; a place that cannot be written is an error of the tree."""
    path = solution.report(tmp_path / "new" / "r.html")
    folder = solution.save(tmp_path / "out")
    assert path.read_bytes() == (folder / "report.html").read_bytes()
    (tmp_path / "file").write_text("x")
    with pytest.raises(ls.LLMSynthorError, match="cannot be written"):
        solution.report(tmp_path / "file" / "r.html")


def test_short_and_rich_forms(solution: ls.Solution) -> None:
    """A solution shows itself in a line, and in a notebook as tables."""
    assert repr(solution) == "<Solution: 400 person records; all 3 targets exact; ALIGNED>"
    html = solution._repr_html_()
    for word in ("employment by sex", "within what it allows", "<table>", "Not employed"):
        assert word in html


def test_table_counts_the_records(solution: ls.Solution) -> None:
    """A cross-table has every cell, cut as the targets cut, and counts what the records hold."""
    found = solution.table("age", "employment")
    assert found.height == 9
    assert found["count"].sum() == 400
    assert found["share"].sum() == pytest.approx(1.0)
    frame = solution.records["person"]
    children = frame.filter((pl.col("age") < 16) & (pl.col("employment") == "Under 16")).height
    cell = found.filter((pl.col("age") == "[0, 16)") & (pl.col("employment") == "Under 16"))
    assert cell["count"].to_list() == [children]
    assert found["age"].dtype == pl.Enum(["[0, 16)", "[16, 65)", "[65, 100)"])


def test_table_of_what_is_not_there_is_said(solution: ls.Solution) -> None:
    """An unknown column or unit is an error that says what there is."""
    with pytest.raises(ls.LLMSynthorError, match='id you mean "employment"'):
        solution.table("emploiment")
    with pytest.raises(ls.LLMSynthorError, match=r"no such unit.*household"):
        solution.table("age", unit="household")
    with pytest.raises(ls.LLMSynthorError, match="no column is named"):
        solution.table()


def test_table_reaches_above() -> None:
    """A table of members may have columns of their household, derived ones too, and numbers without a table by value."""
    made = ls.synthesize(FAMILIES, records=60, llm="none", seed=3)
    top, member = (unit.name for unit in made.spec.schema.units)
    own = made.spec.schema[member].coded[0].name
    above = made.spec.schema[top].coded[0].name
    found = made.table(f"{top}.{above}", own)
    assert found["count"].sum() == made.records[member].height
    assert made.table(above)["count"].sum() == made.records[top].height


def test_a_run_is_done_when_its_report_is_there(
    solution: ls.Solution, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is stopped while the report is drawn has not said that all is done."""

    def stop(*_: object) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr("llmsynthor.run.solution.write_report", stop)
    with pytest.raises(KeyboardInterrupt):
        solution.save(tmp_path / "run")
    assert json.loads((tmp_path / "run" / "run.json").read_text(encoding="utf-8"))["status"] == "running"
