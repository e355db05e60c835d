"""Who lives with whom: what a model says about a household's members given its first person, as log-weights.

No table says it, and a form with numbered persons does not make a small model say it: asked for the age of "person 3" it repeats
that of person 1. Asked about the householder's husband or wife, or son or daughter, it knows. So roles are put into words: in
which kinds of household the householder has a spouse is asked outright, all others are taken for children; where no variable tells
the kinds apart the second member may be either. What the model says of two strangers is taken off, as everywhere (see `estimates`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from llmsynthor import prompts
from llmsynthor.errors import BudgetError, CannotScoreError
from llmsynthor.llm.backend import ScoreRequest
from llmsynthor.spec.expressions import parse
from llmsynthor.spec.levels import Interval, Level
from llmsynthor.spec.schema import Category, Derived, Numeric, Unit
from llmsynthor.spec.targets import Table
from llmsynthor.synthesis.coarse import Coarse, coarsen, fit_margins, interaction, mutual_information
from llmsynthor.synthesis.copula import HALF_STRENGTH
from llmsynthor.synthesis.elicit import PEOPLE, Asking
from llmsynthor.synthesis.estimates import agreement_of, believable
from llmsynthor.synthesis.nested.aims import Aims
from llmsynthor.synthesis.nested.cuts import expression_cuts
from llmsynthor.synthesis.nested.layout import Roster

SPOUSE, CHILD = "husband or wife", "son or daughter"
EITHER = f"{SPOUSE}, {CHILD}"
FRAMES = ("kin-sentence", "kin-interview")
STRONG, HALF_STRONG, ROLE, BACK, HOW_MANY = 3.0, 0.5, 2.0, 0.6, 3.0
"""What a model of full credibility says about a number in a role counts STRONG times at most, half of it at HALF_STRONG nats of
dependence on the first person's, and ROLE times where it depends on the role alone (children are young). What it says of the first
person given the member counts BACK beside the other way round, and HOW_MANY times for who has such a member at all. Fitted on ages
in family households of South Carolina."""

MOST_LEVELS = 6
"""Kinds of household that are asked about: a variable with more levels is no kind."""

KIN_BINS = 10
CLIP = 6.0
TURNS = 100
LEAST_FIRST = 1e-4

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """Log-weights (rows, columns) of a member's `asked` level given the first person's `given` level, for one role.

    `table` names columns, cells and universe; its values are how many times as often as without the belief. `trust` is the
    factor that is already in the weights.
    """

    role: str
    given: Coarse
    asked: Coarse
    weights: Floats
    trust: float
    table: Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Composition:
    """What was asked about one child unit, and the derived variables that its beliefs need in the parent."""

    beliefs: tuple[Belief, ...] = ()
    derived: tuple[Derived, ...] = ()
    sentence: str = ""


def planned_composition(aims: Aims) -> int:
    """Scoring calls at most: kinds of household, what is inherited, and for every variable its rows in every frame and role."""
    calls = 0
    for unit in aims.spec.schema.units:
        if not _has_relatives(unit):
            continue
        parent = aims.spec.schema[str(unit.parent)]
        kinds = (v for v in parent.coded if isinstance(v, Category) and len(v.levels) <= MOST_LEVELS)
        calls += sum(len(variable.levels) for variable in kinds)
        for variable in _kin_variables(aims, unit):
            numeric = isinstance(variable.levels[0], Interval)
            calls += 1 + variable.size * (1 + 2 * len(FRAMES) + (3 if numeric else 0))
    return calls


def _has_relatives(unit: Unit) -> bool:
    return unit.parent is not None and unit.name.lower().removesuffix("s") in PEOPLE


def _kin_variables(aims: Aims, unit: Unit) -> tuple[Coarse, ...]:
    cuts = {v.name: expression_cuts(v, aims.spec, unit) for v in unit.coded if isinstance(v, Numeric)}
    found = coarsen(aims.own[aims.layout.number(unit.name)], most_bins=KIN_BINS, cuts=cuts)
    return tuple(variable for variable in found if not aims.spec.is_vetoed(variable.name))


def compose(aims: Aims, asking: Asking, sample: Roster) -> Composition:
    """Ask about the members of a unit of people with a parent; nothing where there is no such unit or no budget.

    `sample` is a population of maximum entropy, in which first persons are counted.
    """
    unit = aims.spec.schema[asking.unit]
    if not _has_relatives(unit):
        return Composition()
    try:
        return _compose(aims, asking, unit, sample)
    except CannotScoreError:
        return Composition(
            sentence=f"the model cannot say who belongs to one {unit.parent}: it gives no log-probabilities"
        )
    except BudgetError as spent:
        return Composition(sentence=f"who belongs to one {unit.parent} was not asked: {spent}")


def _compose(aims: Aims, asking: Asking, unit: Unit, sample: Roster) -> Composition:
    parent = aims.spec.schema[str(unit.parent)]
    variables = _kin_variables(aims, unit)
    kinds = _kinds_with_spouse(asking, parent)
    inherited = _inherited(asking, variables)
    found: list[Belief] = []
    derived: dict[str, Derived] = {}
    for variable in variables:
        numeric = isinstance(variable.levels[0], Interval)
        alone = not numeric and variable.name not in inherited
        column, new = _first_column(unit, parent, variable)
        first = first_shares(aims, sample, unit, variable)
        said = _said_of_roles(asking, variable, first, alone=alone)
        for role, universe in _roles(parent, kinds):
            weights, trust = said[role] if role in said else _either(said[SPOUSE], said[CHILD])
            if trust > 0:
                found.append(_belief(asking, column, variable, role, universe, weights, trust))
                derived |= {entry.name: entry for entry in new}
    words = f"{len(found)} tables of who belongs to one {parent.name} were estimated"
    return Composition(beliefs=tuple(found), derived=tuple(derived.values()), sentence=words)


def _said_of_roles(asking: Asking, variable: Coarse, first: Floats, *, alone: bool) -> dict[str, tuple[Floats, float]]:
    """Log-weights and trust of a husband or wife, and of a son or daughter."""
    strangers = _scores(asking, "kin-strangers", "", variable)
    asked = {role: [_scores(asking, frame, role, variable) for frame in FRAMES] for role in (SPOUSE, CHILD)}
    told = _told_apart([np.mean(scores, axis=0) for scores in asked.values()], strangers, variable)
    if alone:
        trust = 1.0 if told > 0 else 0.0
        return {role: (_of_role(scores, strangers, variable, first), trust) for role, scores in asked.items()}
    if not isinstance(variable.levels[0], Interval):
        return {role: _likeness(scores, strangers, variable) for role, scores in asked.items()}
    unknown, found = _scores(asking, "kin-unknown", "", variable), {}
    for role, scores in asked.items():
        back = _scores(asking, "kin-back", role, variable) - unknown
        lifts = np.mean(scores, axis=0) - strangers, back.T
        found[role] = _numbers(lifts, first, variable.shares, told), told
    return found


def _of_role(scores: Sequence[Floats], strangers: Floats, variable: Coarse, first: Floats) -> Floats:
    """How much likelier a level is in a role, whatever the first person's: husbands and wives are not in preschool."""
    lift = first @ (np.mean(scores, axis=0) - strangers)
    lift = lift - np.log(variable.shares @ np.exp(lift))
    return np.asarray(np.tile(np.clip(lift, -CLIP, CLIP), (variable.size, 1)))


