"""Means, totals and quantiles whose variable, groups or universe are a parent's or computed: on the wide grid of their unit.

A quantile cuts its variable where it lies, and shares records out on either side. The sum of a parent's number is one of intervals,
as that of an own number: values are moved inside them at the end (`realization/sums`), where the parent's counts once for every
child. A derived number enters sums as the middle of a fine cell of its own values: what that is off is made up by moving the
numbers that it is computed from.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.columns import Columns, Flags
from llmsynthor.aims.cuts import choices, told_apart
from llmsynthor.aims.goals import Goal, Goals, bring_table, table_levels
from llmsynthor.aims.grid import OUTSIDE, Axis, Grid, Projection, membership, pack, project_columns
from llmsynthor.aims.layout import Layout, Place, value_name
from llmsynthor.aims.moments import SHARED, Moment, centres_of, is_overall, is_tabled, stated_groups, unknown_law
from llmsynthor.aims.quantiles import QuantileGoal, quantile_goal
from llmsynthor.aims.uses import SUMS, Use, Uses
from llmsynthor.spec.expressions import Reference, references
from llmsynthor.spec.levels import Level
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Statistic, Table

BETWEEN = 0.1
"""Sums of a parent's number, its own and those over children, are brought within reach of so much of the room of its values."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wide:
    """The wide grid of a unit, and which of its axes are computed: those may have no value."""

    grid: Grid
    computed: tuple[bool, ...]


def bring_wide(spec: Spec, columns: Columns, number: int, uses: Uses) -> Goals:
    """Bring the tables of a unit, and the means, totals and quantiles that are not about its own variables alone."""
    layout = columns.layout
    unit, wide = layout.units[number], _Wide(grid=layout.wide_grid(number), computed=layout.computed(number))
    moments, quantiles = list[Moment](), list[QuantileGoal]()
    for target in (target for target in columns.wide if target.unit == unit.name):
        flag = None if target.universe is None else columns.flags[unit.name, str(target.universe)]

        def project(names: Sequence[str], levels: Sequence[Sequence[Level]], flag: str | None = flag) -> Projection:
            return project_wide(wide, names, levels, flag)

        if target.statistic == "quantile":
            names = (*target.by, target.variable)
            axis = wide.grid.axis(target.variable)
            quantiles.append(quantile_goal(target, axis, lambda levels, names=names, p=project: p(names, levels)))  # type: ignore[misc]
        elif target.statistic in SUMS:
            moments.append(_moment(target, wide.grid, uses, project))
    tables = (t for t in spec.targets if t.unit == unit.name and isinstance(t, Table))
    goals = tuple(_wide_goal(table, wide, columns.flags) for table in tables)
    return Goals(grid=wide.grid, tables=goals, zeros=(), moments=tuple(moments), quantiles=tuple(quantiles))


def _wide_goal(table: Table, wide: _Wide, flags: Flags) -> Goal:
    levels, grid = table_levels(table, wide.grid), wide.grid
    flag = flags.get((table.unit, str(table.universe or "")))
    if table.universe is not None and flag is None and not table.is_listed:
        projection = project_columns(grid, table.columns, levels, table.universe)
    else:
        projection = project_wide(wide, table.columns, levels, flag, table.cells if table.is_listed else None)
    return bring_table(table, grid, projection)


Project = Callable[[Sequence[str], Sequence[Sequence[Level]]], Projection]


def _moment(target: Statistic, grid: Grid, uses: Uses, project: Project) -> Moment:
    prefix, _, name = target.variable.rpartition(".")
    use, stated = uses[prefix or target.unit, name], stated_groups(target, uses)
    derived = any(own.name == name for own in use.unit.derived)
    column = f"{prefix}." * bool(prefix) + value_name(name) if derived else target.variable
    axis = grid.axis(column)
    low, high = axis.breaks[:-1], axis.breaks[1:]
    if use.integer:
        low, high = np.ceil(low), np.ceil(high) - 1
    overall = not prefix and is_overall(target)
    centres = (
        centres_of(axis, use, overall=overall)
        if not derived
        else np.where(_is_choice(use, axis), low, (low + high) / 2)
    )
    if derived:
        low = high = centres
    typical = np.abs(np.nan_to_num(stated.expected)).max(initial=0.0) or float(np.median(np.abs(centres)))
    cell = int(np.clip(np.searchsorted(axis.breaks, typical, side="right") - 1, 0, axis.size - 1))
    return Moment(
        target=target,
        axis=-1,
        projection=project([*target.by, column], [*stated.levels, axis.levels]),
        values=stated.values,
        cells=stated.cells,
        lows=low,
        highs=high,
        errors=stated.errors,
        whole=use.integer,
        near=1.0 if not derived and is_tabled(use) else SHARED,
        sized=False,
        expected=stated.expected,
        population=target.base or uses.populations[target.unit],
        unit=float(np.diff(np.ceil(axis.breaks) if use.integer else axis.breaks)[cell]),
        **unknown_law(centres, len(stated.values)),
    )


def _is_choice(use: Use, axis: Axis) -> NDArray[np.bool_]:
    """Which cells begin with a value that the derived number chooses, and hold no other."""
    derived = next(own for own in use.unit.derived if own.name == use.variable.name)
    each = choices(derived.expression.tree)
    return np.isin(axis.breaks[:-1], list(each)) if each is not None else np.zeros(axis.size, dtype=bool)


