"""`read:` of a target: which column is which, levels, what is left out, signs, margins; and what must be asked."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from llmsynthor.errors import SpecError
from llmsynthor.spec.reading.files import load
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Table

CENSUS = (
    '"GEO_ID","NAME","B01_001E","B01_001M","B01_002E","B01_002M","B01_003E","B01_003M","B01_004E","B01_004M",'
    '"B01_005E","B01_005M","B01_006E","B01_006M","B01_007E","B01_007M"\n'
    '"Geography","Geographic Area Name","Estimate!!Total:","Margin of Error!!Total:","Estimate!!Total:!!Male:",'
    '"Margin of Error!!Total:!!Male:","Estimate!!Total:!!Male:!!Under 5 years","M","Estimate!!Total:!!Male:!!5 years and over","M",'
    '"Estimate!!Total:!!Female:","M","Estimate!!Total:!!Female:!!Under 5 years","M",'
    '"Estimate!!Total:!!Female:!!5 years and over","M"\n'
    '"1400000US01","Tract 1","10","5","6","3","2","4","4","3","4","2","1","2","3","2"\n'
    '"1400000US02","Tract 2","12","5","5","3","0","12","5","3","7","2","-","**","7","2"\n'
)
STAT = {
    "version": "2.0",
    "class": "dataset",
    "id": ["sex", "age", "unit"],
    "size": [3, 3, 2],
    "dimension": {
        "sex": {"category": {"index": ["T", "F", "M"], "label": {"T": "Total", "F": "female", "M": "male"}}},
        "age": {"category": {"index": ["TOTAL", "Y_LT5", "Y_GE5"], "label": {"TOTAL": "All ages"}}},
        "unit": {"category": {"index": ["N", "P"], "label": {"N": "number", "P": "per cent"}}},
    },
    "value": [20, 1, 6, 2, 14, 3, 9, 4, 2, 5, 7, 6, 11, 7, 4, 8, 7, 9],
}
PERSON: dict[str, Any] = {
    "variables": {
        "sex": {"kind": "category", "levels": ["male", "female"]},
        "age": {"kind": "integer", "range": [0, 100]},
    }
}


def spec_of(folder: Path, target: dict[str, Any], unit: dict[str, Any] = PERSON, **tables: str) -> Spec:
    for name, text in tables.items():
        (folder / name.replace("__", ".")).write_text(text, encoding="utf-8")
    path = folder / "spec.yaml"
    document = {"llmsynthor": 1, "units": {"person": unit}, "targets": [{"unit": "person", **target}]}
    path.write_text(json.dumps(document), encoding="utf-8")
    return load(path)


def cells(spec: Spec) -> dict[tuple[str, ...], float]:
    table = spec.targets[0]
    assert isinstance(table, Table)
    return {tuple(map(str, cell)): value for cell, value in zip(table.cells, table.values, strict=True)}


def test_census_table_by_its_labels(tmp_path: Path) -> None:
    """A pattern of labels names the variables; sums are left out, a cell without a number is open, margins come with it."""
    unit = {"variables": {"tract": {"kind": "category", "levels": "from tables"}, **PERSON["variables"]}}
    read = {"zone": "tract", "label": "Total:!!{sex}:!!{age}", "levels": {"sex": {"Male": "male", "Female": "female"}}}
    target = {"table": "t.csv", "read": read, "margin_of_error": "published"}
    spec = spec_of(tmp_path, target, unit, t__csv=CENSUS)
    found = cells(spec)
    assert found["1400000US01", "male", "[0, 5)"] == 2
    assert ("1400000US02", "female", "[0, 5)") not in found
    table = spec.targets[0]
    assert table.margins_of_error is not None
    assert table.margins_of_error[0] == 4
    assert spec.schema["person"].variable("tract").levels == ("1400000US01", "1400000US02")  # type: ignore[union-attr]


def test_census_table_is_matched_by_levels(tmp_path: Path) -> None:
    """Without a word of labels the parts of paths are matched with the variables whose levels they are, and this is said."""
    unit = {"variables": {"tract": {"kind": "category", "levels": ["01", "02"]}, **PERSON["variables"]}}
    unit["variables"]["sex"] = {"kind": "category", "levels": ["Male", "Female"]}
    spec = spec_of(tmp_path, {"table": "t.csv", "read": {"zone": "tract"}}, unit, t__csv=CENSUS)
    assert cells(spec)["01", "Female", "[5, 100)"] == 3
    assert any("sums of others" in note.what for note in spec.notes)


def test_dimensions_by_name_and_one_measure(tmp_path: Path) -> None:
    """Dimensions are found by name, codes or labels are the levels, totals are ignored, `where` takes one measure."""
    read = {"where": {"unit": "N"}, "ignore": ["Total", "TOTAL"]}
    spec = spec_of(tmp_path, {"table": "t.json", "read": read}, t__json=json.dumps(STAT))
    assert cells(spec) == {
        ("female", "[0, 5)"): 2,
        ("female", "[5, 100)"): 7,
        ("male", "[0, 5)"): 4,
        ("male", "[5, 100)"): 7,
    }


@pytest.mark.parametrize(
    ("read", "words"),
    [
        ({"ignore": ["Total", "TOTAL"]}, "which variable unit is"),
        ({"where": {"unit": "X"}}, "no such code"),
        ({"where": {"colour": "N"}}, "no dimension"),
        ({"where": {"unit": "N"}, "columns": {"sex": "gender"}}, "no column of the file"),
        ({"where": {"unit": "N"}, "levels": {"sex": {"Q": "male"}}}, "no such code"),
        ({"format": "stata"}, "no such format"),
    ],
)
def test_what_is_not_there_is_said(tmp_path: Path, read: dict[str, Any], words: str) -> None:
    """A dimension, code, column or format that is not there, and one that nobody has named, are errors."""
    with pytest.raises(SpecError, match=words):
        spec_of(tmp_path, {"table": "t.json", "read": read}, t__json=json.dumps(STAT))


def test_signs_mean_what_is_said(tmp_path: Path) -> None:
    """`suppressed` says what a sign stands for; a sign of which nothing is said is an error with the line to write."""
    text = "sex,age,count\nmale,0-4,x\nmale,5+,7\nfemale,0-4,<5\nfemale,5+,9\n"
    with pytest.raises(SpecError, match="suppressed"):
        spec_of(tmp_path, {"table": "t.csv", "read": {}}, t__csv=text)
    read = {"suppressed": {"x": "open", "<5": [1, 4]}}
    spec = spec_of(tmp_path, {"table": "t.csv", "read": read}, t__csv=text)
    found = cells(spec)
    assert found["female", "[0, 5)"] == 2.5
    assert ("male", "[0, 5)") not in found


def test_cells_of_a_wide_table_are_added_up(tmp_path: Path) -> None:
    """Columns that count the same cell are added up; a column that is not there is an error."""
    text = "zone,M_young,M_old,F_all,note\na,1,2,4,ok\n"
    read = {"cells": {"M_young": {"sex": "male"}, "M_old": {"sex": "male"}, "F_all": {"sex": "female"}}}
    assert cells(spec_of(tmp_path, {"table": "t.csv", "read": read}, t__csv=text)) == {("male",): 3, ("female",): 4}
    read["cells"]["X"] = {"sex": "male"}
    with pytest.raises(SpecError, match="does not have"):
        spec_of(tmp_path, {"table": "t.csv", "read": read}, t__csv=text)


def test_matrix_and_zone_codes_that_are_numbers(tmp_path: Path) -> None:
    """A matrix is one of pairs; codes that are numbers are texts without quotes."""
    unit = {
        "variables": {
            "origin": {"kind": "category", "levels": [101, 102, 103]},
            "destination": {"kind": "category", "levels": "from tables"},
        }
    }
    read = {"layout": "matrix", "columns": {"origin": "row", "destination": "column"}}
    spec = spec_of(
        tmp_path, {"table": "m.csv", "read": read}, unit, m__csv=",101,102,103\n101,0,5,1\n102,3,1,2\n103,1,1,1\n"
    )
    assert cells(spec)["101", "102"] == 5


def test_thousands_are_asked_for(tmp_path: Path) -> None:
    """1.200 beside 450 is an error until `decimal` says what the point parts."""
    text = "sex,count\nmale,1.200\nfemale,450\n"
    with pytest.raises(SpecError, match="decimal"):
        spec_of(tmp_path, {"table": "t.csv", "read": {"skip_rows": 0}}, t__csv=text)
    spec = spec_of(tmp_path, {"table": "t.csv", "read": {"decimal": ","}}, t__csv=text)
    assert cells(spec) == {("male",): 1200, ("female",): 450}


def test_sheet_of_a_workbook(tmp_path: Path) -> None:
    """A table may be a range of a sheet."""
    writer = pytest.importorskip("xlsxwriter")
    pytest.importorskip("python_calamine")
    book = writer.Workbook(str(tmp_path / "b.xlsx"))
    book.add_worksheet("Notes").write(0, 0, "nothing here")
    sheet = book.add_worksheet("Data")
    for row, texts in enumerate(
        (["Persons by sex"], [], ["sex", "count"], ["male", 3], ["female", 5], ["Source: town"])
    ):
        sheet.write_row(row, 1, texts)
    book.close()
    spec = spec_of(tmp_path, {"table": {"file": "b.xlsx", "sheet": "Data", "cells": "B3:C5"}})
    assert cells(spec) == {("male",): 3, ("female",): 5}
    assert cells(spec_of(tmp_path, {"table": "b.xlsx"})) == {("male",): 3, ("female",): 5}


def test_frames_are_read_alike() -> None:
    """A data frame with the publisher's words is read by the same part."""
    frame = pl.DataFrame({"Geschlecht": ["m", "w", "Insgesamt"], "Anzahl": [3, 5, 8]})
    read = {"columns": {"sex": "Geschlecht"}, "levels": {"sex": {"m": "male", "w": "female"}}, "ignore": ["Insgesamt"]}
    target = {"unit": "person", "table": frame, "read": read}
    spec = load({"llmsynthor": 1, "units": {"person": PERSON}, "targets": [target]})
    assert cells(spec) == {("male",): 3, ("female",): 5}


