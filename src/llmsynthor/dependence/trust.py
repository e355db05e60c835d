"""Trust: the factor on an interaction that a model states, measured on known tables and calibrated on given ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from llmsynthor.calibration.measured import MOST_FULL, Measured
from llmsynthor.dependence.coarse import Coarse
from llmsynthor.dependence.coincidence import coincidences
from llmsynthor.dependence.elicit import Pair
from llmsynthor.dependence.estimates import Estimate, loudness, pooled_agreement
from llmsynthor.dependence.pair_tables import fit_margins

SHARP = 5.0
"""Log-ratio by which levels that seem to say the same thing avoid all others."""

SCALES = tuple(float(x) for x in np.geomspace(0.1, MOST_FULL, 28))
HALVES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
PRIOR_PAIRS = 2.0
"""How many given tables the measured trust is worth, in its calibration."""

AT_ODDS, AGREED = 0.3, 0.6
"""Agreement of what is said of a spec, in parts of that on the bench, at which nothing of it is believed, and from which on all is:
answers that were mixed up do not agree from one wording to the next (-0.02 to 0.24 in three trials; surveys 1.06 and 1.25)."""

TOO_LOUD, AS_LOUD, QUIET = 2.3, 1.7, 0.5
"""How many times as loud as on the bench strangers may be beside one record: names that mean nothing go together as words do, in
one record as in two (2.5 times; surveys 0.4 and 1.1). A model is never taken for quieter than QUIET."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """A rule of trust: λ = full · s / (s + half), where s is the strength in nats that the answers imply.

    A model overstates weak dependence, which is mostly noise and stereotype, and understates strong dependence, since it
    hedges: λ is small for the first and above 1 for the second. `tables` given ones calibrated it (0: none did).
    """

    full: float
    half: float
    tables: int = 0

    def of(self, strength: float) -> float:
        """λ of a pair.

        >>> Trust(full=2.0, half=0.1).of(0.1)
        1.0
        """
        return self.full * strength / (strength + self.half)

    def in_estimate(self, estimate: Estimate) -> float:
        """λ of an estimate: its own, where it was asked in a way of its own."""
        return self.of(estimate.strength) if estimate.trust is None else estimate.trust


def likeness(estimates: Sequence[Estimate], measured: Measured) -> float:
    """How far the answers about a spec are like those on the bench, from 0 to 1: what was measured holds for such as these.

    1 where no pair was asked about in more than one way: such pairs are weak.
    """
    agreed, loud = pooled_agreement(estimates), loudness(estimates) / max(measured.loudness, QUIET)
    if np.isnan(agreed) or measured.agreement <= 0:
        return 1.0
    parts = [(agreed / measured.agreement - AT_ODDS) / (AGREED - AT_ODDS)]
    parts += [] if np.isnan(loud) else [(TOO_LOUD - loud) / (TOO_LOUD - AS_LOUD)]
    return float(np.clip(min(parts), 0.0, 1.0))


def calibrate(
    variables: Sequence[Coarse], estimates: Sequence[Estimate], truth: Mapping[Pair, Floats], measured: Measured
) -> Trust:
    """Choose the rule of trust under which the estimates come nearest to the given tables, in Kullback-Leibler divergence.

    Without given tables it is as measured, less so where answers do not agree as they did there. With them that
    counts like PRIOR_PAIRS tables of middling strength that it fits best, so that few tables move it little.
    """
    usual = Trust(full=measured.full * likeness(estimates, measured), half=measured.half)
    by_name = {variable.name: variable for variable in variables}
    known = [e for e in estimates if e.pair in truth]
    if not known or usual.full <= 0:
        return usual

    def loss(trust: Trust) -> float:
        apart = [e.strength * np.log(trust.of(e.strength) / usual.of(e.strength)) ** 2 for e in known if e.strength > 0]
        fits = (
            divergence(truth[e.pair], trusted_table(e, trust.of(e.strength), *(by_name[name] for name in e.pair)))
            for e in known
        )
        return PRIOR_PAIRS * float(sum(apart)) / len(known) + sum(fits)

    rules = [Trust(full=full, half=half, tables=len(known)) for full in SCALES for half in HALVES]
    return min([*rules, replace(usual, tables=len(known))], key=loss)


def trusted_table(estimate: Estimate, trust: float, one: Coarse, other: Coarse) -> Floats:
    """The table of a pair at a trust λ, shape (levels of one, levels of the other)."""
    return sharpened(fit_margins(trust * estimate.interaction, one.shares, other.shares), one, other)


def sharpened(table: Floats, one: Coarse, other: Coarse) -> Floats:
    """Make levels that seem to say the same thing go together almost always; the very table where there are none."""
    apart = np.zeros(table.shape, dtype=bool)
    for found in coincidences(one, other, table):
        apart |= found.apart()
    if not apart.any():
        return table
    lift = np.log(np.maximum(table, 1e-12) / np.maximum(np.outer(one.shares, other.shares), 1e-12))
    return fit_margins(np.where(apart, np.minimum(lift, -SHARP), lift), one.shares, other.shares)


def divergence(truth: Floats, table: Floats) -> float:
    """Kullback-Leibler divergence of a table from the truth, in nats."""
    inside = truth > 0
    return float((truth[inside] * np.log(truth[inside] / np.maximum(table[inside], 1e-12))).sum())
