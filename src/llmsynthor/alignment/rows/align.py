"""Alignment of flat records: the information projection of a population onto the tables, done on the records themselves.

Three stages: a first population drawn table by table (`draw`), log-weights fitted by Gibbs sweeps over the records (`fit`),
and a correction that walks the counts to the targets in whole records (`correct`).
"""

import numpy as np

from llmsynthor.aims.goals import Goals
from llmsynthor.alignment.cells import Potential
from llmsynthor.alignment.results import Aligned, Report, Start
from llmsynthor.alignment.rows.correct import correct
from llmsynthor.alignment.rows.effort import Effort, Notify, Task
from llmsynthor.alignment.rows.engine import distances
from llmsynthor.alignment.rows.fit import fit
from llmsynthor.alignment.rows.program import compile_goals
from llmsynthor.population.discrepancy import off_target
from llmsynthor.population.roster import NO_PROPOSAL, Roster


def align_rows(
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
    held = start.roster.codes[0][:records] if start is not None else np.zeros((0, len(goals.grid.axes)), dtype=np.int32)
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
    origin = np.full(records, NO_PROPOSAL, dtype=np.int64)
    if start is not None:
        origin[: len(held)] = np.where(unchanged, start.roster.proposal[: len(held)], NO_PROPOSAL)
    return Aligned(
        roster=Roster.flat(corrected.codes, origin),
        unchanged=unchanged,
        report=report,
        unmet=off_target(goals, corrected.codes),
    )
