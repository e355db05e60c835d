"""The LLM as a copula: conditional log-probabilities become interaction tables, fitted to the given margins, weighed by trust.

Centred by its margins, a matrix of log-probabilities keeps only how two variables depend: the logarithm of a copula density
(Sklar 1959; for discrete variables Geenens 2020, whose odds ratios raking leaves as they are). The estimates of all frames and
both directions are averaged, shrunk by trust, and fitted to the margins by raking. Of the result only the direction enters the
alignment: the records are to have a part of that dependence at least, so that one which others explain already is not counted
twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from llmsynthor.aims.goals import Goals
from llmsynthor.calibration.measured import Measured, least_stated, usual
from llmsynthor.dependence.coarse import Coarse
from llmsynthor.dependence.consensus import carried
from llmsynthor.dependence.elicit import Pair, bare
from llmsynthor.dependence.estimates import Estimate, agreement_of
from llmsynthor.dependence.given import given_shares, given_strength
from llmsynthor.dependence.pair_tables import fit_margins, interaction, mean_interaction, mutual_information, stated
from llmsynthor.dependence.sample import Sampled
from llmsynthor.dependence.trust import Trust, sharpened, trusted_table
from llmsynthor.spec.targets import MAXIMUM_ENTROPY, SEED, Source, Table

LEAST_SHARE = 2e-5

MODEL = "model"
"""Name of the language model among the sources of a pair."""

SOFTNESS = 0.98
"""Trust of an estimated table that is leaned towards cell by cell: it yields to given tables, and to other estimates a little."""

KNOWN = 0.999
"""Trust of a table that is known of elsewhere: nearly that of a given one."""

SEEN = 0.5
"""Part of a table from which on it is called that of the real records."""

REACHED, DENIED = 0.1, 0.5
"""Parts of what a model states of a pair: given tables that imply less than the first do not reach it, those that imply less than
the second deny it."""

MOST_QUESTIONS = 2_000
"""Scoring calls about pairs at most, shared evenly by the units: about ten minutes of the default model on two cores."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependence:
    """How two variables hang together in a run, and who says so: `source` as dependencies.csv names it.

    `strength` is in nats, that of the table used; `raw_strength` that of the model's answers, where it was asked; `trust` the
    factor on its interaction; `table` the estimated shares, where there are any. `part` is how much of its
    dependence the records are to have at least (None: the table is leaned towards, cell by cell). `added` is the trust times the
    interaction, of variables whose margin no table knows. `weights` say how
    much each source has in the table, in parts of the whole: `source` is the one that has most. `records` are those real ones that
    have both variables.
    """

    pair: Pair
    source: Source
    strength: float
    agreement: float = float("nan")
    trust: float = float("nan")
    raw_strength: float = float("nan")
    table: Floats | None = field(default=None, compare=False)
    part: float | None = None
    added: Floats | None = field(default=None, compare=False)
    weights: Mapping[str, float] = field(default_factory=dict)
    records: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What may be asked: at most `most` questions, about `pairs` (None: all). `besides` was asked of others in other ways.

    Of pairs with a strength below `least` nats nothing is assumed of a model. `measured` says how far to believe it, `part` which
    part of a dependence that it states the records are to have at least. `floating` are variables whose margin no table knows and
    other variables decide, such as the origin of a trip. `zones` are pair tables by how margins vary over zones. `before` are
    variables of the record before, about which no given table calibrates. `known` are shares of pairs from elsewhere, such as a
    library: they stand in place of estimates. `sampled` is what a few real records say of pairs: what else is said is their prior.
    """

    pairs: tuple[Pair, ...] | None = None
    most: int = MOST_QUESTIONS
    least: float = 0.0
    measured: Measured = field(default_factory=usual)
    besides: tuple[Estimate, ...] = ()
    floating: frozenset[str] = frozenset()
    before: frozenset[str] = frozenset()
    zones: Mapping[Pair, Floats] = field(default_factory=dict)
    part: float = 1.0
    known: Mapping[Pair, Floats] = field(default_factory=dict)
    known_from: str = ""
    sampled: Mapping[Pair, Sampled] = field(default_factory=dict)

    def known_of(self, pair: Pair) -> Floats | None:
        """Shares of a pair that a library knows, or None."""
        return (
            self.known[pair] if pair in self.known else self.known[pair[::-1]].T if pair[::-1] in self.known else None
        )


def dependences(
    goals: Goals,
    variables: Sequence[Coarse],
    estimates: Sequence[Estimate],
    *,
    wish: Mapping[frozenset[str], float],
    trust: Trust | None,
    implied: Mapping[Pair, Floats],
    scope: Scope,
) -> tuple[Dependence, ...]:
    """Say for every pair where its dependence comes from; the user's `wish` replaces the rule's trust.

    `implied` are pair tables that follow from the given ones: zones say nothing of what those imply more of, nor does a model of
    what they imply far less of. Pairs of which the
    model says less than `scope.least` nats, or of which it states too little at its trust for a direction, are left to what zones
    say, or else to maximum entropy.
    """
    by_name = {variable.name: variable for variable in variables}
    estimated = {frozenset(estimate.pair): estimate for estimate in estimates}
    together = _together(goals, variables, estimates, wish, trust, scope)
    found = []
    every = combinations([axis.name for axis in goals.grid.axes], 2)
    for pair in every if scope.pairs is None else scope.pairs:
        estimate = estimated.get(frozenset(pair))
        given = given_strength(goals, *pair)
        own = _factor(estimate, wish, trust)
        raw = estimate.strength if estimate is not None else float("nan")
        said = estimate if own > 0 and (raw >= scope.least or bare(pair) in wish) else None
        if given is not None:
            agreement = estimate.agreement if estimate is not None else float("nan")
            found.append(Dependence(pair=pair, source="given", strength=given, raw_strength=raw, agreement=agreement))
            continue
        known = scope.known_of(pair)
        if known is not None and wish.get(bare(pair), 1.0) > 0:
            of_library = Dependence(
                pair=pair,
                source="library",
                strength=mutual_information(known),
                trust=1.0,
                table=known,
                weights={"library": 1.0},
            )
            found.append(_with_records(of_library, scope, by_name))
            continue
        zoned = scope.zones.get(pair)
        drawn = None
        if said is not None:
            in_full = bare(pair) in wish or said.trust is not None  # the part is of answers to the usual questions
            drawn = _said(said, own, by_name, replace(scope, part=1.0) if in_full else scope)
            drawn = drawn if in_full else _witnessed(drawn, together, implied.get(pair))
        if zoned is not None:
            drawn = _of_zones(pair, zoned, drawn, by_name, implied)
        entropy = Dependence(pair=pair, source=MAXIMUM_ENTROPY, strength=0.0, raw_strength=raw)
        found.append(_with_records(drawn if drawn is not None else entropy, scope, by_name))
    return tuple(found)


def _together(
    goals: Goals,
    variables: Sequence[Coarse],
    estimates: Sequence[Estimate],
    wish: Mapping[frozenset[str], float],
    trust: Trust | None,
    scope: Scope,
) -> Mapping[Pair, Floats]:
    """What is said of the pairs that were asked about in the usual way, as far as all of it fits together; given tables stand."""
    by_name, tables = {variable.name: variable for variable in variables}, dict[Pair, Floats]()
    for estimate in estimates:
        pair, own = estimate.pair, _factor(estimate, wish, trust)
        if own <= 0 or estimate.trust is not None or bare(pair) in wish or scope.floating & set(pair):
            continue
        given = given_shares(goals, variables, pair)
        one, other = (by_name[name] for name in pair)
        tables[pair] = given if given is not None else trusted_table(estimate, own, one, other)
    return carried(tables, variables)


def _factor(estimate: Estimate | None, wish: Mapping[frozenset[str], float], trust: Trust | None) -> float:
    """λ of a pair: the user's, or the rule's; 0 where nothing was said."""
    if estimate is None or trust is None:
        return 0.0
    return wish.get(bare(estimate.pair), trust.in_estimate(estimate))


def _is_stated(said: Dependence) -> bool:
    """Whether a model states so much of a dependence, asked in more than one way, that its direction is to be believed."""
    assert said.table is not None
    if np.isnan(said.agreement):
        return False
    return said.part is None or (said.part > 0 and mean_interaction(said.table) >= least_stated())


def _witnessed(said: Dependence, together: Mapping[Pair, Floats], implied: Floats | None) -> Dependence | None:
    """What a model says of a pair, beside what given tables imply of it, or where they do not reach it beside what it says of all
    other pairs; None of what is stated too weakly, or denied by given tables. Levels that count the same records stay so."""
    if said.table is None or said.part is None:
        return said if _is_stated(said) else None
    nats = mean_interaction(said.table)
    part = 0.0 if implied is None or nats <= 0 else float((implied * stated(said.table)).sum()) / nats
    if part < REACHED and said.pair in together:
        table = together[said.pair]
        said = replace(said, table=table, strength=mutual_information(table))
    return said if _is_stated(said) and not REACHED <= part < DENIED else None


def _with_records(said: Dependence, scope: Scope, by_name: Mapping[str, Coarse]) -> Dependence:
    """What is `said` of a pair beside the counts of a few real records, where there are any."""
    sampled = scope.sampled.get(said.pair)
    if sampled is None:
        return said
    shares, part = sampled.beside(said.table, measured=said.source == "library")
    table = sharpened(shares, *(by_name[name] for name in said.pair))
    weights = {SEED: part} | {name: (1 - part) * weight for name, weight in said.weights.items() if part < 1}
    return replace(
        said,
        source=SEED if part >= SEEN else said.source,
        strength=mutual_information(table),
        trust=1.0 if said.table is None else said.trust,
        table=table,
        part=None,
        added=None,
        weights=weights,
        records=round(sampled.records),
    )


def _said(estimate: Estimate, own: float, by_name: Mapping[str, Coarse], scope: Scope) -> Dependence:
    """The dependence of a pair as a model alone says it, at a trust of its `own`."""
    one, other = (by_name[name] for name in estimate.pair)
    table = fit_margins(own * estimate.interaction, one.shares, other.shares)
    sharp = sharpened(table, one, other)
    return Dependence(
        pair=estimate.pair,
        source="estimated",
        strength=mutual_information(sharp),
        agreement=estimate.agreement,
        trust=own,
        raw_strength=estimate.strength,
        table=sharp,
        part=scope.part if sharp is table else None,
        added=own * estimate.interaction if scope.floating & set(estimate.pair) else None,
        weights={MODEL: 1.0},
    )


def _of_zones(
    pair: Pair, zoned: Floats, said: Dependence | None, by_name: Mapping[str, Coarse], implied: Mapping[Pair, Floats]
) -> Dependence | None:
    """What zones say of a pair, beside what a model has `said` of it; None where the two disagree: then nobody is believed.

    Where given tables imply more of the pair than its zones say, it is left to them.
    """
    known = implied.get(pair)
    if said is None:
        if known is not None and mutual_information(known) > mutual_information(zoned):
            return None
        return Dependence(
            pair=pair, source="zones", strength=mutual_information(zoned), table=zoned, weights={"zones": 1.0}
        )
    assert said.table is not None
    one, other = (by_name[name] for name in pair)
    chance = np.outer(one.shares, other.shares)
    own, theirs = (
        interaction(np.log(np.maximum(table, LEAST_SHARE) / np.maximum(chance, LEAST_SHARE)), one.shares, other.shares)
        for table in (said.table, zoned)
    )
    if agreement_of([own, theirs], chance) <= 0:
        return None
    if said.part is None:  # levels that count the same records are surer than what places say
        return said
    table = fit_margins(own + theirs, one.shares, other.shares)
    lengths = [float(np.sqrt((part**2 * chance).sum())) for part in (own, theirs)]
    weights = {name: length / max(sum(lengths), 1e-12) for name, length in zip((MODEL, "zones"), lengths, strict=True)}
    return replace(said, strength=mutual_information(table), table=table, weights=weights, source=_first(weights))


def _first(weights: Mapping[str, float]) -> Source:
    """The source of the largest weight, as `Dependence.source` names it."""
    return "zones" if weights["zones"] > weights[MODEL] else "estimated"


def as_table(dependence: Dependence, variables: Sequence[Coarse], *, unit: str, source: str) -> Table:
    """Write an estimate as a soft target, in the form in which a user would give it."""
    assert dependence.table is not None
    by_name = {variable.name: variable for variable in variables}
    one, other = (by_name[name] for name in dependence.pair)
    cells = tuple((x, y) for x in one.levels for y in other.levels)
    return Table(
        name=f"{one.name} by {other.name} (estimated)",
        unit=unit,
        columns=dependence.pair,
        cells=cells,
        values=tuple(float(share) for share in dependence.table.ravel()),
        value="share",
        source=source,
        trust=KNOWN if dependence.source == "library" or SEED in dependence.weights else SOFTNESS,
        floor=None if dependence.part is None else dependence.part * mean_interaction(dependence.table),
    )
