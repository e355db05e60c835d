"""Reconciliation: tables that state the same fact differently are brought to agree, and who yielded is written down.

Where tables share variables, each implies a table of those alone. These margins are averaged, each weighted by its importance
over its squared standard error and rounding; every table is then scaled to the average, as in raking. Rounding counts as far as
it explains a difference: a count to the person does not move for a whole per cent that agrees with it, and where sources really
differ, the one with more digits is not the truer one. Zero stays zero: a cell that one table gives as zero is zero for all, but
for a zero that rounding has made. Repeated over all shared margins until they agree. (The weighting is that of combining
independent estimates; the order, small margins first, that of Qardaji, Yang and Li 2014 for noisy marginals.)
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.goals import Goal, Goals
from llmsynthor.aims.grid import possible_in_cells
from llmsynthor.aims.precision import SIGMA, Kind, floors, hidden_by_rounding, kind_of, resolution, zeros_for_good
from llmsynthor.aims.words import say_cell
from llmsynthor.spec.expressions import Expression, walk
from llmsynthor.spec.levels import Interval, Level

MOST_ROUNDS = 200

AGREED, SAME = 1e-12, 1e-9

Floats = NDArray[np.float64]
Key = tuple[str, tuple[str, ...], tuple[tuple[Level, ...], ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """A margin that several tables state: `members` are their numbers, `cells[k]` maps member k's cells to the margin's.

    Cells of a table outside the margin's universe are -1. `weights[k]` (cells of the margin,) are precisions, `zeros[k]` says
    which cells member k gives as zero for good.
    """

    universe: str
    columns: tuple[str, ...]
    levels: tuple[tuple[Level, ...], ...]
    members: tuple[int, ...]
    cells: tuple[NDArray[np.int64], ...]
    weights: tuple[Floats, ...] = ()
    zeros: tuple[NDArray[np.bool_], ...] = ()

    @property
    def size(self) -> int:
        return int(np.prod([len(column) for column in self.levels]))

    def margin(self, member: int, shares: Floats) -> Floats:
        """Sum a table's shares over what the margin does not tell apart; as a distribution over the margin's universe."""
        cells = self.cells[member]
        found = np.bincount(cells[cells >= 0], weights=shares[cells >= 0], minlength=self.size)
        return np.asarray(found / max(found.sum(), 1e-300))


@dataclass(frozen=True, slots=True, kw_only=True)
class Disagreement:
    """One cell of a margin that two or more tables state differently, or the mean or total of a group.

    `stated` and `used` are shares of the margin's universe, or of a `statistic` in its own unit; `kind` says whether rounding
    or margins of error explain it.
    """

    table: str
    others: tuple[str, ...]
    universe: str
    columns: tuple[str, ...]
    cell: tuple[Level, ...]
    stated: float
    others_stated: tuple[float, ...]
    used: float
    kind: Kind
    statistic: str = ""


def say_entry(entry: Disagreement) -> str:
    """Name the cell, or the group and its statistic."""
    cell = say_cell(entry.columns, entry.cell)
    return f"{entry.statistic}, {cell or 'all records'}" if entry.statistic else cell


def reconcile(goals: Goals) -> tuple[Goals, tuple[Disagreement, ...]]:
    """Bring the tables to agree on every margin they share; returns the goals and every cell on which they did not."""
    shared = shared_margins(goals)
    stated = [goal.stated for goal in goals.tables]
    if not any(True for margin in shared for _ in _disagreements(goals.tables, margin, stated)):
        return goals, ()
    shares = [own.copy() for own in stated]
    for _ in range(MOST_ROUNDS):
        if max(_agree(margin, shares) for margin in shared) < AGREED:
            break
    tables = tuple(replace(goal, shares=own) for goal, own in zip(goals.tables, shares, strict=True))
    found = (entry for margin in shared for entry in _disagreements(goals.tables, margin, shares))
    return replace(goals, tables=tables), tuple(found)


def _agree(margin: Shared, shares: list[Floats]) -> float:
    """Scale the members to their weighted average, in place; returns the largest change of a share."""
    margins = [margin.margin(k, shares[member]) for k, member in enumerate(margin.members)]
    average = consensus(margins, margin.weights, margin.zeros)
    largest = 0.0
    for k, member in enumerate(margin.members):
        cells = margin.cells[k]
        inside = cells >= 0
        scaled = _seeded(shares[member], cells, (margins[k] <= 0) & (average > 0))
        started = margin.margin(k, scaled)
        ratio = np.where(started > 0, average / np.maximum(started, 1e-300), 0.0)
        scaled[inside] *= ratio[cells[inside]]
        total = scaled[inside].sum()
        if total <= 0:
            continue
        scaled[inside] *= shares[member][inside].sum() / total
        largest = max(largest, float(np.abs(scaled - shares[member]).max()))
        shares[member][:] = scaled
    return largest


def _seeded(shares: Floats, cells: NDArray[np.int64], rounded_away: NDArray[np.bool_]) -> Floats:
    """Give cells of the margin that rounding has made zero something to be scaled, spread evenly over the table's cells."""
    seeded = shares.copy()
    if rounded_away.any():
        seeded[(cells >= 0) & rounded_away[np.maximum(cells, 0)]] = 1e-9
    return seeded


