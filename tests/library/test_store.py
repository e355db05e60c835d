"""Library files: what is written is read back, and nothing else is taken for one."""

import json
import zipfile
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from llmsynthor.errors import DataError
from llmsynthor.library.shelf import open_library, shipped
from llmsynthor.library.store import read_library, write_library

from .people import village


def test_a_library_is_read_back_as_it_was(tmp_path: Path) -> None:
    """Every table, entry and kinship of a library survives its file, and the same library is the same bytes."""
    library = village(tmp_path)
    digest = write_library(library, tmp_path / "one.zip")
    write_library(library, tmp_path / "two.zip")
    found = read_library(tmp_path / "one.zip")
    assert found.digest == digest
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    for part, own in zip(library.parts, found.parts, strict=True):
        assert part.entries == own.entries
        assert part.starts == own.starts
        assert all(np.array_equal(part.tables[names], own.tables[names]) for names in part.tables)
    assert library["person"].kinship is not None
    assert found["person"].kinship is not None
    assert found["person"].kinship.about == library["person"].kinship.about
    for name, table in library["person"].kinship.tables.items():
        assert np.array_equal(table, found["person"].kinship.tables[name])


@pytest.mark.parametrize("content", [b"no zip", b""])
def test_another_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """A file that is no library is refused in words, not read."""
    (tmp_path / "odd.zip").write_bytes(content)
    with pytest.raises(DataError, match="no library of dependence"):
        read_library(tmp_path / "odd.zip")


def test_a_zip_of_something_else_is_refused(tmp_path: Path) -> None:
    """A zip without the two members of a library is refused."""
    with zipfile.ZipFile(tmp_path / "odd.zip", "w") as file:
        file.writestr("library.json", '{"library": 99}')
        file.writestr("counts.bin", b"")
    with pytest.raises(DataError, match="version"):
        read_library(tmp_path / "odd.zip")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"sizes": [2, 3, 4, 5, 6, 7]}, "sizes of households"),
        ({"sizes": [1, 2, 2, 4, 5, 6]}, "sizes of households"),
        ({"sizes": [1, 2]}, "another shape"),
        ({"blocks": {}}, "age"),
        ({"blocks": {"age": [0, 9_999]}}, "blocks of age"),
        ({"blocks": {"age": []}}, "blocks of age"),
        ({"kinds": "nothing"}, "nothing"),
        ({"names": ["age", "height"]}, "height"),
    ],
)
def test_who_lives_with_whom_fits_together(tmp_path: Path, wrong: dict[str, object], said: str) -> None:
    """A file whose tables of relatives are not what it says of them is refused when it is read, not met in the middle of a run."""
    write_library(village(tmp_path), tmp_path / "right.zip")
    with zipfile.ZipFile(tmp_path / "right.zip") as file:
        document, counts = json.loads(file.read("library.json")), file.read("counts.bin")
    for part in document["parts"]:
        if "kinship" in part:
            part["kinship"] |= wrong
    with zipfile.ZipFile(tmp_path / "odd.zip", "w") as file:
        file.writestr("library.json", json.dumps(document))
        file.writestr("counts.bin", counts)
    with pytest.raises(DataError, match=f"no library of dependence.*{said}"):
        read_library(tmp_path / "odd.zip")


def test_an_unknown_name_is_refused() -> None:
    """A name that no library has is refused, and the names that there are are said."""
    with pytest.raises(DataError, match="acs2024"):
        open_library("acs1850")


def test_the_shipped_libraries_are_small_and_described() -> None:
    """All shipped libraries together have at most a megabyte; their README has the digest of each, and their sources are public."""
    folder = files("llmsynthor.library").joinpath("shipped")
    sizes = [len(own.read_bytes()) for own in folder.iterdir() if own.name.endswith(".zip")]
    assert sum(sizes) <= 1_000_000
    words = folder.joinpath("README.md").read_text(encoding="utf-8")
    for name in shipped():
        library = open_library(name)
        assert library.digest in words
        assert "public domain" in library.about["licence"]


def test_a_held_back_state_is_not_in_the_shipped_library() -> None:
    """South Carolina, on which figures are judged, is not among the states of acs2024."""
    assert "South Carolina" not in open_library("acs2024").about["source"]
    assert open_library("acs2024")["person"].records == 1_922_773
