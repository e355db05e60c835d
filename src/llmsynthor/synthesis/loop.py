"""The loop: aggregate → discrepancy → propose → draw → merge, and alignment behind it. The only file that sees all stages.

With `align: none` this is the algorithm of the paper (Tang et al., arXiv 2505.14752), nothing added: records are only added,
until nothing is missing or the iterations are used up. With `align: exact` a few iterations bring in whole-record proposals,
then alignment fills up and moves the population to the tables.
"""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

import numpy as np
import polars as pl

from llmsynthor.aims.feasibility import find_contradictions
from llmsynthor.aims.goals import Goals, bring_to_grid, with_tables
from llmsynthor.aims.grid import build_grid
from llmsynthor.aims.reconcile import Disagreement
from llmsynthor.aims.reconcile_moments import reconcile_sources
from llmsynthor.alignment.align import Aligned, Effort, Report, Start, align
from llmsynthor.alignment.cells import Potential
from llmsynthor.alignment.priors import STAY, dependence_tree, shape_potentials
from llmsynthor.dependence.coarse import coarsen
from llmsynthor.dependence.elicit import Asking
from llmsynthor.dependence.estimation import Estimation, estimate, planned_questions
from llmsynthor.dependence.groups import Group, given_groups, infer_groups
from llmsynthor.dependence.implied import implied_tables
from llmsynthor.errors import AnswerError, BudgetError, Problem, SpecError
from llmsynthor.llm.ledger import Recorded
from llmsynthor.population.discrepancy import Discrepancy, discrepancies, off_target, total_variation
from llmsynthor.population.encode import Starting, begin_with
from llmsynthor.population.population import NO_PROPOSAL, Population, merge
from llmsynthor.proposals.plan import Draft, Situation, plan
from llmsynthor.proposals.proposal import Proposal, admit, bound_count, draw
from llmsynthor.spec.specification import Spec
from llmsynthor.synthesis.nested import synthesize_nested
from llmsynthor.synthesis.outcome import Notify, Options, Outcome, Progress, Step, expected_calls

GROUPS = 3
ALIGNED = 0.005
"""The paper's loop ends when on average less than this share of a table's records is missing."""

MOST_DROPPED = 3
PROPOSED_SHARE = 0.02
"""At most this share of an aligned population comes from proposals: they shape what no table says, and are few and alike."""

SCALE = 1_000


def unsupported(spec: Spec, *, align: str | None = None, start: bool = False) -> tuple[Problem, ...]:
    """Say what is asked for that this version reads but does not make yet."""
    found = []
    if spec.schema.is_nested and align == "none":
        advice = "use --align exact"
        found.append(Problem(where="align", what="nested records are not made without alignment", advice=advice))
    if spec.schema.is_nested and start:
        advice = "leave --start out"
        what = "a starting population of nested records is not taken yet"
        found.append(Problem(where="start", what=what, advice=advice))
    return tuple(found)


def synthesize(
    spec: Spec, options: Options, model: Recorded | None, *, notify: Notify, start: pl.DataFrame | None = None
) -> Outcome:
    """Make the records that a spec asks for; raises SpecError for what this version does not make.

    With `start`, records in the spec's variables, those are changed as little as the tables ask, and no model is called.
    """
    problems = unsupported(spec, align=options.align, start=start is not None)
    if problems:
        raise SpecError(*problems)
    if spec.schema.is_nested:
        return synthesize_nested(spec, options, model, notify=notify)
    goals, disagreements = reconcile_sources(bring_to_grid(spec, build_grid(spec, spec.schema.top)), spec)
    run = _Run(spec=spec, options=options, goals=goals, model=model, notify=notify, disagreements=disagreements)
    if start is not None:
        rng = np.random.default_rng([options.seed, 40])
        return run.changed(begin_with(start, goals.grid, options.records, rng=rng))
    run.infer()
    run.estimate()
    run.propose()
    return run.aligned() if options.align == "exact" else run.as_proposed()


