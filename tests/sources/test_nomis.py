"""CSV of nomis: columns that are paths, and the long form."""

from pathlib import Path

from llmsynthor.sources.recognise import read_long

BULK = (
    '"date","geography","geography code","Rural Urban","Tenure: All categories: Tenure; measures: Value",'
    '"Tenure: Owned: Total; measures: Value","Tenure: Owned: Owned outright; measures: Value",'
    '"Tenure: Owned: Owned with a mortgage; measures: Value","Tenure: Rented; measures: Value"\n'
    '"2011","Arden","E01","Total",30,20,8,12,10\n"2011","Bere","E02","Total",9,4,1,3,5\n'
)
LONG = (
    "DATE,DATE_NAME,GEOGRAPHY_CODE,GEOGRAPHY_NAME,CELL,CELL_NAME,MEASURES,MEASURES_NAME,OBS_VALUE,OBS_STATUS\n"
    "2021,2021,E01,Arden,1,Owned,20100,Value,12,A\n2021,2021,E01,Arden,1,Owned,20301,Percent,60.0,A\n"
    "2021,2021,E01,Arden,2,Rented,20100,Value,8,Q\n2021,2021,E01,Arden,2,Rented,20301,Percent,40.0,A\n"
)


def test_bulk_table(tmp_path: Path) -> None:
    """Heads become paths, sums beside their parts; what is the same in every row is told and dropped."""
    path = tmp_path / "t.csv"
    path.write_text(BULK, encoding="utf-8")
    table = read_long(path)
    assert table["zone"].labels == {"E01": "Arden", "E02": "Bere"}
    assert table["cell"].codes[:3] == ("Total", "Total!!Owned", "Total!!Owned!!Owned outright")
    assert table.frame.rows()[2] == ("E01", "Total!!Owned!!Owned outright", 8.0, None)
    assert "Rural Urban is Total in every row" in table.notes


def test_long_table(tmp_path: Path) -> None:
    """Of code and name the code is taken, counts and per cents are a measure."""
    path = tmp_path / "t.csv"
    path.write_text(LONG, encoding="utf-8")
    table = read_long(path)
    assert table.names == ("cell", "measures")
    assert table["cell"].labels == {"1": "Owned", "2": "Rented"}
    assert table["measures"].role == "measure"
    assert table.frame["flag"].to_list() == [None, None, "Q", None]
