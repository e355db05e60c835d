"""Steps of the tilt by which means and totals are met in a fit: the dual ascent of a `Moment`."""

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.moments import SMALLEST, Moment

Floats = NDArray[np.float64]

LARGEST_STEP = 0.5
"""Largest change of a tilt in one sweep, in units of one over the spread of the variable."""


LONGEST_STEP = 3.0
"""The same of a derived number, in units of one over the range of its values; of a total, over the largest of them."""


PRIOR_COUNT = 1.0
"""Records that each group has besides its own when its mean is looked at: one of few moves little."""


NEWTON_STEPS = 8


def tilt(moment: Moment, theta: Floats, counts: Floats, step: float, records: float) -> Floats:
    """Move the tilt of every group towards its mean; `theta` and `counts` per cell of the moment.

    For a mean the law of a group alone (its base, tilted) moves its own mean by what the records' is off: a group keeps its weight
    as a whole, so that tables of the groups are not disturbed. A total is the mean of as many records as its group has; where
    nothing says how many, it may need more records as well as larger values.
    """
    if moment.axis < 0 or not moment.sized:
        return _tilt_freely(moment, theta, counts, step, records)
    centres, table, logs = moment.centres, counts.reshape(moment.groups, -1), theta.reshape(moment.groups, -1)
    held, law, lean = table.sum(axis=1), _law(moment, logs), 0.0
    mean, spread = _mean_and_spread(law, centres)
    wanted = moment.aims
    off = np.nan_to_num(wanted - table @ centres / np.maximum(held, 1e-9)) * held / (held + PRIOR_COUNT)
    least, most = (mean - centres.min()) / 2, (centres.max() - mean) / 2
    aim = np.clip(mean + step * off, mean - np.minimum(least, 4 * most), mean + np.minimum(most, 4 * least))
    for _ in range(NEWTON_STEPS):
        now, spread = _mean_and_spread(_law(moment, logs + lean), centres)
        limit = LARGEST_STEP / np.sqrt(spread)
        lean = lean + np.clip((aim - now) / spread, -limit, limit)[:, None] * (centres - now[:, None])
    found = np.log(np.maximum(_law(moment, logs + lean), 1e-300)) - np.log(np.maximum(moment.base, 1e-300))
    return np.asarray(np.where(np.isfinite(wanted)[:, None], np.maximum(found, SMALLEST), logs).ravel())


def _tilt_freely(moment: Moment, theta: Floats, counts: Floats, step: float, records: float) -> Floats:
    """The same by a damped Newton step on the records' own spread, where the law of a group alone, or its size, is not known."""
    points, table = moment.centres, counts.reshape(moment.groups, -1) + 1e-3
    if moment.is_total:
        limit = LONGEST_STEP / max(float(np.abs(points).max(initial=0.0)), 1e-12)
        change = step * np.nan_to_num(moment.totals(records) - table @ points) / np.maximum(table @ points**2, 1e-12)
        return np.asarray(theta + np.outer(np.clip(change, -limit, limit), points).ravel())
    limit = LONGEST_STEP / max(float(np.ptp(points)), 1e-12)
    mean = table @ points / table.sum(axis=1)
    spread = table @ points**2 / table.sum(axis=1) - mean**2
    wanted = moment.means(table.sum(axis=1), records)
    change = step * np.nan_to_num(wanted - mean) / np.maximum(spread, 1e-12)
    delta = np.outer(np.clip(change, -limit, limit), points - points.mean())
    mass = (table * np.exp(delta)).sum(axis=1) / table.sum(axis=1)
    return np.asarray(theta + (delta - np.log(mass)[:, None]).ravel())


def _law(moment: Moment, logs: Floats) -> Floats:
    """Shares of the cells of each group under its tilt alone, shape (groups, cells)."""
    first = np.flatnonzero(np.diff(moment.segment, prepend=-1))
    number = np.searchsorted(first, np.arange(logs.shape[1]), side="right") - 1
    largest = np.maximum.reduceat(logs, first, axis=1)
    weights = moment.base * np.exp(logs - largest[:, number])
    share = np.add.reduceat(moment.base, first) / moment.base.sum()
    return np.asarray(weights * (share / np.add.reduceat(weights, first, axis=1))[:, number])


def _mean_and_spread(law: Floats, centres: Floats) -> tuple[Floats, Floats]:
    mean = law @ centres
    return mean, np.maximum((law * (centres - mean[:, None]) ** 2).sum(axis=1), 1e-12)
