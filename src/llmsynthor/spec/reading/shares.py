"""Targets that are numbers of their own kind: the share or count of a condition, a standard deviation, a correlation.

A share or count of a condition is a table of two cells over a derived variable that no records show.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from llmsynthor.errors import Problem
from llmsynthor.spec.expressions import Expression, Literal, Operation
from llmsynthor.spec.reading.document import TargetPart
from llmsynthor.spec.schema import Category, Derived

YES, NO = "yes", "no"
Read = Callable[[str, str], Expression | None]


def condition_variable(condition: Expression) -> Derived:
    """A category that says whether a condition holds; it is called what the condition says, and no records have it.

    >>> from llmsynthor.spec.expressions import parse
    >>> condition_variable(parse("age >= 75")).name
    'age >= 75'
    """
    name = " ".join(condition.text.split()).replace(".", "·")  # a dot would part a unit from a variable
    tree = Operation("if", (condition.tree, Literal(YES), Literal(NO)))
    variable = Category(name=name, levels=(YES, NO))
    return Derived(variable=variable, expression=Expression(condition.text, tree), hidden=True)


def read_condition(part: TargetPart, where: str, read: Read) -> Expression | None:
    """The condition of a target; a count within `of` is one of both together."""
    condition = read(where, part.where or "")
    within = read(f"{where} of", part.of) if part.of and part.count is not None else None
    if condition is None or (part.of and part.count is not None and within is None):
        return None
    if within is None:
        return condition
    return Expression(f"({part.of}) and ({part.where})", Operation("and", (within.tree, condition.tree)))


def as_table(
    part: TargetPart, condition: Expression, where: str, population: float | None, problems: list[Problem]
) -> TargetPart | None:
    """Write the target as a table of two cells; None where its number makes no sense, which is a problem."""
    if part.share is not None:
        cells, value, universe = _two(part.share, 1), "share", part.of
    else:
        assert part.count is not None
        if population is None or part.count > population:
            what = "a count of a condition needs a table of counts of the same unit that says of how many"
            advice = "add the table, or give a share"
            if population is not None:
                what, advice = f"the count is more than the {population:,.0f} records", "correct it, or give a share"
            problems.append(Problem(where=where, what=what, found=f"{part.count:g}", advice=advice))
            return None
        cells, value, universe = _two(part.count, population), "count", None
    name = condition_variable(condition).name
    rows = [{name: level, value: number} for level, number in zip((YES, NO), cells, strict=True)]
    changed: dict[str, Any] = {"where": None, "of": None, "share": None, "count": None}
    named = part.name or f"{condition.text}{f' of {part.of}' if part.of and part.share is not None else ''}"
    return part.model_copy(update={**changed, "cells": rows, "value": value, "universe": universe, "name": named})


def _two(value: float, whole: float) -> Sequence[float]:
    """A value and what it leaves, with no more digits than it has."""
    return value, float(Decimal(repr(float(whole))) - Decimal(repr(float(value))))


def spread_problem(statistic: str, names: Sequence[str], values: Sequence[float]) -> tuple[str, str, str] | None:
    """What is wrong with a deviation or a correlation (what, advice, found); None for others, or where nothing is.

    >>> spread_problem("correlation", ["age", "income"], [1.2])
    ('a correlation lies between -1 and 1', 'correct it', '1.2')
    """
    if statistic == "deviation" and min(values) <= 0:
        return "a standard deviation is more than zero", "correct it", f"{min(values):g}"
    if statistic == "correlation" and len(set(names)) < 2:
        return "a correlation needs two different variables", "name two", ", ".join(names)
    if statistic == "correlation" and max(abs(value) for value in values) >= 1:
        return "a correlation lies between -1 and 1", "correct it", f"{max(values, key=abs):g}"
    return None
