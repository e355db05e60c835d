"""What a spec that can be read may still have wrong: contradictions, and things a careful user would want to be told."""

from collections.abc import Iterator, Sequence

import numpy as np

from llmsynthor.errors import Problem
from llmsynthor.spec.expressions import Aggregate, nodes, references
from llmsynthor.spec.levels import Interval, Level
from llmsynthor.spec.possibility import Box, Levels, Span, possible
from llmsynthor.spec.rules import Rule
from llmsynthor.spec.schema import Category, Numeric, Unit
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Table

MOST_CELLS = 5


def forbidden_targets(spec: Spec) -> tuple[Problem, ...]:
    """Find every cell with a positive target that a rule forbids whatever the other variables are: a contradiction."""
    return tuple(
        problem
        for number, target in enumerate(spec.targets)
        if isinstance(target, Table)
        for rule in spec.rules
        if rule.unit == target.unit and not any(isinstance(node, Aggregate) for node in nodes(rule.forbid.tree))
        for problem in _forbidden(f'targets[{number}] "{target.name}"', target, rule, spec.schema[rule.unit])
    )


def _forbidden(where: str, table: Table, rule: Rule, unit: Unit) -> Iterator[Problem]:
    names = {reference.name for reference in references(rule.forbid)}
    if not names & set(table.columns) or any(r.unit for r in references(rule.forbid)):
        return
    boxes = {name: _boxes(table, name, unit) for name in names}
    free = [name for name in names if name not in table.columns and isinstance(unit.variable(name), Category)]
    escapes = np.zeros(len(table.cells), dtype=bool)
    for completion in _completions(free, unit, len(table.cells)):
        _, may_hold = possible(rule.forbid, {**boxes, **completion})
        escapes |= may_hold
    positive = np.array(table.values) > 0
    for k in np.flatnonzero(positive & ~escapes):
        cell = " and ".join(f"{name} {level}" for name, level in zip(table.columns, table.cells[k], strict=True))
        yield Problem(
            where=f'{where} row {k + 1} and rule "{rule.name}"',
            what=f"the rule forbids a cell whose target is {table.values[k]:g}",
            found=cell,
            advice="correct the rule or the table: both cannot hold",
        )


def _boxes(table: Table, name: str, unit: Unit) -> Box:
    variable = unit.variable(name)
    if name not in table.columns:
        assert isinstance(variable, Category | Numeric)
        if isinstance(variable, Category):
            return Levels(codes=np.zeros(len(table.cells), dtype=np.int64), levels=variable.levels)
        ends = np.ones(len(table.cells))
        return Span(low=variable.range.low * ends, high=variable.range.high * ends, integer=variable.integer)
    cells: Sequence[Level] = [cell[table.columns.index(name)] for cell in table.cells]
    if isinstance(variable, Category):
        index = {level: k for k, level in enumerate(variable.levels)}
        return Levels(codes=np.array([index[str(level)] for level in cells]), levels=variable.levels)
    intervals = [level for level in cells if isinstance(level, Interval)]
    low, high = (np.array([getattr(level, end) for level in intervals]) for end in ("low", "high"))
    return Span(low=low, high=high, integer=getattr(variable, "integer", False))


def _completions(names: Sequence[str], unit: Unit, rows: int) -> Iterator[dict[str, Box]]:
    """Give every combination of levels of the rule's categories that the table does not have."""
    if not names:
        yield {}
        return
    variable = unit.variable(names[0])
    assert isinstance(variable, Category)
    for code in range(len(variable.levels)):
        box = Levels(codes=np.full(rows, code), levels=variable.levels)
        for rest in _completions(names[1:], unit, rows):
            yield {names[0]: box, **rest}


def warnings(spec: Spec) -> tuple[Problem, ...]:
    """Collect what is allowed but worth a look."""
    tables = [(f'targets[{k}] "{t.name}"', t) for k, t in enumerate(spec.targets) if isinstance(t, Table)]
    found = [*_untabulated(spec), *_totals(tables)]
    for where, table in tables:
        found += [*_silent_levels(where, table, spec), *_odd_shares(where, table), *_negatives(where, table)]
    return tuple(found)


def _warning(where: str, what: str, found: str, advice: str) -> Problem:
    return Problem(where=where, what=what, found=found, advice=advice, severity="warning")


def _untabulated(spec: Spec) -> Iterator[Problem]:
    for unit in spec.schema.units:
        named = {c for t in spec.targets for c in (t.columns if isinstance(t, Table) else (*t.by, t.variable))}
        for variable in unit.coded:
            if variable.name not in named and f"{unit.name}.{variable.name}" not in named:
                where = f"units.{unit.name}.variables.{variable.name}"
                advice = "give it a table if you have one"
                yield _warning(where, "no target says anything about this variable", variable.name, advice)


def _silent_levels(where: str, table: Table, spec: Spec) -> Iterator[Problem]:
    for k, name in enumerate(table.columns):
        _, variable = spec.schema.find(table.unit, name)
        listed = {cell[k] for cell in table.cells}
        absent = [level for level in variable.levels if level not in listed] if isinstance(variable, Category) else []
        if absent and table.universe is None:
            advice = "list them with a 0, or say which records the table is about: universe"
            yield _warning(where, f"levels of {name} never occur and are taken as zero", "; ".join(absent[:10]), advice)


def _odd_shares(where: str, table: Table) -> Iterator[Problem]:
    total = sum(table.values)
    if table.value == "share" and abs(total - 1) > 0.02 and abs(total - 100) > 2:
        advice = "only the distribution counts, so the shares are divided by their sum; check that none is missing"
        yield _warning(where, "the shares do not add up to 1 (or 100)", f"{total:g}", advice)


def _totals(tables: Sequence[tuple[str, Table]]) -> Iterator[Problem]:
    """Name tables of counts about the same records that add up to different totals."""
    totals: dict[tuple[str, str], tuple[str, float]] = {}
    for where, table in tables:
        if table.value != "count":
            continue
        key, total = (table.unit, str(table.universe or "")), sum(table.values)
        first = totals.setdefault(key, (where, total))
        if abs(total - first[1]) > 0.5 * table.last_digit * len(table.values):
            advice = (
                "only the distributions count, each is brought to the number of records; see that they mean the same"
            )
            yield _warning(f"{first[0]} and {where}", "the totals differ", f"{first[1]:,g} and {total:,g}", advice)


def _negatives(where: str, table: Table) -> Iterator[Problem]:
    negative = sum(value < 0 for value in table.values)
    if negative:
        advice = "they are noise: the nearest table without negative cells and of the same total is used"
        yield _warning(where, "cells are negative", f"{negative:,} of {len(table.values):,}", advice)
