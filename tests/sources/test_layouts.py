"""Layouts of published tables that offices and spreadsheets make of the known formats, each read to the right long table."""

import json
from pathlib import Path

import pytest

from llmsynthor.imports.tables import read_table


def rows_of(path: Path, text: str, encoding: str = "utf-8") -> list[tuple[object, ...]]:
    path.write_bytes(text.encode(encoding))
    return read_table(path).rows()


def test_table_as_shown_by_the_census_bureau(tmp_path: Path) -> None:
    """Zones across with their margins, labels moved in by blanks: cells are paths, five stars have a margin of zero."""
    text = (
        '"Label (Grouping)","A County!!Estimate","A County!!Margin of Error","B County!!Estimate","B County!!Margin of Error"\n'
        '"Total:","22,000","±300","90,000","±900"\n'
        '"\u00a0\u00a0\u00a0\u00a0Owner occupied","16,000","±400","70,000","*****"\n'
        '"\u00a0\u00a0\u00a0\u00a0Renter occupied","6,000","±350","20,000","±80"\n'
    )
    rows = rows_of(tmp_path / "t.csv", text, "utf-8-sig")
    assert rows[1] == ("A County", "Total!!Owner occupied", 16000, None, 400)
    assert rows[4] == ("B County", "Total!!Owner occupied", 70000, "*****", 0)


def test_eurostat_with_names_beside_codes(tmp_path: Path) -> None:
    """Columns of names belong to the codes before them, though these are in small letters."""
    text = (
        "STRUCTURE,STRUCTURE_ID,STRUCTURE_NAME,freq,Time frequency,sex,Sex,geo,Geopolitical entity,TIME_PERIOD,Time,"
        "OBS_VALUE,Observation value,OBS_FLAG,Observation status\n"
        "dataflow,ESTAT:X(1.0),Population,A,Annual,F,Females,AT,Austria,2023,,46,,,\n"
        "dataflow,ESTAT:X(1.0),Population,A,Annual,M,Males,AT,Austria,2023,,45,,p,provisional\n"
    )
    rows = rows_of(tmp_path / "t.csv", text)
    assert rows == [
        ("A", "Annual", "F", "Females", "AT", "Austria", "2023", 46, None),
        ("A", "Annual", "M", "Males", "AT", "Austria", "2023", 45, "p"),
    ]


def test_sdmx_saved_by_a_spreadsheet(tmp_path: Path) -> None:
    """Semicolons and decimal commas in SDMX-CSV are values, no marks."""
    text = (
        "STRUCTURE;STRUCTURE_ID;ACTION;SEX: Sex;TIME_PERIOD: Time;OBS_VALUE: Value\n"
        'DATAFLOW;X:Y(1.0);I;F: Females;2023: 2023;"6000,5"\nDATAFLOW;X:Y(1.0);I;M: Males;2023: 2023;6200\n'
    )
    assert rows_of(tmp_path / "t.csv", text) == [
        ("F", "Females", "2023", 6000.5, None),
        ("M", "Males", "2023", 6200, None),
    ]


def test_profiles_of_the_census_api(tmp_path: Path) -> None:
    """Data profiles have four digits; their per cents are cells of their own."""
    answer = [["NAME", "DP05_0001E", "DP05_0001PE", "state"], ["Alabama", "5024279", "100.0", "01"]]
    rows = rows_of(tmp_path / "t.json", json.dumps(answer))
    assert [row[2:4] for row in rows] == [("DP05_0001", 5024279), ("DP05_0001P", 100)]


def test_dates_are_no_counts_and_lines_below_no_rows(tmp_path: Path) -> None:
    """A day of reckoning is a key; a rule and a line of rights below a table are notes."""
    text = "Code;Zeit;Geschlecht;Personen\n08;31.12.2022;m;56\n08;31.12.2022;w;57\n09;31.12.2022;m;66\n"
    text += "__________\n© Amt; Stand 2024\n"
    assert rows_of(tmp_path / "t.csv", text, "cp1252") == [
        ("08", "31.12.2022", "m", 56, None),
        ("08", "31.12.2022", "w", 57, None),
        ("09", "31.12.2022", "m", 66, None),
    ]


