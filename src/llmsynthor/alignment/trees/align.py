"""Alignment of nested records: a first population unit by unit, θ fitted on whole top records, counts walked to all tables.

`align_trees` is to nested units what `align_rows` is to one.
"""

import numpy as np

from llmsynthor.aims.aims import Aims
from llmsynthor.alignment.cells import table_distances
from llmsynthor.alignment.deal import draw_first, enlarge, priors
from llmsynthor.alignment.results import Aligned, Report, Start
from llmsynthor.alignment.trees.fit import fit
from llmsynthor.alignment.trees.flat import (
    Effort,
    Notify,
    Task,
    count,
    flatten,
    mark,
    sweep_all,
    unflatten,
)
from llmsynthor.alignment.trees.program import compile_aims
from llmsynthor.alignment.yielding import correct_yielding
from llmsynthor.population.seating import seat

OFF = 3.0
"""A cell that is so many records off is not off by rounding."""


def align_trees(
    aims: Aims,
    *,
    records: int,
    seed: int,
    effort: Effort | None = None,
    notify: Notify | None = None,
    start: Start | None = None,
) -> Aligned:
    """Make exactly `records` top records, with all below them, that meet the aims.

    Records of `start` take the place of others of the same shape before the correction, and stay as they are.
    """
    effort = effort or Effort()
    chains = min(records, max(effort.chains, int(effort.share * records)))
    shapes = [(u, prior) for u in range(len(aims.goals)) for prior in priors(aims, u, chains)]
    task = Task(
        aims=aims,
        compiled=compile_aims(aims, shapes),
        records=records,
        seed=seed,
        effort=effort,
        **({"notify": notify} if notify is not None else {}),
    )
    drawn = draw_first(aims, chains, seed, effort.workers)
    fitted = fit(task, drawn)
    begun = table_distances(task.compiled.tables, fitted.first, task.compiled.goal(fitted.first, drawn.roster.sizes))
    roster = unflatten(fitted.roster, drawn.roster)
    flat = fitted.roster
    if records > chains:
        breaking = mark(task, flat, np.where(task.compiled.is_rule, 1.0, 0.0), chains)
        roster = enlarge(roster, aims, records, without=breaking, rng=np.random.default_rng([seed, 4]))
        flat = flatten(roster, aims.layout)
        for sweep in range(effort.settle_sweeps):
            sweep_all(task, flat, records, fitted.theta, 1_000 + sweep)
    if start is not None:
        roster = seat(aims.layout, unflatten(flat, roster), start.roster, rng=np.random.default_rng([seed, 11]))
        flat = flatten(roster, aims.layout)
    counts = count(task, flat, records)
    after = table_distances(task.compiled.tables, counts, task.compiled.goal(counts, roster.sizes))
    corrected = correct_yielding(task, flat, roster, fitted.theta)
    n_tables = len(task.compiled.tables)
    report = Report(
        start=tuple(begun[:n_tables].tolist()),
        fitted=tuple(after[:n_tables].tolist()),
        final=tuple(table_distances(task.compiled.tables, corrected.counts, corrected.goal)[:n_tables].tolist()),
        sentence=corrected.sentence,
        moved=corrected.moved,
    )
    broken = int(corrected.counts[task.compiled.is_rule].sum())
    error = np.abs(corrected.counts - corrected.goal)
    names = [getattr(piece.goal, "name", "") for piece in task.compiled.pieces[:n_tables]]
    unmet = tuple(name for name, (a, b) in zip(names, task.compiled.tables, strict=True) if error[a:b].max() >= OFF)
    return Aligned(
        roster=unflatten(corrected.roster, roster),
        unchanged=np.ones(0, dtype=bool),
        report=report,
        broken=broken,
        unmet=unmet,
    )
