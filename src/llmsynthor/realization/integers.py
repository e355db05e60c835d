"""Whole sums of sets of records by an integer program, where moving a unit here and there does not bring sums to what is wanted."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FURTHEST = 20.0
"""Units by which the sum of a set is moved at most."""

MOST_SETS = 3_000
NODES = 500
"""Nodes of the search at most: no clock ends it."""

DEAR = 1_000.0
"""What a sum costs for each unit that it is off beyond a half, where a unit that is moved costs one."""


def moved_by_program(entering: Floats, sums: Floats, off: Floats, least: Floats, most: Floats) -> Floats:
    """Move whole units of as few sets as will do, such that each sum is off by half a unit at most; where none can, the least.

    `entering` (sets, sums); `sums`, `least`, `most` (sets,); `off` (sums,) is what the sums have too many. The sums as they are
    where nothing better is found.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp  # noqa: PLC0415  (the last resort only)
    from scipy.sparse import csr_array, eye_array, hstack  # noqa: PLC0415

    sets, number = entering.shape
    if sets > MOST_SETS:
        return sums
    units = csr_array(entering.T)
    slack = eye_array(number)
    rows = hstack([units, -units, -slack]), hstack([units, -units, slack])
    solved = milp(
        np.concatenate([np.ones(2 * sets), np.full(number, DEAR)]),
        integrality=np.concatenate([np.ones(2 * sets), np.zeros(number)]),
        bounds=Bounds(
            np.zeros(2 * sets + number),
            np.concatenate(
                [np.clip(most - sums, 0, FURTHEST), np.clip(sums - least, 0, FURTHEST), np.full(number, np.inf)]
            ),
        ),
        constraints=[
            LinearConstraint(rows[0], -np.inf, 0.5 - off),
            LinearConstraint(rows[1], -0.5 - off, np.inf),
        ],
        options={"node_limit": NODES},
    )
    if solved.x is None:
        return sums
    moved = sums + np.rint(solved.x[:sets]) - np.rint(solved.x[sets : 2 * sets])
    before, after = (np.maximum(np.abs(o) - 0.5, 0.0).sum() for o in (off, off + entering.T @ (moved - sums)))
    return moved if after < before - 1e-9 else sums
