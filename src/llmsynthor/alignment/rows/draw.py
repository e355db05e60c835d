"""The first population: drawn from the tables one after the other, each given what the earlier ones have drawn.

Tables that hang together like a tree are met by this alone, and the draw is the one of largest entropy: the density of a
decomposable model is the product of its tables over the product of what they share (Lauritzen 1996, section 4.4).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.goals import Goal, Goals
from llmsynthor.alignment.cells import NEVER
from llmsynthor.alignment.framed import Drawing, barred_of, codes_within, draw_zones, wanted_of
from llmsynthor.alignment.raked import draw_tables

NEARLY_GIVEN = 0.999
"""Trust from which a table is drawn from as if it were given: where dependence is strong, single redraws would not get there."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Draw the axes `new` given the axes `shared`; `joint` (shared cells, new cells) are the table's shares."""

    table: int
    shared: tuple[int, ...]
    new: tuple[int, ...]
    joint: Floats


def links(goals: Goals) -> tuple[Link, ...]:
    """Order the tables so that each draws new variables given earlier ones, the strongest dependence first."""
    usable = [k for k, goal in enumerate(goals.tables) if _usable(goals, goal)]
    strength: dict[tuple[int, frozenset[int]], float] = {}
    done: set[int] = set()
    found: list[Link] = []
    while usable:
        usable = [k for k in usable if not set(goals.tables[k].projection.axes) <= done]
        options = []
        for k in usable:
            shared = frozenset(goals.tables[k].projection.axes) & done
            if (k, shared) not in strength:
                strength[k, shared] = _strength(goals.tables[k], shared)
            options.append((strength[k, shared], -k))
        if not options:
            break
        chosen = -max(options)[1]
        found.append(_link(chosen, goals.tables[chosen], done))
        done |= set(goals.tables[chosen].projection.axes)
    return tuple(found)


def _usable(goals: Goals, goal: Goal) -> bool:
    sizes = tuple(goals.grid.axes[axis].size for axis in goal.projection.axes)
    if any(goals.grid.function(name) is not None for name in goal.table.columns):
        return False
    return goal.table.universe is None and goal.trust >= NEARLY_GIVEN and goal.shape == sizes


def _link(number: int, goal: Goal, done: set[int]) -> Link:
    axes = goal.projection.axes
    shared = tuple(axis for axis in axes if axis in done)
    new = tuple(axis for axis in axes if axis not in done)
    shares = goal.shares.reshape(goal.shape).transpose([axes.index(axis) for axis in (*shared, *new)])
    first = int(np.prod([goal.shape[axes.index(axis)] for axis in shared])) if shared else 1
    return Link(table=number, shared=shared, new=new, joint=np.ascontiguousarray(shares.reshape(first, -1)))


def _strength(goal: Goal, shared: frozenset[int]) -> float:
    """Information in nats that the draw carries: of new variables about the shared ones, or about each other."""
    link = _link(0, goal, set(shared))
    entropy = _entropy(link.joint.ravel())
    if shared:
        return _entropy(link.joint.sum(axis=1)) + _entropy(link.joint.sum(axis=0)) - entropy
    shares = goal.shares.reshape(goal.shape)
    margins = [shares.sum(axis=tuple(j for j in range(shares.ndim) if j != k)) for k in range(shares.ndim)]
    return sum(_entropy(margin) for margin in margins) - entropy


def _entropy(shares: Floats) -> float:
    positive = shares[shares > 0]
    return float(-(positive * np.log(positive)).sum())


def draw_initial(goals: Goals, chain: tuple[Link, ...], records: int, rng: np.random.Generator) -> NDArray[np.int32]:
    """Draw records, shape (records, variables): every cell of a linked table gets its expected count, rounded.

    Variables of no link are independent, each stratified over its one-way shares.
    """
    codes = np.zeros((records, len(goals.grid.axes)), dtype=np.int32)
    linked = {axis for link in chain for axis in link.new}
    for axis, shares in enumerate(goals.margins()):
        if axis not in linked:
            points = (np.arange(records) + rng.random(records)) / records
            drawn = np.minimum(np.searchsorted(np.cumsum(shares), points, side="right"), len(shares) - 1)
            codes[:, axis] = rng.permutation(drawn)
    for link in chain:
        _draw_link(goals, link, codes, rng)
    return codes


def _draw_link(goals: Goals, link: Link, codes: NDArray[np.int32], rng: np.random.Generator) -> None:
    sizes = goals.grid.sizes
    group = np.zeros(len(codes), dtype=np.int64)
    for axis in link.shared:
        group = group * sizes[axis] + codes[:, axis]
    held = np.bincount(group, minlength=len(link.joint)).astype(np.float64)
    rows = link.joint.sum(axis=1, keepdims=True)
    given = np.where(rows > 0, link.joint / np.maximum(rows, 1e-300), link.joint.sum(axis=0))
    ends = np.cumsum((held[:, None] * given / given.sum(axis=1, keepdims=True)).ravel())
    cells = np.searchsorted(ends, np.arange(len(codes)) + 0.5, side="right")
    cells = np.minimum(cells, np.flatnonzero(np.diff(ends, prepend=0.0) > 0)[-1]) if len(codes) else cells
    order = np.lexsort((rng.random(len(codes)), group))
    drawn = np.unravel_index(cells % link.joint.shape[1], [sizes[axis] for axis in link.new])
    for axis, column in zip(link.new, drawn, strict=True):
        codes[order, axis] = column


def initial_weights(goals: Goals, chain: tuple[Link, ...]) -> dict[int, Floats]:
    """Log-weights of the linked tables under which the initial population is the one of largest entropy."""
    found = {}
    for link in chain:
        goal = goals.tables[link.table]
        rows = link.joint.sum(axis=1, keepdims=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.where(link.joint > 0, np.log(link.joint / rows), NEVER)
        axes = (*link.shared, *link.new)
        back = logs.reshape([goal.shape[goal.projection.axes.index(axis)] for axis in axes])
        found[link.table] = back.transpose([axes.index(axis) for axis in goal.projection.axes]).ravel()
    return found


def draw_framed(goals: Goals, records: int, *, rng: np.random.Generator) -> NDArray[np.int32]:
    """Draw records beginning with the frame, then table by table within it; shape (records, variables)."""
    wanted = [wanted_of(goal, goal.projection.axes, records * goal.per_base) for goal in goals.tables]
    tables = [table for table in wanted if table is not None]
    margins = goals.margins()
    zones = draw_zones(tables, goals.frame, margins[goals.frame], records)
    drawing = Drawing(records=records, known={goals.frame: zones})
    barred = [barred_of(zeros, zeros.projection.axes) for zeros in goals.zeros]
    draw_tables(drawing, tables, dict(enumerate(margins)), [bar for bar in barred if bar is not None], rng=rng)
    codes = np.zeros((records, len(margins)), dtype=np.int32)
    for axis, margin in enumerate(margins):
        codes[:, axis] = zones if axis == goals.frame else codes_within(drawing, axis, margin, rng=rng)
    return codes
