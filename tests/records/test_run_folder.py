"""A run folder is locked, cleared with care, and read with suspicion."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from llmsynthor.errors import RunFolderError
from llmsynthor.records.edited import write_kept
from llmsynthor.records.lock import LOCK, lock
from llmsynthor.records.run_folder import claim, read_manifest, refuse_foreign

MANIFEST: dict[str, Any] = {
    "spec": {"name": "a"},
    "arguments": {"seed": 1},
    "model": None,
    "prompts": {},
    "llmsynthor": "0",
}
OTHER = {**MANIFEST, "arguments": {"seed": 2}}

HOLD = """
import sys, pathlib
from llmsynthor.records.lock import lock
held = lock(pathlib.Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def make(folder: Path, **more: Any) -> None:
    taken = claim(folder, MANIFEST, resume=False, force=False)
    taken.write_text("estimated/a.csv", "x\n1\n")
    taken.write_manifest({**MANIFEST, "status": "done", "files": taken.digests(), **more})
    taken.release()


def test_lock_names_its_owner_and_falls_with_it(tmp_path: Path) -> None:
    """A second process is refused and told who works there; when that one is killed the folder is free."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(RunFolderError, match=f"process {process.pid} on "):
            lock(tmp_path)
        process.kill()
        process.wait()
    held = lock(tmp_path)
    held.release()
    held.release()
    assert not (tmp_path / LOCK).exists()


@pytest.mark.parametrize("content", ["", "{", "[1]", '{"pid": "x", "host": 1, "since": 1e400}', "[" * 4_000])
def test_lock_with_an_odd_name_is_a_lock(tmp_path: Path, content: str) -> None:
    """Whatever stands in a lock that is held, the answer is an error with a sentence."""
    held = lock(tmp_path)
    (tmp_path / LOCK).write_text(content)
    with pytest.raises(RunFolderError, match="another run works"):
        lock(tmp_path)
    held.release()


@pytest.mark.parametrize("there", [False, True])
def test_resume_of_nothing_begins(tmp_path: Path, there: bool) -> None:
    """With resume a missing or an empty folder is taken like without."""
    folder = tmp_path / "out"
    if there:
        folder.mkdir()
    claim(folder, MANIFEST, resume=True, force=False).release()
    assert folder.is_dir()


def test_edited_files_are_not_replaced(tmp_path: Path) -> None:
    """What a person has edited is refused, and with force kept beside; what is as it was written goes."""
    make(tmp_path)
    claim(tmp_path, MANIFEST, resume=False, force=False).release()
    (tmp_path / "estimated" / "a.csv").write_text("x\n2\n")
    (tmp_path / "estimated" / "mine.csv").write_text("y\n")
    for manifest, resume in ((MANIFEST, True), (MANIFEST, False)):
        with pytest.raises(RunFolderError, match=r"edited.*a\.csv"):
            claim(tmp_path, manifest, resume=resume, force=False)
    claim(tmp_path, OTHER, resume=False, force=True).release()
    found = {file.name: file.read_text() for file in (tmp_path / "estimated").iterdir()}
    assert found == {"a.csv.before": "x\n2\n", "mine.csv.before": "y\n"}
    assert not (tmp_path / LOCK).exists()


def test_budgets_do_not_make_another_run(tmp_path: Path) -> None:
    """A run whose budget was raised goes on."""
    make(tmp_path)
    raised = {**MANIFEST, "arguments": {"seed": 1, "max_calls": 99}}
    claim(tmp_path, raised, resume=True, force=False).release()
    with pytest.raises(RunFolderError, match="cannot be resumed"):
        claim(tmp_path, OTHER, resume=True, force=False)


def test_links_are_refused(tmp_path: Path) -> None:
    """Nothing is written or removed through a link in the folder."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.parquet").write_text("dear")
    make(tmp_path / "out")
    (tmp_path / "out" / "records").symlink_to(elsewhere)
    with pytest.raises(RunFolderError, match="links"):
        claim(tmp_path / "out", OTHER, resume=False, force=True)
    assert (elsewhere / "a.parquet").read_text() == "dear"


@pytest.mark.parametrize("content", [b"", b"{", b"[" * 100_000, b'{"a":' * 100_000, b"\xff", b"null", b'{"spec": 1}'])
def test_odd_manifest_is_said(tmp_path: Path, content: bytes) -> None:
    """A run.json that is cut, nested too deep or something else is an error that names the folder."""
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(RunFolderError, match=str(tmp_path)):
        read_manifest(tmp_path)


def test_pipe_in_place_of_a_manifest_is_not_waited_for(tmp_path: Path) -> None:
    """A named pipe is refused at once."""
    os.mkfifo(tmp_path / "run.json")
    with pytest.raises(RunFolderError, match="pipe"):
        read_manifest(tmp_path)


def test_measured_tables_are_kept(tmp_path: Path) -> None:
    """Tables that measure wrote are replaced, edited ones only with force, and then kept beside."""
    write_kept(tmp_path, {"a.csv": "1\n"}, force=False)
    write_kept(tmp_path, {"a.csv": "2\n"}, force=False)
    (tmp_path / "a.csv").write_text("mine\n")
    with pytest.raises(RunFolderError, match="--force"):
        write_kept(tmp_path, {"a.csv": "3\n"}, force=False)
    write_kept(tmp_path, {"a.csv": "3\n"}, force=True)
    assert (tmp_path / "a.csv.before").read_text() == "mine\n"
    assert json.loads((tmp_path / ".measured.json").read_text()).keys() == {"a.csv"}


@pytest.mark.parametrize("begun", [False, True])
def test_what_a_killed_run_was_writing_is_cleared_away(tmp_path: Path, begun: bool) -> None:
    """A kill in the middle of a file leaves a part beside its place: no file of the run, nor something else that is held there."""
    if begun:
        make(tmp_path)
    left = [tmp_path / ".run.json.4711.140177154504384.partial"]
    left += [tmp_path / "estimated" / ".a.csv.4711.12.partial"] if begun else []
    own = tmp_path / ".mine.partial"
    for file in (*left, own):
        file.write_text("half", encoding="utf-8")
    refuse_foreign(tmp_path)
    claim(tmp_path, MANIFEST, resume=True, force=False).release()
    assert not any(file.exists() for file in left)
    assert own.exists()
