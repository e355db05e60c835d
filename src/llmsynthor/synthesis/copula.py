"""The LLM as a copula: conditional log-probabilities become interaction tables, fitted to the given margins, weighed by trust.

Centred by its margins, a matrix of log-probabilities keeps only how two variables depend: the logarithm of a copula density
(Sklar 1959; for discrete variables Geenens 2020, whose odds ratios raking leaves as they are). The estimates of all frames and
both directions are averaged, shrunk by trust, and fitted to the margins by raking; the result enters the alignment as a soft
target, so that a dependence which others explain already is not counted twice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from llmsynthor.spec.targets import Table
from llmsynthor.synthesis.coarse import Coarse, fit_margins, interaction, mutual_information
from llmsynthor.synthesis.elicit import Conditional, Pair
from llmsynthor.synthesis.goals import Goal, Goals

CLIP = 6.0
"""Largest log-ratio that one estimate may claim."""

FULL_TRUST, HALF_TRUST = 1.3, 0.01
"""Trust is the first where the model shows much dependence, and half of it where it shows the second, in nats."""

SOFTNESS = 0.95
"""Trust of an estimated table as a target, once it is shrunk: it yields to given tables, and to other estimates a little."""

Floats = NDArray[np.float64]
Source = Literal["given", "estimated", "maximum entropy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What the model's answers say about a pair: the mean `interaction` (levels of one, levels of the other) before shrinkage.

    `strength` is the mutual information that it implies, in nats; `agreement` how alike its directions and frames are (the mean
    cosine of the centred matrices, 1 at best).
    """

    pair: Pair
    interaction: Floats
    strength: float
    agreement: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependence:
    """How two variables hang together in a run, and who says so.

    `strength` is in nats; `trust` the factor on the model's interaction; `table` the estimated shares, where there are any.
    """

    pair: Pair
    source: Source
    strength: float
    agreement: float = float("nan")
    trust: float = float("nan")
    raw_strength: float = float("nan")
    table: Floats | None = field(default=None, compare=False)


def combine(variables: Sequence[Coarse], conditionals: Sequence[Conditional]) -> tuple[Estimate, ...]:
    """Average everything that was asked about a pair; pairs in the order of the variables."""
    by_pair: dict[frozenset[str], list[Conditional]] = {}
    for conditional in conditionals:
        by_pair.setdefault(frozenset((conditional.given, conditional.asked)), []).append(conditional)
    return tuple(
        _estimate(one, other, by_pair[frozenset((one.name, other.name))])
        for one, other in combinations(variables, 2)
        if frozenset((one.name, other.name)) in by_pair
    )


def _estimate(one: Coarse, other: Coarse, conditionals: Sequence[Conditional]) -> Estimate:
    centred = []
    for conditional in conditionals:
        scores = conditional.scores if conditional.given == one.name else conditional.scores.T
        centred.append(np.clip(interaction(scores, one.shares, other.shares), -CLIP, CLIP))
    mean = interaction(np.mean(centred, axis=0), one.shares, other.shares)
    table = fit_margins(mean, one.shares, other.shares)
    return Estimate(
        pair=(one.name, other.name),
        interaction=mean,
        strength=mutual_information(table),
        agreement=_agreement(centred, np.outer(one.shares, other.shares)),
    )


def _agreement(centred: Sequence[Floats], weight: Floats) -> float:
    lengths = [float(np.sqrt((own * own * weight).sum())) for own in centred]
    found = [
        float((a * b * weight).sum()) / max(lengths[i] * lengths[j], 1e-12)
        for (i, a), (j, b) in combinations(enumerate(centred), 2)
    ]
    return float(np.mean(found)) if found else float("nan")


def default_trust(estimate: Estimate) -> float:
    """Trust from what is known without the truth: much where the model shows much, little where it shows little."""
    return FULL_TRUST * estimate.strength / (estimate.strength + HALF_TRUST)


def dependences(
    goals: Goals,
    variables: Sequence[Coarse],
    estimates: Sequence[Estimate],
    *,
    trust: Mapping[frozenset[str], float],
    scale: float = 1.0,
) -> tuple[Dependence, ...]:
    """Say for every pair where its dependence comes from; `trust` overrides, `scale` multiplies the default."""
    by_name = {variable.name: variable for variable in variables}
    estimated = {frozenset(estimate.pair): estimate for estimate in estimates}
    names = [axis.name for axis in goals.grid.axes]
    found = []
    for one, other in combinations(names, 2):
        key = frozenset((one, other))
        given = given_strength(goals, one, other)
        if given is not None:
            found.append(Dependence(pair=(one, other), source="given", strength=given))
        elif key in estimated and (own := trust.get(key, scale * default_trust(estimated[key]))) > 0:
            found.append(_shrunk(estimated[key], own, by_name[one], by_name[other]))
        else:
            found.append(Dependence(pair=(one, other), source="maximum entropy", strength=0.0))
    return tuple(found)


def _shrunk(estimate: Estimate, trust: float, one: Coarse, other: Coarse) -> Dependence:
    table = fit_margins(trust * estimate.interaction, one.shares, other.shares)
    return Dependence(
        pair=estimate.pair,
        source="estimated",
        strength=mutual_information(table),
        agreement=estimate.agreement,
        trust=trust,
        raw_strength=estimate.strength,
        table=table,
    )


def given_strength(goals: Goals, one: str, other: str) -> float | None:
    """Mutual information of the pair in the finest table about all records that has both, or None."""
    having = [g for g in goals.tables if {one, other} <= set(g.table.columns)]
    if not having:
        return None
    goal = max(having, key=lambda g: (g.table.universe is None, g.projection.size))
    return mutual_information(pair_shares(goal, one, other))


def pair_shares(goal: Goal, one: str, other: str) -> Floats:
    """Shares of two columns of a table, shape (levels of one, levels of the other)."""
    columns = [goal.table.columns.index(one), goal.table.columns.index(other)]
    shares = np.moveaxis(goal.shares.reshape(goal.shape), columns, (0, 1))
    return np.asarray(shares.reshape(shares.shape[0], shares.shape[1], -1).sum(axis=2))


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
        trust=SOFTNESS,
    )