def test_query_of_nomis_with_marks(tmp_path: Path) -> None:
    """Lines above with the population and its units, thousands with commas, and ! and * for what is not there."""
    text = (
        '"TS054 - Tenure"\n"ONS Crown Copyright Reserved"\n""\n"Population :","All households"\n"date       :","2021"\n""\n'
        '"local authority","mnemonic","Total","Owned","Rented"\n"Hartlepool","E06000001","40,930","25,053","8,000"\n'
        '"Middlesbrough","E06000002","59,832","*","!"\n\n"To protect against disclosure, records have been swapped."\n'
    )
    rows = rows_of(tmp_path / "t.csv", text)
    assert ("Hartlepool", "E06000001", "Rented", 8000, None) in rows
    assert ("Middlesbrough", "E06000002", "Rented", None, "!") in rows
    assert len(rows) == 6


def test_keys_that_are_values(tmp_path: Path) -> None:
    """Rows of a sparse PX file may begin with values instead of codes: the codes are what is read."""
    text = (
        'CHARSET="ANSI";TITLE="x";STUB="region","sex";HEADING="time";VALUES("region")="North","South";'
        'VALUES("sex")="male","female";VALUES("time")="2020","2021";CODES("region")="N","S";CODES("sex")="1","2";'
        'KEYS("region")=CODES;KEYS("sex")=VALUES;DATA=\n"N","male",1,2\n"S","female",3,-\n;'
    )
    rows = rows_of(tmp_path / "t.px", text)
    assert rows[2] == ("S", "South", "2", "female", "2020", 3, None)


def test_heads_of_workbooks(tmp_path: Path) -> None:
    """Years above sexes above ages are a head of three rows; without merged cells a text holds to its right."""
    xlsxwriter = pytest.importorskip("xlsxwriter")
    book = xlsxwriter.Workbook(tmp_path / "three.xlsx")
    sheet = book.add_worksheet("Data")
    sheet.merge_range(0, 0, 0, 5, "Table 3: Population by sex and age")
    sheet.write_row(2, 0, ["Area code", "Area name"])
    sheet.merge_range(2, 2, 2, 5, 2021)
    sheet.merge_range(3, 2, 3, 3, "Males")
    sheet.merge_range(3, 4, 3, 5, "Females")
    sheet.write_row(4, 2, ["Under 16", "16 and over", "Under 16", "16 and over"])
    sheet.write_row(5, 0, ["E1", "Ayton", 8000, "36,000", 7700, 39000])
    sheet.write_row(6, 0, ["E2", "Beeton", 11000, "x", 10500, "[c]"])
    sheet.write(8, 0, "Source: Office")
    book.close()
    rows = read_table(tmp_path / "three.xlsx").rows()
    assert ("E1", "Ayton", "2021!!Males!!16 and over", 36000, None) in rows
    assert ("E2", "Beeton", "2021!!Females!!16 and over", None, "[c]") in rows
    book = xlsxwriter.Workbook(tmp_path / "two.xlsx")
    sheet = book.add_worksheet()
    for k, row in enumerate([["Ort", "Alle", "davon"], ["", "", "m", "w"], ["Adorf", 10, 4, 6], ["Bstadt", 20, 9, 11]]):
        sheet.write_row(k, 0, row)
    book.close()
    assert ("Bstadt", "davon!!w", 11, None) in read_table(tmp_path / "two.xlsx").rows()


def test_several_lookups_of_a_matrix(tmp_path: Path) -> None:
    """Of several lookups the one that is named as zones are is taken, not one that only counts."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "m.omx", "w") as file:
        file.create_dataset("data/TRIPS", data=[[0.0, 1.0], [2.0, 3.0]])
        file.create_dataset("lookup/NO", data=[1, 2])
        file.create_dataset("lookup/TAZ", data=[101, 205])
    assert read_table(tmp_path / "m.omx").rows()[1][:3] == ("101", "205", 1)
