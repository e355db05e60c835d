"""The first population: each unit drawn by the flat alignment to what its own variables must meet, children dealt at random.

The numbers of children follow from their variable in the parent's records, which the draw has brought to its tables. From then
on they only change places with all that belongs to them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.aims import Aims
from llmsynthor.aims.goals import Goals
from llmsynthor.alignment.cells import Potential
from llmsynthor.alignment.effort import Effort, unheard
from llmsynthor.alignment.priors import shape_potentials
from llmsynthor.alignment.rows.engine import Rows
from llmsynthor.alignment.rows.fit import fit
from llmsynthor.alignment.rows.program import compile_goals
from llmsynthor.alignment.rows.yielding import met
from llmsynthor.alignment.trees.dense import is_walled, solve
from llmsynthor.alignment.trees.framed import Dealing
from llmsynthor.population.roster import Roster, rows_below
from llmsynthor.spec.levels import Interval

Floats = NDArray[np.float64]
Codes = NDArray[np.int32]


FEWEST = 1_000
"""Rows of a unit that are drawn at least, so that there is something to choose from."""

LEAST_ROWS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """Log-weights under which a unit was drawn by itself: of its tables, quantiles and means, each (cells,), in their order."""

    tables: tuple[Floats, ...]
    quantiles: tuple[Floats, ...]
    moments: tuple[Floats, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A first roster; rows of each unit drawn under the log-weights of its own tables, with these."""

    roster: Roster
    rows: tuple[Codes, ...]
    own: tuple[Own, ...]


def priors(aims: Aims, unit: int, records: int) -> tuple[Potential, ...]:
    """Log-weights of the cells of a unit's numbers: what they hold by the base density, and the shape that coarser tables imply."""
    return shape_potentials(aims.own[unit], records)


def draw_first(aims: Aims, records: int, seed: int, workers: int | None) -> Drawn:
    """Draw a roster of so many top records."""
    layout = aims.layout
    dealing = Dealing.of(aims) if aims.own[0].frame >= 0 else None
    codes, rows, own = list[Codes](), list[Codes](), list[Own]()
    starts, lengths = [np.zeros(0, dtype=np.int32)], [np.zeros(0, dtype=np.int32)]
    for unit in range(len(layout.units)):
        number = records
        if unit:
            parent, column = layout.count_column(unit)
            length = layout.values[parent, column].astype(np.int32)[codes[parent][:, column]]
            number = int(length.sum())
            lengths.append(length)
            starts.append((np.cumsum(length) - length).astype(np.int32))
        drawn, more, weights = _draw_unit(aims, unit, number, seed, workers, framed=dealing is not None)
        rng = np.random.default_rng([seed, 3, unit])
        if dealing is not None:
            codes.append(dealing.deal(unit, drawn, starts[unit], lengths[unit], rng=rng))
        else:
            codes.append(drawn[rng.permutation(number)] if unit else drawn)
        rows.append(more)
        own.append(weights)
    proposal = np.full(records, -1, dtype=np.int64)
    roster = Roster(codes=tuple(codes), start=tuple(starts), length=tuple(lengths), proposal=proposal)
    return Drawn(roster=roster, rows=tuple(rows), own=tuple(own))


def _draw_unit(
    aims: Aims, unit: int, records: int, seed: int, workers: int | None, *, framed: bool
) -> tuple[Codes, Codes, Own]:
    """Rows that meet the unit's own tables, rows drawn under their log-weights, and these."""
    goals = aims.own[unit]
    number = max(records, FEWEST)
    if not goals.grid.axes:
        return (
            np.zeros((records, 0), np.int32),
            np.zeros((number, 0), np.int32),
            Own(tables=(), quantiles=(), moments=()),
        )
    shaped = priors(aims, unit, number)
    task = Rows(
        goals=goals,
        compiled=compile_goals(goals, shaped),
        records=number,
        seed=_seed_of(seed, unit),
        effort=Effort(workers=workers, chains=min(number, LEAST_ROWS)),
        shaped=any(len(potential.projection.axes) > 1 for potential in shaped),
    )
    found = solve(task, shaped) if is_walled(goals) else None
    if found is not None:
        rng = np.random.default_rng([seed, 12, unit])
        first, rows, theta = found.draw(records, rng=rng), found.draw(number, rng=rng), found.theta
    else:
        fitted = fit(task, np.zeros((0, len(goals.grid.axes)), dtype=np.int32), unheard)
        first, rows, theta = np.resize(fitted.codes, (records, fitted.codes.shape[1])), fitted.codes, fitted.theta
    if records and not framed:  # with a frame the deal brings them to their tables
        first = met(replace(task, records=records), first, theta, unheard)
    return first, rows, _own_weights(goals, task.compiled.tables, theta)


def _seed_of(seed: int, unit: int) -> int:
    """A seed for each unit, as small as compiled code takes them.

    >>> _seed_of(7, 1), _seed_of(2**63 - 1, 3) < 2**63
    (113, True)
    """
    return (seed * 16 + unit) % 2**63


