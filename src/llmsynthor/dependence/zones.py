"""Zones as data: a column that most tables share says of every pair how its margins vary together (see `grouping`).

Zones, days, shops, classes: whoever has tables by such a column holds more than margins. What this gives is an estimate like
that of a model, never something that the tables identify.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.goals import Goal, Goals
from llmsynthor.dependence.coarse import Coarse
from llmsynthor.dependence.elicit import Pair, bare
from llmsynthor.dependence.given import joined, pair_shares
from llmsynthor.dependence.grouping import ZoneMargins, grouped_joint, joint_of_zones, levels_agree, logs_of_population
from llmsynthor.dependence.pair_tables import rake_table
from llmsynthor.geography.levels import Geography
from llmsynthor.spec.levels import Level
from llmsynthor.spec.specification import Spec

FEWEST_ABOVE = 8
"""Zones of a level above from which on what happens between them is compared with what happens within them."""

FEWEST = 30
"""Zones from which on their margins say something of dependence: with a handful it does harm."""

LARGEST_PART = 0.25
"""A variable of which zones explain a larger part than this is a trait of the zones themselves: people are not sorted by it."""

LEAST_ADDED = 0.001
"""Nats by which an estimate must differ from what the zones' tables say by themselves."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Zoned:
    """A column that most tables share: its levels' `weights` (zones,), and the margins that tables give in each, by variable.

    `covariates` (zones, columns) are taken off the margins before they are compared. `above` says in which zone of a level above
    each lies (zones,), where there is such a level.
    """

    column: str
    weights: Floats
    margins: Mapping[str, ZoneMargins]
    covariates: Floats
    above: NDArray[np.int64] | None = None


def read_zones(
    goals: Goals,
    variables: Sequence[Coarse],
    covariates: Sequence[str] = (),
    geographies: Sequence[Geography] = (),
) -> Zoned | None:
    """The column with FEWEST levels or more that tables of most variables share, the finest first; None where there is none.

    Numbers are no such column: what varies with age says nothing of how people of one age differ.
    """
    best: Zoned | None = None
    for column, levels in _columns(goals).items():
        found = _zoned(goals, variables, column, levels, covariates)
        if len(found.margins) < max(2, 0.5 * sum(v.name != column for v in variables)):
            continue
        if best is None or (len(found.margins), len(found.weights)) > (len(best.margins), len(best.weights)):
            best = replace(found, above=_above(column, levels, geographies))
    return best


def _above(column: str, levels: Sequence[Level], geographies: Sequence[Geography]) -> NDArray[np.int64] | None:
    """The zone of the next level with enough zones in which each zone lies; None where there is no such level."""
    for geography in geographies:
        depth = next((k for k, own in enumerate(geography.levels) if set(geography.zones(own)) >= set(levels)), None)
        for place in range((depth or 0) - 1, -1, -1):
            assert depth is not None
            inside = {row[depth]: row[place] for row in geography.rows}
            names, codes = np.unique([inside[str(level)] for level in levels], return_inverse=True)
            if FEWEST_ABOVE <= len(names) < len(levels):
                return np.asarray(codes, dtype=np.int64)
    return None


def _columns(goals: Goals) -> dict[str, tuple[Level, ...]]:
    """Categories of many levels that tables join with others, with their levels."""
    found: dict[str, tuple[Level, ...]] = {}
    for goal in _usable(goals):
        for column, levels in zip(goal.table.columns, goal.levels, strict=True):
            if len(levels) >= FEWEST and all(isinstance(level, str) for level in levels):
                found.setdefault(column, levels)
    return found


def _usable(goals: Goals) -> list[Goal]:
    """Tables of more than one variable about all records."""
    return [g for g in goals.given if len(g.table.columns) > 1 and g.table.universe is None and g.table.base is None]


