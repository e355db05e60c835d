"""Groups of a mean that must have somebody: one without records meets nothing, unless tables say that it has none."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from llmsynthor.spec.levels import Interval, Level
from llmsynthor.spec.targets import Statistic, Table, Target

NOBODY = 1.0 - 1e-6
"""A group that tables leave less than a whole record may be without any."""


def must_have_records(targets: Sequence[Target], statistic: Statistic, records: float) -> NDArray[np.bool_]:
    """Say of each group whether it must have a record, where its unit has so many: shape (groups,), in the order of its cells.

    Where no table speaks of it, a group whose mean is 0 need not: exports write that of nobody.
    """
    room = np.full(len(statistic.cells), float(records) if not statistic.by else records / len(statistic.cells))
    named = [target for target in targets if isinstance(target, Table) and _shared(target, statistic)]
    for k, cell in enumerate(statistic.cells):
        rooms = [_room(table, statistic, cell, records) for table in named]
        room[k] = min(rooms) if rooms else room[k] * (statistic.values[k] != 0)
    return np.isfinite(np.array(statistic.values, dtype=float)) & (room >= NOBODY)


def _shared(table: Table, statistic: Statistic) -> list[tuple[int, int]]:
    """Places of the columns that a table and the groups share, in the table and in the groups; none where it cannot tell."""
    if table.universe is not None and table.universe != statistic.universe:
        return []
    if table.trust < 1.0:
        return []
    own = [name if table.unit == statistic.unit or "." in name else f"{table.unit}.{name}" for name in table.columns]
    return [(own.index(name), k) for k, name in enumerate(statistic.by) if name in own]


def _room(table: Table, statistic: Statistic, cell: Sequence[Level], records: float) -> float:
    """How many records a table leaves a group at most; as many as one likes where it says no number."""
    shared = _shared(table, statistic)
    held = sum(
        max(value, 0.0)
        for own, value in zip(table.cells, table.values, strict=True)
        if all(_meet(own[at], cell[k]) for at, k in shared)
    )
    if held <= 0:
        return 0.0
    if table.universe is not None or table.unit != statistic.unit:
        return np.inf
    return records * held / sum(table.values)


def _meet(one: Level, other: Level) -> bool:
    """Whether a value may lie in both levels."""
    if isinstance(one, Interval) and isinstance(other, Interval):
        return one.low < other.high and other.low < one.high
    return one == other
