"""Files of a run folder that were cut or swapped: one error that names the file."""

import json
from pathlib import Path

import polars as pl
import pytest

from llmsynthor.errors import RunFolderError
from llmsynthor.records.held import check_manifest, read_held
from llmsynthor.records.run_folder import read_manifest

HISTORY = pl.DataFrame({"iteration": [1], "stage": ["fit"], "tvd": [0.1], "worst_tvd": [0.2], "records": [5]})


def test_what_a_run_wrote_is_read(tmp_path: Path) -> None:
    """A table is read as it was written, further columns too; where there is no file there is no table."""
    HISTORY.with_columns(more=1).write_parquet(tmp_path / "history.parquet")
    found = read_held(tmp_path / "history.parquet")
    assert found is not None
    assert found.columns == [*HISTORY.columns, "more"]
    assert read_held(tmp_path / "alignment.csv") is None


@pytest.mark.parametrize("cut", [0, 4, 60, -1])
def test_cut_parquet_names_its_file(cut: int, tmp_path: Path) -> None:
    """A Parquet file that ends too early is no table."""
    path = tmp_path / "history.parquet"
    HISTORY.write_parquet(path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(RunFolderError, match=r"history\.parquet"):
        read_held(path)


@pytest.mark.parametrize(
    "text", ["", "name\nx", "name,status,yielded\na,exact,lots", 'name,status\n"a,b', "name,status\na,b,c", "\0\xff"]
)
def test_odd_csv_names_its_file(text: str, tmp_path: Path) -> None:
    """A CSV file without a column that is used, with a text for a number, or that is none."""
    path = tmp_path / "alignment.csv"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(RunFolderError, match=r"alignment\.csv"):
        read_held(path)


@pytest.mark.parametrize(
    "more",
    [{"spec": 3}, {"arguments": {"records": "many"}}, {"rules_broken": {"r": "no"}}, {"dependency": {"groups": 1.5}},
     {"usage": {"calls": None}}, {"model": "x"}, {"warnings": 1}],
)  # fmt: skip
def test_wrong_manifest_names_its_entry(more: dict[str, object]) -> None:
    """An entry of another kind is named; an entry that nobody reads may be anything."""
    good = {"spec": {"digest": "d"}, "arguments": {"records": 5}}
    assert check_manifest(Path("run.json"), {**good, "other": [1]}) == {**good, "other": [1]}
    with pytest.raises(RunFolderError, match=rf"run\.json.*{next(iter(more))}"):
        check_manifest(Path("run.json"), json.loads(json.dumps({**good, **more})))


def test_halves_of_letters_in_a_manifest_are_replaced(tmp_path: Path) -> None:
    """What no text may hold does not reach the report from a run.json that somebody changed."""
    held = {"spec": {"digest": "d"}, "arguments": {}, "stop_reason": "a\ud800b"}
    (tmp_path / "run.json").write_text(json.dumps(held), encoding="utf-8")
    assert read_manifest(tmp_path)["stop_reason"] == "a\ufffdb"
