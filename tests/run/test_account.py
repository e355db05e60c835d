"""The ledger as people and other programs see it."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import llmsynthor as ls
from llmsynthor.options import Budget
from llmsynthor.run.account import account, export_lines, read_ledger
from tests.conftest import town

SCRIPT = {
    "answers": [{"groups": []}, "prose", "more prose"],
    "repeat": True,
    "scores": {},
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds a script, and in `out` a run that has asked it."""
    base = tmp_path_factory.mktemp("account")
    (base / "script.json").write_text(json.dumps(SCRIPT))
    ls.synthesize(town(), records=50, llm=f"scripted:{base / 'script.json'}", out=base / "out")
    return base


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """The run's folder, to be spoilt."""
    return Path(shutil.copytree(made / "out", tmp_path / "out"))


def spoil(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "ledger.sqlite")) as base:
        base.execute(statement)
        base.commit()


def test_usage_is_told_by_stage(folder: Path) -> None:
    """Each stage has its calls and outcomes; a cost is told where prices are given, and nowhere else."""
    rows = read_ledger(folder)
    said = account(rows, Budget())
    assert "proposals" in said
    assert "dropped" in said.splitlines()[0]
    assert "cost" not in said
    assert "cost by the prices given: " in account(rows, Budget(prompt_price=1, completion_price=2))
    lines = [json.loads(line) for line in export_lines(rows)]
    assert len(lines) == len(rows)
    assert {"call_id", "model", "digest", "request", "answer", "seconds", "outcome", "stage"} <= lines[0].keys()
    assert any(line["outcome"].startswith("dropped: ") for line in lines)


@pytest.mark.parametrize(
    "statement",
    [
        "update calls set answer = null_of('x')",
        "update calls set request = '{'",
        *(
            pytest.param(f"update calls set {change}", marks=pytest.mark.slow)
            for change in (
                "answer = x'ff00'",
                "answer = '[1]' where kind = 'score'",
                "answer = '[' where kind = 'score'",
                "prompt_tokens = 'many'",
                "seconds = 'long'",
                "kind = 'song'",
            )
        ),
    ],
)
def test_corrupt_rows_are_named_and_asked_again(made: Path, folder: Path, spec: ls.Spec, statement: str) -> None:
    """Rows that hold something else are named, never trusted: the run asks again and comes to the same end."""
    before = (folder / "records" / "person.parquet").read_bytes()
    spoil(folder, statement.replace("null_of('x')", "x''"))
    rows = read_ledger(folder)
    said = account(rows, Budget())
    assert ("corrupt: " in said) == ("request" not in statement or any(row["kind"] == "score" for row in rows))
    assert all(json.loads(line) for line in export_lines(rows))
    ls.synthesize(spec, records=50, llm=f"scripted:{made / 'script.json'}", out=folder)
    assert (folder / "records" / "person.parquet").read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\x00" + b"x" * 200])
def test_what_is_no_ledger_is_said(tmp_path: Path, content: bytes) -> None:
    """A file that is no ledger is an error; nobody is advised to throw paid answers away."""
    (tmp_path / "ledger.sqlite").write_bytes(content)
    with pytest.raises(ls.LLMSynthorError) as error:
        read_ledger(tmp_path)
    assert "remove" not in str(error.value)
    with pytest.raises(ls.RunFolderError):
        read_ledger(tmp_path / "nowhere")


def test_a_file_that_is_no_ledger_stays_as_it_is(tmp_path: Path) -> None:
    """An empty file, and another program's database, are refused and not made into ledgers."""
    (tmp_path / "empty").write_bytes(b"")
    with closing(sqlite3.connect(tmp_path / "other.sqlite")) as base:
        base.execute("create table birds (name text)")
        base.commit()
    for path in (tmp_path / "empty", tmp_path / "other.sqlite"):
        before = path.read_bytes()
        with pytest.raises(ls.RunFolderError, match="there is no ledger"):
            read_ledger(path)
        assert path.read_bytes() == before
