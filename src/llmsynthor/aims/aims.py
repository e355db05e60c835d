"""Targets and rules of nested units: what the records of every unit must meet, with columns of parents and computed ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.about import Names, universe_names
from llmsynthor.aims.columns import lay_out
from llmsynthor.aims.counted import with_implied_means
from llmsynthor.aims.cuts import Cut
from llmsynthor.aims.derived import flat_goals
from llmsynthor.aims.frames import find_frame
from llmsynthor.aims.goals import Goal, Goals
from llmsynthor.aims.grid import Projection
from llmsynthor.aims.layout import Column, Layout, Place
from llmsynthor.aims.overall import agree_overall
from llmsynthor.aims.own import own_goals
from llmsynthor.aims.reconcile import Disagreement, reconcile_moments, reconcile_sources
from llmsynthor.aims.shapes import with_shapes
from llmsynthor.aims.uses import read_uses
from llmsynthor.aims.wide import bring_wide, within_reach
from llmsynthor.aims.zones import made_possible, unmet_rooms
from llmsynthor.spec.rules import Rule
from llmsynthor.spec.schema import Derived
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Table

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Aims:
    """All that nested records must meet.

    `goals[u]` are the tables of unit u on its wide grid; `own[u]` what its own variables alone must meet, which is what a first
    draw takes care of. `broken` are the columns that say whether a rule is broken, with their rules. `beliefs` are log-weights on
    the cells of a projection of a unit's wide grid: what makes records likely beyond the tables. `whole` says that records are
    aligned whole although every aim reads own columns alone.
    """

    spec: Spec
    layout: Layout
    cuts: dict[Place, Cut]
    goals: tuple[Goals, ...]
    own: tuple[Goals, ...]
    broken: tuple[tuple[Place, Rule], ...]
    disagreements: tuple[Disagreement, ...]
    beliefs: tuple[tuple[int, Projection, Floats], ...] = ()
    whole: bool = False

    @property
    def needs_trees(self) -> bool:
        """Whether an aim reads more than own columns of its row: then whole top records are aligned."""
        return self.whole or len(self.layout.units) > 1 or bool(self.layout.order)

    @property
    def tables(self) -> tuple[tuple[int, Goal], ...]:
        """Every table with the number of its unit, unit by unit."""
        return tuple((unit, goal) for unit, goals in enumerate(self.goals) for goal in goals.tables)


def with_estimates(spec: Spec, derived: Mapping[str, Sequence[Derived]], tables: Sequence[Table]) -> Spec:
    """Add derived variables, by unit, and tables about them: estimates of what no given table says.

    A table with `trust` below 1 is leaned towards and not walked to. Universes and expressions may name `position`.
    """
    units = tuple(replace(unit, derived=(*unit.derived, *derived.get(unit.name, ()))) for unit in spec.schema.units)
    return replace(spec, schema=replace(spec.schema, units=units), targets=(*spec.targets, *tables))


def with_beliefs(aims: Aims, weights: Mapping[str, Floats]) -> Aims:
    """Turn the named tables into fixed log-weights of their cells: they are no targets."""
    beliefs = tuple((u, goal.projection, weights[goal.name]) for u, goal in aims.tables if goal.name in weights)
    kept = [replace(g, tables=tuple(goal for goal in g.tables if goal.name not in weights)) for g in aims.goals]
    return replace(aims, goals=tuple(kept), beliefs=beliefs)


def set_aims(spec: Spec, *, whole: bool = False) -> Aims:
    """Lay out the units of a spec and bring its targets and rules onto them; `whole` records even where rows would do."""
    own, names = flat_goals(spec) if len(spec.schema.units) == 1 and not whole else None, universe_names(spec)
    return replace(_of_trees(spec, names), whole=whole) if own is None else _of_rows(spec, own, names)


def _of_rows(spec: Spec, own: Goals, names: Names) -> Aims:
    """One unit whose aims read nothing but its own variables, or what is a function of their codes."""
    goals, disagreements = reconcile_sources(own, names)
    goals, overall = agree_overall(goals, names)
    columns = tuple(Column(axis=axis) for axis in goals.grid.axes)
    layout = Layout(schema=spec.schema, columns=(columns,), order=(), values={})
    goals = replace(goals, frame=find_frame(layout, (goals,), spec.frame_variable))
    goals, _ = with_shapes(goals, goals, read_uses(spec), len(spec.schema.top.coded))
    return Aims(
        spec=spec,
        layout=layout,
        cuts={},
        goals=(goals,),
        own=(goals,),
        broken=(),
        disagreements=(*disagreements, *overall),
    )


def _of_trees(spec: Spec, names: Names) -> Aims:
    """Units whose aims read each other, with the means that their counts imply."""
    narrow = unmet_rooms(spec)
    spec = with_implied_means(spec, narrow)
    uses = read_uses(spec)
    columns = lay_out(spec, uses)
    layout, goals, own = columns.layout, list[Goals](), list[Goals]()
    disagreements = list[Disagreement]()
    for number in range(len(layout.units)):
        reconciled, found = reconcile_sources(bring_wide(spec, columns, number, uses), names)
        reconciled, led = made_possible(reconciled, narrow)
        reconciled, overall = agree_overall(reconciled, names)
        goals.append(reconciled)
        disagreements += [*found, *led, *overall]
    for number, wide in enumerate(goals):
        brought = own_goals(spec, columns, number, wide)
        moments, found = reconcile_moments(brought.moments, names)
        narrowed, overall = agree_overall(replace(brought, moments=moments), names)
        own.append(narrowed)
        disagreements += [*found, *overall]
    own[0] = replace(own[0], frame=find_frame(layout, goals, spec.frame_variable))
    shaped = [
        with_shapes(wide, narrow, uses, layout.n_own(u))
        for u, (wide, narrow) in enumerate(zip(goals, own, strict=True))
    ]
    own_within, wide_within = within_reach(layout, [n for _, n in shaped], [w for w, _ in shaped], uses)
    return Aims(
        spec=spec,
        layout=layout,
        cuts=dict(columns.cuts),
        goals=wide_within,
        own=own_within,
        broken=columns.broken,
        disagreements=tuple(disagreements),
    )
