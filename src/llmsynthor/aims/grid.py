"""Values ⇄ codes: every variable is cut at the common refinement of all tables, universes and rules."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.laws import resolving_cuts
from llmsynthor.aims.thresholds import derived_breaks, threshold_cuts
from llmsynthor.spec.expressions import Expression, Reference, cut_points, references
from llmsynthor.spec.levels import Interval, Level
from llmsynthor.spec.possibility import Box, Levels, Span
from llmsynthor.spec.schema import Category, Coded, Numeric, Unit
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Statistic, Table

DEFAULT_CELLS = 8
"""Equal cells of a numeric variable that no table and no mean cuts: a proposal must have something to choose from."""

UNEVEN = 50.0

SECOND_CELLS = 64
"""Equal cells of a numeric variable whose deviation or correlation is asked for."""

UNIT_CELLS = 256
"""An integer that a rule computes with gets a cell per value, if it has no more values than this: then rules are exact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One variable on the grid: code k stands for `levels[k]`, a category's level or a half-open interval."""

    variable: Coded
    levels: tuple[Level, ...]

    @property
    def name(self) -> str:
        return self.variable.name

    @property
    def size(self) -> int:
        return len(self.levels)

    @property
    def breaks(self) -> NDArray[np.float64]:
        """Ends of the cells of a numeric axis, shape (size + 1,)."""
        cells = [level for level in self.levels if isinstance(level, Interval)]
        return np.array([cells[0].low, *(cell.high for cell in cells)])

    @property
    def measure(self) -> NDArray[np.float64]:
        """How many values each code stands for: its width, of whole numbers how many it holds, of a category's level one."""
        if not isinstance(self.levels[0], Interval):
            return np.ones(self.size)
        ends = np.ceil(self.breaks) if isinstance(self.variable, Numeric) and self.variable.integer else self.breaks
        return np.diff(ends)

    @property
    def uneven(self) -> bool:
        """Whether the cells are so unequal in width that only the density says how records are spread inside them."""
        return isinstance(self.levels[0], Interval) and bool(
            np.diff(self.breaks).max() > UNEVEN * np.diff(self.breaks).min()
        )

    def within(self, level: Level) -> NDArray[np.bool_]:
        """Say for each code whether its cell lies in `level`, shape (size,)."""
        if isinstance(level, str):
            return np.array([own == level for own in self.levels])
        return np.array([isinstance(own, Interval) and level.holds(own) for own in self.levels])


@dataclass(frozen=True, slots=True, kw_only=True)
class Computed:
    """A derived variable as a function of own codes: `codes` over the box of the axes `sources`, row-major.

    A code behind the last stands for a value outside the range, or none. With `exact` the derived number has one value in each
    joint cell; if it enters sums, that is the lower end of its cell.
    """

    axis: Axis
    sources: tuple[int, ...]
    codes: NDArray[np.int64]
    exact: bool

    @property
    def name(self) -> str:
        return self.axis.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """The axes of one unit, in the order of its columns of codes, and the derived variables that follow from them."""

    unit: Unit
    axes: tuple[Axis, ...]
    computed: tuple[Computed, ...] = ()

    def function(self, name: str) -> Computed | None:
        """The derived variable of that name, if it is one."""
        return next((entry for entry in self.computed if entry.name == name), None)

    def axis(self, name: str) -> Axis:
        """The axis of a variable, derived ones included; raises KeyError."""
        found = self.function(name)
        return found.axis if found is not None else self.axes[self.position(name)]

    def sources(self, name: str) -> tuple[int, ...]:
        """Columns of the codes that say where a variable lies: its own, or those that it is computed from."""
        found = self.function(name)
        return found.sources if found is not None else (self.position(name),)

    def position(self, name: str) -> int:
        """Column of the codes that holds the variable; raises KeyError."""
        for position, axis in enumerate(self.axes):
            if axis.name == name:
                return position
        raise KeyError(name)

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(axis.size for axis in self.axes)


def whole_or_not(axis: Axis, values: NDArray[np.float64]) -> NDArray[np.float64] | NDArray[np.int64]:
    """Give the values of an integer variable as whole numbers."""
    integer = isinstance(axis.variable, Numeric) and axis.variable.integer
    return np.floor(values).astype(np.int64) if integer else values


def draw_evenly(
    axis: Axis, codes: NDArray[np.int32] | NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.float64] | NDArray[np.int64]:
    """Draw a number evenly inside the cell of each code of a numeric axis."""
    low, high = axis.breaks[codes], axis.breaks[codes + 1]
    return whole_or_not(axis, np.minimum(low + (high - low) * rng.random(len(codes)), np.nextafter(high, low)))


def build_grid(spec: Spec, unit: Unit) -> Grid:
    """Cut each variable of `unit` wherever a table, a universe or a rule cuts it."""
    return Grid(unit=unit, axes=tuple(_axis(variable, spec, unit) for variable in unit.coded))


def _axis(variable: Coded, spec: Spec, unit: Unit) -> Axis:
    if isinstance(variable, Category):
        return Axis(variable=variable, levels=variable.levels)
    low, high = variable.range.low, variable.range.high
    cuts = {cut for cut in _cuts(variable, spec, unit) if low < cut < high}
    cuts |= set(second_cuts(variable)) if has_seconds(variable.name, spec, unit) else set()
    cuts |= resolving_cuts(variable, spec, unit, [low, *sorted(cuts), high]) or _cuts_to_choose(variable, spec, unit)
    return Axis(variable=variable, levels=tuple(Interval(a, b) for a, b in pairwise([low, *sorted(cuts), high])))


