"""Margins that several tables state, and how far each table can be trusted in them: what rounding and margins of error hide."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.goals import Goal, Goals
from llmsynthor.aims.grid import possible_in_cells
from llmsynthor.spec.expressions import Expression, walk
from llmsynthor.spec.levels import Interval, Level
from llmsynthor.spec.targets import Table

BASES = (1000.0, 100.0, 10.0, 5.0, 3.0)
"""What publishers round counts to, and what is looked for where it is not stated."""


ENOUGH_VALUES = 8
"""So many different values that are all multiples of a base show it."""

SIGMA = 1.645
"""Margins of error are taken at 90 %, as the ACS publishes them: so many standard errors."""

Floats = NDArray[np.float64]
Key = tuple[str, tuple[str, ...], tuple[tuple[Level, ...], ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """A margin that several tables state: `members` are their numbers, `cells[k]` maps member k's cells to the margin's.

    Cells of a table outside the margin's universe are -1. Of each member's cells, all (cells of the margin,): `stated` are the
    shares, `hidden` what rounding may hide in them, `errors` their standard errors, `weights` precisions, `zeros` those that it
    gives as zero for good.
    """

    universe: str
    columns: tuple[str, ...]
    levels: tuple[tuple[Level, ...], ...]
    members: tuple[int, ...]
    cells: tuple[NDArray[np.int64], ...]
    stated: Floats
    hidden: Floats
    errors: Floats
    weights: Floats
    zeros: NDArray[np.bool_]

    @property
    def size(self) -> int:
        return int(np.prod([len(column) for column in self.levels]))

    def margin(self, member: int, shares: Floats) -> Floats:
        """Sum a table's shares over what the margin does not tell apart; as a distribution over the margin's universe."""
        return _summed(self.cells[member], shares, self.size)


def shared_margins(goals: Goals) -> tuple[Shared, ...]:
    """Find every margin that two or more hard tables state, small ones first."""
    found: dict[Key, set[int]] = {}
    about = dict[str, list[int]]()
    for k, goal in enumerate(goals.tables):
        for name in goal.table.columns if goal.trust >= 1.0 else ():
            about.setdefault(name, []).append(k)
    for a, b in sorted({pair for own in about.values() for pair in combinations(own, 2) if pair[0] < pair[1]}):
        for key in _common(goals, a, b):
            found.setdefault(key, set()).update((a, b))
    keys = sorted(found, key=lambda key: (len(key[1]), key[0], key[1]))
    return tuple(_shared(goals, key, tuple(sorted(found[key]))) for key in keys)


def _common(goals: Goals, a: int, b: int) -> Iterator[Key]:
    """The largest margin that both tables state, over the smaller of their universes."""
    one, other = goals.tables[a], goals.tables[b]
    columns = tuple(sorted(set(one.table.columns) & set(other.table.columns)))
    levels = tuple(_coarsest(one, other, name) for name in columns)
    if not columns or all(len(column) < 2 for column in levels):
        return
    if one.about == other.about:
        yield (one.about, columns, levels)
    elif "" in (one.about, other.about):
        whole, part = (other, one) if one.about else (one, other)
        if part.table.universe is not None and _tells(goals, whole, part.table.universe):
            yield (part.about, columns, levels)


def _tells(goals: Goals, goal: Goal, universe: Expression) -> bool:
    """Whether every cell of a table lies wholly inside or wholly outside a universe."""
    plain = list(walk(universe.tree, aggregates=False))
    if plain != list(walk(universe.tree)):  # it looks at other records too: no cell says it
        return False
    if not {reference.name for reference in plain} <= set(goal.table.columns):
        return False
    may, may_not = possible_in_cells(goals.grid, universe, goal.table.columns, goal.levels)
    return not bool((may & may_not).any())


def _coarsest(one: Goal, other: Goal, name: str) -> tuple[Level, ...]:
    """Levels that both tables can be summed to."""
    mine, theirs = (goal.levels[goal.table.columns.index(name)] for goal in (one, other))
    if not isinstance(mine[0], Interval):
        return mine
    cuts = sorted(_ends(mine) & _ends(theirs))
    return tuple(Interval(a, b) for a, b in pairwise(cuts))


def _ends(levels: Sequence[Level]) -> set[float]:
    return {end for level in levels if isinstance(level, Interval) for end in (level.low, level.high)}


def _shared(goals: Goals, key: Key, members: tuple[int, ...]) -> Shared:
    universe, columns, levels = key
    size, tables = int(np.prod([len(column) for column in levels])), [goals.tables[member] for member in members]
    cells = tuple(_map_cells(goals, goal, universe, columns, levels) for goal in tables)
    stated = np.stack([_summed(own, goal.stated, size) for own, goal in zip(cells, tables, strict=True)])
    hidden = np.stack([_hidden(goal, own, at) for goal, own, at in zip(tables, cells, stated, strict=True)])
    errors = np.stack([_errors(goal, own, size) for goal, own in zip(tables, cells, strict=True)])
    rounding = np.stack([_rounded_by(goal, own, size) for goal, own in zip(tables, cells, strict=True)])
    importance = np.array([goal.table.importance for goal in tables])[:, None]
    floor = np.maximum(floors(stated, hidden, errors, rounding), 1e-9)
    return Shared(
        universe=universe,
        columns=columns,
        levels=levels,
        members=members,
        cells=cells,
        stated=stated,
        hidden=hidden,
        errors=errors,
        weights=np.asarray(importance / (errors**2 + floor**2)),
        zeros=zeros_for_good(stated, hidden, [goal.table.structural for goal in tables]),
    )


def _summed(cells: NDArray[np.int64], shares: Floats, size: int) -> Floats:
    found = np.bincount(cells[cells >= 0], weights=shares[cells >= 0], minlength=size)
    return np.asarray(found / max(found.sum(), 1e-300))


def _map_cells(
    goals: Goals, goal: Goal, universe: str, columns: tuple[str, ...], levels: tuple[tuple[Level, ...], ...]
) -> NDArray[np.int64]:
    """Number of the margin's cell for each cell of the table, -1 outside."""
    place = np.indices(goal.shape).reshape(len(goal.shape), -1)
    found, inside = np.zeros(place.shape[1], dtype=np.int64), np.ones(place.shape[1], dtype=bool)
    for name, coarse in zip(columns, levels, strict=True):
        own = goal.levels[goal.table.columns.index(name)]
        named = {level: number for number, level in enumerate(coarse)}
        held = [named[level] if level in named else _holder(level, coarse) for level in own]
        member = np.array(held)[place[goal.table.columns.index(name)]]
        found, inside = found * len(coarse) + np.maximum(member, 0), inside & (member >= 0)
    if goal.about != universe:
        part = next(other.table.universe for other in goals.tables if other.about == universe)
        assert part is not None
        inside &= possible_in_cells(goals.grid, part, goal.table.columns, goal.levels)[0]
    return np.where(inside, found, -1)


