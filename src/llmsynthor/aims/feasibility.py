"""Feasibility: the smallest set of targets and rules that cannot hold together, by linear programming, across units too.

"Some population meets these targets and rules" implies a linear program of the masses of joint cells (see `joint`). Around each
target the set of variables is widened, by what ties it to others, as long as the joint cells are few; what holds there together
holds on any part of it, so that one program tells. It is quick, and silent about what it cannot see.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from llmsynthor.aims.aims import Aims, set_aims
from llmsynthor.aims.cuts import grid_of
from llmsynthor.aims.frames import frame_functions
from llmsynthor.aims.functions import nested_terrain
from llmsynthor.aims.goals import Goals
from llmsynthor.aims.joint import Joint, Layer, Statements, axes_of, closed, fits, join, lay, units_of
from llmsynthor.aims.laws import stated_population
from llmsynthor.aims.moments import Moment
from llmsynthor.aims.statements import (
    Forbidden,
    Numbered,
    Statement,
    Tabled,
    anchor,
    averaged,
    forbidden,
    numbered,
    tabled,
)
from llmsynthor.aims.terrain import Key, Terrain, flat_terrain
from llmsynthor.aims.uses import read_uses
from llmsynthor.spec.schema import Numeric, Schema
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Statistic

if TYPE_CHECKING:
    from llmsynthor.aims.linear import Part

MOST_FOUND = 5
MANY_ZONES = 64
MOST_STEPS = 40
"""Times that a set of variables is widened at most."""

MOST_LOOKS = 500_000
"""Statements looked at while sets of variables are widened, in all; then they stay as they are."""

MANY_RULES = 50
"""Rules on a set of variables from which it is asked first whether all of them can be kept at once."""

MOST_STARTS = 64
"""Sets of variables around which rules alone are looked at, where no target speaks of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """Targets and rules, by name, that cannot hold together; without any one of them the others can, on these variables.

    `numbers` says of one stated number how much the others need or leave. `by_number`: only the totals of counts exclude the
    others, so that the distributions can be met by another number of records.
    """

    targets: tuple[str, ...]
    rules: tuple[str, ...]
    numbers: str = field(default="", compare=False)
    by_number: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        named = [*(f'target "{name}"' for name in self.targets), *(f'rule "{name}"' for name in self.rules)]
        numbers = f" ({self.numbers})" if self.numbers else ""
        return " and ".join(named) + (" cannot hold together" if len(named) > 1 else " cannot hold") + numbers


def find_contradictions(
    goals: Goals, suspects: Iterable[str], *, records: int | None = None
) -> tuple[Contradiction, ...]:
    """Look for contradictions around the named targets of one unit; each suspect is explained by at most one.

    With `records`, totals that are meant for just those records are looked at too.
    """
    terrain = flat_terrain(goals.grid, Schema(units=(goals.grid.unit,)))
    statements: list[Statement | None] = [tabled(goal, terrain, records) for goal in goals.given]
    for moment in (m for m in goals.moments if m.target.statistic in ("mean", "total")):
        population = moment.population or (float(records) if records else None)
        statements.append(averaged(moment.target, moment.values, population, terrain))
    statements += [averaged(quantile.target, None, None, terrain) for quantile in goals.quantiles]
    rules = dict.fromkeys(zeros.rule for zeros in goals.zeros if zeros.rule is not None)
    statements += forbidden(rules, terrain)
    return _around_each(terrain, [statement for statement in statements if statement is not None], suspects)


