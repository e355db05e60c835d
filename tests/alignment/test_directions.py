"""Directions: an estimate that enters as a half-space gives the records that much of a dependence, and no more."""

from typing import Any

import numpy as np
import pytest

from llmsynthor.aims.aims import Aims, set_aims, with_estimates
from llmsynthor.alignment.align import align
from llmsynthor.alignment.directions import Direction, follow
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Table

CELLS = (("a", "x"), ("a", "y"), ("b", "x"), ("b", "y"))
ESTIMATE = (0.4, 0.1, 0.1, 0.4)
LIFT = 0.6 * float(np.log(0.4 / 0.1)) / 2
"""The mean of the estimate's own interaction, which is ± half the logarithm of its odds."""


def aims_of(part: float, given: dict[str, Any] | None = None, *, nested: bool = False) -> Aims:
    def one(name: str, *levels: str) -> dict[str, Any]:
        return {
            "name": name,
            "unit": "thing",
            "cells": [{name: level, "share": 0.5} for level in levels],
            "value": "share",
        }

    variables = {n: {"kind": "category", "levels": list(own)} for n, own in (("u", "ab"), ("v", "xy"))}
    units: dict[str, Any] = {"thing": {"variables": variables}}
    targets = [one("u", "a", "b"), one("v", "x", "y"), *([given] if given else [])]
    if nested:
        units["thing"] |= {"parent": "box", "count": "size"}
        units = {"box": {"variables": {"size": {"kind": "integer", "range": [1, 4]}}}, **units}
        sizes = [{"size": k, "share": share} for k, share in ((1, 0.3), (2, 0.4), (3, 0.3))]
        targets.append({"name": "sizes", "unit": "box", "cells": sizes, "value": "share"})
    spec = Spec.load({"llmsynthor": 1, "units": units, "targets": targets})
    table = Table(
        name="estimate",
        unit="thing",
        columns=("u", "v"),
        cells=CELLS,
        values=ESTIMATE,
        value="share",
        trust=0.98,
        floor=part * LIFT,
    )
    return set_aims(with_estimates(spec, {}, [table]))


def share(aims: Aims, records: int = 8_000) -> float:
    """Share of the records in the cell (a, x)."""
    made = align(aims, records=records, seed=1).roster.codes[-1]
    return float(((made[:, 0] == 0) & (made[:, 1] == 0)).mean())


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.slow
def test_records_have_the_part_asked_for(nested: bool) -> None:
    """The mean of the interaction comes to its bound: with half of the dependence the even table is left half as far."""
    for part in (1.0, 0.5):
        assert share(aims_of(part, nested=nested)) == pytest.approx((1 + 0.6 * part) / 4, abs=0.015)


def test_what_is_there_already_is_left_alone() -> None:
    """A given table with more of the dependence is met exactly, and the bound adds nothing."""
    cells = [{"u": u, "v": v, "share": s} for (u, v), s in zip(CELLS, (0.45, 0.05, 0.05, 0.45), strict=True)]
    given = {"name": "given", "unit": "thing", "cells": cells, "value": "share"}
    assert share(aims_of(0.8, given)) == pytest.approx(0.45, abs=1e-9)


def test_a_given_table_against_it_comes_first() -> None:
    """A given table that says the contrary is met all the same."""
    cells = [{"u": u, "v": v, "share": s} for (u, v), s in zip(CELLS, (0.1, 0.4, 0.4, 0.1), strict=True)]
    given = {"name": "given", "unit": "thing", "cells": cells, "value": "share"}
    assert share(aims_of(0.8, given)) == pytest.approx(0.1, abs=1e-9)


def test_a_multiplier_is_never_negative() -> None:
    """Where the records have more than the bound asks for, the multiplier falls to zero and stays there."""
    direction = Direction(first=1, last=5, potential=np.array([1.0, -1.0, -1.0, 1.0]), floor=0.1)
    weight = np.array([0.0, 0.3, -0.3, -0.3, 0.3])
    for _ in range(3):
        follow([direction], weight, np.array([0, 90, 10, 10, 90]), 1.0)
    assert weight.tolist() == [0.0] * 5
