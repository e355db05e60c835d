"""Targets and rules of nested units: what the records of every unit must meet, with columns of parents and computed ones."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.counted import with_implied_means
from llmsynthor.aims.cuts import Cut, cut_at, cut_derived, cut_variable
from llmsynthor.aims.derived import flat_goals
from llmsynthor.aims.frames import find_frame
from llmsynthor.aims.goals import Goal, Goals, bring_table, bring_to_grid, table_levels
from llmsynthor.aims.grid import Grid, Projection, project_columns, project_condition
from llmsynthor.aims.layout import Column, Layout, Place, flag_axis
from llmsynthor.aims.reconcile import Disagreement
from llmsynthor.aims.reconcile_moments import reconcile_moments, reconcile_sources
from llmsynthor.aims.uses import Uses, read_uses
from llmsynthor.aims.wide import bring_wide, is_own, own_names, project_wide, value_columns, within_reach
from llmsynthor.aims.zones import made_possible, unmet_rooms
from llmsynthor.spec.expressions import Expression, Node, Operation, Reference, parse, references
from llmsynthor.spec.inputs import POSITION, is_position
from llmsynthor.spec.levels import Interval
from llmsynthor.spec.rules import Rule
from llmsynthor.spec.schema import Derived, Numeric, Schema, Unit
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Table

Floats = NDArray[np.float64]

LARGEST_BOX = 200_000
"""A rule or universe about a unit's own variables with no more combinations than this is looked up, not computed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aims:
    """All that nested records must meet.

    `goals[u]` are the tables of unit u on its wide grid; `own[u]` what its own variables alone must meet, which is what a first
    draw takes care of. `broken` are the columns that say whether a rule is broken, with their rules. `beliefs` are log-weights on
    the cells of a projection of a unit's wide grid: what makes records likely beyond the tables.
    """

    spec: Spec
    layout: Layout
    cuts: dict[Place, Cut]
    goals: tuple[Goals, ...]
    own: tuple[Goals, ...]
    broken: tuple[tuple[Place, Rule], ...]
    disagreements: tuple[Disagreement, ...]
    beliefs: tuple[tuple[int, Projection, Floats], ...] = ()

    @property
    def needs_trees(self) -> bool:
        """Whether an aim reads more than own columns of its row: then whole top records are aligned."""
        return len(self.layout.units) > 1 or bool(self.layout.order)

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


def set_aims(spec: Spec) -> Aims:
    """Lay out the units of a spec and bring its targets and rules onto them."""
    own = flat_goals(spec) if len(spec.schema.units) == 1 else None
    return _of_trees(spec) if own is None else _of_rows(spec, own)


def _of_rows(spec: Spec, own: Goals) -> Aims:
    """One unit whose aims read nothing but its own variables, or what is a function of their codes."""
    goals, disagreements = reconcile_sources(own, spec)
    columns = tuple(Column(axis=axis) for axis in goals.grid.axes)
    layout = Layout(schema=spec.schema, columns=(columns,), order=(), values={})
    goals = replace(goals, frame=find_frame(layout, (goals,), spec.frame_variable))
    return Aims(spec=spec, layout=layout, cuts={}, goals=(goals,), own=(goals,), broken=(), disagreements=disagreements)


