"""Records for other programs: each kind written from one small town and read back."""

import copy
import csv
import gzip
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import polars as pl
import pytest

import llmsynthor
from llmsynthor.errors import DataError, RunFolderError, SpecError
from llmsynthor.records.formats.export import KINDS, export, map_of
from llmsynthor.records.formats.made import Made, made_of, read_made

OUTLINES = {
    "type": "FeatureCollection",
    "features": [
        {"type": "Feature", "properties": {"id": name}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
        for name, ring in (
            ("a", [[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]),
            ("b", [[2, 0], [3, 0], [3, 1], [2, 0]]),
        )
    ],
}
TOWN: dict[str, Any] = {
    "llmsynthor": 1,
    "name": "a town",
    "geographies": {
        "zones": {
            "levels": ["district", "block"],
            "crosswalk": {"cells": [{"block": "a", "district": "North"}, {"block": "b", "district": "South"}]},
        }
    },
    "units": {
        "household": {
            "geography": "zones",
            "variables": {
                "size": {"kind": "integer", "range": [1, 4]},
                "income": {"kind": "integer", "range": [0, 100000]},
                "cars": {"kind": "integer", "range": [0, 3]},
            },
        },
        "person": {
            "parent": "household",
            "count": "size",
            "variables": {
                "age": {"kind": "integer", "range": [0, 100]},
                "sex": {"kind": "category", "levels": ["Male", "Female"]},
                "employment": {"kind": "category", "levels": ["full-time", "part-time", "=1+1"]},
            },
        },
    },
    "targets": [
        {"name": "households", "unit": "household", "cells": [{"block": "a", "count": 2}, {"block": "b", "count": 1}]}
    ],
}
HOMES = pl.DataFrame(
    {"household_id": [1, 2, 3], "block": ["a", "a", "b"], "size": [2, 1, 3], "income": [1, 2, 3], "cars": [0, 1, 2]}
).with_columns(district=pl.Series(["North", "North", "South"]))
PEOPLE = pl.DataFrame(
    {
        "person_id": [1, 2, 3, 4, 5, 6],
        "household_id": [1, 1, 2, 3, 3, 3],
        "age": [40, 9, 70, 30, 17, 4],
        "sex": ["Male", "Female", "Female", "Female", "Male", "Male"],
        "employment": ["full-time", "=1+1", "=1+1", "part-time", "=1+1", "=1+1"],
    }
)
CODES = {"codes": {"pemploy": {"full-time": 1, "part-time": 2, "=1+1": 3}}}


@pytest.fixture(name="made")
def small_town(tmp_path: Path) -> Made:
    outlines = tmp_path / "zones.geojson"
    outlines.write_text(json.dumps(OUTLINES), encoding="utf-8")
    zones = {**TOWN["geographies"]["zones"], "geometry": {"block": {"file": str(outlines), "key": "id"}}}
    spec = llmsynthor.Spec.load({**TOWN, "geographies": {"zones": zones}})
    return made_of(spec, {"household": HOMES, "person": PEOPLE}, seed=5)


def test_children_know_their_place(made: Made) -> None:
    """Child records have the ids of all units above and their position among their siblings."""
    assert made.frames["person"].columns[:3] == ["person_id", "household_id", "position"]
    assert made.frames["person"]["position"].to_list() == [1, 2, 1, 1, 2, 3]


def test_tables_of_sqlite_are_linked(made: Made, tmp_path: Path) -> None:
    """The database holds the records, its foreign keys hold, and a record of no household is refused."""
    export(made, "sqlite", tmp_path / "out")
    with closing(sqlite3.connect(tmp_path / "out" / "records.sqlite")) as base:
        base.execute("PRAGMA foreign_keys = ON")
        assert base.execute("SELECT count(*), sum(age) FROM person").fetchone() == (6, 170)
        assert base.execute("PRAGMA foreign_key_check").fetchall() == []
        with pytest.raises(sqlite3.IntegrityError):
            base.execute("INSERT INTO person VALUES (7, 99, 1, 3, 'Male', 'full-time')")


def test_duckdb_holds_the_records(made: Made, tmp_path: Path) -> None:
    """A DuckDB database joins the units."""
    duckdb = pytest.importorskip("duckdb")
    export(made, "duckdb", tmp_path / "out")
    base = duckdb.connect(str(tmp_path / "out" / "records.duckdb"), read_only=True)
    found = base.execute("SELECT sum(cars) FROM person JOIN household USING (household_id)").fetchone()
    base.close()
    assert found == (7,)


def test_workbook_has_texts_and_no_formulas(made: Made, tmp_path: Path) -> None:
    """A text that looks like a formula stays a text."""
    pytest.importorskip("xlsxwriter")
    calamine = pytest.importorskip("python_calamine")
    export(made, "excel", tmp_path / "out")
    book = calamine.CalamineWorkbook.from_path(tmp_path / "out" / "records.xlsx")
    rows = book.get_sheet_by_name("person").to_python()
    assert rows[2][-1] == "=1+1"
    assert b"<f>" not in (tmp_path / "out" / "records.xlsx").read_bytes()


def test_postgres_script_names_its_files(made: Made, tmp_path: Path) -> None:
    """Every file that load.sql copies is there, parents before children."""
    paths = export(made, "postgres", tmp_path / "out")
    text = (tmp_path / "out" / "load.sql").read_text(encoding="utf-8")
    assert "\\encoding UTF8" in text
    assert text.index('CREATE TABLE "household"') < text.index('CREATE TABLE "person"')
    assert {path.name for path in paths} >= {"household.csv", "person.csv", "dictionary.csv"}


def test_package_is_described_three_times(made: Made, tmp_path: Path) -> None:
    """Parquet and CSV hold the same, and the descriptions name keys, references and sums of the files."""
    out = tmp_path / "out"
    export(made, "package", out)
    assert pl.read_parquet(out / "data/person.parquet").height == pl.read_csv(out / "data/person.csv").height
    package = json.loads((out / "datapackage.json").read_text(encoding="utf-8"))
    person = next(own for own in package["resources"] if own["name"] == "person")
    assert person["schema"]["foreignKeys"][0]["reference"] == {"resource": "household", "fields": ["household_id"]}
    croissant = json.loads((out / "croissant.json").read_text(encoding="utf-8"))
    assert len(croissant["distribution"][0]["sha256"]) == 64
    link = next(own for own in croissant["recordSet"][1]["field"] if own["name"] == "household_id")["references"]
    assert link == {"fileObject": {"@id": "household.csv"}, "extract": {"column": "household_id"}}
    table = json.loads((out / "csv-metadata.json").read_text(encoding="utf-8"))["tables"][1]
    assert (out / table["url"]).is_file()


def test_activitysim_gets_whole_numbers(made: Made, tmp_path: Path) -> None:
    """Households and persons have the columns of prototype_mtc, counts that fit, types by its rule, and numbered zones."""
    export(made, "activitysim", tmp_path / "out", CODES)
    homes = pl.read_csv(tmp_path / "out" / "households.csv")
    people = pl.read_csv(tmp_path / "out" / "persons.csv")
    assert homes["hhsize"].to_list() == [2, 1, 3]
    assert homes["num_workers"].to_list() == [1, 0, 1]
    assert homes["home_zone_id"].to_list() == [1, 1, 2]
    assert people["ptype"].to_list() == [1, 7, 5, 2, 6, 8]
    assert people["pemploy"].to_list() == [1, 4, 3, 2, 3, 4]
    assert all(kind.is_integer() for kind in [*homes.dtypes, *people.dtypes])


def test_populationsim_summary_is_in_order(made: Made, tmp_path: Path) -> None:
    """A summary has all controls, then all results, then all differences."""
    export(made, "populationsim", tmp_path / "out")
    with (tmp_path / "out" / "final_summary_block.csv").open(encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["geography", "id", "households_control", "households_result", "households_diff"]
    assert rows[1] == ["block", "a", "2.0", "2.0", "0.0"]


def test_populationsim_summary_names_intervals_plainly(tmp_path: Path) -> None:
    """Columns of a summary name whole numbers by their ends, without brackets and commas."""
    cells = [{"block": "a", "size": size, "count": 1} for size in ("1", "2-3", "4+")]
    cells += [{"block": "b", "size": size, "count": count} for size, count in (("1", 1), ("2-3", 0), ("4+", 0))]
    target = {"name": "size", "unit": "household", "cells": cells}
    towns = copy.deepcopy({**TOWN, "targets": [target]})
    towns["units"]["household"]["variables"]["size"]["range"] = [1, 9]
    made = made_of(llmsynthor.Spec.load(towns), {"household": HOMES, "person": PEOPLE})
    export(made, "populationsim", tmp_path / "out")
    head = (tmp_path / "out" / "final_summary_block.csv").read_text(encoding="utf-8").splitlines()[0]
    assert head.split(",")[2:5] == ["size_1_control", "size_2-3_control", "size_4+_control"]


def test_matsim_population_is_well_formed(made: Made, tmp_path: Path) -> None:
    """The XML is well formed, names its document type, and types each attribute."""
    export(made, "matsim", tmp_path / "out")
    text = gzip.decompress((tmp_path / "out" / "population.xml.gz").read_bytes()).decode()
    assert "population_v6.dtd" in text
    people = ElementTree.fromstring(text).findall("person")
    assert len(people) == 6
    found = {own.get("name"): (own.get("class"), own.text) for own in people[0].iter("attribute")}
    assert found["age"] == ("java.lang.Integer", "40")
    assert found["household_block"] == ("java.lang.String", "a")


def test_starsim_contacts_are_pairs_of_households(made: Made, tmp_path: Path) -> None:
    """People are counted from 0; every pair of a household is there once."""
    export(made, "starsim", tmp_path / "out")
    assert pl.read_csv(tmp_path / "out" / "people.csv")["female"].to_list() == [0, 1, 1, 1, 0, 0]
    contacts = pl.read_csv(tmp_path / "out" / "contacts_household.csv")
    assert contacts.select("p1", "p2").rows() == [(0, 1), (3, 4), (3, 5), (4, 5)]


def test_points_lie_in_their_zones(made: Made, tmp_path: Path) -> None:
    """Every point lies inside its zone; the same seed gives the same places."""
    shapely = pytest.importorskip("shapely")
    export(made, "geoparquet", tmp_path / "one")
    export(made, "geoparquet", tmp_path / "two")
    one, two = (pl.read_parquet(tmp_path / name / "household.parquet") for name in ("one", "two"))
    assert one.equals(two)
    shapes = {f["properties"]["id"]: shapely.from_geojson(json.dumps(f["geometry"])) for f in OUTLINES["features"]}  # type: ignore[index]
    for zone, point in one.select("block", "geometry").rows():
        assert shapes[zone].contains(shapely.from_wkb(point))


def test_zones_without_outline_have_no_point(made: Made, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Records of a zone that has no outline keep their row, without a point, and it is said; without any outline it is refused."""
    pytest.importorskip("shapely")
    outlines = tmp_path / "zones.geojson"
    some = OUTLINES | {"features": [f for f in OUTLINES["features"] if f["properties"]["id"] == "a"]}  # type: ignore[index]
    outlines.write_text(json.dumps(some), encoding="utf-8")
    export(made, "geoparquet", tmp_path / "out")
    written = pl.read_parquet(tmp_path / "out" / "household.parquet")
    assert written.height == made.frames["household"].height
    assert written.filter(pl.col("geometry").is_null())["block"].unique().to_list() == ["b"]
    assert written.filter(pl.col("block") == "a")["geometry"].null_count() == 0
    assert "have no point" in caplog.text
    outlines.write_text(json.dumps(OUTLINES | {"features": []}), encoding="utf-8")
    with pytest.raises(DataError, match="no outline"):
        export(made, "geoparquet", tmp_path / "none")


def test_map_is_written_and_read(made: Made, tmp_path: Path) -> None:
    """What a map does not say is found by names; a column or table that the program does not have is an error."""
    assert map_of(made, "activitysim")["households"]["income"] == "income"
    with pytest.raises(DataError, match="levels have no code"):
        export(made, "activitysim", tmp_path / "one")
    with pytest.raises(SpecError, match="no such column"):
        export(made, "activitysim", tmp_path / "two", {"households": {"colour": "income"}})
    with pytest.raises(DataError, match="takes no map"):
        export(made, "csv", tmp_path / "three", CODES)
    with pytest.raises(DataError, match="no such kind"):
        export(made, "stata", tmp_path / "four")


def test_folder_that_holds_something_is_left_alone(made: Made, tmp_path: Path) -> None:
    """An export never writes over what is there."""
    (tmp_path / "thesis.txt").write_text("my only copy")
    with pytest.raises(RunFolderError, match="not empty"):
        export(made, "csv", tmp_path)


def test_run_folder_and_solution_give_the_same(tmp_path: Path) -> None:
    """A finished run folder and the solution in memory export the same files, whatever the kind of table."""
    solution = llmsynthor.synthesize({**TOWN, "targets": TOWN["targets"]}, records=6, llm="none", seed=1)
    solution.save(tmp_path / "run")
    one = solution.export("csv", tmp_path / "one")
    two = export(read_made(tmp_path / "run"), "csv", tmp_path / "two")
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
    assert "csv" in KINDS
