"""Feasibility: the smallest set of targets and rules that cannot hold together, by linear programming.

Over the joint cells of a few variables, "some population meets these targets and rules" is a linear program: of shares p, and
where means or totals of a number are targets, of the sums s that the cells hold of it, low · p ≤ s ≤ high · p. Where it has no
solution, targets and rules are left out one by one as long as it still has none (the deletion filter of Chinneck and Dravnieks
1991): what remains cannot be made smaller. Only sets of variables with few joint cells are tried, so it is quick, and silent
about what it cannot see.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import csr_array, vstack

from llmsynthor.aims.goals import Goal, Goals, StructuralZeros
from llmsynthor.aims.moments import Moment
from llmsynthor.aims.projection import project_columns
from llmsynthor.aims.quantiles import QuantileGoal

LARGEST_PROGRAM = 20_000
"""Joint cells of a program that is tried."""

MOST_FOUND = 5
SLACK = 1e-7

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """Targets and rules, by name, that cannot hold together; without any one of them the others can, on these variables."""

    targets: tuple[str, ...]
    rules: tuple[str, ...]

    def __str__(self) -> str:
        named = [*(f'target "{name}"' for name in self.targets), *(f'rule "{name}"' for name in self.rules)]
        return " and ".join(named) + (" cannot hold together" if len(named) > 1 else " cannot hold")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cells:
    """Joint cells of some variables: a code for each (cells, variables of the grid), and the variables that have sums.

    `lows` and `highs` (sums, cells) are the ends of the cells, from 0 to 1 over the range of the variable.
    """

    codes: NDArray[np.int32]
    summed: tuple[int, ...]
    lows: Floats
    highs: Floats

    @property
    def columns(self) -> int:
        return len(self.codes) * (1 + len(self.summed))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One target or rule on the joint cells: `low` ≤ `matrix` · (p, s …) ≤ `high`, and p = 0 where `forbidden`."""

    name: str
    is_rule: bool
    matrix: csr_array | None = None
    low: Floats | None = None
    high: Floats | None = None
    forbidden: NDArray[np.bool_] | None = None


def find_contradictions(goals: Goals, suspects: Iterable[str]) -> tuple[Contradiction, ...]:
    """Look for contradictions around the named targets; each suspect is explained by at most one."""
    found: list[Contradiction] = []
    axes = {goal.name: goal.projection.axes for goal in goals.tables}
    axes |= {moment.target.name: moment.projection.axes for moment in goals.moments}
    axes |= {quantile.target.name: quantile.projection.axes for quantile in goals.quantiles}
    for name in suspects:
        if len(found) >= MOST_FOUND:
            break
        if name in axes and not any(name in contradiction.targets for contradiction in found):
            contradiction = _around(goals, frozenset(axes[name]))
            if contradiction is not None and contradiction not in found:
                found.append(contradiction)
    return tuple(found)


def _around(goals: Goals, axes: frozenset[int]) -> Contradiction | None:
    """Widen the set of variables step by step, until it shows a contradiction or grows too large."""
    tried: set[frozenset[int]] = set()
    while axes not in tried:
        tried.add(axes)
        cells = _cells(goals, axes)
        if cells is None:
            return None
        parts = _parts(goals, axes, cells)
        if not _feasible(parts, cells):
            return _smallest(parts, cells)
        axes = _wider(goals, axes)
    return None


def _wider(goals: Goals, axes: frozenset[int]) -> frozenset[int]:
    """Take in the neighbour, rules first, that adds the fewest joint cells."""
    tied = [zeros.projection.axes for zeros in goals.zeros if zeros.rule is not None]
    joined = [goal.projection.axes for goal in goals.tables]
    joined += [*(moment.projection.axes for moment in goals.moments), *(q.projection.axes for q in goals.quantiles)]
    for groups in (tied, joined):
        options = [axes | set(group) for group in groups if set(group) & axes and not set(group) <= axes]
        if options:
            return min(
                options,
                key=lambda option: (np.prod([goals.grid.sizes[axis] for axis in option], dtype=float), sorted(option)),
            )
    return axes


def _cells(goals: Goals, axes: frozenset[int]) -> _Cells | None:
    """Lay out the joint cells, codes that nothing tells apart in one; None where there are too many."""
    order = sorted(axes)
    classes = {axis: _classes(goals, axis, axes) for axis in order}
    shape = [int(own.max()) + 1 for own in classes.values()]
    if np.prod(shape, dtype=float) > LARGEST_PROGRAM:
        return None
    place = np.indices(shape).reshape(len(shape), -1)
    codes = np.zeros((place.shape[1], len(goals.grid.axes)), dtype=np.int32)
    for k, axis in enumerate(order):
        codes[:, axis] = np.unique(classes[axis], return_index=True)[1][place[k]]
    inside = [moment for moment in goals.moments if moment.axis >= 0 and set(moment.projection.axes) <= axes]
    ends = {moment.axis: (moment.lows, moment.highs) for moment in inside}
    lows, highs = np.zeros((len(ends), len(codes))), np.zeros((len(ends), len(codes)))
    for k, (axis, (low, high)) in enumerate(ends.items()):
        number = int(classes[axis].max()) + 1
        least, most = np.full(number, np.inf), np.full(number, -np.inf)
        np.minimum.at(least, classes[axis], _scaled(goals, axis, low))
        np.maximum.at(most, classes[axis], _scaled(goals, axis, high))
        lows[k], highs[k] = least[place[order.index(axis)]], most[place[order.index(axis)]]
    return _Cells(codes=codes, summed=tuple(ends), lows=lows, highs=highs)


