"""Workbooks (xlsx, xls, ods) by python-calamine: values as they are shown, formulas by their stored values, nothing is run."""

import io
import re
import zipfile
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from llmsynthor.files import OddFileError as OddPathError
from llmsynthor.files import read_bytes
from llmsynthor.sources.csv_text import Grid, plain
from llmsynthor.sources.extras import needed
from llmsynthor.sources.grids import read_grid
from llmsynthor.sources.regions import find_region
from llmsynthor.sources.table import LongTable, Reading, SourceError

MOST_BYTES, MOST_UNPACKED, MOST_CELLS = 256 << 20, 1 << 30, 20_000_000
RANGE = re.compile(r"^([A-Za-z]{1,3})(\d{1,9}):([A-Za-z]{1,3})(\d{1,9})$")


def read_workbook(path: Path, reading: Reading) -> LongTable:
    """Read the table of a sheet: the one that is named, else the only one that holds a table; raises SourceError."""
    book = open_workbook(path)
    names = list(book.sheet_names)
    if reading.sheet is not None:
        name = _chosen(names, reading.sheet)
        return _read_sheet(book, name, reading)
    found = dict[str, LongTable]()
    reasons = list[str]()
    for name in names:
        try:
            found[name] = _read_sheet(book, name, reading)
        except SourceError as cause:
            reasons.append(f"{name}: {cause.what}")
    if len(found) == 1:
        return next(iter(found.values()))
    shown = ", ".join(f'"{name}"' for name in (found or names))
    if not found:
        raise SourceError("no sheet holds a table", "say where it is: `sheet` and `cells`", "; ".join(reasons[:4]))
    raise SourceError("more than one sheet holds a table", f"say which with `sheet`: {shown[:400]}", f"{len(found)}")


def open_workbook(path: Path) -> Any:
    """Open a workbook that is no bomb: its parts are measured before they are unpacked. Raises SourceError, DataError."""
    calamine = needed("python_calamine", "excel", for_what=str(path))
    try:
        data = read_bytes(path, MOST_BYTES)
    except OddPathError as cause:
        raise SourceError(str(cause), "save the sheet that is meant as a file of its own") from cause
    if data[:2] == b"PK":
        try:
            sizes = [entry.file_size for entry in zipfile.ZipFile(io.BytesIO(data)).infolist()]
        except (zipfile.BadZipFile, ValueError) as cause:
            raise SourceError(f"it is a damaged workbook ({cause})", "save it again") from cause
        if sum(sizes) > MOST_UNPACKED or any(size > 100 * len(data) + (16 << 20) for size in sizes):
            raise SourceError("unpacked it is far too large", "save the sheet as CSV", f"{sum(sizes):,} bytes")
    try:
        return calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
    except (calamine.CalamineError, OSError, ValueError) as cause:
        raise SourceError(
            f"the workbook cannot be opened ({cause})"[:160], "save it again, without a password"
        ) from cause


def _opened(step: Callable[..., Any], *given: Any) -> Any:
    """What calamine makes of a part of a workbook; raises SourceError where the part is damaged."""
    calamine = needed("python_calamine", "excel", for_what="a workbook")
    try:
        return step(*given)
    except (calamine.CalamineError, OSError, ValueError) as cause:
        raise SourceError(f"a sheet of it cannot be read ({cause})"[:160], "save it again") from cause


def _read_sheet(book: Any, name: str, reading: Reading) -> LongTable:
    """The table of a sheet; where nothing is merged over columns, a text of an upper head holds to its right, as in CSV."""
    ranges = _opened(book.get_sheet_by_name, name).merged_cell_ranges or ()
    merged = any(right > left for (_, left), (_, right) in ranges)
    return read_grid(sheet_grid(book, name, reading), reading, format_name="excel", spread_right=not merged)


def _chosen(names: list[str], wanted: str | int) -> str:
    if isinstance(wanted, int):
        if 1 <= wanted <= len(names):
            return names[wanted - 1]
    elif wanted.strip() in [name.strip() for name in names]:
        return next(name for name in names if name.strip() == wanted.strip())
    raise SourceError("there is no such sheet", f"it has: {', '.join(names)[:400]}", str(wanted))


def sheet_grid(book: Any, name: str, reading: Reading) -> Grid:
    """The texts of a sheet, or of the cells `A5:G64` of it; raises SourceError."""
    sheet = _opened(book.get_sheet_by_name, name)
    if sheet.total_height * sheet.total_width > MOST_CELLS:
        what = f"the sheet {name} has more cells than the {MOST_CELLS:,} that are read"
        raise SourceError(what, "say which: `cells: A5:G64`", f"{sheet.total_height:,} x {sheet.total_width:,}")
    rows = [[_text(cell) for cell in row] for row in _opened(partial(sheet.to_python, skip_empty_area=False))]
    _fill_merged(rows, sheet.merged_cell_ranges or ())
    if reading.cells is None:
        return rows
    match = RANGE.match(reading.cells.strip())
    if match is None:
        raise SourceError("`cells` is a range of a sheet, as A5:G64", "correct it", reading.cells)
    left, top, right, bottom = _column(match[1]), int(match[2]), _column(match[3]), int(match[4])
    if left > right or top > bottom:
        raise SourceError(
            "`cells` ends before it begins", "name the upper left and the lower right cell", reading.cells
        )
    return [[*row, *[""] * (right - len(row))][left - 1 : right] for row in rows[top - 1 : bottom]]


def _fill_merged(rows: Grid, ranges: Any) -> None:
    """Texts of cells that are merged over columns stand in each of them; in place."""
    for (top, left), (bottom, right) in ranges:
        if top < len(rows) and left < len(rows[top]) and right > left and bottom - top < 3:
            for k in range(left, min(right + 1, len(rows[top]))):
                rows[top][k] = rows[top][left]


def _column(letters: str) -> int:
    number = 0
    for letter in letters.upper():
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _text(cell: Any) -> str:
    """A cell as it would be written: whole numbers without a point."""
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, datetime | date | time | timedelta):
        return str(cell)
    return plain(str(cell)) if cell is not None else ""


def sheets_with_tables(path: Path) -> list[tuple[str, int, int]]:
    """Each sheet that holds a table, with its rows and columns."""
    book, found = open_workbook(path), list[tuple[str, int, int]]()
    for name in book.sheet_names:
        try:
            region = find_region(sheet_grid(book, name, Reading()), Reading())
        except SourceError:
            continue
        found.append((name, len(region.body), len(region.body[0])))
    return found
