"""What a mean makes of the cells of its variable: their base, their centres, and the log-weights to begin with."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.grid import Axis
from llmsynthor.aims.laws import base_density, expected_laws, fixed_shares, law_with_mean, table_shares
from llmsynthor.aims.uses import Use
from llmsynthor.spec.targets import Statistic

SMALLEST = -600.0
"""Smallest log-weight: exp of it is a number."""

Floats = NDArray[np.float64]


def is_tabled(use: Use) -> bool:
    return table_shares(use) is not None


def centres_of(axis: Axis, use: Use) -> Floats:
    """Mean of the values expected in each cell, over all that means say of the variable."""
    laws = expected_laws(use)
    held = np.stack([np.maximum(law.held(axis.breaks), 1e-12) for law in laws])
    centres = np.stack([law.centres(axis.breaks, whole=use.integer) for law in laws])
    return np.asarray((held * centres).sum(axis=0) / held.sum(axis=0))


def law_of(axis: Axis, use: Use, target: Statistic, means: Floats) -> dict[str, Any]:
    """Base, segments and first log-weights of a moment; zero where a table says how the groups' records lie.

    Where tables or quantiles fix what cells of all records hold, a mean of all records moves them inside those alone.
    """
    variable = use.number
    base, fixed = base_density(use), None
    if not target.by and target.universe is None:
        base, fixed = fixed_shares(use)
    held = np.maximum(base.held(axis.breaks), 1e-300)
    logs = np.zeros((len(means), axis.size))
    if not is_tabled(use):
        for group, mean in enumerate(means):
            if variable.range.low < mean < variable.range.high:
                law = law_with_mean(variable, base, float(mean), fixed)
                logs[group] = np.log(np.maximum(law.held(axis.breaks), 1e-300) / held)
    segment = np.zeros(axis.size, dtype=np.int64)
    if fixed is not None:
        segment = np.clip(np.searchsorted(fixed.breaks, axis.breaks[:-1], side="right") - 1, 0, len(fixed.shares) - 1)
    return {
        "centres": centres_of(axis, use),
        "base": held,
        "segment": segment,
        "start": np.maximum(logs, SMALLEST).ravel(),
    }


def unknown_law(points: Floats, groups: int) -> dict[str, Any]:
    """The same of a derived number: how many records have each of its values follows from others."""
    size = len(points)
    return {
        "centres": points,
        "base": np.full(size, 1.0 / size),
        "segment": np.zeros(size, dtype=np.int64),
        "start": np.zeros(groups * size),
    }
