"""What given tables say about a pair of variables."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.goals import Goal, Goals
from llmsynthor.dependence.coarse import Coarse
from llmsynthor.dependence.elicit import Pair
from llmsynthor.dependence.pair_tables import mutual_information
from llmsynthor.spec.levels import Interval, Level

Floats = NDArray[np.float64]


def given_strength(goals: Goals, one: str, other: str) -> float | None:
    """Mutual information of the pair in the finest table about all records that has both, or None."""
    having = [g for g in goals.tables if {one, other} <= set(g.table.columns)]
    if not having:
        return None
    goal = max(having, key=lambda g: (g.table.universe is None, g.projection.size))
    return mutual_information(pair_shares(goal, one, other))


def given_shares(goals: Goals, variables: Sequence[Coarse], pair: Pair) -> Floats | None:
    """Shares of a pair in the variables' coarse levels, from the finest given table about all records; None without one."""
    by_name = {variable.name: variable for variable in variables}
    having = [
        g for g in goals.tables if set(pair) <= set(g.table.columns) and g.table.universe is None and g.trust >= 1
    ]
    if not having:
        return None
    goal = max(having, key=lambda g: g.projection.size)
    shares = pair_shares(goal, *pair)
    for axis, name in enumerate(pair):
        levels = goal.levels[goal.table.columns.index(name)]
        shares = np.moveaxis(np.tensordot(joined(levels, by_name[name].levels), shares, axes=(1, axis)), 0, axis)
    return np.asarray(shares / shares.sum()) if shares.sum() > 0 else None


def joined(levels: Sequence[Level], coarse: Sequence[Level]) -> Floats:
    """Which levels of a table make up each coarse level, shape (coarse, levels); an interval counts where its middle lies."""
    return np.array([[float(_within(level, whole)) for level in levels] for whole in coarse])


def _within(level: Level, whole: Level) -> bool:
    if isinstance(level, Interval) and isinstance(whole, Interval):
        return (level.low + level.high) / 2 in whole
    return level == whole


def pair_shares(goal: Goal, one: str, other: str) -> Floats:
    """Shares of two columns of a table, shape (levels of one, levels of the other)."""
    columns = [goal.table.columns.index(one), goal.table.columns.index(other)]
    shares = np.moveaxis(goal.shares.reshape(goal.shape), columns, (0, 1))
    return np.asarray(shares.reshape(shares.shape[0], shares.shape[1], -1).sum(axis=2))
