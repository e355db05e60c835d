"""The public surface: what is promised is there, typed, with an example that runs, and nothing else is shown."""

import doctest
import inspect
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import llmsynthor as ls

ROOT = Path(__file__).parents[1]


def test_dir_shows_what_is_promised_and_nothing_else() -> None:
    """`dir` is `__all__`, at most 32 names, also after modules of the house were imported; each can be had."""
    import llmsynthor.run.synthesize  # noqa: F401, PLC0415  (leaves names of modules behind)

    assert dir(ls) == sorted(ls.__all__)
    assert 20 <= len(ls.__all__) <= 32
    assert all(getattr(ls, name) is not None for name in ls.__all__)


def test_names_of_before_work() -> None:
    """The errors that the package showed before are still had from it."""
    for name in ("DataError", "LLMError", "ModelError", "RunFolderError"):
        assert issubclass(getattr(ls, name), ls.LLMSynthorError)


@pytest.mark.parametrize("name", [name for name in ls.__all__ if not name.endswith("Error") and name != "errors"])
def test_every_name_has_an_example(name: str) -> None:
    """The docstring of each promised name shows it at work (and the doctests run it)."""
    described = getattr(ls, name)
    assert not isinstance(described, ModuleType)
    assert doctest.DocTestParser().get_examples(inspect.getdoc(described) or "")


def test_every_error_is_of_one_tree() -> None:
    """All exceptions of `errors` are LLMSynthorErrors."""
    own = [kind for _, kind in inspect.getmembers(ls.errors, inspect.isclass) if issubclass(kind, Exception)]
    assert len(own) > 8
    assert all(issubclass(kind, ls.LLMSynthorError) for kind in own)


@pytest.mark.slow
def test_types_hold() -> None:
    """mypy, strict, accepts what the surface promises and refuses what it does not."""
    words = ["-m", "mypy", "--strict", "--warn-unused-ignores", str(ROOT / "tests" / "typing" / "surface.py")]
    result = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout


@pytest.mark.slow
def test_pandas_is_not_needed(tmp_path: Path) -> None:
    """Where pandas is not installed a run, its report and its tables are made all the same."""
    hide = (
        "from importlib.machinery import PathFinder as P; real = P.find_spec; "
        "P.find_spec = classmethod(lambda cls, name, *more: None if name.startswith('pandas') else real(name, *more))"
    )
    code = (
        f"{hide}\nimport llmsynthor as ls, sys\nmade = ls.synthesize('examples/quickstart', records=200, llm='none')\n"
        f"made.report({str(tmp_path / 'r.html')!r}); ls.measure('examples/quickstart', made)\n"
        "assert 'pandas' not in sys.modules"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
