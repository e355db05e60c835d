"""Tables of the US Census Bureau: two header rows, sentinels, annotations, margins of error."""

from pathlib import Path

import pytest

from llmsynthor.sources.recognise import read_long, recognise
from llmsynthor.sources.table import Reading, SourceError

CSV = (
    "\ufeff"
    '"GEO_ID","NAME","B25003_001E","B25003_001M","B25003_002E","B25003_002M","B25003_003E","B25003_003M",\n'
    '"Geography","Geographic Area Name","Estimate!!Total:","Margin of Error!!Total:","Estimate!!Total:!!Owner occupied",'
    '"Margin of Error!!Total:!!Owner occupied","Estimate!!Total:!!Renter occupied","Margin of Error!!Total:!!Renter occupied",\n'
    '"1500000US010010001001","Block Group 1, Tract 1","30","12","20","9","10","*****",\n'
    '"1500000US010010001002","Block Group 2, Tract 1","-","**","0","12","7","5",\n'
)
API = (
    '[["NAME","B19013_001E","B19013_001EA","B19013_001M","state","county","tract"],\n'
    '["Tract 1","52000",null,"4100","01","001","000100"],\n'
    '["Tract 2","-666666666","-","-222222222","01","001","000200"],\n'
    '["Tract 3","250,000+",null,"***","01","001","000300"]]'
)


def file(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_csv_of_two_header_rows(tmp_path: Path) -> None:
    """The CSV of data.census.gov is read with labels, margins and signs; a controlled cell has a margin of zero."""
    path = file(tmp_path, "B25003-Data.csv", CSV)
    assert recognise(path) == "census-csv"
    table = read_long(path)
    assert table["zone"].codes == ("1500000US010010001001", "1500000US010010001002")
    assert table["zone"].label_of("1500000US010010001002") == "Block Group 2, Tract 1"
    assert table["cell"].label_of("B25003_002") == "Total!!Owner occupied"
    rows = table.frame.rows()
    assert rows[1] == ("1500000US010010001001", "B25003_002", 20.0, None, 9.0)
    assert rows[2] == ("1500000US010010001001", "B25003_003", 10.0, "*****", 0.0)
    assert rows[3] == ("1500000US010010001002", "B25003_001", None, "-", None)


def test_answer_of_the_api(tmp_path: Path) -> None:
    """An array of arrays is read; sentinels are signs, not numbers; zones are put together with their zeros."""
    path = file(tmp_path, "B19013.json", API)
    labels = file(tmp_path, "variables.json", '{"variables": {"B19013_001E": {"label": "Estimate!!Median income"}}}')
    table = read_long(path, Reading(labels=labels.name))
    assert table.format == "census-json"
    assert table["zone"].codes == ("01001000100", "01001000200", "01001000300")
    assert table["cell"].labels == {"B19013_001": "Median income"}
    assert table.frame["value"].to_list() == [52000.0, None, None]
    assert table.frame["flag"].to_list() == [None, "-", "250,000+"]


def test_percent_columns_stand_apart(tmp_path: Path) -> None:
    """An estimate and the per cent of the same cell are two cells."""
    path = file(
        tmp_path,
        "dp.json",
        '[["NAME","DP05_0001E","DP05_0001PE","state"],["A","12","100.0","01"]]'.replace("DP05_0001", "S01_C01_001"),
    )
    assert read_long(path)["cell"].codes == ("S01_C01_001", "S01_C01_001P")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('[["NAME","B01_001E","state"],["A","1"]]', "shorter"),
        ('{"variables": {"B01_001E": {"label": "Total"}}}', "labels"),
        ('[["NAME","B01_001E","state"', "no JSON"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, text: str, word: str) -> None:
    """A cut answer, and labels without a table, are refused with the reason."""
    with pytest.raises(SourceError, match=word):
        read_long(file(tmp_path, "x.json", text))
