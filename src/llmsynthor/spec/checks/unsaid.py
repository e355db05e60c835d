"""What the targets of a spec leave unsaid: variables without any, values outside a universe, levels and groups left out."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from llmsynthor.errors import Problem
from llmsynthor.spec.expressions import Expression
from llmsynthor.spec.inputs import Column, base_columns, inputs, target_columns
from llmsynthor.spec.schema import Category, Numeric
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Statistic, Table, Target

MOST_NAMED = 10
"""Levels that one warning names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What the targets of a spec say of which variable, derived ones traced back to what they are computed from.

    `named` are told at all, `whole` by a target of all records, `parts` by targets of the universes that are given; `ruled` are
    those of which a rule speaks.
    """

    named: frozenset[Column]
    whole: frozenset[Column]
    parts: dict[Column, set[Expression]]
    ruled: frozenset[Column]


def unsaid(spec: Spec) -> Iterator[Problem]:
    """Warn of all of it."""
    told, tables = _told(spec), Counter(target.number for target in spec.targets)
    for unit in spec.schema.units:
        for variable in unit.coded:
            column, where = (unit.name, variable.name), f"units.{unit.name}.variables.{variable.name}"
            if column not in told.named:
                what, advice = "no target says anything about this variable", "give it a table if you have one"
                yield _warning(where, what, variable.name, advice)
            elif isinstance(variable, Numeric):
                yield from _outside(variable, told, column, where)
    for target in spec.targets:
        if isinstance(target, Statistic):
            yield from _groups(target, spec)
        elif tables[target.number] == 1:  # of shares within groups, what is not in one group may be in another
            yield from _levels(target, spec, told)


def _told(spec: Spec) -> _Told:
    named, whole, parts = set[Column](), set[Column](), dict[Column, set[Expression]]()
    for target in spec.targets:
        columns = target_columns(replace(target, universe=None))
        traced = columns | {base for column in columns for base in base_columns(column, spec.schema)}
        named |= traced
        if target.universe is None:
            whole |= traced
            continue
        for column in columns - inputs(target.universe, target.unit):
            parts.setdefault(column, set()).add(target.universe)
    ruled = {own for rule in spec.rules for own in inputs(rule.forbid, rule.unit)}
    return _Told(
        named=frozenset(named),
        whole=frozenset(whole),
        parts=parts,
        ruled=frozenset(base for own in ruled for base in base_columns(own, spec.schema)),
    )


def _outside(variable: Numeric, told: _Told, column: Column, where: str) -> Iterator[Problem]:
    """A number of which only targets about one part of the records say anything, and no rule; several parts may be all."""
    if column in told.whole | told.ruled or len(told.parts.get(column, ())) != 1:
        return
    (part,) = told.parts[column]
    what = f"nothing says what {variable.name} is outside {part}: there it lies anywhere in its range"
    advice = f"say it with a rule (forbid: not ({part}) and {variable.name} > 0), or with a target of all records"
    yield _warning(where, what, str(variable.range), advice)


def _levels(table: Table, spec: Spec, told: _Told) -> Iterator[Problem]:
    """Levels that a table does not list; a universe may leave some out, by itself or with a rule."""
    about = set[Column]()
    if table.universe is not None:
        named = inputs(table.universe, table.unit)
        about = {base for column in named for base in base_columns(column, spec.schema)} | named | told.ruled
    for name, absent in _absent(table, table.columns, spec):
        unit, variable = spec.schema.find(table.unit, name)
        if not base_columns((unit, variable.name), spec.schema) & about:
            what = f"levels of {name} never occur and are taken as zero"
            advice = "list them with a 0, or say which records the table is about: universe"
            yield _warning(table.where, what, absent, advice)


def _groups(target: Statistic, spec: Spec) -> Iterator[Problem]:
    """Groups of which a mean, total or quantile of all records says nothing, although it names others."""
    for name, absent in _absent(target, target.by, spec) if target.universe is None else ():
        what = f"nothing is said of some levels of {name}: their {target.statistic} is left open"
        yield _warning(target.where, what, absent, "give their values if you have them")


def _absent(target: Target, columns: Sequence[str], spec: Spec) -> Iterator[tuple[str, str]]:
    """The columns of categories of which a target does not have all levels, and those that it lacks in words."""
    for k, name in enumerate(columns):
        _, variable = spec.schema.find(target.unit, name)
        listed = {cell[k] for cell in target.cells}
        absent = [level for level in variable.levels if level not in listed] if isinstance(variable, Category) else []
        if absent:
            yield name, "; ".join(absent[:MOST_NAMED])


def _warning(where: str, what: str, found: str, advice: str) -> Problem:
    return Problem(where=where, what=what, found=found, advice=advice, severity="warning")