def find_across(aims: Aims, suspects: Iterable[str] | None = None) -> tuple[Contradiction, ...]:
    """Look for contradictions of the targets and rules of all units, around the named ones or all."""
    spec = aims.spec
    if len(aims.layout.units) == 1 and not aims.cuts:
        goals = aims.own[0]
        return find_contradictions(goals, goals.names if suspects is None else suspects, records=spec.settings.records)
    terrain = _without_zones(nested_terrain(aims.layout, spec), aims)
    made = [float(spec.settings.records) if spec.settings.records else None, *(None for _ in aims.goals[1:])]
    statements: list[Statement | None] = [
        tabled(goal, terrain, records) for goals, records in zip(aims.goals, made, strict=True) for goal in goals.given
    ]
    moments = {moment.target.name: moment for own in (*aims.own, *aims.goals) for moment in own.moments}
    for target in spec.targets:
        if isinstance(target, Statistic):
            moment: Moment | None = moments.get(target.name)
            population = target.base or stated_population(spec, target.unit)
            if population is None and target.unit == spec.schema.top.name and spec.settings.records:
                population = float(spec.settings.records)
            statements.append(averaged(target, moment.values if moment else None, population, terrain))
    statements += [*forbidden(spec.rules, terrain), *numbered(spec)]
    found = [s for s in statements if s is not None and _has_records(spec.schema, s.unit)]
    names = list(suspects) if suspects is not None else [s.name for s in found if not isinstance(s, Forbidden)]
    return _around_each(terrain, found, names)


def _has_records(schema: Schema, unit: str) -> bool:
    """Whether there can be a record of a unit: what is said of none always holds."""
    lines = (schema[unit], *schema.ancestors(unit))
    counts = [schema[str(own.parent)].variable(str(own.count)) for own in lines if own.parent is not None]
    return all(not isinstance(count, Numeric) or count.range.high > 1 for count in counts)


def _without_zones(terrain: Terrain, aims: Aims) -> Terrain:
    """Where zones are many, look at all of them as one: what each asks for by itself is looked at zone by zone (see `zones`)."""
    frame = aims.own[0].frame
    if frame < 0 or aims.own[0].grid.axes[frame].size < MANY_ZONES:
        return terrain
    zones = {
        (aims.layout.units[unit].name, aims.layout.columns[unit][column].name)
        for unit, column in frame_functions(aims.layout, frame)
    }
    axes = {key: ground for key, ground in terrain.axes.items() if key not in zones}
    definitions = [truth for truth in terrain.definitions if not zones & set(truth.keys)]
    return replace(terrain, axes=axes, definitions=definitions)


def find_broken_rules(spec: Spec) -> tuple[Contradiction, ...]:
    """Look for rules that no record can keep, whatever the targets say."""
    bare, top = replace(spec, targets=()), spec.schema.top
    if not spec.rules or len(spec.schema.units) > 1 or top.derived:
        return find_across(set_aims(bare)) if spec.rules else ()
    terrain = flat_terrain(grid_of(top, read_uses(bare)), spec.schema)
    return _around_each(terrain, list(forbidden(bare.rules, terrain)), ())


def _around_each(terrain: Terrain, said: Sequence[Statement], suspects: Iterable[str]) -> tuple[Contradiction, ...]:
    statements = Statements(said)
    found: list[Contradiction] = []
    tried: list[frozenset[Key]] = []
    too_many = set[frozenset[Key]]()
    rules = list(dict.fromkeys(statement.axes for statement in statements if isinstance(statement, Forbidden)))
    wanted = set(suspects)
    starts = [(s.name, s.axes) for s in statements if s.name in wanted and not isinstance(s, Forbidden | Numbered)]
    looks = MOST_LOOKS // max(len(statements), 1)
    for name, axes in (*starts, *(("", axes) for axes in rules[:MOST_STARTS] if not starts)):
        if len(found) >= MOST_FOUND or any(name in contradiction.targets for contradiction in found):
            continue
        if not name and any(axes <= other for other in tried):
            continue
        if axes in too_many:
            continue
        widest, looks = _widest(terrain, statements, axes, looks)
        if widest is None:
            too_many.add(axes)
            continue
        if any(widest <= other for other in tried):
            continue
        tried.append(widest)
        contradiction = _on(terrain, statements, widest)
        if contradiction is not None and contradiction not in found:
            found.append(contradiction)
    return tuple(found)


