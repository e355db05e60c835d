"""What a model is asked about in each unit: its own variables, its derived ones, its parent's, and the order of its records.

Pairs of these are asked about as those of a flat unit are. Their margins and what the given tables imply about them are counted
in a population of maximum entropy, since no table may say, for instance, how many trips are the last of their day.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.aims import Aims
from llmsynthor.aims.goals import Goals
from llmsynthor.aims.grid import Grid
from llmsynthor.aims.layout import Place
from llmsynthor.aims.uses import expressions_of
from llmsynthor.dependence.coarse import MOST_LEVELS, Coarse, coarsen
from llmsynthor.dependence.copula import MOST_QUESTIONS
from llmsynthor.dependence.elicit import Pair, is_people
from llmsynthor.dependence.estimation import planned_questions
from llmsynthor.dependence.pair_tables import pair_shares_of
from llmsynthor.population.roster import Roster, rows_below
from llmsynthor.spec.expressions import Aggregate, Expression, Node, Reference, nodes, parse, references, walk
from llmsynthor.spec.inputs import POSITION, base_columns
from llmsynthor.spec.schema import Category, Derived, Unit
from llmsynthor.spec.specification import Spec

TURN, BEFORE = "turn", "previous_"
HISTORIES = 8
"""Beginnings of a sequence that are asked about, each as it ends and as it goes on."""

TURNS = ("the only one", "the first", "the last", "one in between")

SAMPLE = 5_000
"""Top records of the population that is counted: noise of a pair's mutual information is far below what counts."""

Codes = NDArray[np.int32]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Related:
    """The variables of one unit to ask about and the pairs of them; `goals` are the tables that give some of them.

    `floating` variables have a margin that no table gives and others decide; `turn` names the one that says where in the order
    of its parent's records one is, where there is an order.
    """

    unit: str
    goals: Goals
    variables: tuple[Coarse, ...]
    pairs: tuple[Pair, ...]
    floating: frozenset[str] = frozenset()
    turn: str | None = None


def order_columns(spec: Spec, unit: Unit) -> tuple[Derived, ...]:
    """Variables of a unit whose records follow each other: the turn of each, and what its predecessor has."""
    if not is_ordered(spec, unit):
        return ()
    every = (_turn(unit), *_before(spec, unit))
    taken = {variable.name for variable in unit.variables} | {derived.name for derived in unit.derived}
    return tuple(derived for derived in every if derived.name not in taken)


def is_ordered(spec: Spec, unit: Unit) -> bool:
    """Whether the spec makes something of the order of a unit's records; the members of a household have ranks, no order."""
    if unit.parent is None or is_people(unit.name):
        return False
    return any(owner.name == unit.name and _follows(expression) for owner, expression in expressions_of(spec))


def _follows(expression: Expression) -> bool:
    return any(_is_previous(node) or node == Reference(None, POSITION) for node in nodes(expression.tree))


def _is_previous(node: Node) -> bool:
    return isinstance(node, Aggregate) and node.function == "previous"


def _turn(unit: Unit) -> Derived:
    """Which of its parent's records one is, in words."""
    only, first, last, between = (repr(words) for words in TURNS)
    count = f"{unit.parent}.{unit.count}"
    text = f"{only} if {count} == 1 else {first} if position == 1 else {last} if position == {count} else {between}"
    label = f"Which {say(unit.name)} of the {say(str(unit.parent))}"
    return Derived(variable=Category(name=TURN, levels=TURNS, label=label), expression=parse(text))


def _before(spec: Spec, unit: Unit) -> Iterator[Derived]:
    """What each variable is in the record before, unless a rule ties the two together already, or the user vetoes it."""
    tied = {reference.name for rule in _tying(spec, unit) for reference in references(rule)}
    for variable in unit.coded:
        if variable.name not in tied and not spec.is_vetoed(variable.name):
            label = f"{variable.label or say(variable.name)} of the {say(unit.name)} before"
            own = replace(variable, name=BEFORE + variable.name, label=label)
            yield Derived(variable=own, expression=parse(f"previous({variable.name})"))


def following(spec: Spec, unit: Unit) -> frozenset[str]:
    """Variables that a rule makes follow from the record before: an origin that is where the last trip ended, a later hour."""
    return frozenset(r.name for rule in _tying(spec, unit) for r in walk(rule.tree, aggregates=False))


def _led(spec: Spec, unit: Unit) -> frozenset[str]:
    """Categories that follow from the record before."""
    led = following(spec, unit)
    return frozenset(
        variable.name for variable in unit.coded if isinstance(variable, Category) and variable.name in led
    )


