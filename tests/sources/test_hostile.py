"""Files that mean harm, or are too large: refused before they are unpacked, followed or run."""

import io
import os
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from llmsynthor.errors import DataError
from llmsynthor.sources import extras
from llmsynthor.sources.csv_text import OddFileError, read_csv
from llmsynthor.sources.recognise import read_long
from llmsynthor.sources.table import SourceError

SDMX = '<?xml version="1.0"?>{}<m:GenericData xmlns:m="http://www.sdmx.org/resources/sdmxml/schemas/v2_1/message"/>'


def test_workbook_that_is_a_bomb(tmp_path: Path) -> None:
    """A workbook whose parts unpack to far more than they take is refused before it is unpacked."""
    pytest.importorskip("python_calamine")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * (64 << 20))
    path = tmp_path / "bomb.xlsx"
    path.write_bytes(packed.getvalue())
    with pytest.raises(SourceError, match="far too large"):
        read_long(path)


@pytest.mark.parametrize("kind", ['<!DOCTYPE a [<!ENTITY b "c">]>', '<!DOCTYPE a SYSTEM "file:///etc/passwd">'])
def test_xml_that_declares_entities(tmp_path: Path, kind: str) -> None:
    """XML with a document type is not parsed at all."""
    path = tmp_path / "t.xml"
    path.write_text(SDMX.format(kind), encoding="utf-8")
    with pytest.raises(SourceError, match="entities"):
        read_long(path)


def test_deep_json(tmp_path: Path) -> None:
    """JSON that is nested without end is refused with a sentence."""
    path = tmp_path / "t.json"
    path.write_text("[" * 200_000, encoding="utf-8")
    with pytest.raises(SourceError, match="no JSON"):
        read_long(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """A pipe in the place of a file is refused at once."""
    os.mkfifo(tmp_path / "t.csv")
    with pytest.raises(SourceError, match="pipe"):
        read_long(tmp_path / "t.csv")


@pytest.mark.parametrize(
    "data",
    [b"\x89HDF\r\n\x1a\n broken", b"SQLite format 3\0 broken", b"PAR1 broken", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"],
)
def test_damaged_files_are_sentences(tmp_path: Path, data: bytes) -> None:
    """A file that only begins like one of a format is refused with a reason, whatever library reads it."""
    path = tmp_path / "t.xls"
    path.write_bytes(data)
    with pytest.raises((SourceError, DataError)):
        read_long(path)


def test_missing_extra_is_a_line_to_type() -> None:
    """A library that is not installed is an error with the line that installs it."""
    with pytest.raises(DataError, match=r"pip install 'llmsynthor\[omx\]'"):
        extras.needed("no_such_library_here", "omx", for_what="t.omx")


def test_lone_carriage_returns_end_lines(tmp_path: Path) -> None:
    """A table whose lines end in carriage returns, some or all of them, is read or refused as a table, not with csv's own error."""
    for text in (
        "area,tenure,count\nNorth,rented\rx\nSouth,owned,3\n",
        "area,5\rth,rented,<: 5\n",
        "a,count\rb,2\rc,3\r",
    ):
        (tmp_path / "t.csv").write_bytes(text.encode())
        with suppress(OddFileError):
            read_csv(tmp_path / "t.csv", (), lambda *_: None)
    (tmp_path / "t.csv").write_text('a,count\nb,"' + "x" * 200_000, encoding="utf-8")
    with pytest.raises(OddFileError, match="no CSV"):
        read_csv(tmp_path / "t.csv", (), lambda *_: None)
