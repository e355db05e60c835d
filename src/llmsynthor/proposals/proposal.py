"""Proposals: one value or range per variable, a count, a reason; and the records drawn from them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.goals import Goals
from llmsynthor.aims.grid import Axis, Grid
from llmsynthor.population.discrepancy import Discrepancy
from llmsynthor.population.roster import Roster
from llmsynthor.spec.levels import Interval, Level, parse_interval
from llmsynthor.spec.schema import Category

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Records that the LLM proposes to add: `values` holds a level or a range for each variable that it was asked for.

    `asked` is the number the LLM named, in records; `count` what was left of it after bounding; `status` says what became of it.
    """

    number: int
    iteration: int
    values: Mapping[str, Level]
    asked: int
    count: int
    reason: str
    guidance: str
    call_id: str
    status: str = "used"


def read_values(grid: Grid, answer: Mapping[str, Any]) -> dict[str, Level]:
    """Check the values of an answer against the domain; raises ValueError that names the variable and the value."""
    return {axis.name: _read_level(axis, answer[axis.name]) for axis in grid.axes if axis.name in answer}


def _read_level(axis: Axis, value: Any) -> Level:
    variable = axis.variable
    if not isinstance(value, str):
        raise ValueError(f"{axis.name} must be a text, not {str(value)[:40]}")
    if isinstance(variable, Category):
        if value not in variable.levels:
            raise ValueError(f'{axis.name} cannot be "{value[:40]}"; it is one of {"; ".join(variable.levels)}')
        return value
    try:
        interval = parse_interval(value, bounds=variable.range, integer=variable.integer)
    except ValueError as cause:
        raise ValueError(f'{axis.name} cannot be "{value[:40]}": {cause}') from cause
    if interval.low < variable.range.low or interval.high > variable.range.high:
        raise ValueError(f"{axis.name} {interval} reaches outside its range {variable.range}")
    return interval


def bound_count(asked: int, values: Mapping[str, Level], discrepancies: Sequence[Discrepancy]) -> int:
    """Reduce a count to what every table that says something about these values still misses."""
    bounds = [
        missing_within(values, discrepancy) for discrepancy in discrepancies if discrepancy.goal.table.universe is None
    ]
    return max(0, int(min([float(asked), *bounds])))


def missing_within(values: Mapping[str, Level], discrepancy: Discrepancy) -> float:
    """Sum the missing records over the cells that the values touch."""
    goal = discrepancy.goal
    touched = [
        [k for k, level in enumerate(levels) if _meet(values.get(name), level)]
        for name, levels in zip(goal.table.columns, goal.levels, strict=True)
    ]
    return float(np.maximum(discrepancy.missing.reshape(goal.shape)[np.ix_(*touched)], 0).sum())


def _meet(value: Level | None, level: Level) -> bool:
    if value is None:
        return True
    if isinstance(value, Interval) and isinstance(level, Interval):
        return value.low < level.high and level.low < value.high
    return value == level


def draw(proposal: Proposal, goals: Goals, records: int, *, evenly: bool, rng: np.random.Generator) -> Roster:
    """Draw records from a proposal, each variable by itself inside its range.

    A range is sampled `evenly` (the paper), or in proportion to the tables' one-way shares. Combinations that a rule forbids
    are left out, so fewer records than asked may come back.
    """
    margins = goals.margins()
    columns = [
        rng.choice(
            axis.size, size=records, p=level_weights(axis, proposal.values.get(axis.name), margins[k], evenly=evenly)
        )
        for k, axis in enumerate(goals.grid.axes)
    ]
    codes = np.stack(columns, axis=1).astype(np.int32) if records else np.zeros((0, len(columns)), dtype=np.int32)
    allowed = np.ones(len(codes), dtype=bool)
    for zeros in goals.zeros:
        allowed &= ~zeros.forbidden[zeros.projection.of(codes)]
    codes = codes[allowed]
    return Roster.flat(codes, np.full(len(codes), proposal.number, dtype=np.int64))


def level_weights(axis: Axis, value: Level | None, margin: Floats, *, evenly: bool) -> Floats:
    """How likely each code of an axis is under a level, a range, or no wish at all; sums to 1."""
    if value is None:
        weights = margin
    elif isinstance(value, Interval):
        low, high = axis.breaks[:-1], axis.breaks[1:]
        overlap = np.clip(np.minimum(high, value.high) - np.maximum(low, value.low), 0, None)
        weights = overlap if evenly else margin * overlap / (high - low)
        weights = weights if weights.sum() > 0 else overlap
    else:
        weights = axis.within(value).astype(np.float64)
    return np.asarray(weights / weights.sum())


def admit(drawn: Roster, discrepancies: Sequence[Discrepancy]) -> Roster:
    """Keep, one after another, the records for which every table still misses one in their cell: none is overshot."""
    keep = np.ones(len(drawn), dtype=bool)
    cells = [discrepancy.goal.projection.of(drawn.codes[0]) for discrepancy in discrepancies]
    left = [np.floor(discrepancy.missing + 1e-9).astype(np.int64) for discrepancy in discrepancies]
    for record in range(len(drawn)):
        own = [(room, int(cell[record])) for room, cell in zip(left, cells, strict=True) if cell[record] >= 0]
        keep[record] = all(room[cell] > 0 for room, cell in own)
        if keep[record]:
            for room, cell in own:
                room[cell] -= 1
    return Roster.flat(drawn.codes[0][keep], drawn.proposal[keep])
