"""A draw that begins with the frame: zones first, then table by table what each zone's records are, in whole records.

Every table is drawn within the groups that it shares with what is drawn already, a zone, a tract that follows from it, a level of
an earlier table, and each of its cells gets its expected count, rounded up or down so that groups stay whole (controlled
rounding; Cox 1987). Tables that form a star at the zone, or a chain of stars, are met by this alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.goals import Goal
from llmsynthor.alignment.cells import is_free

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

LARGEST = 30_000_000
"""Groups times cells of a table up to which it is drawn from."""

CLOSE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A table of counts: `values` has an axis per column, over its classes; `classes[j]` says in which each code of column j is.

    `columns` are numbers of whatever the drawn records have.
    """

    columns: tuple[int, ...]
    classes: tuple[Integers, ...]
    values: Floats


@dataclass(slots=True)
class Drawing:
    """Records while they are drawn: `known` codes (records,) of columns; of others the part that they are in, where one is.

    `parts[column]` says in which part each code is, and `labels[column]` (records,) in which part each record is.
    """

    records: int
    known: dict[int, Integers]
    parts: dict[int, Integers] = field(default_factory=dict)
    labels: dict[int, Integers] = field(default_factory=dict)


def draw_tables(drawing: Drawing, tables: Sequence[Wanted], *, rng: np.random.Generator) -> list[int]:
    """Draw the records' parts table by table, those first that begin with what is known; returns the tables drawn, in order."""
    left, done = list(range(len(tables))), list[int]()
    while left:
        ready = [(_rank(drawing, tables[k]), -k) for k in left]
        best = max(ready)
        if best[0][0] < 0:
            return done
        chosen = -best[1]
        left.remove(chosen)
        if _draw(drawing, tables[chosen], rng):
            done.append(chosen)
    return done


def _rank(drawing: Drawing, table: Wanted) -> tuple[int, int, int]:
    """Which table comes first: one that shares known columns, the most new ones, the most cells; -1 where none of it is new."""
    shared, new, clash = _roles(drawing, table)
    if clash or not new:
        return (-1, 0, 0)
    known = [k for k in shared if table.columns[k] in drawing.known]
    return (1 if known else 0, len(new), int(np.prod(table.values.shape)))


def _roles(drawing: Drawing, table: Wanted) -> tuple[list[int], list[int], bool]:
    """Which columns of a table are told by what is drawn, which are new, and whether one cuts across what is drawn."""
    shared, new, clash = list[int](), list[int](), False
    for k, (column, classes) in enumerate(zip(table.columns, table.classes, strict=True)):
        part = drawing.parts.get(column)
        if column in drawing.known or (part is not None and _refines(part, classes)):
            shared.append(k)
        else:
            clash = clash or (part is not None and not _refines(classes, part))
            new.append(k)
    return shared, new, clash


def _refines(fine: Integers, coarse: Integers) -> bool:
    """Whether each part of `fine` lies in one part of `coarse`, both (codes,)."""
    pairs = np.unique(np.stack([fine, coarse]), axis=1)
    return bool(len(np.unique(pairs[0])) == pairs.shape[1])


def _translated(fine: Integers, coarse: Integers) -> Integers:
    """The part of `coarse` that each part of `fine` lies in, shape (parts of fine,)."""
    found = np.zeros(int(fine.max()) + 1, dtype=np.int64)
    found[fine] = coarse
    return found


def _draw(drawing: Drawing, table: Wanted, rng: np.random.Generator) -> bool:
    """Draw the new columns of a table within the groups of the others; says whether it could be."""
    shared, new, _ = _roles(drawing, table)
    shape = table.values.shape
    values = np.ascontiguousarray(table.values.transpose([*shared, *new]))
    rows = values.reshape(int(np.prod([shape[k] for k in shared], dtype=np.int64)), -1)
    group = np.zeros(drawing.records, dtype=np.int64)
    for k in shared:
        group = group * shape[k] + _class_of(drawing, table.columns[k], table.classes[k])
    allowed = np.ones((1, rows.shape[1]), dtype=bool)
    inner = np.unravel_index(np.arange(rows.shape[1]), [shape[k] for k in new])
    for k, classes in zip(new, inner, strict=True):
        column = table.columns[k]
        if column in drawing.parts:  # only cells inside the part that a record is in already
            n_parts = int(drawing.parts[column].max()) + 1
            fits = _translated(table.classes[k], drawing.parts[column])[classes] == np.arange(n_parts)[:, None]
            allowed = (allowed[:, None, :] & fits[None, :, :]).reshape(-1, rows.shape[1])
            group = group * n_parts + drawing.labels[column]
    if rows.shape[0] * len(allowed) * rows.shape[1] > LARGEST:
        return False
    wanted = np.where(allowed[None, :, :], rows[:, None, :], 0.0).reshape(-1, rows.shape[1])
    held = np.bincount(group, minlength=len(wanted))
    wanted = _filled(wanted, held)
    if np.any(held[wanted.sum(axis=1) <= 0] > 0):
        wanted = _with_fallback(wanted, held, np.nan_to_num(rows).sum(axis=0), allowed)
    counts = round_within(wanted, held)
    order = np.lexsort((rng.random(drawing.records), group))
    drawn = np.empty(drawing.records, dtype=np.int64)
    drawn[order] = np.repeat(np.tile(np.arange(rows.shape[1]), len(wanted)), counts.ravel())
    for k, classes in zip(new, inner, strict=True):
        part = table.classes[k]
        drawing.parts[table.columns[k]] = part
        drawing.labels[table.columns[k]] = classes[drawn].astype(np.int64)
    return True


