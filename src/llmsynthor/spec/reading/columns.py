"""The numbers of a target as a frame of texts, from rows in the spec, a file or a data frame; its columns by the spec's names."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import polars as pl

from llmsynthor.files import check_regular
from llmsynthor.sources.csv_text import OddFileError, read_csv
from llmsynthor.spec.labels import is_total
from llmsynthor.spec.reading.document import TargetPart
from llmsynthor.spec.reading.frames import long_frame
from llmsynthor.spec.reading.naming import candidates as variables_of
from llmsynthor.spec.reading.naming import resolved
from llmsynthor.spec.reading.place import Place
from llmsynthor.spec.reading.published import is_published, published_frame
from llmsynthor.spec.schema import Category, Text
from llmsynthor.texts import clean, unfit

MARGINS = frozenset({"moe", "me", "margin", "margin_of_error", "margins_of_error", "moe90", "moe_90"})
"""Names, in small letters and with lines for blanks, that columns of margins of error go by."""

SHARES = (
    "share",
    "percent",
    "percentage",
    "per cent",
    "per_cent",
    "pct",
    "%",
    "prozent",
    "anteil",
    "proportion",
    "shares",
)
"""Names of value columns that hold parts of a whole, however large the whole is."""


def is_statistic(part: TargetPart) -> bool:
    return part.statistic is not None


def is_share(part: TargetPart, value: str) -> bool:
    """Whether the values are shares, by the name of their column."""
    return "share" in (part.value, value) or value.casefold() in SHARES


def read_frame(part: TargetPart, folder: Path, place: Place) -> pl.DataFrame | None:
    """Read all columns as text, under the spec's names where only capitals differ; the empty frame is a problem."""
    if part.cells is None and is_published(part, folder):
        frame = published_frame(part, folder, place)
    else:
        frame = (
            from_cells(part.cells, place)
            if part.cells is not None
            else from_table(part.table, _expected(part, place), folder, place)
        )
    if frame is not None and frame.is_empty():
        place.problem("the table is empty", "give at least one row")
        return None
    return _renamed(frame, part, place) if frame is not None else None


def from_cells(cells: Sequence[Mapping[str, Any]], place: Place) -> pl.DataFrame | None:
    """Take rows that are written in the spec, as texts."""
    names = list(dict.fromkeys(name for row in cells for name in row))
    for number, row in enumerate(cells):
        missing = [name for name in names if name not in row]
        if missing:
            place.problem(
                "a row lacks columns that others have",
                "give every row the same columns",
                ", ".join(missing),
                row=number,
            )
            return None
    return pl.DataFrame({name: pl.Series([_as_text(row[name]) for row in cells], dtype=pl.String) for name in names})


def _as_text(value: Any) -> str | None:
    if isinstance(value, bool):
        return f"{value} (YAML reads true and false as truth values: put the word in quotes)"
    return None if value is None else str(value)


def from_table(table: Any, wanted: Sequence[str], folder: Path, place: Place) -> pl.DataFrame | None:
    """Read a file or a data frame as texts; `wanted` are names that the header of a file may have."""
    if not isinstance(table, str | Path):
        try:
            frame = long_frame(table)
        except (ValueError, pl.exceptions.PolarsError) as cause:
            place.problem(f"the table cannot be read ({cause})", "give it in the long format", type(table).__name__)
            return None
        if frame is not None:
            return _fit(frame, place, type(table).__name__)
        place.problem("a table is a file or a data frame", "give a path", type(table).__name__)
        return None
    path = folder / table
    try:
        if path.exists() and not path.is_file():
            raise OSError("it is no file")
        if path.suffix.lower() in (".parquet", ".pq"):
            check_regular(path)
            return _fit(pl.read_parquet(path, glob=False).cast(pl.String), place, str(path))
        frame, separator = read_csv(path, wanted, place.warn)
        place.separators.add(separator)
        return frame
    except OddFileError as odd:
        place.problem(f"the table cannot be read: {odd.what}", odd.advice, f"{path}: {odd.found}")
    except (OSError, ValueError, pl.exceptions.PolarsError) as cause:
        first = (str(cause).splitlines() or [""])[0][:160]
        place.problem(
            f"the table cannot be read ({first})", "correct the path or the file; CSV in UTF-8 or Parquet", str(path)
        )
    return None


def _fit(frame: pl.DataFrame, place: Place, source: str) -> pl.DataFrame | None:
    """The frame, if its texts can stand."""
    for name in frame.columns:
        odd = next((text for text in frame[name].unique().to_list() if text is not None and unfit(text)), None)
        if odd is not None or unfit(name):
            text = clean(name if odd is None else odd)[:60]
            place.problem("a text of the table holds control characters", "remove them there", f"{source}: {text}")
            return None
    return frame


def _expected(part: TargetPart, place: Place) -> list[str]:
    """Names that the columns may have."""
    schema, unit = place.schema, place.schema[place.unit]
    above = [f"{other.name}.{variable.name}" for other in schema.ancestors(unit.name) for variable in other.variables]
    own = [variable.name for variable in (*unit.variables, *(derived.variable for derived in unit.derived))]
    return [
        *own,
        *above,
        *(part.by or []),
        *([part.margin_of_error] if part.margin_of_error else []),
        *candidates(part),
    ]


