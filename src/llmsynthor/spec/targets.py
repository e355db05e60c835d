"""Targets: the statistics that the records must meet. Each carries its own query as data."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from llmsynthor.spec.expressions import Expression
from llmsynthor.spec.levels import Level


def last_digit(values: Iterable[float]) -> float:
    """Give the unit of the last digit that values show, 1 at most."""
    exponents = (Decimal(repr(float(value))).normalize().as_tuple().exponent for value in values)
    return float(10.0 ** min(0, *(exponent for exponent in exponents if isinstance(exponent, int))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A contingency table in the long format, cut as its publisher cut it.

    `columns` may name a parent's variable as `household.tenure` or a derived one. `cells[i]` holds one level per column,
    `values[i]` its count or share (finite, not all zero; negative only beside a margin of error). A combination that is not
    listed is a zero. `trust` below 1 makes a soft target: the records lean towards it without being walked to it. `number` is its
    place in the spec as it was written. `condition` is set where it is the share or count of a condition: its first cell.
    """

    name: str
    unit: str
    columns: tuple[str, ...]
    cells: tuple[tuple[Level, ...], ...]
    values: tuple[float, ...]
    value: Literal["count", "share"] = "count"
    source: str = ""
    universe: Expression | None = None
    tolerance: float = 0.0
    margins_of_error: tuple[float, ...] | None = None
    importance: float = 1.0
    zeros: Literal["sampling", "structural"] = "sampling"
    trust: float = 1.0
    condition: str = ""
    number: int = field(default=0, compare=False)

    @property
    def where(self) -> str:
        """How problems name it."""
        return f'targets[{self.number}] "{self.name}"'

    @property
    def structural(self) -> bool:
        return self.zeros == "structural"

    @property
    def last_digit(self) -> float:
        """The unit of the last digit that the values show: what rounding may hide, in the values' own unit.

        >>> Table(name="", unit="", columns=(), cells=((), ()), values=(0.25, 0.5)).last_digit
        0.01
        """
        return last_digit(self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistic:
    """A mean, total, quantile or standard deviation of a numeric variable, or the correlation of two.

    Overall (`by` empty, one cell `()`) or by groups; `other` is the second variable of a correlation. `base` is the number of
    records that a total is about; None leaves it to the tables of counts.
    """

    name: str
    unit: str
    statistic: Literal["mean", "total", "quantile", "deviation", "correlation"]
    variable: str
    by: tuple[str, ...]
    cells: tuple[tuple[Level, ...], ...]
    values: tuple[float, ...]
    probability: float | None = None
    base: float | None = None
    other: str = ""
    source: str = ""
    universe: Expression | None = None
    tolerance: float = 0.0
    margins_of_error: tuple[float, ...] | None = None
    importance: float = 1.0
    number: int = field(default=0, compare=False)

    @property
    def variables(self) -> tuple[str, ...]:
        """The variable, of a correlation both."""
        return (self.variable, self.other) if self.other else (self.variable,)

    @property
    def where(self) -> str:
        """How problems name it."""
        return f'targets[{self.number}] "{self.name}"'


Target = Table | Statistic


Source = Literal["given", "estimated", "maximum entropy"]


MAXIMUM_ENTROPY: Source = "maximum entropy"
"""Source of what nobody has said."""


def stated_population(targets: Iterable[Target], unit: str) -> float | None:
    """The number of records that the tables of counts speak of: the most important one's total, the first among equals."""
    found = [t for t in targets if isinstance(t, Table) and (t.unit, t.value, t.universe) == (unit, "count", None)]
    return sum(max(found, key=lambda table: table.importance).values) if found else None
