"""Who lives with whom: what a model says about a household's members given its first person, as log-weights.

No table says it, and a form with numbered persons does not make a small model say it: asked for the age of "person 3" it repeats
that of person 1. Asked about the householder's husband or wife, or son or daughter, it knows. So roles are put into words: in
which kinds of household the householder has a spouse is asked outright, all others are taken for children; where no variable tells
the kinds apart the second member may be either. What the model says of two strangers is taken off, as everywhere (see `estimates`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from llmsynthor import prompts
from llmsynthor.errors import BudgetError, CannotScoreError
from llmsynthor.llm.backend import ScoreRequest
from llmsynthor.spec.expressions import parse
from llmsynthor.spec.levels import Interval
from llmsynthor.spec.schema import Category, Derived, Numeric, Unit
from llmsynthor.spec.targets import Table
from llmsynthor.synthesis.coarse import Coarse, coarsen
from llmsynthor.synthesis.copula import MAXIMUM_ENTROPY, SOFTNESS
from llmsynthor.synthesis.elicit import Asking, is_people
from llmsynthor.synthesis.nested.aims import Aims
from llmsynthor.synthesis.nested.cuts import expression_cuts
from llmsynthor.synthesis.nested.kinship import (
    either,
    levelled,
    likeness,
    numbers,
    of_heads,
    of_role,
    of_siblings,
    told_apart,
)
from llmsynthor.synthesis.nested.layout import Roster
from llmsynthor.synthesis.nested.related import first_shares, say

SPOUSE, CHILD, SIBLING = "husband or wife", "son or daughter", "brother or sister"
HEAD = "householder"
EITHER = f"{SPOUSE}, {CHILD}"
FRAMES = ("kin-sentence", "kin-interview")
SIBLING_FRAMES = ("kin-siblings-parent", "kin-siblings-child")
MOST_LEVELS = 6
"""Kinds of household that are asked about: a variable with more levels is no kind."""

KIN_BINS = 10
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """Log-weights of a member's `asked` level given that of the first person or of a sibling, shape (given, asked).

    Of the householder's own level they have the shape (asked,). `table` names columns, cells and universe; its values are how
    many times as often as without the belief. `trust` is the factor that is already in the weights.
    """

    role: str
    given: Coarse
    asked: Coarse
    weights: Floats
    trust: float
    table: Table

    @property
    def in_words(self) -> str:
        """What the weights say something about."""
        if self.role == HEAD:
            return f"{self.asked.name} of the {HEAD}"
        member, other = (CHILD, f"a {SIBLING}") if self.role == SIBLING else (self.role, "the householder")
        return f"{self.asked.name} of the {member} given that of {other}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Composition:
    """What was asked about one child unit, and the derived variables that its beliefs need, with their units.

    `margins` are soft targets: what is said of relatives moves nobody from one age to another, also where tables are coarser.
    """

    beliefs: tuple[Belief, ...] = ()
    margins: tuple[Table, ...] = ()
    derived: tuple[tuple[str, Derived], ...] = ()
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
            calls += 1 + variable.size * (1 + 2 * len(FRAMES) + (5 + len(SIBLING_FRAMES) if numeric else 0))
    return calls


def _has_relatives(unit: Unit) -> bool:
    return unit.parent is not None and is_people(unit.name)


def _kin_variables(aims: Aims, unit: Unit) -> tuple[Coarse, ...]:
    cuts = {v.name: expression_cuts(v, aims.spec, unit) for v in unit.coded if isinstance(v, Numeric)}
    found = coarsen(aims.own[aims.layout.number(unit.name)], most_bins=KIN_BINS, cuts=cuts)
    return tuple(variable for variable in found if not aims.spec.is_vetoed(variable.name))


def compose(aims: Aims, asking: Asking, sample: Roster) -> Composition:
    """Ask about the members of a unit of people with a parent; nothing where there is no such unit or no budget.

    `sample` is a population of maximum entropy, in which first persons are counted.
    """
    unit = aims.spec.schema[asking.unit]
    if not _has_relatives(unit) or not sample.length[aims.layout.number(unit.name)].any():
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
    sizes = _role_sizes(aims, sample, unit, kinds)
    inherited = _inherited(asking, variables)
    found: list[Belief] = []
    derived: dict[tuple[str, str], Derived] = {}
    words = ""
    for variable in variables:
        alone = not isinstance(variable.levels[0], Interval) and variable.name not in inherited
        try:
            said = _said_of_roles(asking, variable, first_shares(aims, sample, unit, variable), sizes, alone=alone)
        except BudgetError as spent:
            words = f"; {variable.name} and what follows was not asked: {spent}"
            break
        for role, universe in _roles(parent, kinds):
            weights, trust = said.get(role, (np.zeros(0), 0.0))
            if trust > 0:
                holder, entry = _given(unit, parent, variable, role)
                if entry is not None:
                    derived[holder.name, entry.name] = entry
                columns = _columns(unit, variable, holder, entry)
                found.append(_belief(asking, columns, variable, role, universe, weights, trust))
    told = {belief.asked.name for belief in found}
    margins = tuple(_margin(unit, variable) for variable in variables if variable.name in told)
    known = {(owner.name, entry.name) for owner in (unit, parent) for entry in owner.derived}
    new = tuple((owner, entry) for (owner, name), entry in derived.items() if (owner, name) not in known)
    words = f"{len(found)} tables of who belongs to one {parent.name} were estimated{words}"
    return Composition(beliefs=tuple(found), margins=margins, derived=new, sentence=words)


def _said_of_roles(
    asking: Asking, variable: Coarse, first: Floats, sizes: Mapping[str, float], *, alone: bool
) -> dict[str, tuple[Floats, float]]:
    """Log-weights and trust by role. Of categories these are husbands or wives and children; of numbers the householder and
    children beside their brothers and sisters too, levelled by the `sizes` of the roles."""
    strangers = _scores(asking, "kin-strangers", "", variable)
    asked = {role: [_scores(asking, frame, role, variable) for frame in FRAMES] for role in (SPOUSE, CHILD)}
    told = told_apart([np.mean(scores, axis=0) for scores in asked.values()], strangers, variable)
    if isinstance(variable.levels[0], Interval):
        found = _said_of_numbers(asking, variable, first, strangers, asked, told)
        found[EITHER] = either(found[SPOUSE], found[CHILD])
        level = levelled({role: found[role][0] for role in sizes}, sizes, first)
        return found | {role: (own, found[role][1]) for role, own in level.items()}
    if alone:
        trust = 1.0 if told > 0 else 0.0
        found = {role: (of_role(scores, strangers, variable, first), trust) for role, scores in asked.items()}
    else:
        found = {role: likeness(scores, strangers, variable) for role, scores in asked.items()}
    return found | {EITHER: either(found[SPOUSE], found[CHILD])}


def _said_of_numbers(
    asking: Asking,
    variable: Coarse,
    first: Floats,
    strangers: Floats,
    asked: Mapping[str, Sequence[Floats]],
    told: float,
) -> dict[str, tuple[Floats, float]]:
    """Numbers are asked about forth and back, and outright: who lives with a husband or wife, who is the householder."""
    unknown = _scores(asking, "kin-unknown", "", variable)
    living = _odds(asking, "kin-living", variable)
    found = {HEAD: (of_heads(_odds(asking, "kin-head", variable), variable, told), told)}
    for role, scores in asked.items():
        back = _scores(asking, "kin-back", role, variable) - unknown
        lifts = np.mean(scores, axis=0) - strangers, back.T
        found[role] = numbers(lifts, first, variable.shares, told, living if role == SPOUSE else 0.0), told
    siblings = [_scores(asking, frame, SIBLING, variable) for frame in SIBLING_FRAMES]
    return found | {SIBLING: of_siblings(siblings, strangers, variable, told)}


def _kinds_with_spouse(asking: Asking, parent: Unit) -> tuple[str, tuple[str, ...]] | None:
    """The parent's variable that tells households with a spouse from others, and its levels with one."""
    best: tuple[float, str, tuple[str, ...]] | None = None
    for variable in parent.coded:
        if not isinstance(variable, Category) or len(variable.levels) > MOST_LEVELS:
            continue
        odds = [
            _yes(asking, "kin-kind", label=variable.label or say(variable.name), value=level, role=SPOUSE)
            for level in variable.levels
        ]
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
    yield HEAD, "position == 1"
    if kinds is None:
        yield EITHER, "position == 2"
        yield CHILD, "position > 2"
        yield SIBLING, "position > 3"
        return
    name, levels = kinds
    with_spouse = " or ".join(f"{parent.name}.{name} == {level!r}" for level in levels)
    yield SPOUSE, f"position == 2 and ({with_spouse})"
    yield CHILD, f"position > 1 and not (position == 2 and ({with_spouse}))"
    yield SIBLING, f"position > 2 and not (position == 3 and ({with_spouse}))"


