"""The grouping model: what margins that vary together over zones say of the dependence within zones.

A few traits sort people into places, so margins of traits that go together rise and fall together, only more so than the traits
do (Holt, Steel, Tranmer, Wrigley 1996). Of two variables with margins A_z, B_z in zones of weight w_z, means a and b, the joint
shares are Σ w A Bᵀ + W. The covariance between zones is known; that within them is put at

    W = κ ρ_a ρ_b R ∘ √(v_a v_bᵀ),

R the correlation of the margins over zones, v the variance within zones, ρ² the part of the variance between zones that is not
sampling noise. A regression of margins on margins (Goodman 1953) divides by the variance between zones, which is a few per cent
of that between people: every contextual effect comes out many times too large, and it does harm.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from llmsynthor.dependence.pair_tables import rake_residuals

KAPPA = 0.2
"""Correlation within zones for each unit of correlation over zones; one number for all data."""

LEAST_VARIANCE = 1e-12

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneMargins:
    """Margins of one variable in every zone: `shares` (zones, levels), each row of the records counted in it, `held` (zones,).

    `held` is None where tables give shares only, of nobody knows how many records: then no noise is taken off.
    """

    shares: Floats
    held: Floats | None = None

    def noise(self, weights: Floats) -> Floats:
        """Sampling variance of the margins over zones, (levels,), were records drawn at random into them."""
        if self.held is None:
            return np.zeros(self.shares.shape[1])
        mean = weights @ self.shares
        return np.asarray(mean * (1 - mean) * float(weights @ (1 / np.maximum(self.held, 1.0))))


def joint_of_zones(weights: Floats, one: ZoneMargins, other: ZoneMargins) -> Floats:
    """Joint shares of two variables that are independent within every zone, shape (levels of one, levels of the other)."""
    return np.asarray((one.shares * weights[:, None]).T @ other.shares)


def grouped_joint(
    weights: Floats, one: ZoneMargins, other: ZoneMargins, *, covariates: Floats | None = None, kappa: float = KAPPA
) -> Floats:
    """Joint shares of two variables by the grouping model; `weights` (zones,) sum to one.

    What `covariates` (zones, columns) explain of the margins, such as how large a place is, is taken off before they are
    correlated.

    >>> weights = np.full(4, 0.25)
    >>> young = np.array([[0.2, 0.8], [0.4, 0.6], [0.6, 0.4], [0.8, 0.2]])
    >>> grouped_joint(weights, ZoneMargins(shares=young), ZoneMargins(shares=young)).round(3)
    array([[0.34, 0.16],
           [0.16, 0.34]])
    """
    a, b = weights @ one.shares, weights @ other.shares
    apart, beside = (_residuals(weights, margins.shares, covariates) for margins in (one, other))
    between, each, its = (apart * weights[:, None]).T @ beside, weights @ apart**2, weights @ beside**2
    correlation = between / np.sqrt(np.maximum(np.outer(each, its), LEAST_VARIANCE))
    reliable = np.outer(_reliability(weights, one, each), _reliability(weights, other, its))
    within = np.sqrt(np.outer(_within(weights, one), _within(weights, other)))
    joint = joint_of_zones(weights, one, other) + kappa * reliable * correlation * within
    return rake_residuals(joint, a, b)


def levels_agree(weights: Floats, one: ZoneMargins, other: ZoneMargins, above: NDArray[np.int64] | None) -> bool:
    """Whether margins vary together in the same direction between the zones of a level `above` and between zones within them.

    True where there is no such level, and where one of the two levels says nothing.

    >>> weights, above = np.full(4, 0.25), np.array([0, 0, 1, 1])
    >>> young, poor = (np.array([[x, 1 - x] for x in own]) for own in ([0.1, 0.3, 0.5, 0.7], [0.4, 0.2, 0.8, 0.6]))
    >>> levels_agree(weights, ZoneMargins(shares=young), ZoneMargins(shares=poor), above)
    False
    >>> levels_agree(weights, ZoneMargins(shares=young), ZoneMargins(shares=young), above)
    True
    """
    if above is None:
        return True
    means = [_means(weights, margins.shares, above)[above] for margins in (one, other)]
    within = _correlation(weights, one.shares - means[0], other.shares - means[1])
    between = _correlation(weights, *(own - weights @ own for own in means))
    return float((within * between).sum()) >= 0


def _means(weights: Floats, shares: Floats, above: NDArray[np.int64]) -> Floats:
    """Mean margins of each zone above, (zones above, levels)."""
    held = np.bincount(above, weights=weights)
    sums = np.stack([np.bincount(above, weights=weights * own) for own in shares.T], axis=1)
    return np.asarray(sums / np.maximum(held, LEAST_VARIANCE)[:, None])


def _correlation(weights: Floats, apart: Floats, beside: Floats) -> Floats:
    """Correlation over zones of two centred margins, (levels of one, levels of the other)."""
    scale = np.sqrt(np.outer(weights @ apart**2, weights @ beside**2))
    return np.asarray((apart * weights[:, None]).T @ beside / np.maximum(scale, LEAST_VARIANCE))


def _residuals(weights: Floats, shares: Floats, covariates: Floats | None) -> Floats:
    """Margins less their means, and less what covariates explain of them by weighted least squares."""
    apart = shares - weights @ shares
    if covariates is None or not covariates.size:
        return np.asarray(apart)
    centred = covariates - weights @ covariates
    root = np.sqrt(weights)[:, None]
    slope, *_ = np.linalg.lstsq(centred * root, apart * root, rcond=None)
    return np.asarray(apart - centred @ slope)


def _reliability(weights: Floats, margins: ZoneMargins, between: Floats) -> Floats:
    """ρ of every level: the root of the part of its variance between zones that is not noise."""
    signal = np.clip(1 - margins.noise(weights) / np.maximum(between, LEAST_VARIANCE), 0.0, 1.0)
    return np.asarray(np.sqrt(np.where(between > LEAST_VARIANCE, signal, 0.0)))


def _within(weights: Floats, margins: ZoneMargins) -> Floats:
    """Variance of every level within zones."""
    mean = weights @ margins.shares
    return np.asarray(np.maximum(mean * (1 - mean) - weights @ (margins.shares - mean) ** 2, 0.0))


def logs_of_population(weights: Floats, names: Sequence[str]) -> Floats:
    """The covariates of these names, (zones, columns): `log_population` is how many records a zone has."""
    return (
        np.stack([np.log(np.maximum(weights, 1e-12)) for _ in names], axis=1) if names else np.zeros((len(weights), 0))
    )
