"""Make a world's records for one kind of target, in all its readings at once."""

from dataclasses import dataclass
from functools import cache

import llmsynthor
from llmsynthor.run.synthesize import Solution

from .kinds import KINDS, Kind
from .nests import WORLDS
from .oracle import Condition, Goal, Population, Table, document, read
from .worlds import World

WORLD_BY_NAME = {world.name: world for world in WORLDS}
KIND_BY_NAME = {kind.name: kind for kind in KINDS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What came out: `goals` by reading as they were stated, all rules, the records as trees, and what was said."""

    goals: dict[str, tuple[Goal, ...]]
    counting: tuple[Goal, ...]
    rules: tuple[Condition, ...]
    population: Population
    solution: Solution


def hide(world: World, kind: Kind, seed: int) -> Population:
    """Draw a hidden population that keeps the rules of every reading."""
    conditions = [c for reading in world.readings for c in (*kind.rules(reading), *kind.away(reading))]
    records = world.records * kind.times
    kept = world.population(seed, 6 * records).without(conditions)
    assert len(kept.tops) >= records, f"{world.name}, {kind.name}: only {len(kept.tops)} keep the rules"
    return Population(kept.tops[:records])


@cache
def make(world_name: str, kind_name: str, seed: int = 1) -> Made:
    """State the targets of a hidden population and let records be made for them."""
    world, kind = WORLD_BY_NAME[world_name], KIND_BY_NAME[kind_name]
    hidden = hide(world, kind, seed)
    counting = tuple(
        Table(name=f"number of {column.name}", unit=unit, columns=(column,)).state(hidden)
        for unit, column in world.counting.items()
    )
    goals = {r.label: tuple(goal.state(hidden) for goal in kind.goals(r)) for r in world.readings}
    rules = tuple(rule for reading in world.readings for rule in kind.rules(reading))
    told = document(world.shape, [*counting, *(goal for own in goals.values() for goal in own)], rules)
    solution = llmsynthor.synthesize(told, records=len(hidden.tops), llm="none", seed=seed)
    return Made(
        goals=goals,
        counting=counting,
        rules=rules,
        population=read(solution.records, world.shape),
        solution=solution,
    )
