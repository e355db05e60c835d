"""Derived variables that a table gives: a crosswalk (zone → district), a distance (origin and destination → km).

A lookup is total: every combination of its keys' levels has a value, from the table or its `default`.
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, pairwise, product
from pathlib import Path
from typing import Any

import polars as pl

from llmsynthor.errors import Problem
from llmsynthor.sources.numbers import plain_number
from llmsynthor.spec.expressions import Expression, Lookup, Reference
from llmsynthor.spec.levels import Interval, Level
from llmsynthor.spec.reading.cells import level_or_problem
from llmsynthor.spec.reading.columns import from_cells, from_table
from llmsynthor.spec.reading.distances import distance_frame
from llmsynthor.spec.reading.document import DerivedLookupPart, Document, LookupPart
from llmsynthor.spec.reading.partition import partition_problems
from llmsynthor.spec.reading.place import MOST_PROBLEMS, Place
from llmsynthor.spec.schema import Category, Coded, Derived, Numeric, Schema, Text, Unit

LARGEST_LOOKUP = 5_000_000
"""Combinations of the keys' levels that a lookup may have."""

SHOWN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class _Key:
    """A variable by whose values the table is entered, and the column that holds them."""

    name: str
    variable: Coded
    column: str


def with_lookups(units: Sequence[Unit], document: Document, folder: Path, problems: list[Problem]) -> list[Unit]:
    """Add the derived variables that are lookups to units built without them, each after those that its keys name."""
    pending = {
        (unit, name): part
        for unit, whole in document.units.items()
        for name, part in whole.derived.items()
        if isinstance(part, DerivedLookupPart)
    }
    found = list(units)
    while pending:
        names = {unit: {name for owner, name in pending if owner == unit} for unit, _ in pending}
        ready = [key for key, part in pending.items() if not _waiting(key[0], part.lookup, names, found)]
        for unit, name in ready or list(pending):
            part = pending.pop((unit, name))
            place = Place(
                where=f"units.{unit}.derived.{name}", schema=Schema(units=tuple(found)), unit=unit, problems=problems
            )
            derived = _read(name, part, folder, place)
            if derived is not None:
                found = [replace(u, derived=(*u.derived, derived)) if u.name == unit else u for u in found]
    return [_in_order(unit, list(document.units[unit.name].derived)) for unit in found]


def _in_order(unit: Unit, names: Sequence[str]) -> Unit:
    """In the order of the document; levels of zones, which it does not list, come first."""
    places = {name: number for number, name in enumerate(names)}
    return replace(unit, derived=tuple(sorted(unit.derived, key=lambda derived: places.get(derived.name, -1))))


def category_lookup(name: str, levels: tuple[str, ...], key: Category, of: Mapping[str, str]) -> Derived:
    """A derived category that has, for each level of the key, the level that `of` says."""
    codes = {level: float(code) for code, level in enumerate(levels)}
    values = tuple(codes[of[level]] for level in key.levels)
    named = _Key(name=key.name, variable=key, column="")
    return _derived([named], [key.levels], values, Category(name=name, levels=levels), "")


def _waiting(unit: str, part: LookupPart, pending: Mapping[str, set[str]], units: Sequence[Unit]) -> bool:
    """Whether a key is a lookup that is still to be read."""
    keys = [name.rpartition(".") for name in part.by]
    return any(name in pending.get(owner or unit, ()) for owner, _, name in keys)


def _read(name: str, part: DerivedLookupPart, folder: Path, place: Place) -> Derived | None:
    """Read and check the table of one derived variable; None where it cannot be used, which is a problem."""
    before = len(place.problems)
    frame = _frame(part.lookup, folder, place)
    keys = _keys(part.lookup, frame, place) if frame is not None else None
    if frame is None or keys is None:
        return None
    cells = _cells(keys, frame, place)
    values = _Values.of(name, part, frame[part.lookup.value], place) if len(place.problems) == before else None
    if values is None:
        return None
    levels = [_levels(key, {cell[k] for cell in cells}, part.lookup, place) for k, key in enumerate(keys)]
    if len(place.problems) > before or not _small(keys, levels, place):
        return None
    found = _fill(keys, levels, dict(zip(cells, values.numbers, strict=True)), values.default, place)
    return None if found is None else _derived(keys, levels, found, values.variable, place.unit)


def _derived(
    keys: Sequence[_Key], levels: Sequence[tuple[Level, ...]], values: tuple[float, ...], variable: Coded, unit: str
) -> Derived:
    texts = variable.levels if isinstance(variable, Category) else ()
    names = [key.name for key in keys]
    said = [names, [[str(level) for level in own] for own in levels], list(values), list(texts)]
    table = Lookup(
        keys=tuple(_reference(name, unit) for name in names),
        levels=tuple(levels),
        values=values,
        texts=texts,
        digest=hashlib.sha256(json.dumps(said).encode()).hexdigest(),
    )
    return Derived(variable=variable, expression=Expression(f"lookup({', '.join(names)})", table))


