"""The wheel: what is installed is what is needed, and it runs."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    return next(out.glob("*.whl"))


def test_wheel_holds_data_and_no_tests(wheel: Path) -> None:
    """Prompts, templates and the typing marker are in the wheel; tests and examples are not."""
    names = set(zipfile.ZipFile(wheel).namelist())
    for name in (
        "prompts/plan.md",
        "prompts/system.md",
        "report/templates/report.html.j2",
        "report/templates/style.css",
        "spec/reading/library/households.yaml",
        "spec/reading/library/diaries.yaml",
        "py.typed",
    ):
        assert f"llmsynthor/{name}" in names
    assert not [name for name in names if name.startswith(("tests", "examples", "benchmarks"))]


@pytest.mark.slow
def test_wheel_runs(wheel: Path, tmp_path: Path) -> None:
    """Installed from the wheel, away from the sources, the command line makes records and a report."""
    target = tmp_path / "site"
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--no-deps",
        "--no-index",
        "--quiet",
        "--target",
        str(target),
        str(wheel),
    ]
    subprocess.run(pip, check=True, capture_output=True)
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        "llmsynthor: 1\nunits: {u: {variables: {x: {kind: category, levels: [a, b]}}}}\n"
        "targets: [{unit: u, cells: [{x: a, count: 3}, {x: b, count: 4}]}]\n"
    )
    words = [
        "-m",
        "llmsynthor",
        "synthesize",
        str(spec),
        "--records",
        "70",
        "--llm",
        "none",
        "--out",
        str(tmp_path / "out"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(target)}
    code = "import llmsynthor; print(llmsynthor.__file__)"
    where = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert where.stdout.startswith(str(target))
    result = subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "out" / "report.html").is_file()
