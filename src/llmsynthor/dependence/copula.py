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
from llmsynthor.dependence.coarse import Coarse
from llmsynthor.dependence.coincidence import coincidences
from llmsynthor.dependence.elicit import Pair, bare
from llmsynthor.dependence.estimates import Estimate, agreement_of, credibility
from llmsynthor.dependence.given import given_strength
from llmsynthor.dependence.pair_tables import fit_margins, interaction, mutual_information
from llmsynthor.dependence.sample import Sampled
from llmsynthor.spec.targets import MAXIMUM_ENTROPY, SEED, Source, Table

LEAST_SHARE = 2e-5

MODEL = "model"
"""Name of the language model among the sources of a pair."""

HALF_STRENGTH = 0.1
"""Strength in nats at which trust is half of what it is at most."""

SHARP = 5.0
"""Log-ratio by which levels that seem to say the same thing avoid all others."""

SOFTNESS = 0.98
"""Trust of an estimated table that is leaned towards cell by cell: it yields to given tables, and to other estimates a little."""

KNOWN = 0.999
"""Trust of a table that is known of elsewhere: nearly that of a given one."""

SCALES = tuple(float(x) for x in np.geomspace(0.1, 12.0, 28))
HALVES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
SEEN = 0.5
"""Part of a table from which on it is called that of the real records."""

PRIOR_PAIRS = 2.0
"""How many given tables the default trust is worth, in its calibration."""