def within_reach(
    layout: Layout, own: Sequence[Goals], wide: Sequence[Goals], uses: Uses
) -> tuple[tuple[Goals, ...], tuple[Goals, ...]]:
    """Narrow the sums of a number that move others with them: all of them must be within reach at once.

    Where children count a parent's number, its values may move as far as nothing tells them apart.
    """

    def narrowed(number: int, moment: Moment) -> Moment:
        if moment.target.statistic not in SUMS:
            return moment
        prefix, _, name = moment.target.variable.rpartition(".")
        owner = layout.number(prefix) if prefix else number
        place = layout.place(owner, Reference(None, name))
        assert place is not None
        use = uses[layout.units[owner].name, name]
        if layout.columns[owner][place[1]].role != "own" or not (use.is_summed_below or uses.is_computed(use)):
            return moment
        if uses.is_computed(use):
            return replace(moment, near=min(moment.near, SHARED))
        lows, highs = reach_of(layout, own, wide, place, told_apart(use, uses))
        return replace(moment, near=BETWEEN, lows=lows, highs=highs - (1.0 if use.integer else 0.0))

    found = [
        tuple(
            replace(goals, moments=tuple(narrowed(u, moment) for moment in goals.moments))
            for u, goals in enumerate(all_of)
        )
        for all_of in (own, wide)
    ]
    return found[0], found[1]


def reach_of(
    layout: Layout, own: Sequence[Goals], wide: Sequence[Goals], place: Place, points: Collection[float] = ()
) -> tuple[Floats, Floats]:
    """Ends of the cells of an own number that tables, quantiles, rules or groups tell apart, for each of its codes.

    `points` are where expressions, such as universes, tell its values apart besides.
    A number that counts children stays what it is: there are as many of them.
    """
    unit, position = place
    axis = layout.columns[unit][position].axis
    if position in layout.counting(unit):
        whole = np.ceil(axis.breaks)
        return whole[:-1], whole[1:]
    told = [(goals, position) for goals in (own[unit],)]
    told += [
        (goals, at)
        for number, goals in enumerate(wide)
        for at, other in enumerate(layout.wide_places(number))
        if other == place
    ]
    new = np.zeros(axis.size, dtype=bool)
    new[1:] = np.isin(axis.breaks[1:-1], list(points))
    for goals, at in told:
        for projection in _telling(goals, at):
            new[1:] |= np.diff(projection.offsets[projection.axes.index(at)]) != 0
    first = np.flatnonzero(np.insert(new[1:], 0, True)) if axis.size else np.zeros(0, dtype=np.int64)
    run = np.searchsorted(first, np.arange(axis.size), side="right") - 1
    breaks = np.ceil(axis.breaks) if getattr(axis.variable, "integer", False) else axis.breaks
    return breaks[first[run]], breaks[np.append(first[1:], axis.size)[run]]


def _telling(goals: Goals, at: int) -> Iterator[Projection]:
    """What tells codes of an axis apart; the sums of the number itself only by their groups and universes."""
    for kind in (goals.tables, goals.quantiles, goals.zeros):
        yield from (part.projection for part in kind if at in part.projection.axes)
    name = goals.grid.axes[at].name
    for moment in goals.moments:
        target = moment.target
        named = {str(r) for r in references(target.universe)} if target.universe is not None else set()
        if at in moment.projection.axes and (target.variable != name or name in {*target.by, *named}):
            yield moment.projection


def project_wide(
    wide: _Wide,
    names: Sequence[str],
    levels: Sequence[Sequence[Level]],
    flag: str | None,
    listed: Collection[tuple[Level, ...]] | None = None,
) -> Projection:
    """Project on columns of the wide grid; with a flag only records for which its condition holds, or only `listed` cells."""
    grid = wide.grid
    axes = [grid.position(name) for name in names]
    classes = [
        _classes(grid.axes[axis], column, outside_too=wide.computed[axis])
        for axis, column in zip(axes, levels, strict=True)
    ]
    shape = tuple(len(column) for column in levels)
    cells = np.full(tuple(size + 1 for size in shape), OUTSIDE, dtype=np.int64)
    cells[tuple(slice(0, size) for size in shape)] = np.arange(int(np.prod(shape))).reshape(shape)
    if listed is not None:
        cells = _only_listed(listed, levels, cells)
    elif flag is not None:
        axes, classes = [*axes, grid.position(flag)], [*classes, np.array([0, 1, 0])]
        cells = np.stack([np.full_like(cells, OUTSIDE), cells], axis=-1)
    return pack(axes, classes, cells, int(np.prod(shape)))


def _only_listed(
    listed: Collection[tuple[Level, ...]], levels: Sequence[Sequence[Level]], cells: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The box of a table whose unnamed cells are open: they are no cells of it."""
    index = [{level: position for position, level in enumerate(column)} for column in levels]
    places = [[own[level] for own, level in zip(index, cell, strict=True)] for cell in listed]
    found = np.full_like(cells, OUTSIDE)
    at = tuple(np.array(places).T)
    found[at] = cells[at]
    return found


def _classes(axis: Axis, levels: Sequence[Level], *, outside_too: bool) -> NDArray[np.int64]:
    """Class of each code; the code behind the last stands for a computed value that is missing or outside."""
    member = membership(axis, levels)
    classes = np.where(member < 0, len(levels), member)
    return np.append(classes, len(levels)) if outside_too else classes
