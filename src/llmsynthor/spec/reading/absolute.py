"""Counts that are absolute (`of: TARGET`), cells known to lie between two numbers, and what a source says for its targets."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import polars as pl

from llmsynthor.errors import Problem
from llmsynthor.spec.expressions import Expression, ExpressionError, parse
from llmsynthor.spec.reading.cells import Cell
from llmsynthor.spec.reading.document import TargetPart
from llmsynthor.spec.reading.partial import condition_of, unlisted
from llmsynthor.spec.reading.place import Place
from llmsynthor.spec.schema import Category
from llmsynthor.spec.targets import EXACT, Base, Origin, Table, Target

BETWEEN = re.compile(r"^\[\s*(\d+(?:\.\d+)?)\s*,\s*(\d+(?:\.\d+)?)\s*\]$")


def said_by(part: TargetPart, origins: Sequence[Origin]) -> TargetPart:
    """A target with the importance and trust of its source where it says none, and with `exact` as a number."""
    found = next((origin for origin in origins if origin.name == part.source), None)
    said = {"importance": EXACT} if part.importance == "exact" else {}
    for name in ("importance", "trust"):
        value = getattr(found, name, None)
        if value is not None and name not in part.model_fields_set:
            said[name] = value
    return part.model_copy(update=said) if said else part


def number_of(name: str, share: float, targets: Sequence[Target], problems: list[Problem]) -> int | None:
    """As many records as a share of those that the named target counts."""
    found = next((target for target in targets if target.name == name), None)
    if isinstance(found, Table) and found.value == "count":
        return max(round(sum(found.values) * share), 1)
    what = "there is no such table of counts" if found is None else "the target is no table of counts"
    advice = "name a table of counts of the top unit"
    problems.append(Problem(where="synthesis.records.of", what=what, found=name, advice=advice))
    return None


def with_bases(
    targets: Sequence[Target], of: Mapping[int, tuple[str, str | None]], places: Mapping[int, Place]
) -> Iterator[Target]:
    """Make the counts of some targets absolute; `of` has, by their number, whose records they are per, and their own universe."""
    for target in targets:
        if target.number not in of or not isinstance(target, Table):
            yield target
            continue
        name, universe = of[target.number]
        place = places[target.number]
        base = next((t for t in targets if t.name == name and isinstance(t, Table) and t is not target), None)
        above = [target.unit, *(unit.name for unit in place.schema.ancestors(target.unit))]
        if base is None or base.value != "count" or base.universe is not None or base.unit not in above:
            names = [t.name for t in targets if isinstance(t, Table) and t.value == "count" and t.unit in above]
            counted = "; ".join(own for own in names if own != target.name) or "none is there"
            advice = f"name a table of counts of all records of {' or '.join(above)}: {counted}"
            place.problem("`of` names no table that counts the records", advice, name)
        elif target.value != "count":
            place.problem("`of` is for counts: shares say how records are distributed", "give counts", target.value)
        else:
            stated = parse(universe) if universe is not None else None
            found = Base(target=name, unit=base.unit, records=sum(base.values), universe=stated)
            yield replace(target, base=found)


def named_only(
    universe: Expression | None, cells: Sequence[Cell], columns: Sequence[str], place: Place
) -> Expression | None:
    """The universe of a table whose unnamed cells are open: the records that lie in those it names."""
    if next(unlisted(cells, columns, place), None) is None:
        return universe
    ranges = {name: place.schema.find(place.unit, name)[1] for name in columns}
    levels = [list(dict.fromkeys(cell[k] for cell in cells)) for k in range(len(columns))]
    told = [k for k, name in enumerate(columns) if not _all_of(levels[k], ranges[name])]
    product = 1
    for own in levels:
        product *= len(own)
    if product != len(set(cells)):
        told = list(range(len(columns)))
    some = list(dict.fromkeys(tuple(cell[k] for k in told) for cell in cells))
    text = condition_of(some, [columns[k] for k in told], ranges)
    try:
        return parse(f"({universe.text}) and ({text})" if universe is not None else text)
    except ExpressionError:
        what = "so many cells are not named that the others cannot be told"
        advice = "give a row, with 0 where there are none, for every zone"
        place.problem(what, advice, f"{len(text):,} characters")
        return universe


def _all_of(levels: Sequence[object], variable: object) -> bool:
    """Whether these are all levels of a category."""
    return isinstance(variable, Category) and set(levels) == set(variable.levels)


def between(column: pl.Series) -> tuple[pl.Series, list[float]]:
    """Values in the middle of those that are given as `[low, high]`, and half the width of each, 0 for a plain one.

    >>> between(pl.Series(["7", "[1, 4]"]))[1]
    [0.0, 1.5]
    """
    if not column.str.contains("[", literal=True).any():
        return column, [0.0] * len(column)
    texts, halves = list[str | None](), list[float]()
    for text in column.to_list():
        match = BETWEEN.match(str(text).strip()) if text is not None else None
        low, high = (float(match[1]), float(match[2])) if match else (0.0, 0.0)
        texts.append(repr((low + high) / 2) if match and low <= high else text)
        halves.append((high - low) / 2 if match and low <= high else 0.0)
    return pl.Series(column.name, texts, dtype=pl.String), halves
