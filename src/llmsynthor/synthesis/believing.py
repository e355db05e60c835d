"""What the model says beside the tables: groups of dependent variables, estimated tables, who belongs together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.aims import Aims, set_aims, with_beliefs, with_estimates
from llmsynthor.aims.goals import with_tables
from llmsynthor.alignment.align import align, computed_codes
from llmsynthor.dependence.coarse import coarsen
from llmsynthor.dependence.copula import Scope
from llmsynthor.dependence.elicit import Asking
from llmsynthor.dependence.estimation import WORTH_ASKING, Estimation, estimate, planned_questions
from llmsynthor.dependence.groups import Group, given_groups, infer_groups
from llmsynthor.dependence.implied import RECORDS, implied_tables
from llmsynthor.dependence.kin.beliefs import Composition, compose, planned_composition
from llmsynthor.dependence.owners import ask_owners, planned_owners
from llmsynthor.dependence.related import (
    BEFORE,
    SAMPLE,
    counted,
    order_columns,
    planned_nested,
    questions_of_each,
    relate,
)
from llmsynthor.dependence.sequence import ask_turns
from llmsynthor.errors import AnswerError, AskingEndedError
from llmsynthor.llm.recorded import Recorded
from llmsynthor.spec.schema import Derived
from llmsynthor.spec.targets import Table
from llmsynthor.synthesis.journal import Journal
from llmsynthor.synthesis.outcome import Options, leaned_towards
from llmsynthor.synthesis.stop import StopReason

GROUPS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a model said, for whoever sets aims with it: soft `tables`, the `derived` variables that they name, by unit, and
    `weights`: log-weights of the cells of those tables that are no targets, by name.
    """

    tables: tuple[Table, ...] = ()
    derived: Mapping[str, Sequence[Derived]] = field(default_factory=dict)
    weights: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Believed:
    """The aims with what the model `said`; `ended` says why asking ended early, where it did."""

    aims: Aims
    said: Said = field(default_factory=Said)
    groups: tuple[Group, ...] = ()
    estimations: tuple[Estimation, ...] = ()
    compositions: tuple[Composition, ...] = ()
    ended: str = ""
    stop: StopReason | None = None


def questions(aims: Aims) -> int:
    """Scoring calls at most."""
    if aims.needs_trees:
        owners = sum(planned_owners(aims.spec, related) for related in relate(aims))
        return planned_nested(aims) + owners + planned_composition(aims)
    return planned_questions(aims.goals[0], aims.spec)


def believe(aims: Aims, options: Options, model: Recorded | None, journal: Journal) -> Believed:
    """Ask which variables depend on each other, and how where no table says it."""
    believed = _grouped(aims, options, model, journal)
    if model is None or believed.ended or not options.estimates:
        return believed
    return (
        _of_trees(believed, options, model, journal)
        if aims.needs_trees
        else _of_rows(believed, options, model, journal)
    )


def _grouped(aims: Aims, options: Options, model: Recorded | None, journal: Journal) -> Believed:
    """Name the groups of dependent variables: the given joint tables, and what the model adds."""
    given = () if aims.needs_trees else given_groups(aims.goals[0])
    if model is None or aims.needs_trees:
        return Believed(aims=aims, groups=given)
    journal.tell("dependency", 0, None)
    try:
        asked = infer_groups(
            aims.spec, aims.goals[0], model, groups=GROUPS, temperature=options.temperature, seed=options.seed
        )
    except AnswerError:
        return Believed(aims=aims, groups=given)
    except AskingEndedError as spent:
        return Believed(aims=aims, groups=given, ended=str(spent), stop=StopReason.of(spent))
    known = {frozenset(group.variables) for group in given}
    return Believed(aims=aims, groups=(*given, *(group for group in asked if frozenset(group.variables) not in known)))


