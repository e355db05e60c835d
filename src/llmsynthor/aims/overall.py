"""Means by groups of two kinds, whose shares tables tell, each imply the mean of all records: where these differ, both yield.

A register's mean income by zone and a survey's by tenure are about the same households. Whoever is nearer to the truth, no records
have both; left alone, what cannot be met would pull at whatever else stands beside it, medians and totals first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.about import EVERYBODY, Names
from llmsynthor.aims.goals import Goal, Goals
from llmsynthor.aims.moments import Moment
from llmsynthor.aims.reconcile import Disagreement, kind_of
from llmsynthor.aims.shared import SIGMA

Floats = NDArray[np.float64]

WHOLE = 1e-3
"""Share of the records that groups may leave out and still be all of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Implied:
    """The mean of all records that the means of a moment's groups imply, what rounding hides in it, and its margin of error."""

    number: int
    mean: float
    hidden: float
    error: float


def agree_overall(goals: Goals, names: Names) -> tuple[Goals, tuple[Disagreement, ...]]:
    """Scale means by groups to a common mean of all records where neither rounding nor margins of error explain a difference.

    They yield by their precision: importance over squared margin of error. Numbers that may be negative are left.
    """
    moments = goals.moments
    found, used = list[Disagreement](), list(moments)
    for alike in _alike(moments, names):
        implied = [
            one for one in (_implied(number, moments[number], goals.tables) for number in alike) if one is not None
        ]
        if len(implied) < 2 or not _differ(implied) or min(one.mean for one in implied) <= 0:
            continue
        floor = max(one.hidden for one in implied)
        precision = np.array([moments[one.number].target.importance / (one.error**2 + floor**2) for one in implied])
        means = np.array([one.mean for one in implied])
        average = float((means * precision).sum() / precision.sum())
        for one in implied:
            own = used[one.number]
            used[one.number] = replace(own, values=own.values * (average / one.mean))
        found += _entries(moments, implied, average)
    return (replace(goals, moments=tuple(used)), tuple(found)) if found else (goals, ())


def _alike(moments: Sequence[Moment], names: Names) -> list[list[int]]:
    """Numbers of moments that are means of one variable of the same records."""
    alike: dict[tuple[str, str], list[int]] = {}
    for number, moment in enumerate(moments):
        target = moment.target
        if target.statistic == "mean":
            universe = str(target.universe or EVERYBODY)
            if names.get((target.unit, universe), universe) == EVERYBODY:
                alike.setdefault((target.variable, target.unit), []).append(number)
    return [numbers for numbers in alike.values() if len(numbers) > 1]


def _implied(number: int, moment: Moment, tables: Sequence[Goal]) -> Implied | None:
    """The mean of all records by a moment's groups; None where no table tells how many there are of each, or some are left out."""
    stated = np.isfinite(moment.values)
    if not moment.target.by:
        return Implied(number=number, mean=float(moment.values[0]), hidden=moment.hidden, error=float(moment.errors[0]))
    for goal in tables:
        shares = _of_groups(moment, goal, goal.shares)
        if shares is None or shares[stated].sum() < 1 - WHOLE:
            continue
        weight, values = shares[stated] / shares[stated].sum(), moment.values[stated]
        mean = float(weight @ values)
        apart, squares = values - mean, _of_groups(moment, goal, goal.errors**2)
        assert squares is not None
        rounded = 0.5 * goal.table.resolution / max(abs(sum(goal.table.values)), 1e-300)
        return Implied(
            number=number,
            mean=mean,
            hidden=moment.hidden + rounded * float(np.abs(apart).sum()),
            error=float(np.sqrt(weight**2 @ moment.errors[stated] ** 2 + squares[stated] @ apart**2)),
        )
    return None


def _of_groups(moment: Moment, goal: Goal, held: Floats) -> Floats | None:
    """What the cells of a table (cells,) hold of a moment's groups (groups,), where it has their columns and cuts them alike."""
    by, columns = moment.target.by, goal.table.columns
    if goal.trust < 1 or goal.table.universe is not None or goal.table.base is not None or not set(by) <= set(columns):
        return None
    at = [columns.index(name) for name in by]
    others = tuple(k for k in range(len(columns)) if k not in at)
    margin = held.reshape(goal.shape).sum(axis=others)
    margin = margin.transpose(np.argsort(np.argsort(at)))
    place = [{level: k for k, level in enumerate(goal.levels[column])} for column in at]
    if any(level not in own for cell in moment.cells for level, own in zip(cell, place, strict=True)):
        return None
    found = [margin[tuple(own[level] for level, own in zip(cell, place, strict=True))] for cell in moment.cells]
    return np.array(found)


def _differ(implied: Sequence[Implied]) -> bool:
    """Whether two of the means are further apart than rounding and margins of error explain."""
    return any(
        kind_of(
            [abs(one.mean - other.mean)], [one.hidden + other.hidden], [SIGMA * float(np.hypot(one.error, other.error))]
        )
        == "conflict"
        for k, one in enumerate(implied)
        for other in implied[k + 1 :]
    )


def _entries(moments: Sequence[Moment], implied: Sequence[Implied], average: float) -> Iterator[Disagreement]:
    for one in implied:
        target, others = moments[one.number].target, [other for other in implied if other is not one]
        yield Disagreement(
            table=target.name,
            others=tuple(moments[other.number].target.name for other in others),
            universe="",
            columns=(),
            cell=(),
            stated=one.mean,
            others_stated=tuple(other.mean for other in others),
            used=average,
            kind="conflict",
            statistic=f"mean of {target.variable}",
        )