def _filled(wanted: Floats, held: Integers) -> Floats:
    """Let open cells (NaN) have what the others leave of the records of their group."""
    free = np.isnan(wanted)
    if not free.any():
        return wanted
    rest = np.maximum(held - np.nansum(wanted, axis=1), 0.0) / np.maximum(free.sum(axis=1), 1)
    return np.where(free, rest[:, None], wanted)


def _class_of(drawing: Drawing, column: int, classes: Integers) -> Integers:
    """The class of a table's column that each record is in, (records,)."""
    if column in drawing.known:
        return classes[drawing.known[column]]
    return _translated(drawing.parts[column], classes)[drawing.labels[column]]


def _with_fallback(wanted: Floats, held: Integers, overall: Floats, allowed: Booleans) -> Floats:
    """Groups that hold records and want none are drawn as all records are, or evenly from what is allowed."""
    lost = np.flatnonzero((held > 0) & (wanted.sum(axis=1) <= 0))
    rows = allowed[lost % len(allowed)] * np.where(overall.sum() > 0, overall, 1.0)
    rows = np.where(rows.sum(axis=1, keepdims=True) > 0, rows, 1.0)
    wanted = wanted.copy()
    wanted[lost] = rows
    return wanted


def round_within(wanted: Floats, held: Integers) -> Integers:
    """Whole numbers near `wanted` (groups, cells) whose rows sum to `held` (groups,), each a floor or a ceiling where that can be.

    What rounding leaves of each cell is carried from group to group, so that the sums of cells stay near as well. A row whose sum
    is another than what is wanted is scaled first.

    >>> round_within(np.array([[0.5, 0.5], [0.5, 0.5]]), np.array([1, 1])).tolist()
    [[1, 0], [0, 1]]
    """
    sums = wanted.sum(axis=1)
    off = np.abs(sums - held) >= 1.0 - CLOSE
    scaled = np.where(off[:, None], wanted * (held / np.maximum(sums, 1e-300))[:, None], wanted)
    counts = np.floor(scaled + CLOSE).astype(np.int64)
    rest = np.maximum(scaled - counts, 0.0)
    missing = held - counts.sum(axis=1)
    carried = np.zeros(wanted.shape[1])
    for group in np.flatnonzero((held > 0) | (missing != 0) | (rest.sum(axis=1) > CLOSE)):
        carried += rest[group]
        number = int(missing[group])
        if number > 0:
            chosen = np.argsort(np.where(rest[group] > CLOSE, -carried, np.inf), kind="stable")[:number]
            counts[group, chosen] += 1
            carried[chosen] -= 1.0
        elif number < 0:  # fewer than the whole numbers alone
            chosen = np.argsort(np.where(counts[group] > 0, carried, np.inf), kind="stable")[:-number]
            counts[group, chosen] -= 1
            carried[chosen] += 1.0
    return counts


def wanted_of(goal: Goal, columns: Sequence[int], total: float) -> Wanted | None:
    """A goal as a table of counts that add up to `total`; `columns` are the numbers of its axes. None where it is no such table.

    Of absolute counts `total` is the number of records in all its cells; what it leaves open is NaN.
    """
    if is_free(goal.table) or goal.trust < 1.0 or len(set(columns)) < len(columns):
        return None
    ends = [np.unique(offsets, return_inverse=True) for offsets in goal.projection.offsets]
    index = np.zeros(1, dtype=np.int64)
    for strides, _ in ends:
        index = (index[:, None] + strides[None, :]).ravel()
    cells = goal.projection.cells[index]
    inside = cells[cells >= 0]
    if len(np.unique(inside)) < len(inside):
        return None
    outside = np.nan if goal.table.base is not None else 0.0
    values = np.where(cells >= 0, goal.shares[np.maximum(cells, 0)] * total, outside)
    return Wanted(
        columns=tuple(columns),
        classes=tuple(classes.astype(np.int64) for _, classes in ends),
        values=values.reshape([len(strides) for strides, _ in ends]),
    )


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