def _own_weights(goals: Goals, blocks: Sequence[tuple[int, int]], theta: Floats) -> Own:
    ends = [block[1] for block in blocks][-1:] or [1]
    parts = {"quantiles": list[Floats](), "moments": list[Floats]()}
    at = ends[0]
    for name, projections in (
        ("quantiles", [goal.projection for goal in goals.quantiles]),
        ("moments", [moment.projection for moment in goals.moments]),
    ):
        for projection in projections:
            parts[name].append(theta[at : at + projection.size])
            at += projection.size
    return Own(
        tables=tuple(theta[a:b] for a, b in blocks),
        quantiles=tuple(parts["quantiles"]),
        moments=tuple(parts["moments"]),
    )


def take(roster: Roster, aims: Aims, donors: NDArray[np.int64], *, rng: np.random.Generator) -> Roster:
    """Copy the named top records with all below them; counts of lower units are brought to their shares by whole records."""
    layout = aims.layout
    sources: list[NDArray[np.int64]] = [donors]
    starts: list[NDArray[np.int32]] = [np.zeros(0, dtype=np.int32)]
    lengths: list[NDArray[np.int32]] = [np.zeros(0, dtype=np.int32)]
    for unit in range(1, len(layout.units)):
        above = sources[layout.parent(unit)]
        length = roster.length[unit][above]
        start = (np.cumsum(length) - length).astype(np.int32)
        source, _ = rows_below(roster.start[unit][above], length)
        sources.append(steady_counts(aims, unit, roster, source, rng=rng))
        starts.append(start)
        lengths.append(length)
    return Roster(
        codes=tuple(own[source] for own, source in zip(roster.codes, sources, strict=True)),
        start=tuple(starts),
        length=tuple(lengths),
        proposal=roster.proposal[donors],
    )


def steady_counts(
    aims: Aims, unit: int, roster: Roster, source: NDArray[np.int64], *, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Exchange a few copied records for others, so that the variables that count children keep the shares of their tables."""
    for axis in aims.layout.counting(unit):
        shares = count_shares(aims.own[unit], axis)
        if shares is None:
            continue
        wanted = largest_remainders(shares * len(source))
        codes = roster.codes[unit][:, axis]
        have = np.bincount(codes[source], minlength=len(shares))
        spare = np.concatenate(
            [
                rng.permutation(np.flatnonzero(codes[source] == code))[: max(have[code] - wanted[code], 0)]
                for code in range(len(shares))
            ]
        )
        lacking = np.repeat(np.arange(len(shares)), np.maximum(wanted - have, 0))
        copied = np.unique(source)
        by_code = [_of_code(codes, copied, code) for code in range(len(shares))]
        for place, code in zip(rng.permutation(spare), lacking, strict=False):
            if len(by_code[code]):
                source[place] = by_code[code][int(rng.integers(len(by_code[code])))]
    return source


def _of_code(codes: NDArray[np.int32], copied: NDArray[np.int64], code: int) -> NDArray[np.int64]:
    """Records with a count, of those that are copied where they have it."""
    found = copied[codes[copied] == code]
    return found if len(found) else np.flatnonzero(codes == code)


def count_shares(own: Goals, axis: int) -> Floats | None:
    """One-way shares of a count variable, if a table of all records of its unit has it value by value."""
    name, size = own.grid.axes[axis].name, own.grid.axes[axis].size
    for goal in own.tables:
        if name in goal.table.columns and goal.table.universe is None and goal.trust >= 1:
            column = goal.table.columns.index(name)
            if goal.shape[column] == size and all(isinstance(level, Interval) for level in goal.levels[column]):
                others = tuple(k for k in range(len(goal.shape)) if k != column)
                return np.asarray(goal.shares.reshape(goal.shape).sum(axis=others))
    return None


def largest_remainders(wanted: Floats) -> NDArray[np.int64]:
    """Round to whole numbers of the same total (Hamilton's method)."""
    whole = np.floor(wanted + 1e-9).astype(np.int64)
    missing = round(float(wanted.sum())) - int(whole.sum())
    whole[np.argsort(whole - wanted, kind="stable")[:missing]] += 1
    return whole


FEW = 0.1
"""Share of top records that break a rule up to which they are not copied: the others are many enough to stand for them."""


def enlarge(
    roster: Roster, aims: Aims, records: int, *, without: NDArray[np.bool_], rng: np.random.Generator
) -> Roster:
    """Copy top records to the number asked for, each about equally often, without the marked ones if these are few."""
    copied = np.flatnonzero(~without) if without.mean() <= FEW else np.arange(len(roster))
    donors = copied[np.arange(records, dtype=np.int64) % len(copied)]
    donors = steady_counts(aims, 0, roster, donors, rng=rng)
    return replace(take(roster, aims, donors, rng=rng), proposal=np.full(records, -1, dtype=np.int64))
