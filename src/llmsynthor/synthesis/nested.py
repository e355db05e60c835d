"""A run over nested records: the stages in order, told as those of the flat loop are."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from llmsynthor.aims.aims import Aims, set_aims, with_beliefs, with_estimates
from llmsynthor.aims.feasibility import find_across
from llmsynthor.aims.layout import Roster, in_order
from llmsynthor.alignment.trees.align import AlignedRoster, Effort, align_nested
from llmsynthor.dependence.copula import Scope
from llmsynthor.dependence.elicit import Asking
from llmsynthor.dependence.estimation import WORTH_ASKING, Estimation, estimate
from llmsynthor.dependence.kin.beliefs import Composition, compose, planned_composition
from llmsynthor.dependence.related import (
    SAMPLE,
    counted,
    order_columns,
    planned_nested,
    questions_of_each,
    relate,
)
from llmsynthor.dependence.sequence import ask_turns
from llmsynthor.llm.ledger import Recorded, Spent
from llmsynthor.population.population import Population
from llmsynthor.proposals.proposal import Proposal
from llmsynthor.proposals.wholes import Whole, propose, settle_in
from llmsynthor.spec.schema import Derived
from llmsynthor.spec.specification import Spec
from llmsynthor.synthesis.outcome import (
    Nested,
    Notify,
    Options,
    Outcome,
    Progress,
    Step,
    expected_calls,
    leaned_towards,
)


def synthesize_nested(spec: Spec, options: Options, model: Recorded | None, *, notify: Notify) -> Outcome:
    """Make the records of all units."""
    run = _Run(spec=spec, options=options, model=model, notify=notify, aims=set_aims(spec))
    if model is not None:
        questions = planned_nested(run.aims) + planned_composition(run.aims) if options.estimates else 0
        run.expected = expected_calls(spec, options, llm=True, questions=questions)
    if model is not None and options.estimates:
        run.estimate(model)
    if model is not None:
        run.propose(model)
    run.tell("fit", 0, None)
    result = align_nested(
        run.aims,
        records=options.records,
        seed=options.seed,
        effort=Effort(workers=options.workers),
        notify=run.swept,
        settle_in=run.settle_in if run.wholes else None,
    )
    return run.outcome(result)


GROUPS = 3


@dataclass(slots=True)
class _Run:
    """The state of one run over nested records."""

    spec: Spec
    options: Options
    model: Recorded | None
    notify: Notify
    aims: Aims
    history: list[Step] = field(default_factory=list)
    estimations: list[Estimation] = field(default_factory=list)
    compositions: list[Composition] = field(default_factory=list)
    wholes: tuple[Whole, ...] = ()
    proposals: tuple[Proposal, ...] = ()
    expected: int = 0

    def estimate(self, model: Recorded) -> None:
        """Let the model say what no table says: pairs within and across units, and who belongs together."""
        sample, most = self.sample(), questions_of_each(self.aims)
        for uncounted in relate(self.aims):
            related, implied = counted(uncounted, self.aims, sample)
            asking = Asking(
                spec=self.spec,
                unit=related.unit,
                variables=related.variables,
                model=model,
                seed=self.options.seed,
                temperature=self.options.temperature,
            )
            self.tell("copula", 0, None)
            self.compositions.append(compose(self.aims, asking, sample))
            told = lambda: self.tell("copula", 0, None)  # noqa: E731
            imply = lambda pairs, implied=implied: {pair: implied[pair] for pair in pairs if pair in implied}  # noqa: E731
            scope = Scope(
                pairs=related.pairs,
                most=most,
                least=WORTH_ASKING,
                besides=tuple(ask_turns(asking, related.turn)),
                floating=related.floating,
            )
            self.estimations.append(estimate(related.goals, asking, (), spare=0, imply=imply, notify=told, scope=scope))
        self.aims = self.believed()

    def sample(self) -> Roster:
        """A population of maximum entropy in which margins and implied tables are counted."""
        return align_nested(self.aims, records=SAMPLE, seed=0, effort=Effort(workers=self.options.workers)).roster

    def propose(self, model: Recorded) -> None:
        """Let the model write whole records."""
        self.tell("proposals", 1, None)
        options = self.options
        self.wholes = propose(
            self.aims,
            model,
            proposals=options.proposals if options.rounds else 0,
            records=options.records,
            seed=options.seed,
            temperature=options.temperature,
        )
        self.proposals = tuple(whole.proposal for whole in self.wholes)

    def settle_in(self, roster: Roster) -> Roster:
        """Draw records from the proposals into a population that is about to be corrected."""
        rng = np.random.default_rng([self.options.seed, 11])
        roster, self.proposals = settle_in(self.aims, roster, self.wholes, rng=rng)
        return roster

    def believed(self) -> Aims:
        """The aims with estimates as soft tables and beliefs about belonging as log-weights."""
        tables = leaned_towards(self.estimations, self.compositions)
        beliefs = [belief for found in self.compositions for belief in found.beliefs]
        derived: dict[str, list[Derived]] = {}
        for found in self.compositions:
            for unit, entry in found.derived:
                derived.setdefault(unit, []).append(entry)
        named = {name for table in tables for name in table.columns}
        for owner in self.spec.schema.units:
            ordered = order_columns(self.spec, owner)
            derived.setdefault(owner.name, []).extend(entry for entry in ordered if entry.name in named)
        every = [*tables, *(belief.table for belief in beliefs)]
        weights = {belief.table.name: belief.weights.ravel() for belief in beliefs}
        weights |= {name: added for found in self.estimations for name, added in found.additions.items()}
        return with_beliefs(set_aims(with_estimates(self.spec, derived, every)), weights)

    def tell(self, stage: str, sweep: int, discrepancy: float | None) -> None:
        self.notify(
            Progress(
                stage=stage,
                iteration=sweep,
                iterations=self.options.rounds,
                discrepancy=discrepancy,
                calls=self.model.spent.calls if self.model is not None else 0,
                expected_calls=self.expected,
            )
        )

    def swept(self, stage: str, sweep: int, distances: np.ndarray) -> None:
        hard = [goal.trust >= 1 for _, goal in self.aims.tables]
        spent = self.model.spent if self.model is not None else None
        self.history.append(_step(stage, sweep, distances[: len(hard)][hard], self.options.records, spent))
        self.tell(stage, sweep + 1, self.history[-1].tvd)

    def outcome(self, result: AlignedRoster) -> Outcome:
        aims = self.aims
        order = np.random.default_rng([self.options.seed, 20]).permutation(self.options.records)
        roster = in_order(result.roster, aims.layout, order)
        contradictions = [found for found in find_across(aims, result.unmet) if not found.by_number]
        return Outcome(
            goals=aims.goals[0],
            population=Population(codes=roster.codes[0], proposal=roster.proposal),
            groups=tuple(group for found in self.estimations for group in found.strongest(GROUPS)),
            proposals=self.proposals,
            history=tuple(self.history),
            report=result.report,
            stop_reason=self.reason(result),
            disagreements=aims.disagreements,
            contradictions=tuple(contradictions),
            nested=Nested(aims=aims, roster=roster),
            estimations=tuple(self.estimations),
            compositions=tuple(self.compositions),
        )

    def reason(self, result: AlignedRoster) -> str:
        reason = f"aligned: {result.report.sentence}"
        if result.broken:
            reason += f"; {result.broken:,} records break a rule that the tables leave no room for"
        if any(entry.kind != "rounding" for entry in self.aims.disagreements):
            reason += "; where sources disagree the target is what was made of them (disagreements.csv)"
        return reason


def _step(stage: str, sweep: int, distances: np.ndarray, records: int, spent: Spent | None) -> Step:
    kind: Literal["fit", "correct"] = "fit" if stage == "fit" else "correct"
    mean = float(np.mean(distances)) if len(distances) else 0.0
    return Step(
        iteration=sweep + 1,
        stage=kind,
        discrepancy=mean,
        tvd=mean,
        worst_tvd=float(max(distances, default=0.0)),
        records=records,
        calls=spent.calls if spent else 0,
        tokens=spent.tokens if spent else 0,
        seconds=round(spent.seconds, 3) if spent else 0.0,
    )
