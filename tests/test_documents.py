"""README, docs and the examples' own pages: what they show runs, and their links lead somewhere."""

import gzip
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

import llmsynthor
from tests.cli.test_commands import answer

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "examples").glob("*/README.md")),
]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.S | re.M)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with the examples, as in a clone."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    return tmp_path


def some(language: str, quick: str = "") -> list[Any]:
    """Pages with blocks of a language; but for one, where it is named, they are slow."""
    pages = [page for page in PAGES if blocks(page, language)]
    return [page if name_of(page) == quick else pytest.param(page, marks=pytest.mark.slow) for page in pages]


COMMANDS, PROGRAMS = some("console"), some("python", "docs/python.md")


@pytest.mark.parametrize("page", COMMANDS, ids=name_of)
def test_commands_run(page: Path, clone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command behind a dollar sign runs and answers 0."""
    monkeypatch.chdir(clone)
    for line in "".join(blocks(page, "console")).splitlines():
        if line.startswith("$ llmsynthor "):
            result = answer(*shlex.split(line.removeprefix("$ llmsynthor ")))
            assert result.returncode == 0, f"{line}\n{result.stderr}"


@pytest.mark.parametrize("page", PROGRAMS, ids=name_of)
@pytest.mark.slow
def test_python_runs(page: Path, clone: Path) -> None:
    """The blocks of Python of a page are one program, and it runs."""
    program = "\n".join(blocks(page, "python"))
    result = subprocess.run([sys.executable, "-c", program], cwd=clone, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CORRECTNESS.md"], ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link names a file that is there."""
    for link in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if not link.startswith("http"):
            assert (page.parent / link).exists(), link


def test_spec_page_shows_a_valid_spec(tmp_path: Path) -> None:
    """The spec that docs/spec.md shows can be read."""
    from llmsynthor.spec.specification import Spec  # noqa: PLC0415  (only where used)

    text = blocks(ROOT / "docs" / "spec.md", "yaml")[0]
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "age_sex.csv").write_text("age,sex,count\n0-99,Female,5\n0-99,Male,4\n")
    (tmp_path / "spec.yaml").write_text(text, encoding="utf-8")
    assert len(Spec.load(tmp_path).targets) == 3


def test_spec_page_shows_lookups() -> None:
    """The spec with lookups that docs/spec.md shows can be read, and its records meet every target."""
    document = yaml.safe_load(blocks(ROOT / "docs" / "spec.md", "yaml lookup")[0])
    solution = llmsynthor.synthesize(document, records=1_000, llm="none", seed=1)
    assert solution.exit_code == 0


def test_scenarios_page_shows_a_scenario() -> None:
    """The spec on the page of scenarios runs, its adjustments hold to the record, and other tables stay."""
    document = yaml.safe_load(blocks(ROOT / "docs" / "scenarios.md", "yaml spec")[0])
    figures = llmsynthor.synthesize(document).manifest["scenario"]
    assert len(figures["adjustments"]) == 2
    assert all(abs(own["after"] - own["aimed"]) <= 0.5 for own in figures["adjustments"])
    assert figures["worst_kept_tvd"] == 0


def test_formats_page_shows_a_table_as_published(tmp_path: Path) -> None:
    """The spec that docs/formats.md shows reads a wide table with withheld cells, adding up what counts the same."""
    from llmsynthor.spec.specification import Spec  # noqa: PLC0415  (only where used)

    (tmp_path / "tables").mkdir()
    table = "Ward,Owned outright,With a mortgage,Rented\nNorth,5,7,x\nSouth,2,3,<5\n"
    (tmp_path / "tables" / "tenure.csv").write_text(table, encoding="utf-8")
    (tmp_path / "spec.yaml").write_text(blocks(ROOT / "docs" / "formats.md", "yaml")[0], encoding="utf-8")
    target = Spec.load(tmp_path).targets[0]
    assert dict(zip(target.cells, target.values, strict=True))["North", "owned"] == 12


@pytest.mark.slow
def test_formats_page_shows_a_map(tmp_path: Path) -> None:
    """The map of MATSim that docs/formats.md shows is taken as it is, and its words stand in the plans."""
    document = yaml.safe_load(blocks(ROOT / "docs" / "formats.md", "yaml matsim")[0])
    solution = llmsynthor.synthesize(ROOT / "examples" / "town", llm="none")
    (path,) = solution.export("matsim", tmp_path / "out", document)
    plans = gzip.decompress(path.read_bytes()).decode()
    assert '<activity type="education" facility="' in plans
    assert set(re.findall(r'<leg mode="(\w+)"', plans)) == {"car", "pt", "bike", "walk"}


def test_spec_page_shows_geography() -> None:
    """The spec with zones that docs/spec.md shows can be read, and its records meet every target."""
    document = yaml.safe_load(blocks(ROOT / "docs" / "spec.md", "yaml geography")[0])
    solution = llmsynthor.synthesize(document, llm="none")
    assert solution.exit_code == 0, solution.alignment
    assert solution.records["household"].height == 45


def test_spec_page_shows_nested_units() -> None:
    """The nested spec that docs/spec.md shows can be read, and nothing in it contradicts itself."""
    from llmsynthor.spec.checks.checks import forbidden_targets  # noqa: PLC0415  (only where used)
    from llmsynthor.spec.specification import Spec  # noqa: PLC0415  (only where used)

    spec = Spec.load(yaml.safe_load(blocks(ROOT / "docs" / "spec.md", "yaml nested")[0]))
    assert [unit.name for unit in spec.schema.units] == ["household", "person", "trip"]
    assert forbidden_targets(spec) == ()
