"""Links between the masses of a unit and those of its parents: the ranges that sums are reckoned over."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from llmsynthor.aims.links import scaled


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        ([0.0, 5.0], [5.0, 10.0], ([0.0, 0.5], [0.5, 1.0], 0.0, 10.0)),
        ([-np.inf, -np.inf], [np.inf, np.inf], ([-1e6, -1e6], [1e6, 1e6], 0.0, 1e-9)),
    ],
)
def test_a_number_without_known_ends_has_no_range(low: list[float], high: list[float], expected: Any) -> None:
    """Ends lie from 0 to 1 over the range that is known; where no end is known, they are as good as infinite."""
    ends = (np.array(low), np.array(high))
    terrain = SimpleNamespace(axes={"sum": SimpleNamespace(ends=ends)})
    joint: Any = SimpleNamespace(ends={"sum": ends}, layer=SimpleNamespace(terrain=terrain))
    space: Any = SimpleNamespace(codes={"sum": np.array([0, 1])})
    found = scaled(joint, "sum", space)  # type: ignore[arg-type]  # stands for a key
    assert found[0].tolist() == expected[0]
    assert found[1].tolist() == expected[1]
    assert found[2:] == expected[2:]