def _reference(name: str, unit: str) -> Reference:
    owner, _, plain = name.rpartition(".")
    return Reference(None if owner in ("", unit) else owner, plain)


def _frame(part: LookupPart, folder: Path, place: Place) -> pl.DataFrame | None:
    if part.coordinates is not None:
        return distance_frame(part, folder, place)
    names = [part.value, *part.by]
    frame = from_cells(part.cells, place) if part.cells is not None else from_table(part.table, names, folder, place)
    if frame is not None and frame.is_empty():
        place.problem("the table of the lookup is empty", "give at least one row")
        return None
    if frame is not None and part.value not in frame.columns:
        advice = f'name the column of the values with "value"; the table has: {", ".join(frame.columns)}'
        place.problem("the lookup's value column is missing", advice, part.value)
        return None
    return frame


def _keys(part: LookupPart, frame: pl.DataFrame, place: Place) -> list[_Key] | None:
    named = part.by if isinstance(part.by, dict) else dict.fromkeys(part.by, "")
    found, sound = [], bool(named)
    for name, given in named.items():
        try:
            _, variable = place.schema.find(place.unit, name)
        except KeyError:
            variable = None
        column = given or (name if name in frame.columns else name.rpartition(".")[2])
        if variable is None or isinstance(variable, Text):
            own = place.schema[place.unit]
            names = [v.name for v in (*own.coded, *(d.variable for d in own.derived))]
            advice = f"{place.unit} has: {', '.join(names)}; a parent's is written parent.name"
            place.problem("a key of the lookup is no variable that it can be looked up by", advice, name)
        elif column not in frame.columns:
            advice = f"the table has: {', '.join(frame.columns)}; where it is called otherwise: by: {{{name}: COLUMN}}"
            place.problem("the table has no column for a key of the lookup", advice, column)
        else:
            found.append(_Key(name=name, variable=variable, column=column))
            continue
        sound = False
    return found if sound else None


def _cells(keys: Sequence[_Key], frame: pl.DataFrame, place: Place) -> list[tuple[Level, ...]]:
    """The levels of each row; a row that has none, or is there twice, is a problem."""
    columns = []
    for key in keys:
        before, known = len(place.problems), dict[str | None, Level | None]()
        for row, text in enumerate(frame[key.column].to_list()):
            if text not in known and len(place.problems) - before < MOST_PROBLEMS:
                known[text] = level_or_problem(text, key.variable, key.name, row, place)
        columns.append([known.get(text) for text in frame[key.column].to_list()])
    cells = [tuple(level for level in row if level is not None) for row in zip(*columns, strict=True)]
    seen = dict[tuple[Level, ...], int]()
    for row, cell in enumerate(cells):
        if len(cell) == len(keys) and cell in seen:
            where = f"row {seen[cell] + 1} gives it already"
            place.problem(f"the lookup has a combination twice: {where}", "keep one of the two", _say(cell), row=row)
        seen.setdefault(cell, row)
    return cells


def _say(cell: Sequence[Level]) -> str:
    return " × ".join(str(level) for level in cell)


def _levels(key: _Key, listed: set[Level], part: LookupPart, place: Place) -> tuple[Level, ...]:
    """All levels of a category; the intervals of a number, without gap or overlap."""
    if isinstance(key.variable, Category):
        return key.variable.levels
    intervals = sorted(level for level in listed if isinstance(level, Interval))
    if part.default is not None:
        intervals = sorted({*intervals, *_gaps(intervals, key.variable)})
    for what, _, found in partition_problems(intervals, key.variable, key.name, None):
        place.problem(f"in the lookup {what}", "cut it once, without gap and overlap, or give a default", found)
    return tuple(intervals)


def _gaps(intervals: Sequence[Interval], variable: Numeric) -> Iterator[Interval]:
    ends = [(variable.range.low, variable.range.low), *((i.low, i.high) for i in intervals)]
    for (_, high), (low, _) in pairwise([*ends, (variable.range.high, variable.range.high)]):
        if high < low:
            yield Interval(high, low)


def _small(keys: Sequence[_Key], levels: Sequence[Sequence[Level]], place: Place) -> bool:
    size = math.prod(len(own) for own in levels)
    if size > LARGEST_LOOKUP:
        found = " × ".join(f"{key.name} {len(own)}" for key, own in zip(keys, levels, strict=True))
        place.problem("the lookup has too many combinations", f"use keys with at most {LARGEST_LOOKUP:,}", found)
    return size <= LARGEST_LOOKUP