def _either(one: tuple[Floats, float], other: tuple[Floats, float]) -> tuple[Floats, float]:
    """Of a member who may have either role, as likely one as the other."""
    return np.logaddexp(one[0], other[0]) - np.log(2.0), min(one[1], other[1])


def _kinds_with_spouse(asking: Asking, parent: Unit) -> tuple[str, tuple[str, ...]] | None:
    """The parent's variable that tells households with a spouse from others, and its levels with one."""
    best: tuple[float, str, tuple[str, ...]] | None = None
    for variable in parent.coded:
        if not isinstance(variable, Category) or len(variable.levels) > MOST_LEVELS:
            continue
        odds = [_yes(asking, "kin-kind", label=_label(variable), value=level, role=SPOUSE) for level in variable.levels]
        spread = max(odds) - min(odds)
        if max(odds) > 0 > min(odds) and (best is None or spread > best[0]):
            levels = tuple(level for level, own in zip(variable.levels, odds, strict=True) if own > 0)
            best = (spread, variable.name, levels)
    return best[1:] if best is not None else None


def _inherited(asking: Asking, variables: Sequence[Coarse]) -> set[str]:
    """The variables that the model holds for inherited more than the others."""
    odds = {v.name: _yes(asking, "kin-inherited", label=v.label, value="", role=CHILD) for v in variables}
    usual = float(np.mean(list(odds.values()))) if odds else 0.0
    return {name for name, own in odds.items() if own > usual}


