"""Which means records can take by moving values inside their cells: what the correction keeps within reach."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.moments import Moment

Floats = NDArray[np.float64]


class Reach(NamedTuple):
    """Which means the records can take by moving values inside their cells, as flat arrays.

    A record in a cell adds `low[cell]` to `lowest[group[cell]]` and `high[cell]` to `highest`: the ends of the cell less the
    mean. A mean is within reach while its lowest sum is not above 0 and its highest not below. For a total the ends are those
    of the cell, and the sums begin at minus the total. Group 0 is no group; `first` to `last` (not in) are the tables of the
    program that are means. `slack` (groups,) is what a sum may be out of reach: half a unit of whole numbers; `step` (groups,) is
    by how much one record may make up for it at a time, the typical width of a cell; without end where squares or derived numbers
    are summed as well, which only far values bring.
    """

    first: int
    last: int
    group: NDArray[np.int64]
    low: Floats
    high: Floats
    lowest: Floats
    highest: Floats
    penalty: Floats
    slack: Floats
    step: Floats

    def missing(self) -> Floats:
        """How far each sum is out of reach, in widths of a cell, zero where it is no more than its slack."""
        out = np.maximum(self.lowest, 0.0) - np.minimum(self.highest, 0.0)
        return np.asarray(np.where(out > self.slack, out, 0.0) * np.sqrt(self.penalty))


def reach(
    moments: Sequence[Moment], first_table: int, first_cell: int, counts: NDArray[np.int64], records: float
) -> Reach:
    """Lay out the means behind the tables; `counts` (cells,) are the records as they are now."""
    group = np.zeros(len(counts), dtype=np.int64)
    low, high = np.zeros(len(counts)), np.zeros(len(counts))
    penalty, start, slack, step = [0.0], [0.0], [0.0], [1.0]
    cell = first_cell
    own = all(moment.axis >= 0 for moment in moments)
    for moment in moments:
        size, (lows, highs), means = len(moment.lows), moment.ends, moment.aims
        totals = moment.totals(records) if moment.is_total and not means.any() else np.zeros(moment.groups)
        room, widths = moment.room, moment.widths
        for number, value in enumerate(moment.values):
            here = slice(cell + number * size, cell + (number + 1) * size)
            if np.isfinite(value):
                group[here] = len(penalty)
                low[here], high[here] = lows - means[number], highs - means[number]
                penalty.append(1.0 / widths[number] ** 2)
                slack.append(float(room[number]))
                step.append(float(widths[number]) if own else np.inf)
                start.append(-totals[number])
        cell += moment.projection.size
    lowest, highest = (np.bincount(group, ends * counts, len(penalty)) + np.array(start) for ends in (low, high))
    return Reach(
        first=first_table,
        last=first_table + len(moments),
        group=group,
        low=low,
        high=high,
        lowest=lowest,
        highest=highest,
        penalty=np.array(penalty),
        slack=np.array(slack),
        step=np.array(step),
    )
