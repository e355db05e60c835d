"""The grouping model: margins that vary together over zones say something of the dependence within them, and never too much."""

import numpy as np
import pytest

from llmsynthor.dependence.grouping import ZoneMargins, grouped_joint, joint_of_zones, logs_of_population

WEIGHTS = np.full(40, 1 / 40)


def binary(high: np.ndarray, held: np.ndarray | None = None) -> ZoneMargins:
    return ZoneMargins(shares=np.stack([high, 1 - high], axis=1), held=held)


def test_margins_are_kept() -> None:
    """Whatever zones say, the margins of the joint table are those of the zones together."""
    rng = np.random.default_rng(1)
    one, other = (ZoneMargins(shares=rng.dirichlet(np.ones(size), 40)) for size in (3, 5))
    joint = grouped_joint(WEIGHTS, one, other)
    assert joint.sum(axis=1) == pytest.approx(WEIGHTS @ one.shares, abs=1e-8)
    assert joint.sum(axis=0) == pytest.approx(WEIGHTS @ other.shares, abs=1e-8)


def test_what_varies_together_goes_together() -> None:
    """Margins that rise and fall together give a positive dependence beyond that of independence within zones."""
    high = np.linspace(0.3, 0.5, 40)
    joint, alone = (of(WEIGHTS, binary(high), binary(high)) for of in (grouped_joint, joint_of_zones))
    assert joint[0, 0] > alone[0, 0] + 0.02
    assert grouped_joint(WEIGHTS, binary(high), binary(high[::-1]))[0, 0] < alone[0, 0]


def test_margins_that_do_not_vary_say_nothing() -> None:
    """A variable that is the same in all zones is independent of every other."""
    joint = grouped_joint(WEIGHTS, binary(np.full(40, 0.5)), binary(np.linspace(0.2, 0.8, 40)))
    assert joint == pytest.approx(np.full((2, 2), 0.25), abs=1e-9)


def test_sampling_noise_says_nothing() -> None:
    """Margins that vary no more than records drawn at random would are not believed."""
    rng = np.random.default_rng(2)
    noisy = [binary(rng.binomial(50, 0.5, 40) / 50, np.full(40, 30.0)) for _ in range(2)]
    joint = grouped_joint(WEIGHTS, *noisy)
    assert joint == pytest.approx(joint_of_zones(WEIGHTS, *noisy), abs=5e-3)


def test_a_covariate_takes_off_what_it_explains() -> None:
    """Two margins that vary together only because both follow the size of the zone are independent without it."""
    weights = np.linspace(1, 9, 40) / np.linspace(1, 9, 40).sum()
    size = logs_of_population(weights, ["log_population"])
    follows = binary(0.5 + 0.1 * (size[:, 0] - weights @ size[:, 0]))
    plain = grouped_joint(weights, follows, follows)
    taken_off = grouped_joint(weights, follows, follows, covariates=size)
    assert taken_off[0, 0] < plain[0, 0]
    assert taken_off == pytest.approx(joint_of_zones(weights, follows, follows), abs=1e-6)
