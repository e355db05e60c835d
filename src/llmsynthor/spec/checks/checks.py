"""What a spec that can be read may still have wrong: contradictions, and things a careful user would want to be told."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from llmsynthor.errors import Problem
from llmsynthor.spec.checks.conditions import holds_in_cells
from llmsynthor.spec.checks.needed import childless_problems, lacking_children
from llmsynthor.spec.checks.units import parents_column_problems, total_problems
from llmsynthor.spec.inputs import Column, base_columns, target_columns
from llmsynthor.spec.rules import Rule
from llmsynthor.spec.schema import Category, Schema
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Table


def forbidden_targets(spec: Spec) -> tuple[Problem, ...]:
    """Find what no records can be: cells with a positive target that a rule forbids whatever the other variables are, and
    rules that need more children of a kind (an adult in each household) than the tables have.
    """
    found = [
        problem
        for target in spec.targets
        if isinstance(target, Table)
        for rule in spec.rules
        if rule.unit == target.unit
        for problem in _forbidden(target.where, target, rule, spec.schema)
    ]
    return (*found, *(problem for problem in lacking_children(spec) if problem.severity == "error"))


def _forbidden(where: str, table: Table, rule: Rule, schema: Schema) -> Iterator[Problem]:
    found = holds_in_cells(rule.forbid.tree, table, schema)
    if found is None:
        return
    for k in np.flatnonzero((np.array(table.values) > 0) & ~found[1]):
        cell = " and ".join(f"{name} {level}" for name, level in zip(table.columns, table.cells[k], strict=True))
        yield Problem(
            where=f'{where} row {k + 1} and rule "{rule.name}"',
            what=f"the rule forbids a cell whose target is {table.values[k]:g}",
            found=cell,
            advice="correct the rule or the table: both cannot hold",
        )


def warnings(spec: Spec) -> tuple[Problem, ...]:
    """Collect what is allowed but worth a look."""
    tables = [(target.where, target) for target in spec.targets if isinstance(target, Table)]
    found = [*spec.notes, *_untabulated(spec), *_totals(tables)]
    found += [*total_problems(spec), *parents_column_problems(spec), *childless_problems(spec)]
    found += [problem for problem in lacking_children(spec) if problem.severity == "warning"]
    for where, table in tables:
        found += [*_silent_levels(where, table, spec), *_odd_shares(where, table), *_negatives(where, table)]
    return tuple(found)


def _warning(where: str, what: str, found: str, advice: str) -> Problem:
    return Problem(where=where, what=what, found=found, advice=advice, severity="warning")


def _untabulated(spec: Spec) -> Iterator[Problem]:
    named = frozenset[Column]().union(*(target_columns(replace(target, universe=None)) for target in spec.targets))
    told = frozenset[Column]().union(*({column} | base_columns(column, spec.schema) for column in named))
    for unit in spec.schema.units:
        for variable in unit.coded:
            if (unit.name, variable.name) not in told:
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
        if abs(total - first[1]) > 0.5 * table.resolution * len(table.values):
            advice = (
                "only the distributions count, each is brought to the number of records; see that they mean the same"
            )
            yield _warning(f"{first[0]} and {where}", "the totals differ", f"{first[1]:,g} and {total:,g}", advice)


def _negatives(where: str, table: Table) -> Iterator[Problem]:
    negative = sum(value < 0 for value in table.values)
    if negative:
        advice = "they are noise: the nearest table without negative cells and of the same total is used"
        yield _warning(where, "cells are negative", f"{negative:,} of {len(table.values):,}", advice)
