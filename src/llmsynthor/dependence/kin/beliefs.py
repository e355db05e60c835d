"""Who lives with whom: what a model says about a household's members given its first person, as log-weights.

No table says it. A small model knows it of roles (see `kin_questions`): in which kinds of household the householder has a spouse
is asked outright, all others are taken for children; where no variable tells the kinds apart the second member may be either. What
the model says of two strangers is taken off where they are asked about in the same form (see `estimates`).
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.aims import Aims
from llmsynthor.aims.cuts import expression_cuts
from llmsynthor.dependence.coarse import Coarse, coarse_cuts, coarsen
from llmsynthor.dependence.copula import SOFTNESS
from llmsynthor.dependence.elicit import Asking, is_people
from llmsynthor.dependence.kin.questions import (
    CHILD,
    EITHER,
    HEAD,
    HEAD_OF_KIND,
    RELATIVE,
    SIBLING,
    SPOUSE,
    inherited_ones,
    kinds_with_spouse,
    most_calls,
    said_by_words,
    said_of_roles,
)
from llmsynthor.dependence.kin.weights import Said
from llmsynthor.dependence.related import first_shares
from llmsynthor.errors import AnswerError, AskingEndedError, CannotScoreError
from llmsynthor.population.roster import Roster
from llmsynthor.spec.expressions import parse
from llmsynthor.spec.levels import Interval
from llmsynthor.spec.schema import Category, Derived, Numeric, Unit
from llmsynthor.spec.targets import MAXIMUM_ENTROPY, Table

KIN_BINS = 10
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Belief:
    """Log-weights of a member's `asked` level given that of the first person or of a sibling, shape (given, asked).

    Of the householder's own level they have the shape (asked,), or the kind of household is given. `table` names columns, cells
    and universe; its values are how many times as often as without the belief. `trust` is the factor that is already in the
    weights, or the larger of two.
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
        if self.role == HEAD_OF_KIND:
            return f"{self.asked.name} of the {HEAD} given {self.given.name}"
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
    """Scoring calls at most, over all units of people with a parent."""
    schema = aims.spec.schema
    units = [unit for unit in schema.units if has_relatives(unit)]
    return sum(most_calls(schema[str(unit.parent)], kin_variables(aims, unit)) for unit in units)


def has_relatives(unit: Unit) -> bool:
    """Whether a unit is one of people with a parent."""
    return unit.parent is not None and is_people(unit.name)


def kin_variables(aims: Aims, unit: Unit, most_bins: int = KIN_BINS) -> tuple[Coarse, ...]:
    """The variables of members that relatives are told about, numbers cut where rules and coarse tables cut them and into so
    many bins."""
    goals = aims.own[aims.layout.number(unit.name)]
    cuts = {
        v.name: (*expression_cuts(v, aims.spec, unit), *coarse_cuts(goals, v.name))
        for v in unit.coded
        if isinstance(v, Numeric)
    }
    found = coarsen(goals, most_bins=most_bins, cuts=cuts)
    return tuple(variable for variable in found if not aims.spec.is_vetoed(variable.name))


def compose(aims: Aims, asking: Asking, sample: Roster, known: Collection[str] = ()) -> Composition:
    """Ask about the members of a unit of people with a parent; nothing where there is no such unit or no budget.

    `sample` is a population of maximum entropy, in which first persons are counted. Variables that are `known` are not asked about.
    """
    unit = aims.spec.schema[asking.unit]
    if not has_relatives(unit) or not sample.length[aims.layout.number(unit.name)].any():
        return Composition()
    try:
        return _compose(aims, asking, unit, sample, known)
    except CannotScoreError:
        return Composition(
            sentence=f"the model cannot say who belongs to one {unit.parent}: it gives no log-probabilities"
        )
    except (AnswerError, AskingEndedError) as spent:
        return Composition(sentence=f"who belongs to one {unit.parent} was not asked: {spent}")


def _compose(aims: Aims, asking: Asking, unit: Unit, sample: Roster, skipped: Collection[str]) -> Composition:
    parent = aims.spec.schema[str(unit.parent)]
    variables = tuple(own for own in kin_variables(aims, unit) if own.name not in skipped)
    if not variables:
        return Composition()
    kinds = kinds_with_spouse(asking, parent)
    kind = _kind(aims, parent, kinds)
    sizes = role_sizes(aims, sample, unit, kinds)
    inherited = inherited_ones(asking, variables)
    found: list[Belief] = []
    derived: dict[tuple[str, str], Derived] = {}
    words = ""
    for variable in variables:
        said: dict[str, Said] = {}
        try:
            first = first_shares(aims, sample, unit, variable)
            said = said_of_roles(asking, variable, first, sizes, alone=variable.name not in inherited)
            if not isinstance(variable.levels[0], Interval):
                said = said_by_words(asking, variable, said, None if _is_skipped(aims, kind, variable) else kind)
        except (AnswerError, AskingEndedError) as spent:
            words = f"; {variable.name} and what follows was not asked to the end: {spent}"
        for role, universe in _roles(parent, kinds, said):
            if role in said and said[role][1] > 0:
                given = variable if role != HEAD_OF_KIND or kind is None else kind
                columns, entry = given_columns(unit, parent, variable, role, given)
                if entry is not None:
                    derived[entry[0].name, entry[1].name] = entry[1]
                found.append(_belief(asking, columns, (given, variable), role, universe, said[role]))
        if words:
            break
    told = {belief.asked.name for belief in found}
    margins = tuple(_margin(unit, variable) for variable in variables if variable.name in told)
    known = {(owner.name, entry.name) for owner in (unit, parent) for entry in owner.derived}
    new = tuple((owner, entry) for (owner, name), entry in derived.items() if (owner, name) not in known)
    words = f"{len(found)} tables of who belongs to one {parent.name} were estimated{words}"
    return Composition(beliefs=tuple(found), margins=margins, derived=new, sentence=words)


