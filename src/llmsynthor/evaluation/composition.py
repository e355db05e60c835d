"""Who belongs together: features of a record's children, and how far their distributions lie from a reference's."""

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmsynthor.evaluation.distances import cut, mean_distance
from llmsynthor.records.linked import Links, Nested
from llmsynthor.records.measure import level_codes, numeric
from llmsynthor.spec.schema import Category, Coded

Floats = NDArray[np.float64]
ENOUGH = 3
"""Of one level up to so many children are told apart."""


def composition(own: Nested, reference: Nested, unit: str) -> dict[str, Any] | None:
    """Compare the children of each record of `unit` with those of a reference; None where there are none to compare.

    Features are the number of children, of each category how many are of each level, of each number the least and the greatest,
    and the values of the first and of the second child; `tvd_1way` is the mean distance over the features, `tvd_2way` over
    their pairs (the ages of the first and the second child, the number of workers and the least age, …).
    """
    pairs: dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
    for child in own.schema.children(unit):
        if child.name not in own.links or child.name not in reference.links:
            continue
        there = reference.frames[child.name].columns
        variables = [v for v in child.coded if v.name in own.frames[child.name].columns and v.name in there]
        made, real = (features(nested, child.name, variables) for nested in (own, reference))
        pairs |= {name: cut(made[name], real[name]) for name in made}
    if not pairs:
        return None
    distances = {name: mean_distance([pair], 1) for name, pair in pairs.items()}
    worst = sorted(distances, key=lambda name: -(distances[name] or 0.0))[:5]
    return {
        "features": len(pairs),
        "tvd_1way": mean_distance(list(pairs.values()), 1),
        "tvd_2way": mean_distance(list(pairs.values()), 2),
        "furthest": {name: distances[name] for name in worst},
    }


def features(nested: Nested, child: str, variables: list[Coded]) -> dict[str, Floats]:
    """Give each feature of the parents as numbers, NaN where there is none; each shape (parents,)."""
    links, frame = nested.links[child], nested.frames[child]
    found: dict[str, Floats] = {f"number of {child}": links.counts.astype(np.float64)}
    first, second = links.first, _second(links)
    for variable in variables:
        values = _numbers(frame[variable.name], variable)
        found[f"first {child}.{variable.name}"] = _taken(values, first)
        found[f"second {child}.{variable.name}"] = _taken(values, second)
        if isinstance(variable, Category):
            for code, level in enumerate(variable.levels):
                counts = np.bincount(links.parents[values == code], minlength=len(links.counts))
                found[f"{child}.{variable.name} {level}"] = np.minimum(counts, ENOUGH).astype(np.float64)
        else:
            found |= _extremes(values, links, f"{child}.{variable.name}")
    return found


def _numbers(column: pl.Series, variable: Coded) -> Floats:
    if not isinstance(variable, Category):
        return numeric(column)
    codes = level_codes(column, variable.levels)
    return np.where(codes < len(variable.levels), codes, np.nan)


def _second(links: Links) -> NDArray[np.int64]:
    rows = np.full(len(links.counts), -1, dtype=np.int64)
    second = np.flatnonzero(links.position == 2)
    rows[links.parents[second]] = second
    return rows


def _taken(values: Floats, rows: NDArray[np.int64]) -> Floats:
    return np.where(rows >= 0, values[np.maximum(rows, 0)], np.nan) if len(values) else np.full(len(rows), np.nan)


def _extremes(values: Floats, links: Links, name: str) -> dict[str, Floats]:
    grouped = pl.DataFrame({"row": links.parents, "value": values}).group_by("row")
    ends = grouped.agg(low=pl.col("value").min(), high=pl.col("value").max())
    rows, found = ends["row"].to_numpy(), {}
    for end in ("low", "high"):
        found[end] = np.full(len(links.counts), np.nan)
        found[end][rows] = ends[end].to_numpy()
    return {f"least {name}": found["low"], f"greatest {name}": found["high"]}
