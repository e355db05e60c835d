"""A spec in a notebook."""

from collections.abc import Sequence
from html import escape

from llmsynthor.spec.schema import Category, Numeric, Text, Unit, Variable
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Table, Target

MOST = 30


def spec_html(spec: Spec) -> str:
    """Units with their variables, targets and rules, as HTML."""
    parts = [f"<p><b>{escape(spec.name)}</b> {escape(spec.context)}</p>"]
    for unit in spec.schema.units:
        hangs = f" of {escape(unit.parent)}, as many as its {escape(unit.count or '')} says" if unit.parent else ""
        parts.append(f"<p>{escape(unit.name)}{hangs}</p>{_rows(('variable', 'values', 'label'), _variables(unit))}")
    targets = [_target(target) for target in spec.targets]
    parts.append(_rows(("target", "unit", "about", "cells", "source"), targets[:MOST]))
    parts.append(f"<p>and {len(targets) - MOST} more targets</p>" if len(targets) > MOST else "")
    parts.append(_rows(("rule", "unit", "forbids"), [(r.name, r.unit, r.forbid.text) for r in spec.rules][:MOST]))
    return "".join(parts)


def _variables(unit: Unit) -> list[tuple[str, str, str]]:
    return [(v.name, _values(v), v.label) for v in unit.shown]


def _values(variable: Variable) -> str:
    if isinstance(variable, Category):
        return ", ".join(variable.levels)
    if isinstance(variable, Numeric):
        return f"{variable.kind} {variable.range} {variable.unit}".strip()
    assert isinstance(variable, Text)
    return "text"


def _target(target: Target) -> tuple[str, ...]:
    if isinstance(target, Table):
        about = " × ".join(target.columns)
    else:
        about = f"{target.statistic} of {' and '.join(target.variables)}" + (
            f" by {', '.join(target.by)}" if target.by else ""
        )
    return target.name, target.unit, about, str(len(target.cells)), target.source


def _rows(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{titles}</tr>{body}</table>"
