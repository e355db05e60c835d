"""Targets: the statistics that the records must meet. Each carries its own query as data."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from llmsynthor.spec.expressions import Expression
from llmsynthor.spec.levels import Level

EXACT = 1e9
"""Importance of a target that never yields: `importance: exact`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """What makes counts absolute: they are so many per `records` records of `unit`, which `target` counts.

    `universe` is that of the table as it is written; the table's own leaves out the cells that are not named.
    """

    target: str
    unit: str
    records: float
    universe: Expression | None = None


def last_digit(values: Iterable[float]) -> float:
    """Give the unit of the last digit that values show, 1 at most."""
    broken = (value for value in {float(value) for value in values} if not value.is_integer())
    exponents = (Decimal(repr(value)).normalize().as_tuple().exponent for value in broken)
    return float(10.0 ** min((0, *(exponent for exponent in exponents if isinstance(exponent, int)))))


WHOLE_PER_CENT = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A contingency table in the long format, cut as its publisher cut it.

    `columns` may name a parent's variable as `household.tenure` or a derived one. `cells[i]` holds one level per column,
    `values[i]` its count or share (finite, not all zero; negative only beside a margin of error). A combination that is not
    listed is a zero. `trust` below 1 makes a soft target: the records lean towards it without being walked to it. `number` is its
    place in the spec as it was written. `condition` is set where it is the share or count of a condition: its first cell.
    With a `base` its counts are absolute; otherwise only their distribution over the universe is met.
    With a `floor` a soft target of two columns is a direction only: the mean of its interaction (nats) is to be that at least.
    A cell may be off by the share `tolerance` of itself, or by `tolerance_records`. `rounding` is the base that the values were
    rounded to, where it is stated.
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
    tolerance_records: float = 0.0
    rounding: float | None = None
    margins_of_error: tuple[float, ...] | None = None
    importance: float = 1.0
    zeros: Literal["sampling", "structural"] = "sampling"
    trust: float = 1.0
    condition: str = ""
    base: Base | None = None
    floor: float | None = None
    number: int = field(default=0, compare=False)

    @property
    def where(self) -> str:
        """How problems name it."""
        return f'targets[{self.number}] "{self.name}"'

    @property
    def structural(self) -> bool:
        return self.zeros == "structural"

    @property
    def is_listed(self) -> bool:
        """Whether the cells that it lists say all of its universe."""
        return self.base is not None and self.base.universe is None

    @property
    def resolution(self) -> float:
        """What the values were rounded to, in their own unit: the base that is stated, or the unit of the last digit they show.

        Shares in tens of per cent are taken as whole per cent: 0.3 is 0.30, whose last digit a number does not show.

        >>> Table(name="", unit="", columns=(), cells=((), ()), values=(0.255, 0.745)).resolution
        0.001
        """
        shown = last_digit(self.values)
        most = WHOLE_PER_CENT * abs(sum(self.values)) if self.value == "share" else shown
        return self.rounding or min(shown, most)


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
    rounding: float | None = None
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

    @property
    def resolution(self) -> float:
        """What the values were rounded to, in their own unit: the base that is stated, or the unit of the last digit they show."""
        return self.rounding or last_digit(self.values)

    @property
    def tolerance_records(self) -> float:
        """None: a mean is not counted in records."""
        return 0.0


Target = Table | Statistic


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who says what targets say; `importance` and `trust` are those of its targets where they say none of their own."""

    name: str
    title: str = ""
    publisher: str = ""
    year: int | None = None
    licence: str = ""
    importance: float | None = None
    trust: float | None = None

    def __str__(self) -> str:
        said = [self.publisher, str(self.year) if self.year is not None and str(self.year) not in self.title else ""]
        about = ", ".join(word for word in said if word)
        return (self.title or self.name) + (f" ({about})" if about else "")


Source = Literal["given", "seed", "library", "estimated", "zones", "maximum entropy"]
"""Where the dependence of a pair comes from: a table, a few real records, a library, a model, margins over zones, or nobody."""


MAXIMUM_ENTROPY: Source = "maximum entropy"
"""Source of what nobody has said."""


SEED: Source = "seed"
"""Source of what a few real records say."""


LIBRARY: Source = "library"
"""Source of what was counted elsewhere; a table of one library names it after this word."""

ZONES: Source = "zones"
"""Source of what follows from how margins vary together over zones."""


SCENARIO = "scenario"
"""Source of a target that an adjustment moves."""


def assumed_from(target: Target) -> str:
    """Who a soft table is from that no model said: nobody, zones, a library or a seed; "" for all others."""
    if not isinstance(target, Table) or target.trust >= 1:
        return ""
    if target.source == MAXIMUM_ENTROPY:
        return MAXIMUM_ENTROPY
    first = target.source.split(" ")[0]
    return first if first in (ZONES, "library", SEED) else ""


def stated_population(targets: Iterable[Target], unit: str) -> float | None:
    """The number of records that the tables of counts speak of: the most important one's total, the first among equals."""
    found = [t for t in targets if isinstance(t, Table) and (t.unit, t.value, t.universe) == (unit, "count", None)]
    return sum(max(found, key=lambda table: table.importance).values) if found else None
