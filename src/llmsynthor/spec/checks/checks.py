"""What a spec that can be read may still have wrong: contradictions, and things a careful user would want to be told."""

import math
from collections.abc import Iterator, Sequence
from itertools import islice, product

import numpy as np

from llmsynthor.errors import Problem
from llmsynthor.spec.checks.conditions import fails_anyway, holds_in_cells
from llmsynthor.spec.checks.exact import exact_problems
from llmsynthor.spec.checks.needed import childless_problems, lacking_children
from llmsynthor.spec.checks.units import parents_column_problems, total_problems
from llmsynthor.spec.checks.unsaid import unsaid
from llmsynthor.spec.coded import coded_columns
from llmsynthor.spec.expressions import Aggregate, Reference, nodes
from llmsynthor.spec.rules import Rule
from llmsynthor.spec.schema import Schema
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Statistic, Table

MOST_NAMED = 4
"""Combinations named in one warning."""

SAME_TOTAL = 0.005
"""Totals of counts that differ by no more than this part of them are one total."""


def forbidden_targets(spec: Spec) -> tuple[Problem, ...]:
    """Find what no records can be: cells with a positive target that a rule forbids whatever the other variables are, and
    rules that need more children of a kind (an adult in each household) than the tables have.
    """
    found = [problem for table, rule in _meeting(spec) for problem in _forbidden(table.where, table, rule, spec.schema)]
    lacking = (problem for problem in lacking_children(spec) if problem.severity == "error")
    return (*found, *lacking, *base_problems(spec))


def _meeting(spec: Spec) -> Iterator[tuple[Table, Rule]]:
    """The tables and rules of a unit that share a variable, table by table; a function over children may be any of its columns."""
    tables = [target for target in spec.targets if isinstance(target, Table)]
    about, units = dict[tuple[str, str], list[int]](), dict[str, list[int]]()
    for number, table in enumerate(tables):
        units.setdefault(table.unit, []).append(number)
        for name in table.columns:
            about.setdefault((table.unit, name), []).append(number)
    pairs = set[tuple[int, int]]()
    for number, rule in enumerate(spec.rules):
        below = list(nodes(rule.forbid.tree))
        named = {n.name if n.unit in (None, rule.unit) else str(n) for n in below if isinstance(n, Reference)}
        met = [own for name in named for own in about.get((rule.unit, name), ())]
        met = units.get(rule.unit, []) if any(isinstance(n, Aggregate) for n in below) else met
        pairs.update((own, number) for own in met)
    for own, number in sorted(pairs):
        yield tables[own], spec.rules[number]


def _forbidden(where: str, table: Table, rule: Rule, schema: Schema) -> Iterator[Problem]:
    tree = rule.forbid.tree
    found = None if fails_anyway(tree, table, schema) else holds_in_cells(tree, table, schema)
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
    found = [*spec.notes, *unsaid(spec), *_totals(tables)]
    found += [*total_problems(spec), *parents_column_problems(spec), *childless_problems(spec), *exact_problems(spec)]
    found += [problem for problem in lacking_children(spec) if problem.severity == "warning"]
    for where, table in tables:
        found += [*_unlisted(where, table), *_odd_shares(where, table), *_negatives(where, table)]
    return tuple(found)


def _warning(where: str, what: str, found: str, advice: str) -> Problem:
    return Problem(where=where, what=what, found=found, advice=advice, severity="warning")


def _unlisted(where: str, table: Table) -> Iterator[Problem]:
    """Name combinations that a table does not list although each of their levels occurs in it."""
    if table.structural or table.universe is not None or table.trust < 1 or len(table.columns) < 2:
        return
    levels = [own for own, _ in coded_columns(table)]
    number = math.prod(len(column) for column in levels) - len(table.cells)
    if number <= 0:
        return
    listed = set(table.cells)
    some = islice((cell for cell in product(*levels) if cell not in listed), MOST_NAMED)
    shown = [" and ".join(f"{n} {level}" for n, level in zip(table.columns, cell, strict=True)) for cell in some]
    more = f"; and {number - len(shown):,} more" if number > len(shown) else ""
    advice = "list them with a 0, or write `zeros: structural` if they cannot be, or `open: true` if they are not known"
    yield _warning(where, "combinations are not listed and are read as zero", "; ".join(shown) + more, advice)


def base_problems(spec: Spec) -> Iterator[Problem]:
    """Name totals beside tables of counts whose totals differ, so that it is not said how many records they are about."""
    for target in spec.targets:
        if not isinstance(target, Statistic) or target.statistic != "total" or target.base is not None:
            continue
        tables = [t for t in spec.targets if isinstance(t, Table)]
        counted = [t for t in tables if (t.unit, t.value, t.universe) == (target.unit, "count", None)]
        most = max((table.importance for table in counted), default=1.0)
        totals = {table.where: sum(table.values) for table in counted if table.importance == most}
        if totals and max(totals.values()) > min(totals.values()) * (1 + SAME_TOTAL):
            low, high = min(totals, key=lambda where: totals[where]), max(totals, key=lambda where: totals[where])
            yield Problem(
                where=f"{target.where}, {low} and {high}",
                what="the tables of counts have different totals, so that it is open how many records the total is about",
                found=f"{totals[low]:,g} and {totals[high]:,g}",
                advice=f"say it: `base: {totals[high]:g}`, or, if the total is that of the records asked for, their number; "
                "a column of percentages is called percent or share",
            )


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
