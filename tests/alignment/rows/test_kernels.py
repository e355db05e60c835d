"""The compiled loops of the rows."""

from collections import namedtuple

import numpy as np

from llmsynthor.aims.reach import Reach
from llmsynthor.alignment.rows.kernels import mean_costs

Cells = namedtuple("Cells", ["cells", "offsets"])
VALUES = 60


def test_no_record_makes_up_alone_for_what_many_miss() -> None:
    """Of a sum that is 57 short, a record at 0 gains as much by going to 1 as by going to 57; beyond it loses."""
    values = np.arange(VALUES, dtype=float)
    sums = {name: np.array([0.0, -57.0]) for name in ("lowest", "highest")}
    ones = {name: np.array([1.0, 1.0]) for name in ("penalty", "step")}
    group = np.ones(VALUES, dtype=np.int64)
    means = Reach(first=0, last=1, group=group, low=values, high=values, slack=np.array([0.0, 0.5]), **sums, **ones)
    program = Cells(cells=np.arange(VALUES), offsets=np.arange(VALUES))
    work = np.zeros(VALUES)
    mean_costs(work, VALUES, 0, 0, 0, program, means)
    assert work[1] > work[0]
    assert np.ptp(work[1:57]) == 0
    assert (np.diff(work[57:]) <= 0).all()
    assert means.lowest[1] == -57
