"""Levels and values of a table's rows: every cell is read, and what cannot be read is said once a column."""

from collections.abc import Callable, Sequence
from difflib import get_close_matches

import polars as pl

from llmsynthor.sources.csv_text import plain
from llmsynthor.sources.numbers import OPEN, WITHHELD, AmbiguousError, read_numbers
from llmsynthor.spec.classes import read_classes
from llmsynthor.spec.expressions import Expression
from llmsynthor.spec.labels import read_interval
from llmsynthor.spec.levels import Interval, Level
from llmsynthor.spec.reading.partition import partition_problems, subtotals, unlisted_values
from llmsynthor.spec.reading.place import Place
from llmsynthor.spec.schema import Category, Numeric

Cell = tuple[Level, ...]

MANY, MOST_SETS = 50, 64
_SETS: dict[int, tuple[tuple[str, ...], frozenset[str]]] = {}

LEAST, MOST = 1e-200, 1e200
"""Sizes of values beside which sums and products stay numbers."""


def read_cells(frame: pl.DataFrame, columns: Sequence[str], place: Place) -> list[Cell] | None:
    """Read the levels of every row; None where some cannot be."""
    read = [_levels(frame[name], place) for name in columns]
    if any(column is None for column in read):
        return None
    if not read:
        return [() for _ in range(frame.height)]
    return list(zip(*(column for column in read if column is not None), strict=True))


def _levels(column: pl.Series, place: Place) -> list[Level] | None:
    """Read each distinct text once."""
    _, variable = place.schema.find(place.unit, column.name)
    assert isinstance(variable, Category | Numeric)
    texts = {raw: raw.strip() if raw is not None else "" for raw in column.unique(maintain_order=True).to_list()}
    distinct = list(dict.fromkeys(texts.values()))
    known: dict[str, Level] = _classes(distinct, variable) if isinstance(variable, Numeric) else {}
    odd = list[str]()
    reason = ""
    levels = frozenset(variable.levels if isinstance(variable, Category) else ())
    for text in distinct:
        try:
            known[text] = known.get(text) or (text if text in levels else read_level(text, variable))
        except ValueError as error:
            reason = reason or (str(error) if text else "")
            odd.append(text)
    if odd:
        _say_unread([texts[raw] for raw in column.to_list()], odd, reason, column.name, variable, place)
        return None
    read = {raw: known[text] for raw, text in texts.items()}
    return [read[raw] for raw in column.to_list()]


def _say_unread(
    texts: Sequence[str], odd: Sequence[str], reason: str, name: str, variable: Category | Numeric, place: Place
) -> None:
    """Name the rows without a text, and the first row of every text that could not be read."""
    empty = [(row, "an empty cell") for row, text in enumerate(texts) if not text]
    if empty:
        place.in_rows(f"{name} is missing", "fill it in, or remove the row", empty)
    first = {text: row for row, text in reversed(list(enumerate(texts)))}
    rows = [(first[text], text) for text in odd if text]
    if rows:
        _say_odd(name, variable, rows, reason, place)


def _classes(texts: Sequence[str], variable: Numeric) -> dict[str, Level]:
    """Classes of a number that their neighbours explain, within its range."""
    found = read_classes(texts, bounds=variable.range, integer=variable.integer, unit=variable.unit)
    inside = {text: own for text, own in found.items() if own.low >= variable.range.low}
    return {text: own for text, own in inside.items() if own.high <= variable.range.high}


def _known(variable: Category) -> frozenset[str] | tuple[str, ...]:
    """The levels of a variable, to look one up; many are put into a set once, and known again by being the same object."""
    levels = variable.levels
    if len(levels) < MANY:
        return levels
    held = _SETS.get(id(levels))
    if held is None or held[0] is not levels:
        if len(_SETS) >= MOST_SETS:
            _SETS.clear()
        held = _SETS[id(levels)] = (levels, frozenset(levels))
    return held[1]


def read_level(text: str, variable: Category | Numeric) -> Level:
    """Read one label; raises ValueError that says what was expected."""
    if isinstance(variable, Category):
        if text in _known(variable):
            return text
        same = [level for level in variable.levels if plain(level) == plain(text)]
        if len(same) == 1:
            return same[0]
        raise ValueError("has no such level")
    interval = read_interval(text, bounds=variable.range, integer=variable.integer, unit=variable.unit)
    if interval.low < variable.range.low or interval.high > variable.range.high:
        raise ValueError(f"reaches outside its range {variable.range}")
    return interval


def level_or_problem(text: str | None, variable: Category | Numeric, name: str, row: int, place: Place) -> Level | None:
    """Read one label, or add a problem of its row."""
    text = (text or "").strip()
    try:
        return read_level(text, variable)
    except ValueError as error:
        if not text:
            place.problem(f"{name} is missing", "fill it in, or remove the row", "an empty cell", row=row)
        else:
            _say_odd(name, variable, [(row, text)], str(error), place)
        return None


