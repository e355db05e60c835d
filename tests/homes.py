"""A small spec of households and persons, and records of them, for tests of several rooms."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

Entries = dict[str, dict[str, Any]]

AGE = {"kind": "integer", "range": [0, 100]}
HEAD_AGE = {**AGE, "expression": "first(person.age)"}


def among(*levels: str) -> dict[str, Any]:
    """A category of these levels."""
    return {"kind": "category", "levels": list(levels)}


def households_of_persons(
    household: Entries, person: Entries, *, most: int, derived: Entries, **further: Any
) -> dict[str, Any]:
    """A spec of households of 1 to `most` persons: variables of both, derived ones of households, targets and all else."""
    size = {"kind": "integer", "range": [1, most + 1]}
    return {
        "llmsynthor": 1,
        "name": "homes",
        "units": {
            "household": {"variables": {"size": size, **household}, "derived": derived},
            "person": {"parent": "household", "count": "size", "variables": person},
        },
        **further,
    }


HOMES = households_of_persons(
    {"tenure": among("Owned", "Rented")},
    {"age": AGE, "job": among("Works", "None"), "income": {"kind": "integer", "range": [0, 100000]}},
    most=4,
    derived={
        "workers": {"kind": "integer", "range": [0, 5], "expression": "count(person.job == 'Works')"},
        "head_age": HEAD_AGE,
    },
    context="Households of a small town.",
    targets=[
        {
            "name": "workers by tenure",
            "unit": "household",
            "cells": [{"workers": w, "tenure": t, "count": 1} for w in ("0", "1", "2+") for t in ("Owned", "Rented")],
        },
        {
            "name": "age by tenure",
            "unit": "person",
            "cells": [
                {"age": a, "household.tenure": t, "count": 1} for a in ("[0, 18)", "18+") for t in ("Owned", "Rented")
            ],
        },
        {
            "name": "income of heads",
            "unit": "person",
            "mean": "income",
            "universe": "position == 1",
            "cells": [{"household.tenure": t, "mean": 1} for t in ("Owned", "Rented")],
        },
        {
            "name": "age after an older",
            "unit": "person",
            "universe": "age <= previous(age)",
            "cells": [{"age": "[0, 18)", "count": 1}, {"age": "18+", "count": 1}],
        },
    ],
    rules=[
        {"name": "the head is an adult", "unit": "household", "forbid": "first(person.age) < 18"},
        {"name": "children do not work", "unit": "person", "forbid": "age < 15 and job == 'Works'"},
        {
            "name": "renters do not earn much",
            "unit": "person",
            "forbid": "household.tenure == 'Rented' and income > 90000",
        },
    ],
)


def homes(seed: int, households: int) -> dict[str, pl.DataFrame]:
    """Draw households of one to four persons at random; nothing keeps the rules."""
    rng = np.random.default_rng(seed)
    size = rng.integers(1, 5, households)
    n = int(size.sum())
    household = {
        "household_id": np.arange(households) + 1,
        "size": size,
        "tenure": rng.choice(["Owned", "Rented"], households),
    }
    person = {
        "person_id": np.arange(n) + 1,
        "household_id": np.repeat(np.arange(households) + 1, size),
        "age": rng.integers(0, 100, n),
        "job": rng.choice(["Works", "None"], n),
        "income": rng.integers(0, 100_000, n),
    }
    return {"household": pl.DataFrame(household), "person": pl.DataFrame(person)}


def write_homes(frames: dict[str, pl.DataFrame], folder: Path, kind: str = "parquet") -> Path:
    """Write a file per unit."""
    folder.mkdir(parents=True, exist_ok=True)
    for unit, frame in frames.items():
        getattr(frame, f"write_{kind}")(folder / f"{unit}.{kind}")
    return folder
