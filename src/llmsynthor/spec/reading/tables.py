"""Long tables: one column per variable, one value column. Every cell is checked; problems name the rows."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from llmsynthor.errors import Problem
from llmsynthor.spec.expressions import Expression
from llmsynthor.spec.reading.absolute import between, named_only
from llmsynthor.spec.reading.cells import Cell, cell_problems, read_cells, read_values, values_nobody_has
from llmsynthor.spec.reading.columns import (
    SHARES,
    is_share,
    is_statistic,
    known_columns,
    read_frame,
    total_rows,
    value_column,
    without_margins,
)
from llmsynthor.spec.reading.document import TargetPart
from llmsynthor.spec.reading.naming import resolved
from llmsynthor.spec.reading.partial import add_rest, missing_shares, unlisted, within_groups, without_open
from llmsynthor.spec.reading.place import Place
from llmsynthor.spec.reading.shares import spread_problem
from llmsynthor.spec.schema import Numeric, Schema
from llmsynthor.spec.targets import Statistic, Table, Target

MOST_OPEN = 2_000
"""Open cells, or listed ones beside more open ones, that can be told in a condition."""


def read_target(
    part: TargetPart, where: str, schema: Schema, folder: Path, universe: Expression | None, problems: list[Problem]
) -> Target | None:
    """Read the table of a target and check it; adds to `problems` and returns None where it cannot be used.

    A noisy table whose values sum to nothing says nothing: it is left out with a warning.
    """
    place = Place(where=where, schema=schema, unit=part.unit, problems=problems)
    before = place.errors
    said = {key: [resolved(name, place) for name in own] for key in ("by", "given") if (own := getattr(part, key))}
    part = part.model_copy(update=said) if said else part
    frame = read_frame(part, folder, place)
    value = value_column(part, frame, place) if frame is not None else None
    if frame is None or value is None:
        return None
    columns = [name for name in frame.columns if name not in (value, part.margin_of_error)]
    columns = without_margins(columns, place)
    columns = part.by if part.by is not None and is_statistic(part) else columns
    if not known_columns(columns, frame, place):
        return None
    totals = total_rows(frame, columns, place)
    if totals:
        place.in_rows(
            "rows hold totals of other rows", "leave them out of the table: totals follow from the rest", totals
        )
        return None
    cells = read_cells(frame, columns, place)
    margins = _margins(part, frame, place)
    middles, halves = between(frame[value])
    values = read_values(
        middles,
        place,
        negative=is_statistic(part) or margins is not None,
        shares=not is_statistic(part) and is_share(part, value),
    )
    if cells is None or values is None or place.errors > before:
        return None
    if any(halves):  # a value known to lie between two numbers is one with a margin
        margins = tuple(max(pair) for pair in zip(margins or [0.0] * len(halves), halves, strict=True))
    if not is_statistic(part) and part.of is None and universe is None and not (part.open or part.given or part.rest):
        zeros = values_nobody_has(cells, columns, place)
        cells, values = [*cells, *zeros], [*values, *(0.0 for _ in zeros)]
        margins = (*margins, *(0.0 for _ in zeros)) if margins is not None else None
    cell_problems(_with_rest(cells, part, columns, place), columns, place, universe=universe)
    if place.errors > before:
        return None
    return _built(part, columns, value, (cells, values, margins), universe, place)


def _with_rest(cells: Sequence[Cell], part: TargetPart, columns: Sequence[str], place: Place) -> list[Cell]:
    """The cells and, where there is a rest, its cell: intervals must cut their variable with it."""
    found = list(cells)
    if part.rest is not None and not is_statistic(part):
        quiet = Place(where=place.where, schema=place.schema, unit=place.unit, problems=[])
        add_rest(found, [0.0] * len(found), columns, part.given or [], part.rest, quiet, percent=False)
    return found


Rows = tuple[list[Cell], list[float | None], tuple[float, ...] | None]


def _built(
    part: TargetPart, columns: Sequence[str], value: str, rows: Rows, universe: Expression | None, place: Place
) -> Target | None:
    before = place.errors
    cells, values, margins = rows
    known = [row for row, number in enumerate(values) if number is not None]
    opened = [cells[row] for row, number in enumerate(values) if number is None]
    listed = [cells[row] for row in known]
    numbers = [number for number in values if number is not None]
    errors = tuple(margins[row] for row in known) if margins is not None else None
    if not is_statistic(part):
        opened = _complete(part, value, columns, listed, numbers, opened, noisy=margins is not None, place=place)
        if place.errors == before and sum(numbers) <= 0:
            _says_nothing(numbers, place, noisy=any(errors or ()))
            return None
        if part.of is not None and place.errors == before:
            universe = named_only(universe, listed, columns, place)
        elif opened and place.errors == before:
            if min(len(opened), len(listed)) > MOST_OPEN:
                _too_many(opened, place)
            else:
                universe = without_open(universe, listed, opened, columns, place)
    elif not numbers:
        place.problem("all its values are open", "leave the target out, or give a value", f"{len(values)} rows")
    if len(numbers) > len(known):  # the rest was added behind
        errors = None
    if place.errors > before:
        return None
    about: dict[str, Any] = {
        "name": part.name or " by ".join(columns) or place.where,
        "unit": part.unit,
        "cells": tuple(listed),
        "values": tuple(numbers),
        "source": part.source,
        "universe": universe,
        "tolerance": part.relative_tolerance,
        "rounding": part.rounding,
        "margins_of_error": errors,
        "importance": part.importance,
    }
    return _target(part, columns, value, about, place)


def _too_many(opened: Sequence[Cell], place: Place) -> None:
    advice = "say in a universe which records the table is about, or leave the table out"
    place.problem("so many cells are open that they cannot be told", advice, f"{len(opened):,} open cells")


def _complete(
    part: TargetPart,
    value: str,
    columns: Sequence[str],
    cells: list[Cell],
    values: list[float],
    opened: list[Cell],
    *,
    noisy: bool,
    place: Place,
) -> list[Cell]:
    """Add the rest, name what is missing or meant otherwise; returns the open cells, those that are not listed among them."""
    share, percent = is_share(part, value), value.casefold() in SHARES[1:]
    if part.rest is not None and not share:
        place.problem("`rest` is for shares", "give counts for all cells, or shares", part.rest)
    elif part.rest is not None:
        add_rest(cells, values, columns, part.given or [], part.rest, place, percent=percent)
    if part.of is not None:  # what is not named is open: see `named_only`
        return []
    if part.open is True:
        listed = {*opened}
        return [*opened, *(cell for cell in unlisted(cells, columns, place) if cell not in listed)]
    if not share or noisy or opened or part.given or part.universe is not None or part.trust < 1:
        return opened
    groups = within_groups(cells, values, columns) if len(columns) > 1 else None
    if groups is not None:
        names, whole = ", ".join(groups[0]), f"{groups[1]:g}"
        place.problem(
            f"within each {names} the shares add up to {whole}: they say how the rest is distributed there",
            f"write `given: [{names}]` if that is meant; how many records each {names} has is then left to other tables",
            f"a sum of {sum(values):g}",
        )
    elif part.rest is None:
        missing_shares(cells, values, columns, place, percent=percent)
    return opened


def _says_nothing(values: Sequence[float], place: Place, *, noisy: bool) -> None:
    if noisy:
        what = "its values sum to nothing, so that they are all noise: it is left out"
        place.warn(what, "release it with more budget, or leave it out of the spec", f"a sum of {sum(values):g}")
    else:
        place.problem("all its values are zero", "give at least one positive value", f"{len(values)} rows")


def _target(part: TargetPart, columns: Sequence[str], value: str, about: dict[str, Any], place: Place) -> Target | None:
    if not is_statistic(part):
        kind: Any = "share" if is_share(part, value) else "count"
        about |= {"zeros": part.zeros, "trust": part.trust, "tolerance_records": part.tolerance_records}
        return Table(columns=tuple(columns), value=kind, **about)
    statistic: Any = part.statistic
    named = getattr(part, statistic)
    names = [named] if isinstance(named, str) else list(named)
    before = place.errors
    for name in names:
        _numeric(name, statistic, place)
    problem = spread_problem(statistic, names, about["values"])
    if problem is not None:
        place.problem(*problem)
    if place.errors == before and statistic in ("mean", "quantile"):
        _within(names[0], statistic, about, place)
    if place.errors > before:
        return None
    other = names[1] if len(names) > 1 else ""
    about |= {"variable": names[0], "other": other, "probability": part.probability, "base": part.base}
    return Statistic(statistic=statistic, by=tuple(columns), **about)


def _numeric(name: str, statistic: str, place: Place) -> None:
    try:
        _, variable = place.schema.find(place.unit, name)
    except KeyError:
        variable = None
    if not isinstance(variable, Numeric):
        what = f"a {statistic} needs a numeric variable of {place.unit}"
        place.problem(what, "name an integer or number variable", name)


def _within(name: str, statistic: str, about: dict[str, Any], place: Place) -> None:
    """Name every mean or quantile outside the variable's range."""
    _, variable = place.schema.find(place.unit, name)
    assert isinstance(variable, Numeric)
    low, high = variable.range.low, variable.range.high - (1 if variable.integer else 0)
    margins = about["margins_of_error"] or (0.0,) * len(about["values"])
    odd = [
        (row, f"{number:g}")
        for row, (number, margin) in enumerate(zip(about["values"], margins, strict=True))
        if number + margin < low or number - margin > high
    ]
    if odd:
        what = f"a {statistic} lies outside the range {variable.range} of {variable.name}"
        place.in_rows(what, "correct the value or the range", odd)


def _margins(part: TargetPart, frame: pl.DataFrame, place: Place) -> tuple[float, ...] | None:
    if part.margin_of_error is None:
        return None
    if part.margin_of_error not in frame.columns:
        advice = f"the table has: {', '.join(frame.columns)}"
        place.problem("the column of margins of error is missing", advice, part.margin_of_error)
        return None
    read = read_values(frame[part.margin_of_error], place, negative=False, shares=False)
    return tuple(value or 0.0 for value in read) if read is not None else None