def _roles(
    parent: Unit, kinds: tuple[str, tuple[str, ...]] | None, said: Mapping[str, Said]
) -> Iterator[tuple[str, str]]:
    """Each role with the universe of the members that have it; children in all households, unless of others more is `said`."""
    yield HEAD, "position == 1"
    yield HEAD_OF_KIND, "position == 1"
    if kinds is None:
        yield EITHER, "position == 2"
        yield CHILD, "position > 2"
        yield SIBLING, "position > 3"
        return
    name, levels = kinds
    with_spouse = " or ".join(f"{parent.name}.{name} == {level!r}" for level in levels)
    yield SPOUSE, f"position == 2 and ({with_spouse})"
    if RELATIVE in said:
        yield CHILD, f"position > 2 and ({with_spouse})"
        yield RELATIVE, f"position > 1 and not ({with_spouse})"
    else:
        yield CHILD, f"position > 1 and not (position == 2 and ({with_spouse}))"
    yield SIBLING, f"position > 2 and not (position == 3 and ({with_spouse}))"


def role_sizes(aims: Aims, sample: Roster, unit: Unit, kinds: tuple[str, tuple[str, ...]] | None) -> dict[str, float]:
    """Shares of the members in each role."""
    above, length = aims.layout.number(str(unit.parent)), sample.length[aims.layout.number(unit.name)]
    heads, all_members = (length > 0).sum(), length.sum()
    if kinds is None:
        seconds = (length > 1).sum()
        found = {HEAD: heads, EITHER: seconds, CHILD: all_members - heads - seconds}
    else:
        position = [axis.name for axis in aims.own[above].grid.axes].index(kinds[0])
        axis = aims.own[above].grid.axes[position]
        coupled = np.isin(np.array(axis.levels, dtype=object)[sample.codes[above][:, position]], kinds[1])
        found = {
            HEAD: heads,
            SPOUSE: (coupled & (length > 1)).sum(),
            CHILD: np.maximum(length[coupled] - 2, 0).sum(),
            RELATIVE: np.maximum(length[~coupled] - 1, 0).sum(),
        }
    return {role: float(number / all_members) for role, number in found.items()}


def _is_skipped(aims: Aims, kind: Coarse | None, variable: Coarse) -> bool:
    return kind is not None and frozenset((kind.name, variable.name)) in aims.spec.dependencies.skip


def _kind(aims: Aims, parent: Unit, kinds: tuple[str, tuple[str, ...]] | None) -> Coarse | None:
    """The variable that tells kinds of household apart, where a table gives its margin."""
    every = coarsen(aims.own[aims.layout.number(parent.name)])
    named = kinds[0] if kinds is not None and not aims.spec.is_vetoed(kinds[0]) else None
    return next((variable for variable in every if variable.name == named), None)


def given_columns(
    unit: Unit, parent: Unit, variable: Coarse, role: str, given: Coarse
) -> tuple[tuple[str, ...], tuple[Unit, Derived] | None]:
    """The columns of a belief, and the derived variable that holds what is given, with its unit.

    What is given is that of the first member in the parent, or of the member before: the user's own variable where there is one
    that says so, else a new one under a name that is free. Of the householder nothing is given, or the kind of household.
    """
    if role == HEAD:
        return (variable.name,), None
    if role == HEAD_OF_KIND:
        return (f"{parent.name}.{given.name}", variable.name), None
    holder, name, text = parent, f"first_{unit.name}_{variable.name}", f"first({unit.name}.{variable.name})"
    if role == SIBLING:
        holder, name, text = unit, f"previous_{variable.name}", f"previous({variable.name})"
    entry = _derived(unit, holder, variable, name, text)
    return (entry.name if holder is unit else f"{holder.name}.{entry.name}", variable.name), (holder, entry)


def _derived(unit: Unit, holder: Unit, variable: Coarse, name: str, text: str) -> Derived:
    expression = parse(text)
    for entry in holder.derived:
        if entry.expression.tree == expression.tree:
            return entry
    own = unit.variable(variable.name)
    assert isinstance(own, Category | Numeric)
    taken = {entry.name for entry in (*holder.variables, *holder.derived)}
    while name in taken:
        name += "_"
    return Derived(variable=replace(own, name=name), expression=expression)


def _belief(
    asking: Asking,
    columns: tuple[str, ...],
    variables: tuple[Coarse, Coarse],
    role: str,
    universe: str,
    said: Said,
) -> Belief:
    (given, asked), (weights, trust) = variables, said
    levels = (given.levels, asked.levels) if len(columns) > 1 else (asked.levels,)
    table = Table(
        name=f"{asking.unit}: {' by '.join(columns)} of the {role} (estimated)",
        unit=asking.unit,
        columns=columns,
        cells=tuple(product(*levels)),
        values=tuple(float(times) for times in np.exp(weights).ravel()),
        value="share",
        source=f"llm {asking.model.identity.name}",
        universe=parse(universe),
        trust=0.5,
    )
    return Belief(role=role, given=given, asked=asked, weights=weights, trust=trust, table=table)


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
