"""What the model says beside the tables: groups of dependent variables, estimated tables, who belongs together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.aims import Aims, set_aims, with_beliefs, with_estimates
from llmsynthor.aims.goals import Goals, with_tables
from llmsynthor.alignment.align import align, computed_codes
from llmsynthor.calibration.measured import usual
from llmsynthor.dependence.coarse import Coarse, coarsen
from llmsynthor.dependence.copula import Scope
from llmsynthor.dependence.elicit import Asking, Pair
from llmsynthor.dependence.estimation import (
    WORTH_ASKING,
    Estimation,
    estimate,
    estimate_by_zones,
    planned_questions,
    take_known,
)
from llmsynthor.dependence.groups import Group, given_groups, infer_groups
from llmsynthor.dependence.implied import RECORDS, implied_tables
from llmsynthor.dependence.kin.beliefs import Composition, compose, planned_composition
from llmsynthor.dependence.measuring import measure, planned_measuring
from llmsynthor.dependence.owners import ask_owners, planned_owners
from llmsynthor.dependence.related import (
    BEFORE,
    SAMPLE,
    Related,
    counted,
    order_columns,
    planned_nested,
    questions_of_each,
    relate,
)
from llmsynthor.dependence.sequence import ask_turns
from llmsynthor.dependence.zones import Zoned, by_zones, tied_elsewhere
from llmsynthor.errors import AnswerError, AskingEndedError
from llmsynthor.library.consulting import Consulted
from llmsynthor.library.store import Library
from llmsynthor.llm.backend import Identity
from llmsynthor.llm.recorded import Recorded
from llmsynthor.population.encode import Evidence
from llmsynthor.spec.schema import Derived
from llmsynthor.spec.targets import Table
from llmsynthor.synthesis.consulting import consult_about, library_of, planned_matching
from llmsynthor.synthesis.ends import known_ends
from llmsynthor.synthesis.journal import Journal
from llmsynthor.synthesis.outcome import Options, leaned_towards
from llmsynthor.synthesis.relatives import known_relatives
from llmsynthor.synthesis.sampling import evidence, sampled_related, sampled_rows
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
    consulted: tuple[Consulted, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known beside tables and model: a `library` of dependence, and a few real records that were `seen`."""

    library: Library | None = None
    seen: Evidence | None = None


def questions(aims: Aims, library: str | None = None, model: Identity | None = None) -> int:
    """Scoring calls at most, with those that match variables with a library, and those that measure a model nobody knows yet."""
    found, measuring = library_of(library), planned_measuring(model)
    if aims.needs_trees:
        matching = sum(planned_matching(found, coarsen(goals)) for goals in aims.own)
        owners = sum(planned_owners(aims.spec, related) for related in relate(aims))
        return measuring + matching + planned_nested(aims) + owners + planned_composition(aims)
    asked = planned_questions(aims.goals[0], aims.spec)
    return planned_matching(found, coarsen(aims.goals[0])) + asked + (measuring if asked else 0)


def believe(aims: Aims, options: Options, model: Recorded | None, journal: Journal) -> Believed:
    """Ask which variables depend on each other, and how where no table says it."""
    believed = _grouped(aims, options, model, journal)
    library = library_of(options.library) if options.estimates else None
    asked = model if options.estimates and not believed.ended else None
    seen = evidence(aims) if options.align == "exact" else None
    if asked is None and library is None and seen is None:
        return _of_zones(believed, options) if options.reads_zones else believed
    known = Known(library=library, seen=seen)
    if aims.needs_trees:
        return _of_trees(believed, options, asked, known, journal)
    if asked is None:
        return _known_of_rows(believed, options, known, journal)
    return _of_rows(believed, options, asked, known, journal)


def _of_zones(believed: Believed, options: Options) -> Believed:
    """What zones alone say of pairs, as soft targets; where they say nothing everything stays as it is."""
    aims, estimations = believed.aims, list[Estimation]()
    for place in _places(aims):
        zoned, said = by_zones(place.goals, place.variables, aims.spec, place.pairs)
        if said:
            implied = _implied(aims, place, options) if tied_elsewhere(place.goals, zoned) else {}
            scope = Scope(pairs=tuple(said), zones=said)
            estimations.append(estimate_by_zones(place.goals, place.variables, scope, unit=place.unit, implied=implied))
    tables = tuple(table for found in estimations for table in found.tables)
    if not tables:
        return believed
    if aims.needs_trees:
        led = set_aims(with_estimates(aims.spec, {}, tables))
    else:
        wider = with_tables(aims.goals[0], tables)
        led = replace(aims, goals=(wider,), own=(wider,))
    return replace(believed, aims=led, said=Said(tables=tables), estimations=tuple(estimations))


