"""How long calls take is remembered from run to run."""

from pathlib import Path

import pytest

from llmsynthor.llm.backend import Identity
from llmsynthor.llm.speed import expected_seconds, remember, speed_file


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMSYNTHOR_CACHE", str(tmp_path))


def test_what_was_measured_is_expected_again() -> None:
    """Seconds of earlier calls, by kind, are multiplied by the calls to come."""
    remember(Identity(name="local:a", digest="1"), {"score": 0.5})
    remember(Identity(name="local:a", digest="1"), {"write": 10.0})
    assert expected_seconds("local:a", writes=2, scores=10) == pytest.approx(25.0)


def test_texts_are_expected_by_their_tokens() -> None:
    """A title of eight words is not expected to take as long as a whole record."""
    remember(Identity(name="local:a", digest="1"), {"write": 10.0, "token": 0.1})
    assert expected_seconds("local:a", writes=1, scores=0, tokens=400) == pytest.approx(50.0)


def test_nothing_is_guessed() -> None:
    """For a model or a kind of call that was never measured there is no expectation."""
    remember(Identity(name="local:a", digest="1"), {"score": 0.5})
    assert expected_seconds("local:a", writes=1, scores=1) is None
    assert expected_seconds("local:b", writes=0, scores=1) is None
    assert expected_seconds("local:a", writes=0, scores=1, tokens=1.0) is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"local:a": 3}'])
def test_a_damaged_file_is_as_none(text: str) -> None:
    """What cannot be read is forgotten, and written anew."""
    speed_file().write_text(text, encoding="utf-8")
    assert expected_seconds("local:a", writes=0, scores=1) is None
    remember(Identity(name="local:a", digest="1"), {"score": 0.5})
    assert expected_seconds("local:a", writes=0, scores=2) == pytest.approx(1.0)