def _say_odd(
    name: str, variable: Category | Numeric, odd: Sequence[tuple[int, str]], reason: str, place: Place
) -> None:
    if isinstance(variable, Category):
        place.in_rows(f"{name} has no such level", _near(odd[0][1], variable), odd)
    elif reason.startswith("reaches outside"):
        place.in_rows(f"{name} {reason}", "correct the cells or the range", odd)
    else:
        place.in_rows(f"{name}: these labels cannot be read: {reason}", "recode them in one of these forms", odd)


def _near(text: str, variable: Category) -> str:
    """The level that was meant, or those that there are."""
    for level in variable.levels:
        if text.lstrip("0") == level.lstrip("0"):
            return f'did you mean "{level}"? Leading zeros count: put codes in quotes, in the spec too'
    close = get_close_matches(text.lower(), [level.lower() for level in variable.levels], 1)
    near = next((level for level in variable.levels if close and level.lower() == close[0]), None)
    return f'did you mean "{near}"?' if near else f"use one of: {'; '.join(variable.levels[:20])}"


def read_values(column: pl.Series, place: Place, *, negative: bool, shares: bool) -> list[float | None] | None:
    """Read the values, None where a cell is open; adds a problem a kind."""
    before = place.errors
    try:
        read = read_numbers(column.to_list(), shares=shares, semicolons=";" in place.separators)
    except AmbiguousError as error:
        place.problem(
            error.what, "write numbers without thousands signs, as in 1200 or 1.2", error.found, row=error.row
        )
        return None
    texts = column.to_list()
    odd = [(row, str(texts[row])) for row in read.odd]
    withheld = [entry for entry in odd if entry[1].strip().casefold() in WITHHELD or entry[1].startswith("<")]
    known = frozenset(withheld)
    other = [entry for entry in odd if entry not in known]
    if withheld:
        place.in_rows(
            "cells are withheld (suppressed), or their value is no number",
            f"write `{OPEN}` in their place where nothing is known of them, or 0 where the sign means none; of a file as published "
            "say what a sign means: `read: {suppressed: {x: open}}`",
            withheld,
        )
    if other:
        place.in_rows(
            "the value is missing or no number",
            f"give a finite number, or write `{OPEN}` where the cell is suppressed",
            other,
        )
    below = _rows_of(read.values, texts, lambda value: value < 0)
    absurd = _rows_of(read.values, texts, lambda value: value != 0 and not LEAST <= abs(value) <= MOST)
    if absurd:
        place.in_rows("the value is no amount of anything", f"give values from {LEAST:g} to {MOST:g}, or zero", absurd)
    if below and not negative:
        advice = "a count or share is zero or more; of noisy tables name the column of their margin_of_error"
        place.in_rows("the value is negative", advice, below)
    return None if place.errors > before else list(read.values)


def _rows_of(
    values: Sequence[float | None], texts: Sequence[str], told: Callable[[float], bool]
) -> list[tuple[int, str]]:
    """The rows whose value is of a kind: each distinct one is looked at once."""
    kind = {value for value in set(values) if value is not None and told(value)}
    return [(row, str(texts[row])) for row, value in enumerate(values) if value in kind] if kind else []


def values_nobody_has(cells: Sequence[Cell], columns: Sequence[str], place: Place) -> list[Cell]:
    """A cell, which is zero, for each value that a table of single whole numbers does not list; they are told."""
    found = list[Cell]()
    for k, name in enumerate(columns):
        _, variable = place.schema.find(place.unit, name)
        if not isinstance(variable, Numeric):
            continue
        intervals = sorted({level for cell in cells if isinstance(level := cell[k], Interval)})
        gaps = unlisted_values(intervals, variable) if intervals else []
        found += [(*cells[0][:k], gap, *cells[0][k + 1 :]) for gap in gaps]
        if gaps:
            what, advice = (
                f"values of {name} are not listed and are read as zero",
                "list them with a 0, or say in `universe`",
            )
            place.warn(what, f"{advice} which records the table is about", "; ".join(map(str, gaps[:10])))
    return found


def cell_problems(cells: Sequence[Cell], columns: Sequence[str], place: Place, *, universe: Expression | None) -> None:
    """Name cells that are given twice, and intervals that do not cut their variable."""
    seen: dict[Cell, int] = {}
    for row, cell in enumerate(cells if len(set(cells)) < len(cells) else ()):
        if cell in seen:
            text = " × ".join(str(level) for level in cell)
            place.problem(f"the cell was given in row {seen[cell] + 1} already", "give each cell once", text, row=row)
        seen.setdefault(cell, row)
    for k, name in enumerate(columns):
        _, variable = place.schema.find(place.unit, name)
        if isinstance(variable, Numeric):
            intervals = sorted({level for cell in cells if isinstance(level := cell[k], Interval)})
            sums = subtotals(intervals)
            if sums:
                rows = [(row, str(cell[k])) for row, cell in enumerate(cells) if cell[k] in sums]
                what = f"{name}: rows hold totals of other rows"
                place.in_rows(what, "leave these rows out, so that the intervals can be read without overlap", rows)
                continue
            for what, advice, shown in partition_problems(intervals, variable, name, universe):
                place.problem(what, advice, shown)