MOST_QUESTIONS = 2_000
"""Scoring calls about pairs at most, shared evenly by the units: about ten minutes of the default model on two cores."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """A rule of trust: λ = full · s / (s + half) · √agreement, where s is the strength in nats that the answers imply.

    A model overstates weak dependence, which is mostly noise and stereotype, and understates strong dependence, since it
    hedges: λ is small for the first and above 1 for the second. Where wordings and directions contradict each other it is
    smaller still, and `full` itself is less for a model of little credibility. `tables` given ones calibrated it (0: none did).
    """

    full: float = 6.5
    half: float = HALF_STRENGTH
    tables: int = 0

    def of(self, strength: float, agreement: float = 1.0) -> float:
        """λ of a pair; an agreement that is not known (NaN: asked once only) counts as full, since such pairs are weak.

        >>> Trust(full=2.0, half=0.1).of(0.1), Trust(full=2.0, half=0.1).of(0.1, 0.25)
        (1.0, 0.5)
        """
        agreed = 1.0 if np.isnan(agreement) else float(np.sqrt(max(agreement, 0.0)))
        return self.full * strength / (strength + self.half) * agreed

    def in_estimate(self, estimate: Estimate) -> float:
        """λ of an estimate: its own, where it was asked in a way of its own."""
        return self.of(estimate.strength, estimate.agreement) if estimate.trust is None else estimate.trust


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


def calibrate(variables: Sequence[Coarse], estimates: Sequence[Estimate], truth: Mapping[Pair, Floats]) -> Trust:
    """Choose the rule of trust under which the estimates come nearest to the given tables, in Kullback-Leibler divergence.

    Without given tables it is the default, scaled by the model's credibility; so it is for a model that has none. With them that
    counts like PRIOR_PAIRS tables of middling strength that it fits best, so that few tables move it little.
    """
    default = Trust(full=Trust().full * credibility(estimates))
    by_name = {variable.name: variable for variable in variables}
    known = [e for e in estimates if e.pair in truth]
    if not known or default.full <= 0:
        return default

    def loss(trust: Trust) -> float:
        apart = [
            e.strength * np.log(trust.of(e.strength) / default.of(e.strength)) ** 2 for e in known if e.strength > 0
        ]
        fits = (_divergence(truth[e.pair], _table(e, trust.of(e.strength, e.agreement), by_name)) for e in known)
        return PRIOR_PAIRS * float(sum(apart)) / len(known) + sum(fits)

    rules = [Trust(full=full, half=half, tables=len(known)) for full in SCALES for half in HALVES]
    return min([*rules, replace(default, tables=len(known))], key=loss)


def _table(estimate: Estimate, trust: float, by_name: Mapping[str, Coarse]) -> Floats:
    one, other = (by_name[name] for name in estimate.pair)
    table = fit_margins(trust * estimate.interaction, one.shares, other.shares)
    return _sharpened(table, one, other)


def _sharpened(table: Floats, one: Coarse, other: Coarse) -> Floats:
    """Make levels that seem to say the same thing go together almost always."""
    apart = np.zeros(table.shape, dtype=bool)
    for found in coincidences(one, other, table):
        apart |= found.apart()
    if not apart.any():
        return table
    lift = np.log(np.maximum(table, 1e-12) / np.maximum(np.outer(one.shares, other.shares), 1e-12))
    return fit_margins(np.where(apart, np.minimum(lift, -SHARP), lift), one.shares, other.shares)


def _divergence(truth: Floats, table: Floats) -> float:
    inside = truth > 0
    return float((truth[inside] * np.log(truth[inside] / np.maximum(table[inside], 1e-12))).sum())


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What may be asked: at most `most` questions, about `pairs` (None: all). `besides` was asked of others in other ways.

    Of pairs with a strength below `least` nats nothing is assumed of a model. `floating` are variables whose margin no table
    knows and other variables decide, such as the origin of a trip. `zones` are pair tables by how margins vary over zones.
    `part` is how much of what a model says of a dependence the records are to have at least. `before` are variables of the record
    before, about which no given table calibrates. `known` are shares of pairs from elsewhere, such as a library: they stand in
    place of estimates. `sampled` is what a few real records say of pairs: what else is said of one is the prior to them.
    """

    pairs: tuple[Pair, ...] | None = None
    most: int = MOST_QUESTIONS
    least: float = 0.0
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
    trust: Trust,
    implied: Mapping[Pair, Floats],
    scope: Scope,
) -> tuple[Dependence, ...]:
    """Say for every pair where its dependence comes from; the user's `wish` replaces the rule's trust.

    `implied` are pair tables that follow from the given ones: zones say nothing of what those imply more of. Pairs of which the
    model says less than `scope.least` nats are left to what zones say, or else to maximum entropy.
    """
    by_name = {variable.name: variable for variable in variables}
    estimated = {frozenset(estimate.pair): estimate for estimate in estimates}
    found = []
    every = combinations([axis.name for axis in goals.grid.axes], 2)
    for pair in every if scope.pairs is None else scope.pairs:
        estimate = estimated.get(frozenset(pair))
        given = given_strength(goals, *pair)
        own = 0.0 if estimate is None else wish.get(bare(pair), trust.in_estimate(estimate))
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
        if zoned is not None:
            drawn = _of_zones(pair, zoned, drawn, by_name, implied)
        entropy = Dependence(pair=pair, source=MAXIMUM_ENTROPY, strength=0.0, raw_strength=raw)
        found.append(_with_records(drawn if drawn is not None else entropy, scope, by_name))
    return tuple(found)


def _with_records(said: Dependence, scope: Scope, by_name: Mapping[str, Coarse]) -> Dependence:
    """What is `said` of a pair beside the counts of a few real records, where there are any."""
    sampled = scope.sampled.get(said.pair)
    if sampled is None:
        return said
    shares, part = sampled.beside(said.table, measured=said.source == "library")
    table = _sharpened(shares, *(by_name[name] for name in said.pair))
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
    sharp = _sharpened(table, one, other)
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
        floor=None if dependence.part is None else dependence.part * _mean_interaction(dependence.table),
    )


def _mean_interaction(table: Floats) -> float:
    """The mean of a table's own interaction, in nats."""
    rows, columns = table.sum(axis=1), table.sum(axis=0)
    lift = np.log(np.maximum(table, 1e-12) / np.maximum(np.outer(rows, columns), 1e-12))
    return float((table * interaction(lift, rows, columns)).sum())
