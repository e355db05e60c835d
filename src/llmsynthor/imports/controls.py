"""From controls, one a cell, to variables and tables: which columns are numbers, which codes, and which controls are one table."""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from llmsynthor.imports.expressions import Allowed

CODED_AT_MOST = 30
AGE = re.compile(r"age", re.IGNORECASE)
MISSING, OTHER = "missing", "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One control: so many records of a unit in each zone of a level fulfil what `allowed` says of columns (none: all)."""

    name: str
    level: str
    unit: str
    field: str
    importance: float
    allowed: Mapping[str, Allowed]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A variable made of what controls say of a seed's column: whole numbers from `low` to below `high`, or `codes` by level."""

    name: str
    low: float = 0.0
    high: float = 0.0
    codes: tuple[tuple[str, Allowed], ...] = ()

    @property
    def numeric(self) -> bool:
        return not self.codes

    @property
    def levels(self) -> tuple[str, ...]:
        return tuple(level for level, _ in self.codes)

    def cell(self, allowed: Allowed) -> str | None:
        """The level or interval that a control names; None where it is no single one."""
        if not self.numeric:
            return next((level for level, own in self.codes if own == allowed), None)
        if len(allowed.spans) != 1 or allowed.texts or allowed.missing:
            return None
        low, high = max(allowed.spans[0][0], self.low), min(allowed.spans[0][1], self.high)
        return f"[{low:g}, {high:g})" if low < high else None

    def level_of(self, text: str) -> str:
        """The level of a code of the seed."""
        plain = text.strip()
        for level, own in self.codes:
            if plain in ("", "nan", "NaN"):
                if own.missing:
                    return level
                continue
            try:
                number = float(plain)
            except ValueError:
                if own.holds(plain):
                    return level
                continue
            if plain in own.texts and not own.but:
                return level
            if any(low <= number < high for low, high in own.spans):
                return level
        return OTHER


def column_of(name: str, said: Sequence[Allowed], seen: Sequence[float], *, whole: bool) -> Column | None:
    """Make a variable of all that controls say of a column; None where codes overlap so that no levels can be made.

    Only codes, each alone or in groups that exclude each other, make a category; bounds make whole numbers. `seen` are the
    values of the seed, if there is one; `whole` says that the controls cover all records.
    """
    distinct = list(dict.fromkeys(said))
    bounded = any(math.inf in (abs(low), abs(high)) or high - low > 1 for own in distinct for low, high in own.spans)
    worded = any(own.texts or own.missing or own.but for own in distinct)
    split = any(len(own.spans) > 1 for own in distinct)
    if bounded and not worded and not split:
        return _numeric(name, distinct, seen)
    if any(a & b != Allowed() for a, b in combinations(distinct, 2)) or len(distinct) > CODED_AT_MOST:
        return None
    codes = [(_name(own), own) for own in distinct]
    if not whole or len(codes) < 2:
        codes.append((OTHER, Allowed()))
    return Column(name=name, codes=tuple(codes))


def _numeric(name: str, distinct: Sequence[Allowed], seen: Sequence[float]) -> Column:
    ends = [end for own in distinct for span in own.spans for end in span]
    finite = sorted(end for end in ends if math.isfinite(end))
    low, high = (finite[0], finite[-1]) if finite else (0.0, 1.0)
    if -math.inf in ends:
        low = min(0.0, low - 1)
    if math.inf in ends:
        step = finite[-1] - finite[-2] if len(finite) > 1 else 5.0
        high = max(101.0 if AGE.search(name) and finite and finite[-1] < 100 else 0.0, high + max(4 * step, 7))
        if len(finite) > 1 and high < 1000 and not AGE.search(name):
            high = max(high, 11.0)
    if len(seen):
        low, high = min(low, *seen), max(high, max(seen) + 1)
    return Column(name=name, low=math.floor(low), high=math.ceil(high))


def _name(own: Allowed) -> str:
    """A level's name: its codes, `2 or 3`; `not bb` of what is all but those."""
    if own.but:
        inner = ~own
        return "not " + _name(inner) if inner != Allowed() else "any"
    parts = [str(int(k)) for low, high in own.spans if math.isfinite(high - low) for k in range(int(low), int(high))]
    return " or ".join([*parts, *sorted(own.texts), *([MISSING] if own.missing else [])]) or OTHER


def grouped(controls: Sequence[Control]) -> Iterator[list[Control]]:
    """Controls that are one table: of one level and unit, on the same columns, no two of which a record can fulfil at once."""
    groups: list[list[Control]] = []
    for control in controls:
        for group in groups:
            first = group[0]
            same = (first.level, first.unit, set(first.allowed)) == (control.level, control.unit, set(control.allowed))
            if same and all(_apart(own, control) for own in group):
                group.append(control)
                break
        else:
            groups.append([control])
    yield from groups


def _apart(one: Control, other: Control) -> bool:
    return any(one.allowed[name] & other.allowed[name] == Allowed() for name in one.allowed)


def universe_of(group: Sequence[Control], columns: Mapping[str, Column]) -> str:
    """Say which records a group of controls is about, where its numbers do not reach over all values of a variable."""
    parts = []
    for name in group[0].allowed:
        column = columns[name]
        if not column.numeric:
            continue
        spans = Allowed()
        for control in group:
            spans |= Allowed(spans=control.allowed[name].spans)
        within = (spans & Allowed(spans=((column.low, column.high),))).spans
        if within != ((column.low, column.high),):
            told = [f"({low:.0f} <= {name} and {name} < {high:.0f})" for low, high in within]
            parts.append("(" + " or ".join(told) + ")" if len(told) > 1 else told[0])
    return " and ".join(parts)