def _places(aims: Aims) -> tuple[Related, ...]:
    """What zones may say something of: the variables of each unit, in pairs of its own."""
    if aims.needs_trees:
        return tuple(replace(r, pairs=tuple(p for p in r.pairs if not any("." in n for n in p))) for r in relate(aims))
    goals = aims.goals[0]
    variables = coarsen(goals)
    pairs = tuple(combinations([variable.name for variable in variables], 2))
    return (Related(unit=aims.spec.schema.top.name, goals=goals, variables=variables, pairs=pairs),)


def _implied(aims: Aims, place: Related, options: Options) -> Mapping[Pair, NDArray[np.float64]]:
    """What the given tables imply about pairs, counted in a population that meets nothing else."""
    records = SAMPLE if aims.needs_trees else RECORDS
    made = align(aims, records=records, seed=options.seed, workers=options.workers).roster
    if aims.needs_trees:
        return counted(place, aims, made, computed_codes(aims, made))[1]
    return implied_tables(place.goals, place.variables, place.pairs, made=lambda: made.codes[0])


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


def _of_rows(believed: Believed, options: Options, model: Recorded, known: Known, journal: Journal) -> Believed:
    """Let the model estimate the joint tables that are missing, and add them as soft targets."""
    aims, goals = believed.aims, believed.aims.goals[0]
    asking = _asking(aims, options, model, unit=aims.spec.schema.top.name, variables=coarsen(goals))
    zoned, zones = _zones(aims, options, goals, asking.variables)
    told = partial(journal.tell, "copula", 0, None)
    (consulted,) = consult_about(known.library, aims.spec, [(goals, asking.variables)], model)
    measured = measure(model, notify=told) if planned_questions(goals, aims.spec, asking.variables) else usual()
    made = lambda: align(aims, records=RECORDS, seed=options.seed, workers=options.workers).roster.codes[0]  # noqa: E731  (drawn when asked for)
    tied = tied_elsewhere(goals, zoned)
    pairs = tuple(combinations([variable.name for variable in asking.variables], 2))
    sampled = sampled_rows(aims, known.seen, asking.variables, pairs, seed=options.seed)
    estimation = estimate(
        goals,
        asking,
        believed.groups,
        spare=options.rounds,
        imply=partial(implied_tables, goals, asking.variables, made=made) if tied else lambda pairs: {},
        notify=told,
        scope=replace(_scope(consulted), zones=zones, sampled=sampled, measured=measured),
    )
    return _with_rows(believed, estimation, consulted)


def _known_of_rows(believed: Believed, options: Options, known: Known, journal: Journal) -> Believed:
    """What a seed and a library know where no model is asked (numbers, what stands in the same words), and what zones say."""
    aims, place = believed.aims, _places(believed.aims)[0]
    journal.tell("library", 0, None)
    (consulted,) = consult_about(known.library, aims.spec, [(place.goals, place.variables)], None)
    sampled = sampled_rows(aims, known.seen, place.variables, place.pairs, seed=options.seed)
    if not sampled and (consulted is None or not consulted.tables):
        still = _of_zones(believed, options) if options.reads_zones else believed
        return replace(still, consulted=(consulted,) if consulted is not None else ())
    zoned, zones = _zones(aims, options, place.goals, place.variables)
    implied = _implied(aims, place, options) if zones and tied_elsewhere(place.goals, zoned) else {}
    scope = replace(_scope(consulted), zones=zones, sampled=sampled)
    taken = take_known(place.goals, aims.spec, place.unit, place.variables, scope, implied)
    return _with_rows(believed, taken, consulted)


def _scope(consulted: Consulted | None) -> Scope:
    return Scope() if consulted is None else Scope(known=consulted.tables, known_from=consulted.source)


def _with_rows(believed: Believed, estimation: Estimation, consulted: Consulted | None) -> Believed:
    """Take in the tables of flat records."""
    wider = with_tables(believed.aims.goals[0], estimation.tables)
    return replace(
        believed,
        aims=replace(believed.aims, goals=(wider,), own=(wider,)),
        said=Said(tables=estimation.tables),
        groups=(*believed.groups, *estimation.strongest(GROUPS, besides=believed.groups)),
        estimations=(estimation,),
        consulted=(consulted,) if consulted is not None else (),
    )


