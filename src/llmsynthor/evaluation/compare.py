"""How each target was met by finished records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmsynthor.aims.laws import stated_population
from llmsynthor.aims.moments import COMPUTED_CELLS
from llmsynthor.aims.peopled import must_have_records
from llmsynthor.aims.words import say_cell, say_missing
from llmsynthor.evaluation.ends import Account, Accounts, End, Status
from llmsynthor.records.linked import Nested, column, nest
from llmsynthor.records.measure import cell_numbers, statistic_cells
from llmsynthor.records.seconds import power_sums, second_moment, second_rounding
from llmsynthor.spec.inputs import Column, derived_below, target_columns
from llmsynthor.spec.levels import Level
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import SCENARIO, Statistic, Table, Target, assumed_from

Floats = NDArray[np.float64]

NUMERIC_ROUNDING = 1e-6
"""A mean of real numbers is exact when it agrees to six digits; of whole numbers, when no other whole sum is nearer."""

LLM = "llm "
"""How the source of a table begins that the LLM has estimated in this run."""

WHOLE = 1.0 - 1e-6
"""A cell that is off by less is not a whole record off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A target beside what the records have, cell by cell.

    Of a table `wanted` are records, scaled to the records in its universe, and `got` counts; of a mean, total or quantile both
    are in its own unit, NaN in `got` for a group without records. `tvd` is NaN for those. `slack` (cells,) is what a cell may be
    off and still count as exact, `step` (cells,) what sums of values that cannot be moved may be off and still count as within
    tolerance, zero elsewhere. `account` is what the run knows. `lacking` (cells,) marks groups that should have records.
    """

    target: Target
    wanted: Floats
    got: Floats
    tvd: float
    status: Status
    slack: Floats
    step: Floats
    account: Account = field(default_factory=Account)
    lacking: NDArray[np.bool_] | None = None

    @property
    def largest_error(self) -> float:
        """Of a table in records, of a mean, total or quantile in its own unit; a group without records has none."""
        errors = self._errors()
        return float(errors.max()) if errors.size else 0.0

    @property
    def records(self) -> float:
        return float(self.wanted.sum()) if isinstance(self.target, Table) else float("nan")

    @property
    def yielded(self) -> float:
        """By how much a cell was moved at most where sources disagree, in the unit of `largest_error`."""
        if self.account.used is None:
            return self.account.yielded
        return float(np.abs(self.account.used * _scale(self.target, self.wanted) - self.wanted).max())

    @property
    def end(self) -> End:
        """The status with its reasons."""
        return End(
            status=self.status,
            others=self.account.others,
            yielded=self.yielded,
            reason=self.account.reason,
            worst=self.worst(1),
            is_records=isinstance(self.target, Table),
        )

    def worst(self, most: int) -> tuple[str, ...]:
        """Name the cells that are furthest off, a record or more."""
        if self.status is Status.EXACT:
            return ()
        errors = self._errors()
        order = np.argsort(-errors, kind="stable")[:most]
        return tuple(self.say(int(k)) for k in order if errors[k] >= self._least())

    def say(self, cell: int) -> str:
        """Say how far a cell is off."""
        if isinstance(self.target, Table):
            return say_missing(self.target.columns, self._levels(cell), self.wanted[cell] - self.got[cell])
        if np.isnan(self.got[cell]):
            return f"{self.cell_name(cell)}: no record that has {self.target.variable}"
        got, wanted = (f"{x:,.0f}" if abs(x) >= 10_000 else f"{x:,.4g}" for x in (self.got[cell], self.wanted[cell]))
        if got == wanted:
            got, wanted = f"{self.got[cell]:,.9g}", f"{self.wanted[cell]:,.9g}"
        return f"{self.cell_name(cell)}: {self.target.variable} {got} instead of {wanted}"

    def cell_name(self, cell: int) -> str:
        """Name a cell of a table, or a group of a mean, total or quantile."""
        columns = self.target.columns if isinstance(self.target, Table) else self.target.by
        return say_cell(columns, self._levels(cell)) or "all records"

    def _errors(self) -> Floats:
        """How far each cell is off; a group without anybody that should have somebody by all that is wanted of it."""
        lacking = np.where(self.lacking, np.abs(self.wanted), 0.0) if self.lacking is not None else 0.0
        return np.asarray(np.nan_to_num(np.abs(self.got - self.wanted)) + lacking)

    def _least(self) -> float:
        return WHOLE if isinstance(self.target, Table) else 1e-9

    def _levels(self, cell: int) -> tuple[Level, ...]:
        return self.target.cells[cell]


def compare(
    spec: Spec, records: Mapping[str, pl.DataFrame], accounts: Accounts | None = None
) -> tuple[Comparison, ...]:
    """Compare every target whose unit was made; derived variables are computed from the records. Raises DataError."""
    named = [target_columns(target) for target in spec.targets if target.unit in records]
    needed = derived_below(frozenset[Column]().union(*named), spec.schema)
    return compare_nested(spec, nest(records, spec.schema, only=needed), accounts)


def compare_nested(spec: Spec, nested: Nested, accounts: Accounts | None = None) -> tuple[Comparison, ...]:
    """Compare every target whose unit is there; `accounts` are what a run knows of its targets."""
    found = (
        _table(nested, target) if isinstance(target, Table) else compare_statistic(spec, target, nested)
        for target in spec.targets
        if target.unit in nested.frames
    )
    return tuple(accounted(comparison, (accounts or {}).get(comparison.target.name)) for comparison in found)


def accounted(comparison: Comparison, account: Account | None) -> Comparison:
    """Take in what a run knows of a target: one that is off may have yielded, or it was shown that it cannot be met."""
    if account is None:
        return comparison
    status = comparison.status
    if status is Status.MISSED and account.used is not None and _holds(comparison, account.used):
        status = Status.ROUNDING if account.only_rounding else Status.YIELDED
    elif status is Status.MISSED and account.status is not None:
        status = account.status
    elif status is Status.MISSED and account.reason:
        status = Status.CANNOT
    return replace(comparison, status=status, account=account)


def _holds(comparison: Comparison, used: Floats) -> bool:
    """Whether the records hold what was made of a target and other sources."""
    aimed = used * _scale(comparison.target, comparison.wanted)
    error = np.nan_to_num(np.abs(comparison.got - aimed))
    return _status(comparison.target, aimed, error, comparison.slack, comparison.step) is not Status.MISSED


def _scale(target: Target, wanted: Floats) -> float:
    """What makes of a target's values what is wanted of the records."""
    add = np.sum if isinstance(target, Table) else lambda values: np.abs(values).sum()
    stated = float(add(np.array(target.values)))
    return float(add(wanted)) / stated if stated else 1.0


