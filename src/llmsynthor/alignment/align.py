"""Alignment: records that meet the aims, by the kernels that the aims need.

Rows serve where every aim reads own columns of its row alone; trees, whole top records with all below them, where one does not.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from llmsynthor.aims.aims import Aims
from llmsynthor.aims.frames import NONE, frame_functions
from llmsynthor.aims.layout import Codes, Place
from llmsynthor.alignment.effort import Effort, Notify
from llmsynthor.alignment.priors import dependence_tree, shape_potentials
from llmsynthor.alignment.results import DONE, Aligned, Start
from llmsynthor.alignment.schedule import run_stages
from llmsynthor.population.roster import Roster
from llmsynthor.spec.expressions import references


def align(
    aims: Aims,
    *,
    records: int,
    seed: int,
    workers: int | None = None,
    start: Start | None = None,
    notify: Notify | None = None,
) -> Aligned:
    """Make exactly `records` top records, with all below them, that meet the aims, keeping those of `start` as far as they allow.

    `notify(stage, sweep, tvd per table)` is told how it goes. The number of workers changes nothing.
    """
    if start is not None and (start.for_good or not aims.needs_trees or _rules_name_zones(aims)):
        aims = _without_frame(aims)  # given records have the zones that they have
    made = _once(aims, records=records, seed=seed, effort=Effort(workers=workers), start=start, notify=notify)
    if aims.needs_trees or aims.own[0].frame == NONE or made.report.sentence.startswith(DONE):
        return made
    free = _without_frame(aims)
    again = _once(free, records=records, seed=seed, effort=Effort(workers=workers), start=start, notify=notify)
    ends = [
        (len(each.unmet), not each.report.sentence.startswith(DONE), sum(each.report.final)) for each in (made, again)
    ]
    return made if ends[0] <= ends[1] else again


def _once(
    aims: Aims, *, records: int, seed: int, effort: Effort, start: Start | None, notify: Notify | None
) -> Aligned:
    """Go through the stages once, with the frame that the aims have."""
    if aims.needs_trees:
        from llmsynthor.alignment.trees.stages import trees_stages  # noqa: PLC0415  (kernels are heavy)

        return run_stages(trees_stages(aims, records=records, seed=seed, effort=effort, start=start), notify)
    from llmsynthor.alignment.rows.stages import rows_stages  # noqa: PLC0415  (kernels are heavy)

    goals = aims.goals[0]
    whole = start is not None and start.for_good
    shape = dependence_tree(goals, start.roster.codes[0]) if start and whole else shape_potentials(goals, records)
    stages = rows_stages(goals, records=records, seed=seed, potentials=shape, start=start, effort=effort)
    return run_stages(stages, notify)


def _without_frame(aims: Aims) -> Aims:
    """The same aims with no variable held."""
    own, wide = (tuple(replace(goals, frame=NONE) for goals in each) for each in (aims.own, aims.goals))
    return replace(aims, own=own, goals=wide)


def _rules_name_zones(aims: Aims) -> bool:
    """Whether a rule says something of the variable that is held: a record may not take over any zone then."""
    frame = aims.own[0].frame
    zones = {aims.layout.columns[u][k].name for u, k in frame_functions(aims.layout, frame)} if frame >= 0 else set()
    return any(reference.name in zones for rule in aims.spec.rules for reference in references(rule.forbid))


def computed_codes(aims: Aims, roster: Roster) -> Mapping[Place, Codes]:
    """Code of every computed column of every record, at the values that the alignment reckons with; nothing where none is."""
    if not len(roster):
        return {place: np.zeros(0, dtype=np.int32) for place in aims.layout.order}
    if not aims.layout.order:
        return {}
    from llmsynthor.alignment.trees.flat import computed_codes as columns_of  # noqa: PLC0415  (kernels are heavy)

    return columns_of(aims, roster)
