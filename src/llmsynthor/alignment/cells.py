"""The cells of all targets, rules and priors: their weights, shares, and which of them must be met. Both engines read them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.goals import Goal
from llmsynthor.aims.grid import Projection
from llmsynthor.aims.quantiles import QuantileGoal
from llmsynthor.alignment.directions import Direction, directions_of, is_directed
from llmsynthor.spec.targets import Table

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

NEVER = -30.0
"""Log-weight of a cell whose target is zero: no draw reaches it, and no sum becomes infinite."""

WHOLE = 1.0 - 1e-9
"""An error below a whole record is rounding, and taken for met."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Potential:
    """A fixed log-weight per cell of a projection: a structural zero (-inf), or the shape that a prior asks for."""

    projection: Projection
    values: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """What goes with the cells of all tables, shape (cells,), numbered through; cell 0 is nowhere.

    `fixed` log-weights, target `shares`, and the `unit` whose records each cell's shares are of. `is_target` marks cells whose
    weights are fitted, `is_led` those of them that are led to their shares (all but those of `directions`), `is_hard` those that
    whole records are walked to, `is_rule` those that no record may be in, `is_slack` those of `between`, `is_shape` those of
    smooth shapes (see `aims.shapes`). `decay` pulls the weights of soft targets back to zero; `weight` says how dear an error is
    where not all can be met. `targets` holds the first and last cell (the last not in) of every table and quantile, of which the
    first `n_tables` are tables; `free` those of groups of cells that want their shares of as many records as they hold now,
    `between` the first cell of every quantile with values on the spot, with its share.
    """

    fixed: Floats
    shares: Floats
    unit: Integers
    decay: Floats
    weight: Floats
    is_target: Booleans
    is_hard: Booleans
    is_rule: Booleans
    is_slack: Booleans
    is_led: Booleans
    is_shape: Booleans
    directions: tuple[Direction, ...]
    targets: tuple[tuple[int, int], ...]
    n_tables: int
    free: tuple[tuple[int, int], ...]
    between: tuple[tuple[int, float], ...]

    @property
    def is_soft(self) -> Booleans:
        """Cells that somebody said records lean towards, and that they are not walked to."""
        return self.is_target & ~self.is_hard & ~self.is_shape

    @property
    def is_free(self) -> Booleans:
        """Cells of groups that want their shares of as many records as they hold."""
        found = np.zeros(len(self.fixed), dtype=bool)
        for first, last in self.free:
            found[first:last] = True
        return found

    @property
    def tables(self) -> tuple[tuple[int, int], ...]:
        """The first and last cell (the last not in) of every table."""
        return self.targets[: self.n_tables]

    def goal(self, counts: Integers, sizes: Sequence[float]) -> Floats:
        """Wanted records per cell, given the records there are and how many each unit has."""
        return self.scaled(self.shares * np.asarray(sizes, dtype=np.float64)[self.unit], counts)

    def scaled(self, goal: Floats, counts: Integers) -> Floats:
        """Bring groups of cells whose size is free to the size they have now; a copy."""
        goal = _scaled_to(goal, counts, self.free)
        for first, share in self.between:
            below, on, above = counts[first : first + 3]
            total = below + on + above
            goal[first], goal[first + 2] = min(below, share * total), min(above, (1 - share) * total)
            goal[first + 1] = total - goal[first] - goal[first + 2]
        return goal

    def centre(self, weight: Floats) -> None:
        """Take off what moves the size of groups whose size is free, in place.

        Their shares say nothing of it: under largest entropy the mean weight of such a group, by its shares, is zero. Each step of
        a fit adds a little to it, which would add up.
        """
        for first, last in self.free:
            cells = first + np.flatnonzero((self.shares[first:last] > 0) & np.isfinite(weight[first:last]))
            if len(cells):
                weight[cells] -= np.average(weight[cells], weights=self.shares[cells])

    def distances(self, counts: Integers, goal: Floats) -> Floats:
        """Total variation distance of each table from its goal, shape (tables,)."""
        return np.array(
            [np.abs(counts[a:b] - goal[a:b]).sum() / (2 * max(goal[a:b].sum(), 1e-300)) for a, b in self.tables]
        )

    def missed(self, counts: Integers, goal: Floats) -> float:
        """Records by which cells that must be met are off, beyond what rounding explains."""
        error = np.abs(counts - goal)[self.is_hard]
        return float(np.where(error >= WHOLE, error, 0.0).sum())

    def worst(self, counts: Integers, goal: Floats, cells: Booleans | None = None) -> float:
        """The largest error of a cell that must be met, or of those named, in records."""
        error = np.abs(counts - goal)[self.is_hard if cells is None else cells]
        return float(error.max(initial=0.0))


def noise(counts: Integers, goal: Floats, told: Booleans) -> float:
    """Mean squared error of the cells in `told`, in what chance explains: 1 is as good as a draw can be."""
    return float(np.mean((counts[told] - goal[told]) ** 2 / np.maximum(goal[told], 1.0))) if told.any() else 0.0


def lay_out_cells(targets: Sequence[Goal | QuantileGoal], base: Sequence[int], starts: Integers) -> dict[str, Any]:
    """The fields of `Cells` that targets give, tables first; `base` are the units whose records their shares are of.

    `starts` are the first cells of all pieces, targets first, and the number of cells behind them.
    """
    directions = directions_of(targets, starts.tolist())
    values = {name: np.zeros(starts[-1]) for name in ("fixed", "shares", "decay", "weight")}
    unit, is_rule, is_slack, is_shape = (np.zeros(starts[-1], dtype=kind) for kind in (np.int64, bool, bool, bool))
    free: list[tuple[int, int]] = []
    between: list[tuple[int, float]] = []
    for goal, of, first in zip(targets, base, starts.tolist(), strict=False):
        last = first + goal.projection.size
        values["shares"][first:last] = goal.shares * (goal.per_base if isinstance(goal, Goal) else 1.0)
        values["decay"][first:last] = (1 - goal.trust) / goal.trust
        values["weight"][first:last] = goal.weights
        unit[first:last] = of
        is_shape[first:last] = isinstance(goal, Goal) and goal.is_shape
        if isinstance(goal, QuantileGoal):
            free += goal.parts(first)
            between += goal.between(first)
        elif is_free(goal.table):
            free.append((first, last))
    for first, _ in between:
        is_slack[first : first + 3] = True
    is_target = np.zeros(starts[-1], dtype=bool)
    is_target[1 : starts[len(targets)]] = True
    blocks = tuple(zip(starts[: len(targets)].tolist(), starts[1 : len(targets) + 1].tolist(), strict=True))
    return {
        **values,
        "unit": unit,
        "is_target": is_target,
        "is_hard": is_target & (values["decay"] == 0),
        "directions": directions,
        "is_led": is_target & ~is_directed(directions, starts[-1]),
        "is_rule": is_rule,
        "is_slack": is_slack,
        "is_shape": is_shape,
        "targets": blocks,
        "n_tables": sum(isinstance(goal, Goal) for goal in targets),
        "free": tuple(free),
        "between": tuple(between),
    }


def is_free(table: Table) -> bool:
    """Whether how many records a table is about is left to others: it has a universe, and its counts are not absolute."""
    return table.universe is not None and table.base is None


def _scaled_to(goal: Floats, counts: Integers, free: Sequence[tuple[int, int]]) -> Floats:
    goal = goal.copy()
    for first, last in free:
        total = goal[first:last].sum()
        goal[first:last] *= counts[first:last].sum() / total if total > 0 else 1.0
    return goal