def _status(target: Target, wanted: Floats, error: Floats, slack: Floats, step: Floats) -> Status:
    """The best end that the errors allow, each taking in what those before it leave open; error, slack, step (cells,)."""
    scale = _scale(target, wanted)
    rounding = 0.5 * target.resolution * scale
    margins = np.array(target.margins_of_error) if target.margins_of_error is not None else np.zeros(len(wanted))
    ends = (
        (Status.EXACT, slack),
        (Status.ROUNDING, rounding + 1.0 if isinstance(target, Table) else np.maximum(2 * slack, rounding)),
        (Status.MARGIN, margins * scale),
        (Status.TOLERANCE, np.maximum(step, np.maximum(target.tolerance * np.abs(wanted), target.tolerance_records))),
    )
    allowed = np.zeros(len(wanted))
    for status, room in ends:  # whole records and whole sums come on top of rounded values
        allowed = np.maximum(allowed, room)
        if bool((error <= allowed).all()):
            return status
    return Status.LEANED if isinstance(target, Table) and target.trust < 1 else Status.MISSED


def _table(nested: Nested, table: Table) -> Comparison:
    got, universe = count_table(nested, table)
    return judge_table(table, got, universe, {unit: frame.height for unit, frame in nested.frames.items()})


def count_table(nested: Nested, table: Table) -> tuple[Floats, float]:
    """Records in each cell of a table, and in its universe."""
    cells = cell_numbers(nested, table)
    got = np.bincount(cells[cells >= 0], minlength=len(table.cells)).astype(np.float64)
    return got, float(len(cells) if table.universe is None else got.sum())


def judge_table(table: Table, got: Floats, universe: float, made: Mapping[str, int]) -> Comparison:
    """Hold counts beside a table: `universe` records are those that it is about, `made` says how many each unit has."""
    wanted = np.array(table.values) / sum(table.values) * universe
    if table.base is not None:
        wanted = np.array(table.values) * (made[table.base.unit] / table.base.records)
    stray = universe - got.sum()
    tvd = float((np.abs(got - wanted).sum() + stray) / (2 * universe)) if universe else 1.0
    slack, step = np.full(len(wanted), WHOLE), np.zeros(len(wanted))
    lost = not universe or stray >= 1  # nobody, or records in no cell at all
    status = Status.MISSED if lost else _status(table, wanted, np.abs(got - wanted), slack, step)
    return Comparison(target=table, wanted=wanted, got=got, tvd=tvd, status=status, slack=slack, step=step)


def judge_statistic(
    target: Statistic,
    got: Floats,
    wanted: Floats,
    slack: Floats,
    step: Floats,
    *,
    peopled: NDArray[np.bool_] | None = None,
) -> Comparison:
    """Hold statistics beside what is wanted; NaN in `got` where a group has nobody, `peopled` (groups,) must have somebody."""
    lacking = np.isnan(got) & (False if peopled is None else peopled)
    nobody = lacking.any() or (target.statistic != "total" and not np.isfinite(got).any())
    status = _status(target, wanted, np.nan_to_num(np.abs(got - wanted)), slack, step)
    return Comparison(
        target=target,
        wanted=wanted,
        got=got,
        tvd=float("nan"),
        status=Status.MISSED if nobody else status,
        slack=slack,
        step=step,
        lacking=lacking,
    )


