"""From conditional log-probabilities to one interaction a pair, and how far those of a model agree and stand out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from llmsynthor.dependence.coarse import Coarse
from llmsynthor.dependence.elicit import FRAMES, STRANGERS, Conditional, Pair
from llmsynthor.dependence.pair_tables import fit_margins, interaction, mutual_information

CLIP = 6.0
"""Largest log-ratio that one estimate may claim."""

HEDGED = 2.25
"""Factor on what is said of the last record, and of a record and the one before, where all ways of asking agree: a model hedges.
Chosen on the trips of NHTS 2022."""

LEAST_SIGNAL = 1e-9
FULLY_CREDIBLE = 0.5
"""Part of a model's dependence within records that must be missing between strangers for it to be believed in full."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What the model's answers say about a pair: the mean `interaction` (levels of one, levels of the other) before shrinkage.

    `strength` is the mutual information that it implies, in nats; `agreement` how alike its directions and frames are (the mean
    cosine of the centred matrices, 1 at best). `signal` and `echo` are the mean squares of the interaction as asked about one
    record and about two strangers (NaN where that was not asked). `trust` is the factor of one that was asked in a way of its own,
    on which no given table calibrates it.
    """

    pair: Pair
    interaction: Floats
    strength: float
    agreement: float
    signal: float = float("nan")
    echo: float = float("nan")
    trust: float | None = None


def combine(variables: Sequence[Coarse], conditionals: Sequence[Conditional]) -> tuple[Estimate, ...]:
    """Average everything that was asked about a pair, frames by their weights; pairs in the order of the variables."""
    by_pair: dict[frozenset[str], list[Conditional]] = {}
    for conditional in conditionals:
        by_pair.setdefault(frozenset((conditional.given, conditional.asked)), []).append(conditional)
    return tuple(
        _estimate(one, other, by_pair[frozenset((one.name, other.name))])
        for one, other in combinations(variables, 2)
        if frozenset((one.name, other.name)) in by_pair
    )


def _estimate(one: Coarse, other: Coarse, conditionals: Sequence[Conditional]) -> Estimate:
    own: dict[str, list[Floats]] = {}
    for conditional in conditionals:
        scores = conditional.scores if conditional.given == one.name else conditional.scores.T
        centred = np.clip(interaction(scores, one.shares, other.shares), -CLIP, CLIP)
        own.setdefault(conditional.frame, []).append(centred)
    chance = np.outer(one.shares, other.shares)
    signal = _mean({frame: matrices for frame, matrices in own.items() if frame != STRANGERS})
    echo = float((chance * np.mean(own[STRANGERS], axis=0) ** 2).sum()) if STRANGERS in own else float("nan")
    mean = interaction(_mean(own), one.shares, other.shares)
    return Estimate(
        pair=(one.name, other.name),
        interaction=mean,
        strength=mutual_information(fit_margins(mean, one.shares, other.shares)),
        agreement=agreement_of([c for frame in own if frame != STRANGERS for c in own[frame]], chance),
        signal=float((chance * signal**2).sum()),
        echo=echo,
    )


def _mean(own: Mapping[str, Sequence[Floats]]) -> Floats:
    """Average the frames by their weights; those to be taken off count in full beside the others, however many there are."""
    weights = {frame: FRAMES.get(frame, 1.0) for frame in own}
    whole = sum(weight for weight in weights.values() if weight > 0) or 1.0
    asked_for = sum(weight for weight in FRAMES.values() if weight > 0)
    shares = {f: weight / (whole if weight > 0 else asked_for) for f, weight in weights.items()}
    return np.asarray(sum(share * np.mean(own[frame], axis=0) for frame, share in shares.items()))


def pooled_agreement(estimates: Sequence[Estimate]) -> float:
    """How alike wordings and directions are over all pairs asked in several, those that say more counting more; NaN without any."""
    asked = [own for own in estimates if not np.isnan(own.agreement) and own.trust is None]
    whole = sum(own.strength for own in asked)
    return sum(own.strength * own.agreement for own in asked) / whole if whole > 0 else float("nan")


def loudness(estimates: Sequence[Estimate]) -> float:
    """How strongly two strangers depend beside one record, over all pairs asked about both (mean squares); NaN of none."""
    asked = [own for own in estimates if not np.isnan(own.echo)]
    whole = sum(own.signal for own in asked)
    return sum(own.echo for own in asked) / whole if whole > LEAST_SIGNAL else float("nan")


def believable(signal: float, echo: float) -> float:
    """How far to believe a dependence of this mean square, given that between strangers.

    >>> believable(1.0, 0.2), believable(1.0, 0.75), believable(1.0, 2.0), believable(0.0, 0.0)
    (1.0, 0.5, 0.0, 0.0)
    """
    if signal < LEAST_SIGNAL:
        return 0.0
    return float(np.clip((1.0 - echo / signal) / FULLY_CREDIBLE, 0.0, 1.0))


def agreement_of(centred: Sequence[Floats], weight: Floats) -> float:
    """Mean cosine between estimates of one interaction, cells weighted; NaN of a single one."""
    lengths = [float(np.sqrt((own * own * weight).sum())) for own in centred]
    found = [
        float((a * b * weight).sum()) / max(lengths[i] * lengths[j], 1e-12)
        for (i, a), (j, b) in combinations(enumerate(centred), 2)
    ]
    return float(np.mean(found)) if found else float("nan")