def _tying(spec: Spec, unit: Unit) -> Iterator[Expression]:
    """Rules that compare a record with its predecessor: `origin != previous(activity)` ties both variables."""
    for rule in spec.rules:
        if rule.unit == unit.name and any(map(_is_previous, nodes(rule.forbid.tree))):
            yield rule.forbid


def say(name: str) -> str:
    return name.replace("_", " ")


def relate(aims: Aims) -> tuple[Related, ...]:
    """Say for each unit which variables and pairs to ask about, before anything is counted."""
    own = [coarsen(_within(aims, unit, above=False)) for unit in range(len(aims.goals))]
    return tuple(_relate(aims, unit, own) for unit in range(len(aims.goals)))


def questions_of_each(aims: Aims) -> int:
    """Questions about pairs that may be put for each unit."""
    return MOST_QUESTIONS // len(aims.goals)


def planned_nested(aims: Aims) -> int:
    """Scoring calls about pairs that a run makes at most; those about who belongs together come on top."""
    most = questions_of_each(aims)
    every = relate(aims)
    turns = sum(2 * HISTORIES * len(own.variables) for own in every if own.turn is not None)
    return turns + sum(planned_questions(own.goals, aims.spec, own.variables, own.pairs, most) for own in every)


def _relate(aims: Aims, unit: int, own: list[tuple[Coarse, ...]]) -> Related:
    goals = _within(aims, unit, above=True)
    position = {axis.name: k for k, axis in enumerate(goals.grid.axes)}
    partial = tuple(_partial(_within(aims, unit, above=False), own[unit]))
    ordered = tuple(_ordered(aims, unit, own[unit]))
    known = [*own[unit], *partial, *ordered]
    parent = aims.layout.parent(unit)
    if parent >= 0:
        prefix = aims.layout.units[parent].name
        coded = {variable.name for variable in aims.layout.units[parent].coded}
        known += [replace(v, name=f"{prefix}.{v.name}") for v in own[parent] if v.name in coded]
    variables = tuple(replace(v, axis=position.get(v.name, -1)) for v in known)
    added = frozenset(variable.name for variable in ordered)
    every = combinations([v.name for v in variables], 2)
    return Related(
        unit=aims.layout.units[unit].name,
        goals=goals,
        variables=variables,
        pairs=tuple(pair for pair in every if _is_asked(aims.spec, unit, pair, added)),
        floating=frozenset(variable.name for variable in partial),
        turn=TURN if TURN in added else None,
    )


def _partial(goals: Goals, own: tuple[Coarse, ...]) -> Iterator[Coarse]:
    """Categories that tables give for part of the records only, such as the origin of a first trip."""
    named = {name for goal in goals.given for name in goal.table.columns} - {variable.name for variable in own}
    for axis in goals.grid.axes:
        if axis.name in named and isinstance(axis.variable, Category) and 2 <= axis.size <= MOST_LEVELS:
            words = tuple(str(level) for level in axis.levels)
            even = np.full(axis.size, 1 / axis.size)
            label = axis.variable.label or say(axis.name)
            yield Coarse(axis=0, name=axis.name, label=label, levels=axis.levels, words=words, shares=even)


def _ordered(aims: Aims, unit: int, own: tuple[Coarse, ...]) -> Iterator[Coarse]:
    """The turn, and what the record before has, in the words of the variable itself."""
    by_name = {variable.name: variable for variable in own}
    for derived in order_columns(aims.spec, aims.layout.units[unit]):
        label = derived.variable.label
        if derived.name == TURN:
            even = np.full(len(TURNS), 1 / len(TURNS))
            yield Coarse(axis=0, name=TURN, label=label, levels=TURNS, words=TURNS, shares=even)
        elif derived.name.removeprefix(BEFORE) in by_name:
            yield replace(by_name[derived.name.removeprefix(BEFORE)], name=derived.name, label=label)


def _is_asked(spec: Spec, unit: int, pair: Pair, ordered: frozenset[str]) -> bool:
    """Pairs of a parent's variables belong to the parent; a predecessor's variable is asked about beside the record's own.

    Turns, which are among the `ordered`, are asked about in words of their own (see `sequence`). Of a category that follows from
    the record before nothing is asked beside a parent's: what that record led to says it.
    """
    one, other = pair
    if "." in one and "." in other:
        return False
    if ordered & set(pair):
        return other != TURN and other in ordered and one == other.removeprefix(BEFORE)
    owner = spec.schema.units[unit]
    if ordered and "." in other and one in _led(spec, owner):
        return False
    name = owner.name
    used = [base_columns((name, column), spec.schema) if "." not in column else frozenset() for column in pair]
    return (name, one) not in used[1] and (name, other) not in used[0]


