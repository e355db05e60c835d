"""Differential privacy: the spec's tables with noise, so that they can be given away; the accounting stands beside them.

All mechanisms and all accounting are OpenDP's. A record of the top unit, with all its children, is what is protected: two data
sets are neighbours when one has a record more (add or remove one), and with `contributions` k when one has k records more. Of a
child unit each parent adds at most as many records as its count variable's range allows; what is beyond is left out.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmsynthor.errors import DataError, Problem
from llmsynthor.files import write_beside
from llmsynthor.records.linked import Nested
from llmsynthor.records.measure import Measured, Tally
from llmsynthor.records.microdata import blocks
from llmsynthor.records.weights import NONE
from llmsynthor.spec.schema import Numeric, Schema
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Statistic, Table, Target

LEAST = 1e-9
"""Budgets below it are slips: the noise would be larger than any count."""

NINETY = math.log(10.0)
"""A Laplace error stays below so many scales in 90 of 100 cases."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What the release of one target cost: its mechanism, sensitivity, scale of the noise, and ε as OpenDP accounts it."""

    target: str
    mechanism: str
    sensitivity: float
    scale: float
    epsilon: float


def release(
    spec: Spec, data: Sequence[Path], *, epsilon: float, contributions: int = 1, weight: str | None = None
) -> tuple[tuple[Measured, ...], tuple[Spent, ...]]:
    """Measure every target and add noise; the budget `epsilon` is split evenly over the targets.

    Counts get discrete Laplace noise and may become negative; shares are noisy counts over their sum. Of means and totals the
    sum is clamped to the variable's range and made noisy, of means the count too. The cells are those of the spec, whatever the
    data hold. Noise comes from the system's secure generator and cannot be seeded. Raises DataError.
    """
    _check(spec, epsilon, contributions)
    if weight not in (None, NONE):
        what, advice = "noise cannot be set for weighted records", f"leave out --epsilon, or write --weight {NONE}"
        raise DataError(Problem(where="weight", what=what, found=weight, advice=advice))
    targets = spec.targets
    tallies = [Tally.of(_counted(target)) for target in targets]
    for nested in blocks(spec, data, targets, weight=weight):
        for tally in tallies:
            tally.add(_clamped(nested, tally.target), _within_bounds(nested, tally.target.unit))
    each = epsilon / len(targets) * (1 - 1e-12)  # so that rounding does not carry the sum over the budget
    released = [
        _release(target, tally, spec.schema, each, contributions * most_records(spec.schema, target.unit))
        for target, tally in zip(targets, tallies, strict=True)
    ]
    return tuple(measured for measured, _ in released), tuple(spent for _, costs in released for spent in costs)


def write_accounting(spent: Sequence[Spent], folder: Path, *, epsilon: float, contributions: int) -> Path:
    """Write privacy.json beside the tables."""
    path = folder / "privacy.json"
    content: dict[str, Any] = {
        "opendp": version("opendp"),
        "definition": "pure ε-differential privacy",
        "neighbours": f"one data set has up to {contributions} records more than the other",
        "epsilon_budget": epsilon,
        "epsilon_spent": sum(entry.epsilon for entry in spent),
        "composition": "sequential: the ε of all targets add up",
        "margins_of_error": "90 %, of the noise alone",
        "targets": [
            {name: getattr(entry, name) for name in ("target", "mechanism", "sensitivity", "scale", "epsilon")}
            for entry in spent
        ],
    }
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    write_beside(path, lambda partial: partial.write_text(text, encoding="utf-8"))
    return path


def _check(spec: Spec, epsilon: float, contributions: int) -> None:
    problems = []
    if not LEAST <= epsilon < math.inf:
        advice = f"give a number of {LEAST:g} or more; 1 is common, below it protects better"
        problems.append(Problem(where="epsilon", what="it is no budget", found=str(epsilon), advice=advice))
    if contributions < 1:
        advice = "give the most records that one person may have in the data"
        problems.append(Problem(where="contributions", what="too few", found=str(contributions), advice=advice))
    for target in spec.targets:
        if isinstance(target, Statistic) and target.statistic not in ("mean", "total"):
            advice = "release a table of the variable instead, and leave the quantile out of this spec"
            problems.append(Problem(where=target.where, what="quantiles are not released", advice=advice))
    if not spec.targets:
        problems.append(Problem(where="targets", what="there is nothing to release", advice="give the spec targets"))
    if problems:
        raise DataError(*problems)


