"""Rules about the same variables are laid out as one table of zeros, where there are many."""

import numpy as np
import pytest

from llmsynthor.aims.aims import set_aims
from llmsynthor.aims.goals import Goals
from llmsynthor.alignment.zeros import MANY, lay_out_zeros
from llmsynthor.spec.specification import Spec


def goals_of(rules: list[str]) -> Goals:
    levels = [f"level {k}" for k in range(12)]
    variables = {
        "a": {"kind": "category", "levels": levels},
        "b": {"kind": "category", "levels": levels[:7]},
        "n": {"kind": "integer", "range": [0, 40]},
    }
    written = [{"name": f"r{k}", "unit": "thing", "forbid": text} for k, text in enumerate(rules)]
    share = [{"a": level, "share": 1 / 12} for level in levels]
    document = {
        "llmsynthor": 1,
        "units": {"thing": {"variables": variables}},
        "targets": [{"name": "a", "unit": "thing", "cells": share}],
        "rules": written,
    }
    return set_aims(Spec.load(document)).own[0]


def rules(count: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    two = [f"a == 'level {rng.integers(12)}' and b == 'level {rng.integers(7)}'" for _ in range(count)]
    return two + [f"n > {rng.integers(20, 39)} and a != 'level {rng.integers(12)}'" for _ in range(count)]


@pytest.mark.parametrize("count", [MANY - 1, MANY, 3 * MANY])
def test_many_rules_forbid_what_each_of_them_does(count: int) -> None:
    """A combination of codes has a log-weight of minus infinity exactly where one of the rules forbids it."""
    goals = goals_of(rules(count, seed=count))
    sizes = goals.grid.sizes
    codes = np.stack([own.ravel() for own in np.indices(sizes)], axis=1).astype(np.int32)
    alone = np.zeros(len(codes), dtype=bool)
    for zeros in goals.zeros:
        cell = zeros.projection.of(codes)
        alone |= (cell >= 0) & zeros.forbidden[cell]
    laid = lay_out_zeros(goals.zeros, sizes)
    together = np.zeros(len(codes), dtype=bool)
    for own in laid:
        cell = own.projection.of(codes)
        together |= (cell >= 0) & np.isneginf(own.values[cell])
    assert np.array_equal(alone, together)
    assert 0 < alone.sum() < len(codes)
    assert (len(laid) < len(goals.zeros)) == (count >= MANY)
