"""The loop: aggregate → discrepancy → propose → draw → merge, and alignment behind it. The only room that sees all stages.

With `align: none` this is the algorithm of the paper (Tang et al., arXiv 2505.14752), nothing added: records are only added,
until nothing is missing or the iterations are used up. With `align: exact` a few iterations bring in whole-record proposals,
then alignment fills up and moves the population to the tables.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import polars as pl

from llmsynthor.aims.aims import Aims, set_aims, with_beliefs, with_estimates
from llmsynthor.aims.feasibility import find_across
from llmsynthor.alignment.align import align
from llmsynthor.alignment.priors import STAY
from llmsynthor.alignment.results import Aligned, Report, Start
from llmsynthor.llm.recorded import Recorded
from llmsynthor.population.encode import Starting, begin_with
from llmsynthor.population.roster import NO_PROPOSAL, Roster, in_order
from llmsynthor.proposals.proposal import Proposal
from llmsynthor.spec.specification import Spec
from llmsynthor.synthesis.believing import Believed, Said, believe, questions
from llmsynthor.synthesis.journal import Journal
from llmsynthor.synthesis.outcome import Notify, Options, Outcome, expected_calls
from llmsynthor.synthesis.proposing import Proposed, propose
from llmsynthor.synthesis.stop import StopReason

Frames = Mapping[str, pl.DataFrame]


def synthesize(
    spec: Spec, options: Options, model: Recorded | None, *, notify: Notify, start: Frames | None = None
) -> Outcome:
    """Make the records that a spec asks for.

    With `start`, records of every unit in the spec's variables, those are changed as little as the tables ask, and no model is
    called.
    """
    aims = set_aims(spec)
    asked = questions(aims, options.library, model.identity) if model is not None and options.estimates else 0
    expected = expected_calls(spec, options, llm=model is not None, questions=asked)
    journal = Journal(options=options, model=model, notify=notify, expected=expected)
    if start is not None:
        rng = np.random.default_rng([options.seed, 40])
        return _changed(aims, begin_with(start, aims, options.records, rng=rng), options, journal)
    believed = believe(aims, options, model, journal)
    proposed = propose(believed, options, model, journal)
    if options.align == "exact":
        return _aligned(believed, proposed, options, journal)
    return _as_proposed(believed, proposed, options, journal)


def synthesize_part(spec: Spec, options: Options, said: Said) -> Outcome:
    """Make the records of a part of a whole, with what a model said of the whole; nothing is asked, no contradiction looked for."""
    beliefs = [table for table in said.tables if table.name in said.weights]
    aims = with_beliefs(set_aims(with_estimates(spec, {}, beliefs)), said.weights)
    journal = Journal(options=options, model=None, notify=lambda progress: None)
    proposed = Proposed(roster=Roster.empty(aims.layout))
    return _aligned(Believed(aims=aims), proposed, options, journal, explain=False)


def _aligned(
    believed: Believed, proposed: Proposed, options: Options, journal: Journal, *, explain: bool = True
) -> Outcome:
    """Fill up to the number of records asked for, and move the population to the tables."""
    start = Start(roster=proposed.roster) if len(proposed.roster) else None
    result = _align(believed.aims, options, journal, start)
    order = np.random.default_rng([options.seed, 20]).permutation(options.records)
    roster = in_order(result.roster, believed.aims.layout, order)
    reason = f"aligned: {result.report.sentence}"
    reason = f"{reason}; {proposed.ended}" if proposed.ended else reason
    proposals = proposed.proposals
    if believed.aims.needs_trees:
        proposals = tuple(_seated(proposal, roster) for proposal in proposals)
    outcome = _outcome(believed, roster, result, reason, journal, explain=explain)
    return replace(outcome, proposals=proposals)


def align_whole(outcome: Outcome, options: Options, notify: Notify) -> Outcome:
    """Make the flat records of an outcome again, by the moves of whole records: these meet some targets that sweeps miss.

    They lean towards the same estimates.
    """
    journal = Journal(options=options, model=None, notify=notify)
    believed = Believed(
        aims=set_aims(with_estimates(outcome.spec, {}, outcome.leaned), whole=True),
        groups=outcome.groups,
        estimations=outcome.estimations,
        compositions=outcome.compositions,
        consulted=outcome.consulted,
    )
    made = _aligned(believed, Proposed(roster=Roster.empty(believed.aims.layout)), options, journal)
    return replace(made, history=(*outcome.history, *made.history), contradictions=outcome.contradictions)


def _seated(proposal: Proposal, roster: Roster) -> Proposal:
    """A proposal of which alignment kept no record for want of one of its shape says so."""
    if proposal.status != "used" or (roster.proposal == proposal.number).any():
        return proposal
    return replace(proposal, status="dropped: the tables leave no place for a record of its shape")


def _changed(aims: Aims, starting: Starting, options: Options, journal: Journal) -> Outcome:
    """Move a starting population to the tables, changing few of its records."""
    result = _align(aims, options, journal, Start(roster=starting.roster, stay=STAY, for_good=True))
    roster = replace(result.roster, proposal=np.full(options.records, NO_PROPOSAL, dtype=np.int64))
    same = int(result.unchanged.sum())
    reason = f"aligned: {result.report.sentence}; {same:,} of {options.records:,} records are as they were"
    outcome = _outcome(Believed(aims=aims), roster, result, reason, journal)
    return replace(outcome, starting=starting)


def _align(aims: Aims, options: Options, journal: Journal, start: Start | None) -> Aligned:
    journal.tell("fit", 0, None)
    given = np.array([goal.trust >= 1 for _, goal in aims.tables], dtype=bool)
    return align(
        aims,
        records=options.records,
        seed=options.seed,
        workers=options.workers,
        start=start,
        notify=lambda stage, sweep, distances: journal.swept(stage, sweep, distances[: len(given)][given]),
    )


def _as_proposed(believed: Believed, proposed: Proposed, options: Options, journal: Journal) -> Outcome:
    reason = proposed.ended or f"the {options.rounds} iterations set for the loop are used up"
    outcome = _outcome(believed, proposed.roster, None, reason, journal)
    stop = proposed.stop or StopReason.ITERATIONS_USED
    return replace(outcome, proposals=proposed.proposals, stop=stop)


def _outcome(
    believed: Believed, roster: Roster, result: Aligned | None, reason: str, journal: Journal, *, explain: bool = True
) -> Outcome:
    aims, unmet = believed.aims, result.unmet if result is not None else ()
    report: Report | None = result.report if result is not None else None
    missed = explain and (result is None or bool(unmet) or bool(result.broken))  # what is met contradicts nothing
    if result is not None and result.broken:
        reason += f"; {result.broken:,} records break a rule"
    if result is not None and any(entry.kind != "rounding" for entry in aims.disagreements):
        reason += "; where sources disagree the target is what was made of them (disagreements.csv)"
    return Outcome(
        aims=aims,
        roster=roster,
        groups=believed.groups,
        proposals=(),
        history=tuple(journal.history),
        report=report,
        stop_reason=reason,
        disagreements=aims.disagreements,
        contradictions=tuple(found for found in find_across(aims, unmet) if not found.by_number) if missed else (),
        estimations=believed.estimations,
        compositions=believed.compositions,
        consulted=believed.consulted,
    )
