"""Figures of a finished run: against its targets and, where there is one, against reference records."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from llmsynthor.errors import DataError, Problem
from llmsynthor.evaluation.compare import compare_nested
from llmsynthor.evaluation.composition import composition
from llmsynthor.evaluation.distances import Pair, cut, mean_distance
from llmsynthor.evaluation.ends import Accounts, read_accounts
from llmsynthor.evaluation.rules import count_broken
from llmsynthor.records.linked import Nested, nest
from llmsynthor.records.measure import level_codes, numeric
from llmsynthor.records.microdata import frames_of
from llmsynthor.records.parts import records_of_run
from llmsynthor.records.run_folder import read_manifest
from llmsynthor.spec.inputs import base_columns, inputs
from llmsynthor.spec.levels import Interval
from llmsynthor.spec.schema import Category, Coded, Schema, Text, Unit
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Table


def evaluate(run_folder: Path, reference: Path | None = None) -> dict[str, Any]:
    """Compute the figures of a run folder as plain values; raises RunFolderError or DataError when it cannot be read."""
    read_manifest(run_folder)
    spec = Spec.load(run_folder / "spec" / "spec.yaml")
    made = records_of_run(run_folder, spec.schema)
    other = None if reference is None else frames_of(spec, reference)
    return figures(spec, made, other, accounts=read_accounts(run_folder))


def figures(
    spec: Spec,
    made: Mapping[str, pl.DataFrame],
    reference: Mapping[str, pl.DataFrame] | None = None,
    *,
    accounts: Accounts | None = None,
) -> dict[str, Any]:
    """Compute the figures of records by unit, and beside reference records; raises DataError.

    `accounts` are what the run that made them has said of its targets.
    """
    nested = _nest(made, spec.schema)
    found: dict[str, Any] = {
        "records": nested.frames[spec.schema.top.name].height,
        "targets": [
            {
                "name": c.target.name,
                "unit": c.target.unit,
                "tvd": None if np.isnan(c.tvd) else c.tvd,
                "max_abs_error": c.largest_error,
                "status": str(c.status),
                "end": str(c.end),
            }
            for c in compare_nested(spec, nested, accounts)
        ],
        "duplicate_share": _duplicates(nested, spec.schema.top),
        "rules_broken": count_broken(spec, nested),
    }
    if len(made) > 1:
        found["units"] = {unit: frame.height for unit, frame in made.items()}
    if reference is not None:
        found["reference"] = against(spec, nested, _nest(reference, spec.schema))
    return found


def against(spec: Spec, own: Nested, reference: Nested) -> dict[str, Any]:
    """Compare records with reference records, unit by unit, and how the records of units hang together.

    Of a spec with one unit the figures stand by themselves, of more under `units` (derived variables included) and, for each
    unit with children, under `composition`. Raises DataError when the reference has none of the variables.
    """
    units = [unit for unit in spec.schema.units if unit.name in own.frames and unit.name in reference.frames]
    figures = {unit.name: _unit_figures(spec, own, reference, unit) for unit in units}
    found = {name: figure for name, figure in figures.items() if figure is not None}
    if not found:
        problem = Problem(
            where="reference", what="it has none of the variables", advice="give records of the same variables"
        )
        raise DataError(problem)
    if len(spec.schema.units) == 1:
        return found[spec.schema.top.name]
    together = {unit.name: composition(own, reference, unit.name) for unit in units}
    return {"units": found, "composition": {name: figure for name, figure in together.items() if figure is not None}}


def _unit_figures(spec: Spec, own: Nested, reference: Nested, unit: Unit) -> dict[str, Any] | None:
    """TVD of one, two and three variables, Wasserstein distance of numbers."""
    from scipy.stats import wasserstein_distance  # noqa: PLC0415  (heavy)

    frame, other = own.frames[unit.name], reference.frames[unit.name]
    variables = [variable for variable in unit.shown if not isinstance(variable, Text)]
    variables = [v for v in variables if v.name in frame.columns and v.name in other.columns]
    if not variables:
        return None
    pairs = [_coded(v, spec, unit.name, frame, other) for v in variables]
    numbers = [v.name for v in variables if not isinstance(v, Category)]
    return {
        "records": other.height,
        "variables": [v.name for v in variables],
        **{f"tvd_{order}way": mean_distance(pairs, order) for order in (1, 2, 3)},
        "wasserstein": {
            name: float(wasserstein_distance(frame[name].drop_nulls(), other[name].drop_nulls())) for name in numbers
        },
        "duplicate_share": _duplicates(reference, unit),
        "rules_broken": {
            name: count
            for name, count in _computable_rules(spec, reference).items()
            if name in {rule.name for rule in spec.rules if rule.unit == unit.name}
        },
    }


def _computable_rules(spec: Spec, nested: Nested) -> dict[str, int]:
    """Count broken rules, of those whose columns the records have."""
    have = frozenset((unit, name) for unit, frame in nested.frames.items() for name in frame.columns)
    schema = spec.schema
    rules = [
        rule
        for rule in spec.rules
        if all(base_columns(entry, schema, have) <= have for entry in inputs(rule.forbid, rule.unit))
    ]
    return count_broken(Spec(name="", context="", schema=schema, targets=(), rules=tuple(rules)), nested)


def _coded(variable: Coded, spec: Spec, unit: str, frame: pl.DataFrame, reference: pl.DataFrame) -> Pair:
    columns = (frame[variable.name], reference[variable.name])
    if isinstance(variable, Category):
        return level_codes(columns[0], variable.levels), level_codes(columns[1], variable.levels)
    numbers = [numeric(column) for column in columns]
    cuts = _cuts(variable.name, unit, spec)
    if not len(cuts):
        return cut(numbers[0], numbers[1])
    codes = [np.searchsorted(cuts, column, side="right").astype(np.int64) for column in numbers]
    return codes[0], codes[1]


def _cuts(name: str, unit: str, spec: Spec) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Break points of the table that cuts a variable most coarsely but more than once: fine ones only measure noise."""
    found = []
    for target in spec.targets:
        for column in (name, f"{unit}.{name}"):
            own = target.unit == unit or column != name
            if own and isinstance(target, Table) and column in target.columns:
                place = target.columns.index(column)
                lows = {level.low for cell in target.cells if isinstance(level := cell[place], Interval)}
                found.append(sorted(lows)[1:])
    return np.array(min((cuts for cuts in found if cuts), key=len, default=[]))


