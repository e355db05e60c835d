"""A valid start: records drawn unit by unit, repaired until every one keeps all rules."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.aims import Aims
from llmsynthor.aims.goals import Goal
from llmsynthor.aims.moments import SMALLEST, Moment
from llmsynthor.alignment.cells import NEVER, Potential
from llmsynthor.alignment.trees import kernels_visits
from llmsynthor.alignment.trees.deal import Drawn, Own
from llmsynthor.alignment.trees.engine import Pressure, Trees, make_ledger
from llmsynthor.alignment.trees.flat import Arena, Counts, Floats, pack, unpack
from llmsynthor.alignment.trees.program import Compiled
from llmsynthor.alignment.trees.sums import Current
from llmsynthor.alignment.trees.world import Ledger, write_ledger
from llmsynthor.population.order import put_in_order
from llmsynthor.population.roster import Roster, in_order

LIMIT = 200
"""Steps of a repair for each row of a record, at most."""

MANY_BELOW, MOST_DEPTHS = 10_000, 3
"""So many forbidden cells of a level a repair puts up with for one less of the level above, over so many levels at most."""

MOST_COPIED = 0.01
"""Share of the records that must have been repaired, or there is no telling that the rules leave room: others are copies."""


class ImpossibleRulesError(Exception):
    """No record was found that keeps all rules; `rules` are those that stayed broken, the most frequent first."""

    def __init__(self, rules: tuple[str, ...]) -> None:
        self.rules = rules
        super().__init__("no record keeps all of: " + ", ".join(rules))


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """Log-weights to begin with, and those under which rows are drawn by themselves, both shape (cells,)."""

    first: Floats
    own: Floats


def margins(aims: Aims, drawn: Drawn) -> list[tuple[int, Potential]]:
    """What the draw knows of own variables from tables with computed columns, as weights of the unit's own variables."""
    found = []
    for unit, (own, told) in enumerate(zip(aims.own, drawn.own, strict=True)):
        wide = {id(goal.table) for goal in aims.goals[unit].tables}
        for goal, theta in zip(own.tables, told.tables, strict=False):
            if id(goal.table) not in wide:
                found.append((unit, Potential(projection=goal.projection, values=np.maximum(theta, NEVER))))
    return found


def first_weights(aims: Aims, compiled: Compiled, own: tuple[Own, ...]) -> Weights:
    """Begin with the weights under which each unit was drawn from its own tables, quantiles and means."""
    drawn = compiled.fixed.copy()
    seen = {(unit, kind): 0 for unit in range(len(own)) for kind in ("quantiles", "moments")}
    for number, piece in enumerate(compiled.pieces):
        goals, told, theta, least = aims.own[piece.unit], own[piece.unit], None, NEVER
        if isinstance(piece.goal, Goal):
            known = [k for k, goal in enumerate(goals.tables) if goal.table is piece.goal.table]
            theta = told.tables[known[0]] if known and known[0] < len(told.tables) else None
        elif any(piece.goal is own_goal for own_goal in (*goals.moments, *goals.quantiles)):
            kind = "moments" if any(piece.goal is moment for moment in goals.moments) else "quantiles"
            at = seen[piece.unit, kind]
            every = told.moments if kind == "moments" else told.quantiles
            theta, seen[piece.unit, kind] = (every[at] if at < len(every) else None), at + 1
            is_mean = isinstance(piece.goal, Moment) and not piece.goal.is_total
            least = SMALLEST if is_mean else NEVER  # a mean's tilt that is cut off would bend upwards in the fit
        if theta is not None:
            drawn[compiled.cells_of(number)] += np.maximum(np.nan_to_num(theta, neginf=least), least)
    return Weights(first=drawn.copy(), own=drawn)


def forbidden(compiled: Compiled, *, zeros: bool) -> NDArray[np.int64]:
    """Cells that no record may be in: by rules, and (`zeros`) because a table wants none there; shape (cells,)."""
    bad = compiled.is_rule.copy()
    if zeros:
        tables = np.zeros_like(bad)
        for a, b in compiled.tables:
            tables[a:b] = True
        bad |= tables & compiled.is_hard & (compiled.shares <= 0)
    return bad.astype(np.int64)