def _cuts_to_choose(variable: Numeric, spec: Spec, unit: Unit) -> set[float]:
    """Cuts of a number that nothing cuts: a proposal must have something to choose from."""
    tabled = any(True for _ in _named_levels(variable.name, spec, unit)) or has_seconds(variable.name, spec, unit)
    return set() if tabled else set(even_cuts(variable, DEFAULT_CELLS))


def has_seconds(name: str, spec: Spec, unit: Unit) -> bool:
    """Whether a deviation or correlation is asked for of a variable."""
    seconds = (t for t in spec.targets if isinstance(t, Statistic) and t.statistic in ("deviation", "correlation"))
    return any(target.unit == unit.name and name in target.variables for target in seconds)


def second_cuts(variable: Numeric) -> list[float]:
    """Cuts for a deviation or correlation: a cell for each whole number, where they are not too many."""
    each = variable.integer and variable.range.high - variable.range.low <= UNIT_CELLS
    return even_cuts(variable, int(variable.range.high - variable.range.low) if each else SECOND_CELLS)


def even_cuts(variable: Numeric, cells: int) -> list[float]:
    """Inner ends of so many cells of equal width."""
    edges = np.linspace(variable.range.low, variable.range.high, cells + 1)[1:-1]
    return [
        float(edge) for edge in np.unique(np.ceil(edges) if variable.integer else edges) if edge < variable.range.high
    ]


def quantile_cuts(value: float, *, integer: bool) -> tuple[float, ...]:
    """Where a quantile cuts: at its value; an integer that may be the value itself gets a cell of its own.

    >>> quantile_cuts(38.5, integer=True), quantile_cuts(38, integer=True), quantile_cuts(38.5, integer=False)
    ((39.0,), (38.0, 39.0), (38.5,))
    """
    if not integer:
        return (float(value),)
    return (float(value), float(value) + 1) if float(value).is_integer() else (float(np.ceil(value)),)


def intervals_between(breaks: Sequence[float]) -> tuple[Interval, ...]:
    """The half-open cells between ascending breaks."""
    return tuple(Interval(a, b) for a, b in pairwise(breaks))


def closed_box(axis: Axis, codes: NDArray[np.int64]) -> Box:
    """The values that a cell of each code can hold, both ends in, for interval arithmetic; shape (codes,)."""
    if not isinstance(axis.levels[0], Interval):
        return Levels(codes=codes, levels=tuple(str(level) for level in axis.levels))
    low, high = axis.breaks[codes], axis.breaks[codes + 1]
    if isinstance(axis.variable, Numeric) and axis.variable.integer:
        return Span(low=low, high=high, integer=True)
    return Span(low=low, high=np.nextafter(high, low), integer=False, closed=True)


def break_points(name: str, spec: Spec, unit: Unit, *, integer: bool) -> set[float]:
    """Where tables and quantiles of a variable cut it."""
    cuts = {edge for level in _named_levels(name, spec, unit) for edge in (level.low, level.high)}
    for target in spec.targets:
        if isinstance(target, Statistic) and (target.unit, target.variable) == (unit.name, name):
            quantiles = target.values if target.statistic == "quantile" else ()
            cuts |= {cut for value in quantiles for cut in quantile_cuts(value, integer=integer)}
    return cuts


def _cuts(variable: Numeric, spec: Spec, unit: Unit) -> set[float]:
    cuts = break_points(variable.name, spec, unit, integer=variable.integer)
    for expression in _expressions(spec, unit):
        if Reference(None, variable.name) not in references(expression):
            continue
        points, computed = cut_points(expression, variable.name, integer=variable.integer)
        cuts |= points
        if computed and variable.integer and variable.range.high - variable.range.low <= UNIT_CELLS:
            cuts |= {float(value) for value in range(int(variable.range.low), int(variable.range.high))}
        elif computed:
            cuts |= _thresholds(variable, expression, spec, unit)
    return cuts


def _thresholds(variable: Numeric, expression: Expression, spec: Spec, unit: Unit) -> set[float]:
    """Where a derived variable that is computed from this one changes its class."""
    cuts = set[float]()
    for derived in unit.derived:
        if derived.expression == expression:
            edges = list(break_points(derived.name, spec, unit, integer=getattr(derived.variable, "integer", False)))
            breaks = derived_breaks(derived.variable, edges) if isinstance(derived.variable, Numeric) else []
            cuts |= threshold_cuts(variable, expression, derived.variable, breaks, unit)
    return cuts


def _named_levels(name: str, spec: Spec, unit: Unit) -> Iterable[Interval]:
    for target in spec.targets:
        columns = target.columns if isinstance(target, Table) else target.by
        if target.unit == unit.name and name in columns:
            column = columns.index(name)
            for level in {cell[column] for cell in target.cells}:
                if isinstance(level, Interval):
                    yield level


def _expressions(spec: Spec, unit: Unit) -> Sequence[Expression]:
    rules = [rule.forbid for rule in spec.rules if rule.unit == unit.name]
    universes = [t.universe for t in spec.targets if t.unit == unit.name and t.universe is not None]
    named = {n for t in spec.targets for n in (t.columns if isinstance(t, Table) else (*t.by, *t.variables))}
    return [*rules, *universes, *(d.expression for d in unit.derived if d.name in named)]
