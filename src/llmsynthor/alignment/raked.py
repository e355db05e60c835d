"""Tables drawn in whole records: raked where several say something of a column, and rounded so that groups stay whole.

Column after column is drawn within the groups that its tables share with what is drawn already, a zone, a tract that follows from
it, a level of another column. What all its tables say of these groups is raked together, and each group gets its expected counts,
rounded up or down so that groups stay whole (controlled rounding; Cox 1987). Tables that form a star at the zone, or a chain of
stars, are met by this alone; what is left of others is little.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from llmsynthor.alignment.framed import Barred, Drawing, Wanted, by_atom
from llmsynthor.alignment.rounding import CLOSE, round_within

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

ROUNDS = 60
"""Rounds of raking at most, where several tables say something of a column."""

SMALLEST = 1e-12


def draw_tables(
    drawing: Drawing,
    tables: Sequence[Wanted],
    margins: Mapping[int, Floats],
    barred: Sequence[Barred] = (),
    *,
    rng: np.random.Generator,
) -> list[int]:
    """Draw column after column what the tables say of the records, those first that the finest groups tell; returns their order.

    `margins` (codes,) of each column that may be drawn say how records lie inside a cell of its tables.
    """
    tables, order = [_within_bars(table, barred, margins) for table in tables], list[int]()
    left = {column for table in tables for column in table.columns if column in margins and not drawing.told(column)}
    while left:
        column = max(left, key=lambda c: (_groups(drawing, tables, c), -c))
        left.remove(column)
        _draw_column(drawing, [t for t in tables if column in t.columns], column, margins[column], barred, rng)
        order.append(column)
    return order


def _within_bars(table: Wanted, barred: Sequence[Barred], margins: Mapping[int, Floats]) -> Wanted:
    """A table cut as finely as the bars that lie within its columns, each cell spread over what of it is allowed.

    So "children by age group" says of ages up to which there are children how many lie below.
    """
    for bar in barred:
        if len(bar.columns) < 2 or not set(bar.columns) <= set(table.columns) or not set(bar.columns) <= set(margins):
            continue
        values, classes = table.values, list(table.classes)
        spread = np.ones([1] * values.ndim)
        for k, column in enumerate(table.columns):
            if column in bar.columns:
                own = np.stack([table.classes[k], bar.classes[bar.columns.index(column)]])
                pairs, atoms = np.unique(own, axis=1, return_inverse=True)
                classes[k] = atoms.ravel().astype(np.int64)
                values = np.take(values, pairs[0], axis=k)
                shape = [-1 if j == k else 1 for j in range(values.ndim)]
                spread = spread * np.bincount(classes[k], weights=margins[column]).reshape(shape)
        at = np.ix_(
            *(by_atom(classes[table.columns.index(c)], own) for c, own in zip(bar.columns, bar.classes, strict=True))
        )
        allowed = ~bar.forbidden[at]
        places = [table.columns.index(c) for c in bar.columns]
        ordered = allowed.transpose(np.argsort(places))
        spread = spread * ordered.reshape([values.shape[k] if k in places else 1 for k in range(values.ndim)])
        table = _spread_out(table, values, classes, np.broadcast_to(spread, values.shape))
    return table


def _spread_out(table: Wanted, values: Floats, classes: Sequence[Integers], weight: Floats) -> Wanted:
    """Share the values of a table's cells, repeated over finer ones, out by weight; as they are where none is left."""
    coarse = [by_atom(fine, own) for fine, own in zip(classes, table.classes, strict=True)]
    cell = np.zeros(values.shape, dtype=np.int64)
    for k, own in enumerate(coarse):
        cell = cell * table.values.shape[k] + own.reshape([-1 if j == k else 1 for j in range(values.ndim)])
    total = np.bincount(cell.ravel(), weights=weight.ravel(), minlength=table.values.size)
    number = np.bincount(cell.ravel(), minlength=table.values.size)
    share = np.where(total[cell] > 0, weight / np.maximum(total[cell], SMALLEST), 1.0 / number[cell])
    return Wanted(columns=table.columns, classes=tuple(classes), values=values * share)


def _groups(drawing: Drawing, tables: Sequence[Wanted], column: int) -> int:
    """How many groups the tables of a column tell apart by what is known."""
    having = (table for table in tables if column in table.columns)
    shapes = ([(c, n) for c, n in zip(t.columns, t.values.shape, strict=True) if c in drawing.known] for t in having)
    return max((int(np.prod([n for _, n in shape])) for shape in shapes), default=1)