def _fill(
    keys: Sequence[_Key],
    levels: Sequence[Sequence[Level]],
    known: Mapping[tuple[Level, ...], float],
    default: float | None,
    place: Place,
) -> tuple[float, ...] | None:
    """A value for every combination, row-major; None where some have none, which is a problem."""
    missing = () if default is not None else (cell for cell in product(*levels) if cell not in known)
    shown = list(islice(missing, SHOWN))
    if shown:
        number = len(shown) + sum(1 for _ in missing)
        names = " × ".join(key.name for key in keys)
        what = f"the lookup has no row for {number:,} of the combinations of {names}"
        more = f"; and {number - SHOWN:,} more" if number > SHOWN else ""
        place.problem(what, "add the rows, or give a default", "; ".join(map(_say, shown)) + more)
        return None
    return tuple(known.get(cell, default or 0.0) for cell in product(*levels))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Values:
    """The derived variable, and for each row its value: a number, or the place of a text among the levels."""

    variable: Coded
    numbers: tuple[float, ...]
    default: float | None

    @classmethod
    def of(cls, name: str, part: DerivedLookupPart, column: pl.Series, place: Place) -> "_Values | None":
        before = len(place.problems)
        texts: list[str | None] = [None if t is None else t.strip() for t in column.to_list()]
        default = None if part.lookup.default is None else _plain(part.lookup.default)
        variable = _variable(name, part, texts, default, place)
        if variable is None:
            return None
        numbers = []
        for row, text in enumerate(texts):
            numbers.append(_value(text, variable, place, row))
            if len(place.problems) - before >= MOST_PROBLEMS:
                break
        filled = _value(default, variable, place, None) if default is not None else None
        if len(place.problems) > before:
            return None
        return cls(variable=variable, numbers=tuple(numbers), default=filled)


def _plain(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _value(text: str | None, variable: Coded, place: Place, row: int | None) -> float:
    where = "the lookup's default" if row is None else "the lookup's value"
    if text is None or not text:
        place.problem(f"{where} is missing", "fill it in, or remove the row and give a default", "nothing", row=row)
        return math.nan
    if isinstance(variable, Category):
        if text not in variable.levels:
            advice = f"list it, or use one of: {'; '.join(variable.levels[:20])}"
            place.problem(f"{where} is no level of the variable", advice, text[:80], row=row)
            return math.nan
        return float(variable.levels.index(text))
    number = plain_number(text)
    if number is None or (variable.integer and not number.is_integer()):
        kind = "whole number" if variable.integer else "number"
        place.problem(f"{where} is no {kind}", f"give a {kind}, or another kind", text[:80], row=row)
    elif number not in variable.range:
        advice = "correct the value or the range"
        place.problem(f"{where} lies outside its range {variable.range}", advice, text[:80], row=row)
    return math.nan if number is None else number


def _variable(
    name: str, part: DerivedLookupPart, texts: Sequence[str | None], default: str | None, place: Place
) -> Coded | None:
    """The variable as the spec says it is; what it leaves out is taken from the values."""
    said = [text for text in (*texts, default) if text]
    numbers = [plain_number(text) for text in said]
    about: dict[str, Any] = {"label": part.label, "description": part.description}
    kind = part.kind or ("category" if part.levels is not None else _kind(said, numbers, ranged=part.range is not None))
    if (kind == "category" and part.range is not None) or (kind != "category" and part.levels is not None):
        place.problem("a category has levels, a number has a range", "remove one of the two", kind)
        return None
    if kind == "category":
        levels = tuple(dict.fromkeys(said)) if part.levels is None else tuple(part.levels)
        if len(set(levels)) < len(levels) or not levels:
            place.problem("levels are listed twice, or none", "name each level once", "; ".join(levels))
            return None
        return Category(name=name, levels=levels, **about)
    finite = [number for number in numbers if number is not None] or [0.0]
    if part.range is not None:
        low, high = float(part.range[0]), float(part.range[1])
    else:
        low, high = min(0.0, math.floor(min(finite))), math.floor(max(finite)) + 1.0
    if not low < high:
        place.problem("a range needs two finite ends, low < high", "correct the range", str(part.range))
        return None
    return Numeric(
        name=name, kind="integer" if kind == "integer" else "number", range=Interval(low, high), unit=part.unit, **about
    )


def _kind(texts: Sequence[str], numbers: Sequence[float | None], *, ranged: bool) -> str:
    """Numbers are numbers, whole ones integers; a code with a leading zero is a text."""
    coded = any(len(text) > 1 and text.startswith("0") and text.isdigit() for text in texts)
    if not ranged and (coded or any(number is None for number in numbers)):
        return "category"
    return "integer" if all(text.lstrip("-").isdigit() for text in texts) else "number"


def lookup_frame(derived: Derived) -> pl.DataFrame | None:
    """The table of a lookup, a row for every combination, its value in a column of the variable's name; None for others."""
    table = derived.expression.tree
    if not isinstance(table, Lookup):
        return None
    cells = list(product(*table.levels))
    columns = {
        str(key): pl.Series([str(cell[k]) for cell in cells], dtype=pl.String) for k, key in enumerate(table.keys)
    }
    if table.texts:
        values = pl.Series([table.texts[int(value)] for value in table.values], dtype=pl.String)
    else:
        whole = isinstance(derived.variable, Numeric) and derived.variable.integer
        values = pl.Series(table.values, dtype=pl.Float64).cast(pl.Int64 if whole else pl.Float64)
    return pl.DataFrame(columns | {derived.name: values})
