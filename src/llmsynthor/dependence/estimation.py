"""What to ask a model about dependence, in which order, and when to stop: from questions to estimated tables.

A first, cheap pass puts every pair that no table gives in one wording and one direction. Further directions and wordings are
asked only where it showed strength, the strongest first, as far as the budget goes. Pairs that a table does give are asked as
well: they show how far the model can be trusted, and calibrate it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, permutations

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.goals import Goals
from llmsynthor.calibration.measured import Measured
from llmsynthor.dependence.coarse import Coarse, coarsen
from llmsynthor.dependence.copula import (
    MODEL,
    MOST_QUESTIONS,
    Dependence,
    Scope,
    as_table,
    dependences,
)
from llmsynthor.dependence.elicit import (
    FRAMES,
    Asking,
    Conditional,
    Direction,
    Pair,
    bare,
    count_questions,
    elicit,
    elicit_shares,
)
from llmsynthor.dependence.estimates import CLIP, HEDGED, Estimate, combine
from llmsynthor.dependence.given import given_shares
from llmsynthor.dependence.groups import Group
from llmsynthor.dependence.sample import ENOUGH
from llmsynthor.dependence.trust import Trust, calibrate
from llmsynthor.errors import AskingEndedError, CannotScoreError
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import SEED, ZONES, Table

WORTH_ASKING = 0.01
"""Mutual information in nats that a first answer must show for a pair to be asked again in other words."""

UNBELIEVED = "what the model says of dependence is not believed, as measured on {pairs} known tables: nothing was asked about pairs"

Notify = Callable[[], None]
Imply = Callable[[Sequence[Pair]], Mapping[Pair, NDArray[np.float64]]]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimation:
    """`tables` are the estimates as soft targets; `sentence` says what was asked and why it ended."""

    unit: str = ""
    variables: tuple[Coarse, ...] = ()
    dependences: tuple[Dependence, ...] = ()
    tables: tuple[Table, ...] = ()
    trust: Trust | None = None
    sentence: str = ""

    @property
    def additions(self) -> dict[str, Floats]:
        """Log-weights of the tables about variables whose margin no table knows, by name: nested units take them as such."""
        drawn = [d for d in self.dependences if d.table is not None]
        return {
            table.name: np.clip(d.added, -CLIP, CLIP).ravel()
            for d, table in zip(drawn, self.tables, strict=True)
            if d.added is not None
        }

    def strongest(self, most: int, *, besides: Sequence[Group] = ()) -> tuple[Group, ...]:
        """The estimated pairs that depend most, as groups: the model's answers show what it did not say outright."""
        known = [set(group.variables) for group in besides]
        ordered = sorted((d for d in self.dependences if d.source == "estimated"), key=lambda d: -d.strength)
        return tuple(
            Group(
                variables=d.pair,
                reason=f"its answers imply a mutual information of {d.raw_strength:.2f} nats",
                source="llm",
            )
            for d in ordered[:most]
            if d.strength >= WORTH_ASKING and set(d.pair) not in known
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """The pairs to ask about: `open` ones, which no table gives, by priority, and `given` ones, for calibration."""

    open: tuple[Pair, ...]
    given: tuple[Pair, ...]


def choose_pairs(
    goals: Goals, spec: Spec, variables: Sequence[Coarse], groups: Sequence[Group], among: Sequence[Pair] | None = None
) -> Questions:
    """Order the pairs: those the user asks for, those the model has named, then the others; skipped ones are left out.

    `among` are the pairs that can be asked about, all of them by default.
    """
    wish = spec.dependencies
    named = [set(group.variables) for group in groups if group.source == "llm"]
    every = [(a.name, b.name) for a, b in combinations(variables, 2)] if among is None else among
    names = {pair: bare(pair) for pair in every} if wish.skip or wish.ask or spec.zone_variables else {}
    pairs = [p for p in every if not names or (names[p] not in wish.skip and not names[p] & spec.zone_variables)]
    tabled = {both for goal in goals.tables for both in permutations(dict.fromkeys(goal.table.columns), 2)}
    given = tuple(pair for pair in pairs if pair in tabled and given_shares(goals, variables, pair) is not None)
    left = [pair for pair in pairs if pair not in tabled]
    rank = {p: (names.get(p) not in wish.ask, not any(set(p) <= group for group in named)) for p in left}
    return Questions(open=tuple(sorted(left, key=rank.__getitem__)), given=given if left else ())


def planned_questions(
    goals: Goals,
    spec: Spec,
    variables: Sequence[Coarse] | None = None,
    among: Sequence[Pair] | None = None,
    most: int = MOST_QUESTIONS,
) -> int:
    """Scoring calls that a run makes at most, as far as that is known before any call."""
    variables = coarsen(goals) if variables is None else variables
    return expected_questions(variables, choose_pairs(goals, spec, variables, (), among), most)


def expected_questions(variables: Sequence[Coarse], questions: Questions, most: int = MOST_QUESTIONS) -> int:
    """The same once the questions are known: as if every pair proved worth asking again."""
    if not questions.open:
        return 0
    pairs = (*questions.open, *questions.given)
    every = [d for pair in pairs for d in (pair, pair[::-1])]
    return min(most, len(FRAMES) * count_questions(variables, every))


def estimate(
    goals: Goals,
    asking: Asking,
    groups: Sequence[Group],
    *,
    spare: int,
    imply: Imply,
    notify: Notify,
    scope: Scope | None = None,
) -> Estimation:
    """Ask, weigh and fit; never raises for want of budget.

    `spare` calls of the budget are left to later stages. `imply` gives the tables of pairs that follow from the given ones.
    """
    scope = scope or Scope()
    among, besides = scope.pairs, scope.besides
    questions = choose_pairs(goals, asking.spec, asking.variables, groups, among)
    if scope.known or scope.sampled:
        scope = _open_ones(scope, questions)
        still = tuple(pair for pair in questions.open if scope.known_of(pair) is None and not _is_seen(scope, pair))
        questions = Questions(open=still, given=questions.given if still else ())
    belief, wishes = asking.spec.dependencies.belief, asking.spec.dependencies.trust
    if not scope.measured.is_believed(belief):
        questions = Questions(open=tuple(pair for pair in questions.open if bare(pair) in wishes), given=())
    if not questions.open and not besides and not scope.zones and not scope.known and not scope.sampled:
        said = "every pair of variables is given or skipped"
        said = said if scope.measured.is_believed(belief) else UNBELIEVED.format(pairs=scope.measured.pairs)
        return Estimation(unit=asking.unit, variables=asking.variables, sentence=said)
    estimates, ended = _ask(asking, questions, spare=spare, most=scope.most, notify=notify)
    estimates = tuple(_of_sequence(own) if scope.before & set(own.pair) else own for own in estimates)
    asked = (*questions.open, *(estimate.pair for estimate in besides))
    implied, part = imply(asked) if scope.zones or estimates else {}, scope.measured.part(belief)
    among = among if among is None else (*among, *(estimate.pair for estimate in besides))
    return conclude(goals, asking, (*estimates, *besides), implied, ended, replace(scope, pairs=among, part=part))


def _of_sequence(estimate: Estimate) -> Estimate:
    """Believed as the end of a sequence is; one that was asked in one way only is weak, and left to the rule."""
    if np.isnan(estimate.agreement):
        return estimate
    return replace(estimate, trust=HEDGED * float(np.sqrt(max(estimate.agreement, 0.0))))


def take_known(
    goals: Goals,
    spec: Spec,
    unit: str,
    variables: tuple[Coarse, ...],
    scope: Scope,
    implied: Mapping[Pair, Floats],
) -> Estimation:
    """What is known of pairs where no model is asked: those that are given, skipped or about zones stay as they are."""
    scope = _open_ones(scope, choose_pairs(goals, spec, variables, (), scope.pairs))
    found = dependences(
        goals,
        variables,
        (),
        wish=spec.dependencies.trust,
        trust=None,
        implied=implied,
        scope=scope,
    )
    tables = tuple(_as_tables(found, variables, unit, scope))
    taken, leaning = sum("library" in own.weights for own in found), sum(SEED in own.weights for own in found)
    said = [f"{taken} pairs of variables are as in {scope.known_from}"] if taken or not leaning else []
    said += [_of_records(found)] if leaning else []
    return Estimation(unit=unit, variables=variables, dependences=found, tables=tables, sentence="; ".join(said))


def _of_records(found: Sequence[Dependence]) -> str:
    own = [d.records or 0 for d in found if SEED in d.weights]
    return f"{len(own)} pairs of variables lean on {max(own, default=0):,} records of the seed"


def _is_seen(scope: Scope, pair: Pair) -> bool:
    """Whether there are so many real records of a pair that a model has nothing to add."""
    return pair in scope.sampled and scope.sampled[pair].records >= ENOUGH


def _open_ones(scope: Scope, questions: Questions) -> Scope:
    """Leave out what is known of pairs that are given, skipped or about zones."""
    may = {frozenset(pair) for pair in questions.open}
    return replace(
        scope,
        known={pair: table for pair, table in scope.known.items() if frozenset(pair) in may},
        sampled={pair: own for pair, own in scope.sampled.items() if frozenset(pair) in may},
    )


def _as_tables(
    found: Sequence[Dependence], variables: tuple[Coarse, ...], unit: str, scope: Scope, model: str = ""
) -> Iterator[Table]:
    for own in found:
        if own.table is not None:
            said = f"llm {model}" if MODEL in own.weights else own.source
            source = scope.known_from if own.source == "library" else SEED if own.source == SEED else said
            yield as_table(own, variables, unit=unit, source=source)


def elicit_estimates(goals: Goals, asking: Asking, measured: Measured) -> tuple[tuple[Estimate, ...], Trust]:
    """Ask about every open pair; returns the estimates and the trust that the given tables calibrate."""
    questions = choose_pairs(goals, asking.spec, asking.variables, ())
    estimates, _ = _ask(asking, questions, spare=0, most=MOST_QUESTIONS, notify=lambda: None)
    return estimates, calibrate(asking.variables, estimates, _truth(goals, asking, estimates), measured)


def _ask(
    asking: Asking, questions: Questions, *, spare: int, most: int, notify: Notify
) -> tuple[tuple[Estimate, ...], AskingEndedError | None]:
    try:
        found, ended = _interview(asking, questions, spare=spare, most=asking.model.spent.scores + most, notify=notify)
    except CannotScoreError:
        found, ended = elicit_shares(asking, (*questions.open, *questions.given))
    return combine(asking.variables, found), ended


def _truth(goals: Goals, asking: Asking, estimates: Sequence[Estimate]) -> dict[Pair, Floats]:
    """The tables that are given of pairs that were asked about all the same."""
    shares = {e.pair: given_shares(goals, asking.variables, e.pair) for e in estimates}
    return {pair: own for pair, own in shares.items() if own is not None}


def conclude(
    goals: Goals,
    asking: Asking,
    estimates: Sequence[Estimate],
    implied: Mapping[Pair, Floats],
    ended: AskingEndedError | None,
    scope: Scope,
) -> Estimation:
    """Weigh the estimates by trust, calibrated on the pairs that tables give, and write them as soft targets."""
    truth = _truth(goals, asking, estimates)
    trust = calibrate(asking.variables, estimates, truth, scope.measured)
    wish: Mapping[frozenset[str], float] = asking.spec.dependencies.trust
    found = dependences(goals, asking.variables, estimates, wish=wish, trust=trust, implied=implied, scope=scope)
    unit = asking.unit
    tables = tuple(_as_tables(found, asking.variables, unit, scope, asking.model.identity.name))
    taken = sum("library" in own.weights for own in found)
    seen = f"; {_of_records(found)}" if any(SEED in own.weights for own in found) else ""
    asked = f"{len(estimates)} pairs of variables were asked about, {len(tables) - taken} are estimated"
    asked = f"{taken} pairs of variables are as in {scope.known_from}; {asked}" if taken else asked
    calibrated = f"; trust was calibrated on {len(truth)} given tables" if trust.tables else ""
    return Estimation(
        unit=asking.unit,
        variables=asking.variables,
        dependences=found,
        tables=tables,
        trust=trust,
        sentence=f"{asked}{calibrated}{_zones_beside(found)}{seen}" + (f"; {ended}" if ended is not None else ""),
    )


def _zones_beside(found: Sequence[Dependence]) -> str:
    beside = sum(ZONES in d.weights for d in found)
    return f"; of {beside} pairs zones say how their margins vary together" if beside else ""


def estimate_by_zones(
    goals: Goals, variables: Sequence[Coarse], scope: Scope, *, unit: str, implied: Mapping[Pair, Floats]
) -> Estimation:
    """The dependence of pairs as zones alone say it, as soft targets; `scope` names the pairs and what zones say of them."""
    found = dependences(goals, variables, (), wish={}, trust=None, implied=implied, scope=scope)
    tables = tuple(as_table(d, variables, unit=unit, source=ZONES) for d in found if d.table is not None)
    sentence = f"{len(tables)} pairs of variables are estimated from how their margins vary together over zones"
    return Estimation(unit=unit, variables=tuple(variables), dependences=found, tables=tables, sentence=sentence)


def _interview(
    asking: Asking, questions: Questions, *, spare: int, most: int, notify: Notify
) -> tuple[list[Conditional], AskingEndedError | None]:
    """Put the passes one after another; returns what was answered in full, and the error if the budget ended it.

    The first pass asks for the larger variable given the smaller one: that takes the fewest calls.
    """
    size = {variable.name: variable.size for variable in asking.variables}
    first = [(a, b) if size[a] <= size[b] else (b, a) for a, b in (*questions.open, *questions.given)]
    found: list[Conditional] = []
    names = tuple(FRAMES)
    for frame, number in ((names[0], 0), (names[0], 1), *((name, 2) for name in names[1:])):
        pairs = first if number == 0 else _strong(asking, first, found)
        back = [(asked, given) for given, asked in pairs]
        chosen = [pairs, back, [d for both in zip(pairs, back, strict=True) for d in both]][number]
        affordable = _affordable(asking, chosen, spare, most)
        answered, ended = elicit(asking, frame, affordable, notify=notify)
        found += answered
        if ended is not None:
            return found, ended
    return found, None


def _strong(asking: Asking, first: Sequence[Direction], found: Sequence[Conditional]) -> list[Direction]:
    """The pairs that showed strength, the strongest first, behind those that the user asks for."""
    strength = {frozenset(e.pair): e.strength for e in combine(asking.variables, found)}
    wish = asking.spec.dependencies.ask
    worth = [d for d in first if bare(d) in wish or strength.get(frozenset(d), 0.0) >= WORTH_ASKING]
    return sorted(worth, key=lambda d: (bare(d) not in wish, -strength.get(frozenset(d), 0.0)))


def _affordable(asking: Asking, directions: Sequence[Direction], spare: int, most: int) -> list[Direction]:
    """As many of the first directions as the calls that are left can pay for."""
    left = most - asking.model.spent.scores
    affordable = asking.model.left
    if affordable is not None:
        left = min(left, affordable - spare)
    size = {variable.name: variable.size for variable in asking.variables}
    costs = np.cumsum([size[given] for given, _ in directions])
    return list(directions[: int(np.searchsorted(costs, left, side="right"))])
