"""What stands in a run folder as a link or a pipe: nothing is written through it, read from it, or waited for."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

import llmsynthor as ls
from llmsynthor.errors import RunFolderError
from llmsynthor.evaluation.metrics import evaluate
from llmsynthor.files import odd_entries, write_beside
from llmsynthor.records.edited import write_kept
from llmsynthor.report.page import write_report
from llmsynthor.run.account import read_ledger

COINS = ls.Spec(
    units=[ls.unit("toss", side=ls.category("head", "tail"))],
    targets=[ls.table({"head": 1, "tail": 1}, unit="toss", columns=["side"], name="fair")],
)
PLACES = ("spec/spec.yaml", "spec/tables/000-fair.csv", "records/toss.parquet", "alignment.csv", "ledger.sqlite")


def make(folder: Path, **how: bool) -> None:
    ls.synthesize(COINS, records=10, llm="none", out=folder, method=ls.Method(estimate=False), **how)


def link(path: Path, other: Path) -> None:
    path.unlink()
    path.symlink_to(other)


def pipe(path: Path, _: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("links") / "out"
    make(folder)
    return folder


@pytest.mark.parametrize("put", [link, pipe])
@pytest.mark.parametrize("place", PLACES)
def test_links_and_pipes_in_a_run_folder_are_refused(
    made: Path, tmp_path: Path, place: str, put: Callable[[Path, Path], None]
) -> None:
    """However deep they lie: the file behind stays as it was, and every reader and writer names the place."""
    precious = tmp_path / "precious"
    precious.write_text("mine")
    kept = (made / place).read_bytes()
    put(made / place, precious)
    try:
        for use in (make, evaluate, write_report, read_ledger, lambda folder: make(folder, force=True)):
            with pytest.raises(RunFolderError, match=place.replace(".", r"\.")):
                use(made)
        assert precious.read_text() == "mine"
    finally:
        (made / place).unlink()
        (made / place).write_bytes(kept)


def test_a_saved_spec_replaces_links(tmp_path: Path) -> None:
    """A link where a spec or its table is written is replaced by the file; what it led to stays."""
    precious = tmp_path / "precious"
    precious.write_text("mine")
    (tmp_path / "tables").mkdir()
    for name in ("spec.yaml", "tables/000-fair.csv"):
        (tmp_path / name).symlink_to(precious)
    COINS.save(tmp_path)
    assert ls.Spec.load(tmp_path) == COINS
    assert precious.read_text() == "mine"


def test_measured_tables_and_their_digests_replace_links(tmp_path: Path) -> None:
    """The record of digests beside measured tables is no way out of the folder."""
    precious = tmp_path / "precious"
    precious.write_text("mine")
    for name in (".measured.json", "fair.csv", ".fair.csv.partial"):
        (tmp_path / name).symlink_to(precious)
    write_kept(tmp_path, {"fair.csv": "side,count\n"}, force=False)
    assert precious.read_text() == "mine"
    assert (tmp_path / "fair.csv").read_text() == "side,count\n"


def test_a_failed_writing_leaves_what_was_there(tmp_path: Path) -> None:
    """The old file stays whole, and nothing half is left beside."""

    def fail(path: Path) -> None:
        path.write_text("half")
        raise OSError(28, "no space")

    (tmp_path / "a").write_text("old")
    with pytest.raises(OSError, match="no space"):
        write_beside(tmp_path / "a", fail)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a", "old")]
    assert odd_entries(tmp_path) == []
