"""The plan of the house: which room may import from which, and how rooms are kept."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "llmsynthor"

ROOMS = {
    "errors": set(),
    "spec": {"errors"},
    "llm": {"errors"},
    "prompts": set(),
    "synthesis": {"errors", "spec", "llm", "prompts"},
    "realize": {"errors", "spec", "synthesis"},
    "realize_nested": {"errors", "spec", "synthesis", "realize"},
    "microdata": {"errors", "spec"},
    "measure": {"errors", "spec", "microdata"},
    "release": {"errors", "spec", "microdata", "measure"},
    "examine": {"errors", "spec", "llm", "synthesis"},
    "run_folder": {"errors"},
    "evaluation": {"errors", "spec", "synthesis", "realize", "microdata", "measure", "run_folder"},
    "report": {"errors", "spec", "evaluation", "run_folder"},
    "frames": {"realize_nested", "spec", "synthesis", "realize", "evaluation"},
    "run": {"errors", "spec", "llm", "prompts", "synthesis", "realize", "measure", "evaluation", "report", "run_folder"}
    | {"frames"},
    "advise": {"errors", "spec", "llm", "synthesis", "run_folder"},
    "terminal": {"synthesis"},
    "cli": {
        "errors",
        "spec",
        "llm",
        "advise",
        "examine",
        "measure",
        "release",
        "evaluation",
        "report",
        "run",
        "terminal",
    },
    "__init__": {"errors", "run", "spec"},
    "__main__": {"cli"},
}
"""Data flow one way: a room may import from the rooms named here, and from itself."""

NOUNS = {
    "grid",
    "projection",
    "goals",
    "moments",
    "quantiles",
    "population",
    "program",
    "aggregate",
    "discrepancy",
    "describe",
}
STAGES = {
    "dependency": set(),
    "coarse": set(),
    "elicit": {"coarse"},
    "coincidence": {"coarse"},
    "given": {"coarse", "elicit"},
    "estimates": {"coarse", "elicit"},
    "copula": {"coarse", "coincidence", "elicit", "estimates", "given"},
    "estimation": {"coarse", "copula", "dependency", "elicit", "estimates", "given"},
    "implied": {"align", "coarse", "elicit", "shape"},
    "suggest": {"coarse", "coincidence", "copula", "elicit", "estimates"},
    "proposal": set(),
    "guidance": {"dependency"},
    "planner": {"dependency", "guidance", "proposal"},
    "shape": set(),
    "reconcile": set(),
    "reconcile_moments": {"reconcile"},
    "shift": set(),
    "feasibility": set(),
    "starting": set(),
    "task": {"kernels"},
    "initial": set(),
    "fit": {"initial", "task"},
    "swap": {"kernels", "task"},
    "correct": {"kernels", "swap", "task"},
    "align": {"correct", "fit", "task"},
    "kernels": set(),
}
"""Stages know the nouns, and of each other only what is named here; `loop` sees them all."""

HEAVY = {"numba", "xllamacpp", "openai", "altair", "vl_convert", "jsonschema", "jinja2", "pandas", "stamina"}

FILES = sorted(SOURCE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports(path: Path, *, top_only: bool = False) -> Iterator[str]:
    """Names of the modules that a file imports; imports for type checkers are left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    guarded = {
        id(below)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for below in ast.walk(node)
    }
    for node in tree.body if top_only else ast.walk(tree):
        if id(node) in guarded:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_run_one_way(path: Path) -> None:
    """No file imports from a room that is not before its own."""
    own = room_of(path)
    used = {name.split(".")[1] for name in imports(path) if name.startswith("llmsynthor.")}
    used = {"llm" if name == "llm" else name for name in used} - {own}
    assert used <= ROOMS[own], f"{own} may not import {sorted(used - ROOMS[own])}"


@pytest.mark.parametrize("path", sorted((SOURCE / "synthesis").glob("*.py")), ids=lambda path: path.stem)
def test_stages_do_not_know_each_other(path: Path) -> None:
    """A stage imports nouns, and of the other stages only those it is allowed to."""
    prefix = "llmsynthor.synthesis."
    used = {name.removeprefix(prefix).split(".")[0] for name in imports(path) if name.startswith(prefix)}
    stages = used & STAGES.keys() - {path.stem}
    if path.stem in NOUNS:
        assert not stages
    elif path.stem in STAGES:
        assert stages <= STAGES[path.stem]
    else:
        assert path.stem in ("loop", "outcome", "__init__")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_heavy_imports_are_late(path: Path) -> None:
    """Heavy libraries are imported where they are used, not at the top (the compiled kernels excepted)."""
    found = {name.split(".")[0] for name in imports(path, top_only=True)} & HEAVY
    assert found <= ({"numba"} if path.stem.startswith("kernels") else set())


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_files_and_functions_are_small(path: Path) -> None:
    """No file passes 350 lines, no function 60, and a broad except stands in the command line only."""
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 350
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 75, node.name
        if isinstance(node, ast.ExceptHandler) and path.name != "cli.py":
            assert node.type is not None
            assert ast.unparse(node.type) not in ("Exception", "BaseException")


def test_nothing_unfinished_and_no_host_is_named() -> None:
    """No mark of unfinished work and no host of a package index stands anywhere in the project."""
    hosts = ["pypi" + ".org", "python" + "hosted", "huggingface" + ".co"]
    marks = ["TO" + "DO", "FIX" + "ME", "NotImplemented" + "Error"]
    kinds = {".py", ".md", ".toml", ".yaml", ".j2", ".css", ""}
    skipped = {".git", ".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis", "demo", "dist"}
    for path in ROOT.rglob("*"):
        if path.is_file() and path.suffix in kinds and not skipped & set(path.relative_to(ROOT).parts):
            text = path.read_text(encoding="utf-8", errors="replace")
            found = re.search("|".join(map(re.escape, hosts + marks)), text)
            assert found is None, f"{path}: {found}"
