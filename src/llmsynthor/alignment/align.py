"""Alignment: the information projection of a population onto the tables, done on the records themselves.

Three stages: a first population drawn table by table (`initial`), log-weights fitted by Gibbs sweeps over the records (`fit`),
and a correction that walks the counts to the targets in whole records (`correct`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.goals import Goals
from llmsynthor.alignment.cells import Potential
from llmsynthor.alignment.correct import correct
from llmsynthor.alignment.effort import Codes, Effort, Notify, Task
from llmsynthor.alignment.fit import fit
from llmsynthor.alignment.rows.engine import distances
from llmsynthor.alignment.rows.program import compile_goals

__all__ = ["Aligned", "Effort", "Report", "Start", "align"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Records that are there already, shape (records, variables), and how strongly each holds on to what it is.

    `stay` is a log-weight. With `for_good` it is never given up; otherwise when the tables cannot be met without.
    """

    codes: Codes
    stay: float = 100.0
    for_good: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What alignment did: the tables' TVD at the start, after fitting and in the end, and why it stopped."""

    start: tuple[float, ...]
    fitted: tuple[float, ...]
    final: tuple[float, ...]
    sentence: str
    moved: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Aligned:
    """`codes` (records, variables); the first rows are those of the start, `unchanged` says which of them stayed."""

    codes: Codes
    unchanged: NDArray[np.bool_]
    report: Report


def align(
    goals: Goals,
    *,
    records: int,
    seed: int,
    potentials: tuple[Potential, ...] = (),
    start: Start | None = None,
    effort: Effort | None = None,
    notify: Notify | None = None,
) -> Aligned:
    """Make exactly `records` records that meet the goals, keeping those of `start` as far as the tables allow.

    `potentials` are fixed log-weights on top of the rules' zeros. `notify(stage, sweep, tvd per table)` is told how it goes.
    """
    held = start.codes[:records] if start is not None else np.zeros((0, len(goals.grid.axes)), dtype=np.int32)
    task = Task(
        goals=goals,
        compiled=compile_goals(goals, potentials),
        records=records,
        seed=seed,
        effort=effort or Effort(),
        shaped=any(len(potential.projection.axes) > 1 for potential in potentials),
        keep=start is not None and start.for_good,
        **({"notify": notify} if notify is not None else {}),
    )
    fitted = fit(task, held)
    codes = np.concatenate([held, fitted.codes])
    after_fit = distances(task, codes)
    stay = np.zeros(records)
    stay[: len(held)] = start.stay if start is not None else 0.0
    corrected = correct(task, codes, fitted.theta, stay)
    report = Report(
        start=fitted.first,
        fitted=after_fit,
        final=distances(task, corrected.codes),
        sentence=corrected.sentence,
        moved=corrected.moved,
    )
    unchanged = (corrected.codes[: len(held)] == held).all(axis=1)
    return Aligned(codes=corrected.codes, unchanged=unchanged, report=report)
