"""A target's table as published becomes the frame that targets are read from: the spec's names for columns and levels."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import ValidationError

from llmsynthor.errors import DataError
from llmsynthor.sources.grids import read_grid
from llmsynthor.sources.recognise import read_long, recognise
from llmsynthor.sources.table import FLAG, MARGIN, VALUE, Dimension, LongTable, Reading, SourceError
from llmsynthor.spec.levels import number_text
from llmsynthor.spec.reading.document import TargetPart
from llmsynthor.spec.reading.frames import long_frame
from llmsynthor.spec.reading.naming import named
from llmsynthor.spec.reading.place import Place
from llmsynthor.spec.reading.placing import Placing, place_dimensions
from llmsynthor.spec.reading.read_part import ReadPart, SheetPart
from llmsynthor.spec.reading.summing import summed

PUBLISHED = "published"
"""Name of the column of margins that come with the values, and what `margin_of_error` says to take it."""

FOREIGN = (".px", ".json", ".xlsx", ".xlsm", ".xls", ".ods", ".xml", ".omx", ".geojson", ".gpkg", ".shp", ".tsv")
PUBLISHERS = ("census-csv", "nomis", "sdmx-csv", "eurostat-tsv", "px", "json-stat")
OPEN_SIGNS = {
    "census-csv": frozenset({"-", "**", "***", "N", "(X)"}),
    "census-json": frozenset({"-", "**", "***", "N", "(X)"}),
}
"""Signs whose meaning the publisher states: nothing is known of the cell."""


def is_published(part: TargetPart, folder: Path) -> bool:
    """Whether a table is to be read as its publisher wrote it: `read` says so, or the file is of such a format."""
    if part.read is not None or isinstance(part.table, dict):
        return True
    if not isinstance(part.table, str | Path):
        return False
    path = folder / part.table
    if path.suffix.lower() in FOREIGN:
        return path.is_file()
    if path.suffix.lower() not in (".csv", ".txt") or not path.is_file():
        return False
    try:
        return recognise(path) in PUBLISHERS
    except (SourceError, OSError, ValueError):
        return False


def published_frame(part: TargetPart, folder: Path, place: Place) -> pl.DataFrame | None:
    """Read the table of a target and give it as texts, a column for each variable, one for the value, `published` for margins."""
    read = part.read or ReadPart()
    table = table_of(part, folder, place)
    if table is None:
        return None
    if part.margin_of_error == PUBLISHED and not table.has_margins:
        place.problem("the file has no margins of error", "leave `margin_of_error` out, or name a column", table.format)
        return None
    chosen = _chosen(table, read, place)
    placing = place_dimensions(chosen, read, place) if chosen is not None else None
    if chosen is None or placing is None:
        return None
    for note in table.notes:
        if "ambig" in note or "not in UTF-8" in note:
            place.warn("how the file was read", "see that it is right", note[:200])
    return _frame(part, read, chosen, placing, place)


def table_of(part: TargetPart, folder: Path, place: Place) -> LongTable | None:
    """The table of a target as its publisher wrote it; what is wrong with it is a problem."""
    read = part.read or ReadPart()
    said = _reading(part, read)
    table: Any = part.table
    if isinstance(table, dict):
        try:
            sheet = SheetPart.model_validate(table)
        except ValidationError as cause:
            found = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in cause.errors(include_url=False))
            place.problem("this names no table", "give {file, sheet, cells, head}", found[:200])
            return None
        table = sheet.file
        said = _with_sheet(said, sheet)
    try:
        if not isinstance(table, str | Path):
            frame = long_frame(table)
            if frame is None:
                place.problem("a table is a file or a data frame", "give a path", type(table).__name__)
                return None
            rows = [["" if cell is None else cell for cell in row] for row in frame.iter_rows()]
            return read_grid([frame.columns, *rows], said, format_name="frame")
        return read_long(folder / table, said)
    except SourceError as cause:
        where = table if isinstance(table, str | Path) else type(table).__name__
        place.problem(f"the table cannot be read: {cause.what}", cause.advice, f"{where}: {cause.found}".rstrip(": "))
    except DataError as cause:
        for problem in cause.problems:
            place.problem(problem.what, problem.advice, str(table))
    except (OSError, ValueError, pl.exceptions.PolarsError) as cause:
        first = (str(cause).splitlines() or [""])[0][:160]
        place.problem(f"the table cannot be read ({first})", "correct the path or the file", str(folder / table))
    return None


def _reading(part: TargetPart, read: ReadPart) -> Reading:
    wide = tuple(read.cells or ())
    keys = () if wide else (*read.columns.values(), *(read.zone.values() if isinstance(read.zone, dict) else ()))
    return Reading(
        format=read.format,
        sheet=read.sheet,
        cells=read.range,
        head=read.head,
        skip_rows=read.skip_rows,
        separator=read.separator,
        decimal=read.decimal,
        encoding=read.encoding,
        layout=read.layout,
        values=None if wide else part.value,
        columns=wide,
        known_keys=keys,
        labels=read.labels,
        matrix=read.matrix,
        language=read.language,
    )


def _with_sheet(said: Reading, sheet: SheetPart) -> Reading:
    return replace(
        said,
        sheet=sheet.sheet if sheet.sheet is not None else said.sheet,
        cells=sheet.cells or said.cells,
        head=sheet.head if sheet.head is not None else said.head,
    )


def _chosen(table: LongTable, read: ReadPart, place: Place) -> LongTable | None:
    """The rows that `where` names, its dimensions left out where one code is left."""
    frame, dimensions = table.frame, list(table.dimensions)
    for name, wanted in read.where.items():
        dimension = named(dimensions, name)
        if dimension is None:
            shown = ", ".join(own.name for own in dimensions)
            place.problem("`where` names no dimension of the file", f"it has: {shown}", name)
            return None
        codes = [code for code in dimension.codes if code in wanted or dimension.label_of(code) in wanted]
        missing = [own for own in wanted if own not in dimension.codes and own not in dimension.labels.values()]
        if missing:
            shown = "; ".join(dimension.shown(code) for code in dimension.codes[:12])
            place.problem(
                f"`where`: {dimension.name} has no such code or label", f"it has: {shown}", ", ".join(missing)
            )
            return None
        frame = frame.filter(pl.col(dimension.name).is_in(codes))
        k = dimensions.index(dimension)
        dimensions[k] = _cut(dimension, codes)
    if frame.is_empty():
        place.problem("`where` leaves no row", "correct it", ", ".join(read.where))
        return None
    return LongTable(
        format=table.format, dimensions=tuple(dimensions), frame=frame, title=table.title, notes=table.notes
    )


def _cut(dimension: Dimension, codes: Sequence[str]) -> Dimension:
    return replace(dimension, codes=tuple(codes))


def _frame(part: TargetPart, read: ReadPart, table: LongTable, placing: Placing, place: Place) -> pl.DataFrame | None:
    rows = placing.rows(table)
    frame = table.frame.filter(rows)
    texts = _values(frame, read, OPEN_SIGNS.get(table.format, frozenset()))
    margins = frame[MARGIN].to_list() if MARGIN in frame.columns and part.margin_of_error == PUBLISHED else None
    columns = {name: placing.levels(name, frame) for name in placing.names}
    if placing.merges and part.statistic is None:
        columns, texts, margins = summed(columns, texts, margins)
    data = {name: pl.Series(own, dtype=pl.String) for name, own in columns.items()}
    data[_value_name(part, table)] = pl.Series(texts, dtype=pl.String)
    if margins is not None:
        data[PUBLISHED] = pl.Series([_margin_text(m) for m in margins], dtype=pl.String)
    return pl.DataFrame(data)


def _margin_text(margin: float | None) -> str:
    return "0" if margin is None else number_text(margin)


def _value_name(part: TargetPart, table: LongTable) -> str:
    if part.value is not None:
        return part.value
    return part.statistic or ("share" if table.shares else "count")


def _values(frame: pl.DataFrame, read: ReadPart, open_signs: frozenset[str]) -> list[str | None]:
    """Values as texts: numbers, `open`, `[1, 4]`, or the mark itself where nobody has said what it means."""
    said = {mark: _meaning(own) for mark, own in read.suppressed.items()}
    texts = list[str | None]()
    for value, flag in zip(frame[VALUE], frame[FLAG], strict=True):
        if flag is not None and flag in said and (value is None or flag not in ("", None)):
            texts.append(said[flag])
        elif value is not None:
            texts.append(number_text(value))
        elif flag in open_signs:
            texts.append("open")
        else:
            texts.append(said.get("", flag) if flag is None else flag)
    return texts


def _meaning(own: Any) -> str:
    if isinstance(own, list):
        return f"[{number_text(own[0])}, {number_text(own[1])}]"
    return own if isinstance(own, str) else number_text(float(own))
