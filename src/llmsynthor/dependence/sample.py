"""A few real records as evidence of dependence: what they say of every pair, smoothed by all of them together.

A hundred records leave most cells of most pair tables empty. Two steps fill them. A mixture of products of multinomials (Dunson
and Xing 2009) is fitted to whole records by Gibbs sampling, its clusters drawn towards the known margins: what it says of a pair
leans on all other variables. Around that the pair's own counts are Dirichlet data, (counts + K · prior) / (n + K), with K chosen
by their marginal likelihood (Good 1965). Both are raked to the margins.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from llmsynthor.dependence.coarse import Coarse
from llmsynthor.dependence.elicit import Pair
from llmsynthor.dependence.pair_tables import rake_table
from llmsynthor.spec.levels import Interval

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]

SWEEPS, BURNT = 600, 150
"""Sweeps of the sampler, and those at its beginning that are not looked at."""

MOST_MIXED = 3_000
"""Records above which pairs have counts enough to stand alone, and the mixture is left out."""

FEWEST_CLUSTERS, MOST_CLUSTERS, PER_CLUSTER = 12, 30, 40

PULLS = tuple(float(x) for x in np.geomspace(0.3, 60.0, 16))
"""How many records the known margin of a variable may be worth within a cluster."""

MOST_DISTINCT = 5.0
"""Largest concentration of the stick-breaking prior."""

PRIORS = tuple(float(x) for x in np.geomspace(1.0, 3_000.0, 25))
"""How many records a prior table may be worth."""

SAID_WORTH = 25.0
"""Records that an estimate of a model or of zones is worth beside real ones. Chosen on persons of South Carolina (n = 100)."""

SPREAD = 0.2
"""Part of a record that lies in the two levels beside that of its number."""

ENOUGH = 500
"""Records from which on a model has nothing to add, and is not asked."""

LEAST = 1e-7


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Records in coarse levels, -1 where one has none: `codes` (records,) by variable; `weights` (records,), their mean 1 or so."""

    codes: Mapping[str, Codes]
    weights: Floats
    variables: tuple[Coarse, ...]

    @property
    def worth(self) -> float:
        """How many records of equal weight it is worth (Kish 1965)."""
        return float(self.weights.sum() ** 2 / max(float((self.weights**2).sum()), 1e-300))

    def counts(self, pair: Pair) -> Floats:
        """Weighted counts of a pair that sum to what the records with both are worth, (levels, levels)."""
        one, other = (self._variable(name) for name in pair)
        a, b = (self.codes[name] for name in pair)
        inside = (a >= 0) & (b >= 0)
        flat = a[inside] * other.size + b[inside]
        own = self.weights[inside] * self.worth / max(float(self.weights.sum()), 1e-300)
        counted = np.bincount(flat, weights=own, minlength=one.size * other.size)
        return np.asarray(counted.reshape(one.size, other.size), dtype=np.float64)

    def _variable(self, name: str) -> Coarse:
        return next(own for own in self.variables if own.name == name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampled:
    """What a sample says of one pair: its `counts`, and the `prior` that all of its records make of it, both (levels, levels)."""

    counts: Floats = field(repr=False)
    prior: Floats = field(repr=False)

    @property
    def records(self) -> float:
        return float(self.counts.sum())

    def beside(self, said: Floats | None, *, measured: bool = False) -> tuple[Floats, float]:
        """The shares of the pair, and the part that the sample has in them, beside what others have `said` of it (shares).

        A table that was `measured` elsewhere is the prior itself; what a model or zones say moves the prior of the sample by as
        much as it is worth beside so many records.
        """
        rows, columns = (self.prior.sum(axis=axis) for axis in (1, 0))
        prior, own = self.prior, 1.0
        if said is not None and measured:
            prior = said
        elif said is not None:
            own = self.records / (self.records + SAID_WORTH)
            logs = own * np.log(np.maximum(self.prior, LEAST)) + (1 - own) * np.log(np.maximum(said, LEAST))
            prior = rake_table(np.exp(logs), rows, columns)
        worth = prior_worth(self.counts, prior)
        table = rake_table((self.counts + worth * prior) / (self.records + worth), rows, columns)
        return table, self.records / (self.records + worth) if measured and said is not None else own


def read_sample(sample: Sample, pairs: Sequence[Pair], *, rng: np.random.Generator) -> dict[Pair, Sampled]:
    """Say of every pair what the records say; pairs of which none has both are left out."""
    by_name = {variable.name: variable for variable in sample.variables}
    counts = {pair: sample.counts(pair) for pair in pairs}
    counts = {pair: own for pair, own in counts.items() if own.sum() > 0}
    mixed = len(sample.weights) <= MOST_MIXED
    priors = mixture_tables(sample, tuple(counts), rng=rng) if mixed else {}
    found = {}
    for pair, own in counts.items():
        one, other = (by_name[name].shares for name in pair)
        prior = priors.get(pair, np.outer(one, other))
        found[pair] = Sampled(counts=own, prior=rake_table(np.maximum(prior, LEAST), one, other))
    return found


def prior_worth(counts: Floats, prior: Floats) -> float:
    """K: how many records a prior is worth beside counts, by the marginal likelihood of these (Dirichlet-multinomial).

    >>> even = np.full((2, 2), 0.25)
    >>> prior_worth(np.array([[50.0, 0.0], [0.0, 50.0]]), even) < 5 < 100 < prior_worth(np.full((2, 2), 25.0), even)
    True
    """
    from scipy.special import gammaln  # noqa: PLC0415  (heavy)

    total, prior = counts.sum(), np.maximum(prior, 1e-9)
    logs = np.array(
        [
            gammaln(worth) - gammaln(worth + total) + (gammaln(counts + worth * prior) - gammaln(worth * prior)).sum()
            for worth in PRIORS
        ]
    )
    own = np.exp(logs - logs.max())
    return float(np.exp((own * np.log(PRIORS)).sum() / own.sum()))


@dataclass(slots=True, kw_only=True)
class _Mixture:
    """The state of the sampler: the `parts` (clusters,) of the records, the `pulls` (variables,) of their margins."""

    shares: tuple[Floats, ...]
    hot: tuple[Floats, ...]
    weights: Floats
    cluster: Codes
    parts: Floats
    pulls: Floats
    distinct: float = 1.0

    def counted(self) -> tuple[list[Floats], Floats]:
        """Weighted counts of the levels in each cluster, (clusters, levels) of each variable, and of the records."""
        member = np.eye(len(self.parts))[self.cluster] * self.weights[:, None]
        return [member.T @ own for own in self.hot], member.sum(axis=0)

    def sweep(self, rng: np.random.Generator) -> tuple[list[Floats], Floats]:
        """Draw everything once from its conditional; returns the counts that it stands on."""
        counts, held = self.counted()
        for number, own in enumerate(counts):
            self.pulls[number] = _draw_pull(own, self.shares[number], rng)
        sticks = rng.beta(1 + held[:-1], self.distinct + (held.sum() - np.cumsum(held))[:-1])
        sticks = np.minimum(np.append(sticks, 1.0), 1.0)
        self.parts = sticks * np.append(1.0, np.cumprod(1 - sticks[:-1]))
        rate = 1.0 - np.log1p(-np.minimum(sticks[:-1], 1 - 1e-9)).sum()
        self.distinct = float(np.clip(rng.gamma(len(held), 1 / rate), 0.2, MOST_DISTINCT))
        logs = np.log(np.maximum(self.parts, LEAST * LEAST))[None, :].repeat(len(self.cluster), axis=0)
        for own, share, pull, hot in zip(counts, self.shares, self.pulls, self.hot, strict=True):
            drawn = rng.standard_gamma(np.maximum(own + pull * share, 1e-3))
            logs += hot @ np.log(np.maximum(drawn / np.maximum(drawn.sum(axis=1, keepdims=True), LEAST), 1e-12)).T
        own = np.exp(logs - logs.max(axis=1, keepdims=True))
        own = np.cumsum(own / own.sum(axis=1, keepdims=True), axis=1)
        self.cluster = (own < rng.random(len(own))[:, None]).sum(axis=1).clip(0, len(self.parts) - 1)
        return counts, held

    def expected(self, counts: Sequence[Floats], held: Floats) -> list[Floats]:
        """The levels of each cluster as the counts and the margins have them, (clusters, levels) of each variable."""
        every = zip(counts, self.shares, self.pulls, strict=True)
        return [
            (own + pull * share) / np.maximum(own.sum(axis=1, keepdims=True) + pull, LEAST)
            for own, share, pull in every
        ]


def _draw_pull(counts: Floats, shares: Floats, rng: np.random.Generator) -> float:
    """How strongly the known margin holds within clusters: one of PULLS, by the likelihood of their counts."""
    from scipy.special import gammaln  # noqa: PLC0415  (heavy)

    pulls = np.array(PULLS)
    prior = np.maximum(pulls[:, None] * shares[None, :], 1e-9)
    held = counts.sum(axis=1)
    logs = (gammaln(pulls)[:, None] - gammaln(pulls[:, None] + held[None, :])).sum(axis=1)
    logs += (gammaln(counts[None] + prior[:, None, :]) - gammaln(prior)[:, None, :]).sum(axis=(1, 2))
    own = np.exp(logs - logs.max())
    return float(rng.choice(pulls, p=own / own.sum()))


def _levels_of(codes: Codes, variable: Coarse) -> Floats:
    """Which level each record has, (records, levels), nothing of one that has none; numbers lie a little in the levels beside."""
    hot = np.eye(variable.size + 1)[codes][:, : variable.size]
    if not all(isinstance(level, Interval) for level in variable.levels):
        return hot
    beside = np.zeros_like(hot)
    beside[:, 1:] += hot[:, :-1]
    beside[:, :-1] += hot[:, 1:]
    spread = (1 - SPREAD) * hot + SPREAD / 2 * beside
    return np.asarray(spread / np.maximum(spread.sum(axis=1, keepdims=True), LEAST))


def mixture_tables(sample: Sample, pairs: Sequence[Pair], *, rng: np.random.Generator) -> dict[Pair, Floats]:
    """Joint shares of pairs as a mixture of products of multinomials has them in the mean of its posterior."""
    place = {variable.name: k for k, variable in enumerate(sample.variables)}
    hot = [_levels_of(sample.codes[v.name], v) for v in sample.variables]
    records = len(sample.weights)
    clusters = int(np.clip(records // PER_CLUSTER, FEWEST_CLUSTERS, MOST_CLUSTERS))
    state = _Mixture(
        shares=tuple(variable.shares / max(variable.shares.sum(), LEAST) for variable in sample.variables),
        hot=tuple(hot),
        weights=sample.weights * sample.worth / max(float(sample.weights.sum()), 1e-300),
        cluster=rng.integers(0, clusters, records),
        parts=np.full(clusters, 1 / clusters),
        pulls=np.full(len(hot), 3.0),
    )
    found = {pair: np.zeros([sample.variables[place[name]].size for name in pair]) for pair in pairs}
    for number in range(SWEEPS):
        counts, held = state.sweep(rng)
        if number < BURNT or number % 2:
            continue
        levels = state.expected(counts, held)
        for one, other in pairs:
            found[one, other] += (state.parts[:, None] * levels[place[one]]).T @ levels[place[other]]
    return {pair: own / max(own.sum(), 1e-300) for pair, own in found.items()}
