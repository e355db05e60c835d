"""Long tables: one column per variable, one value column. Every cell is checked; problems name the row."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import polars as pl

from llmsynthor.errors import Problem
from llmsynthor.spec.expressions import Expression
from llmsynthor.spec.levels import Interval, Level, parse_interval
from llmsynthor.spec.reading.document import TargetPart
from llmsynthor.spec.reading.frames import long_frame
from llmsynthor.spec.reading.partition import partition_problems
from llmsynthor.spec.reading.shares import spread_problem
from llmsynthor.spec.schema import Category, Numeric, Schema, Text
from llmsynthor.spec.targets import Statistic, Table, Target

MOST_PROBLEMS = 20
"""Problems reported of one kind in one table; the rest is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a target is read: for the words of a problem."""

    where: str
    schema: Schema
    unit: str
    problems: list[Problem]

    def problem(self, what: str, advice: str, found: str | None = None, *, row: int | None = None) -> None:
        where = self.where if row is None else f"{self.where} row {row + 1}"
        self.problems.append(Problem(where=where, what=what, found=found, advice=advice))

    def warn(self, what: str, advice: str, found: str | None = None) -> None:
        self.problems.append(Problem(where=self.where, what=what, found=found, advice=advice, severity="warning"))


def read_target(
    part: TargetPart, where: str, schema: Schema, folder: Path, universe: Expression | None, problems: list[Problem]
) -> Target | None:
    """Read the table of a target and check it; adds to `problems` and returns None where it cannot be used.

    A noisy table whose values sum to nothing says nothing: it is left out with a warning.
    """
    place = Place(where=where, schema=schema, unit=part.unit, problems=problems)
    before = len(problems)
    frame = _frame(part, folder, place)
    if frame is None:
        return None
    value_column = _value_column(part, frame, place)
    if value_column is None:
        return None
    columns = [name for name in frame.columns if name not in (value_column, part.margin_of_error)]
    columns = part.by if part.by is not None and _is_statistic(part) else columns
    if not _known_columns(columns, frame, place):
        return None
    cells = _cells(frame, columns, place)
    margins = _margins(part, frame, place)
    values = _values(frame[value_column], place, negative=_is_statistic(part) or margins is not None)
    if cells is None or values is None or len(problems) > before:
        return None
    _cell_problems(cells, columns, place, universe=universe)
    if not _is_statistic(part) and sum(values) <= 0:
        _says_nothing(values, place, noisy=any(margins or ()))
    if len(problems) > before:
        return None
    about: dict[str, Any] = {
        "name": part.name or " by ".join(columns) or where,
        "unit": part.unit,
        "cells": tuple(cells),
        "values": tuple(values),
        "source": part.source,
        "universe": universe,
        "tolerance": part.relative_tolerance,
        "rounding": part.rounding,
        "margins_of_error": margins,
        "importance": part.importance,
    }
    return _target(part, columns, value_column, about, place)


def _says_nothing(values: Sequence[float], place: Place, *, noisy: bool) -> None:
    if noisy:
        what = "its values sum to nothing, so that they are all noise: it is left out"
        place.warn(what, "release it with more budget, or leave it out of the spec", f"a sum of {sum(values):g}")
    else:
        place.problem("all its values are zero", "give at least one positive value", f"{len(values)} rows")


def _is_statistic(part: TargetPart) -> bool:
    return part.statistic is not None


def _target(part: TargetPart, columns: Sequence[str], value: str, about: dict[str, Any], place: Place) -> Target | None:
    if not _is_statistic(part):
        kind: Any = "share" if "share" in (part.value, value) else "count"
        of_table: dict[str, Any] = {
            "zeros": part.zeros,
            "trust": part.trust,
            "tolerance_records": part.tolerance_records,
        }
        return Table(columns=tuple(columns), value=kind, **of_table, **about)
    statistic: Any = part.statistic
    named = getattr(part, statistic)
    names = [named] if isinstance(named, str) else list(named)
    before = len(place.problems)
    for name in names:
        _numeric(name, statistic, place)
    problem = spread_problem(statistic, names, about["values"])
    if problem is not None:
        place.problem(*problem)
    if len(place.problems) > before:
        return None
    other = names[1] if len(names) > 1 else ""
    about |= {"variable": names[0], "other": other, "probability": part.probability}
    return Statistic(statistic=statistic, by=tuple(columns), **about)


def _numeric(name: str, statistic: str, place: Place) -> None:
    try:
        _, variable = place.schema.find(place.unit, name)
    except KeyError:
        variable = None
    if not isinstance(variable, Numeric):
        what = f"a {statistic} needs a numeric variable of {place.unit}"
        place.problem(what, "name an integer or number variable", name)


def _frame(part: TargetPart, folder: Path, place: Place) -> pl.DataFrame | None:
    """Read all columns as text; the empty frame is a problem."""
    frame = _from_cells(part.cells, place) if part.cells is not None else _from_table(part.table, folder, place)
    if frame is not None and frame.is_empty():
        place.problem("the table is empty", "give at least one row")
        return None
    return frame


def _from_cells(cells: Sequence[Mapping[str, Any]], place: Place) -> pl.DataFrame | None:
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
        return f"{value} (YAML reads yes and no as truth values: put the word in quotes)"
    return None if value is None else str(value)


def _from_table(table: Any, folder: Path, place: Place) -> pl.DataFrame | None:
    if not isinstance(table, str | Path):
        try:
            frame = long_frame(table)
        except (ValueError, pl.exceptions.PolarsError) as cause:
            place.problem(f"the table cannot be read ({cause})", "give it in the long format", type(table).__name__)
            return None
        if frame is not None:
            return frame
        place.problem("a table is a file or a data frame", "give a path", type(table).__name__)
        return None
    path = folder / table
    try:
        if path.suffix.lower() in (".parquet", ".pq"):
            return pl.read_parquet(path).cast(pl.String)
        return pl.read_csv(path, infer_schema=False, null_values=[""])
    except (OSError, pl.exceptions.PolarsError, UnicodeDecodeError) as cause:
        if isinstance(cause, pl.exceptions.NoDataError):
            place.problem("the table is empty", "give a header and at least one row", str(path))
        else:
            first = (str(cause).splitlines() or [""])[0][:160]
            place.problem(
                f"the table cannot be read ({first})",
                "correct the path or the file; CSV in UTF-8 or Parquet",
                str(path),
            )
        return None


def _value_column(part: TargetPart, frame: pl.DataFrame, place: Place) -> str | None:
    candidates = [part.value] if part.value else []
    candidates += [part.statistic, "value"] if part.statistic is not None else ["count", "share"]
    found = next((name for name in candidates if name in frame.columns), None)
    if found is None:
        advice = f'name the value column with "value"; the table has: {", ".join(frame.columns)}'
        place.problem("the value column is missing", advice, " or ".join(candidates))
    return found


def _known_columns(columns: Sequence[str], frame: pl.DataFrame, place: Place) -> bool:
    known = True
    for name in columns:
        try:
            _, variable = place.schema.find(place.unit, name)
        except KeyError:
            names = [v.name for v in place.schema[place.unit].variables]
            close = get_close_matches(name, names, 1)
            advice = f'did you mean "{close[0]}"?' if close else f"{place.unit} has: {', '.join(names)}"
            if any(sign in name for sign in "<>="):
                advice = "a share of a condition is written where: CONDITION, share: NUMBER, without cells"
            place.problem("a column is no variable", advice, name)
            known = False
            continue
        if isinstance(variable, Text) or name not in frame.columns:
            place.problem(
                "this column cannot be tabulated", "use a category, an integer or a number that the table has", name
            )
            known = False
    return known


def _cells(frame: pl.DataFrame, columns: Sequence[str], place: Place) -> list[tuple[Level, ...]] | None:
    read = [_levels(frame[name], place) for name in columns]
    if any(column is None for column in read):
        return None
    if not read:
        return [() for _ in range(frame.height)]
    return list(zip(*(column for column in read if column is not None), strict=True))


def _levels(column: pl.Series, place: Place) -> list[Level] | None:
    """Parse each distinct text once."""
    _, variable = place.schema.find(place.unit, column.name)
    before = len(place.problems)
    known: dict[str | None, Level] = {}
    texts = column.to_list()
    for text in dict.fromkeys(texts):
        level = _level(text, variable, column.name, texts.index(text), place)
        if level is not None:
            known[text] = level
        if len(place.problems) - before >= MOST_PROBLEMS:
            place.problem("more problems of this kind follow", "mend these first", column.name)
            break
    return None if len(place.problems) > before else [known[text] for text in texts]


def _level(text: str | None, variable: Any, name: str, row: int, place: Place) -> Level | None:
    if text is None or not text.strip():
        place.problem(f"{name} is missing", "fill it in, or remove the row", "an empty cell", row=row)
        return None
    text = text.strip()
    if isinstance(variable, Category):
        if text in variable.levels:
            return text
        close = get_close_matches(text.lower(), [level.lower() for level in variable.levels], 1)
        near = next((level for level in variable.levels if close and level.lower() == close[0]), None)
        advice = f'did you mean "{near}"?' if near else f"use one of: {'; '.join(variable.levels[:20])}"
        place.problem(f"{name} has no such level", advice, text[:80], row=row)
        return None
    try:
        interval = parse_interval(text, bounds=variable.range, integer=variable.integer)
    except ValueError as error:
        place.problem(f"{name}: {error}", "correct the cell", text[:80], row=row)
        return None
    if interval.low < variable.range.low or interval.high > variable.range.high:
        place.problem(
            f"{name} reaches outside its range {variable.range}", "correct the cell or the range", text[:80], row=row
        )
        return None
    return interval


def _values(column: pl.Series, place: Place, *, negative: bool) -> list[float] | None:
    before = len(place.problems)
    values = []
    for row, text in enumerate(column.to_list()):
        value = _number(text)
        if value is None:
            place.problem("the value is missing or no number", "give a finite number", str(text)[:80], row=row)
        elif value < 0 and not negative:
            advice = "a count or share is zero or more; of noisy tables name the column of their margin_of_error"
            place.problem("the value is negative", advice, str(text)[:80], row=row)
        else:
            values.append(value)
        if len(place.problems) - before >= MOST_PROBLEMS:
            place.problem("more values like these follow", "mend these first", column.name)
            break
    return None if len(place.problems) > before else values


def _number(text: Any) -> float | None:
    try:
        value = float(text)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None


def _margins(part: TargetPart, frame: pl.DataFrame, place: Place) -> tuple[float, ...] | None:
    if part.margin_of_error is None:
        return None
    if part.margin_of_error not in frame.columns:
        advice = f"the table has: {', '.join(frame.columns)}"
        place.problem("the column of margins of error is missing", advice, part.margin_of_error)
        return None
    read = _values(frame[part.margin_of_error], place, negative=False)
    return tuple(read) if read is not None else None


def _cell_problems(
    cells: Sequence[tuple[Level, ...]], columns: Sequence[str], place: Place, *, universe: Expression | None
) -> None:
    seen: dict[tuple[Level, ...], int] = {}
    for row, cell in enumerate(cells):
        if cell in seen:
            text = " × ".join(str(level) for level in cell)
            place.problem(f"the cell was given in row {seen[cell] + 1} already", "give each cell once", text, row=row)
        seen.setdefault(cell, row)
    for k, name in enumerate(columns):
        _, variable = place.schema.find(place.unit, name)
        if isinstance(variable, Numeric):
            intervals = sorted({level for cell in cells if isinstance(level := cell[k], Interval)})
            for what, advice, shown in partition_problems(intervals, variable, name, universe):
                place.problem(what, advice, shown)