def _within(aims: Aims, unit: int, *, above: bool) -> Goals:
    """A unit's goals with the axes that can be asked about: its own and derived ones, and its parent's own (`above`)."""
    columns, kept = aims.layout.columns, []
    hidden = {derived.name for derived in aims.layout.units[unit].derived if derived.hidden}
    for (owner, position), axis in zip(aims.layout.wide_places(unit), aims.goals[unit].grid.axes, strict=True):
        role = columns[owner][position].role
        of_parent = above and owner == aims.layout.parent(unit) and role == "own"
        if of_parent or (owner == unit and role in ("own", "derived") and axis.name not in {POSITION, *hidden}):
            kept.append(axis)
    return replace(aims.goals[unit], grid=Grid(unit=aims.layout.units[unit], axes=tuple(kept)))


def counted(
    related: Related, aims: Aims, roster: Roster, computed: Mapping[Place, Codes]
) -> tuple[Related, dict[Pair, Floats]]:
    """Take margins that no table gives from a population, and count what it implies about each pair.

    `computed` has the code of every computed column of the population.

    Of a record and the one before it tables say nothing that is worth it: what a model says of them stands alone.
    """
    codes = coarse_codes(related, aims, roster, computed)
    given = {name for goal in related.goals.given if goal.table.universe is None for name in goal.table.columns}
    variables = []
    for variable in related.variables:
        counts = np.bincount(codes[variable.name][codes[variable.name] >= 0], minlength=variable.size) + 0.5
        shares = variable.shares if variable.name in given else counts / counts.sum()
        variables.append(replace(variable, shares=shares))
    by_name = {variable.name: variable for variable in variables}
    size = {name: variable.size for name, variable in by_name.items()}
    tables = {
        (a, b): pair_shares_of(codes[a], codes[b], size[a], size[b]) for a, b in related.pairs if by_name[b].axis >= 0
    }
    return replace(related, variables=tuple(variables)), tables


def first_shares(aims: Aims, sample: Roster, unit: Unit, variable: Coarse) -> Floats:
    """Shares of the first members in a variable's levels."""
    number = aims.layout.number(unit.name)
    first = sample.start[number][sample.length[number] > 0]
    codes = sample.codes[number][first, variable.axis]
    axis = aims.own[number].grid.axes[variable.axis]
    counts = np.array([axis.within(level)[codes].sum() for level in variable.levels]) + 0.5
    return np.asarray(counts / counts.sum())


def coarse_codes(
    related: Related, aims: Aims, roster: Roster, computed: Mapping[Place, Codes]
) -> dict[str, NDArray[np.int64]]:
    """Coarse level of every record of the unit in each variable, -1 where it has none."""
    layout, unit = aims.layout, aims.layout.number(related.unit)
    family = _Family.of(unit, roster) if layout.parent(unit) >= 0 else None
    places = {a.name: p for a, p in zip(aims.goals[unit].grid.axes, layout.wide_places(unit), strict=True)}
    found = {}
    for variable in related.variables:
        if variable.axis < 0:
            continue
        place = places[variable.name]
        own = computed[place] if place in computed else roster.codes[place[0]][:, place[1]]
        axis = related.goals.grid.axes[variable.axis]
        level = np.full(axis.size + 1, -1, dtype=np.int64)
        for number, words in enumerate(variable.levels):
            level[:-1][axis.within(words)] = number
        found[variable.name] = level[own if place[0] == unit or family is None else own[family.parent]]
    for variable in related.variables:
        if variable.axis < 0 and family is not None:
            before = None if variable.name == related.turn else found[variable.name.removeprefix(BEFORE)]
            found[variable.name] = family.turn() if before is None else family.before(before)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Family:
    """For each record of a unit its parent, its rank among that one's records, from 0, and how many these are."""

    parent: Codes
    rank: Codes
    siblings: Codes

    @classmethod
    def of(cls, unit: int, roster: Roster) -> "_Family":
        length = roster.length[unit]
        rows, rank = rows_below(roster.start[unit], length)
        columns = np.zeros((3, roster.sizes[unit]), dtype=np.int32)
        columns[:, rows] = np.repeat(np.arange(len(length)), length), rank, np.repeat(length, length)
        return cls(parent=columns[0], rank=columns[1], siblings=columns[2])

    def turn(self) -> NDArray[np.int64]:
        """Number of each record's turn among TURNS."""
        first, last = self.rank == 0, self.rank == self.siblings - 1
        return np.select([first & last, first, last], [0, 1, 2], 3)

    def before(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """The codes of each record's predecessor, -1 for the first; siblings stand behind each other."""
        return np.where(self.rank == 0, -1, np.roll(codes, 1))
