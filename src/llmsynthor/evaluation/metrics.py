"""Figures of a finished run: against its targets and, where there is one, against reference records."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import wasserstein_distance

from llmsynthor.errors import DataError, Problem
from llmsynthor.evaluation.compare import compare
from llmsynthor.realize import broken_records
from llmsynthor.run_folder import read_manifest
from llmsynthor.spec.levels import Interval
from llmsynthor.spec.schema import Category, Coded
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Table

DECILES = 10
MOST_COMBINATIONS = 500
"""Of longer records the first combinations of variables are taken, and their number is said."""

Codes = NDArray[np.int64]


def evaluate(run_folder: Path, reference: Path | None = None) -> dict[str, Any]:
    """Compute the figures of a run folder as plain values; raises RunFolderError or DataError when it cannot be read."""
    read_manifest(run_folder)
    spec = Spec.load(run_folder / "spec" / "spec.yaml")
    unit = spec.schema.top.name
    frame = _read(run_folder / "records" / f"{unit}.parquet")
    comparisons = compare(spec, {unit: frame})
    found: dict[str, Any] = {
        "records": frame.height,
        "targets": [
            {
                "name": c.target.name,
                "tvd": None if np.isnan(c.tvd) else c.tvd,
                "max_abs_error": c.largest_error,
                "status": c.status,
            }
            for c in comparisons
        ],
        "duplicate_share": _duplicates(frame, spec),
        "rules_broken": _broken(spec, frame),
    }
    if reference is not None:
        found["reference"] = against(spec, frame, _read(_reference_file(reference, unit)))
    return found


def against(spec: Spec, frame: pl.DataFrame, reference: pl.DataFrame) -> dict[str, Any]:
    """Compare records with reference records: TVD of one, two and three variables, Wasserstein distance of numbers."""
    variables = [v for v in spec.schema.top.coded if v.name in reference.columns]
    if not variables:
        problem = Problem(
            where="reference", what="it has none of the variables", advice="give records of the same variables"
        )
        raise DataError(problem)
    pairs = [_coded(v, spec, frame, reference) for v in variables]
    numbers = [v.name for v in variables if not isinstance(v, Category)]
    return {
        "records": reference.height,
        "variables": [v.name for v in variables],
        **{f"tvd_{order}way": _mean_distance(pairs, order) for order in (1, 2, 3)},
        "wasserstein": {
            name: float(wasserstein_distance(frame[name], reference[name].drop_nulls())) for name in numbers
        },
        "duplicate_share": _duplicates(reference, spec),
        "rules_broken": _broken(spec, reference),
    }


def _mean_distance(pairs: Sequence[tuple[Codes, Codes]], order: int) -> float | None:
    chosen = list(combinations(range(len(pairs)), order))[:MOST_COMBINATIONS]
    distances = [_distance([pairs[k][0] for k in group], [pairs[k][1] for k in group]) for group in chosen]
    return float(np.mean(distances)) if distances else None


def _distance(own: Sequence[Codes], other: Sequence[Codes]) -> float:
    shape = [int(max(a.max(initial=0), b.max(initial=0))) + 1 for a, b in zip(own, other, strict=True)]
    size = int(np.prod(shape))
    counts = [np.bincount(np.ravel_multi_index(list(codes), shape), minlength=size) for codes in (own, other)]
    shares = [count / max(count.sum(), 1) for count in counts]
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def _coded(variable: Coded, spec: Spec, frame: pl.DataFrame, reference: pl.DataFrame) -> tuple[Codes, Codes]:
    if isinstance(variable, Category):
        index = {level: k + 1 for k, level in enumerate(variable.levels)}
        own, other = (
            np.array([index.get(str(value), 0) for value in records[variable.name].to_list()])
            for records in (frame, reference)
        )
        return own, other
    cuts = _cuts(variable.name, spec)
    if not len(cuts):
        cuts = np.unique(np.quantile(reference[variable.name].drop_nulls().to_numpy(), np.arange(1, DECILES) / DECILES))
    columns = [
        records[variable.name].cast(pl.Float64).fill_null(float("inf")).to_numpy() for records in (frame, reference)
    ]
    own, other = (np.searchsorted(cuts, column, side="right") for column in columns)
    return own, other


def _cuts(name: str, spec: Spec) -> NDArray[np.float64]:
    """Break points of the table that cuts a variable most coarsely but more than once: fine ones only measure noise."""
    found = []
    for target in spec.targets:
        if isinstance(target, Table) and name in target.columns:
            column = target.columns.index(name)
            lows = {level.low for cell in target.cells if isinstance(level := cell[column], Interval)}
            found.append(sorted(lows)[1:])
    return np.array(min((cuts for cuts in found if cuts), key=len, default=[]))


def _duplicates(frame: pl.DataFrame, spec: Spec) -> float:
    names = [v.name for v in spec.schema.top.coded if v.name in frame.columns]
    return 1 - frame.select(names).n_unique() / frame.height if frame.height and names else 0.0


def _broken(spec: Spec, frame: pl.DataFrame) -> dict[str, int]:
    rules = [rule for rule in spec.rules if rule.unit == spec.schema.top.name]
    return {rule.name: int(broken_records(frame, [rule]).sum()) for rule in rules}


def _reference_file(reference: Path, unit: str) -> Path:
    for path in (reference, reference / f"{unit}.parquet", reference / "records" / f"{unit}.parquet"):
        if path.is_file():
            return path
    advice = f"give a Parquet file, or a folder with {unit}.parquet"
    raise DataError(Problem(where=str(reference), what="there are no reference records", advice=advice))


def _read(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError) as cause:
        problem = Problem(
            where=str(path), what=f"the records cannot be read ({str(cause)[:120]})", advice="finish the run first"
        )
        raise DataError(problem) from cause
