"""What a scenario's records must meet: every table of the spec as the moved records have it, the same where nothing moved."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from llmsynthor.records.linked import Nested
from llmsynthor.records.measure import Tally
from llmsynthor.scenarios.likeness import moved_columns
from llmsynthor.spec.adjustments import Adjustment, Scenario
from llmsynthor.spec.inputs import Column, base_columns, inputs, target_columns
from llmsynthor.spec.reading.files import table_frame
from llmsynthor.spec.schema import Schema
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import SCENARIO, Statistic, Table, Target


def scenario_spec(spec: Spec, base: Nested, after: Nested, adjustments: Sequence[Adjustment]) -> Spec:
    """The spec of the records that a scenario asks for: the same targets, with the values that the moved records have."""
    moved = moved_by(adjustments, spec.schema)
    found = [_measured(target, after, named=is_moved(target, moved, spec.schema)) for target in spec.targets]
    targets = tuple(target for target in found if target is not None)
    settings = replace(spec.settings, llm="none")
    text = spec.scenario
    return replace(spec, targets=targets, scenario=text, beside=Scenario(), settings=settings)


def moved_by(adjustments: Sequence[Adjustment], schema: Schema) -> frozenset[Column]:
    """The variables that adjustments move."""
    return frozenset(
        (own.unit, name) for own in adjustments for name in moved_columns(inputs(own.where, own.unit), own.unit, schema)
    )


def is_moved(target: Target, moved: frozenset[Column], schema: Schema) -> bool:
    """Whether a target looks at a variable that an adjustment moves."""
    read = frozenset[Column]().union(*(base_columns(entry, schema) for entry in target_columns(target)))
    return bool(read & moved)


def _measured(target: Target, nested: Nested, *, named: bool) -> Target | None:
    """A target as the records have it; None where they say nothing of it."""
    tally = Tally.of(target)
    tally.add(nested)
    values = tally.result()
    source = SCENARIO if named else target.source
    if isinstance(target, Table):
        if not values.sum():
            return None
        if target.condition:
            values = values / values.sum()
        return replace(
            target,
            values=tuple(float(value) for value in values),
            value="share" if target.condition else "count",
            tolerance=0.0,
            tolerance_records=0.0,
            margins_of_error=None,
            rounding=None,
            trust=1.0,
            base=None,
            source=source,
        )
    return _statistic(target, values, nested, source, named=named)


def _statistic(
    target: Statistic, values: np.ndarray[tuple[int], np.dtype[np.float64]], nested: Nested, source: str, *, named: bool
) -> Target | None:
    """A statistic whose groups or variable move is left to what comes of it."""
    there = np.flatnonzero(np.isfinite(values))
    if named or not len(there):
        return None
    return replace(
        target,
        cells=tuple(target.cells[k] for k in there),
        values=tuple(float(values[k]) for k in there),
        base=float(nested.frames[target.unit].height) if target.statistic == "total" else None,
        margins_of_error=None,
        rounding=None,
        source=source,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """A target before and after: values (cells,) as they are counted; `tvd` is NaN where it is no table."""

    target: Target
    before: np.ndarray[tuple[int], np.dtype[np.float64]]
    after: np.ndarray[tuple[int], np.dtype[np.float64]]
    named: bool

    @property
    def tvd(self) -> float:
        if not isinstance(self.target, Table):
            return float("nan")
        shares = [own / max(own.sum(), 1e-300) for own in (self.before, self.after)]
        return float(np.abs(shares[0] - shares[1]).sum() / 2)


def beside(spec: Spec, base: Nested, after: Nested, adjustments: Sequence[Adjustment]) -> tuple[Beside, ...]:
    """Every target of the spec in both populations."""
    moved, found = moved_by(adjustments, spec.schema), list[Beside]()
    for target in spec.targets:
        plain = replace(target, value="count") if isinstance(target, Table) else target
        tallies = [Tally.of(plain) for _ in range(2)]
        for tally, nested in zip(tallies, (base, after), strict=True):
            tally.add(nested)
        before, got = (tally.result() for tally in tallies)
        found.append(Beside(target=target, before=before, after=got, named=is_moved(target, moved, spec.schema)))
    return tuple(found)


def beside_frame(found: Sequence[Beside]) -> pl.DataFrame:
    """Lay out `before_after.csv`: a row per cell of each target."""
    rows = []
    for entry in found:
        frame = table_frame(entry.target)
        names = entry.target.columns if isinstance(entry.target, Table) else entry.target.by
        for k, cell in enumerate(frame.select(names).rows() if names else [()] * len(entry.before)):
            rows.append(
                {
                    "table": entry.target.name,
                    "unit": entry.target.unit,
                    "cell": "; ".join(f"{name} {level}" for name, level in zip(names, cell, strict=True)),
                    "before": _number(entry.before[k]),
                    "after": _number(entry.after[k]),
                    "change": _number(entry.after[k] - entry.before[k]),
                    "moves": "yes" if entry.named else "no",
                }
            )
    types = dict.fromkeys(("table", "unit", "cell", "moves"), pl.String)
    numbers = dict.fromkeys(("before", "after", "change"), pl.Float64)
    order = ("table", "unit", "cell", "before", "after", "change", "moves")
    return pl.DataFrame(rows, schema={name: {**types, **numbers}[name] for name in order})


def _number(value: float) -> float | None:
    return round(float(value), 9) if np.isfinite(value) else None
