"""Φ and Q on codes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from llmsynthor.aims.words import say_missing
from llmsynthor.population.aggregate import aggregate
from llmsynthor.population.discrepancy import discrepancies, total_variation
from llmsynthor.realization.values import realize
from llmsynthor.records.measure import tabulate
from llmsynthor.spec.levels import Interval
from llmsynthor.spec.specification import Spec
from tests.alignment.test_align import goals_of


def _codes(spec: Spec, records: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([rng.integers(0, size, records) for size in goals_of(spec).grid.sizes], axis=1).astype(np.int32)


def test_counting_is_additive_and_blind_to_order(spec: Spec) -> None:
    """Φ of two heaps together is the sum of both, in whatever order the records lie."""

    @given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 10_000))
    def law(first: int, second: int, seed: int) -> None:
        a, b = _codes(spec, first, seed), _codes(spec, second, seed + 1)
        both = np.random.default_rng(seed).permutation(np.concatenate([a, b]))
        for goal in goals_of(spec).tables:
            assert np.array_equal(aggregate(both, goal), aggregate(a, goal) + aggregate(b, goal))

    law()


def test_codes_and_values_count_alike(spec: Spec) -> None:
    """Counting codes and counting the values drawn for them give the same table: realization spoils none."""
    goals = goals_of(spec)
    codes = _codes(spec, 500, 3)
    codes = codes[~goals.zeros[0].forbidden[goals.zeros[0].projection.of(codes)]]
    frame = realize(goals, codes, rng=np.random.default_rng(1))
    for goal in goals.tables:
        by_value = dict(zip(goal.table.cells, tabulate(frame, goal.table, spec.schema), strict=True))
        by_code = {goal.cell(k): n for k, n in enumerate(aggregate(codes, goal))}
        assert by_code == by_value


def test_discrepancy_is_directed(spec: Spec) -> None:
    """With no records everything is missing; the share that is missing is then 1, and so is the distance."""
    found = discrepancies(goals_of(spec).tables, np.zeros((0, 3), dtype=np.int32), records=50)
    assert [round(d.share_missing, 9) for d in found] == [1, 1, 1]
    assert all((d.missing >= 0).all() for d in found)
    assert total_variation(goals_of(spec).tables[0], np.zeros((0, 3), dtype=np.int32)) == 1


def test_cells_are_named_for_people() -> None:
    """A cell is said as a modeller would say it, in both directions."""
    cell = [Interval(16, 25), "unemployed"]
    assert (
        say_missing(["age", "employment"], cell, 212) == "age [16, 25) and employment = unemployed: 212 records missing"
    )
    assert say_missing(["age", "employment"], cell, -1).endswith("1 record too many")