def candidates(part: TargetPart) -> list[str]:
    """Names that the value column may have, the likeliest first."""
    own = [part.statistic, "value"] if part.statistic is not None else ["count", *SHARES]
    return [*([part.value] if part.value else []), *own]


def _renamed(frame: pl.DataFrame, part: TargetPart, place: Place) -> pl.DataFrame:
    """Take a column for the one that the spec names where they differ in capitals alone."""
    known = {name.casefold(): name for name in reversed([*_expected(part, place), *variables_of(place)])}
    exact = set(known.values()) & set(frame.columns)
    names = dict[str, str]()
    for name in frame.columns:
        meant = known.get(name.strip().casefold())
        if meant is not None and meant not in exact and meant not in names.values():
            names[name] = meant
    frame = frame.rename(names)
    values = {*candidates(part), part.margin_of_error}
    above = {name: resolved(name, place) for name in frame.columns if name not in values}
    return frame.rename({name: full for name, full in above.items() if full not in frame.columns})


def value_column(part: TargetPart, frame: pl.DataFrame, place: Place) -> str | None:
    """Find the column of the values."""
    names = candidates(part)
    found = next((name for name in names if name in frame.columns), None)
    if found is None and (wide := _wide(frame, place)):
        variable, levels = wide
        place.problem(
            f"the table is wide: columns are levels of {variable}",
            f"make it long: a row for each cell, with a column {variable} and one for the value; leave totals out",
            ", ".join(levels[:8]),
        )
    elif found is None:
        advice = f'name the value column with "value"; the table has: {", ".join(frame.columns)}'
        shown = [part.value] if part.value else []
        shown += names[len(shown) : len(shown) + 2]
        place.problem("the value column is missing", advice, " or ".join(shown))
    return found


def _wide(frame: pl.DataFrame, place: Place) -> tuple[str, list[str]] | None:
    """A variable whose levels are the names of columns."""
    for variable in place.schema[place.unit].coded:
        levels = [name for name in frame.columns if isinstance(variable, Category) and name in variable.levels]
        if len(levels) > 1:
            return variable.name, levels
    return None


def without_margins(columns: Sequence[str], place: Place) -> list[str]:
    """The columns less those of margins of error that the target does not name: they are no variables, and are left out."""
    beside = [name for name in columns if name.strip().casefold().replace(" ", "_") in MARGINS]
    beside = [name for name in beside if resolved(name, place) == name and not _has(place, place.unit, name)]
    if beside:
        what = "a column of margins of error is not used"
        place.warn(what, f"write `margin_of_error: {beside[0]}` to use it (90 % margins)", ", ".join(beside))
    return [name for name in columns if name not in beside]


def known_columns(columns: Sequence[str], frame: pl.DataFrame, place: Place) -> bool:
    """Say for each column that is no variable what to do."""
    known = True
    for name in columns:
        try:
            _, variable = place.schema.find(place.unit, name)
        except KeyError:
            _unknown_column(name, frame, place)
            known = False
            continue
        if isinstance(variable, Text) or name not in frame.columns:
            place.problem(
                "this column cannot be tabulated", "use a category, an integer or a number that the table has", name
            )
            known = False
    return known


def _unknown_column(name: str, frame: pl.DataFrame, place: Place) -> None:
    unit = place.schema[place.unit]
    names = [variable.name for variable in (*unit.variables, *(derived.variable for derived in unit.derived))]
    close = get_close_matches(name, names, 1)
    above = [other.name for other in place.schema.ancestors(unit.name) if _has(place, other.name, name)]
    advice = f'did you mean "{close[0]}"?' if close else f"{place.unit} has: {', '.join(names)}"
    shown = name
    if above:
        advice = f'it is one of {above[0]}: call the column "{above[0]}.{name}"'
    elif any(sign in name for sign in "<>="):
        advice = "a share of a condition is written where: CONDITION, share: NUMBER, without cells"
    elif not close and frame.height > 1 and len(set(frame.columns)) > 1 and not _constant(frame, name):
        advice = f"rename it in the header, or remove the column; {advice}"
    elif not close and _constant(frame, name):
        shown = f"{name}, {frame[name][0]} in every row"
        advice = f"remove the column, since it is the same in every row; {advice}"
    place.problem("a column is no variable", advice, shown)


def _constant(frame: pl.DataFrame, name: str) -> bool:
    return frame.height > 1 and name in frame.columns and frame[name].n_unique() == 1


def _has(place: Place, unit: str, name: str) -> bool:
    try:
        place.schema[unit].variable(name)
    except KeyError:
        return False
    return True


def total_rows(frame: pl.DataFrame, columns: Sequence[str], place: Place) -> list[tuple[int, str]]:
    """Rows whose label means the sum of others, where that is no level."""
    found: dict[int, str] = {}
    for name in columns:
        _, variable = place.schema.find(place.unit, name)
        levels = frozenset(variable.levels) if isinstance(variable, Category) else frozenset[str]()
        distinct = frame[name].unique().to_list()
        totals = {t for t in distinct if t is not None and t.strip() not in levels and is_total(t)}
        for row, text in enumerate(frame[name].to_list() if totals else ()):
            if text in totals:
                found.setdefault(row, text.strip())
    return sorted(found.items())
