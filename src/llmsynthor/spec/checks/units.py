"""Whether tables of parents and of children can be true of the same records: totals, parents' columns, children that are needed."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmsynthor.errors import Problem
from llmsynthor.spec.levels import Interval, Level
from llmsynthor.spec.schema import Numeric, Unit
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Table

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many children the parents have by one table: shares of parents with `low` to `high` children, each shape (k,).

    `place` names the table, empty where none says anything and only the count variable's range is known.
    """

    place: str
    low: Floats
    high: Floats
    share: Floats

    @property
    def mean(self) -> tuple[float, float]:
        """Least and greatest mean number of children."""
        return float(self.share @ self.low), float(self.share @ self.high)


def tables_of(spec: Spec, unit: str) -> list[Table]:
    """The tables about all records of a unit."""
    return [t for t in spec.targets if isinstance(t, Table) and t.unit == unit and t.universe is None]


def slack(table: Table) -> float:
    """By what share of a table's total the sum of some of its cells may be off: what rounding and margins of error allow."""
    margins = sum(table.margins_of_error) if table.margins_of_error is not None else 0.0
    values = np.array(table.values)
    rounding = 0.5 * table.resolution * np.count_nonzero(values)
    return float((rounding + margins) / values.sum()) + table.tolerance + 1e-9


def sizes_of(spec: Spec, unit: Unit) -> Sizes:
    """Read the number of children per parent from the finest table of the count variable."""
    count = spec.schema[str(unit.parent)].variable(str(unit.count))
    assert isinstance(count, Numeric)
    ends = np.array([count.range.low]), np.array([np.ceil(count.range.high) - 1])
    best = Sizes(place="", low=ends[0], high=ends[1], share=np.ones(1))
    for table in tables_of(spec, str(unit.parent)):
        if unit.count in table.columns:
            low, high = _ends(table, str(unit.count))
            found = Sizes(place=table.where, low=low, high=high, share=_shares(table))
            if not best.place or found.mean[1] - found.mean[0] < best.mean[1] - best.mean[0]:
                best = found
    return best


def _shares(table: Table) -> Floats:
    values: Floats = np.maximum(np.array(table.values, dtype=np.float64), 0.0)
    return values / max(float(values.sum()), 1e-300)


def _ends(table: Table, column: str) -> tuple[Floats, Floats]:
    cells = [cell[table.columns.index(column)] for cell in table.cells]
    intervals = [cell for cell in cells if isinstance(cell, Interval)]
    return (
        np.array([np.ceil(interval.low) for interval in intervals]),
        np.array([np.ceil(interval.high) - 1 for interval in intervals]),
    )


def total_problems(spec: Spec) -> Iterator[Problem]:
    """Name counts of children that are not as many as the parents' table of sizes says."""
    for unit in spec.schema.units[1:]:
        parents, children = (
            [table for table in tables_of(spec, name) if table.value == "count"]
            for name in (str(unit.parent), unit.name)
        )
        if not parents or not children:
            continue
        sizes, n_parents, n_children = sizes_of(spec, unit), sum(parents[0].values), sum(children[0].values)
        low, high = sizes.mean
        allowed = slack(parents[0]) + slack(children[0])
        if low * (1 - allowed) <= n_children / n_parents <= high * (1 + allowed):
            continue
        whole = f"{low * n_parents:,.0f}" if high - low < 1e-9 else f"{low * n_parents:,.0f} to {high * n_parents:,.0f}"
        mean = f"{low:.3f}" if high - low < 1e-9 else f"{low:.3f} to {high:.3f}"
        by = sizes.place or f"the range of {unit.count}"
        yield Problem(
            where=f"{children[0].where} and {sizes.place or parents[0].where}",
            what=f"the records of {unit.name} are not as many as {unit.count} says",
            found=f"{n_children:,g} {unit.name} records of {n_parents:,g} of {unit.parent}, a mean of "
            f"{n_children / n_parents:.3f}; by {by} there are {whole}, a mean of {mean}",
            advice=f"see that both are about the same {unit.parent} records; the number of {unit.name} records follows "
            f"{unit.count}, and the tables of {unit.name} are brought to it",
            severity="warning",
        )


def parents_column_problems(spec: Spec) -> Iterator[Problem]:
    """Name tables of children whose column of a parent's variable contradicts the parents' own tables."""
    for unit in spec.schema.units[1:]:
        for table in tables_of(spec, unit.name):
            for column in table.columns:
                owner, _, name = column.rpartition(".")
                if owner == unit.parent:
                    yield from _column_problems(spec, unit, table, name)


def _column_problems(spec: Spec, unit: Unit, table: Table, name: str) -> Iterator[Problem]:
    stated = _by_level(table, f"{unit.parent}.{name}", _shares(table))
    for own in tables_of(spec, str(unit.parent)):
        if name not in own.columns:
            continue
        bounds = _bounds(own, name, unit, sizes_of(spec, unit))
        if not set(stated) <= set(bounds):
            continue  # cut differently: reconciled on the grid
        allowed = slack(own) + slack(table)
        off = {
            level: max(bounds[level][0] - share, share - bounds[level][1])
            for level, share in stated.items()
            if not bounds[level][0] - allowed <= share <= bounds[level][1] + allowed
        }
        if off:
            level = max(off, key=lambda entry: off[entry])
            low, high = bounds[level]
            implied = f"{low:.2%}" if high - low < 1e-9 else f"{low:.2%} to {high:.2%}"
            yield Problem(
                where=f"{table.where} and {own.where}",
                what=f"they contradict each other about {unit.parent}.{name}",
                found=f"{name} {level}: {stated[level]:.2%} of the {unit.name} records, but {implied} by the "
                f"{unit.parent} records and their {unit.count}",
                advice="correct one of the tables: no records can meet both",
                severity="warning",
            )
            return


def _by_level(table: Table, column: str, weights: Floats) -> dict[Level, float]:
    found: dict[Level, float] = {}
    for cell, weight in zip(table.cells, weights, strict=True):
        level = cell[table.columns.index(column)]
        found[level] = found.get(level, 0.0) + float(weight)
    return found


def _bounds(own: Table, name: str, unit: Unit, sizes: Sizes) -> dict[Level, tuple[float, float]]:
    """Least and greatest share of the children whose parent has each level, by the parents' table and their sizes."""
    shares = _shares(own)
    if unit.count in own.columns:
        ends = _ends(own, str(unit.count))
        least, most = (_by_level(own, name, shares * end) for end in ends)
    else:
        parents = _by_level(own, name, shares)
        held = np.array(list(parents.values()))
        least = dict(zip(parents, _fewest(held, sizes.low, sizes.share).tolist(), strict=True))
        most = dict(zip(parents, (-_fewest(held, -sizes.high, sizes.share)).tolist(), strict=True))
    low, high = sum(least.values()), sum(most.values())
    if unit.count not in own.columns:
        low, high = sizes.mean
        return {level: (least[level] / max(high, 1e-300), most[level] / max(low, 1e-300)) for level in least}
    return {
        level: (
            least[level] / max(least[level] + high - most[level], 1e-300),
            most[level] / max(most[level] + low - least[level], 1e-300),
        )
        for level in least
    }


def _fewest(shares: Floats, sizes: Floats, weights: Floats) -> Floats:
    """Children of each share of the parents when these are the parents with the smallest sizes, as many as `shares`."""
    distinct, place = np.unique(sizes, return_inverse=True)
    held = np.cumsum(np.bincount(place, weights=weights))
    filled = np.minimum(held[None, :], shares[:, None])
    return np.asarray(np.diff(filled, prepend=0.0, axis=1) @ distinct)
