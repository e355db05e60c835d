"""Tables of two levels of zones: where parts do not add up to their whole."""

from typing import Any

import pytest

from llmsynthor.aims.levels import gaps
from llmsynthor.run.check import examine
from llmsynthor.spec.specification import Spec


def town(districts: dict[str, float], **more: Any) -> Spec:
    """Households by block, and by district with these counts."""
    blocks = [{"block": f"{d}{k}", "district": d} for d in "ab" for k in (1, 2)]
    return Spec.load(
        {
            "llmsynthor": 1,
            "units": {
                "household": {
                    "geography": "zones",
                    "variables": {"tenure": {"kind": "category", "levels": ["owned", "rented"]}},
                }
            },
            "geographies": {"zones": {"levels": ["district", "block"], "crosswalk": {"cells": blocks}}},
            "targets": [
                {
                    "name": "fine",
                    "unit": "household",
                    "cells": [{"block": row["block"], "count": 50} for row in blocks],
                },
                {
                    "name": "coarse",
                    "unit": "household",
                    "value": "count",
                    "cells": [{"district": zone, "count": count, **more} for zone, count in districts.items()],
                    **({"margin_of_error": "moe"} if "moe" in more else {}),
                },
            ],
            "synthesis": {"records": 200},
        }
    )


@pytest.mark.parametrize("coarse", [{"a": 100, "b": 100}, {"a": 101, "b": 99}, {"a": 1_000, "b": 1_000}])
def test_parts_that_add_up_are_passed_over(coarse: dict[str, float]) -> None:
    """Equal shares, and differences that rounding of the cells explains, are no gap."""
    assert list(gaps(town(coarse))) == []


def test_parts_that_do_not_add_up_are_named() -> None:
    """Each zone that is off is named with what it states and what its parts come to, by the check too."""
    (gap,) = gaps(town({"a": 130, "b": 70}))
    assert gap.zones == ("a", "b")
    assert (gap.stated - gap.added).tolist() == [30, -30]
    assert any(
        "2 zones of district are not what their parts add up to" in str(w)
        for w in examine(town({"a": 130, "b": 70}), "none").warnings
    )


def test_margins_of_error_explain_a_difference() -> None:
    """A difference within the margins is none."""
    assert list(gaps(town({"a": 130, "b": 70}, moe=40))) == []
