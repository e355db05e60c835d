"""What can be adjusted: each variable with the cells that a table cuts it into, their words and their shares."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmsynthor.spec.levels import Interval, Level
from llmsynthor.spec.reading.partial import condition_of
from llmsynthor.spec.schema import Category, Coded, Numeric
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Table

FEWEST, MOST = 2, 24
"""Cells of a variable that a model is asked about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """One variable of a unit; `shares` (levels,) are those of the ordinary state, `words` what a model reads."""

    unit: str
    variable: Coded
    levels: tuple[Level, ...]
    words: tuple[str, ...]
    shares: NDArray[np.float64]

    @property
    def label(self) -> str:
        return self.variable.label or self.variable.name.replace("_", " ")

    def condition(self, levels: tuple[Level, ...]) -> str:
        return condition_of([(level,) for level in levels], [self.variable.name], {self.variable.name: self.variable})


def cells_of(spec: Spec, *, most: int = MOST) -> tuple[Cells, ...]:
    """Every variable that a table of its own unit tells, by the table that cuts it finest within `most` cells."""
    found = list[Cells]()
    for unit in spec.schema.units:
        for variable in (*unit.coded, *(d.variable for d in unit.derived if not d.hidden)):
            margins = list(_margins(spec, unit.name, variable.name, most))
            if margins:
                shares = max(margins, key=len)
                levels = tuple(shares)
                total = sum(shares.values())
                found.append(
                    Cells(
                        unit=unit.name,
                        variable=variable,
                        levels=levels,
                        words=tuple(level_words(level, variable) for level in levels),
                        shares=np.array([shares[level] / total for level in levels]),
                    )
                )
    return tuple(found)


def _margins(spec: Spec, unit: str, name: str, most: int) -> Iterator[dict[Level, float]]:
    for table in spec.targets:
        if (
            not isinstance(table, Table)
            or table.unit != unit
            or name not in table.columns
            or table.universe is not None
        ):
            continue
        at, sums = table.columns.index(name), dict[Level, float]()
        for cell, value in zip(table.cells, table.values, strict=True):
            sums[cell[at]] = sums.get(cell[at], 0.0) + max(value, 0.0)
        if FEWEST <= len(sums) <= most and sum(sums.values()) > 0:
            yield dict(sorted(sums.items(), key=lambda entry: _order(entry[0])))


def _order(level: Level) -> tuple[float, str]:
    return (level.low, "") if isinstance(level, Interval) else (0.0, "")


def level_words(level: Level, variable: Coded) -> str:
    """A level as it is read: whole numbers with both ends.

    >>> from llmsynthor.spec.levels import Interval
    >>> hour = Numeric(name="hour", kind="integer", range=Interval(0, 24), unit="o'clock")
    >>> level_words(Interval(20, 24), hour), level_words(Interval(8, 9), hour)
    ("20 to 23 o'clock", "8 o'clock")
    """
    if not isinstance(level, Interval):
        return level
    unit = f" {variable.unit}" if isinstance(variable, Numeric) and variable.unit else ""
    if isinstance(variable, Numeric) and variable.integer:
        last = level.high - 1
        return f"{level.low:g}{unit}" if last <= level.low else f"{level.low:g} to {last:g}{unit}"
    return f"{level.low:g} to {level.high:g}{unit}"


def tilted(shares: NDArray[np.float64], times: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Factors by which cells change when each is made `times` as likely and all still add up, and which of them to name.

    Cells with `times` of one follow from the others. Where every cell is named, the one that says least is left to follow.

    >>> factors, named = tilted(np.array([0.5, 0.5]), np.array([1.2, 1.0]))
    >>> factors.round(3).tolist(), named.tolist()
    ([1.091, 0.909], [True, False])
    """
    factors = times / float(shares @ times)
    named = times != 1.0
    if named.all():
        named = named.copy()
        named[int(np.argmin(shares * np.abs(factors - 1.0)))] = False
    return np.asarray(factors.round(4)), named


def is_category(cells: Cells) -> bool:
    return isinstance(cells.variable, Category)
