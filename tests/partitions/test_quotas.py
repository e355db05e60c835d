"""Quotas: whole numbers that add up exactly."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from llmsynthor.partitions.quotas import rake, rake_groups, round_quotas, round_sum


def _case(seed: int, partitions: int, cells: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    start = rng.random((partitions, cells)) * 10
    rows = np.rint(start.sum(axis=1)).astype(np.int64)
    columns = round_sum(rng.random(cells) + 0.1, int(rows.sum()))
    return rake(start, rows.astype(float), columns.astype(float)), rows, columns


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), partitions=st.integers(1, 12), cells=st.integers(1, 9))
def test_rounding_keeps_every_sum(seed: int, partitions: int, cells: int) -> None:
    """Rows and columns sum to what they must, and every entry is a neighbour of its fraction."""
    wanted, rows, columns = _case(seed, partitions, cells)
    found = round_quotas(wanted, rows, columns)
    assert (found.sum(axis=1) == rows).all()
    assert (found.sum(axis=0) == columns).all()
    assert (np.abs(found - wanted) < 1 + 1e-6).all()
    assert (found >= 0).all()


def test_groups_of_a_partition_keep_their_sums() -> None:
    """What a partition's own tables say of groups of cells holds beside the table of all."""
    rng = np.random.default_rng(2)
    start, groups = rng.integers(1, 20, (6, 5)).astype(float), np.array([0, 0, 1, 1, 1])
    sums = np.stack([start[:, groups == g].sum(axis=1) for g in (0, 1)], axis=1)
    columns = start.sum(axis=0).astype(np.int64)
    columns[:2] += (3, -3)
    columns[2:] += (2, -4, 2)
    wanted = rake_groups(start, [sums], [groups], columns.astype(float))
    found = round_quotas(wanted, start.sum(axis=1).astype(np.int64), columns, groups=groups, sums=sums)
    assert (found.sum(axis=0) == columns).all()
    assert all((found[:, groups == g].sum(axis=1) == sums[:, g]).all() for g in (0, 1))


def test_what_is_not_allowed_stays_empty() -> None:
    """A cell of other partitions' zones gets nothing."""
    allowed = np.array([[True, False, True], [True, True, True]])
    start = np.array([[3.0, 0.0, 1.0], [1.0, 2.0, 1.0]])
    rows, columns = np.array([4, 4]), np.array([3, 2, 3])
    wanted = rake(start, rows.astype(float), columns.astype(float), allowed=allowed)
    found = round_quotas(wanted, rows, columns, allowed=allowed)
    assert found[0, 1] == 0
    assert (found.sum(axis=0) == columns).all()