def _role_sizes(aims: Aims, sample: Roster, unit: Unit, kinds: tuple[str, tuple[str, ...]] | None) -> dict[str, float]:
    """Shares of the members in each role."""
    above, length = aims.layout.number(str(unit.parent)), sample.length[aims.layout.number(unit.name)]
    second = length > 1
    if kinds is not None:
        position = [axis.name for axis in aims.own[above].grid.axes].index(kinds[0])
        axis = aims.own[above].grid.axes[position]
        second &= np.isin(np.array(axis.levels, dtype=object)[sample.codes[above][:, position]], kinds[1])
    heads, seconds = int((length > 0).sum()), int(second.sum())
    found = {HEAD: heads, (EITHER if kinds is None else SPOUSE): seconds, CHILD: length.sum() - heads - seconds}
    return {role: float(number / length.sum()) for role, number in found.items()}


def _given(unit: Unit, parent: Unit, variable: Coarse, role: str) -> tuple[Unit, Derived | None]:
    """The variable that holds what is given, and its unit: that of the first member in the parent, or of the member before.

    The user's own where there is one that says so, else a new one under a name that is free. Of the householder nothing is given.
    """
    if role == HEAD:
        return unit, None
    holder, name, text = parent, f"first_{unit.name}_{variable.name}", f"first({unit.name}.{variable.name})"
    if role == SIBLING:
        holder, name, text = unit, f"previous_{variable.name}", f"previous({variable.name})"
    expression = parse(text)
    for entry in holder.derived:
        if entry.expression.tree == expression.tree:
            return holder, entry
    own = unit.variable(variable.name)
    assert isinstance(own, Category | Numeric)
    taken = {entry.name for entry in (*holder.variables, *holder.derived)}
    while name in taken:
        name += "_"
    return holder, Derived(variable=replace(own, name=name), expression=expression)