def _of_trees(
    believed: Believed, options: Options, model: Recorded | None, beside: Known, journal: Journal
) -> Believed:
    """Let a seed, a library and the model say what no table says: pairs within and across units, and who belongs together."""
    aims = believed.aims
    sample = align(aims, records=SAMPLE, seed=0, workers=options.workers).roster
    computed = computed_codes(aims, sample)
    library, told = beside.library, journal.tell
    estimations, compositions, consulted = list[Estimation](), list[Composition](), list[Consulted]()
    every = [counted(uncounted, aims, sample, computed) for uncounted in relate(aims)]
    asking_of = model if questions(aims) else None
    measured = usual() if asking_of is None else measure(asking_of, notify=partial(told, "copula", 0, None))
    told("library" if library is not None else "copula", 0, None)
    # all units are matched first: what a library knows is worth more than the questions that a budget may end
    found = consult_about(library, aims.spec, [(related.goals, _plain(related)) for related, _ in every], model)
    for (related, implied), known in zip(every, found, strict=True):
        told("copula" if model is not None else "library", 0, None)
        kin = known_relatives(aims, known, sample)
        ends = known_ends(aims.own[aims.layout.number(related.unit)], known)
        consulted += [known] if known is not None else []
        compositions += [kin] if kin.margins else []
        compositions += [Composition(margins=ends)] if ends else []
        _, zones = _zones(aims, options, related.goals, related.variables, related.pairs)
        before = (
            frozenset(v.name for v in related.variables if v.name.startswith(BEFORE)) if related.turn else frozenset()
        )
        scope = replace(
            _scope(known),
            pairs=related.pairs,
            least=WORTH_ASKING,
            measured=measured,
            floating=related.floating,
            zones=zones,
            before=before,
            sampled=sampled_related(aims, beside.seen, related, seed=options.seed),
        )
        if model is None:
            taken = take_known(related.goals, aims.spec, related.unit, related.variables, scope, implied)
            estimations += [taken] if taken.tables else []
            continue
        asking = _asking(aims, options, model, unit=related.unit, variables=related.variables)
        compositions.append(compose(aims, asking, sample, {table.columns[-1] for table in kin.margins}))
        estimations.append(_asked(aims, asking, related, implied, scope, journal))
    said = _said(aims, estimations, compositions)
    return replace(
        believed,
        aims=with_beliefs(set_aims(with_estimates(aims.spec, said.derived, said.tables)), said.weights),
        said=said,
        groups=(*believed.groups, *(group for found in estimations for group in found.strongest(GROUPS))),
        estimations=tuple(estimations),
        compositions=tuple(compositions),
        consulted=tuple(consulted),
    )


def _asked(
    aims: Aims,
    asking: Asking,
    related: Related,
    implied: Mapping[Pair, NDArray[np.float64]],
    scope: Scope,
    journal: Journal,
) -> Estimation:
    """Ask about the pairs of one unit of several, about the order of its records and whose they are."""
    told = lambda: journal.tell("copula", 0, None)  # noqa: E731  (a callback)
    asked = scope.measured.is_believed(aims.spec.dependencies.belief)
    besides = (*ask_turns(asking, related.turn), *ask_owners(asking, related, notify=told)) if asked else ()
    listed = {estimate.pair for estimate in besides}
    pairs = tuple(pair for pair in related.pairs if pair not in listed)
    return estimate(
        related.goals,
        asking,
        (),
        spare=0,
        imply=lambda pairs: {pair: implied[pair] for pair in pairs if pair in implied},
        notify=told,
        scope=replace(scope, pairs=pairs, most=questions_of_each(aims), besides=besides),
    )


def _plain(related: Related) -> tuple[Coarse, ...]:
    """The variables that a library may know: what the record before had is not among them."""
    return tuple(own for own in related.variables if own.axis >= 0)


def _zones(
    aims: Aims, options: Options, goals: Goals, variables: Sequence[Coarse], pairs: Sequence[Pair] | None = None
) -> tuple[Zoned | None, Mapping[Pair, NDArray[np.float64]]]:
    """What zones say of the pairs of a unit's own variables, where they are to be used."""
    if not options.reads_zones:
        return None, {}
    own = None if pairs is None else [pair for pair in pairs if not any("." in name for name in pair)]
    return by_zones(goals, variables, aims.spec, own)


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
