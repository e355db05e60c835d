"""Means by groups of two kinds imply the mean of all records: where they differ both yield, and nothing beside them suffers."""

from typing import Any

import pytest

import llmsynthor
from llmsynthor.aims.aims import set_aims
from llmsynthor.spec.reading.files import load

KINDS = ["flat", "nested"]
LEVELS = {"zone": ["a", "b"], "tenure": ["own", "let"]}


def mean_income(by: str, means: tuple[float, float], **more: Any) -> dict[str, Any]:
    cells = [{by: level, "mean": mean} for level, mean in zip(LEVELS[by], means, strict=True)]
    return {"name": f"by {by}", "unit": "home", "mean": "income", "by": [by], "cells": cells, **more}


def homes(kind: str, by_tenure: tuple[float, float], **more: Any) -> dict[str, Any]:
    """Homes in two zones, owned or let, with the mean income of each zone (20,000 in all) and of each tenure, and the median."""
    variables: dict[str, Any] = {name: {"kind": "category", "levels": levels} for name, levels in LEVELS.items()}
    variables["income"] = {"kind": "number", "range": [0, 200000]}
    units: dict[str, Any] = {"home": {"variables": variables}}
    if kind == "nested":
        variables["size"] = {"kind": "integer", "range": [1, 3]}
        sex = {"kind": "category", "levels": ["F", "M"]}
        units["person"] = {"parent": "home", "count": "size", "variables": {"sex": sex}}
    counts = {"zone": (600, 400), "tenure": (500, 500)}
    tables = [
        {
            "name": f"{by}s",
            "unit": "home",
            "cells": [{by: v, "count": n} for v, n in zip(LEVELS[by], counts[by], strict=True)],
        }
        for by in LEVELS
    ]
    median = {
        "name": "median",
        "unit": "home",
        "quantile": "income",
        "probability": 0.5,
        "cells": [{"quantile": 16000}],
    }
    means = [mean_income("zone", (18000, 23000)), mean_income("tenure", by_tenure, **more)]
    return {"llmsynthor": 1, "units": units, "targets": [*tables, *means, median]}


@pytest.mark.parametrize("kind", KINDS)
def test_both_yield_to_a_common_mean_and_the_median_holds(kind: str) -> None:
    """20,000 by zone against 25,000 by tenure: 22,500 is used, both have yielded, and tables and median are exact."""
    made = llmsynthor.synthesize(homes(kind, (30000.0, 20000.0)), records=1_000, llm="none", seed=1)
    assert abs(made.records["home"]["income"].to_numpy().mean() - 22_500) < 5
    ends = dict(made.alignment.select("name", "status").iter_rows())
    assert ends["by zone"] == ends["by tenure"] == "yielded"
    assert {ends[name] for name in ("zones", "tenures", "median")} == {"exact"}


def test_the_more_important_one_yields_less() -> None:
    """A ninth as far with nine times the importance."""
    aims = set_aims(load(homes("flat", (30000.0, 20000.0), importance=9.0)))
    zone, tenure = (moment for moment in aims.own[0].moments if moment.target.by)
    assert tenure.values == pytest.approx([30000 * 24500 / 25000, 20000 * 24500 / 25000])
    assert zone.values == pytest.approx([18000 * 24500 / 20000, 23000 * 24500 / 20000])


@pytest.mark.parametrize(("means", "margin"), [((24000.0, 16000.0), 0), ((24001.0, 16000.0), 500)])
def test_what_agrees_or_is_explained_by_margins_stays(means: tuple[float, float], margin: int) -> None:
    """Nothing moves where both imply the same mean, or margins of error explain the difference."""
    document = homes("flat", means, **({"margin_of_error": "moe"} if margin else {}))
    for cell in document["targets"][3]["cells"]:
        cell.update({"moe": margin} if margin else {})
    aims = set_aims(load(document))
    assert not aims.disagreements
    assert next(m for m in aims.own[0].moments if m.target.name == "by zone").values.tolist() == [18000, 23000]


def test_rounded_shares_within_groups_explain_what_they_may() -> None:
    """Of whole per cents of tenure within zones, half a per cent is worth a hundred of the mean: 60 of 20,000 are no conflict."""
    document = homes("flat", (30000.0, 10510.0))
    percent = {"own": 49, "let": 51}
    cells = [
        {"zone": zone, "tenure": tenure, "percent": percent[tenure]} for zone in LEVELS["zone"] for tenure in percent
    ]
    document["targets"][1] = {"name": "tenures", "unit": "home", "given": ["zone"], "cells": cells}
    assert not set_aims(load(document)).disagreements
