"""What a synthesis is asked for, tells while it works, and gives back."""

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace
from typing import Literal

from llmsynthor.aims.aims import Aims
from llmsynthor.aims.derived import needs_trees
from llmsynthor.aims.feasibility import Contradiction, find_across
from llmsynthor.aims.goals import Goal, Goals
from llmsynthor.aims.reconcile import Disagreement
from llmsynthor.alignment.results import DONE, Report
from llmsynthor.dependence.estimation import Estimation
from llmsynthor.dependence.groups import Group
from llmsynthor.dependence.kin.beliefs import Composition
from llmsynthor.library.consulting import Consulted
from llmsynthor.options import Method
from llmsynthor.population.encode import Starting
from llmsynthor.population.roster import Roster
from llmsynthor.proposals.proposal import Proposal
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Table
from llmsynthor.synthesis.stop import StopReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(Method):
    """A method, and what it makes: `records` of the top unit from a seed, on so many threads."""

    records: int
    seed: int = 0
    workers: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """What a person wants to see while it works; `expected_calls` is None where it is not known."""

    stage: str
    iteration: int
    iterations: int
    discrepancy: float | None
    calls: int
    expected_calls: int
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of the history; calls, tokens and seconds are totals so far."""

    iteration: int
    stage: Literal["proposals", "fit", "correct"]
    discrepancy: float
    tvd: float
    worst_tvd: float
    records: int
    calls: int
    tokens: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the loop made. `report` is None without alignment, `starting` without a starting population.

    The aims are those of the spec with what the model said; `unmet` names the tables that are off by more than rounding.
    """

    aims: Aims
    roster: Roster
    groups: tuple[Group, ...]
    proposals: tuple[Proposal, ...]
    history: tuple[Step, ...]
    report: Report | None
    stop_reason: str
    stop: StopReason | None = None
    disagreements: tuple[Disagreement, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()
    starting: Starting | None = None
    estimations: tuple[Estimation, ...] = ()
    compositions: tuple[Composition, ...] = ()
    consulted: tuple[Consulted, ...] = ()

    @property
    def is_done(self) -> bool:
        """Whether alignment left nothing to correct, in codes."""
        return self.report is not None and self.report.sentence.startswith(DONE)

    @property
    def spec(self) -> Spec:
        """The spec with what estimates had to be computed for."""
        return self.aims.spec

    @property
    def goals(self) -> Goals:
        """The goals of the top unit."""
        return self.aims.goals[0]

    @property
    def leaned(self) -> tuple[Table, ...]:
        """The tables that the records lean towards: estimates, and margins that what is said of relatives must not move."""
        return leaned_towards(self.estimations, self.compositions)

    @property
    def tables(self) -> tuple[tuple[Goal, int], ...]:
        """Every table of the run with the number of records of its unit."""
        sizes = self.roster.sizes
        return tuple((goal, sizes[unit]) for unit, goal in self.aims.tables)


def leaned_towards(estimations: Sequence[Estimation], compositions: Sequence[Composition]) -> tuple[Table, ...]:
    """The tables of all estimations, then the margins of all compositions."""
    estimates = [table for found in estimations for table in found.tables]
    return (*estimates, *(table for found in compositions for table in found.margins))


Notify = Callable[[Progress], None]


MOST_SUSPECTS = 10
"""Targets of a unit that are off, around which contradictions are looked for."""


def explained(outcome: Outcome, missed: Set[str]) -> Outcome:
    """Look for contradictions around targets that were missed, at every unit: whether they hold shows only in the values."""
    if outcome.report is None:
        return outcome
    known = {name for contradiction in outcome.contradictions for name in contradiction.targets}
    suspects = [
        name
        for own in outcome.aims.own
        for name in (*own.numeric, *(goal.name for goal in own.given))
        if name in missed - known
    ]
    suspects = list(dict.fromkeys(suspects))[:MOST_SUSPECTS]
    if not suspects:
        return outcome
    found = [contradiction for contradiction in find_across(outcome.aims, suspects) if not contradiction.by_number]
    return replace(outcome, contradictions=tuple(dict.fromkeys((*outcome.contradictions, *found))))


def expected_calls(spec: Spec, options: Options, *, llm: bool, questions: int) -> int:
    """Number of calls of a run when every answer is usable: `questions` for scores, one for groups, one for each plan.

    Of nested units each whole record is a call of its own. It grows with no number of records.
    """
    if not llm:
        return 0
    if needs_trees(spec):
        return questions + (options.proposals if options.rounds else 0)
    return questions + options.rounds + (len(spec.schema.top.coded) > 1)