def consensus(
    margins: Sequence[Floats], weights: Sequence[Floats], zeros: Sequence[NDArray[np.bool_]] | None = None
) -> Floats:
    """Average statements of one margin by their precision; a cell that one of them gives as zero (for good) is zero.

    >>> consensus([np.array([0.5, 0.5]), np.array([0.7, 0.3])], [np.array([1.0, 1.0]), np.array([3.0, 3.0])]).round(3)
    array([0.65, 0.35])
    """
    stacked, precision = np.stack(margins), np.stack(weights)
    average = (stacked * precision).sum(axis=0) / precision.sum(axis=0)
    average[(np.stack(zeros) if zeros is not None else stacked <= 0).any(axis=0)] = 0.0
    return np.asarray(average / max(average.sum(), 1e-300))


def shared_margins(goals: Goals) -> tuple[Shared, ...]:
    """Find every margin that two or more hard tables state, small ones first."""
    found: dict[Key, set[int]] = {}
    hard = [k for k, goal in enumerate(goals.tables) if goal.trust >= 1.0]
    for a, b in combinations(hard, 2):
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
    cells = tuple(_map_cells(goals, goals.tables[member], universe, columns, levels) for member in members)
    bare = Shared(universe=universe, columns=columns, levels=levels, members=members, cells=cells)
    stated = np.stack([bare.margin(k, goals.tables[member].stated) for k, member in enumerate(members)])
    hidden = np.stack([_hidden(goals.tables[m], bare, k, stated[k]) for k, m in enumerate(members)])
    errors = np.stack([_errors(goals.tables[m], own, bare.size) for m, own in zip(members, cells, strict=True)])
    importance = np.array([goals.tables[member].table.importance for member in members])[:, None]
    rounding = np.stack([_rounded_by(goals.tables[m], own, bare.size) for m, own in zip(members, cells, strict=True)])
    floor = np.maximum(floors(stated, hidden, errors, rounding), 1e-9)
    return replace(
        bare,
        weights=tuple(importance / (errors**2 + floor**2)),
        zeros=tuple(zeros_for_good(stated, hidden, [goals.tables[m].table.structural for m in members])),
    )


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


def _disagreements(tables: Sequence[Goal], margin: Shared, shares: Sequence[Floats]) -> Iterator[Disagreement]:
    """Say cell by cell what the members state and what `shares`, a vector per table, make of it."""
    stated = np.stack([margin.margin(k, tables[member].stated) for k, member in enumerate(margin.members)])
    apart = np.flatnonzero(np.ptp(stated, axis=0) > SAME)
    if not len(apart):
        return
    hidden = [_hidden(tables[member], margin, k, stated[k]) for k, member in enumerate(margin.members)]
    errors = [SIGMA * _errors(tables[m], margin.cells[k], margin.size) for k, m in enumerate(margin.members)]
    used = [margin.margin(k, shares[member]) for k, member in enumerate(margin.members)]
    for cell in apart:
        place = np.unravel_index(cell, [len(column) for column in margin.levels])
        for k, member in enumerate(margin.members):
            others = [j for j in range(len(stated)) if abs(stated[j][cell] - stated[k][cell]) > SAME]
            if not others:
                continue
            yield Disagreement(
                table=tables[member].name,
                others=tuple(tables[margin.members[j]].name for j in others),
                universe=margin.universe,
                columns=margin.columns,
                cell=tuple(column[int(at)] for column, at in zip(margin.levels, place, strict=True)),
                stated=float(stated[k][cell]),
                others_stated=tuple(float(stated[j][cell]) for j in others),
                used=float(used[k][cell]),
                kind=kind_of(
                    [abs(stated[j][cell] - stated[k][cell]) for j in others],
                    [hidden[j][cell] + hidden[k][cell] for j in others],
                    [float(np.hypot(errors[j][cell], errors[k][cell])) for j in others],
                ),
            )


def _hidden(goal: Goal, margin: Shared, member: int, stated: Floats) -> Floats:
    """What rounding may hide in each cell of the margin, as a share."""
    cells = margin.cells[member]
    number = np.bincount(cells[cells >= 0], minlength=margin.size).astype(np.float64)
    return hidden_by_rounding(_rounding(goal), number, stated)
