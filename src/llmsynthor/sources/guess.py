"""What a table as published may be in a spec: variables with their levels or ranges, and how it is read. A person decides."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from llmsynthor.sources.paths import PART, leaves, levels_of, parts_of
from llmsynthor.sources.table import Dimension, LongTable
from llmsynthor.spec.labels import is_total, read_interval
from llmsynthor.spec.levels import Interval

WIDEST = Interval(-1e9, 1e9)
OLDEST = 110
AGE_WORDS = re.compile(
    r"\b(age|aged|years?|yrs?|alter|jahre?n?|edad|anos|años|âge|ans)\b|^Y_?(LT|GE|\d)", re.IGNORECASE
)
SEX_WORDS = "male female men women males females m f man woman männlich weiblich hombres mujeres hommes femmes"
SEXES = frozenset(SEX_WORDS.split(" "))
STATISTIC = re.compile(r"\b(median|mean|average|per capita|index|rate|ratio|durchschnitt|mittel)\b", re.IGNORECASE)
HOUSEHOLDS = re.compile(
    r"household|tenure|dwelling|housing|occupied|haushalt|wohnung|hogar|m\u00e9nage|vehicle", re.IGNORECASE
)
RESERVED = frozenset(
    {"position", "value", "count", "share", "and", "or", "not", "in", "if", "else", "true", "false", "none"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Guessed:
    """A variable: a category with `levels`, or whole numbers in the half-open range from `low` to `high`."""

    name: str
    levels: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    zone: bool = False

    @property
    def numeric(self) -> bool:
        return self.high > self.low


@dataclass(slots=True)
class Guess:
    """How a table may be read: `read` is the part of a target, `doubts` is what a person must decide."""

    variables: list[Guessed] = field(default_factory=list)
    read: dict[str, Any] = field(default_factory=dict)
    doubts: list[str] = field(default_factory=list)
    statistic: str = ""
    unit: str = "person"
    published: bool = False
    gaps: bool = False


def guess(table: LongTable) -> Guess:
    """Say for each dimension what it may be: zones, times and measures to choose from, cells, ages, categories."""
    found = Guess(unit="household" if HOUSEHOLDS.search(_all_words(table)) else "person", published=table.has_margins)
    found.gaps = table.frame["value"].null_count() > 0
    columns, where = dict[str, str](), dict[str, str]()
    ignore = dict[str, list[str]]()
    for dimension in table.dimensions:
        totals = totals_of(dimension)
        codes = [code for code in dimension.codes if code not in totals]
        if len(codes) <= 1 and dimension.role not in ("zone", "cell"):
            if len(dimension.codes) > 1:
                ignore[dimension.name] = [
                    code for code in dimension.codes if code in totals and code != dimension.total
                ]
            continue
        if dimension.role in ("time", "measure"):
            chosen = max(codes) if dimension.role == "time" else codes[0]
            where[dimension.name] = chosen
            shown = ", ".join(dimension.shown(code) for code in codes[:6])
            found.doubts.append(f"{dimension.name}: {dimension.shown(chosen)} was chosen out of {len(codes)}: {shown}")
            continue
        if dimension.role == "cell":
            _cells(dimension, found)
            continue
        variable = _variable(dimension, codes, [own.name for own in found.variables])
        found.variables.append(variable)
        if variable.name != dimension.name:
            columns[variable.name] = dimension.name
        named = [code for code in totals if code != dimension.total]
        if named:
            ignore[dimension.name] = named
    found.read = {
        **({"columns": columns} if columns else {}),
        **({"where": where} if where else {}),
        **({"ignore": ignore} if ignore else {}),
        **found.read,
    }
    signs = [
        str(flag) for flag in table.frame.filter(table.frame["value"].is_null())["flag"].unique().to_list() if flag
    ]
    empty = table.frame.filter(table.frame["value"].is_null())["flag"].null_count()
    signs += [""] if empty else []
    if signs and not table.format.startswith("census"):
        found.read["suppressed"] = dict.fromkeys(sorted(signs)[:12], "open")
        found.doubts.append(
            f"{', '.join(sorted(signs)[:12])} were taken as withheld (open): write 0 where a sign means none"
        )
    _statistics(table, found)
    return found


def _all_words(table: LongTable) -> str:
    labels = [label for own in table.dimensions for label in list(own.labels.values())[:40]]
    return " ".join([table.title, *(f"{own.name} {own.label}" for own in table.dimensions), *labels])


def _statistics(table: LongTable, found: Guess) -> None:
    """Medians and means are no counts: they are told, and left to a person."""
    cell = next(iter(table.of_role("cell")), None)
    words = [cell.label_of(code) for code in cell.codes] if cell is not None else [table.title]
    if words and all(STATISTIC.search(word) for word in words):
        found.statistic = words[0].rpartition(PART)[2]


def totals_of(dimension: Dimension) -> tuple[str, ...]:
    """Codes of a dimension that are sums of others, by what the file says or by their labels."""
    return tuple(
        code
        for code in dimension.codes
        if code == dimension.total
        or is_total(dimension.label_of(code))
        or (len(dimension.codes) > 2 and is_total(code))
    )


def slug(text: str) -> str:
    """A name for expressions: small letters, digits and underscores.

    >>> slug("Größe (m²)"), slug("2020 tract")
    ('grosse_m2', 'v_2020_tract')
    """
    plain = unicodedata.normalize("NFKD", text.casefold()).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:40].strip("_") or "variable"
    return f"v_{plain}" if plain[0].isdigit() or plain in RESERVED else plain


def _free(name: str, taken: Sequence[str]) -> str:
    return next(own for own in (name, *(f"{name}_{k}" for k in range(2, len(taken) + 3))) if own not in taken)


def _variable(dimension: Dimension, codes: Sequence[str], taken: Sequence[str]) -> Guessed:
    labels = [dimension.label_of(code) for code in codes]
    name = _free(
        slug(dimension.name if not dimension.name.startswith("column ") else dimension.label or "group"), taken
    )
    if dimension.role == "zone":
        return Guessed(name=name, levels=tuple(codes), zone=True)
    for texts in (labels, list(codes)):
        numeric = _intervals(texts, name)
        if numeric is not None:
            return numeric
    return Guessed(name=name, levels=tuple(dict.fromkeys(labels)))


def _intervals(texts: Sequence[str], name: str) -> Guessed | None:
    """A variable of whole numbers whose intervals all labels are, side by side; None where they are none."""
    if all(re.fullmatch(r"\d+", text) for text in texts) and (
        len(texts) < 3 or any(text.startswith("0") and len(text) > 1 for text in texts)
    ):
        return None
    read = list[Interval]()
    for text in texts:
        try:
            read.append(read_interval(text, bounds=WIDEST, integer=True, unit="years"))
        except ValueError:
            return None
    ordered = sorted(read)
    if len(set(ordered)) < 2 or any(b.low != a.high for a, b in pairwise(ordered)):
        return None
    age = any(AGE_WORDS.search(text) for text in [*texts, name])
    low = ordered[0].low if ordered[0].low > WIDEST.low else min(0.0, ordered[0].high - 1)
    high = ordered[-1].high
    if high >= WIDEST.high:
        high = OLDEST if age and ordered[-1].low < OLDEST else _above(ordered)
    return Guessed(name="age" if age and name in ("level", "group", "variable") else name, low=low, high=high)


def _above(ordered: Sequence[Interval]) -> float:
    """An end for an open last interval: as wide as four of the one before."""
    if len(ordered) < 2:
        return ordered[-1].low + 10
    before = ordered[-2]
    return ordered[-1].low + max(4 * (before.high - max(before.low, 0)), 1)


def _cells(dimension: Dimension, found: Guess) -> None:
    """Variables of whole cells: the levels of their paths where these are regular, one variable for all else."""
    paths = {code: parts_of(dimension.label_of(code)) for code in dimension.codes}
    chosen = leaves(paths)
    cut = levels_of([paths[code] for code in chosen]) if dimension.labels else None
    taken = [own.name for own in found.variables]
    if len(chosen) == 1:
        found.read["cells"] = {chosen[0]: {}}
        return
    if cut is None or not cut[0] or len(set(cut)) < len(cut):
        cut = tuple((_short(paths, code),) for code in chosen)
    names = list[str]()
    for k in range(len(cut[0])):
        variable = _named(list(dict.fromkeys(parts[k] for parts in cut)), dimension, [*taken, *names])
        names.append(variable.name)
        found.variables.append(variable)
    found.read["cells"] = {code: dict(zip(names, parts, strict=True)) for code, parts in zip(chosen, cut, strict=True)}
    left = [dimension.label_of(code) for code in dimension.codes if code not in chosen]
    if left:
        found.doubts.append(f"left out as sums of others: {'; '.join(left[:6])}{' …' if len(left) > 6 else ''}")


def _short(paths: dict[str, tuple[str, ...]], code: str) -> str:
    """The last part of a path, with the one before it where it is not the only one of its name."""
    path = paths[code]
    same = [other for other in paths.values() if other[-1] == path[-1]]
    return path[-1] if len(same) == 1 or len(path) == 1 else ": ".join(path[1:] or path)


def _named(texts: Sequence[str], dimension: Dimension, taken: Sequence[str]) -> Guessed:
    if {text.casefold() for text in texts} <= SEXES:
        return Guessed(name=_free("sex", taken), levels=tuple(texts))
    label = dimension.label if dimension.label not in ("", "Cell") else "group"
    age = any(AGE_WORDS.search(text) for text in texts)
    numeric = _intervals(texts, "age" if age else slug(label))
    if numeric is not None:
        return Guessed(name=_free(numeric.name, taken), low=numeric.low, high=numeric.high)
    return Guessed(name=_free(slug(label), taken), levels=tuple(texts))


def inner_totals(table: LongTable) -> Iterator[str]:
    """Say which codes hold the sums of others: by what the file says, by their labels, by their paths."""
    for dimension in table.dimensions:
        for code in totals_of(dimension):
            yield f"{dimension.name} {dimension.shown(code)}"
        if dimension.role == "cell":
            paths = {code: parts_of(dimension.label_of(code)) for code in dimension.codes}
            ends = set(leaves(paths))
            yield from (
                f"{dimension.name} {dimension.shown(code)}"
                for code in dimension.codes
                if code not in ends and code not in totals_of(dimension)
            )