def _of_rows(believed: Believed, options: Options, model: Recorded, journal: Journal) -> Believed:
    """Let the model estimate the joint tables that are missing, and add them as soft targets."""
    aims, goals = believed.aims, believed.aims.goals[0]
    asking = _asking(aims, options, model, unit=aims.spec.schema.top.name, variables=coarsen(goals))
    journal.tell("copula", 0, None)
    made = lambda: align(aims, records=RECORDS, seed=options.seed, workers=options.workers).roster.codes[0]  # noqa: E731  (drawn when asked for)
    estimation = estimate(
        goals,
        asking,
        believed.groups,
        spare=options.rounds,
        imply=partial(implied_tables, goals, asking.variables, made=made),
        notify=lambda: journal.tell("copula", 0, None),
    )
    wider = with_tables(goals, estimation.tables)
    return replace(
        believed,
        aims=replace(aims, goals=(wider,), own=(wider,)),
        said=Said(tables=estimation.tables),
        groups=(*believed.groups, *estimation.strongest(GROUPS, besides=believed.groups)),
        estimations=(estimation,),
    )


def _of_trees(believed: Believed, options: Options, model: Recorded, journal: Journal) -> Believed:
    """Let the model say what no table says: pairs within and across units, and who belongs together."""
    aims = believed.aims
    sample, most = align(aims, records=SAMPLE, seed=0, workers=options.workers).roster, questions_of_each(aims)
    computed = computed_codes(aims, sample)
    estimations, compositions = list[Estimation](), list[Composition]()
    for uncounted in relate(aims):
        related, implied = counted(uncounted, aims, sample, computed)
        asking = _asking(aims, options, model, unit=related.unit, variables=related.variables)
        journal.tell("copula", 0, None)
        compositions.append(compose(aims, asking, sample))
        told = lambda: journal.tell("copula", 0, None)  # noqa: E731  (a callback)
        besides = (*ask_turns(asking, related.turn), *ask_owners(asking, related, notify=told))
        listed = {estimate.pair for estimate in besides}
        scope = Scope(
            pairs=tuple(pair for pair in related.pairs if pair not in listed),
            most=most,
            least=WORTH_ASKING,
            besides=besides,
            floating=related.floating,
            before=frozenset(v.name for v in related.variables if v.name.startswith(BEFORE))
            if related.turn
            else frozenset(),
        )
        imply = lambda pairs, implied=implied: {pair: implied[pair] for pair in pairs if pair in implied}  # noqa: E731  (bound to this unit)
        estimations.append(estimate(related.goals, asking, (), spare=0, imply=imply, notify=told, scope=scope))
    said = _said(aims, estimations, compositions)
    return replace(
        believed,
        aims=with_beliefs(set_aims(with_estimates(aims.spec, said.derived, said.tables)), said.weights),
        said=said,
        groups=(*believed.groups, *(group for found in estimations for group in found.strongest(GROUPS))),
        estimations=tuple(estimations),
        compositions=tuple(compositions),
    )


def _asking(aims: Aims, options: Options, model: Recorded, **about: object) -> Asking:
    return Asking(spec=aims.spec, model=model, seed=options.seed, temperature=options.temperature, **about)  # type: ignore[arg-type]


def _said(aims: Aims, estimations: list[Estimation], compositions: list[Composition]) -> Said:
    """Estimates as soft tables, and beliefs about belonging as log-weights."""
    tables = leaned_towards(estimations, compositions)
    beliefs = [belief for found in compositions for belief in found.beliefs]
    derived: dict[str, list[Derived]] = {}
    for found in compositions:
        for unit, entry in found.derived:
            derived.setdefault(unit, []).append(entry)
    named = {name for table in tables for name in table.columns}
    for owner in aims.spec.schema.units:
        ordered = order_columns(aims.spec, owner)
        derived.setdefault(owner.name, []).extend(entry for entry in ordered if entry.name in named)
    every = [*tables, *(belief.table for belief in beliefs)]
    weights = {belief.table.name: belief.weights.ravel() for belief in beliefs}
    weights |= {name: added for estimated in estimations for name, added in estimated.additions.items()}
    return Said(tables=tuple(every), derived=derived, weights=weights)