def _columns(unit: Unit, variable: Coarse, holder: Unit, given: Derived | None) -> tuple[str, ...]:
    if given is None:
        return (variable.name,)
    return (given.name if holder is unit else f"{holder.name}.{given.name}", variable.name)


def _odds(asking: Asking, frame: str, variable: Coarse) -> Floats:
    """Log-odds that somebody of each level lives with a husband or wife, or is the householder, as the frame asks."""
    return np.array([_yes(asking, frame, label=variable.label, value=value, role=SPOUSE) for value in variable.words])


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


def _belief(
    asking: Asking, columns: tuple[str, ...], variable: Coarse, role: str, universe: str, weights: Floats, trust: float
) -> Belief:
    table = Table(
        name=f"{asking.unit}: {' by '.join(columns)} of the {role} (estimated)",
        unit=asking.unit,
        columns=columns,
        cells=tuple(product(variable.levels, repeat=len(columns))),
        values=tuple(float(times) for times in np.exp(weights).ravel()),
        value="share",
        source=f"llm {asking.model.identity.name}",
        universe=parse(universe),
        trust=0.5,
    )
    return Belief(role=role, given=variable, asked=variable, weights=weights, trust=trust, table=table)


def _margin(unit: Unit, variable: Coarse) -> Table:
    return Table(
        name=f"{unit.name}: {variable.name} as tables have it (estimated)",
        unit=unit.name,
        columns=(variable.name,),
        cells=tuple((level,) for level in variable.levels),
        values=tuple(float(share) for share in variable.shares),
        value="share",
        source=MAXIMUM_ENTROPY,
        trust=SOFTNESS,
    )
