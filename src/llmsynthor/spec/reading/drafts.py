"""The parts of a spec as Python says them: drafts, checked all at once when a Spec is made of them.

A draft holds what a document would, so that both are read by the same checks.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from llmsynthor.spec.reading.frames import long_frame, value_word

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class VariableDraft:
    """A variable, or one that is computed, without its name."""

    document: Document


@dataclass(frozen=True, slots=True, kw_only=True)
class DerivedDraft:
    """A variable that is computed from the record, without its name."""

    document: Document


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitDraft:
    """A kind of record."""

    name: str
    document: Document


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetDraft:
    """A table, mean, total, quantile, …"""

    document: Document


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleDraft:
    """A condition that no record may meet."""

    document: Document


def unit(
    name: str,
    /,
    *,
    of: str | None = None,
    count: str | None = None,
    variables: Mapping[str, VariableDraft | DerivedDraft] | None = None,
    **named: VariableDraft | DerivedDraft,
) -> UnitDraft:
    """Say what a kind of record is made of; those `of` another hang on it, as many as its variable `count` says.

    Variables whose names Python cannot write as keywords stand in `variables`.

    >>> unit("person", of="household", count="size", age=integer(0, 100)).document["parent"]
    'household'
    """
    every = {**(variables or {}), **named}
    document: dict[str, Any] = {
        "variables": {key: _document(part) for key, part in every.items() if not isinstance(part, DerivedDraft)},
        "derived": {key: _document(part) for key, part in every.items() if isinstance(part, DerivedDraft)},
    }
    document |= {"parent": of} if of is not None else {}
    document |= {"count": count} if count is not None else {}
    return UnitDraft(name=name, document=document)


def integer(
    low: float, high: float, /, *, unit: str = "", label: str = "", description: str = "", like: str = ""
) -> VariableDraft:
    """A whole number, low <= x < high, as in Python's `range`.

    >>> integer(0, 100, unit="years").document["range"]
    [0, 100]
    """
    about = {"unit": unit, "label": label, "description": description, **({"like": like} if like else {})}
    return VariableDraft(document={"kind": "integer", "range": [low, high], **about})


def number(
    low: float, high: float, /, *, unit: str = "", label: str = "", description: str = "", like: str = ""
) -> VariableDraft:
    """A number, low <= x < high.

    >>> number(0, 2.5, unit="t").document["kind"]
    'number'
    """
    about = {"unit": unit, "label": label, "description": description, **({"like": like} if like else {})}
    return VariableDraft(document={"kind": "number", "range": [low, high], **about})


def category(*levels: str, label: str = "", description: str = "", like: str = "") -> VariableDraft:
    """One of named levels, in their order.

    >>> category("Owned", "Rented").document["levels"]
    ['Owned', 'Rented']
    """
    about = {"label": label, "description": description, **({"like": like} if like else {})}
    return VariableDraft(document={"kind": "category", "levels": list(levels), **about})


def text(prompt: str, /, *, max_words: int = 30, label: str = "", description: str = "", **more: Any) -> VariableDraft:
    """Free text that the model writes from the finished record; `more` are `language`, `write`, `by`, `variants`, `alike`.

    >>> text("What this person says of the day.").document["max_words"]
    30
    """
    about = {"label": label, "description": description}
    return VariableDraft(document={"kind": "text", "prompt": prompt, "max_words": max_words, **about, **more})


def derived(expression: str, of: VariableDraft, /, **more: Any) -> DerivedDraft:
    """A variable that is computed; `of` says what values the expression may take.

    >>> derived("min(3, count(person.age >= 65))", integer(0, 4)).document["kind"]
    'integer'
    """
    return DerivedDraft(document={**_document(of), "expression": expression, **more})


def lookup(
    table: Any,
    /,
    *,
    by: Sequence[str] | Mapping[str, str],
    value: str,
    default: str | float | None = None,
    of: VariableDraft | None = None,
    **more: Any,
) -> DerivedDraft:
    """A variable that a table gives: a crosswalk, a distance. `by` names the variables it is entered by, or maps them to columns.

    `of` says what values there are; left out, they are taken from the table.

    >>> lookup([{"zone": "A", "district": "North"}], by=["zone"], value="district").document["lookup"]["value"]
    'district'
    """
    found = {**_table(table, None, None), "by": dict(by) if isinstance(by, Mapping) else list(by), "value": value}
    found |= {"default": default} if default is not None else {}
    return DerivedDraft(document={**(_document(of) if of is not None else {}), "lookup": found, **more})


def table(
    table: Any,
    /,
    *,
    unit: str,
    value: str | None = None,
    columns: Sequence[str] | None = None,
    name: str | None = None,
    source: str = "",
    universe: str | None = None,
    **more: Any,
) -> TargetDraft:
    """Counts or shares by one or more variables that the records must have.

    `table` is a frame in the long format (polars, pandas, Arrow), a pandas Series or crosstab (their indices name the
    variables), a file, rows as mappings, or a mapping of levels to values. `columns` names the variables where it does not do so
    itself. `more` is all else that a target of a spec may say: `tolerance`, `margin_of_error`, `importance`, `zeros`, `trust`, …

    >>> table({"Owned": 0.6, "Rented": 0.4}, unit="household", columns=["tenure"]).document["cells"][0]
    {'tenure': 'Owned', 'share': 0.6}
    """
    document: dict[str, Any] = {"unit": unit, **_table(table, columns, value)}
    return _target(document, name=name, source=source, universe=universe, more=more)


def mean(variable: str, /, *, unit: str, value: str | float | None = None, **more: Any) -> TargetDraft:
    """The mean of a number, overall (`value=35_000`) or by groups (`by=[…]`, `table=…`, its column `value="mean"`).

    >>> mean("income", unit="person", value=35_000).document["cells"]
    [{'mean': 35000}]
    """
    return _statistic("mean", variable, unit, value, more)


def total(variable: str, /, *, unit: str, value: str | float | None = None, **more: Any) -> TargetDraft:
    """The sum of a number over all records, or by groups, as in `mean`.

    >>> total("income", unit="person", by=["job"], table="income.csv").document["by"]
    ['job']
    """
    return _statistic("total", variable, unit, value, more)


def quantile(
    variable: str, probability: float, /, *, unit: str, value: str | float | None = None, **more: Any
) -> TargetDraft:
    """A quantile of a number (0.5 is the median), overall or by groups, as in `mean`.

    >>> quantile("income", 0.5, unit="person", value=28_000).document["probability"]
    0.5
    """
    return _statistic("quantile", variable, unit, value, {"probability": probability, **more})


def deviation(variable: str, /, *, unit: str, value: str | float | None = None, **more: Any) -> TargetDraft:
    """The standard deviation of a number, overall or by groups, as in `mean`.

    >>> deviation("income", unit="person", value=9_000).document["cells"]
    [{'deviation': 9000}]
    """
    return _statistic("deviation", variable, unit, value, more)


def correlation(one: str, other: str, /, *, unit: str, value: str | float | None = None, **more: Any) -> TargetDraft:
    """Pearson's correlation of two numbers, overall or by groups, as in `mean`.

    >>> correlation("age", "income", unit="person", value=0.3).document["correlation"]
    ['age', 'income']
    """
    return _statistic("correlation", [one, other], unit, value, more)


def share(condition: str, value: float, /, *, unit: str, of: str | None = None, **more: Any) -> TargetDraft:
    """The share of the records that meet a condition, among those that `of` names.

    >>> share("ill == 'yes'", 0.23, of="age >= 75", unit="person").document["where"]
    "ill == 'yes'"
    """
    said = {"of": of} if of is not None else {}
    return TargetDraft(document={"unit": unit, "where": condition, "share": value, **said, **more})


def forbid(expression: str, /, *, unit: str, name: str | None = None, sentence: str = "") -> RuleDraft:
    """A rule: no record of the unit may meet the condition.

    >>> forbid("age < 16 and job == 'Works'", unit="person").document["forbid"]
    "age < 16 and job == 'Works'"
    """
    document = {"unit": unit, "forbid": expression, "sentence": sentence}
    return RuleDraft(document=document | ({"name": name} if name is not None else {}))


def _statistic(kind: str, variable: str | list[str], unit: str, value: Any, more: Mapping[str, Any]) -> TargetDraft:
    document: dict[str, Any] = {"unit": unit, kind: variable}
    given = dict(more)
    by, rows = given.pop("by", None), given.pop("table", None)
    if value is not None and not isinstance(value, str):
        document["cells"] = [{kind: value}]
    elif rows is not None:
        document |= _table(rows, by, value)
    if by is not None:
        document["by"] = list(by)
    about = {name: given.pop(name, None) for name in ("name", "source", "universe")}
    return _target(document, **about, more=given)


def _target(
    document: dict[str, Any], *, name: str | None, source: str | None, universe: str | None, more: Mapping[str, Any]
) -> TargetDraft:
    said = {"name": name, "source": source or None, "universe": universe}
    return TargetDraft(document={**document, **{key: part for key, part in said.items() if part is not None}, **more})


def _table(table: Any, columns: Sequence[str] | None, value: str | None) -> dict[str, Any]:
    """A table as a document has it: rows under `cells`, all else under `table`."""
    said = {"value": value} if value is not None else {}
    if isinstance(table, Mapping) and columns is not None:
        keys = [key if isinstance(key, tuple) else (key,) for key in table]
        shown = value or value_word(table.values())
        rows = zip(keys, table.values(), strict=True)
        return {"cells": [{**dict(zip(columns, key, strict=False)), shown: number} for key, number in rows], **said}
    if isinstance(table, Sequence) and not isinstance(table, str):
        return {"cells": [dict(row) if isinstance(row, Mapping) else row for row in table], **said}
    if isinstance(table, os.PathLike):
        return {"table": os.fspath(table), **said}
    return {"table": _long(table, columns, value), **said}


def _long(table: Any, columns: Sequence[str] | None, value: str | None) -> Any:
    """A frame in the long format; what cannot be read stays as it is, for the checks to say so."""
    if isinstance(table, str):
        return table
    try:
        found = long_frame(table, columns=columns, value=value)
    except (ValueError, TypeError):
        return table
    return table if found is None else found


def _document(part: Any) -> Any:
    """What a draft holds; what is none stays as it is, for the checks to say so."""
    return dict(part.document) if isinstance(part, VariableDraft | DerivedDraft) else part
