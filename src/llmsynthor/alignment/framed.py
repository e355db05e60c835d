"""Records while they are drawn beginning with the frame: what tables want of them, and what is known of them so far."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.goals import Goal, StructuralZeros
from llmsynthor.aims.grid import Projection
from llmsynthor.alignment.cells import is_free
from llmsynthor.alignment.rounding import round_within

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


SMALLEST, LEANING_ROUNDS = 1e-12, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A table of counts: `values` has an axis per column, over its classes; `classes[j]` says in which each code of column j is.

    `columns` are numbers of whatever the drawn records have.
    """

    columns: tuple[int, ...]
    classes: tuple[Integers, ...]
    values: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Barred:
    """Combinations of codes that no record may have: `classes[j]` of the codes of column j, `forbidden` over the classes."""

    columns: tuple[int, ...]
    classes: tuple[Integers, ...]
    forbidden: Booleans


@dataclass(slots=True)
class Drawing:
    """Records while they are drawn: `known` codes (records,) of columns; of others the atom that they are in, once drawn.

    `parts[column]` (codes,) says in which atom each code is: atoms are what no table of the column cuts any finer.
    `labels[column]` (records,) is the atom of each record.
    """

    records: int
    known: dict[int, Integers]
    parts: dict[int, Integers] = field(default_factory=dict)
    labels: dict[int, Integers] = field(default_factory=dict)

    def told(self, column: int) -> bool:
        """Whether it is known in which class of a table each record is."""
        return column in self.known or column in self.labels

    def class_of(self, column: int, classes: Integers) -> Integers:
        """The class of a table's column that each record is in, (records,)."""
        if column in self.known:
            return classes[self.known[column]]
        return by_atom(self.parts[column], classes)[self.labels[column]]


def by_atom(part: Integers, classes: Integers) -> Integers:
    """The class that each atom lies in, shape (atoms,)."""
    found = np.zeros(int(part.max()) + 1, dtype=np.int64)
    found[part] = classes
    return found


def wanted_of(goal: Goal, columns: Sequence[int], total: float) -> Wanted | None:
    """A goal as a table of counts that add up to `total`; `columns` are the numbers of its axes. None where it is no such table.

    Of absolute counts `total` is the number of records in all its cells; what it leaves open is NaN.
    """
    return None if goal.trust < 1.0 else _counted(goal, columns, total)


def leaned_of(goal: Goal, columns: Sequence[int], total: float) -> Wanted | None:
    """A soft pair as counts that records lean towards: the geometric mean of its shares and of independence, by its trust.

    That is where weights come to rest that are fitted to it and drawn back to zero. None where it is no plain pair.
    """
    table = _counted(goal, columns, total) if len(columns) == 2 and goal.table.floor is None else None
    if table is None or np.isnan(table.values).any():
        return None
    alone = np.outer(table.values.sum(axis=1), table.values.sum(axis=0)) / max(total, SMALLEST)
    leaned = alone ** (1.0 - goal.trust) * table.values**goal.trust
    for _ in range(LEANING_ROUNDS):
        for axis in (0, 1):
            kept = table.values.sum(axis=axis, keepdims=True)
            leaned = leaned * (kept / np.maximum(leaned.sum(axis=axis, keepdims=True), SMALLEST))
    return replace(table, values=leaned)


def _counted(goal: Goal, columns: Sequence[int], total: float) -> Wanted | None:
    if is_free(goal.table) or len(set(columns)) < len(columns):
        return None
    cells, classes = _by_class(goal.projection)
    inside = cells[cells >= 0]
    if len(np.unique(inside)) < len(inside):
        return None
    outside = np.nan if goal.table.base is not None else 0.0
    values = np.where(cells >= 0, goal.shares[np.maximum(cells, 0)] * total, outside)
    return Wanted(
        columns=tuple(columns),
        classes=classes,
        values=values,
    )


def barred_of(zeros: StructuralZeros, columns: Sequence[int]) -> Barred | None:
    """Structural zeros as combinations of codes; `columns` are the numbers of their axes. None where it is of no such form."""
    if len(set(columns)) < len(columns) or len(columns) < 1:
        return None
    cells, classes = _by_class(zeros.projection)
    forbidden = (cells >= 0) & zeros.forbidden[np.maximum(cells, 0)]
    return Barred(columns=tuple(columns), classes=classes, forbidden=forbidden)


def _by_class(projection: Projection) -> tuple[Integers, tuple[Integers, ...]]:
    """The cell of every combination of the classes that a projection tells apart, an axis per column; the class of each code."""
    ends = [np.unique(offsets, return_inverse=True) for offsets in projection.offsets]
    index = np.zeros(1, dtype=np.int64)
    for strides, _ in ends:
        index = (index[:, None] + strides[None, :]).ravel()
    cells = projection.cells[index].reshape([len(strides) for strides, _ in ends])
    return cells, tuple(classes.astype(np.int64) for _, classes in ends)


def draw_zones(tables: Sequence[Wanted], column: int, margin: Floats, records: int) -> Integers:
    """The code of the frame of each record, (records,): as the first table that has them all wants them, rounded."""
    size = len(margin)
    whole = (t for t in tables if column in t.columns and not np.isnan(t.values).any())
    found = [t for t in whole if t.values.shape[t.columns.index(column)] == size]
    shares = margin
    if found:
        position = found[0].columns.index(column)
        totals = np.nan_to_num(found[0].values).sum(axis=tuple(k for k in range(found[0].values.ndim) if k != position))
        shares = totals[found[0].classes[position]]
    ends = np.cumsum(shares) * (records / max(shares.sum(), 1e-300))
    ends[-1] = records
    return np.repeat(np.arange(size), np.diff(np.floor(ends + 0.5).astype(np.int64), prepend=0))


def codes_within(drawing: Drawing, column: int, margin: Floats, *, rng: np.random.Generator) -> Integers:
    """A code for each record, (records,), within the part that it is in, spread there as in `margin` (codes,)."""
    part = drawing.parts.get(column, np.zeros(len(margin), dtype=np.int64))
    label = drawing.labels.get(column, np.zeros(drawing.records, dtype=np.int64))
    drawn = np.zeros(drawing.records, dtype=np.int64)
    for number, records in enumerate(_by_label(label, int(part.max()) + 1)):
        inside = np.flatnonzero(part == number)
        if len(records) and len(inside):
            shares = margin[inside] if margin[inside].sum() > 0 else np.ones(len(inside))
            counts = round_within((shares / shares.sum() * len(records))[None, :], np.array([len(records)]))
            drawn[rng.permutation(records)] = np.repeat(inside, counts[0])
    return drawn


def _by_label(label: Integers, number: int) -> list[Integers]:
    """The records of each label."""
    order = np.argsort(label, kind="stable")
    return np.split(order, np.searchsorted(label[order], np.arange(1, number)))
