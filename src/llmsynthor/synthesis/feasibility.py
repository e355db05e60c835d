"""Feasibility: the smallest set of targets and rules that cannot hold together, by linear programming.

Over the joint cells of a few variables, "some population meets these targets and rules" is a linear program. Where it has no
solution, targets and rules are left out one by one as long as it still has none (the deletion filter of Chinneck and Dravnieks
1991): what remains cannot be made smaller. Only sets of variables with few joint cells are tried, so it is quick, and silent
about what it cannot see.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import csr_array, vstack

from llmsynthor.synthesis.goals import Goal, Goals, StructuralZeros
from llmsynthor.synthesis.projection import project_columns

LARGEST_PROGRAM = 20_000
"""Joint cells of a program that is tried."""

MOST_FOUND = 5
SLACK = 1e-7

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """Targets and rules, by name, that cannot hold together; without any one of them the others can, on these variables."""

    targets: tuple[str, ...]
    rules: tuple[str, ...]

    def __str__(self) -> str:
        named = [*(f'target "{name}"' for name in self.targets), *(f'rule "{name}"' for name in self.rules)]
        return " and ".join(named) + " cannot hold together"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One target or rule on the joint cells: `low` ≤ `matrix` · p ≤ `high`, and p = 0 where `forbidden`."""

    name: str
    is_rule: bool
    matrix: csr_array | None = None
    low: Floats | None = None
    high: Floats | None = None
    forbidden: NDArray[np.bool_] | None = None


def find_contradictions(goals: Goals, suspects: Iterable[str]) -> tuple[Contradiction, ...]:
    """Look for contradictions around the named tables; each suspect is explained by at most one."""
    found: list[Contradiction] = []
    by_name = {goal.name: goal for goal in goals.tables}
    for name in suspects:
        if len(found) >= MOST_FOUND:
            break
        if name in by_name and not any(name in contradiction.targets for contradiction in found):
            contradiction = _around(goals, by_name[name])
            if contradiction is not None and contradiction not in found:
                found.append(contradiction)
    return tuple(found)


def _around(goals: Goals, goal: Goal) -> Contradiction | None:
    """Widen the set of variables step by step, until it shows a contradiction or grows too large."""
    axes = frozenset(goal.projection.axes)
    tried: set[frozenset[int]] = set()
    while axes not in tried:
        tried.add(axes)
        parts, cells = _parts(goals, axes)
        if cells > LARGEST_PROGRAM:
            return None
        if not _feasible(parts, cells):
            return _smallest(parts, cells)
        axes = _wider(goals, axes)
    return None


def _wider(goals: Goals, axes: frozenset[int]) -> frozenset[int]:
    """Take in the neighbour, rules first, that adds the fewest joint cells."""
    tied = [zeros.projection.axes for zeros in goals.zeros if zeros.rule is not None]
    joined = [goal.projection.axes for goal in goals.tables]
    for groups in (tied, joined):
        options = [axes | set(group) for group in groups if set(group) & axes and not set(group) <= axes]
        if options:
            return min(
                options,
                key=lambda option: (np.prod([goals.grid.sizes[axis] for axis in option], dtype=float), sorted(option)),
            )
    return axes


def _parts(goals: Goals, axes: frozenset[int]) -> tuple[list[_Part], int]:
    """Write every target and rule that speaks of these variables alone, or has a margin that does, on their joint cells."""
    order = sorted(axes)
    tables = [goal for goal in goals.tables if set(goal.projection.axes) & axes and goal.trust >= 1.0]
    zeros = [z for z in goals.zeros if z.rule is not None and set(z.projection.axes) <= axes]
    classes = [_classes(goals, axis, tables, zeros) for axis in order]
    shape = [int(own.max()) + 1 for own in classes]
    if np.prod(shape, dtype=float) > LARGEST_PROGRAM:
        return [], LARGEST_PROGRAM + 1
    cells = int(np.prod(shape))
    first = [np.unique(own, return_index=True)[1] for own in classes]
    place = np.indices(shape).reshape(len(shape), -1)
    codes = np.zeros((cells, len(goals.grid.axes)), dtype=np.int32)
    for k, axis in enumerate(order):
        codes[:, axis] = first[k][place[k]]
    found = [part for goal in tables if (part := _table_part(goals, goal, axes, codes)) is not None]
    found += [_rule_part(z, codes) for z in zeros]
    return found, cells


