"""Zones as data: tables by a column of many levels estimate the pairs that no table gives, with no model."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import llmsynthor
from llmsynthor.errors import SpecError


def spec_of(zones: int, **changes: Any) -> dict[str, Any]:
    """Two traits that the same places have much of, and one that is everywhere alike."""
    names = [f"zone {k}" for k in range(zones)]
    rich = np.linspace(0.2, 0.6, zones)
    variables = {"zone": names, "income": ["high", "low"], "school": ["long", "short"], "hand": ["left", "right"]}

    def table(name: str, share: np.ndarray) -> dict[str, Any]:
        first, second = variables[name]
        cells = [
            {"zone": zone, name: level, "count": round(1000 * float(own if level == first else 1 - own))}
            for zone, own in zip(names, share, strict=True)
            for level in (first, second)
        ]
        return {"name": f"{name} by zone", "unit": "person", "cells": cells, "value": "count"}

    return {
        "llmsynthor": 1,
        "units": {"person": {"variables": {n: {"kind": "category", "levels": own} for n, own in variables.items()}}},
        "targets": [table("income", rich), table("school", rich), table("hand", np.full(zones, 0.1))],
        **changes,
    }


def excess(solution: llmsynthor.Solution) -> float:
    """How many more records have a high income and a long school than by chance, in shares."""
    return excess_of(solution.records["person"])


def excess_of(frame: pl.DataFrame) -> float:
    """The same of a frame of persons."""
    rich, long = frame["income"] == "high", frame["school"] == "long"
    return float((rich & long).mean() - rich.mean() * long.mean())


def test_zones_estimate_what_varies_together() -> None:
    """Forty zones with rising margins make the two traits go together beyond the zones' own tables, which stay exact."""
    found, without = (
        llmsynthor.synthesize(spec_of(40), records=4_000, llm="none", seed=1, zones=used) for used in (True, False)
    )
    assert excess(found) > excess(without) + 0.015
    assert found.exit_code == 0
    sources = {(r["one"], r["other"]): (r["source"], r["sources"]) for r in found.dependencies.to_dicts()}
    assert sources == {("income", "school"): ("zones", "zones 1.00")}
    assert without.dependencies.is_empty()


def test_few_zones_change_nothing() -> None:
    """Below thirty zones the records are the same, with zones and without."""
    found, without = (
        llmsynthor.synthesize(spec_of(29), records=1_000, llm="none", seed=1, zones=used).records["person"]
        for used in (True, False)
    )
    assert found.equals(without)


def test_a_skipped_pair_is_left_alone() -> None:
    """A pair that the user skips is assumed nothing of by zones either."""
    spec = spec_of(40, dependencies={"skip": [["income", "school"]]})
    assert llmsynthor.synthesize(spec, records=400, llm="none", seed=1).dependencies.is_empty()


def test_covariates_are_read_and_written() -> None:
    """The covariate of a spec is kept, and one that is not known is refused."""
    spec = llmsynthor.Spec.load(spec_of(40, dependencies={"covariates": ["log_population"]}))
    assert spec.dependencies.covariates == ("log_population",)
    with pytest.raises(SpecError, match="covariates"):
        llmsynthor.Spec.load(spec_of(40, dependencies={"covariates": ["weather"]}))


def test_a_table_of_the_pair_comes_first() -> None:
    """Where a table joins the two traits it is given, and zones say nothing of them."""
    spec = spec_of(40)
    joint = [
        {"income": a, "school": b, "share": share}
        for a, b, share in (("high", "long", 0.3), ("high", "short", 0.1), ("low", "long", 0.1), ("low", "short", 0.5))
    ]
    spec["targets"].append({"name": "both", "unit": "person", "cells": joint, "value": "share"})
    assert llmsynthor.synthesize(spec, records=400, llm="none", seed=1).dependencies.is_empty()