def _scaled(goals: Goals, axis: int, values: Floats) -> Floats:
    breaks = goals.grid.axes[axis].breaks
    return np.asarray((values - breaks[0]) / (breaks[-1] - breaks[0]))


def _parts(goals: Goals, axes: frozenset[int], cells: _Cells) -> list[_Part]:
    """Write every target and rule that speaks of these variables alone, or has a margin that does, on their joint cells."""
    hard = [goal for goal in goals.tables if set(goal.projection.axes) & axes and goal.trust >= 1.0]
    found = [part for goal in hard if (part := _table_part(goals, goal, axes, cells)) is not None]
    found += [_quantile_part(goal, cells) for goal in goals.quantiles if set(goal.projection.axes) <= axes]
    found += [
        _moment_part(goals, moment, cells)
        for moment in goals.moments
        if moment.axis in cells.summed
        and set(moment.projection.axes) <= axes
        and (moment.population or not moment.is_total)
    ]
    computed = [m for m in goals.moments if m.axis < 0 and m.target.statistic in ("mean", "total")]
    found += [_computed_part(moment, cells) for moment in computed if set(moment.projection.axes) <= axes]
    found += [_rule_part(z, cells) for z in goals.zeros if z.rule is not None and set(z.projection.axes) <= axes]
    return found


def _classes(goals: Goals, axis: int, axes: frozenset[int]) -> Integers:
    """Number the codes of a variable such that codes which nothing tells apart share a number, shape (codes,)."""
    projections = [goal.projection for goal in goals.tables if goal.trust >= 1.0]
    projections += [goal.projection for goal in goals.quantiles]
    projections += [z.projection for z in goals.zeros if z.rule is not None and set(z.projection.axes) <= axes]
    projections += [m.projection for m in goals.moments if m.axis != axis or m.target.universe is not None]
    told = [p.offsets[p.axes.index(axis)] for p in projections if axis in p.axes]
    if not told:
        return np.zeros(goals.grid.sizes[axis], dtype=np.int64)
    return np.asarray(np.unique(np.stack(told, axis=1), axis=0, return_inverse=True)[1]).ravel()


def _table_part(goals: Goals, goal: Goal, axes: frozenset[int], cells: _Cells) -> _Part | None:
    if set(goal.projection.axes) <= axes:
        projection, shares = goal.projection, goal.shares
    elif not goal.about:
        kept = [k for k, name in enumerate(goal.table.columns) if set(goals.grid.sources(name)) <= axes]
        columns, levels = [goal.table.columns[k] for k in kept], [goal.levels[k] for k in kept]
        projection = project_columns(goals.grid, columns, levels, None)
        dropped = tuple(k for k in range(len(goal.shape)) if k not in kept)
        shares = goal.shares.reshape(goal.shape).sum(axis=dropped).ravel()
    else:
        return None
    own = projection.of(cells.codes)
    inside = np.flatnonzero(own >= 0)
    matrix = csr_array((np.ones(len(inside)), (own[inside], inside)), shape=(projection.size, cells.columns))
    hidden = (
        0.5 * goal.table.resolution / max(abs(sum(goal.table.values)), 1e-300) * goal.projection.size / projection.size
    )
    if not goal.about:
        return _Part(name=goal.name, is_rule=False, matrix=matrix, low=shares - hidden, high=shares + hidden)
    total = csr_array(np.ones((1, projection.size))) @ matrix
    relative = matrix - csr_array(shares[:, None]) @ total
    room = np.full(projection.size, hidden)
    return _Part(name=goal.name, is_rule=False, matrix=relative, low=-room, high=room)


def _quantile_part(goal: QuantileGoal, cells: _Cells) -> _Part:
    """At most a share of each group's records lies below the value, and at least as many below or on it."""
    own, share = goal.projection.of(cells.codes), goal.target.probability or 0.0
    inside = np.flatnonzero(own >= 0)
    side, group = own[inside] % 3, own[inside] // 3
    groups = len(goal.on_spot)
    upper = csr_array(((side < 1) - share, (group, inside)), shape=(groups, cells.columns))
    lower = csr_array((share - (side < 2), (group, inside)), shape=(groups, cells.columns))
    ends = np.full(2 * groups, -2.0), np.zeros(2 * groups)
    return _Part(name=goal.target.name, is_rule=False, matrix=vstack([upper, lower]).tocsr(), low=ends[0], high=ends[1])


