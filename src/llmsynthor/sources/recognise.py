"""Which format a file is in, told from its content, and its table."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from llmsynthor.files import OddFileError as OddPathError
from llmsynthor.files import check_regular, read_bytes, read_text
from llmsynthor.sources import census, census_pretty, json_stat, nomis, px, sdmx_csv, sdmx_xml, shapes
from llmsynthor.sources.csv_text import Grid, OddFileError, decoded, grid_of
from llmsynthor.sources.grids import read_grid
from llmsynthor.sources.table import LongTable, Reading, SourceError

MOST_BYTES, BEGINNING = 512 << 20, 1 << 16
FORMATS = (
    "csv", "excel", "census-csv", "census-json", "census-shown", "nomis", "sdmx-csv", "eurostat-tsv", "sdmx-ml", "json-stat", "px",
    "omx", "geojson", "geopackage", "parquet",
)  # fmt: skip
WORKBOOKS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
LAYERS = (".gpkg", ".shp")


def recognise(path: Path) -> str:
    """Name the format of a file by what it holds; raises SourceError for what is none, OSError where there is nothing.

    The end of its name only decides between workbooks and archives, and between layers and databases.
    """
    try:
        check_regular(path)
        with path.open("rb") as file:
            head = file.read(BEGINNING)
    except OddPathError as cause:
        raise SourceError(str(cause), "give a file") from cause
    suffix = path.suffix.lower()
    if not head.strip():
        raise SourceError("the file is empty", "download it again")
    if head[:8] == b"\x89HDF\r\n\x1a\n":
        return "omx"
    if head[:4] == b"PAR1":
        return "parquet"
    if head[:15] == b"SQLite format 3" or suffix in LAYERS:
        return "geopackage"
    if head[:4] == b"PK\x03\x04" or head[:8] == b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1":
        if suffix in WORKBOOKS or head[:2] != b"PK":
            return "excel"
        raise SourceError("it is an archive", "unpack it, and give the table that is in it", path.name)
    if head[:2] == b"\x1f\x8b":
        raise SourceError("it is compressed (gzip)", "unpack it", path.name)
    if head[:5] == b"%PDF-":
        raise SourceError("it is a PDF", "download the table as CSV or a workbook", path.name)
    return _of_text(head, path)


def recognise_or_none(path: Path) -> str | None:
    """The same, None for what is none."""
    try:
        return recognise(path)
    except (SourceError, OSError, ValueError):
        return None


def _of_text(head: bytes, path: Path) -> str:
    wide = head[:2] in (b"\xff\xfe", b"\xfe\xff")
    if b"\0" in head and not wide:
        raise SourceError("it is no text and no known format", f"known are: {', '.join(FORMATS)}", path.name)
    text = head.decode("utf-16" if wide else "utf-8-sig", "replace").lstrip()
    if text.startswith("<"):
        if sdmx_xml.is_sdmx_xml(text):
            return "sdmx-ml"
        kind = "a web page" if "<html" in text[:2000].casefold() else "XML that is no SDMX message"
        raise SourceError(f"it is {kind}", "download the table itself, as CSV", text[:40])
    if text.startswith(("{", "[")):
        return _of_json(_json(path))
    if px.is_px(text):
        return "px"
    if sdmx_csv.is_eurostat_tsv(text):
        return "eurostat-tsv"
    lines = text.splitlines()[:40]
    grid, _ = grid_of("\n".join(lines).encode(), _quiet)
    return _of_head(grid[0] if grid else [])


def _of_head(head: Sequence[str]) -> str:
    if sdmx_csv.is_sdmx_csv(head):
        return "sdmx-csv"
    if census.is_census_head(head):
        return "census-csv"
    if census_pretty.is_shown_table(head):
        return "census-shown"
    if nomis.is_nomis_bulk(head) or nomis.is_nomis_long(head):
        return "nomis"
    return "csv"


def _json(path: Path) -> Any:
    try:
        return json.loads(read_text(path, MOST_BYTES))
    except OddPathError as cause:
        raise SourceError(str(cause), "ask for a part of it") from cause
    except (ValueError, RecursionError) as cause:
        raise SourceError(f"it is no JSON ({cause})"[:160], "download it again: it may be cut", path.name) from cause


def _of_json(document: Any) -> str:
    if shapes.is_geojson(document):
        return "geojson"
    if json_stat.is_json_stat(document):
        return "json-stat"
    if isinstance(document, list) and document and isinstance(document[0], list):
        return "census-json"
    if isinstance(document, dict) and ("dataSets" in document or "dataSets" in (document.get("data") or {})):
        raise SourceError("it is SDMX-JSON, which is not read", "download the same table as SDMX-CSV", "dataSets")
    if isinstance(document, dict) and (
        "variables" in document or all("label" in own for own in document.values() if isinstance(own, dict))
    ):
        raise SourceError("it holds labels (variables.json) and no values", "name it as `labels` beside its table")
    raise SourceError("it is JSON of no known format", "known are JSON-stat, the Census API's and GeoJSON")


def read_long(path: Path, reading: Reading | None = None) -> LongTable:
    """Read the table of a file in whatever format it is; raises SourceError, DataError (a missing extra), OSError."""
    said = reading or Reading()
    if said.format is not None and said.format not in FORMATS:
        raise SourceError("there is no such format", f"use one of: {', '.join(FORMATS)}", said.format)
    try:
        return _read(path, said.format or recognise(path), said)
    except OddFileError as cause:
        raise SourceError(cause.what, cause.advice, cause.found) from cause
    except OddPathError as cause:
        raise SourceError(str(cause), "ask for a part of it") from cause


def _read(path: Path, kind: str, said: Reading) -> LongTable:
    if kind == "excel":
        from llmsynthor.sources.sheets import read_workbook  # noqa: PLC0415  (imports come with the format)

        return read_workbook(path, said)
    if kind == "omx":
        from llmsynthor.sources.omx import read_omx  # noqa: PLC0415

        return read_omx(path, said)
    if kind == "geopackage":
        return shapes.read_layers(path, said)
    if kind == "sdmx-ml":
        return sdmx_xml.read_sdmx_xml(path)
    data = read_bytes(path, MOST_BYTES)
    if kind == "px":
        return px.read_px(data, said.language)
    notes = list[str]()

    def note(what: str, advice: str, found: str) -> None:
        notes.append(f"{what} ({found}): {advice}")

    if kind in ("census-json", "json-stat", "geojson", "eurostat-tsv"):
        text = decoded(data, note, said.encoding)
        labels = census.read_labels(read_text(path.parent / said.labels)) if said.labels else {}
        table = {
            "census-json": lambda: census.read_census_json(text, labels),
            "json-stat": lambda: json_stat.read_json_stat(text),
            "geojson": lambda: shapes.read_geojson(text, said),
            "eurostat-tsv": lambda: sdmx_csv.read_eurostat_tsv(text),
        }[kind]()
    elif kind == "census-shown":
        table = census_pretty.read_shown_table(decoded(data, note, said.encoding))
    elif kind == "parquet":
        table = read_grid(_parquet(path), _plain(said), format_name="parquet")
    else:
        grid, separator = grid_of(data, note, encoding=said.encoding, separator=said.separator)
        table = _of_grid(grid, kind, said, semicolons=separator == ";", folder=path.parent)
    return _noted(table, notes)


def _of_grid(grid: Grid, kind: str, said: Reading, *, semicolons: bool, folder: Path) -> LongTable:
    filled = [row for row in grid[said.skip_rows :] if any(row)]
    if len(filled) < 2:
        raise SourceError("there is no row below the header", "give a table with a header and rows")
    if kind == "census-csv":
        return _census_csv(filled, said, folder)
    if kind == "sdmx-csv":
        return sdmx_csv.read_sdmx_csv(filled[0], filled[1:], decimal=said.decimal)
    if kind == "nomis":
        read = nomis.read_nomis_bulk if nomis.is_nomis_bulk(filled[0]) else nomis.read_nomis_long
        return read(filled[0], filled[1:])
    return read_grid(grid, said, format_name="csv", semicolons=semicolons)


def _census_csv(rows: Grid, said: Reading, folder: Path) -> LongTable:
    """The first row holds codes; the second labels, where its cells are no numbers."""
    head = rows[0]
    while head and not head[-1]:
        head = head[:-1]
    labels = census.read_labels(read_text(folder / said.labels)) if said.labels else {}
    second = rows[1]
    if any("!!" in cell for cell in second) or second[0].casefold() in ("geography", "id"):
        labels = {**dict(zip(head, second, strict=False)), **labels}
        rows = rows[1:]
    body: list[list[str | None]] = [[*row] for row in rows[1:]]
    return census.read_census(head, body, labels, format_name="census-csv")


def _parquet(path: Path) -> Grid:
    import polars as pl  # noqa: PLC0415  (only where it is needed)

    try:
        frame = pl.read_parquet(path, glob=False).cast(pl.String).fill_null("")
    except pl.exceptions.PolarsError as cause:
        raise SourceError(f"it is no Parquet that can be read ({cause})"[:160], "save it again") from cause
    return [list(frame.columns), *([str(cell) for cell in row] for row in frame.iter_rows())]


def _plain(said: Reading) -> Reading:
    return Reading(layout=said.layout, keys=said.keys, values=said.values, head=1, decimal=".")


def _noted(table: LongTable, notes: Sequence[str]) -> LongTable:
    if not notes:
        return table
    from dataclasses import replace  # noqa: PLC0415

    return replace(table, notes=(*notes, *table.notes))


def _quiet(what: str, advice: str, found: str) -> None:
    """Says nothing: what is told of a beginning is told again of the whole."""