def _classes(goals: Goals, axis: int, tables: Sequence[Goal], zeros: Sequence[StructuralZeros]) -> Integers:
    """Number the codes of a variable such that codes which nothing tells apart share a number, shape (codes,)."""
    projections = [*(goal.projection for goal in tables), *(z.projection for z in zeros)]
    told = [p.offsets[p.axes.index(axis)] for p in projections if axis in p.axes]
    if not told:
        return np.zeros(goals.grid.sizes[axis], dtype=np.int64)
    return np.asarray(np.unique(np.stack(told, axis=1), axis=0, return_inverse=True)[1]).ravel()


def _table_part(goals: Goals, goal: Goal, axes: frozenset[int], codes: NDArray[np.int32]) -> _Part | None:
    if set(goal.projection.axes) <= axes:
        projection, shares = goal.projection, goal.shares
    elif goal.table.universe is None:
        kept = [k for k, name in enumerate(goal.table.columns) if goals.grid.position(name) in axes]
        columns, levels = [goal.table.columns[k] for k in kept], [goal.levels[k] for k in kept]
        projection = project_columns(goals.grid, columns, levels, None)
        dropped = tuple(k for k in range(len(goal.shape)) if k not in kept)
        shares = goal.shares.reshape(goal.shape).sum(axis=dropped).ravel()
    else:
        return None
    cells = projection.of(codes)
    inside = np.flatnonzero(cells >= 0)
    matrix = csr_array((np.ones(len(inside)), (cells[inside], inside)), shape=(projection.size, len(codes)))
    hidden = (
        0.5 * goal.table.last_digit / max(abs(sum(goal.table.values)), 1e-300) * goal.projection.size / projection.size
    )
    if goal.table.universe is None:
        return _Part(name=goal.name, is_rule=False, matrix=matrix, low=shares - hidden, high=shares + hidden)
    total = csr_array(np.ones((1, projection.size))) @ matrix
    relative = matrix - csr_array(shares[:, None]) @ total
    room = np.full(projection.size, hidden)
    return _Part(name=goal.name, is_rule=False, matrix=relative, low=-room, high=room)


def _rule_part(zeros: StructuralZeros, codes: NDArray[np.int32]) -> _Part:
    name = zeros.rule.name if zeros.rule is not None else ""
    return _Part(name=name, is_rule=True, forbidden=zeros.forbidden[zeros.projection.of(codes)])


def _feasible(parts: Sequence[_Part], cells: int) -> bool:
    """Whether some distribution over the joint cells meets all parts."""
    upper = np.ones(cells)
    for part in parts:
        if part.forbidden is not None:
            upper[part.forbidden] = 0.0
    tables = [part for part in parts if part.matrix is not None]
    if not tables:
        return bool(upper.any())
    matrix = vstack([part.matrix for part in tables]).tocsr()
    low, high = (np.concatenate([getattr(part, end) for part in tables]) for end in ("low", "high"))
    solved = linprog(
        np.zeros(cells),
        A_ub=vstack([matrix, -matrix]),
        b_ub=np.concatenate([high + SLACK, SLACK - low]),
        A_eq=np.ones((1, cells)),
        b_eq=[1.0],
        bounds=np.stack([np.zeros(cells), upper], axis=1),
        method="highs",
    )
    return bool(solved.status != 2)


def _smallest(parts: Sequence[_Part], cells: int) -> Contradiction:
    """Leave out part after part as long as the rest still contradicts itself."""
    kept = list(parts)
    for part in list(parts):
        rest = [other for other in kept if other is not part]
        if not _feasible(rest, cells):
            kept = rest
    return Contradiction(
        targets=tuple(part.name for part in kept if not part.is_rule),
        rules=tuple(part.name for part in kept if part.is_rule),
    )