def repaired(trees: Trees, roster: Roster) -> Roster:
    """Repair every record that breaks a rule, its members first; raises `ImpossibleRulesError` where none can be."""
    layout = trees.aims.layout
    roster = put_in_order(trees.aims, in_order(roster, layout, np.arange(len(roster))))
    arena = pack(roster, layout, spare=2.0)
    left = np.flatnonzero(trees.mark(arena, trees.bad[:, None] > 0))
    rng = np.random.default_rng([trees.seed, 6])
    for attempt, lowest in enumerate((1, 0, 0)):
        ways = (0.3, 0.9, 0.9) if attempt < 2 else (0.3, 0.75, 0.9)
        bad = by_depth(trees) if attempt < 2 else trees.bad
        left = _repair(trees, arena, left, bad, lowest, ways, attempt)
        if not len(left):
            return unpack(arena, layout, roster.proposal)
    good = np.setdiff1d(np.arange(len(roster)), left)
    if len(good) < MOST_COPIED * len(roster):
        raise ImpossibleRulesError(_broken_rules(trees, arena))
    donors = np.arange(len(roster))
    donors[left] = rng.choice(good, len(left))
    return in_order(unpack(arena, layout, roster.proposal), layout, donors)


def by_depth(trees: Trees) -> NDArray[np.int64]:
    """What a forbidden cell counts in a repair, (cells,): where there are three levels, as much as very many of the level below.

    Else a class of the wrong grade would never change, since all its pupils would come to be of the wrong age.
    """
    layout, bad = trees.aims.layout, trees.bad.copy()
    depths = [0]
    for unit in range(1, len(layout.units)):
        depths.append(depths[layout.parent(unit)] + 1)
    deepest = max(depths)
    if deepest < 2:
        return bad
    for number, piece in enumerate(trees.compiled.pieces):
        bad[trees.compiled.cells_of(number)] *= MANY_BELOW ** min(deepest - depths[piece.unit], MOST_DEPTHS)
    return bad


def _repair(
    trees: Trees,
    arena: Arena,
    left: NDArray[np.int64],
    bad: NDArray[np.int64],
    lowest: int,
    ways: tuple[float, float, float],
    attempt: int,
) -> NDArray[np.int64]:
    """Try to repair the named records; returns those that could not be."""
    valid = np.zeros(len(arena.start), dtype=np.bool_)
    world, spaces = trees.world(0)
    write_ledger(world, idle_ledger(trees, bad))
    kernels_visits.repair_chunk(
        world,
        arena,
        spaces,
        left,
        0,
        lowest,
        ways,
        LIMIT,
        (trees.seed, 3_000_000 + attempt),
        valid,
    )
    return left[~valid[left]]


def idle_ledger(trees: Trees, bad: NDArray[np.int64]) -> Ledger:
    """A ledger in which nothing weighs but what is forbidden; `bad` (cells,) is how much."""
    nothing, sums = np.zeros(len(trees.compiled.fixed)), np.zeros(len(trees.sums.scale))
    pressure = Pressure(weight=nothing, linear=nothing, square=nothing, pull=sums)
    return make_ledger(trees.sums, bad, nothing, pressure, Current(lowest=sums, highest=sums, members=sums), 1)


def _broken_rules(trees: Trees, arena: Arena) -> tuple[str, ...]:
    counts: Counts = trees.count(arena) * trees.bad
    names = dict[str, int]()
    rules = {place: rule.name for place, rule in trees.aims.broken}
    for number, piece in enumerate(trees.compiled.pieces):
        broken = int(counts[trees.compiled.cells_of(number)].sum())
        if not broken:
            continue
        own = [
            zeros
            for zeros in trees.aims.own[piece.unit].zeros
            if zeros.projection is piece.projection and zeros.rule is not None
        ]
        name = own[0].rule.name if own and own[0].rule is not None else rules.get(piece.places[0], "")
        name = name or getattr(piece.goal, "name", "")
        names[name] = names.get(name, 0) + broken
    return tuple(sorted(names, key=lambda name: -names[name]))
