"""What a synthesis is asked for, tells while it works, and gives back."""

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace
from typing import Literal

from llmsynthor.aims.aims import Aims
from llmsynthor.aims.feasibility import Contradiction, find_contradictions
from llmsynthor.aims.goals import Goal, Goals
from llmsynthor.aims.reconcile import Disagreement
from llmsynthor.alignment.align import Report
from llmsynthor.dependence.estimation import Estimation
from llmsynthor.dependence.groups import Group
from llmsynthor.dependence.kin.beliefs import Composition
from llmsynthor.population.encode import Starting
from llmsynthor.population.population import Population
from llmsynthor.population.roster import Roster
from llmsynthor.proposals.proposal import Proposal
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a synthesis runs; `iterations` None takes the default of the mode."""

    records: int
    seed: int = 0
    align: Literal["exact", "none"] = "exact"
    iterations: int | None = None
    proposals: int = 5
    temperature: float = 0.7
    workers: int | None = None
    estimate: bool = True

    @property
    def rounds(self) -> int:
        return self.iterations if self.iterations is not None else 100 if self.align == "none" else 2

    @property
    def estimates(self) -> bool:
        """Whether a model estimates missing tables: the loop of the paper alone does not."""
        return self.estimate and self.align == "exact"


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
class Nested:
    """What a run of nested units, or of derived variables, made."""

    aims: Aims
    roster: Roster


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the loop made. `report` is None without alignment, `starting` without a starting population.

    Of nested units `nested` holds the records, and `goals` those of the top unit.
    """

    goals: Goals
    population: Population
    groups: tuple[Group, ...]
    proposals: tuple[Proposal, ...]
    history: tuple[Step, ...]
    report: Report | None
    stop_reason: str
    disagreements: tuple[Disagreement, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()
    starting: Starting | None = None
    estimations: tuple[Estimation, ...] = ()
    compositions: tuple[Composition, ...] = ()
    nested: Nested | None = None

    @property
    def spec(self) -> Spec | None:
        """The spec of nested units with what estimates had to be computed for; None of a flat unit, which needs nothing more."""
        return self.nested.aims.spec if self.nested is not None else None

    @property
    def leaned(self) -> tuple[Table, ...]:
        """The tables that the records lean towards: estimates, and margins that what is said of relatives must not move."""
        return leaned_towards(self.estimations, self.compositions)

    @property
    def every_goals(self) -> tuple[Goals, ...]:
        """What the own variables of each unit must meet."""
        return self.nested.aims.own if self.nested is not None else (self.goals,)

    @property
    def tables(self) -> tuple[tuple[Goal, int], ...]:
        """Every table of the run with the number of records of its unit."""
        if self.nested is None:
            return tuple((goal, len(self.population)) for goal in self.goals.tables)
        sizes = self.nested.roster.sizes
        return tuple((goal, sizes[unit]) for unit, goal in self.nested.aims.tables)


def leaned_towards(estimations: Sequence[Estimation], compositions: Sequence[Composition]) -> tuple[Table, ...]:
    """The tables of all estimations, then the margins of all compositions."""
    estimates = [table for found in estimations for table in found.tables]
    return (*estimates, *(table for found in compositions for table in found.margins))


Notify = Callable[[Progress], None]


MOST_SUSPECTS = 10
"""Targets that are off, of which contradictions are looked for."""


def explained(outcome: Outcome, missed: Set[str]) -> Outcome:
    """Look for contradictions around targets that were missed, at every unit: whether they hold shows only in the values."""
    if outcome.report is None:
        return outcome
    known = {name for contradiction in outcome.contradictions for name in contradiction.targets}
    found = list[Contradiction]()
    for goals in outcome.every_goals:
        suspects = [name for name in (*goals.numeric, *(g.name for g in goals.given)) if name in missed - known]
        found += find_contradictions(goals, suspects[:MOST_SUSPECTS])
    return replace(outcome, contradictions=tuple(dict.fromkeys((*outcome.contradictions, *found))))


def expected_calls(spec: Spec, options: Options, *, llm: bool, questions: int) -> int:
    """Number of calls of a run when every answer is usable: `questions` for scores, one for groups, one for each plan.

    Of nested units each whole record is a call of its own. It grows with no number of records.
    """
    if not llm:
        return 0
    if spec.schema.is_nested:
        return questions + (options.proposals if options.rounds else 0)
    return questions + options.rounds + (len(spec.schema.top.coded) > 1)
