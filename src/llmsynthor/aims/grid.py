"""Values ⇄ codes: every variable is cut at the common refinement of all tables, universes and rules."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.laws import resolving_cuts
from llmsynthor.aims.thresholds import derived_breaks, threshold_cuts
from llmsynthor.aims.uses import Use, Uses, read_uses
from llmsynthor.spec.expressions import Expression, cut_points
from llmsynthor.spec.levels import Interval, Level
from llmsynthor.spec.possibility import Box, Levels, Span
from llmsynthor.spec.schema import Category, Coded, Numeric, Unit
from llmsynthor.spec.specification import Spec

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
            inside = np.zeros(self.size, dtype=np.bool_)
            inside[[self.levels.index(level)] if level in self.levels else []] = True
            return inside
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
    return grid_of(unit, read_uses(spec))


def grid_of(unit: Unit, uses: Uses) -> Grid:
    """The same where the uses of the variables are known."""
    return Grid(unit=unit, axes=tuple(_axis(uses[unit.name, variable.name], uses) for variable in unit.coded))


def _axis(use: Use, uses: Uses) -> Axis:
    variable = use.variable
    if isinstance(variable, Category):
        return Axis(variable=variable, levels=variable.levels)
    cuts = with_seconds(use, _cuts(variable, use, uses))
    even = set() if use.intervals or use.seconds else set(even_cuts(variable, DEFAULT_CELLS))
    return cut_at(variable, cuts | (resolving_cuts(use, breaks_at(variable, cuts)) or even))


def with_seconds(use: Use, cuts: set[float]) -> set[float]:
    """Add the cuts that a deviation or correlation needs."""
    return cuts | (set(second_cuts(use.number)) if use.seconds else set())


def breaks_at(variable: Numeric, cuts: Iterable[float]) -> list[float]:
    """The ends of a number's range and the cuts inside it, ascending."""
    low, high = variable.range.low, variable.range.high
    return [low, *sorted(cut for cut in cuts if low < cut < high), high]


def cut_at(variable: Numeric, cuts: Iterable[float]) -> Axis:
    """The axis of a number that is cut at all of these points that lie inside its range."""
    return Axis(variable=variable, levels=intervals_between(breaks_at(variable, cuts)))


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


def break_points(use: Use) -> set[float]:
    """Where tables and quantiles of a variable cut it, those of units below included."""
    cuts = {edge for level in use.intervals for edge in (level.low, level.high)}
    below = (target for target in use.from_below if target.statistic == "quantile")
    values = (value for target in (*use.stated("quantile"), *below) for value in target.values)
    return cuts | {cut for value in values for cut in quantile_cuts(value, integer=use.integer)}


def _cuts(variable: Numeric, use: Use, uses: Uses) -> set[float]:
    cuts = break_points(use)
    for expression in _read_by(use, uses):
        points, computed = cut_points(expression, variable.name, integer=variable.integer)
        cuts |= points
        if computed and variable.integer and variable.range.high - variable.range.low <= UNIT_CELLS:
            cuts |= {float(value) for value in range(int(variable.range.low), int(variable.range.high))}
        elif computed:
            cuts |= _thresholds(variable, expression, use.unit, uses)
    return cuts


def _thresholds(variable: Numeric, expression: Expression, unit: Unit, uses: Uses) -> set[float]:
    """Where a derived variable that is computed from this one changes its class."""
    cuts = set[float]()
    for derived in unit.derived:
        if derived.expression == expression:
            edges = list(break_points(uses[unit.name, derived.name]))
            breaks = derived_breaks(derived.variable, edges) if isinstance(derived.variable, Numeric) else []
            cuts |= threshold_cuts(variable, expression, derived.variable, breaks, unit)
    return cuts


def _read_by(use: Use, uses: Uses) -> Iterator[Expression]:
    """Rules and universes that name a variable, and derived variables of which a target says something."""
    idle = {d.expression for d in use.unit.derived if not uses[use.unit.name, d.name].named} - uses.conditions
    for owner, expression in use.expressions:
        if owner.name == use.unit.name and expression not in idle:
            yield expression
