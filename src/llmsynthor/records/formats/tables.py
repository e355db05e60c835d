"""Exports that keep the records as they are: CSV, workbooks, SQLite, DuckDB, PostgreSQL."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import polars as pl

from llmsynthor.errors import DataError, Problem, RunFolderError
from llmsynthor.records.formats.described import Described, describe
from llmsynthor.records.formats.made import Made
from llmsynthor.records.formats.places import telling
from llmsynthor.sources.extras import needed

MOST_ROWS = 1_048_575
"""Rows of a sheet below its header."""
BATCH = 50_000
TYPES = {
    "sqlite": {"integer": "INTEGER", "number": "REAL", "string": "TEXT"},
    "duckdb": {"integer": "BIGINT", "number": "DOUBLE", "string": "VARCHAR"},
    "postgres": {"integer": "bigint", "number": "double precision", "string": "text"},
}
DICTIONARY = ("unit", "variable", "kind", "label", "description", "level", "low", "high")


def write_csv(made: Made, out: Path) -> list[Path]:
    """One CSV a unit, and `dictionary.csv`: what every column is, a row for each level."""
    paths = [_csv(frame, out / f"{unit}.csv") for unit, frame in made.frames.items()]
    return [*paths, _csv(dictionary(made), out / "dictionary.csv")]


def _csv(frame: pl.DataFrame, path: Path) -> Path:
    with telling(path):
        frame.write_csv(path)
    return path


def dictionary(made: Made) -> pl.DataFrame:
    """A row for each level of a category, one for every other column."""
    rows = []
    for unit in made.frames:
        for own in describe(made, unit):
            about = (unit, own.name, own.kind, own.label, own.description)
            rows += [(*about, level, own.low, own.high) for level in own.levels or (None,)]
    kinds = {name: pl.Float64 if name in ("low", "high") else pl.String for name in DICTIONARY}
    return pl.DataFrame(rows, schema=kinds, orient="row")


def write_excel(made: Made, out: Path) -> list[Path]:
    """One workbook with a sheet a unit; texts stay texts, nothing becomes a formula or a link. Raises DataError."""
    writer = needed("xlsxwriter", "excel", for_what="export excel")
    largest = max(made.frames.items(), key=lambda own: own[1].height)
    if largest[1].height > MOST_ROWS:
        advice = "export csv, sqlite or package"
        what = f"a sheet has no room for the records of {largest[0]}"
        raise DataError(Problem(where="export excel", what=what, found=f"{largest[1].height:,}", advice=advice))
    path = out / "records.xlsx"
    options = {"strings_to_formulas": False, "strings_to_urls": False, "constant_memory": True}
    with telling(path):
        book = writer.Workbook(str(path), options)
        for name, frame in [*made.frames.items(), ("dictionary", dictionary(made))]:
            sheet = book.add_worksheet(name[:31])
            sheet.write_row(0, 0, frame.columns)
            for number, row in enumerate(frame.iter_rows(), 1):
                sheet.write_row(number, 0, row)
        book.close()
    return [path]


def quoted(name: str) -> str:
    """A name of SQL, in quotes."""
    return '"' + name.replace('"', '""') + '"'


def create_table(unit: str, columns: Sequence[Described], dialect: str) -> str:
    """The statement that makes a unit's table, with its keys."""
    lines = []
    for own in columns:
        key = " PRIMARY KEY" if own.is_key else ""
        link = f" REFERENCES {quoted(own.refers_to)} ({quoted(own.name)})" if own.refers_to else ""
        lines.append(f"  {quoted(own.name)} {TYPES[dialect][own.kind]}{key}{link}")
    return f"CREATE TABLE {quoted(unit)} (\n" + ",\n".join(lines) + "\n)" + (" STRICT" if dialect == "sqlite" else "")


def create_dictionary(dialect: str) -> str:
    kinds = TYPES[dialect]
    columns = [f"{quoted(name)} {kinds['number' if name in ('low', 'high') else 'string']}" for name in DICTIONARY]
    return f'CREATE TABLE "dictionary" ({", ".join(columns)})' + (" STRICT" if dialect == "sqlite" else "")


def write_sqlite(made: Made, out: Path) -> list[Path]:
    """One database: a table a unit with primary and foreign keys, and a dictionary."""
    path = out / "records.sqlite"
    try:
        with closing(sqlite3.connect(path)) as base, base:
            base.execute("PRAGMA foreign_keys = ON")
            for unit, frame in made.frames.items():
                base.execute(create_table(unit, list(describe(made, unit)), "sqlite"))
                _fill(base, unit, frame)
            base.execute(create_dictionary("sqlite"))
            _fill(base, "dictionary", dictionary(made))
    except sqlite3.Error as cause:
        advice = "make room, or name another folder"
        raise RunFolderError(Problem(where=str(path), what=f"it cannot be written ({cause})", advice=advice)) from cause
    return [path]


def _fill(base: sqlite3.Connection, table: str, frame: pl.DataFrame) -> None:
    marks = ", ".join("?" * frame.width)
    statement = f"INSERT INTO {quoted(table)} VALUES ({marks})"
    for piece in frame.iter_slices(BATCH):
        base.executemany(statement, piece.rows())


def write_duckdb(made: Made, out: Path) -> list[Path]:
    """One database of DuckDB, tables and keys as in SQLite; raises DataError where the library is missing."""
    duckdb = needed("duckdb", "duckdb", for_what="export duckdb")
    path = out / "records.duckdb"
    try:
        base: Any = duckdb.connect(str(path), config={"autoinstall_known_extensions": False})
        try:
            for unit, frame in made.frames.items():
                base.execute(create_table(unit, list(describe(made, unit)), "duckdb"))
                _append(base, unit, frame)
            base.execute(create_dictionary("duckdb"))
            _append(base, "dictionary", dictionary(made))
        finally:
            base.close()
    except duckdb.Error as cause:
        advice = "make room, or name another folder"
        raise RunFolderError(Problem(where=str(path), what=f"it cannot be written ({cause})", advice=advice)) from cause
    return [path]


def _append(base: Any, table: str, frame: pl.DataFrame) -> None:
    base.register("rows_to_add", frame.to_arrow())
    base.execute(f"INSERT INTO {quoted(table)} SELECT * FROM rows_to_add")
    base.unregister("rows_to_add")


def write_postgres(made: Made, out: Path) -> list[Path]:
    """`load.sql` and CSV files: `psql -d BASE -f load.sql` in the folder makes tables and reads them, no driver is needed."""
    paths = write_csv(made, out)
    lines = ["\\set ON_ERROR_STOP on", "\\encoding UTF8", "BEGIN;"]
    for unit in made.frames:
        lines.append(create_table(unit, list(describe(made, unit)), "postgres") + ";")
        lines.append(f"\\copy {quoted(unit)} FROM '{unit}.csv' WITH (FORMAT csv, HEADER true)")
    lines.append(create_dictionary("postgres") + ";")
    lines.append("\\copy \"dictionary\" FROM 'dictionary.csv' WITH (FORMAT csv, HEADER true)")
    path = out / "load.sql"
    with telling(path):
        path.write_text("\n".join([*lines, "COMMIT;"]) + "\n", encoding="utf-8")
    return [*paths, path]