def test_parents_column_needs_no_prefix() -> None:
    """A column of one unit above alone is taken for it, in tables and in `by`."""
    units = {
        "household": {
            "variables": {
                "size": {"kind": "integer", "range": [1, 4]},
                "tenure": {"kind": "category", "levels": ["own", "rent"]},
            }
        },
        "person": {"parent": "household", "count": "size", **PERSON},
    }
    rows = [{"tenure": "own", "sex": "male", "count": 1}, {"tenure": "rent", "sex": "female", "count": 2}]
    means = {
        "unit": "person",
        "mean": "age",
        "by": ["tenure"],
        "cells": [{"tenure": "own", "mean": 40}, {"tenure": "rent", "mean": 30}],
    }
    spec = load({"llmsynthor": 1, "units": units, "targets": [{"unit": "person", "cells": rows}, means]})
    assert spec.targets[0].columns == ("household.tenure", "sex")  # type: ignore[union-attr]
    assert spec.targets[1].by == ("household.tenure",)  # type: ignore[union-attr]


def test_levels_that_no_table_has(tmp_path: Path) -> None:
    """A category that takes its levels from tables needs one that has them."""
    unit = {"variables": {"colour": {"kind": "category", "levels": "from tables"}, **PERSON["variables"]}}
    with pytest.raises(SpecError, match="no table has a column"):
        spec_of(tmp_path, {"cells": [{"sex": "male", "count": 1}, {"sex": "female", "count": 1}]}, unit)


