"""Φ: from records to tables."""

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.goals import Goal


def aggregate(codes: NDArray[np.int32], goal: Goal) -> NDArray[np.int64]:
    """Count the records in every cell of a table, shape (cells,); records outside its universe are left out.

    Additive over records: Φ(A ∪ B) = Φ(A) + Φ(B).
    """
    cells = goal.projection.of(codes)
    return np.bincount(cells[cells >= 0], minlength=goal.projection.size)