def compare_statistic(spec: Spec, target: Statistic, nested: Nested) -> Comparison:
    """Compare a mean, total or quantile, group by group. A group without records that tables leave none asks nothing."""
    every, values = statistic_cells(nested, target)
    cells, records = every, len(every)
    cells, values = cells[cells >= 0], values[cells >= 0]
    counts = np.bincount(cells, minlength=len(target.cells)).astype(np.float64)
    wanted, step = np.array(target.values), np.zeros(len(target.values))
    if target.statistic in ("deviation", "correlation"):
        got = second_moment(target, power_sums(nested, target, every))
        slack = second_rounding(target, counts)
    elif target.statistic == "quantile":
        got, slack = _quantiles(target, values, cells, counts)
    else:
        got, slack = _sums(target, values, cells, counts)
        if target.statistic == "total":
            population = target.base or stated_population(spec, target.unit)
            wanted = wanted * (records / population if population else 1.0)
        if not column(nested, target.unit, target.variable).dtype.is_integer():
            slack = NUMERIC_ROUNDING * np.maximum(np.abs(wanted), 1e-12)
        if _is_derived(spec, target) and len(values):
            each = np.maximum(counts, 1.0) if target.statistic == "mean" else np.ones(len(wanted))
            step = 0.5 * float(np.ptp(values)) / COMPUTED_CELLS / each
    peopled = must_have_records(spec.targets, target, records) if np.isnan(got).any() else None
    return judge_statistic(target, got, wanted, slack, step, peopled=peopled)


def _is_derived(spec: Spec, target: Statistic) -> bool:
    owner, _ = spec.schema.find(target.unit, target.variable)
    return any(derived.name == target.variable.rpartition(".")[2] for derived in spec.schema[owner].derived)


def _sums(target: Statistic, values: Floats, cells: NDArray[np.int64], counts: Floats) -> tuple[Floats, Floats]:
    """The total or mean of each group, and how far that of whole numbers may be off with no other whole sum nearer."""
    sums = np.bincount(cells, weights=values, minlength=len(counts)).astype(np.float64)
    if target.statistic == "total":
        return sums, np.full(len(counts), 0.5 + 1e-6)
    return sums / np.where(counts > 0, counts, np.nan), (0.5 + 1e-6) / np.maximum(counts, 1)


def _quantiles(target: Statistic, values: Floats, cells: NDArray[np.int64], counts: Floats) -> tuple[Floats, Floats]:
    """The quantile of each group, and how far it may be off without a whole record lying on the wrong side."""
    share = target.probability or 0.0
    got, rounding = np.full(len(counts), np.nan), np.zeros(len(counts))
    for group in np.flatnonzero(counts > 0):
        own = np.sort(values[cells == group])
        got[group] = np.quantile(own, share)
        below, upto = (np.searchsorted(own, target.values[group], side=side) for side in ("left", "right"))
        if below <= share * len(own) + 1 and upto >= share * len(own) - 1:
            rounding[group] = np.inf
    return got, rounding


def _source(target: Target) -> str:
    """Who says so: the user, a model, or nobody."""
    if assumed := assumed_from(target):
        return assumed
    return "llm" if target.source.startswith(LLM) else "scenario" if target.source == SCENARIO else "given"


def alignment_frame(
    comparisons: Sequence[Comparison], *, start: Mapping[str, float], fitted: Mapping[str, float]
) -> pl.DataFrame:
    """Lay out `alignment.csv`: a row per target.

    Behind the fixed columns: the tables' distances at the start and after fitting, the cell that is furthest off, by how much a
    target yielded to which others where sources disagree, and its end in a phrase.
    """
    rows = [
        {
            "name": c.target.name,
            "unit": c.target.unit,
            "source": _source(c.target),
            "cells": len(c.target.cells),
            "records": None if np.isnan(c.records) else round(c.records, 3),
            "tvd": None if np.isnan(c.tvd) else round(c.tvd, 9),
            "max_abs_error": round(c.largest_error, 6),
            "status": str(c.status),
            "start_tvd": _rounded(start.get(c.target.name)),
            "fitted_tvd": _rounded(fitted.get(c.target.name)),
            "worst_cell": "; ".join(c.worst(1)),
            "yielded": round(c.yielded, 3),
            "yielded_to": "; ".join(c.account.others),
            "reason": c.account.reason if c.status is Status.CANNOT else "",
            "end": str(c.end),
        }
        for c in comparisons
    ]
    return pl.DataFrame(rows, schema=ALIGNMENT, orient="row")


ALIGNMENT = {
    "name": pl.String,
    "unit": pl.String,
    "source": pl.String,
    "cells": pl.Int64,
    "records": pl.Float64,
    "tvd": pl.Float64,
    "max_abs_error": pl.Float64,
    "status": pl.String,
    "start_tvd": pl.Float64,
    "fitted_tvd": pl.Float64,
    "worst_cell": pl.String,
    "yielded": pl.Float64,
    "yielded_to": pl.String,
    "reason": pl.String,
    "end": pl.String,
}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 9)