def _of_trees(spec: Spec) -> Aims:
    """Units whose aims read each other, with the means that their counts imply."""
    spec = with_implied_means(spec)
    uses = read_uses(spec)
    cuts: dict[Place, Cut] = {}
    columns: list[list[Column]] = []
    for number, unit in enumerate(spec.schema.units):
        for position, variable in enumerate(unit.coded):
            cuts[number, position] = cut_variable(uses[unit.name, variable.name], uses)
        own = [Column(axis=cuts[number, position].axis) for position in range(len(unit.coded))]
        columns.append([*own, *_derived(unit, uses), *_position(unit, uses), *value_columns(unit, uses)])
    broken, own_rules = [], list[Rule]()
    for rule in spec.rules:
        if _own_rule(spec.schema, rule, columns):
            own_rules.append(rule)
        else:
            unit_number = _number(spec.schema, rule.unit)
            broken.append(((unit_number, len(columns[unit_number])), rule))
            axis = flag_axis(f"rule {len(broken)}")
            columns[unit_number].append(Column(axis=axis, role="rule", expression=rule.forbid))
    plain = [t for t in spec.targets if isinstance(t, Table) and _is_plain(spec, t, columns)]
    flags = _universes(spec, plain, columns)
    layout = Layout(
        schema=spec.schema,
        columns=tuple(tuple(own) for own in columns),
        order=_order(spec.schema, columns),
        values={place: cut.values for place, cut in cuts.items() if cut.values is not None},
    )
    goals, disagreements, narrow = [], list[Disagreement](), unmet_rooms(spec)
    for number in range(len(spec.schema.units)):
        moments, quantiles = bring_wide(spec, layout, number, flags, uses)
        brought = replace(_bring(spec, layout, number, flags), moments=moments, quantiles=quantiles)
        reconciled, found = reconcile_sources(brought, spec)
        reconciled, led = made_possible(reconciled, narrow)
        goals.append(reconciled)
        disagreements += [*found, *led]
    own_spec = replace(spec, rules=tuple(own_rules))
    own_goals = list[Goals]()
    for number in range(len(spec.schema.units)):
        own_goal = _own_goals(own_spec, plain, layout, number, goals[number])
        moments, found = reconcile_moments(own_goal.moments, spec)
        own_goals.append(replace(own_goal, moments=moments))
        disagreements += found
    own_goals[0] = replace(own_goals[0], frame=find_frame(layout, goals, spec.frame_variable))
    own_within, wide_within = within_reach(layout, own_goals, goals, uses)
    return Aims(
        spec=spec,
        layout=layout,
        cuts=cuts,
        goals=wide_within,
        own=own_within,
        broken=tuple(broken),
        disagreements=tuple(disagreements),
    )


def _number(schema: Schema, unit: str) -> int:
    return [candidate.name for candidate in schema.units].index(unit)


def _derived(unit: Unit, uses: Uses) -> list[Column]:
    axes = (cut_derived(uses[unit.name, derived.name]) for derived in unit.derived)
    return [
        Column(axis=axis, role="derived", expression=derived.expression)
        for axis, derived in zip(axes, unit.derived, strict=True)
    ]


def _position(unit: Unit, uses: Uses) -> list[Column]:
    """A column for the place among the parent's records, where a table names it."""
    intervals = uses.intervals.get((unit.name, POSITION))
    if not is_position(unit, POSITION) or not intervals:
        return []
    most = max(2.0, float(max(level.high for level in intervals)))
    variable = Numeric(name=POSITION, kind="integer", range=Interval(1.0, most))
    return [
        Column(
            axis=cut_at(variable, {edge for level in intervals for edge in (level.low, level.high)}),
            role="derived",
            expression=parse(POSITION),
        )
    ]


def _is_small(unit: Unit, names: frozenset[str], columns: Sequence[Column]) -> bool:
    sizes = [column.axis.size for column in columns if column.name in names]
    return float(np.prod(sizes, dtype=float)) <= LARGEST_BOX


def _own_rule(schema: Schema, rule: Rule, columns: Sequence[Sequence[Column]]) -> bool:
    """Whether a rule can be looked up in a table of the unit's own variables: no cell of theirs lies on both sides of it."""
    unit = schema[rule.unit]
    plain = _unprefixed(rule.forbid, unit)
    names, own = own_names(unit, plain), columns[_number(schema, unit.name)]
    if names is None or not _is_small(unit, names, own):
        return False
    grid = Grid(unit=unit, axes=tuple(column.axis for column in own if column.role == "own"))
    _, may_break, may_hold = project_condition(grid, plain)
    return not bool((may_break & may_hold).any())


def _unprefixed(expression: Expression, unit: Unit) -> Expression:
    """Write `person.age` in an expression of person as `age`."""
    return Expression(expression.text, _unprefix(expression.tree, unit.name))


def _unprefix(node: Node, unit: str) -> Node:
    if isinstance(node, Operation):
        return Operation(node.symbol, tuple(_unprefix(operand, unit) for operand in node.operands))
    return replace(node, unit=None) if isinstance(node, Reference) and node.unit == unit else node


def _universes(spec: Spec, plain: Sequence[Table], columns: list[list[Column]]) -> dict[tuple[str, str], str]:
    """Add a column for every universe that is no condition on own variables; returns their names by unit and text."""
    known, found = {id(table) for table in plain}, dict[tuple[str, str], str]()
    for target in spec.targets:
        own = id(target) in known if isinstance(target, Table) else is_own(spec.schema[target.unit], target)
        if target.universe is None or own or (isinstance(target, Table) and _is_listed(target)):
            continue
        number, key = _number(spec.schema, target.unit), (target.unit, str(target.universe))
        if key not in found:
            found[key] = f"universe {len(found) + 1}"
            column = Column(axis=flag_axis(found[key]), role="universe", expression=target.universe)
            columns[number].append(column)
    return found