def test_other_counts_of_a_wide_table_are_left_out(tmp_path: Path) -> None:
    """Of a file that holds the counts of several tables side by side `cells` takes one; the others, and names, need no word."""
    unit = {"variables": {**PERSON["variables"], "zone": {"kind": "category", "levels": "from tables"}}}
    text = "code,town,men,women,age_0_17,age_18_up\nA1,North,4,6,3,7\nA2,South,5,5,17,3\n"
    read = {"columns": {"zone": "code"}, "cells": {"men": {"sex": "male"}, "women": {"sex": "female"}}}
    spec = spec_of(tmp_path, {"table": "t.csv", "read": read}, unit, t__csv=text)
    assert cells(spec) == {("A1", "male"): 4, ("A1", "female"): 6, ("A2", "male"): 5, ("A2", "female"): 5}
    told = [problem for problem in spec.notes if "left out" in problem.what]
    assert [problem.found for problem in told] == ["age_0_17, age_18_up", "town"]


def test_column_that_tells_rows_apart_is_asked_about(tmp_path: Path) -> None:
    """A column of numbers without which a wide table says the same cell twice is no other count, and must be named."""
    text = "code,year,men,women\nA1,2001,4,6\nA1,2002,5,5\n"
    unit = {"variables": {**PERSON["variables"], "zone": {"kind": "category", "levels": ["A1"]}}}
    read = {"columns": {"zone": "code"}, "cells": {"men": {"sex": "male"}, "women": {"sex": "female"}}}
    with pytest.raises(SpecError, match="it is not said which variable year is"):
        spec_of(tmp_path, {"table": "t.csv", "read": read}, unit, t__csv=text)


def test_levels_from_the_column_of_a_variable_with_capitals(tmp_path: Path) -> None:
    """A variable that is called as the file's header spells it, TAZ, has the levels of that column."""
    unit = {"variables": {"TAZ": {"kind": "category", "levels": "from tables"}}}
    spec = spec_of(tmp_path, {"table": "t.csv", "value": "HHs"}, unit, t__csv="TAZ,HHs\n17,4\n3,6\n")
    assert spec.schema["person"].variable("TAZ").levels == ("17", "3")  # type: ignore[union-attr]
