"""Files that mean harm, or are too large: refused before they are unpacked, followed or run."""

import io
import os
import random
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest

from llmsynthor.errors import DataError
from llmsynthor.imports.folders import read_frame
from llmsynthor.imports.starting import sheets_of
from llmsynthor.sources import extras
from llmsynthor.sources.census_pretty import read_shown_table
from llmsynthor.sources.csv_text import OddFileError, read_csv
from llmsynthor.sources.px import decode_px
from llmsynthor.sources.recognise import read_long
from llmsynthor.sources.table import Reading, SourceError

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


@pytest.mark.parametrize(
    "broken",
    [
        "<m:DataSet><m:Series></m:DataSet>",
        "<m:DataSet",
        "<n:DataSet/>",
        "<m:DataSet a=1/>",
        "<m:DataSet>&what;</m:DataSet>",
        "<m:DataSet>" * 5_000,
    ],
)
def test_broken_sdmx_messages(tmp_path: Path, broken: str) -> None:
    """XML that is none is refused with a sentence, whatever the reader below stumbles over."""
    pytest.importorskip("pysdmx")
    path = tmp_path / "t.xml"
    path.write_text(SDMX.format("").removesuffix("/>") + ">" + broken + "</m:GenericData>", encoding="utf-8")
    with pytest.raises(SourceError, match=r"cannot be read|data set"):
        read_long(path)


@pytest.mark.parametrize("part", [b"&what;", b"<row", b"</worksheet>", b"\xff"])
def test_damaged_sheets(tmp_path: Path, part: bytes) -> None:
    """A workbook whose sheet is no XML is refused by whoever looks at it, as a file that is no workbook is."""
    pytest.importorskip("python_calamine")
    xlsxwriter = pytest.importorskip("xlsxwriter")
    whole, broken = io.BytesIO(), tmp_path / "t.xlsx"
    book = xlsxwriter.Workbook(whole)
    book.add_worksheet().write_row(0, 0, ["area", "count"])
    book.close()
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(broken, "w") as new:
        for name in old.namelist():
            kept = old.read(name)
            new.writestr(name, kept.replace(b"<sheetData>", b"<sheetData>" + part) if "sheet1.xml" in name else kept)
    assert isinstance(_refusal(broken), DataError | None)
    broken.write_bytes(b"PK" + part * 20)
    assert isinstance(_refusal(broken), DataError)


def _refusal(path: Path) -> DataError | None:
    """What a look at the sheets of a file ends with."""
    try:
        sheets_of(path)
    except DataError as error:
        return error
    return None


@pytest.mark.parametrize("seed", range(40))
def test_damaged_matrices(tmp_path: Path, seed: int) -> None:
    """An HDF5 file whose bytes were changed is read or refused, and ends nothing."""
    h5py = pytest.importorskip("h5py")
    path, rng = tmp_path / "t.omx", random.Random(seed)
    with h5py.File(path, "w") as file:
        file.create_dataset("data/m", data=[[1.0, 2.0], [3.0, 4.0]])
        file.create_dataset("lookup/zone", data=[7, 8])
    content = bytearray(path.read_bytes())
    for _ in range(30):
        content[rng.randrange(8, len(content))] = rng.randrange(256)
    path.write_bytes(content)
    with suppress(SourceError):
        read_long(path)


@pytest.mark.parametrize("encoding", ["undefined", "no-such", "zlib", "\0"])
def test_encodings_that_are_none(tmp_path: Path, encoding: str) -> None:
    """An encoding that cannot be used is refused."""
    (tmp_path / "t.csv").write_text("area,count\na,1\nb,2\n")
    with pytest.raises(SourceError):
        read_long(tmp_path / "t.csv", Reading(encoding=encoding))


@pytest.mark.parametrize("rest", [b"a", b"\x00\xd8a\x00", b"\x00\xdc"])
def test_damaged_utf_16(tmp_path: Path, rest: bytes) -> None:
    """Half a character, or half a pair, is refused with a sentence."""
    (tmp_path / "t.csv").write_bytes(b"\xff\xfe" + "area,count\n".encode("utf-16-le") + rest)
    with pytest.raises(SourceError, match="UTF-16"):
        read_long(tmp_path / "t.csv")


@pytest.mark.parametrize("name", ["undefined", "no-such", "zlib"])
def test_px_files_that_name_no_encoding(name: str) -> None:
    """What a PX file says of its encoding may be anything."""
    text, notes = decode_px(f'CODEPAGE="{name}";TITLE="'.encode() + b'\xe4";')
    assert "ä" in text
    assert notes


def test_a_quote_that_is_never_closed(tmp_path: Path) -> None:
    """A file of another tool whose field has no end is refused by its name."""
    (tmp_path / "t.csv").write_text('zone,count\n"' + "1,2\n" * 50_000)
    with pytest.raises(DataError, match=r"t\.csv.*no CSV"):
        read_frame(tmp_path / "t.csv", {})


def test_a_shown_table_whose_quote_is_never_closed() -> None:
    """A field without end is refused in the Census's tables too."""
    with pytest.raises(SourceError, match="no CSV"):
        read_shown_table('Label (Grouping),A!!Estimate\n"' + "x,1\n" * 50_000)