def _is_plain(spec: Spec, table: Table, columns: Sequence[Sequence[Column]]) -> bool:
    """Whether a table and its universe are about own variables of the unit, few enough to be looked up."""
    unit = spec.schema[table.unit]
    own = {variable.name for variable in unit.coded}
    names = frozenset[str]() if table.universe is None else own_names(unit, table.universe)
    if names is None or not set(table.columns) <= own:
        return False
    return _is_small(unit, names | frozenset(table.columns), columns[_number(spec.schema, unit.name)])


def _order(schema: Schema, columns: Sequence[Sequence[Column]]) -> tuple[Place, ...]:
    """Put the computed columns behind those that they use."""
    places = {(u, column.name): (u, k) for u, own in enumerate(columns) for k, column in enumerate(own)}
    found: list[Place] = []

    def add(place: Place) -> None:
        column = columns[place[0]][place[1]]
        if column.expression is None or place in found:
            return
        for reference in sorted(references(column.expression), key=str):
            owner = place[0] if reference.unit is None else _number(schema, reference.unit)
            used = places.get((owner, reference.name))
            if used is not None and used != place:
                add(used)
        found.append(place)

    for unit, own in enumerate(columns):
        for position in range(len(own)):
            add((unit, position))
    return tuple(found)


def _bring(spec: Spec, layout: Layout, number: int, flags: dict[tuple[str, str], str]) -> Goals:
    unit, grid = layout.units[number], layout.wide_grid(number)
    tables = [t for t in spec.targets if t.unit == unit.name and isinstance(t, Table)]
    goals = tuple(_wide_goal(table, layout, number, grid, flags) for table in tables)
    return Goals(grid=grid, tables=goals, zeros=())


def _wide_goal(table: Table, layout: Layout, number: int, grid: Grid, flags: dict[tuple[str, str], str]) -> Goal:
    levels = table_levels(table, grid)
    flag = flags.get((table.unit, str(table.universe or "")))
    if table.universe is not None and flag is None and not _is_listed(table):
        return bring_table(table, grid, project_columns(grid, table.columns, levels, table.universe))
    listed = table.cells if _is_listed(table) else None
    return bring_table(table, grid, project_wide(layout, number, grid, table.columns, levels, flag, listed))


def _is_listed(table: Table) -> bool:
    """Whether the cells that a table lists say all of its universe."""
    return table.base is not None and table.base.universe is None


def _own_goals(spec: Spec, plain: Sequence[Table], layout: Layout, number: int, wide: Goals) -> Goals:
    """What the unit's own variables must meet, with the shares that sources agree on: plain tables, and rules looked up."""
    unit, grid = layout.units[number], layout.own_grid(number)
    tables = [table for table in plain if table.unit == unit.name]
    rules = [replace(rule, forbid=_unprefixed(rule.forbid, unit)) for rule in spec.rules if rule.unit == unit.name]
    own = {variable.name for variable in unit.coded}
    statistics = [t for t in spec.targets if not isinstance(t, Table) and t.unit == unit.name and is_own(unit, t)]
    part = replace(spec, targets=(*tables, *_margins(wide, tables, own), *statistics), rules=tuple(rules))
    goals = bring_to_grid(part, grid)
    shares = {id(goal.table): goal.shares for goal in wide.tables}
    return replace(
        goals, tables=tuple(replace(goal, shares=shares.get(id(goal.table), goal.shares)) for goal in goals.tables)
    )


def _margins(wide: Goals, plain: Sequence[Table], own: set[str]) -> Iterator[Table]:
    """What tables with computed columns say of own variables that no plain table has: a first draw is nearer with it."""
    known = {name for table in plain if table.universe is None for name in table.columns}
    for goal in wide.tables:
        kept = [k for k, name in enumerate(goal.table.columns) if name in own]
        columns = tuple(goal.table.columns[k] for k in kept)
        if goal.table.universe is not None or goal.trust < 1 or not kept or set(columns) <= known:
            continue
        known |= set(columns)
        others = tuple(k for k in range(len(goal.shape)) if k not in kept)
        shares = goal.shares.reshape(goal.shape).sum(axis=others)
        cells = tuple(product(*(goal.levels[k] for k in kept)))
        values = tuple(float(share) for share in shares.ravel())
        yield replace(
            goal.table,
            columns=columns,
            cells=cells,
            values=values,
            value="share",
            margins_of_error=None,
            zeros="sampling",
        )
