"""Households and persons of many zones: every cell of what shares the zone, and as many persons as each zone counts."""

from typing import Any

import numpy as np
import polars as pl
import pytest

from llmsynthor import synthesize
from llmsynthor.aims.aims import set_aims, with_estimates
from llmsynthor.alignment.schedule import run_stages
from llmsynthor.alignment.trees.framed import to_totals
from llmsynthor.alignment.trees.stages import trees_stages
from llmsynthor.run.synthesize import Solution
from llmsynthor.spec.levels import Interval
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import Table

ZONES, HOMES = 40, 20


def population(seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Households of zones with sizes up to 8, and persons with age and job."""
    rng = np.random.default_rng(seed)
    size = 1 + rng.binomial(7, 0.25, ZONES * HOMES)
    homes = pl.DataFrame(
        {
            "zone": [f"z{k // HOMES:02d}" for k in range(ZONES * HOMES)],
            "size": size,
            "tenure": rng.choice(["own", "rent"], ZONES * HOMES),
        }
    )
    persons = pl.DataFrame(
        {
            "household.zone": homes["zone"].gather(np.repeat(np.arange(len(size)), size)),
            "age": rng.integers(0, 90, size.sum()),
            "job": rng.choice(["works", "studies", "neither"], size.sum(), p=[0.5, 0.2, 0.3]),
        }
    )
    return homes, persons


def counted(frame: pl.DataFrame, *columns: str) -> list[dict[str, Any]]:
    return frame.group_by(columns).len("count").sort(columns).to_dicts()


def document(seed: int = 1, *, students: bool = False) -> dict[str, Any]:
    homes, persons = population(seed)
    top = pl.when(pl.col("size") >= 4).then(pl.lit("4+")).otherwise(pl.col("size").cast(pl.String)).alias("size")
    grouped = persons.with_columns((pl.col("age") // 30 * 30).alias("age"))
    ages = [{**row, "age": f"[{row['age']}, {row['age'] + 30})"} for row in counted(grouped, "household.zone", "age")]
    targets = [
        {"name": "sizes", "unit": "household", "cells": counted(homes.with_columns(top), "zone", "size")},
        {"name": "tenure", "unit": "household", "cells": counted(homes, "zone", "tenure")},
        {"name": "ages", "unit": "person", "cells": ages},
    ]
    if students:
        every = pl.DataFrame({"household.zone": sorted(set(homes["zone"])), "job": "studies"})
        some = pl.DataFrame(counted(persons.filter(pl.col("job") == "studies"), "household.zone", "job"))
        cells = every.join(some, on=["household.zone", "job"], how="left").fill_null(0).to_dicts()
        targets.append({"name": "students", "unit": "person", "of": "sizes", "cells": cells})
    crosswalk = [{"district": zone[:2], "zone": zone} for zone in sorted(set(homes["zone"]))]
    return {
        "llmsynthor": 1,
        "geographies": {"town": {"levels": ["district", "zone"], "crosswalk": {"cells": crosswalk}}},
        "units": {
            "household": {
                "geography": "town",
                "variables": {
                    "size": {"kind": "integer", "range": [1, 9]},
                    "tenure": {"kind": "category", "levels": ["own", "rent"]},
                },
            },
            "person": {
                "parent": "household",
                "count": "size",
                "variables": {
                    "age": {"kind": "integer", "range": [0, 90]},
                    "job": {"kind": "category", "levels": ["works", "studies", "neither"]},
                },
            },
        },
        "targets": targets,
    }


@pytest.fixture(scope="module")
def solution() -> Solution:
    return synthesize(Spec.load(document(students=True)), records=ZONES * HOMES, llm="none", seed=3)


def test_every_cell_of_every_zone_is_met(solution: Solution) -> None:
    """Tables of households and of persons that share the zone end exact in every cell."""
    assert solution.alignment["status"].unique().to_list() == ["exact"], solution.alignment
    assert solution.manifest["stop_reason"] == "aligned: nothing was left to correct"


def test_open_ends_follow_the_persons_of_the_zone(solution: Solution) -> None:
    """Households of four and more are as large as the persons of their own zone make them."""
    _, persons = population(1)
    wanted = persons["household.zone"].value_counts().sort("household.zone")["count"].to_list()
    made = solution.records["household"].group_by("zone").agg(pl.col("size").sum()).sort("zone")["size"].to_list()
    assert made == wanted


def test_a_rule_is_kept_beside_zones() -> None:
    """With a rule across persons and households all tables of zones are still met."""
    ruled = document(2)
    ruled["rules"] = [{"unit": "person", "forbid": "age < 15 and job == 'works'"}]
    made = synthesize(Spec.load(ruled), records=ZONES * HOMES, llm="none", seed=1)
    assert set(made.manifest["rules_broken"].values()) == {0}
    assert made.alignment["max_abs_error"].max() <= 1.0, made.alignment


def test_a_tenth_of_the_records_keeps_cells_within_one() -> None:
    """A sample of the households meets each cell of its zones to less than a record."""
    made = synthesize(Spec.load(document(3)), records=ZONES * HOMES // 4, llm="none", seed=1)
    homes = made.alignment.filter(pl.col("unit") == "household")
    assert homes["max_abs_error"].max() < 1.0, made.alignment  # type: ignore[operator]


@pytest.mark.parametrize("total", [12.0, 17.0, 40.0])
def test_numbers_come_to_the_total_of_their_group(total: float) -> None:
    """Open numbers of a group sum to what is asked for wherever their cells allow it, the others stay in their cells."""
    values = np.arange(1.0, 9.0)
    part = np.array([0, 1, 2, 3, 3, 3, 3, 3])
    label = np.array([0, 1, 3, 3, 3])
    rng = np.random.default_rng(1)
    codes = to_totals((np.zeros(5, np.int64), np.array([total])), label, part, (np.full(8, 0.125), values), rng=rng)
    low, high = 1 + 2 + 3 * 4, 1 + 2 + 3 * 8
    assert values[codes].sum() == np.clip(total, low, high)
    assert (part[codes] == label).all()


def test_soft_pairs_are_drawn_with_the_zones() -> None:
    """What is said of a pair of a household's own variables is in the draw: nothing is fitted, and tables stay exact."""
    spec = Spec.load(document())
    said = {
        ("own", 1): 0.02,
        ("own", 2): 0.28,
        ("own", 4): 0.2,
        ("rent", 1): 0.11,
        ("rent", 2): 0.34,
        ("rent", 4): 0.05,
    }
    ends = {1: 2.0, 2: 4.0, 4: 9.0}
    pair = Table(
        name="said",
        unit="household",
        columns=("tenure", "size"),
        cells=tuple((tenure, Interval(float(low), ends[low])) for tenure, low in said),
        values=tuple(said.values()),
        value="share",
        trust=0.9,
    )
    heard = list[str]()
    stages = trees_stages(set_aims(with_estimates(spec, {}, [pair])), records=ZONES * HOMES, seed=1)
    made = run_stages(stages, lambda stage, sweep, tvd: heard.append(stage))
    assert "fit" not in heard
    assert made.unmet == ()
    codes = made.roster.codes[0]
    names = [axis.name for axis in stages.trees.aims.own[0].grid.axes]
    size, tenure = codes[:, names.index("size")], codes[:, names.index("tenure")]
    large_owned = ((size >= 3) & (tenure == 0)).mean() / ((size >= 3).mean() * (tenure == 0).mean())
    assert large_owned > 1.4
