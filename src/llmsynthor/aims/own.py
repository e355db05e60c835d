"""What a nested unit's own variables alone must meet: a first draw takes care of it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

from llmsynthor.aims.columns import Columns
from llmsynthor.aims.goals import Goals, bring_to_grid
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Table


def own_goals(spec: Spec, columns: Columns, number: int, wide: Goals) -> Goals:
    """What the unit's own variables must meet, with the shares that sources agree on: plain tables, and rules looked up."""
    unit, grid = columns.layout.units[number], columns.layout.own_grid(number)
    tables = [table for table in columns.plain if table.unit == unit.name]
    rules = tuple(rule for rule in columns.own_rules if rule.unit == unit.name)
    own = {variable.name for variable in unit.coded}
    statistics = [target for target in columns.own if target.unit == unit.name]
    part = replace(spec, targets=(*tables, *_margins(wide, tables, own), *statistics), rules=rules)
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
