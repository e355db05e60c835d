"""Means and totals that are stated twice are averaged by importance and margin of error, and who yielded is written down.

Only statements about the same groups are compared here. Whether others can hold together depends on all tables and values:
see `feasibility` and `shift`.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from llmsynthor.aims.about import Names
from llmsynthor.aims.goals import Goals
from llmsynthor.aims.moments import Moment
from llmsynthor.aims.precision import kind_of
from llmsynthor.aims.reconcile import SAME, Disagreement, reconcile
from llmsynthor.spec.levels import Level

Place = tuple[str, str, str, frozenset[tuple[str, Level]]]
Statement = tuple[int, int]
"""Number of a moment, and of a group of it."""


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
        found += _disagreements(moments, statements, average)
    used = tuple(replace(moment, values=own) for moment, own in zip(moments, values, strict=True))
    return (used, tuple(found)) if found else (tuple(moments), ())


def _place(moment: Moment, group: int, names: Names) -> Place:
    target = moment.target
    about = names.get((target.unit, str(target.universe)), "")
    cell = frozenset(zip(target.by, moment.cells[group], strict=True))
    return (target.statistic, target.variable, about, cell)


def _disagreements(
    moments: Sequence[Moment], statements: Sequence[Statement], average: float
) -> Iterator[Disagreement]:
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
