"""How each target was met: the statuses at their edges."""

from typing import Any

import polars as pl
import pytest

from llmsynthor.evaluation.compare import Comparison, compare
from llmsynthor.evaluation.ends import Status
from llmsynthor.spec.specification import Spec


def compared(target: dict[str, Any], women: int, men: int, income: list[float] | None = None) -> Comparison:
    """One target beside so many women and men, with incomes repeated over them."""
    spec = Spec.load(
        {
            "llmsynthor": 1,
            "units": {
                "p": {
                    "variables": {
                        "sex": {"kind": "category", "levels": ["f", "m", "x"]},
                        "income": {"kind": "integer", "range": [0, 1000]},
                    }
                }
            },
            "targets": [{"name": "t", "unit": "p", **target}],
        }
    )
    values = (income or [0.0]) * (women + men)
    frame = pl.DataFrame({"sex": ["f"] * women + ["m"] * men, "income": [int(v) for v in values[: women + men]]})
    return compare(spec, {"p": frame})[0]


def sexes(f: float, m: float, **about: Any) -> dict[str, Any]:
    return {"cells": [{"sex": "f", "count": f}, {"sex": "m", "count": m}], **about}


@pytest.mark.parametrize(
    ("about", "status"),
    [
        ({}, Status.MISSED),
        ({"rounding": 12}, Status.ROUNDING),
        ({"rounding": 3}, Status.MISSED),
        ({"tolerance": {"records": 7}}, Status.TOLERANCE),
        ({"tolerance": {"records": 6}}, Status.MISSED),
        ({"tolerance": 0.02}, Status.TOLERANCE),
        ({"tolerance": {"records": 2, "relative": 0.02}}, Status.TOLERANCE),
        ({"trust": 0.5}, Status.LEANED),
        ({"importance": 5, "rounding": 20, "tolerance": {"records": 50}}, Status.ROUNDING),
    ],
)
def test_what_the_numbers_leave_open(about: dict[str, Any], status: Status) -> None:
    """Seven records off is within a base of 12 or a tolerance of 7, and else missed; the narrowest that explains it is said."""
    assert compared(sexes(500, 500, **about), 507, 493).status is status


def test_not_a_whole_record_off_is_exact() -> None:
    """Two thirds of a record off is exact; a whole one is rounding."""
    assert compared(sexes(1, 2), 34, 66).status is Status.EXACT
    assert compared(sexes(50, 50, rounding=1), 51, 49).status is Status.ROUNDING


MEANS = {"mean": "income", "by": ["sex"]}


def test_a_group_without_records_asks_nothing() -> None:
    """The mean of nobody is not off: the others decide, and the largest error is theirs."""
    cells = [{"sex": "f", "mean": 10}, {"sex": "m", "mean": 10}, {"sex": "x", "mean": 0}]
    found = compared({**MEANS, "cells": cells}, 5, 5, [10])
    assert (found.status, found.largest_error) == (Status.EXACT, 0.0)
    cells[1]["mean"] = 14
    found = compared({**MEANS, "cells": cells}, 5, 5, [10])
    assert (found.status, found.largest_error) == (Status.MISSED, 4.0)
    assert found.worst(3) == ("sex = m: income 10 instead of 14",)


def test_means_of_nobody_at_all_are_missed() -> None:
    """Where no group has a record the target was not met by anybody."""
    assert compared({**MEANS, "cells": [{"sex": "x", "mean": 3}]}, 5, 5, [10]).status is Status.MISSED


def test_a_total_of_nobody_is_missed() -> None:
    """A sum that is wanted is not there without records."""
    cells = [{"sex": "f", "total": 50}, {"sex": "m", "total": 50}, {"sex": "x", "total": 5}]
    assert compared({"total": "income", "by": ["sex"], "cells": cells}, 5, 5, [10]).status is Status.MISSED


@pytest.mark.parametrize(
    ("about", "total", "status"),
    [
        ({}, 40.0, Status.EXACT),
        ({}, 40.25, Status.TOLERANCE),
        ({"rounding": 0.6}, 40.25, Status.ROUNDING),
        ({}, 40.5, Status.TOLERANCE),
        ({}, 40.75, Status.MISSED),
    ],
)
def test_a_derived_sum_is_exact_only_where_it_holds(about: dict[str, Any], total: float, status: Status) -> None:
    """Values from 0 to 8 leave a sum half a unit, a sixteenth of their range: within it the sum is said to be near, never exact."""
    cells = [{"zone": "a", "km": 0.0}, {"zone": "b", "km": 8.0}]
    unit = {
        "variables": {"zone": {"kind": "category", "levels": ["a", "b"]}},
        "derived": {"km": {"kind": "number", "lookup": {"cells": cells, "by": ["zone"], "value": "km"}}},
    }
    for statistic, records in (("total", 1), ("mean", 10)):
        target = {"name": "t", "unit": "p", statistic: "km", "cells": [{statistic: total / records}], **about}
        target |= {"rounding": about["rounding"] / records} if about else {}
        spec = Spec.load({"llmsynthor": 1, "units": {"p": {**unit}}, "targets": [target]})
        found = compare(spec, {"p": pl.DataFrame({"zone": ["a"] * 5 + ["b"] * 5, "km": [0.0] * 5 + [8.0] * 5})})[0]
        assert found.status is status, statistic