def _zoned(
    goals: Goals, variables: Sequence[Coarse], column: str, levels: Sequence[Level], covariates: Sequence[str]
) -> Zoned:
    margins, weights = dict[str, ZoneMargins](), np.zeros(len(levels))
    for variable in variables:
        having = [g for g in _usable(goals) if {column, variable.name} <= set(g.table.columns)]
        if variable.name == column or not having:
            continue
        goal = max(having, key=lambda g: g.projection.size)
        shares = _by_zone(goal, column, levels, variable)
        held = shares.sum(axis=1)
        if (held > 0).sum() >= FEWEST:
            counts = held * sum(goal.table.values) if goal.table.value == "count" else None
            shares[held <= 0] = shares.sum(axis=0)  # a zone without records is like all: it says nothing
            margins[variable.name] = ZoneMargins(shares=shares / shares.sum(axis=1, keepdims=True), held=counts)
            weights = weights + held
    weights = weights / max(weights.sum(), 1e-300)
    return Zoned(
        column=column,
        weights=weights,
        margins=margins,
        covariates=logs_of_population(weights, covariates),
    )


def _by_zone(goal: Goal, column: str, levels: Sequence[Level], variable: Coarse) -> Floats:
    """Shares of the zones' records in a variable's levels, (zones, levels), in the order of `levels`; zero for a zone it lacks."""
    own = goal.levels[goal.table.columns.index(column)]
    cut = joined(goal.levels[goal.table.columns.index(variable.name)], variable.levels)
    shares = pair_shares(goal, column, variable.name) @ cut.T
    place = {level: k for k, level in enumerate(own)}
    return np.array([shares[place[level]] if level in place else np.zeros(variable.size) for level in levels])


def zone_tables(zoned: Zoned, variables: Sequence[Coarse], pairs: Sequence[Pair]) -> dict[Pair, Floats]:
    """Joint shares of pairs by the grouping model, where they differ from what the zones' tables say by themselves.

    Sampling noise of one survey is in all its margins: levels that do not vary beyond it say nothing. Where there are two levels of
    zones that say the contrary of each other, nobody is believed: what sorts people into places is not what their traits share.
    """
    by_name = {variable.name: variable for variable in variables}
    found = {}
    for pair in pairs:
        if not all(name in zoned.margins and _is_sorted(zoned, name) for name in pair):
            continue
        one, other = (by_name[name] for name in pair)
        margins = [zoned.margins[name] for name in pair]
        joint = grouped_joint(zoned.weights, *margins, covariates=zoned.covariates)
        alone = joint_of_zones(zoned.weights, *margins)
        if _divergence(joint, alone) >= LEAST_ADDED and levels_agree(
            zoned.weights, margins[0], margins[1], zoned.above
        ):
            found[pair] = rake_table(joint, one.shares, other.shares)
    return found


def _is_sorted(zoned: Zoned, name: str) -> bool:
    """Whether most of a variable's variance lies within zones."""
    shares = zoned.margins[name].shares
    mean = zoned.weights @ shares
    between = float((zoned.weights @ (shares - mean) ** 2).sum())
    return between <= LARGEST_PART * float((mean * (1 - mean)).sum())


def _divergence(table: Floats, other: Floats) -> float:
    inside = (table > 0) & (other > 0)
    return float((table[inside] * np.log(table[inside] / other[inside])).sum())


def tied_elsewhere(goals: Goals, zoned: Zoned | None) -> bool:
    """Whether tables join variables without the zones: only those imply more of a pair than its zones' margins do."""
    return zoned is None or any(
        len(g.table.columns) > 1 and not (len(g.table.columns) == 2 and zoned.column in g.table.columns)
        for g in goals.given
    )


def by_zones(
    goals: Goals, variables: Sequence[Coarse], spec: Spec, among: Sequence[Pair] | None = None
) -> tuple[Zoned | None, dict[Pair, Floats]]:
    """The zones of a unit's tables, and what they say of its pairs, but for those that the user skips."""
    zoned = read_zones(goals, variables, spec.dependencies.covariates, spec.geographies)
    if zoned is None:
        return None, {}
    every = combinations([v.name for v in variables], 2) if among is None else among
    return zoned, zone_tables(zoned, variables, [pair for pair in every if bare(pair) not in spec.dependencies.skip])
