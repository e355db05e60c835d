"""What the given tables imply about pairs that none of them has: the pair tables of a population of maximum entropy."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.goals import Goals
from llmsynthor.dependence.coarse import Coarse
from llmsynthor.dependence.elicit import Pair
from llmsynthor.dependence.pair_tables import pair_shares_of

RECORDS = 20_000
"""Records of the population that is looked at: noise of a pair's mutual information is far below what counts."""

Floats = NDArray[np.float64]


def implied_tables(
    goals: Goals, variables: Sequence[Coarse], pairs: Sequence[Pair], *, made: Callable[[], NDArray[np.int32]]
) -> dict[Pair, Floats]:
    """Shares of every pair in coarse levels; nothing where the goals join no variables, since all is independent then.

    `made` gives the codes (records, variables) of a population that meets the goals and nothing else.
    """
    if not any(len(goal.table.columns) > 1 for goal in goals.tables):
        return {}
    records = made()
    codes = {variable.name: coarse_codes(goals, variable, records) for variable in variables}
    size = {variable.name: variable.size for variable in variables}
    return {(a, b): pair_shares_of(codes[a], codes[b], size[a], size[b]) for a, b in pairs}


def coarse_codes(goals: Goals, variable: Coarse, codes: NDArray[np.int32]) -> NDArray[np.int64]:
    """Coarse level of every record, -1 where it has none."""
    axis = goals.grid.axes[variable.axis]
    level = np.full(axis.size, -1, dtype=np.int64)
    for number, own in enumerate(variable.levels):
        level[axis.within(own)] = number
    found = codes[:, variable.axis]
    return np.asarray(np.where(found < 0, -1, level[found]))
