"""What the report shows unit by unit: how every variable is distributed, what is given of which pairs, the first records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmsynthor.evaluation.compare import Comparison
from llmsynthor.records.linked import Nested
from llmsynthor.records.measure import level_codes, numeric
from llmsynthor.report.assumptions import ASSUMED
from llmsynthor.spec.coded import coded_column
from llmsynthor.spec.levels import Interval, Level
from llmsynthor.spec.schema import Category, Coded, Unit
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Table

SAMPLE, MOST_MATRIX = 12, 40
BINS, MOST_VALUES = 24, 30
"""A number that no table cuts is drawn in so many bins; whole numbers of few values, value by value."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Records of a variable by level: `got`, and `wanted` where a table speaks of it, both (levels,); `note` says which."""

    name: str
    levels: tuple[Level, ...]
    got: Floats
    wanted: Floats | None = None
    note: str = ""


def distributions(unit: Unit, nested: Nested, comparisons: Sequence[Comparison]) -> list[Distribution]:
    """How every variable of a unit is distributed, derived ones included, beside the table that says most plainly how."""
    variables = [*unit.coded, *(derived.variable for derived in unit.derived)]
    own = [c for c in comparisons if c.target.unit == unit.name and isinstance(c.target, Table)]
    frame = nested.frames[unit.name]
    found = []
    for variable in variables:
        about = _speaking(variable.name, own)
        if about is not None:
            found.append(_margin(variable.name, about))
        elif variable.name in frame.columns and frame.height:
            found.append(_counted(variable, frame[variable.name]))
    return found


def _speaking(name: str, comparisons: Sequence[Comparison]) -> Comparison | None:
    """The table of fewest columns with this one that is about all records; among equals the one with the most levels."""
    tables = [c for c in comparisons if isinstance(c.target, Table) and name in c.target.columns]
    tables = [c for c in tables if c.target.universe is None]
    return min(tables, key=lambda c: (_width(c.target), -len(_levels(c.target, name))), default=None)


def _width(target: Any) -> int:
    return len(target.columns)


def _levels(target: Any, name: str) -> list[Level]:
    return list(coded_column(target, target.columns.index(name))[0])


def _margin(name: str, comparison: Comparison) -> Distribution:
    """Sum a table over its other columns."""
    target = comparison.target
    assert isinstance(target, Table)
    levels, number = coded_column(target, target.columns.index(name))
    wanted, got = (
        np.bincount(number, own, len(levels)).astype(np.float64) for own in (comparison.wanted, comparison.got)
    )
    note = "" if len(target.columns) == 1 else f"As in {target.name}."
    return Distribution(name=name, levels=levels, wanted=wanted, got=got, note=note)


def _counted(variable: Coded, column: pl.Series) -> Distribution:
    """Count the records alone: no table of the unit speaks of the variable."""
    note = "No table of all records speaks of it."
    if isinstance(variable, Category):
        codes = level_codes(column, variable.levels)
        got = np.bincount(codes[codes < len(variable.levels)], minlength=len(variable.levels)).astype(np.float64)
        return Distribution(name=variable.name, levels=variable.levels, got=got, note=note)
    values = numeric(column)
    values = values[~np.isnan(values)]
    if not len(values):
        return Distribution(name=variable.name, levels=(variable.range,), got=np.zeros(1), note=note)
    low, high = float(values.min()), float(values.max())
    if variable.integer:
        step = max(1.0, np.ceil((high - low + 1) / (MOST_VALUES if high - low < MOST_VALUES else BINS)))
        edges = np.arange(low, high + step + 0.5, step)
    else:
        edges = np.linspace(low, np.nextafter(max(high, low + 1e-9), np.inf), BINS + 1)
    got = np.histogram(values, edges)[0].astype(np.float64)
    levels = tuple(Interval(float(a), float(b)) for a, b in pairwise(edges))
    return Distribution(name=variable.name, levels=levels, got=got, note=note)


def pairs(spec: Spec, unit: Unit, dependencies: pl.DataFrame | None) -> dict[str, Any]:
    """For any two variables of a unit: given in a table, by a mean only, estimated by the LLM or from zones, or by nothing.

    Variables of units above are among them where a table of the unit names them.
    """
    targets = [target for target in spec.targets if target.unit == unit.name]
    columns = [column for t in targets for column in (t.columns if isinstance(t, Table) else (*t.by, t.variable))]
    own = [*(v.name for v in unit.coded), *(derived.name for derived in unit.derived)]
    every = list(dict.fromkeys([*own, *columns]))
    names = every[:MOST_MATRIX]
    given = {frozenset(pair) for t in targets if isinstance(t, Table) for pair in combinations(t.columns, 2)}
    means = {frozenset((name, t.variable)) for t in targets if not isinstance(t, Table) for name in t.by}
    kinds = (("given", given), ("mean only", means), *((s, _from(s, unit, dependencies)) for s in ASSUMED))
    label = {
        pair: next((kind for kind, found in kinds if pair in found), "max. entropy")
        for pair in map(frozenset, combinations(names, 2))
    }
    rows = [(a, [label.get(frozenset((a, b)), "") if a != b else "" for b in names]) for a in names]
    totals = {kind: list(label.values()).count(kind) for kind in ("given", "mean only", *ASSUMED, "max. entropy")}
    return {"unit": unit.name, "names": names, "rows": rows, "totals": totals, "all": len(every) <= MOST_MATRIX}


def _from(source: str, unit: Unit, dependencies: pl.DataFrame | None) -> set[frozenset[str]]:
    if dependencies is None:
        return set()
    rows = dependencies.filter((pl.col("source") == source) & (pl.col("unit") == unit.name))
    return {frozenset((row["one"], row["other"])) for row in rows.to_dicts()}


def sample(records: Mapping[str, pl.DataFrame]) -> list[dict[str, Any]]:
    """The first records of every unit: children stand in the order of their parents, so that they are those of the first."""
    return [
        {
            "unit": unit,
            "columns": frame.columns,
            "rows": [[say(value) for value in row] for row in frame.head(SAMPLE).iter_rows()],
        }
        for unit, frame in records.items()
    ]


def say(value: Any) -> str:
    """A value of a record in words."""
    if value is None:
        return "–"
    return f"{value:,.2f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
