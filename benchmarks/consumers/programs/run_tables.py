"""One reader of tables or of their descriptions, named first: duckdb, sqlite, frictionless, csvw, mlcroissant, geopandas, openpyxl.

python run_tables.py READER EXPORT EXPECTED.json WORK
"""

import json
import logging
import sqlite3
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

UNITS = ("household", "person", "trip")
KEYED = "trip JOIN person USING (person_id) JOIN household ON household.household_id = person.household_id"
Expected = dict[str, Any]


def counted(counts: dict[str, int], expected: Expected) -> str:
    """The counts of each unit, where they are ours."""
    assert counts == {unit: expected[unit] for unit in UNITS}, f"{counts}"
    return ", ".join(f"{count:,} {unit}s" for unit, count in counts.items())


def asked(execute: Callable[[str], Any], expected: Expected) -> str:
    """Counts, ages and joins of a database."""
    counts = {unit: int(execute(f"SELECT count(*) FROM {unit}")[0]) for unit in UNITS}
    assert int(execute("SELECT sum(age) FROM person")[0]) == expected["age"], "ages are not ours"
    assert execute(f"SELECT count(*) FROM {KEYED}")[0] == expected["trip"], "a trip joins no household"
    assert execute("SELECT count(*) FROM dictionary")[0] > 0, "the dictionary is empty"
    return counted(counts, expected) + ", joined over their keys"


def check_duckdb(export: Path, expected: Expected) -> str:
    """Open the database, count, join; a person of no household is refused."""
    import duckdb

    base = duckdb.connect(str(export / "records.duckdb"))
    what = asked(lambda text: base.execute(text).fetchone(), expected)
    try:
        base.execute("INSERT INTO trip SELECT * REPLACE (-1 AS trip_id, -1 AS person_id) FROM trip LIMIT 1")
    except duckdb.ConstraintException:
        return what + "; a trip of nobody is refused"
    raise AssertionError("a trip of nobody was taken")


def check_sqlite(export: Path, expected: Expected) -> str:
    """Open the database, count, join, check its foreign keys and itself."""
    with sqlite3.connect(export / "records.sqlite") as base:
        what = asked(lambda text: base.execute(text).fetchone(), expected)
        assert base.execute("PRAGMA foreign_key_check").fetchall() == []
        assert base.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    return what + "; foreign_key_check, integrity_check"


def check_frictionless(export: Path, expected: Expected) -> str:
    """Validate rows, types, levels, keys and references."""
    from frictionless import Package, validate

    report = validate(str(export / "datapackage.json"))
    assert report.valid, str(report.flatten(["rowNumber", "fieldName", "type", "message"])[:3])
    rows = {own.name: len(own.read_rows()) for own in Package(str(export / "datapackage.json")).resources}
    return counted(rows, expected) + "; types, levels, keys, references"


def check_csvw(export: Path, expected: Expected) -> str:
    """Validate by the metadata, references too."""
    from csvw import TableGroup

    group = TableGroup.from_file(export / "csv-metadata.json")
    rows = {table.url.string.split("/")[-1].removesuffix(".csv"): len(list(table)) for table in group.tables}
    group.check_referential_integrity()
    for table in group.tables:
        assert table.check_primary_key(), f"{table.url}: keys are not unique"
    return counted(rows, expected) + "; types, keys, references"


def check_mlcroissant(export: Path, expected: Expected) -> str:
    """Validate the description, read every record set."""
    import mlcroissant

    logging.getLogger("absl").setLevel(logging.ERROR)
    dataset = mlcroissant.Dataset(jsonld=str(export / "croissant.json"))
    issues = dataset.metadata.ctx.issues
    assert not issues.errors, str(issues.errors)
    rows = {own.id: sum(1 for _ in dataset.records(own.id)) for own in dataset.metadata.record_sets}
    return counted(rows, expected) + f"; {len(issues.warnings)} recommendations"


def check_geopandas(export: Path, expected: Expected) -> str:
    """Read the points, with their system of coordinates; each lies in the square of its zone."""
    import geopandas

    frame = geopandas.read_parquet(export / "household.parquet")
    assert len(frame) == expected["household"]
    assert frame.crs is not None
    shapes = geopandas.read_file(expected["outlines"]).set_index("zone")
    squares = geopandas.GeoSeries(shapes.geometry.reindex(frame["zone"]).to_numpy(), crs=frame.crs)
    inside = frame.geometry.within(squares, align=False)
    assert inside.all(), f"{int((~inside).sum())} points outside their zones"
    people = geopandas.pd.read_parquet(export / "person.parquet")
    assert len(people) == expected["person"]
    return f"{len(frame):,} points, {frame.crs.name}, all inside their zones; {len(people):,} persons"


def check_openpyxl(export: Path, expected: Expected) -> str:
    """Read the sheets; no cell is a formula."""
    import openpyxl

    book = openpyxl.load_workbook(export / "records.xlsx", read_only=True)
    rows = {unit: sum(1 for _ in book[unit].iter_rows(values_only=True)) - 1 for unit in UNITS}
    assert all(cell.data_type != "f" for unit in UNITS for row in book[unit].iter_rows() for cell in row)
    return counted(rows, expected) + f"; sheets {', '.join(book.sheetnames)}; no formula"


CHECKS = {
    "duckdb": check_duckdb,
    "sqlite": check_sqlite,
    "frictionless": check_frictionless,
    "csvw": check_csvw,
    "mlcroissant": check_mlcroissant,
    "geopandas": check_geopandas,
    "openpyxl": check_openpyxl,
}

if __name__ == "__main__":
    reader = sys.argv[1]
    checked = CHECKS[reader](Path(sys.argv[2]), json.loads(Path(sys.argv[3]).read_text()))
    found = sqlite3.sqlite_version if reader == "sqlite" else version(reader)
    print(json.dumps({"version": found, "checked": checked}))
