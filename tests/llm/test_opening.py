"""The words of --llm."""

from pathlib import Path

import pytest

from llmsynthor.errors import ChoiceError, LLMError
from llmsynthor.llm import models
from llmsynthor.llm.child import threads
from llmsynthor.llm.opening import choose
from llmsynthor.options import Server


def test_none_is_no_model() -> None:
    """`none` chooses nothing."""
    assert choose("none") is None


def test_default_model_is_pinned() -> None:
    """`local` is the default model, known by its pinned hash before anything is opened."""
    choice = choose("local")
    assert choice is not None
    assert choice.identity.digest == models.find(models.DEFAULT).sha256
    assert choose("local:smollm2-135m") != choice


def test_servers_are_told_apart() -> None:
    """The same model name on two servers is two models."""
    one, two = (choose("openai:m", server=Server(base_url=url)) for url in ("http://a/v1", "http://b/v1"))
    assert one is not None
    assert two is not None
    assert one.identity != two.identity


def test_script_is_read_at_once(tmp_path: Path) -> None:
    """A script is known by its content; YAML lists stand for answers."""
    path = tmp_path / "script.yaml"
    path.write_text('- {"a": 1}\n', encoding="utf-8")
    choice = choose(f"scripted:{path}")
    assert choice is not None
    assert choice.identity.name == "scripted"


@pytest.mark.parametrize(
    "text", ["", "gpt", "openai", "openai:", "scripted:", "scripted:/nowhere", "local:gpt", "local:/no.gguf"]
)
def test_unknown_words_are_refused(text: str) -> None:
    """What names no model is wrong input, and is refused with what may be written."""
    with pytest.raises(ChoiceError, match=r"[Uu]se one of|cannot be read|no such file") as caught:
        choose(text)
    assert caught.value.exit_code == 2


def test_an_address_is_no_name_of_a_model() -> None:
    """A model's name is written into every folder: an address in its place, with its password, is refused and not shown."""
    with pytest.raises(ChoiceError, match="--base-url") as caught:
        choose("openai:http://user:pass-word-4711@host/v1")
    assert "4711" not in str(caught.value)


def test_weights_that_are_none_are_refused(tmp_path: Path) -> None:
    """A file that is no GGUF is refused when it is opened, not a crash."""
    path = tmp_path / "fake.gguf"
    path.write_bytes(b"GGUF" + b"\0" * 100)
    choice = choose(f"local:{path}")
    assert choice is not None
    with pytest.raises(LLMError, match="cannot be loaded"):
        choice.open_model()


@pytest.mark.parametrize(("load", "cores", "wanted"), [(1.0, 2, 2), (2.2, 2, 1), (9.0, 2, 1), (1.0, 8, 7), (4.0, 8, 5)])
def test_embedded_engine_takes_idle_cores(
    monkeypatch: pytest.MonkeyPatch, load: float, cores: int, wanted: int
) -> None:
    """The engine has a thread for each core that nobody else uses, and one at least."""
    monkeypatch.delenv("LLMSYNTHOR_THREADS", raising=False)
    monkeypatch.setattr("os.getloadavg", lambda: (load, 0.0, 0.0), raising=False)
    monkeypatch.setattr("os.cpu_count", lambda: cores)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(cores)), raising=False)
    assert threads() == wanted
