"""The columns of nested units: their variables, derived ones, and what says whether a rule or a universe holds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from llmsynthor.aims.cuts import Cut, cut_derived, cut_position, cut_values, cut_variable
from llmsynthor.aims.grid import Grid, look_up
from llmsynthor.aims.layout import Column, Layout, Place, flag_axis, value_name
from llmsynthor.aims.uses import SUMS, Uses
from llmsynthor.spec.expressions import Aggregate, Expression, Node, Operation, Reference, nodes, parse, references
from llmsynthor.spec.inputs import POSITION, is_position
from llmsynthor.spec.rules import Rule
from llmsynthor.spec.schema import Numeric, Schema, Unit
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Statistic, Table, Target

LARGEST_BOX = 200_000
"""A rule or universe about a unit's own variables with no more combinations than this is looked up, not computed."""


Flags = Mapping[tuple[str, str], str]
"""Names of the columns that say whether a universe holds, by its unit and text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """A spec laid out in columns, and which of it can be said of a unit's own variables alone.

    `broken` are the columns that say whether a rule is broken, with their rules, `own_rules` the rules that own variables tell;
    `plain` tables and `own` statistics are about own variables, `wide` statistics are not. `flags` name the columns of universes.
    """

    layout: Layout
    cuts: Mapping[Place, Cut]
    broken: tuple[tuple[Place, Rule], ...]
    own_rules: tuple[Rule, ...]
    plain: tuple[Table, ...]
    own: tuple[Statistic, ...]
    wide: tuple[Statistic, ...]
    flags: Flags


def lay_out(spec: Spec, uses: Uses) -> Columns:
    """Give every unit its columns: own variables, derived ones, positions, finely cut values, then broken rules and universes."""
    schema, cuts, columns = spec.schema, dict[Place, Cut](), list[list[Column]]()
    for number, unit in enumerate(schema.units):
        for position, variable in enumerate(unit.coded):
            cuts[number, position] = cut_variable(uses[unit.name, variable.name], uses)
        own = [Column(axis=cuts[number, position].axis) for position in range(len(unit.coded))]
        columns.append([*own, *_computed(unit, uses)])
    broken, own_rules = _rules(spec, columns)
    statistics = [target for target in spec.targets if isinstance(target, Statistic)]
    about_own = {id(target) for target in statistics if _is_own(schema[target.unit], target)}
    own_statistics = tuple(target for target in statistics if id(target) in about_own)
    plain = tuple(t for t in spec.targets if isinstance(t, Table) and _is_plain(spec, t, columns))
    flags = _universes(spec, (*plain, *own_statistics), columns)
    layout = Layout(
        schema=schema,
        columns=tuple(tuple(own) for own in columns),
        order=_order(schema, columns),
        values={place: cut.values for place, cut in cuts.items() if cut.values is not None},
    )
    return Columns(
        layout=layout,
        cuts=cuts,
        broken=broken,
        own_rules=own_rules,
        plain=plain,
        own=own_statistics,
        wide=tuple(target for target in statistics if id(target) not in about_own),
        flags=flags,
    )


def _computed(unit: Unit, uses: Uses) -> list[Column]:
    """Columns of derived variables, of the place among the parent's records where a table names it, and of numbers summed."""
    found = [
        Column(axis=cut_derived(uses[unit.name, derived.name]), role="derived", expression=derived.expression)
        for derived in unit.derived
    ]
    intervals = uses.intervals.get((unit.name, POSITION))
    if is_position(unit, POSITION) and intervals:
        found.append(Column(axis=cut_position(POSITION, intervals), role="derived", expression=parse(POSITION)))
    for derived in unit.derived:
        use = uses[unit.name, derived.name]
        if any(target.statistic in SUMS for target in (*use.statistics, *use.from_below)):
            variable = Numeric(name=value_name(derived.name), kind=use.number.kind, range=use.number.range)
            value = Expression(derived.name, Reference(None, derived.name))
            found.append(Column(axis=cut_values(derived, variable), role="value", expression=value))
    return found


def _rules(spec: Spec, columns: list[list[Column]]) -> tuple[tuple[tuple[Place, Rule], ...], tuple[Rule, ...]]:
    """Add a column for every rule that own variables do not tell; returns the columns, and the rules that they do tell."""
    broken, own_rules = list[tuple[Place, Rule]](), list[Rule]()
    for rule in spec.rules:
        plain = _unprefixed(rule.forbid, spec.schema[rule.unit])
        if _is_told(spec.schema, rule.unit, plain, columns):
            own_rules.append(replace(rule, forbid=plain))
            continue
        number = _number(spec.schema, rule.unit)
        broken.append(((number, len(columns[number])), rule))
        axis = flag_axis(f"rule {len(broken)}")
        columns[number].append(Column(axis=axis, role="rule", expression=rule.forbid))
    return tuple(broken), tuple(own_rules)


def _number(schema: Schema, unit: str) -> int:
    return [candidate.name for candidate in schema.units].index(unit)


def _is_small(unit: Unit, names: frozenset[str], columns: Sequence[Column]) -> bool:
    sizes = [column.axis.size for column in columns if column.name in names]
    return float(np.prod(sizes, dtype=float)) <= LARGEST_BOX


def _is_told(schema: Schema, owner: str, plain: Expression, columns: Sequence[Sequence[Column]]) -> bool:
    """Whether a rule can be looked up in a table of the unit's own variables: no cell of theirs lies on both sides of it."""
    unit = schema[owner]
    names, own = _own_names(unit, plain), columns[_number(schema, unit.name)]
    if names is None or not _is_small(unit, names, own):
        return False
    grid = Grid(unit=unit, axes=tuple(column.axis for column in own if column.role == "own"))
    looked = look_up(grid, plain)
    return not bool((looked.may & looked.may_not).any())


def _unprefixed(expression: Expression, unit: Unit) -> Expression:
    """Write `person.age` in an expression of person as `age`."""
    return Expression(expression.text, _unprefix(expression.tree, unit.name))


def _unprefix(node: Node, unit: str) -> Node:
    if isinstance(node, Operation):
        return Operation(node.symbol, tuple(_unprefix(operand, unit) for operand in node.operands))
    return replace(node, unit=None) if isinstance(node, Reference) and node.unit == unit else node


def _universes(spec: Spec, own: Sequence[Target], columns: list[list[Column]]) -> dict[tuple[str, str], str]:
    """Add a column for every universe that is no condition on own variables; returns their names by unit and text."""
    known, found = {id(target) for target in own}, dict[tuple[str, str], str]()
    for target in spec.targets:
        if target.universe is None or id(target) in known or (isinstance(target, Table) and target.is_listed):
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
    names = frozenset[str]() if table.universe is None else _own_names(unit, table.universe)
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


def _is_own(unit: Unit, target: Statistic) -> bool:
    """Whether a mean, total, quantile, deviation or correlation is about the unit's own variables alone."""
    own = {variable.name for variable in unit.coded}
    inside = target.universe is None or _own_names(unit, target.universe) is not None
    return inside and {*target.by, *target.variables} <= own


def _own_names(unit: Unit, expression: Expression) -> frozenset[str] | None:
    """The variables of an expression, if it is about the unit's own variables alone."""
    own = {variable.name for variable in unit.coded}
    if any(isinstance(node, Aggregate) for node in nodes(expression.tree)):
        return None
    named = references(expression)
    inside = all(reference.unit in (None, unit.name) and reference.name in own for reference in named)
    return frozenset(reference.name for reference in named) if inside else None
