"""PX files: keywords, codes, totals, translations, signs, and what files say wrongly of themselves."""

from pathlib import Path

import pytest

from llmsynthor.sources.px import read_px
from llmsynthor.sources.recognise import read_long, recognise
from llmsynthor.sources.table import Reading, SourceError

PX = """CHARSET="ANSI";
AXIS-VERSION="2010";
CODEPAGE="iso-8859-15";
LANGUAGE="de";
LANGUAGES="de","en";
TITLE="Paare; nach Alter "
"und Region";
CONTENTS="Paare";
UNITS="Anzahl";
STUB="Region";
HEADING="Alter","Jahr";
STUB[en]="Region";
HEADING[en]="Age","Year";
VALUES("Region")="Total","Zürich","Genf";
VALUES("Alter")="0-4","5 und älter";
VALUES("Jahr")="2020";
VALUES[en]("Age")="0-4","5 and over";
CODES("Region")="T","ZH","GE";
TIMEVAL("Jahr")=TLIST(A1),"2020";
ELIMINATION("Region")="Total";
DATA=
30 12;
20 "..";
10 - ;
"""


def test_table_with_its_own_words(tmp_path: Path) -> None:
    """Labels in two lines, codes, the total that the file names, and rows that end in semicolons are read; - means none."""
    path = tmp_path / "t.px"
    path.write_bytes(PX.encode("latin-1"))
    assert recognise(path) == "px"
    table = read_long(path)
    assert table.title == "Paare; nach Alter und Region"
    region = table["Region"]
    assert (region.codes, region.total, region.label_of("ZH")) == (("T", "ZH", "GE"), "T", "Zürich")
    assert table["Jahr"].role == "time"
    assert table.frame["value"].to_list() == [30.0, 12.0, 20.0, None, 10.0, 0.0]
    assert table.frame["flag"].to_list() == [None, None, None, "..", None, "-"]
    english = read_long(path, Reading(language="en"))
    assert english["Age"].label_of("5 und älter") == "5 and over"


def test_encoding_is_looked_at_not_believed() -> None:
    """A file in UTF-8 that says otherwise is read right, and this is said."""
    table = read_px(PX.encode("utf-8"))
    assert table["Region"].label_of("ZH") == "Zürich"
    assert any("UTF-8" in note for note in table.notes)


def test_sparse_rows_have_keys() -> None:
    """With KEYS each row begins with its code, and rows may be missing."""
    text = PX.replace('DATA=\n30 12;\n20 "..";\n10 - ;', 'KEYS("Region")=CODES;\nDATA=\n"GE" 10 11\n"ZH" 20 21;')
    table = read_px(text.encode("latin-1"))
    assert table.frame.rows()[2] == ("ZH", "0-4", "2020", 20.0, None)
    assert table.frame.height == 4


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("30 12;", "30;", "5 values where its dimensions make 6"),
        ("DATA=", "DATEN=", "no DATA"),
        ('VALUES("Alter")', 'VALUES("Alte")', "no VALUES"),
    ],
)
def test_damaged_files_are_refused(old: str, new: str, word: str) -> None:
    """A file that is cut, or lacks what it names, is refused with the reason."""
    with pytest.raises(SourceError, match=word):
        read_px(PX.replace(old, new).encode("latin-1"))
