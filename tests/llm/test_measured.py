"""What models were measured to know is remembered from run to run."""

from pathlib import Path

import pytest

from llmsynthor.llm.backend import Identity
from llmsynthor.llm.measured import measured_file, recall, remember

MODEL = Identity(name="openai:m", digest="here#m")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMSYNTHOR_CACHE", str(tmp_path))


def test_what_was_measured_is_known_again() -> None:
    """By the digest of the model and of what it was asked: not of another model, not on another bench."""
    remember(MODEL, "bench", {"full": 2.0})
    assert recall("here#m", "bench")["full"] == 2.0
    assert recall("there#m", "bench") is None
    assert recall("here#m", "other") is None


@pytest.mark.parametrize("text", ["", "[]", "{"])
def test_a_damaged_file_is_as_none(text: str) -> None:
    """What cannot be read is forgotten, and written anew."""
    measured_file().write_text(text, encoding="utf-8")
    assert recall("here#m", "bench") is None
    remember(MODEL, "bench", {"full": 2.0})
    assert recall("here#m", "bench") is not None
