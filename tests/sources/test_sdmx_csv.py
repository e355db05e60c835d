"""SDMX-CSV 1 and 2, with and without labels, and Eurostat's tables."""

from pathlib import Path

import pytest

from llmsynthor.sources.recognise import read_long
from llmsynthor.sources.table import SourceError

ONE = "DATAFLOW,FREQ,SEX,TIME_PERIOD,OBS_STATUS,OBS_VALUE\nX:Y(1.0),A,M,2020,A,12.5\nX:Y(1.0),A,F,2020,M,\n"
EUROSTAT = (
    "DATAFLOW,LAST UPDATE,freq,unit,sex,age,geo,TIME_PERIOD,OBS_VALUE,OBS_FLAG,CONF_STATUS\n"
    "ESTAT:DEMO(1.0),23/05/24 23:00:00,A,NR,M,Y_LT5,ITC4,2023,180000,p,\n"
    "ESTAT:DEMO(1.0),23/05/24 23:00:00,A,NR,M,TOTAL,ITC4,2023,,:,\n"
)
BOTH = (
    "STRUCTURE,STRUCTURE_ID,ACTION,SEX: Sex,AGE: Age,ATT: Attribute,OBS_VALUE: value,TIME_PERIOD: Time\n"
    "datastructure,X:Y(1.0): T,I,M: Male,Y5: five,C: c,1,2020: 2020\n"
)
NAMES = (
    "STRUCTURE,STRUCTURE_ID,STRUCTURE_NAME,ACTION,SEX,Sex of person,OBS_VALUE,Observation value,TIME_PERIOD,Time\n"
    "dataflow,X:Y(1.0),T,I,M,Male,1,,2020,2020\ndataflow,X:Y(1.0),T,I,F,Female,3,,2020,2020\n"
)
TSV = "freq,sex,geo\\TIME_PERIOD\t2020 \t2021 \nA,M,DE\t12 p\t: \nA,F,DE\t13.5 \t14 b\n"


def read(folder: Path, text: str) -> object:
    path = folder / "t.csv"
    path.write_text(text, encoding="utf-8")
    return read_long(path)


def test_version_1(tmp_path: Path) -> None:
    """Attributes cut nothing, an empty value is none, and a status beside the normal one is a flag."""
    table = read(tmp_path, ONE)
    assert table.names == ("FREQ", "SEX", "TIME_PERIOD")  # type: ignore[attr-defined]
    assert table.frame.rows()[1] == ("A", "F", "2020", None, "M")  # type: ignore[attr-defined]


def test_eurostat(tmp_path: Path) -> None:
    """Eurostat's dimensions in small letters are read, LAST UPDATE is none, and `:` is a flag."""
    table = read(tmp_path, EUROSTAT)
    assert table.names == ("freq", "unit", "sex", "age", "geo", "TIME_PERIOD")  # type: ignore[attr-defined]
    assert table["geo"].role == "zone"  # type: ignore[index]
    assert table.frame["value"].to_list() == [180000.0, None]  # type: ignore[attr-defined]
    assert table.frame["flag"].to_list() == ["p", ":"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", [BOTH, NAMES], ids=["in one cell", "beside"])
def test_labels_of_version_2(tmp_path: Path, text: str) -> None:
    """Labels are read from the same cell, `M: Male`, or from the column beside."""
    table = read(tmp_path, text)
    assert table["SEX"].label_of("M") == "Male"  # type: ignore[index]
    assert table.frame["value"][0] == 1.0  # type: ignore[attr-defined]
    assert "TIME_PERIOD" in table.names  # type: ignore[attr-defined]


def test_deletions_are_refused(tmp_path: Path) -> None:
    """A message that deletes observations is no table."""
    with pytest.raises(SourceError, match="deletes"):
        read(tmp_path, BOTH.replace(",I,", ",D,"))


def test_table_with_tabs(tmp_path: Path) -> None:
    """Periods across, a mark behind a number, a colon where there is none."""
    table = read(tmp_path, TSV)
    assert table.frame["value"].to_list() == [12.0, None, 13.5, 14.0]  # type: ignore[attr-defined]
    assert table.frame["flag"].to_list() == ["p", ":", None, "b"]  # type: ignore[attr-defined]
