"""Where variables are cut: at the common refinement of all tables, universes and rules, and as finely as laws and sums need."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.balance import has_fixed_sum
from llmsynthor.aims.density import Density, atom_cuts, mixed
from llmsynthor.aims.grid import Axis, Grid
from llmsynthor.aims.laws import expected_laws, resolving_cuts
from llmsynthor.aims.thresholds import threshold_cuts
from llmsynthor.aims.uses import Use, Uses, read_uses
from llmsynthor.spec.cut_points import cut_points
from llmsynthor.spec.expressions import Aggregate, Expression, Lookup, Node, Operation, Reference, nodes
from llmsynthor.spec.expressions import Literal as Constant
from llmsynthor.spec.levels import Interval
from llmsynthor.spec.schema import Category, Derived, Numeric, Unit
from llmsynthor.spec.specification import Spec

Floats = NDArray[np.float64]

DEFAULT_CELLS = 8
"""Equal cells of a numeric variable that no table and no mean cuts: a proposal must have something to choose from."""


SECOND_CELLS = 64
"""Equal cells of a numeric variable whose deviation or correlation is asked for."""


UNIT_CELLS = 256
"""An integer that a rule computes with gets a cell per value, if it has no more values than this: then rules are exact."""

FIXED_CELLS = 2_000
"""An integer whose sum over siblings a rule fixes has a cell per value up to so many: others never add up."""

EACH_VALUE = 256
"""A derived whole number with no more values than this has a cell for each."""


EVEN, OCTAVES, PER_OCTAVE = 128, 14, 16
"""Cells of a derived number: so many equal ones, and beside them so many to every doubling, for values far below the range."""


MOST_CHOICES = 4_096
"""Values of a lookup that have a cell each."""

COPYING = ("first", "last", "min", "max", "previous")
"""Functions over children that give one of their values: a cut of the result is a cut of the variable."""

THIS, OTHER = Reference(None, "this"), Reference(None, "other")


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
            edges = break_points(uses[unit.name, derived.name])
            breaks = breaks_at(derived.variable, edges) if isinstance(derived.variable, Numeric) else []
            cuts |= threshold_cuts(variable, expression, derived.variable, breaks, unit)
    return cuts


def _read_by(use: Use, uses: Uses) -> Iterator[Expression]:
    """Rules and universes that name a variable, and derived variables of which a target says something."""
    idle = {d.expression for d in use.unit.derived if not uses[use.unit.name, d.name].named} - uses.conditions
    for owner, expression in use.expressions:
        if owner.name == use.unit.name and expression not in idle:
            yield expression


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """An axis, and of a number the value that each of its cells stands for where it enters sums."""

    axis: Axis
    values: Floats | None = None


def cut_variable(use: Use, uses: Uses) -> Cut:
    """Cut a variable wherever something depends on it, and into atoms where its very value matters.

    It does where it is computed with, and where units below have sums of it: how many children go with large values is then a
    matter of whole records.
    """
    variable = use.variable
    if isinstance(variable, Category):
        return Cut(axis=Axis(variable=variable, levels=variable.levels))
    points, computed = _points(use, uses, frozenset())
    computed = computed or use.is_summed_below
    low, high = variable.range.low, variable.range.high
    whole = variable.integer and high - low <= (FIXED_CELLS if has_fixed_sum(use, uses) else UNIT_CELLS)
    if use.counts or (computed and whole):
        points |= {float(value) for value in range(int(low), int(np.ceil(high)))}
    elif not computed:
        points = with_seconds(use, points)
        finer = resolving_cuts(use, breaks_at(variable, points))
        points |= finer or (set() if points else set(even_cuts(variable, DEFAULT_CELLS)))
    breaks = breaks_at(variable, points)
    density = mixed(expected_laws(use))
    if computed and not whole:
        breaks = list(atom_cuts(density, breaks, integer=variable.integer))
    axis = Axis(variable=variable, levels=intervals_between(breaks))
    return Cut(axis=axis, values=_representatives(axis, density, integer=variable.integer))


def cut_derived(use: Use) -> Axis:
    """Cut a derived variable as tables and quantiles cut it; expressions read its value, not its cell."""
    if isinstance(use.variable, Category):
        return Axis(variable=use.variable, levels=use.variable.levels)
    return cut_at(use.variable, break_points(use))


def _representatives(axis: Axis, density: Density, *, integer: bool) -> Floats:
    low, high = axis.breaks[:-1], axis.breaks[1:]
    middle = density.inside(low, high, np.full(axis.size, 0.5))
    return np.asarray(np.clip(np.floor(middle), np.ceil(low), np.ceil(high) - 1)) if integer else middle


def expression_cuts(variable: Numeric, spec: Spec, unit: Unit) -> list[float]:
    """Where rules, universes and derived variables cut a number, such as at the age of consent."""
    uses = read_uses(replace(spec, targets=()))
    points, _ = _expression_points(uses[unit.name, variable.name], uses, frozenset())
    return breaks_at(variable, points)[1:-1]


def told_apart(use: Use, uses: Uses) -> set[float]:
    """Where rules, universes and derived variables tell the values of a number apart."""
    return set(breaks_at(use.number, _expression_points(use, uses, frozenset())[0])[1:-1])


def _points(use: Use, uses: Uses, seen: frozenset[str]) -> tuple[set[float], bool]:
    """Break points of a variable, and whether its very value is computed with; copies of it pass theirs on."""
    more, computed = _expression_points(use, uses, seen)
    return break_points(use) | more, computed


def _expression_points(use: Use, uses: Uses, seen: frozenset[str]) -> tuple[set[float], bool]:
    points, computed = set[float](), False
    for owner, expression in use.expressions:
        tree = _simplified(expression.tree, owner, use.variable.name, use.unit)
        copies = [derived for derived in owner.derived if derived.expression == expression] if tree == THIS else []
        if copies:
            for derived in (d for d in copies if f"{owner.name}.{d.name}" not in seen):
                more, also = _points(uses[owner.name, derived.name], uses, seen | {f"{owner.name}.{derived.name}"})
                copied = uses[owner.name, derived.name]
                points = points | more
                computed = computed or also or copied.is_summed or copied.is_summed_below
            continue
        if not any(node == THIS for node in nodes(tree)):
            continue
        more_points, used = cut_points(Expression(expression.text, tree), THIS.name, integer=use.integer)
        points, computed = points | more_points, computed or used
    return points, computed


def _simplified(node: Node, owner: Unit, name: str, unit: Unit) -> Node:
    """Write the variable in question as `this`, and what copies one of its values as well."""
    if isinstance(node, Reference):
        return THIS if node.name == name and (node.unit or owner.name) == unit.name else OTHER
    if isinstance(node, Aggregate):
        operand = _simplified(node.operand, owner, name, unit)
        return THIS if operand == THIS and node.function in COPYING else Aggregate(node.function, operand)
    if isinstance(node, Operation):
        return Operation(node.symbol, tuple(_simplified(operand, owner, name, unit) for operand in node.operands))
    if isinstance(node, Lookup):
        return replace(node, keys=tuple(_simplified(key, owner, name, unit) for key in node.keys))
    return node


def cut_position(name: str, intervals: frozenset[Interval]) -> Axis:
    """Cut the place among the parent's records where tables cut it."""
    most = max(2.0, float(max(level.high for level in intervals)))
    variable = Numeric(name=name, kind="integer", range=Interval(1.0, most))
    return cut_at(variable, {edge for level in intervals for edge in (level.low, level.high)})


