"""The report: one offline page, safe, the same bytes, whatever the folder holds."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from llmsynthor.errors import RunFolderError
from llmsynthor.report.page import write_report
from llmsynthor.run.synthesize import synthesize

HOSTILE = "<script>alert('x')</script>"
ANSWERS = {
    "answers": [
        {"groups": [{"variables": ["age", "sex"], "reason": HOSTILE}]},
        {
            "proposal_1": {
                "age": "[16, 65)",
                "sex": "Male",
                "employment": "Employed",
                "count": 90,
                "reason": f"{HOSTILE} because",
            }
        },
    ],
    "repeat": True,
}


@pytest.fixture
def folder(document: Any, tmp_path: Path) -> Path:
    """A finished run of a spec whose texts are hostile."""
    document["name"] = f"Town & {HOSTILE}"
    document["units"]["person"]["variables"]["sex"]["levels"] = ["Female", "Male", HOSTILE]
    script = tmp_path / "script.json"
    script.write_text(json.dumps(ANSWERS), encoding="utf-8")
    out = tmp_path / "out"
    synthesize(document, records=300, seed=1, llm=f"scripted:{script}", proposals=1, out=out)
    return out


def page_of(folder: Path) -> str:
    return write_report(folder).read_text(encoding="utf-8")


def test_page_loads_nothing(folder: Path) -> None:
    """The page refers to no other file and no network: it opens offline."""
    page = page_of(folder)
    assert not re.findall(r'(?:src|href)\s*=\s*"(?!#)', page)
    assert "@import" not in page
    assert "url(http" not in page


def test_hostile_texts_stay_texts(folder: Path) -> None:
    """Names, levels and reasons of any content are shown, never run."""
    page = page_of(folder)
    assert "<script" not in page
    assert "alert" in page


@pytest.mark.slow
def test_same_folder_same_bytes(folder: Path) -> None:
    """Writing the report in this process and in another gives the same bytes."""
    page = page_of(folder)
    subprocess.run([sys.executable, "-m", "llmsynthor", "report", str(folder)], check=True, capture_output=True)
    assert (folder / "report.html").read_text(encoding="utf-8") == page


def test_every_section_has_its_content(folder: Path) -> None:
    """What the issue of a report is, is there: verdict, targets, pictures, groups, proposals, what is given, records."""
    page = page_of(folder)
    for piece in (
        "300 person records; all 3 targets exact, no cell is a whole record off.",
        "employment by sex",
        "said by the LLM",
        "Proposal 0",
        "max. entropy",
        "How to read this",
        "llmsynthor synthesize",
        "holds for every record",
    ):
        assert piece in page
    assert page.count("<svg") >= 2 + 1 + 3
    identifiers = re.findall(r'id="([^"]+)"', page)
    assert len(identifiers) == len(set(identifiers))


@pytest.mark.parametrize(
    "missing",
    [
        "records/person.parquet",
        *(pytest.param(n, marks=pytest.mark.slow) for n in ("proposals.parquet", "history.parquet", "spec/spec.yaml")),
    ],
)
def test_partial_folders_become_words(folder: Path, missing: str) -> None:
    """A folder of an interrupted run gives a page that says what is not there."""
    (folder / missing).unlink()
    assert "How to read this" in page_of(folder)


def test_damaged_file_is_said(folder: Path) -> None:
    """A truncated file is an error that names it, not a crash."""
    path = folder / "records" / "person.parquet"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(RunFolderError, match=r"person.parquet.*cannot be read"):
        write_report(folder)


@pytest.mark.slow
def test_large_tables_are_capped(tmp_path: Path) -> None:
    """A table of ten thousand cells is drawn by its largest levels, and says so; the page stays small."""
    zones = [f"zone {k:03d}" for k in range(100)]
    variables = {name: {"kind": "category", "levels": zones} for name in ("origin", "destination")}
    cells = [
        {"origin": a, "destination": b, "count": 1 + (i * j) % 7}
        for i, a in enumerate(zones)
        for j, b in enumerate(zones)
    ]
    document = {
        "llmsynthor": 1,
        "units": {"trip": {"variables": variables}},
        "targets": [{"unit": "trip", "name": "od", "cells": cells}],
    }
    synthesize(document, records=5_000, seed=1, llm="none", out=tmp_path / "out")
    page = page_of(tmp_path / "out")
    assert "largest levels are drawn" in page
    assert len(page) < 3_000_000
