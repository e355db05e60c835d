"""Derived variables of a unit without parents or children, as functions of its own codes: then records stay flat.

Rules and universes are written out over own variables; tables, means and quantiles of a derived variable become projections of
the own codes. Where a derived variable is not the same in a whole joint cell of what it is computed from, or has too many of
them, whole records are aligned with the derived values computed one by one (`alignment/trees`).
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from llmsynthor.aims.cuts import break_points, breaks_at, grid_of, intervals_between
from llmsynthor.aims.goals import Goals, bring_goals
from llmsynthor.aims.grid import LARGEST_BOX_COUNT, Axis, Computed, Grid, closed_box, look_up
from llmsynthor.aims.uses import Use, Uses, read_uses
from llmsynthor.spec.expressions import Expression, Node, Operation, Reference, opened, references, substitute
from llmsynthor.spec.inputs import derived_in_order
from llmsynthor.spec.possibility import spread
from llmsynthor.spec.schema import Category, Derived, Numeric
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Statistic

LARGEST_BOX = 200_000
"""Joint cells of the variables that a derived one is computed from, beyond which it is computed record by record."""


def needs_trees(spec: Spec) -> bool:
    """Whether records hang together, or have derived variables that are no functions of own codes."""
    if len(spec.schema.units) > 1:
        return True
    if not spec.schema.top.derived:
        return False
    return flat_goals(spec) is None


def flat_goals(spec: Spec) -> Goals | None:
    """All that the records of the one unit must meet, on the grid of its own variables; None where that cannot be said so."""
    own = written_out(spec)
    uses = read_uses(own)
    grid = grid_of(own.schema.top, uses)
    if spec.schema.top.derived:
        computed = _functions(spec, own, grid, uses)
        if computed is None:
            return None
        grid, spec = replace(grid, computed=computed), own
    return bring_goals(spec, grid, uses)


def _functions(spec: Spec, own: Spec, grid: Grid, uses: Uses) -> tuple[Computed, ...] | None:
    """The derived variables that targets name as functions of own codes; None where one of them, or a universe, is none."""
    if not _sharp(spec, own, grid):
        return None
    named = (derived for derived in grid.unit.derived if uses[grid.unit.name, derived.name].named)
    computed = tuple(_computed(derived, uses, grid) for derived in named)
    found = tuple(entry for entry in computed if entry is not None)
    if len(found) < len(computed):
        return None
    exact = {entry.name for entry in found if entry.exact}
    sums = (t for t in spec.targets if isinstance(t, Statistic) and t.statistic != "quantile")
    summed = {name for target in sums for name in target.variables} & {entry.name for entry in found}
    return found if summed <= exact else None


def written_out(spec: Spec) -> Spec:
    """Write every rule, universe and derived variable of the one unit over its own variables alone."""
    unit = spec.schema.top
    known: dict[Node, Node] = {Reference(unit.name, v.name): Reference(None, v.name) for v in unit.coded}
    for _, derived in derived_in_order(spec.schema):
        tree = substitute(derived.expression.tree, known)
        if isinstance(derived.variable, Numeric) and derived.variable.integer:
            tree = Operation("floor", (tree,))
        known |= {Reference(owner, derived.name): tree for owner in (None, unit.name)}
    derived_too = tuple(
        replace(derived, expression=opened(Expression(derived.expression.text, Reference(None, derived.name)), known))
        for derived in unit.derived
    )
    targets = tuple(
        target if target.universe is None else replace(target, universe=opened(target.universe, known))
        for target in spec.targets
    )
    rules = tuple(replace(rule, forbid=opened(rule.forbid, known)) for rule in spec.rules)
    schema = replace(spec.schema, units=(replace(unit, derived=derived_too),))
    return replace(spec, schema=schema, targets=targets, rules=rules)


def _rules(spec: Spec, own: Spec) -> Iterator[Expression]:
    """Rules that name derived variables, written out."""
    for before, after in zip(spec.rules, own.rules, strict=True):
        if before.forbid != after.forbid:
            yield after.forbid


def _universes(spec: Spec, own: Spec) -> Iterator[Expression]:
    """Universes that name derived variables, written out."""
    for before, after in zip(spec.targets, own.targets, strict=True):
        if before.universe is not None and after.universe is not None and before.universe != after.universe:
            yield after.universe


def _sharp(spec: Spec, own: Spec, grid: Grid) -> bool:
    """Whether no cell lies on both sides of a universe that names a derived variable, and no rule or universe needs too many."""
    universes = list(_universes(spec, own))
    for expression in (*_rules(spec, own), *universes):
        size = float(np.prod([grid.axes[grid.position(r.name)].size for r in references(expression)], dtype=float))
        if size > LARGEST_BOX_COUNT:
            return False
    for universe in universes:
        looked = look_up(grid, universe)
        if bool((looked.may & looked.may_not).any()):
            return False
    return True


def _computed(derived: Derived, uses: Uses, grid: Grid) -> Computed | None:
    """A derived variable as a table over the codes of what it is computed from; None where it is no function of them."""
    sources = tuple(sorted(grid.position(reference.name) for reference in references(derived.expression)))
    sizes = [grid.axes[axis].size for axis in sources]
    if np.prod(sizes, dtype=float) > LARGEST_BOX:
        return None
    codes = np.indices(sizes).reshape(len(sizes), -1) if sizes else np.zeros((0, 1), dtype=np.int64)
    boxes = {grid.axes[axis].name: closed_box(grid.axes[axis], codes[k]) for k, axis in enumerate(sources)}
    least, most = spread(derived.expression, boxes, _levels(derived))
    if isinstance(derived.variable, Category):
        if bool((least != most).any()):
            return None
        axis = Axis(variable=derived.variable, levels=derived.variable.levels)
        return Computed(axis=axis, sources=sources, codes=least.astype(np.int64), exact=False)
    return _number(uses[grid.unit.name, derived.name], (sources, least, most))


def _levels(derived: Derived) -> tuple[str, ...]:
    return derived.variable.levels if isinstance(derived.variable, Category) else ()


def _number(use: Use, found: tuple[tuple[int, ...], np.ndarray, np.ndarray]) -> Computed | None:
    """A derived number: a cell for every value where it has one in each joint cell, otherwise as its targets cut it."""
    variable = use.number
    sources, least, most = found
    exact = bool((least == most).all())
    edges = break_points(use)
    values = set(least[np.isfinite(least)].tolist()) if exact and _is_summed(use) else set[float]()
    breaks = np.array(breaks_at(variable, {*edges, *values}))
    first, last = (np.searchsorted(breaks, ends, side="right") - 1 for ends in (least, most))
    size = len(breaks) - 1
    first, last = (np.where((own < 0) | (own >= size), size, own) for own in (first, last))
    if bool((first != last).any()):
        return None
    axis = Axis(variable=variable, levels=intervals_between(breaks.tolist()))
    return Computed(axis=axis, sources=sources, codes=first.astype(np.int64), exact=exact)


def _is_summed(use: Use) -> bool:
    return use.seconds or any(target.statistic != "quantile" for target in use.statistics)
