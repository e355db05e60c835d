"""Frames: a variable of the top records, such as their zone, that is drawn exactly and never redrawn.

Where tables form a star at one variable they are met by a draw that begins with it, and all that follows is about records of one
zone. A fit that redraws the zone undoes what the draw has met, so the variable is held: records change their zone only by
exchanging it.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmsynthor.aims.goals import Goals
from llmsynthor.aims.layout import Layout, Place
from llmsynthor.records.evaluate import evaluate_tree, places
from llmsynthor.spec.expressions import Aggregate, Expression, Node, nodes, references
from llmsynthor.spec.schema import Category

Integers = NDArray[np.int64]

NONE = -1
"""Column of a layout without a frame."""

FEWEST_ZONES = 16
"""A variable with fewer levels is redrawn like any other, unless the spec says that it is a zone."""

FEWEST_TABLES, MOST_WITHOUT = 2, 0.5
"""So many tables must join the variable with others, and at most this part of all tables that join variables do without it."""


def find_frame(layout: Layout, goals: Sequence[Goals], declared: str | None = None) -> int:
    """The own column of the top unit that is held: the `declared` one, or that which nearly all tables of all units share."""
    best, most = NONE, 0
    counting = layout.counting(0)
    for column in range(layout.n_own(0)):
        axis = layout.columns[0][column].axis
        if axis.name == declared:
            return column
        if declared is not None or column in counting:
            continue
        if isinstance(axis.variable, Category) and axis.size >= FEWEST_ZONES:
            joining, without = _tables(layout, goals, column)
            enough = joining >= FEWEST_TABLES and without <= MOST_WITHOUT * (joining + without)
            if enough and joining > most:
                best, most = column, joining
    return best


def _tables(layout: Layout, goals: Sequence[Goals], column: int) -> tuple[int, int]:
    """How many tables that join variables have the column, or what follows from it, among them, and how many have not."""
    follows, joining, without = set(frame_functions(layout, column)), 0, 0
    for unit, own in enumerate(goals):
        wide = layout.wide_places(unit)
        for goal in own.given:
            named = {wide[axis] for axis in goal.projection.axes}
            if len(named) > 1:
                joining, without = (joining + 1, without) if named & follows else (joining, without + 1)
    return joining, without


def frame_functions(layout: Layout, column: int) -> Mapping[Place, Integers]:
    """Code in every column that follows from the frame alone, the frame itself among them, for each of its codes: (zones,).

    The code behind the last stands for a value that is missing or outside.
    """
    own = layout.columns[0][column].axis
    found: dict[Place, Integers] = {(0, column): np.arange(own.size)}
    values: dict[Place, pl.Series] = {(0, column): pl.Series([str(level) for level in own.levels])}
    if not isinstance(own.variable, Category):
        return found
    for place in layout.order:
        computed = layout.columns[place[0]][place[1]]
        if computed.role == "derived" and computed.expression is not None:
            leaves = _leaves(layout, place[0], computed.expression, values)
            if leaves is not None:
                values[place] = evaluate_tree(computed.expression.tree, leaves, own.size)
                codes = places(values[place], computed.axis.levels)
                found[place] = np.where(codes < 0, computed.axis.size, codes)
    return found


def _leaves(
    layout: Layout, unit: int, expression: Expression, values: Mapping[Place, pl.Series]
) -> dict[Node, pl.Series] | None:
    """The values of all that an expression names, where each follows from the frame."""
    if any(isinstance(node, Aggregate) for node in nodes(expression.tree)):
        return None
    named = {reference: layout.place(unit, reference) for reference in references(expression)}
    if not named or any(place not in values for place in named.values()):
        return None
    return {reference: values[place] for reference, place in named.items() if place is not None}