def _roles(parent: Unit, kinds: tuple[str, tuple[str, ...]] | None) -> Iterator[tuple[str, str]]:
    """Each role with the universe of the members that have it."""
    if kinds is None:
        yield EITHER, "position == 2"
        yield CHILD, "position > 2"
        return
    name, levels = kinds
    with_spouse = " or ".join(f"{parent.name}.{name} == {level!r}" for level in levels)
    yield SPOUSE, f"position == 2 and ({with_spouse})"
    yield CHILD, f"position > 1 and not (position == 2 and ({with_spouse}))"


def _first_column(unit: Unit, parent: Unit, variable: Coarse) -> tuple[str, list[Derived]]:
    """The parent's column that holds the variable of its first member; a new one where there is none."""
    expression = parse(f"first({unit.name}.{variable.name})")
    for entry in parent.derived:
        if entry.expression.tree == expression.tree:
            return f"{parent.name}.{entry.name}", []
    own = unit.variable(variable.name)
    assert isinstance(own, Category | Numeric)
    name = f"first_{unit.name}_{variable.name}"
    return f"{parent.name}.{name}", [Derived(variable=replace(own, name=name), expression=expression)]


def _scores(asking: Asking, frame: str, role: str, variable: Coarse) -> Floats:
    """log p(a member's level | the first person's level), shape (levels, levels)."""
    rows = []
    choices = tuple(f" {word}" for word in variable.words)
    for value in variable.words:
        context = _fill(asking, frame, label=variable.label, value=value, role=role)
        request = ScoreRequest(context=context, choices=choices, whole=False)
        rows.append(asking.model.score(request).log_probabilities)
    return np.array(rows)


def _yes(asking: Asking, frame: str, **words: str) -> float:
    request = ScoreRequest(context=_fill(asking, frame, **words), choices=(" Yes", " No"))
    yes, no = asking.model.score(request).log_probabilities
    return yes - no


def _fill(asking: Asking, frame: str, **words: str) -> str:
    unit = asking.spec.schema[asking.unit]
    return prompts.fill(
        frame, context=asking.spec.context, scenario=asking.spec.scenario, unit=unit.name, parent=unit.parent, **words
    )


def _told_apart(roles: Sequence[Floats], strangers: Floats, variable: Coarse) -> float:
    """How far the model tells relatives from strangers, over all roles: see `estimates.believable`."""
    chance = np.outer(variable.shares, variable.shares)
    square = [
        float((chance * interaction(m, variable.shares, variable.shares) ** 2).sum()) for m in (*roles, strangers)
    ]
    return believable(sum(square[:-1]) / len(roles), square[-1])


