"""Φ: from records to tables."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.goals import Goal
from llmsynthor.aims.layout import Codes, Layout, Place
from llmsynthor.population.roster import Roster, rows_below


def aggregate(codes: NDArray[np.int32], goal: Goal) -> NDArray[np.int64]:
    """Count the records in every cell of a table, shape (cells,); records outside its universe are left out.

    Additive over records: Φ(A ∪ B) = Φ(A) + Φ(B).
    """
    cells = goal.projection.of(codes)
    return np.bincount(cells[cells >= 0], minlength=goal.projection.size)


def wide_codes(layout: Layout, roster: Roster, computed: Mapping[Place, Codes], unit: int) -> Codes:
    """Codes of a unit's records on its wide grid: own columns, computed ones, those of its ancestors; (records, axes)."""
    above = {unit: np.arange(roster.sizes[unit])}
    for owner in layout.lineage(unit)[:-1]:
        parents = np.zeros(roster.sizes[owner], dtype=np.int64)
        length = roster.length[owner]
        parents[rows_below(roster.start[owner], length)[0]] = np.repeat(np.arange(len(length)), length)
        above[layout.parent(owner)] = parents[above[owner]]
    columns = [
        (computed[owner, position] if (owner, position) in computed else roster.codes[owner][:, position])[above[owner]]
        for owner, position in layout.wide_places(unit)
    ]
    return np.stack(columns, axis=1).astype(np.int32) if columns else np.zeros((roster.sizes[unit], 0), dtype=np.int32)
