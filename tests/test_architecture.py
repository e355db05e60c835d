"""The plan of the house: which room may import from which, and how rooms are kept."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "llmsynthor"

ARROWS = re.search(r"```arrows\n(.*?)```", (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"), re.DOTALL)
assert ARROWS is not None
ROOMS = {line.split("<-")[0].strip(): set(line.split("<-")[1].split()) for line in ARROWS[1].strip().splitlines()}
"""Data flow one way: a room, a folder or a file, may import from the rooms named here, and from itself."""

HEAVY = {
    "httpx",
    "numba",
    "xllamacpp",
    "vl_convert",
    "scipy.stats",
    "scipy.interpolate",
    "jsonschema",
    "jinja2",
    "pandas",
    "stamina",
}

FILES = sorted(SOURCE.rglob("*.py"))


def room_of(path: Path) -> str:
    """The room of a file: the file itself where the plan names it, else its folder, else the module at the top."""
    own = path.relative_to(SOURCE).with_suffix("").as_posix()
    folder = path.relative_to(SOURCE).parent.as_posix()
    return own if own in ROOMS or folder == "." else folder


@cache
def home_of(name: str) -> str | None:
    """The room of an imported name, such as `llmsynthor.aims.goals.Goal`; None for the package itself."""
    parts = name.split(".")[1:]
    for length in range(len(parts), 0, -1):
        path = SOURCE.joinpath(*parts[:length])
        if path.with_suffix(".py").is_file():
            return room_of(path.with_suffix(".py"))
        if (path / "__init__.py").is_file():
            return path.relative_to(SOURCE).as_posix()
    return None


@cache
def syntax(path: Path) -> tuple[ast.Module, tuple[ast.AST, ...]]:
    """The syntax tree of a file, and all its nodes."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return tree, tuple(ast.walk(tree))


def imports(path: Path, *, top_only: bool = False) -> Iterator[str]:
    """Names of the modules that a file imports; imports for type checkers are left out."""
    tree, nodes = syntax(path)
    guarded = {
        id(below)
        for node in nodes
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for below in ast.walk(node)
    }
    for node in tree.body if top_only else nodes:
        if id(node) in guarded:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_run_one_way(path: Path) -> None:
    """No file imports from a room that its own has no arrow to; the law covers rooms within rooms."""
    own = room_of(path)
    used = {home_of(name) for name in imports(path) if name.startswith("llmsynthor.")} - {own, None}
    if path.name == "__init__.py" and path.parent != SOURCE:
        assert not used
    else:
        assert used <= ROOMS[own], f"{own} may not import {sorted(used - ROOMS[own])}"  # type: ignore[operator]


def test_plan_names_every_room() -> None:
    """The page lists each room once, and no room that is not there."""
    there = {room_of(path) for path in FILES if path.name != "__init__.py" or path.stat().st_size} - {"."}
    assert there == set(ROOMS)


def test_no_room_is_a_warehouse() -> None:
    """No folder holds more than a quarter of the lines."""
    lines = {path: path.read_text(encoding="utf-8").count("\n") for path in FILES}
    folders: dict[Path, int] = {}
    for path, count in lines.items():
        folders[path.parent] = folders.get(path.parent, 0) + count
    assert max(folders.values()) <= sum(lines.values()) / 4


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_heavy_imports_are_late(path: Path) -> None:
    """Heavy libraries are imported where they are used, not at the top (the compiled kernels excepted)."""
    found = {name.split(".")[0] for name in imports(path, top_only=True)} & HEAVY
    assert found <= ({"numba"} if path.stem.startswith(("kernels", "compiled")) else set())


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_files_and_functions_are_small(path: Path) -> None:
    """No file passes 350 lines, no function 60, and a broad except stands in the command line only."""
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 350
    for node in syntax(path)[1]:
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 75, node.name
        if isinstance(node, ast.ExceptHandler) and path.relative_to(SOURCE).as_posix() != "cli/commands.py":
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