def _on(terrain: Terrain, statements: Statements, axes: frozenset[Key]) -> Contradiction | None:
    """The contradiction that shows on some axes, if any."""
    joint = join(lay(terrain, statements, axes))
    if joint is None or _speaks_alone(joint.layer) or _some_keep_all(joint):
        return None
    from llmsynthor.aims.linear import excluding, feasible, say_numbers  # noqa: PLC0415  (solvers are heavy)
    from llmsynthor.aims.programs import program  # noqa: PLC0415  (solvers are heavy)

    if sum(isinstance(s, Forbidden) for s in joint.layer.statements) > MANY_RULES:
        together = program(joint, together=True)
        if feasible(together, together.parts):
            return None
    written = program(joint)
    distributions = replace(written, parts=tuple(part for part in written.parts if not part.aside))
    for chosen in (distributions, written) if len(distributions.parts) < len(written.parts) else (written,):
        parts = excluding(chosen)
        if parts:
            return Contradiction(
                targets=_names(parts, is_rule=False),
                rules=_names(parts, is_rule=True),
                numbers=say_numbers(chosen, parts),
                by_number=any(part.aside for part in parts),
            )
    return None


def _some_keep_all(joint: Joint) -> bool:
    """Whether one kind of record keeps all rules, where rules of one unit are all that speaks: no program need be asked."""
    layer = joint.layer
    if len(joint.spaces) > 1 or layer.definitions or layer.over:
        return False
    space, broken = joint.spaces[0], np.zeros(joint.spaces[0].size, dtype=np.bool_)
    for statement in layer.statements:
        if not isinstance(statement, Forbidden) or joint.space(statement.unit) is not space:
            return False
        broken |= ~joint.told(statement.where.may_not, statement.where, space)
    return not broken.all()


def _speaks_alone(layer: Layer) -> bool:
    """Whether one table of all records is all that speaks of the axes: alone it can always be met."""
    if len(layer.statements) != 1 or layer.over or layer.definitions:
        return False
    only = layer.statements[0]
    return isinstance(only, Tabled) and only.universe is None and len(units_of(layer.terrain, layer.axes)) == 1


def _names(parts: Sequence["Part"], *, is_rule: bool) -> tuple[str, ...]:
    return tuple(dict.fromkeys(part.name for part in parts if part.is_rule == is_rule))


def _widest(
    terrain: Terrain, statements: Statements, axes: frozenset[Key], looks: int
) -> tuple[frozenset[Key] | None, int]:
    """Widen a set of axes step by step, by what ties them to others, as long as the joint cells are few.

    Returns it, None where even these are too many, and how many of the looks are left.
    """
    axes = closed(terrain, axes)
    if not _small(terrain, statements, axes):
        return None, looks
    left_out = set[frozenset[Key]]()
    for _ in range(MOST_STEPS):
        for option in _wider(terrain, statements, axes):
            if option in left_out:
                continue
            looks -= 1
            if looks < 0:
                return axes, looks
            if _small(terrain, statements, option):
                axes = option
                break
            left_out.add(option)
        else:
            return axes, looks
    return axes, looks


def _small(terrain: Terrain, statements: Statements, axes: frozenset[Key]) -> bool:
    return bool(units_of(terrain, axes)) and fits(lay(terrain, statements, axes))


def _wider(terrain: Terrain, statements: Statements, axes: frozenset[Key]) -> list[frozenset[Key]]:
    """Sets of axes with one more tie each: definitions first, then rules, then targets, the fewest joint cells first."""
    ties = [frozenset(truth.keys) for truth in terrain.definitions if truth.keys[0] in axes]
    ties += [axes_of(over) for over in terrain.over if over.key in axes]
    near = statements.about(axes)
    tied = list(dict.fromkeys(s.axes for s in near if isinstance(s, Forbidden)))
    tied += [axes_of(over) for over in terrain.over]
    for statement in near:
        if isinstance(statement, Numbered):
            unit = terrain.schema[statement.unit]
            tied.append(anchor(terrain, unit.name, ()) | {(str(unit.parent), str(unit.count))})
    joined = [s.axes for s in near if not isinstance(s, Forbidden | Numbered)]
    options: list[frozenset[Key]] = []
    for group in (ties, tied, joined):
        some = {closed(terrain, axes | other) for other in group if other & axes and not other <= axes}
        options += sorted(some, key=lambda option: (_size(terrain, option), sorted(option)))
    return list(dict.fromkeys(options))


def _size(terrain: Terrain, axes: frozenset[Key]) -> float:
    return float(np.prod([terrain.axes[key].size for key in axes], dtype=float))