@dataclass(slots=True)
class _Run:
    """The state of one run: what the next step needs."""

    spec: Spec
    options: Options
    goals: Goals
    model: Recorded | None
    notify: Notify
    disagreements: tuple[Disagreement, ...] = ()
    groups: tuple[Group, ...] = ()
    proposals: list[Proposal] = field(default_factory=list)
    history: list[Step] = field(default_factory=list)
    estimation: Estimation = field(default_factory=Estimation)
    expected: int = 0
    population: Population = field(init=False)
    stop_reason: str = ""

    def __post_init__(self) -> None:
        questions = planned_questions(self.goals, self.spec) if self.options.estimates else 0
        self.expected = expected_calls(self.spec, self.options, llm=self.model is not None, questions=questions)
        self.population = Population.empty(len(self.goals.grid.axes))

    def infer(self) -> None:
        """Name the groups of dependent variables: the given joint tables, and what the LLM adds."""
        given = given_groups(self.goals)
        self.groups = given
        if self.model is None:
            return
        self.tell("dependency", 0, None)
        try:
            asked = infer_groups(
                self.spec,
                self.goals,
                self.model,
                groups=GROUPS,
                temperature=self.options.temperature,
                seed=self.options.seed,
            )
        except AnswerError:
            return
        except BudgetError as spent:
            self.stop_reason = str(spent)
            return
        known = {frozenset(group.variables) for group in given}
        self.groups = (*given, *(group for group in asked if frozenset(group.variables) not in known))

    def estimate(self) -> None:
        """Let the LLM estimate the joint tables that are missing, and add them as soft targets."""
        if self.model is None or self.stop_reason or not self.options.estimates:
            return
        asking = Asking(
            spec=self.spec,
            unit=self.spec.schema.top.name,
            variables=coarsen(self.goals),
            model=self.model,
            seed=self.options.seed,
            temperature=self.options.temperature,
        )
        self.tell("copula", 0, None)
        told = lambda: self.tell("copula", 0, None)  # noqa: E731
        imply = partial(
            implied_tables, self.goals, asking.variables, seed=self.options.seed, workers=self.options.workers
        )
        self.estimation = estimate(self.goals, asking, self.groups, spare=self.options.rounds, imply=imply, notify=told)
        self.goals = with_tables(self.goals, self.estimation.tables)
        self.groups = (*self.groups, *self.estimation.strongest(GROUPS, besides=self.groups))

    def propose(self) -> None:
        """Ask, draw and merge, iteration by iteration."""
        dropped = 0
        for iteration in range(1, self.options.rounds + 1):
            found = discrepancies(self.goals.tables, self.population.codes, records=self.options.records)
            missing = _mean([d.share_missing for d in found])
            if self.model is None or self.stop_reason or not found:
                break
            if missing < ALIGNED or len(self.population) >= self.options.records:
                self.stop_reason = (
                    f"after {iteration - 1} iterations nothing is missing any more ({missing:.1%} of the records)"
                )
                break
            self.tell("proposals", iteration, missing)
            try:
                self.merge_plan(iteration, found)
                dropped = 0
            except AnswerError:
                dropped += 1
                if dropped >= MOST_DROPPED:
                    self.stop_reason = f"{dropped} plans in a row were unusable; a larger model may do better"
            except BudgetError as spent:
                self.stop_reason = str(spent)
            self.record(iteration)

    def merge_plan(self, iteration: int, found: tuple[Discrepancy, ...]) -> None:
        """Ask for one plan and merge the records drawn from it."""
        assert self.model is not None
        rng = np.random.default_rng([self.options.seed, 10, iteration])
        answer = plan(self.situation(found), self.model, seed=self.options.seed * 1_000 + iteration, rng=rng)
        for draft in answer.value:
            number = len(self.proposals)
            proposal = self.bounded(draft, number, iteration, answer.call_id)
            drawn = (
                self.drawn(proposal, rng) if proposal.status == "used" else Population.empty(len(self.goals.grid.axes))
            )
            if proposal.status == "used" and not len(drawn):
                proposal = replace(proposal, status="dropped: none of its records fits what is still missing")
            self.proposals.append(proposal)
            self.population = merge(self.population, drawn)

    def situation(self, found: tuple[Discrepancy, ...]) -> Situation:
        exact = self.options.align == "exact"
        return Situation(
            spec=self.spec,
            goals=self.goals,
            groups=self.groups,
            discrepancies=found,
            records=self.options.records,
            scale=SCALE if exact else self.options.records,
            proposals=self.options.proposals,
            temperature=self.options.temperature,
            guided=exact,
        )

    def bounded(self, draft: Draft, number: int, iteration: int, call_id: str) -> Proposal:
        """Bound the count by what is missing at this moment, and in an aligned population by its share."""
        found = discrepancies(self.goals.tables, self.population.codes, records=self.options.records)
        count = bound_count(draft.asked, draft.values, found) if not draft.problem else 0
        if self.options.align == "exact" and count:
            most = PROPOSED_SHARE * self.options.records / (self.options.rounds * self.options.proposals)
            count = min(count, max(1, int(most)))
        status = "used" if count else "dropped: nothing is missing where it would add records"
        return Proposal(
            number=number,
            iteration=iteration,
            values=draft.values,
            asked=draft.asked,
            count=count,
            reason=draft.reason,
            guidance=draft.guidance,
            call_id=call_id,
            status=f"dropped: {draft.problem}" if draft.problem else status,
        )

    def drawn(self, proposal: Proposal, rng: np.random.Generator) -> Population:
        """Draw the records; before alignment only those that overshoot no table are let in."""
        if self.options.align == "none":
            return draw(proposal, self.goals, proposal.count, evenly=True, rng=rng)
        found = discrepancies(self.goals.tables, self.population.codes, records=self.options.records)
        tried = admit(draw(proposal, self.goals, 4 * proposal.count, evenly=False, rng=rng), found)
        return Population(codes=tried.codes[: proposal.count], proposal=tried.proposal[: proposal.count])

    def aligned(self) -> Outcome:
        """Fill up to the number of records asked for, and move the population to the tables."""
        self.tell("fit", 0, None)
        start = Start(codes=self.population.codes) if len(self.population) else None
        result = self.align(shape_potentials(self.goals, self.options.records), start)
        proposal = np.full(self.options.records, NO_PROPOSAL, dtype=np.int64)
        origin = self.population.proposal[: self.options.records]
        proposal[: len(origin)] = np.where(result.unchanged, origin, NO_PROPOSAL)
        order = np.random.default_rng([self.options.seed, 20]).permutation(self.options.records)
        population = Population(codes=result.codes[order], proposal=proposal[order])
        reason = f"aligned: {result.report.sentence}"
        reason = f"{reason}; {self.stop_reason}" if self.stop_reason else reason
        return self.outcome(population, result.report, reason)

    def changed(self, starting: Starting) -> Outcome:
        """Move a starting population to the tables, changing few of its records."""
        self.tell("fit", 0, None)
        start = Start(codes=starting.codes, stay=STAY, for_good=True)
        result = self.align(dependence_tree(self.goals, starting.codes), start)
        population = Population(codes=result.codes, proposal=np.full(self.options.records, NO_PROPOSAL, dtype=np.int64))
        same = int(result.unchanged.sum())
        reason = f"aligned: {result.report.sentence}; {same:,} of {self.options.records:,} records are as they were"
        outcome = self.outcome(population, result.report, reason)
        return replace(outcome, starting=starting)

    def align(self, potentials: tuple[Potential, ...], start: Start | None) -> Aligned:
        return align(
            self.goals,
            records=self.options.records,
            seed=self.options.seed,
            potentials=potentials,
            start=start,
            effort=Effort(workers=self.options.workers),
            notify=self.swept,
        )

    def as_proposed(self) -> Outcome:
        reason = self.stop_reason or f"the {self.options.rounds} iterations set for the loop are used up"
        return self.outcome(self.population, None, reason)

    def outcome(self, population: Population, report: Report | None, reason: str) -> Outcome:
        unmet = off_target(self.goals, population.codes) if report is not None else ()
        if report is not None and any(entry.kind != "rounding" for entry in self.disagreements):
            reason += "; where sources disagree the target is what was made of them (disagreements.csv)"
        return Outcome(
            estimations=(self.estimation,),
            disagreements=self.disagreements,
            contradictions=find_contradictions(self.goals, unmet),
            goals=self.goals,
            population=population,
            groups=self.groups,
            proposals=tuple(self.proposals),
            history=tuple(self.history),
            report=report,
            stop_reason=reason,
        )

    def record(self, iteration: int) -> None:
        found = discrepancies(self.goals.tables, self.population.codes, records=self.options.records)
        missing = [d.share_missing for d in found]
        distances = [total_variation(goal, self.population.codes) for goal in self.goals.given]
        self.step("proposals", iteration, _mean(missing), distances, len(self.population))

    def swept(self, stage: str, sweep: int, distances: np.ndarray) -> None:
        kind: Literal["fit", "correct"] = "fit" if stage == "fit" else "correct"
        distances = distances[[goal.trust >= 1 for goal in self.goals.tables]]
        self.step(kind, sweep + 1, _mean(distances), list(distances), self.options.records)
        self.tell(kind, sweep + 1, _mean(distances))

    def step(
        self,
        stage: Literal["proposals", "fit", "correct"],
        iteration: int,
        missing: float,
        distances: list[float],
        records: int,
    ) -> None:
        spent = self.model.spent if self.model is not None else None
        self.history.append(
            Step(
                iteration=iteration,
                stage=stage,
                discrepancy=missing,
                tvd=_mean(distances),
                worst_tvd=max((float(d) for d in distances), default=0.0),
                records=records,
                calls=spent.calls if spent else 0,
                tokens=spent.tokens if spent else 0,
                seconds=round(spent.seconds, 3) if spent else 0.0,
            )
        )

    def tell(self, stage: str, iteration: int, discrepancy: float | None) -> None:
        calls = self.model.spent.calls if self.model is not None else 0
        self.notify(
            Progress(
                stage=stage,
                iteration=iteration,
                iterations=self.options.rounds,
                discrepancy=discrepancy,
                calls=calls,
                expected_calls=self.expected,
            )
        )


def _mean(values: "np.ndarray | list[float]") -> float:
    return float(np.mean(values)) if len(values) else 0.0
