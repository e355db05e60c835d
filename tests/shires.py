"""A land of four shires with three parishes each, whose tables hold together: some by parish, some of the whole land."""

from typing import Any

import numpy as np
import polars as pl

from llmsynthor.spec.specification import Spec

SHIRES = ("north", "east", "south", "west")
PARISHES = tuple(f"{shire} {number}" for shire in SHIRES for number in (1, 2, 3))


def land(*, mean: bool = False) -> Spec:
    """Households by parish and size, persons by parish and sex; age by sex and tenure by size of all, and the mean income."""
    rng = np.random.default_rng(5)
    homes = [
        (parish, int(size), "owned" if rng.random() < 0.3 + 0.1 * size else "rented", int(rng.integers(5, 95)))
        for parish in PARISHES
        for size in rng.choice([1, 2, 3, 4], size=30 + 3 * PARISHES.index(parish), p=[0.3, 0.4, 0.2, 0.1])
    ]
    persons = [
        (
            home[0],
            str(rng.choice(["f", "m"])),
            "young" if k > 1 or rng.random() < 0.1 else str(rng.choice(["middle", "old"])),
        )
        for home in homes
        for k in range(home[1])
    ]
    household = pl.DataFrame(homes, schema=["parish", "size", "tenure", "income"], orient="row")
    person = pl.DataFrame(persons, schema=["household.parish", "sex", "age"], orient="row")
    targets: list[Any] = [
        _table(household, "household", "parish", "size"),
        _table(person, "person", "household.parish", "sex"),
        _table(household, "household", "tenure", "size"),
        _table(person, "person", "age", "sex"),
    ]
    if mean:
        income = float(household["income"].to_numpy().mean())
        targets.append({"name": "income", "unit": "household", "mean": "income", "cells": [{"mean": round(income, 2)}]})
    crosswalk = [{"shire": parish.split()[0], "parish": parish} for parish in PARISHES]
    return Spec.load(
        {
            "llmsynthor": 1,
            "name": "shires",
            "units": {
                "household": {
                    "geography": "zones",
                    "variables": {
                        "size": {"kind": "integer", "range": [1, 5]},
                        "tenure": {"kind": "category", "levels": ["owned", "rented"]},
                        "income": {"kind": "integer", "range": [0, 100]},
                    },
                },
                "person": {
                    "parent": "household",
                    "count": "size",
                    "variables": {
                        "sex": {"kind": "category", "levels": ["f", "m"]},
                        "age": {"kind": "category", "levels": ["young", "middle", "old"]},
                    },
                },
            },
            "targets": targets,
            "geographies": {"zones": {"levels": ["shire", "parish"], "crosswalk": {"cells": crosswalk}}},
            "synthesis": {"records": household.height, "partition": "shire", "partition_records": 1},
        }
    )


def _table(frame: pl.DataFrame, unit: str, *columns: str) -> dict[str, Any]:
    counts = frame.group_by(*columns).len(name="count").sort(*columns)
    return {"name": " by ".join(reversed(columns)), "unit": unit, "value": "count", "cells": counts.to_dicts()}
