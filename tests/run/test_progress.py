"""Progress that is drawn: in a terminal, in a notebook, and where nobody watches."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from llmsynthor.run.progress import bar, describe, in_notebook, watched
from llmsynthor.synthesis.outcome import Progress


def event(stage: str, calls: int = 0, expected: int = 0) -> Progress:
    return Progress(stage=stage, iteration=1, iterations=2, discrepancy=None, calls=calls, expected_calls=expected)


def test_lines_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    """Off a terminal progress is a line per stage, not one per event."""
    with watched(True) as notify:
        for stage in ("proposals", "proposals", "fit", "correct", "correct"):
            notify(event(stage))
    assert capsys.readouterr().err.count("\n") == 3


def test_nothing_unless_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """Without progress nothing is written, and a callback of one's own is called with each event."""
    for silent in (None, False):
        with watched(silent) as notify:
            notify(event("fit"))
    assert capsys.readouterr().err == ""
    seen: list[Progress] = []
    with watched(seen.append) as notify:
        notify(event("fit"))
    assert [entry.stage for entry in seen] == ["fit"]


def test_bar_in_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """In a terminal the stage and the calls stand beside a bar."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    with bar() as draw:
        draw(event("proposals", 3, 5))
    assert "calls 3 of 5" in capsys.readouterr().err


def test_display_in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a notebook one display is made and brought up to date."""
    shown: list[str] = []
    shell = type("ZMQInteractiveShell", (), {})()
    python, display = ModuleType("IPython"), ModuleType("IPython.display")
    handle = SimpleNamespace(update=shown.append)
    vars(python).update(get_ipython=lambda: shell)

    def show(html: str, *, display_id: bool) -> Any:
        shown.append(html)
        return handle

    vars(display).update(HTML=str, display=show)
    monkeypatch.setitem(sys.modules, "IPython", python)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    assert in_notebook()
    with watched(True) as notify:
        notify(event("copula", 2, 8))
    assert 'value="2" max="8"' in shown[-1]
    assert len(shown) == 2


def test_progress_says_what_a_person_wants() -> None:
    """One line holds stage, iteration, discrepancy, calls and the time that is left."""
    event = Progress(stage="proposals", iteration=2, iterations=4, discrepancy=0.5, calls=2, expected_calls=5)
    line = describe(event, elapsed=20.0)
    for piece in ("proposals", "iteration 2 of 4", "0.5000", "calls 2 of 5", "about 30 s left"):
        assert piece in line
