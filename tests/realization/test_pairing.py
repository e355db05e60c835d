"""Values that change places between records that no target tells apart."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import llmsynthor as ls
from llmsynthor.realization.pairing import places


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 10_000), records=st.integers(1, 200), part=st.floats(0, 1))
def test_every_kind_keeps_its_values_and_the_sum_comes_near(seed: int, records: int, part: float) -> None:
    """Each kind holds the values that it held; what order within kinds can give is reached to one record's worth."""
    rng = np.random.default_rng(seed)
    one, other, kinds = rng.random(records), rng.random(records), rng.integers(0, 4, records)
    least, most = (
        sum(sign * float(np.sort(sign * one[kinds == k]) @ np.sort(other[kinds == k])) for k in range(4))
        for sign in (-1.0, 1.0)
    )
    wanted = least + part * (most - least)
    moved = one[places(one, other, wanted - float(one @ other), kinds, rng)]
    for kind in range(4):
        assert np.array_equal(np.sort(moved[kinds == kind]), np.sort(one[kinds == kind]))
    assert abs(float(moved @ other) - wanted) <= 2.0


@pytest.mark.slow
def test_a_correlation_is_met_beside_totals_by_class() -> None:
    """Land and animals of farms: totals by class of land pull the correlation, and it is met all the same."""
    land = {"[0, 10)": (900, 5_000), "[10, 100)": (800, 30_000), "[100, 2000)": (300, 70_000)}
    totals = [{"hectares": size, "total": total} for size, (_, total) in land.items()]
    herds = {"0": 800, "1-49": 800, "50+": 400}
    spec = ls.Spec(
        units=[ls.unit("farm", hectares=ls.number(0, 2000), animals=ls.integer(0, 3000))],
        targets=[
            ls.table(
                {size: count for size, (count, _) in land.items()}, unit="farm", columns=["hectares"], value="count"
            ),
            ls.total("hectares", unit="farm", by=["hectares"], table=totals),
            ls.table(herds, unit="farm", columns=["animals"], value="count"),
            ls.total("animals", unit="farm", value=60_000),
            ls.correlation("hectares", "animals", unit="farm", value=0.6),
        ],
    )
    made = ls.synthesize(spec, records=2_000, llm="none", seed=1)
    assert set(made.alignment["end"]) <= {"exact", "within rounding"}, made.alignment
