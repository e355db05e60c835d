"""Zones of one level beside the zones above them: whether tables of different levels add up.

A table by tract and one by county say the same of each county where the county's tracts add up to it. What is met is each table's
distribution, so shares of the whole are compared, in records of the coarser table; rounding of the cells that are added, and
margins of error (by the root of their squares), are allowed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from llmsynthor.geography.levels import Located
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Table

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Where zones of `fine` do not add up to those of `coarse`: records by zone, stated and added up."""

    fine: Table
    coarse: Table
    level: str
    zones: tuple[str, ...]
    stated: Floats
    added: Floats


def gaps(spec: Spec) -> Iterator[Gap]:
    """Every pair of tables of two levels of one place, about the same records, that do not add up somewhere."""
    top = spec.schema.top
    for place in top.places:
        geography = next(own for own in spec.geographies if own.name == place.geography)
        found = [(t, *_zone(t, place, top.name)) for t in spec.targets if isinstance(t, Table) and _is_whole(t)]
        located = [(table, column, rank) for table, column, rank in found if column >= 0]
        for (fine, k, low), (coarse, j, high) in permutations(located, 2):
            if low <= high or fine.unit != coarse.unit or str(fine.universe) != str(coarse.universe):
                continue
            above = {row[low]: row[high] for row in geography.rows}
            gap = _gap(fine, coarse, (k, j), above, place.variables[high])
            if gap is not None:
                yield gap


def _is_whole(table: Table) -> bool:
    return table.base is None and table.trust >= 1 and sum(table.values) > 0


def _zone(table: Table, place: Located, top: str) -> tuple[int, int]:
    """The column of a table's finest zones and their level; -1 where it has none of the place."""
    ranks = {name: rank for rank, name in enumerate(place.variables)}
    ranks = ranks if table.unit == top else {f"{top}.{name}": rank for name, rank in ranks.items()}
    named = [(ranks[name], k) for k, name in enumerate(table.columns) if name in ranks]
    rank, column = max(named, default=(-1, -1))
    return column, rank


def _gap(fine: Table, coarse: Table, columns: tuple[int, int], above: Mapping[str, str], level: str) -> Gap | None:
    zones = tuple(dict.fromkeys(str(cell[columns[1]]) for cell in coarse.cells))
    number = {zone: k for k, zone in enumerate(zones)}
    under = [number.get(above.get(str(cell[columns[0]]), ""), -1) for cell in fine.cells]
    if min(under) < 0:  # some lie where the coarse table has nothing to say
        return None
    own = [number[str(cell[columns[1]])] for cell in coarse.cells]
    stated, loose, error = _sums(coarse, own, len(zones))
    added, more, other = _sums(fine, under, len(zones))
    scale = stated.sum() / added.sum()
    room = loose + more * scale + np.hypot(error, other * scale)
    off = np.abs(added * scale - stated) > room + 1e-6 * stated
    if not off.any():
        return None
    kept = np.flatnonzero(off)[np.argsort(-np.abs(added * scale - stated)[off], kind="stable")]
    return Gap(
        fine=fine,
        coarse=coarse,
        level=level,
        zones=tuple(zones[k] for k in kept),
        stated=stated[kept],
        added=(added * scale)[kept],
    )


def _sums(table: Table, groups: list[int], size: int) -> tuple[Floats, Floats, Floats]:
    """Values, what rounding may hide, and margins of error of the zones."""
    margins = np.array(table.margins_of_error) if table.margins_of_error is not None else np.zeros(len(groups))
    sums = np.bincount(groups, weights=table.values, minlength=size)
    hidden = 0.5 * table.resolution * np.bincount(groups, minlength=size)
    errors = np.sqrt(np.bincount(groups, weights=margins**2, minlength=size))
    return (
        np.asarray(sums, dtype=np.float64),
        np.asarray(hidden, dtype=np.float64),
        np.asarray(errors, dtype=np.float64),
    )