def _counted(target: Target) -> Target:
    """Shares are released from counts."""
    return replace(target, value="count") if isinstance(target, Table) else target


def most_records(schema: Schema, unit: str) -> int:
    """How many records of a unit one top record has at most, by the ranges of the count variables."""
    own = schema[unit]
    if own.parent is None:
        return 1
    count = schema[own.parent].variable(str(own.count))
    assert isinstance(count, Numeric)
    return int(np.ceil(count.range.high) - 1) * most_records(schema, own.parent)


def _within_bounds(nested: Nested, unit: str) -> NDArray[np.bool_] | None:
    """Mark the records that a parent may add, and whose parents are marked; None where all are."""
    own = nested.schema[unit]
    if own.parent is None:
        return None
    links, most = nested.links[unit], most_records(nested.schema, unit) // most_records(nested.schema, own.parent)
    above = _within_bounds(nested, own.parent)
    return (links.position <= most) & (True if above is None else above[links.parents])


def _clamped(nested: Nested, target: Target) -> Nested:
    """Bring a summed variable into its range: no record may add more than that."""
    if not isinstance(target, Statistic):
        return nested
    owner, variable = nested.schema.find(target.unit, target.variable)
    assert isinstance(variable, Numeric)
    clipped = nested.frames[owner].with_columns(pl.col(variable.name).clip(variable.range.low, variable.range.high))
    return replace(nested, frames={**nested.frames, owner: clipped})


def _release(
    target: Target, tally: Tally, schema: Schema, epsilon: float, contributions: int
) -> tuple[Measured, list[Spent]]:
    if isinstance(target, Table):
        noisy, spent = _noisy_counts(target.name, tally.counts, epsilon, contributions)
        margins = np.full(len(noisy), spent.scale * NINETY)
        if target.value == "share":
            total = max(float(noisy.sum()), 1.0)
            noisy, margins = noisy / total, margins / total
        return Measured(target=target, values=noisy, outside=0, margins=margins), [spent]
    _, variable = schema.find(target.unit, target.variable)
    assert isinstance(variable, Numeric)
    largest = max(abs(variable.range.low), abs(variable.range.high))
    mean = target.statistic == "mean"
    sums, cost = _noisy_sums(target.name, tally.sums, epsilon / (2 if mean else 1), contributions * largest)
    margins = np.full(len(sums), cost.scale * NINETY)
    if not mean:
        return Measured(target=target, values=sums, outside=0, margins=margins), [cost]
    counts, counted = _noisy_counts(target.name, tally.counts, epsilon / 2, contributions)
    held = np.maximum(counts, 1.0)
    values = np.clip(sums / held, variable.range.low, variable.range.high)
    return Measured(target=target, values=values, outside=0, margins=margins / held), [cost, counted]


def _noisy_counts(name: str, counts: NDArray[np.float64], epsilon: float, contributions: int) -> tuple[Any, Spent]:
    return _laplace(name, [int(count) for count in counts], epsilon, float(contributions), "discrete Laplace on counts")


def _noisy_sums(name: str, sums: NDArray[np.float64], epsilon: float, sensitivity: float) -> tuple[Any, Spent]:
    return _laplace(name, [float(value) for value in sums], epsilon, sensitivity, "Laplace on clamped sums")


def _laplace(
    name: str, values: list[int] | list[float], epsilon: float, sensitivity: float, mechanism: str
) -> tuple[NDArray[np.float64], Spent]:
    """Add noise to a vector of L1 sensitivity `sensitivity`."""
    dp = _opendp()
    whole = isinstance(values[0], int)
    kind = int if whole else float
    domain = dp.vector_domain(dp.atom_domain(T=kind) if whole else dp.atom_domain(T=float, nan=False))
    scale = sensitivity / epsilon
    measurement = dp.m.make_laplace(domain, dp.l1_distance(T=kind), scale=scale)
    distance = int(sensitivity) if whole else sensitivity
    noisy = np.asarray(measurement(values), dtype=np.float64)
    cost = Spent(
        target=name,
        mechanism=mechanism,
        sensitivity=sensitivity,
        scale=scale,
        epsilon=float(measurement.map(distance)),
    )
    return noisy, cost


def _opendp() -> Any:
    try:
        import opendp.prelude as dp  # noqa: PLC0415  (an extra)
    except ImportError as cause:
        problem = Problem(
            where="--epsilon", what="OpenDP is not installed", advice='install the extra: pip install "llmsynthor[dp]"'
        )
        raise DataError(problem) from cause
    dp.enable_features("contrib")
    return dp