def first_shares(aims: Aims, sample: Roster, unit: Unit, variable: Coarse) -> Floats:
    """Shares of the first members in a variable's levels."""
    number = aims.layout.number(unit.name)
    first = sample.start[number][sample.length[number] > 0]
    codes = sample.codes[number][first, variable.axis]
    axis = aims.own[number].grid.axes[variable.axis]
    counts = np.array([axis.within(level)[codes].sum() for level in variable.levels]) + 0.5
    return np.asarray(counts / counts.sum())


def _numbers(lifts: tuple[Floats, Floats], first: Floats, members: Floats, told: float) -> Floats:
    """Log-weights of (first person, member) in one role, from what the model says forth and back.

    A member's level given the first person's, and the other way round, are how much likelier it is in this role than for
    strangers. Both together also say at which levels first persons have such members: the shares that they agree on, repeated
    in turn.
    """
    forth = lifts[0] - np.log((members * np.exp(lifts[0])).sum(axis=1, keepdims=True))
    back = lifts[1] - np.log((first[:, None] * np.exp(lifts[1])).sum(axis=0, keepdims=True))
    strength = mutual_information(fit_margins(forth, first, members))
    lift = forth + BACK * back
    role = first @ lift
    lift = told * (STRONG * strength / (strength + HALF_STRONG) * (lift - role) + ROLE * role)
    lift -= np.log((members * np.exp(lift)).sum(axis=1, keepdims=True))
    having = _agreed(told * HOW_MANY * forth, told * HOW_MANY * back, first, members)
    return np.asarray(np.clip(lift + np.log(having / first)[:, None], -CLIP, CLIP))


def _agreed(forth: Floats, back: Floats, first: Floats, members: Floats) -> Floats:
    """Shares of first persons that both conditionals lead to when one is drawn after the other."""
    onwards = members * np.exp(forth)
    onwards /= onwards.sum(axis=1, keepdims=True)
    backwards = first[:, None] * np.exp(back)
    backwards /= backwards.sum(axis=0, keepdims=True)
    found = first
    for _ in range(TURNS):
        found = backwards @ (found @ onwards)
    return np.asarray(np.maximum(found / found.sum(), LEAST_FIRST))


def _likeness(scores: Sequence[Floats], strangers: Floats, variable: Coarse) -> tuple[Floats, float]:
    """How a member's level depends on the first person's, beyond what strangers' do; where those depend more it is a contrast
    that the form of the question makes, and is left alone."""
    shares = variable.shares
    own = [interaction(matrix, shares, shares) for matrix in scores]
    echo = interaction(strangers, shares, shares)
    if _strength(echo, shares) <= _strength(np.mean(own, axis=0), shares):
        own = [matrix - echo for matrix in own]
    mean = np.mean(own, axis=0)
    strength = _strength(mean, shares)
    agreed = max(agreement_of(own, np.outer(shares, shares)), 0.0)
    trust = strength / (strength + HALF_STRENGTH) * float(np.sqrt(agreed))
    return trust * np.clip(mean, -CLIP, CLIP), trust


def _strength(matrix: Floats, shares: Floats) -> float:
    return mutual_information(fit_margins(matrix, shares, shares))


def _belief(
    asking: Asking, column: str, variable: Coarse, role: str, universe: str, weights: Floats, trust: float
) -> Belief:
    cells: tuple[tuple[Level, ...], ...] = tuple((x, y) for x in variable.levels for y in variable.levels)
    table = Table(
        name=f"{column} by {variable.name} of the {role} (estimated)",
        unit=asking.unit,
        columns=(column, variable.name),
        cells=cells,
        values=tuple(float(times) for times in np.exp(weights).ravel()),
        value="share",
        source=f"llm {asking.model.identity.name}",
        universe=parse(universe),
        trust=0.5,
    )
    return Belief(role=role, given=variable, asked=variable, weights=weights, trust=trust, table=table)


def _label(variable: Category) -> str:
    return variable.label or variable.name.replace("_", " ")
