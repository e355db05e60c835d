"""Reconciliation: tables that state the same fact differently are brought to agree, and who yielded is written down.

Where tables share variables, each implies a table of those alone. These margins are averaged, each weighted by its importance
over its squared standard error and rounding; every table is then scaled to the average, as in raking. Rounding counts as far as
it explains a difference: a count to the person does not move for a whole per cent that agrees with it, and where sources really
differ, the one with more digits is not the truer one. Zero stays zero: a cell that one table gives as zero is zero for all, but
for a zero that rounding has made. Repeated over all shared margins until they agree. (The weighting is that of combining
independent estimates; the order, small margins first, that of Qardaji, Yang and Li 2014 for noisy marginals.)
Means and totals that are stated twice are averaged alike; only statements about the same groups are compared here: whether others
can hold together depends on all tables and values (see `feasibility`).
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.about import Names
from llmsynthor.aims.goals import Goal, Goals
from llmsynthor.aims.moments import Moment
from llmsynthor.aims.shared import SIGMA, Shared, shared_margins
from llmsynthor.aims.words import say_cell
from llmsynthor.spec.levels import Level

MOST_ROUNDS = 200

AGREED, SAME = 1e-12, 1e-9

Floats = NDArray[np.float64]
Kind = Literal["rounding", "margin of error", "conflict"]

Place = tuple[str, str, str, frozenset[tuple[str, Level]]]


Statement = tuple[int, int]
"""Number of a moment, and of a group of it."""


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
    average = consensus(margins, list(margin.weights), list(margin.zeros))
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


def _disagreements(tables: Sequence[Goal], margin: Shared, shares: Sequence[Floats]) -> Iterator[Disagreement]:
    """Say cell by cell what the members state and what `shares`, a vector per table, make of it."""
    stated, hidden, errors = margin.stated, margin.hidden, SIGMA * margin.errors
    apart = np.flatnonzero(np.ptp(stated, axis=0) > SAME)
    if not len(apart):
        return
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


def reconcile_sources(goals: Goals, names: Names) -> tuple[Goals, tuple[Disagreement, ...]]:
    """Bring tables, means and totals to agree where they state the same; returns the goals and every disagreement.

    `names` say of each universe whom it is about.
    """
    named = (replace(goal, about=names.get((goal.table.unit, goal.about), goal.about)) for goal in goals.tables)
    goals, about_tables = reconcile(replace(goals, tables=tuple(named)))
    moments, about_moments = reconcile_moments(goals.moments, names)
    return replace(goals, moments=moments), (*about_tables, *about_moments)


def reconcile_moments(moments: Sequence[Moment], names: Names) -> tuple[tuple[Moment, ...], tuple[Disagreement, ...]]:
    """Bring statements of the same mean or total, of the same group, to agree; returns every one that did not."""
    stated = defaultdict[Place, list[Statement]](list)
    for number, moment in enumerate(moments):
        if moment.target.statistic not in ("mean", "total"):
            continue
        for group in np.flatnonzero(np.isfinite(moment.values)).tolist():
            stated[_place(moment, group, names)].append((number, group))
    values = [moment.values.copy() for moment in moments]
    found = list[Disagreement]()
    for statements in stated.values():
        own = np.array([moments[k].values[group] for k, group in statements])
        if np.ptp(own) <= SAME * np.abs(own).max():
            continue
        hidden = np.array([moments[k].hidden for k, _ in statements])
        rounded = (np.abs(own[:, None] - own) <= hidden[:, None] + hidden).all()
        floors = hidden if rounded else np.full(len(own), hidden.max())  # digits count only where they explain it all
        precision = np.array(
            [moments[k].precision(1.0, floor)[group] for (k, group), floor in zip(statements, floors, strict=True)]
        )
        average = float((own * precision).sum() / precision.sum())
        for k, group in statements:
            values[k][group] = average
        found += _of_means(moments, statements, average)
    used = tuple(replace(moment, values=own) for moment, own in zip(moments, values, strict=True))
    return (used, tuple(found)) if found else (tuple(moments), ())


def _place(moment: Moment, group: int, names: Names) -> Place:
    target = moment.target
    about = names.get((target.unit, str(target.universe)), "")
    cell = frozenset(zip(target.by, moment.cells[group], strict=True))
    return (target.statistic, target.variable, about, cell)


def _of_means(moments: Sequence[Moment], statements: Sequence[Statement], average: float) -> Iterator[Disagreement]:
    for k, group in statements:
        target, value = moments[k].target, float(moments[k].values[group])
        others = [(moments[j], at) for j, at in statements if abs(moments[j].values[at] - value) > SAME * abs(value)]
        if not others:
            continue
        yield Disagreement(
            table=target.name,
            others=tuple(moment.target.name for moment, _ in others),
            universe=str(target.universe or ""),
            columns=target.by,
            cell=moments[k].cells[group],
            stated=value,
            others_stated=tuple(float(moment.values[at]) for moment, at in others),
            used=average,
            kind=kind_of(
                [abs(moment.values[at] - value) for moment, at in others],
                [moments[k].hidden + moment.hidden for moment, _ in others],
                [float(np.hypot(moment.errors[at], moments[k].errors[group])) for moment, at in others],
            ),
            statistic=f"{target.statistic} of {target.variable}",
        )


def kind_of(apart: Sequence[float], hidden: Sequence[float], errors: Sequence[float]) -> Kind:
    """Say what explains how far a statement is apart from each other one: rounding, margins of error, or nothing."""
    if all(gap <= rounding + 1e-12 for gap, rounding in zip(apart, hidden, strict=True)):
        return "rounding"
    explained = (gap <= rounding + error for gap, rounding, error in zip(apart, hidden, errors, strict=True))
    return "margin of error" if all(explained) else "conflict"