def test_members_of_households_in_zones() -> None:
    """In nested specs tables of members by their household's zone count as well."""
    spec = spec_of(40)
    person = spec["units"]["person"]["variables"]
    zone = {"zone": person.pop("zone"), "size": {"kind": "integer", "range": [1, 3]}}
    spec["units"] = {
        "household": {"variables": zone},
        "person": {"parent": "household", "count": "size", "variables": person},
    }
    for target in spec["targets"]:
        target["cells"] = [
            {"household.zone" if name == "zone" else name: value for name, value in cell.items()}
            for cell in target["cells"]
        ]
    names = zone["zone"]["levels"]
    cells = [{"zone": name, "size": size, "count": 333} for name in names for size in (1, 2)]
    spec["targets"].append({"name": "sizes", "unit": "household", "cells": cells, "value": "count"})
    found, without = (
        llmsynthor.synthesize(spec, records=1_600, llm="none", seed=1, zones=used) for used in (True, False)
    )
    assert excess(found) > excess(without) + 0.01
    assert found.dependencies["source"].to_list() == ["zones"]


@pytest.mark.slow
def test_what_zones_say_is_drawn_where_a_crosswalk_stands_beside_the_spec(tmp_path: Path) -> None:
    """The report of a run whose zones are those of a geography finds its crosswalk in the run folder."""
    spec = spec_of(40)
    names = spec["units"]["person"]["variables"].pop("zone")["levels"]
    crosswalk = [{"region": f"region {k // 10}", "zone": name} for k, name in enumerate(names)]
    spec["geographies"] = {"land": {"levels": ["region", "zone"], "crosswalk": {"cells": crosswalk}}}
    spec["units"]["person"]["geography"] = "land"
    llmsynthor.synthesize(spec, records=400, llm="none", seed=1, out=tmp_path / "run")
    assert "in the records" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def parishes(within: float) -> dict[str, Any]:
    """Forty parishes in ten shires: rich shires have long schools, and `within` a shire the richer parish has more (or less)."""
    rows = [(f"shire {s}", f"parish {s}.{k}", (s - 4.5) / 20, (k - 1.5) / 12) for s in range(10) for k in range(4)]
    shares = {"income": [0.4 + s + k for *_, s, k in rows], "school": [0.4 + s + within * k for *_, s, k in rows]}
    levels = {"income": ["high", "low"], "school": ["long", "short"]}
    targets = [
        {
            "name": f"{name} by parish",
            "unit": "person",
            "value": "count",
            "cells": [
                {"parish": row[1], name: level, "count": round(1000 * (own if level == levels[name][0] else 1 - own))}
                for row, own in zip(rows, shares[name], strict=True)
                for level in levels[name]
            ],
        }
        for name in levels
    ]
    crosswalk = [{"shire": row[0], "parish": row[1]} for row in rows]
    variables = {name: {"kind": "category", "levels": own} for name, own in levels.items()}
    return {
        "llmsynthor": 1,
        "geographies": {"land": {"levels": ["shire", "parish"], "crosswalk": {"cells": crosswalk}}},
        "units": {"person": {"geography": "land", "variables": variables}},
        "targets": targets,
    }


def test_levels_of_zones_that_disagree_are_not_believed() -> None:
    """Within shires the richer parish has the shorter schools, between shires the longer ones: zones say nothing of persons."""
    agreeing, at_odds = (
        llmsynthor.synthesize(parishes(within), records=2_000, llm="none", seed=1).dependencies
        for within in (1.0, -1.0)
    )
    assert agreeing["source"].to_list() == ["zones"]
    assert at_odds.is_empty()
    alone = parishes(-1.0)
    alone["geographies"]["land"] = {
        "levels": ["parish"],
        "crosswalk": {
            "cells": [{"parish": row["parish"]} for row in alone["geographies"]["land"]["crosswalk"]["cells"]]
        },
    }
    assert not llmsynthor.synthesize(alone, records=2_000, llm="none", seed=1).dependencies.is_empty()