def _duplicates(nested: Nested, unit: Unit) -> float:
    """Share of records that equal an earlier one, children and all."""
    marks = _marks(nested, unit)
    return 1 - marks.n_unique() / len(marks) if len(marks) else 0.0


def _marks(nested: Nested, unit: Unit) -> pl.Series:
    """A hash of each record and of its children in their order."""
    frame = nested.frames[unit.name]
    own = frame.select([v.name for v in unit.coded if v.name in frame.columns])
    for child in nested.schema.children(unit.name):
        if child.name in nested.links:
            links = nested.links[child.name]
            placed = pl.DataFrame({"place": links.position, "mark": _marks(nested, child)}).hash_rows().to_numpy()
            sums = np.zeros(frame.height, dtype=np.uint64)
            np.add.at(sums, links.parents, placed)  # wraps around: a sum of hashes is a hash of the whole
            own = own.with_columns(pl.Series(f"{child.name} records", sums))
    return own.hash_rows() if own.width else pl.Series(np.zeros(frame.height, dtype=np.uint64))


def _nest(frames: Mapping[str, pl.DataFrame], schema: Schema) -> Nested:
    """Link the frames and compute the derived variables whose columns are there."""
    have = frozenset((unit, name) for unit, frame in frames.items() for name in frame.columns)
    derived = [(unit.name, d.name) for unit in schema.units for d in unit.derived]
    computable = frozenset(column for column in derived if base_columns(column, schema, have) <= have)
    return nest(frames, schema, only=computable)