def _moment_part(goals: Goals, moment: Moment, cells: _Cells) -> _Part:
    """The sums of a group's cells are the mean times their shares; those of a total are the total for one record."""
    own = moment.projection.of(cells.codes)
    group = np.where(own >= 0, own // len(moment.lows), -1)
    inside = np.flatnonzero((group >= 0) & np.isfinite(moment.values[group]))
    breaks = goals.grid.axes[moment.axis].breaks
    range_, low = breaks[-1] - breaks[0], breaks[0]
    shift = 0.0 if moment.is_total else _scaled(goals, moment.axis, moment.values)[group[inside]]
    first = len(cells.codes) * (1 + cells.summed.index(moment.axis))
    of_shares = np.full(len(inside), low / range_) if moment.is_total else -shift
    matrix = csr_array(
        (
            np.concatenate([np.ones(len(inside)), of_shares]),
            (np.tile(group[inside], 2), np.concatenate([first + inside, inside])),
        ),
        shape=(moment.groups, cells.columns),
    )
    scale = range_ * (moment.population or 1.0 if moment.is_total else 1.0)
    wanted = np.nan_to_num(moment.values) / scale if moment.is_total else np.zeros(moment.groups)
    hidden = 0.5 * moment.target.resolution / scale
    return _Part(name=moment.target.name, is_rule=False, matrix=matrix, low=wanted - hidden, high=wanted + hidden)


def _computed_part(moment: Moment, cells: _Cells) -> _Part:
    """A mean or total of a derived number, which has one value in each joint cell: a sum over shares alone."""
    own = moment.projection.of(cells.codes)
    inside = np.flatnonzero(own >= 0)
    inside = inside[np.isfinite(moment.values[own[inside] // len(moment.lows)])]
    group, values = own[inside] // len(moment.lows), moment.lows[own[inside] % len(moment.lows)]
    scale = moment.population or 1.0 if moment.is_total else 1.0
    shift = 0.0 if moment.is_total else moment.values[group]
    hidden = moment.hidden / scale
    wanted = np.nan_to_num(moment.values) / scale if moment.is_total else np.zeros(moment.groups)
    slack = hidden if moment.is_total else 0.0
    ends = [(values - shift + sign * (0.0 if moment.is_total else hidden)) for sign in (-1.0, 1.0)]
    upper, lower = (csr_array((end, (group, inside)), shape=(moment.groups, cells.columns)) for end in ends)
    far = np.full(moment.groups, 10.0 * (float(np.abs(moment.lows).max()) + float(np.abs(wanted).max()) + 1.0))
    return _Part(
        name=moment.target.name,
        is_rule=False,
        matrix=vstack([upper, lower]).tocsr(),
        low=np.concatenate([-far, wanted - slack]),
        high=np.concatenate([wanted + slack, far]),
    )


def _rule_part(zeros: StructuralZeros, cells: _Cells) -> _Part:
    name = zeros.rule.name if zeros.rule is not None else ""
    return _Part(name=name, is_rule=True, forbidden=zeros.forbidden[zeros.projection.of(cells.codes)])


def _between(cells: _Cells) -> csr_array:
    """Rows that are at most 0 where every cell's sums lie between its ends."""
    size, places = len(cells.codes), np.arange(len(cells.codes))
    rows = []
    for k, (lows, highs) in enumerate(zip(cells.lows, cells.highs, strict=True)):
        sums = places + size * (1 + k)
        for sign, ends in ((-1.0, lows), (1.0, highs)):
            data, columns = np.concatenate([np.full(size, sign), -sign * ends]), np.concatenate([sums, places])
            rows.append(csr_array((data, (np.tile(places, 2), columns)), shape=(size, cells.columns)))
    return vstack(rows).tocsr() if rows else csr_array((0, cells.columns))


def _feasible(parts: Sequence[_Part], cells: _Cells) -> bool:
    """Whether some distribution over the joint cells meets all parts."""
    size = len(cells.codes)
    upper = np.ones(cells.columns)
    for part in parts:
        if part.forbidden is not None:
            upper[:size][part.forbidden] = 0.0
    tables = [part for part in parts if part.matrix is not None]
    if not tables:
        return bool(upper[:size].any())
    matrix, between = vstack([part.matrix for part in tables]).tocsr(), _between(cells)
    low, high = (np.concatenate([getattr(part, end) for part in tables]) for end in ("low", "high"))
    solved = linprog(
        np.zeros(cells.columns),
        A_ub=vstack([matrix, -matrix, between]),
        b_ub=np.concatenate([high + SLACK, SLACK - low, np.zeros(between.shape[0])]),
        A_eq=csr_array((np.ones(size), (np.zeros(size, dtype=np.int64), np.arange(size))), shape=(1, cells.columns)),
        b_eq=[1.0],
        bounds=np.stack([np.zeros(cells.columns), upper], axis=1),
        method="highs",
    )
    return bool(solved.status != 2)


def _smallest(parts: Sequence[_Part], cells: _Cells) -> Contradiction:
    """Leave out part after part as long as the rest still contradicts itself."""
    kept = list(parts)
    for part in list(parts):
        rest = [other for other in kept if other is not part]
        if not _feasible(rest, cells):
            kept = rest
    return Contradiction(
        targets=tuple(part.name for part in kept if not part.is_rule),
        rules=tuple(part.name for part in kept if part.is_rule),
    )