def cut_values(derived: Derived, variable: Numeric) -> Axis:
    """Cut a derived number finely, so that its sums can be reckoned with its cells."""
    return Axis(variable=variable, levels=intervals_between(_value_breaks(derived, variable)))


def _value_breaks(derived: Derived, variable: Numeric) -> list[float]:
    low, high = variable.range.low, variable.range.high
    each = choices(derived.expression.tree)
    if each is not None and len(each) <= MOST_CHOICES:
        return breaks_at(variable, each)
    if variable.integer and high - low <= EACH_VALUE:
        return breaks_at(variable, np.arange(np.ceil(low), high).tolist())
    size = max(high, -low) * 2.0 ** (-np.arange(OCTAVES * PER_OCTAVE) / PER_OCTAVE)
    cuts = {*even_cuts(variable, EVEN), *size.tolist(), *(-size).tolist(), 0.0}
    return breaks_at(variable, {float(np.ceil(cut)) for cut in cuts} if variable.integer else cuts)


def choices(tree: Node) -> frozenset[float] | None:
    """The values that an expression chooses from, a lookup's or constants; None where it computes them."""
    if isinstance(tree, Constant):
        return frozenset({float(tree.value)}) if isinstance(tree.value, int | float) else None
    if isinstance(tree, Lookup):
        return None if tree.texts else frozenset(float(value) for value in tree.values)
    if isinstance(tree, Operation) and tree.symbol == "if":
        both = [choices(branch) for branch in tree.operands[1:]]
        return None if None in both else frozenset[float]().union(*(own for own in both if own is not None))
    return None


def break_points(use: Use) -> set[float]:
    """Where tables and quantiles of a variable cut it, those of units below included."""
    cuts = {edge for level in use.intervals for edge in (level.low, level.high)}
    below = (target for target in use.from_below if target.statistic == "quantile")
    values = (value for target in (*use.stated("quantile"), *below) for value in target.values)
    return cuts | {cut for value in values for cut in quantile_cuts(value, integer=use.integer)}


def with_seconds(use: Use, cuts: set[float]) -> set[float]:
    """Add the cuts that a deviation or correlation needs."""
    return cuts | (set(second_cuts(use.number)) if use.seconds else set())


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


def breaks_at(variable: Numeric, cuts: Iterable[float]) -> list[float]:
    """The ends of a number's range and the cuts inside it, ascending."""
    low, high = variable.range.low, variable.range.high
    return [low, *sorted(cut for cut in cuts if low < cut < high), high]


def cut_at(variable: Numeric, cuts: Iterable[float]) -> Axis:
    """The axis of a number that is cut at all of these points that lie inside its range."""
    return Axis(variable=variable, levels=intervals_between(breaks_at(variable, cuts)))


def intervals_between(breaks: Sequence[float]) -> tuple[Interval, ...]:
    """The half-open cells between ascending breaks."""
    return tuple(Interval(a, b) for a, b in pairwise(breaks))
