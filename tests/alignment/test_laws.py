"""Laws of the alignment, on specs made from random populations: what one population meets, another can."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import llmsynthor
from llmsynthor.run.synthesize import Solution

SIZES = {"a": 2, "b": 3, "c": 4, "d": 3}
RECORDS = 400

seeds = st.integers(0, 10_000)
groups = st.lists(st.sampled_from(["ab", "bc", "cd", "ad", "abc", "d", "bd"]), min_size=2, max_size=4, unique=True)


def population(seed: int) -> dict[str, np.ndarray]:
    """Records with dependence, among which b = 2 never meets c = 0."""
    rng = np.random.default_rng(seed)
    columns = {name: rng.integers(0, size, RECORDS) for name, size in SIZES.items()}
    columns["b"] = np.where(rng.random(RECORDS) < 0.5, columns["a"], columns["b"])
    columns["c"] = np.where((columns["b"] == 2) & (columns["c"] == 0), 1, columns["c"])
    return columns


def document(
    columns: dict[str, np.ndarray], tables: list[str], names: dict[str, list[str]] | None = None
) -> dict[str, Any]:
    """A spec with the tables that the population has; `names` relabels the levels."""
    levels = {name: (names or {}).get(name, [f"{name}{k}" for k in range(size)]) for name, size in SIZES.items()}
    targets = []
    for table in tables:
        codes, counts = np.unique(np.stack([columns[name] for name in table], axis=1), axis=0, return_counts=True)
        cells = [
            {**{name: levels[name][k] for name, k in zip(table, code, strict=True)}, "count": int(count)}
            for code, count in zip(codes, counts, strict=True)
        ]
        targets.append({"name": table, "unit": "r", "cells": cells})
    rule = f"b == '{levels['b'][2]}' and c == '{levels['c'][0]}'"
    return {
        "llmsynthor": 1,
        "units": {"r": {"variables": {n: {"kind": "category", "levels": sorted(own)} for n, own in levels.items()}}},
        "targets": targets,
        "rules": [{"name": "never", "unit": "r", "forbid": rule}],
    }


def solve(spec: dict[str, Any], seed: int) -> Solution:
    return llmsynthor.synthesize(spec, records=RECORDS, llm="none", seed=seed)


@settings(max_examples=30, deadline=None)
@given(seeds, groups)
@pytest.mark.slow
def test_what_a_population_has_is_met_and_rules_hold(seed: int, tables: list[str]) -> None:
    """Tables counted on one population, with a rule that it keeps, are met in every cell, and the rule holds."""
    solution = solve(document(population(seed), tables), seed)
    assert set(solution.alignment["status"]) == {"exact"}, solution.alignment
    assert solution.manifest["rules_broken"] == {"never": 0}


@settings(max_examples=10, deadline=None)
@given(seeds, st.randoms(use_true_random=False))
def test_relabelling_changes_only_names(seed: int, random: Any) -> None:
    """Other names, and so another order of levels, meet the same tables."""
    names = {name: [f"{k}{name}" for k in random.sample(range(size), size)] for name, size in SIZES.items()}
    solution = solve(document(population(seed), ["ab", "bc", "cd"], names), seed)
    assert set(solution.alignment["status"]) == {"exact"}


@settings(max_examples=10, deadline=None)
@given(seeds)
@pytest.mark.slow
def test_implied_table_changes_nothing(seed: int) -> None:
    """A table that another implies is met with it or without it, and nothing is reported."""
    solution = solve(document(population(seed), ["abc", "ab", "c", "cd"]), seed)
    assert set(solution.alignment["status"]) == {"exact"}
    assert solution.disagreements.is_empty()


@settings(max_examples=10, deadline=None)
@given(seeds)
@pytest.mark.slow
def test_order_of_tables_is_no_matter(seed: int) -> None:
    """Tables in another order are met all the same."""
    tables = ["ad", "bd", "bc"]
    for order in (tables, tables[::-1]):
        assert set(solve(document(population(seed), order), seed).alignment["status"]) == {"exact"}


@settings(max_examples=10, deadline=None)
@given(seeds, st.integers(0, 3))
@pytest.mark.slow
def test_table_met_stays_met(seed: int, other: int) -> None:
    """Records that meet their tables are not touched when they are the start, whatever the seed."""
    spec = document(population(seed), ["ab", "cd"])
    first = solve(spec, seed)
    again = llmsynthor.synthesize(spec, records=RECORDS, seed=other, start=first.records["r"])
    assert not again.records["r"]["start_changed"].any()