def _draw_column(
    drawing: Drawing,
    tables: Sequence[Wanted],
    column: int,
    margin: Floats,
    barred: Sequence[Barred],
    rng: np.random.Generator,
) -> None:
    """Draw the atoms of a column, within groups that are alike in all that its tables and bars join it with."""
    barred = [bar for bar in barred if column in bar.columns]
    every: list[Wanted | Barred] = [*tables, *barred]
    cuts = [part.classes[part.columns.index(column)] for part in every]
    barred = [bar for bar in barred if all(c == column or drawing.told(c) for c in bar.columns)]
    every = [*tables, *barred]
    _, atoms = np.unique(np.stack(cuts), axis=1, return_inverse=True)
    atoms = atoms.ravel().astype(np.int64)
    keys = [
        drawing.class_of(c, classes)
        for part in every
        for c, classes in zip(part.columns, part.classes, strict=True)
        if c != column and drawing.told(c)
    ]
    group = _numbered(keys, drawing.records)
    held = np.bincount(group)
    first = np.zeros(len(held), dtype=np.int64)
    first[group] = np.arange(drawing.records)
    shares = np.bincount(atoms, weights=margin)
    guess = np.broadcast_to(np.maximum(shares, SMALLEST), (len(held), len(shares))).copy()
    for bar in barred:
        guess *= ~bar.forbidden.ravel()[
            _cells(drawing, bar.columns, bar.classes, bar.forbidden.shape, column, atoms, first)
        ]
    asked = [_asked(drawing, table, column, atoms, first, held) for table in tables]
    counts = round_within(raked(guess, held, asked), held)
    order = np.lexsort((rng.random(drawing.records), group))
    drawn = np.empty(drawing.records, dtype=np.int64)
    drawn[order] = np.repeat(np.tile(np.arange(len(shares)), len(held)), counts.ravel())
    drawing.parts[column], drawing.labels[column] = atoms, drawn


def _numbered(keys: Sequence[Integers], records: int) -> Integers:
    """Number of the group of each record, (records,): alike in all keys; groups of the first keys stand together."""
    found = np.zeros(records, dtype=np.int64)
    for key in keys:
        size = int(key.max(initial=0)) + 1
        _, found = np.unique(found * size + key, return_inverse=True)
    return found


def _cells(
    drawing: Drawing,
    columns: tuple[int, ...],
    classes: tuple[Integers, ...],
    shape: tuple[int, ...],
    column: int,
    atoms: Integers,
    first: Integers,
) -> Integers:
    """The cell of a table for each group, by its `first` record, and each atom of the column: (groups, atoms)."""
    found = np.zeros((len(first), int(atoms.max()) + 1), dtype=np.int64)
    for c, own, size in zip(columns, classes, shape, strict=True):
        at = by_atom(atoms, own)[None, :] if c == column else drawing.class_of(c, own)[first][:, None]
        found = found * size + at
    return found


def _asked(
    drawing: Drawing, table: Wanted, column: int, atoms: Integers, first: Integers, held: Integers
) -> tuple[Integers, Floats]:
    """The cell of each group and atom, and what each cell is to hold; columns that are not drawn yet are summed over."""
    kept = [k for k, c in enumerate(table.columns) if c == column or drawing.told(c)]
    values = table.values.sum(axis=tuple(k for k in range(table.values.ndim) if k not in kept))
    columns, classes = tuple(table.columns[k] for k in kept), tuple(table.classes[k] for k in kept)
    cell = _cells(drawing, columns, classes, values.shape, column, atoms, first)
    return _closed(cell, values, columns.index(column), held) if np.isnan(values).any() else (cell, values.ravel())


def _closed(cell: Integers, values: Floats, place: int, held: Integers) -> tuple[Integers, Floats]:
    """Give the open cells (NaN) of each group of a table one cell together: what the others leave of its records."""
    size, inner = values.shape[place], int(np.prod(values.shape[place + 1 :], dtype=np.int64))
    outer, rest = np.divmod(cell, size * inner)
    group = outer * inner + rest % inner  # without the column itself
    flat, rows = values.ravel(), np.moveaxis(values, place, -1).reshape(-1, size)
    records = np.bincount(group[:, 0], weights=held, minlength=len(rows))
    left = np.maximum(records - np.nansum(rows, axis=1), 0.0)
    return np.where(np.isnan(flat[cell]), len(flat) + group, cell), np.concatenate([np.nan_to_num(flat), left])


def raked(guess: Floats, held: Integers, asked: Sequence[tuple[Integers, Floats]]) -> Floats:
    """Bring a guess (groups, atoms) to the counts asked for, and its rows to what groups hold (Deming and Stephan 1940)."""
    wanted = _rows_to(guess, held)
    for _ in range(ROUNDS if len(asked) > 1 else 2):
        before = wanted
        for cell, goal in asked:
            now = np.bincount(cell.ravel(), weights=wanted.ravel(), minlength=len(goal))
            wanted = wanted * (goal / np.maximum(now, SMALLEST))[cell]
        wanted = _rows_to(wanted, held)
        if np.abs(wanted - before).max(initial=0.0) < CLOSE:
            break
    return wanted


def _rows_to(wanted: Floats, held: Integers) -> Floats:
    sums = wanted.sum(axis=1)
    lost = sums <= SMALLEST  # a group of which nothing is asked is drawn as the column is in all
    if lost.any():
        wanted = np.where(lost[:, None], wanted.sum(axis=0)[None, :] + SMALLEST, wanted)
        sums = wanted.sum(axis=1)
    return np.asarray(wanted * (held / sums)[:, None])