def _holder(level: Level, coarse: Sequence[Level]) -> int:
    for number, candidate in enumerate(coarse):
        if isinstance(level, Interval) and isinstance(candidate, Interval) and candidate.holds(level):
            return number
    return -1


def _errors(goal: Goal, cells: NDArray[np.int64], size: int) -> Floats:
    """Standard errors of a margin's cells: those of the summed cells, taken as independent."""
    inside = cells >= 0
    total = max(float(goal.stated[inside].sum()), 1e-300)
    variance = np.bincount(cells[inside], weights=(goal.errors[inside] / SIGMA) ** 2, minlength=size)
    return np.asarray(np.sqrt(variance) / total)


def _rounding(goal: Goal) -> float:
    """What rounding may hide in one cell of a table, as a share."""
    return 0.5 * resolution(goal.table) / max(abs(sum(goal.table.values)), 1e-300)


def _rounded_by(goal: Goal, cells: NDArray[np.int64], size: int) -> Floats:
    """What rounding makes of a margin's cells, as that of summed cells that were rounded independently."""
    number = np.bincount(cells[cells >= 0], minlength=size)
    return np.asarray(_rounding(goal) * np.sqrt(np.maximum(number, 1)))


def _hidden(goal: Goal, cells: NDArray[np.int64], stated: Floats) -> Floats:
    """What rounding may hide in each cell of the margin, as a share."""
    number = np.bincount(cells[cells >= 0], minlength=len(stated)).astype(np.float64)
    return hidden_by_rounding(_rounding(goal), number, stated)


def resolution(table: Table) -> float:
    """What a table's values were rounded to: stated, or the unit of their last digit, or the base that all are multiples of.

    >>> resolution(Table(name="", unit="", columns=(), cells=((),) * 8, values=(120, 40, 70, 310, 990, 60, 1240, 80)))
    10.0
    """
    shown = table.resolution
    if table.rounding is not None or shown < 1:
        return shown
    values = np.unique(np.abs([value for value in table.values if value]))
    bases = BASES if len(values) >= ENOUGH_VALUES else ()
    return next((base for base in bases if not (values % base).any()), shown)


def hidden_by_rounding(half: float, number: Floats, stated: Floats) -> Floats:
    """What rounding may hide in each cell of a margin, as a share: `half` a unit in each of `number` cells, and in the total.

    The sum of all, but no more than three standard errors of as many that are rounded independently. All shape (cells,).
    """
    all_of_it = number + number.sum() * stated
    likely = 3 / np.sqrt(3) * (np.sqrt(number) + np.sqrt(number.sum()) * stated)
    return np.asarray(half * np.minimum(all_of_it, likely))


def floors(stated: Floats, hidden: Floats, errors: Floats, rounding: Floats) -> Floats:
    """What each member's cells may be off by rounding when they are weighed, all (members, cells of the margin).

    Each its own where rounding and margins of error explain the difference; the more they leave unexplained, the nearer to that of
    the coarsest: then the digits say nothing of who is right.
    """
    apart = np.abs(stated[:, None] - stated[None])
    explained = hidden[:, None] + hidden[None] + SIGMA * np.hypot(errors[:, None], errors[None])
    excess = np.maximum(apart - explained, 0.0).max(axis=(0, 1))
    unexplained = np.minimum(excess / np.maximum(hidden.max(axis=0), 1e-300), 1.0)
    return np.asarray(rounding + (rounding.max(axis=0) - rounding) * unexplained)


def zeros_for_good(stated: Floats, hidden: Floats, structural: Sequence[bool]) -> NDArray[np.bool_]:
    """Which zeros of the members (members, cells) are none that rounding may have made of what the others state."""
    others = np.where(stated > 0, stated, np.inf).min(axis=0)
    made = (others <= hidden) & ~np.array(structural)[:, None]
    return np.asarray((stated <= 0) & ~made)
