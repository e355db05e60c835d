"""Tables laid out for people: titles, heads of several rows, sections, notes, matrices, and numbers in any dress."""

from pathlib import Path

import pytest

from llmsynthor.sources.grids import read_grid
from llmsynthor.sources.recognise import read_long
from llmsynthor.sources.table import LongTable, Reading, SourceError

LAID_OUT = """Households by tenure;;;
Town hall, 2024;;;
;Owned;;Rented
Zone;outright;mortgage;all
Nord;1.200;300,5;x
Süd;900;1.100,25;700
Note: rounded;;;
"""


def read(folder: Path, text: str, encoding: str = "utf-8", **said: object) -> LongTable:
    path = folder / "t.csv"
    path.write_bytes(text.encode(encoding))
    return read_long(path, Reading(**said))  # type: ignore[arg-type]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_titles_heads_and_notes(tmp_path: Path, encoding: str) -> None:
    """Titles and notes are left out and told, heads are joined, whatever the encoding; points part thousands beside commas."""
    table = read(tmp_path, LAID_OUT, encoding)
    assert table["cell"].codes == ("Owned!!outright", "Owned!!mortgage", "Rented!!all")
    assert table["Zone"].codes == ("Nord", "Süd")
    said = " ".join(table.notes)
    assert "Town hall, 2024" in said
    assert "Note: rounded" in said


def test_points_alone_are_asked_for(tmp_path: Path) -> None:
    """1.200 beside 450 is not read until it is said what the point parts."""
    text = "zone,count\na,1.200\nb,450\n"
    with pytest.raises(SourceError, match="thousands or decimals"):
        read(tmp_path, text)
    assert read(tmp_path, text, decimal=",").frame["value"].to_list() == [1200.0, 450.0]
    assert read(tmp_path, text, decimal=".").frame["value"].to_list() == [1.2, 450.0]


@pytest.mark.parametrize(
    ("texts", "decimal", "values"),
    [
        (["1,210", "980"], None, [1210.0, 980.0]),
        (["1 210", "980"], None, [1210.0, 980.0]),
        (["1.200", "3,5"], None, [1200.0, 3.5]),
        (["1.200", "3,5"], ",", [1200.0, 3.5]),
        (["1,2", "3,5"], ",", [1.2, 3.5]),
        (["12.5", "3"], None, [12.5, 3.0]),
    ],
)
def test_numbers_in_their_dress(texts: list[str], decimal: str | None, values: list[float]) -> None:
    """Thousands and decimals are told apart where the column does so."""
    grid = [["zone", "count"], *([f"z{k}", text] for k, text in enumerate(texts))]
    table = read_grid(grid, Reading(decimal=decimal), format_name="csv")  # type: ignore[arg-type]
    assert table.frame["value"].to_list() == values


def test_matrix(tmp_path: Path) -> None:
    """A square whose rows and columns are the same zones is one of origins and destinations."""
    table = read(tmp_path, "from\\to,a,b,c\na,0,5,1\nb,4,0,2\nc,3,1,0\n")
    assert table.names == ("from", "to")
    assert table.frame.filter((table.frame["from"] == "b") & (table.frame["to"] == "a"))["value"].to_list() == [4.0]


def test_sections_and_empty_cells_below(tmp_path: Path) -> None:
    """A heading inside the table becomes a column; a year that is written once holds for the rows below it."""
    text = (
        "year,month,visits,nights\n2020,Jan,5,9\n,Feb,6,8\n2021,Jan,5,9\n,Feb,6,8\nChange,,,\n2021,Jan,1,2\n,Feb,2,3\n"
    )
    table = read(tmp_path, text)
    assert table["section"].codes == ("", "Change")
    assert table["year"].codes == ("2020", "2021")
    assert any("filled from above" in note for note in table.notes)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "empty"),
        ("only one column\n1\n", "two or more columns"),
        ("a,b\nx,y\n", "no row of numbers"),
        ("zone,men,women\na,1,2\n", "there is no such column"),
    ],
)
def test_what_is_no_table(tmp_path: Path, text: str, word: str) -> None:
    """A file without a table, and a column that is not there, are refused with the reason."""
    with pytest.raises(SourceError, match=word):
        read(tmp_path, text, values="children" if "men" in text else None)


def test_archives_and_pages_are_refused(tmp_path: Path) -> None:
    """A zip file, a web page and a PDF say what they are."""
    for data, word in ((b"PK\x03\x04abc", "archive"), (b"<html><body>", "web page"), (b"%PDF-1.7", "PDF")):
        path = tmp_path / "t.csv"
        path.write_bytes(data)
        with pytest.raises(SourceError, match=word):
            read_long(path)
