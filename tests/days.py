"""Households, persons and trips for tests: a spec, a simulated population that keeps its rules, and tables counted from it."""

from itertools import pairwise, product
from typing import Any

import numpy as np
import polars as pl

PLACES = ("home", "work", "shop")

UNITS: dict[str, Any] = {
    "household": {
        "variables": {
            "size": {"kind": "integer", "range": [1, 4]},
            "tenure": {"kind": "category", "levels": ["own", "rent"]},
        },
        "derived": {
            "children": {"kind": "integer", "range": [0, 3], "expression": "count(person.age < 16)"},
            "income": {"kind": "number", "range": [0, 400_000], "expression": "sum(person.pay)"},
        },
    },
    "person": {
        "parent": "household",
        "count": "size",
        "variables": {
            "age": {"kind": "integer", "range": [0, 90]},
            "works": {"kind": "category", "levels": ["yes", "no"]},
            "pay": {"kind": "integer", "range": [0, 100_000]},
            "trips": {"kind": "integer", "range": [0, 4]},
        },
        "derived": {
            "older": {
                "kind": "category",
                "levels": ["yes", "no"],
                "expression": "'yes' if previous(age) > age else 'no'",
            }
        },
    },
    "trip": {
        "parent": "person",
        "count": "trips",
        "variables": {
            "origin": {"kind": "category", "levels": list(PLACES)},
            "goal": {"kind": "category", "levels": list(PLACES)},
            "hour": {"kind": "integer", "range": [0, 24]},
        },
    },
}

RULES = [
    {"name": "children do not work", "unit": "person", "forbid": "age < 16 and works == 'yes'"},
    {"name": "who does not work has no pay", "unit": "person", "forbid": "(works == 'no') != (pay < 1)"},
    {"name": "an adult", "unit": "household", "forbid": "count(person.age >= 16) < 1"},
    {"name": "a chain", "unit": "trip", "forbid": "origin != previous(goal)"},
    {"name": "nowhere to nowhere", "unit": "trip", "forbid": "origin == goal"},
    {"name": "in time", "unit": "trip", "forbid": "hour < previous(hour)"},
    {"name": "from home", "unit": "person", "forbid": "first(trip.origin) != 'home'"},
]


def simulate(households: int, seed: int) -> dict[str, pl.DataFrame]:
    """Draw a population that keeps the rules."""
    rng = np.random.default_rng(seed)
    homes, persons, trips = [], [], []
    for home in range(1, households + 1):
        size = int(rng.choice([1, 2, 3], p=[0.4, 0.35, 0.25]))
        homes.append({"household_id": home, "size": size, "tenure": str(rng.choice(["own", "rent"], p=[0.6, 0.4]))})
        for number in range(size):
            persons.append(_person(home, number, len(persons) + 1, rng))
            trips += _trips(persons[-1], len(trips), rng)
    return {"household": pl.DataFrame(homes), "person": pl.DataFrame(persons), "trip": pl.DataFrame(trips)}


def _person(home: int, number: int, identity: int, rng: np.random.Generator) -> dict[str, Any]:
    age = int(rng.integers(16, 90) if number == 0 else rng.integers(0, 90))
    works = age >= 16 and rng.random() < 0.6
    pay = int(rng.integers(1, 100_000)) if works else 0
    count = int(rng.choice([0, 1, 2, 3], p=[0.2, 0.1, 0.5, 0.2]))
    return {
        "person_id": identity,
        "household_id": home,
        "age": age,
        "works": "yes" if works else "no",
        "pay": pay,
        "trips": count,
    }


def _trips(person: dict[str, Any], before: int, rng: np.random.Generator) -> list[dict[str, Any]]:
    found, place = [], "home"
    for number, hour in enumerate(sorted(int(h) for h in rng.integers(5, 23, size=person["trips"]))):
        goal = str(rng.choice([other for other in PLACES if other != place]))
        found.append(
            {
                "trip_id": before + number + 1,
                "person_id": person["person_id"],
                "origin": place,
                "goal": goal,
                "hour": hour,
            }
        )
        place = goal
    return found


def count_cells(frame: pl.DataFrame, columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    """Count a table, zeros too: a column with numbers is cut at them into intervals, one with texts keeps its levels."""
    labels: dict[str, list[str]] = {}
    counted = frame
    for name, cuts in columns.items():
        if isinstance(cuts[0], str):
            labels[name] = cuts
            continue
        labels[name] = [f"[{low}, {high})" for low, high in pairwise(cuts)]
        place = np.searchsorted(cuts, frame[name].to_numpy(), side="right") - 1
        counted = counted.with_columns(pl.Series(name, [labels[name][k] for k in place]))
    found = dict(zip(*[[*part] for part in _tally(counted, list(columns))], strict=True))
    return [
        {**dict(zip(columns, cell, strict=True)), "count": found.get(cell, 0)} for cell in product(*labels.values())
    ]


def _tally(frame: pl.DataFrame, names: list[str]) -> tuple[list[tuple[str, ...]], list[int]]:
    counted = frame.group_by(names, maintain_order=True).len("n")
    return counted.select(names).rows(), counted["n"].to_list()


def day_document(frames: dict[str, pl.DataFrame]) -> dict[str, Any]:
    """A spec whose tables are counted from a population."""
    person = frames["person"].join(
        frames["household"].select("household_id", pl.col("tenure").alias("household.tenure")), on="household_id"
    )
    trip = frames["trip"].join(
        frames["person"].select("person_id", pl.col("works").alias("person.works")), on="person_id"
    )
    home = frames["household"].join(
        frames["person"]
        .group_by("household_id")
        .agg(children=(pl.col("age") < 16).sum().cast(pl.Int64), income=pl.col("pay").sum()),
        on="household_id",
    )
    ages, hours, pay = [0, 16, 40, 65, 90], [0, 9, 12, 17, 24], [0, 1, 30_000, 60_000, 100_000]
    works, tenure, sizes = ["yes", "no"], ["own", "rent"], [1, 2, 3, 4]
    targets = [
        ("household", count_cells(home, {"size": sizes, "tenure": tenure})),
        ("household", count_cells(home, {"children": [0, 1, 2, 3], "tenure": tenure})),
        ("household", count_cells(home, {"income": [0, 20_000, 60_000, 400_000]})),
        ("person", count_cells(person, {"age": ages, "household.tenure": tenure})),
        ("person", count_cells(person, {"works": works, "age": ages})),
        ("person", count_cells(person, {"pay": pay})),
        ("person", count_cells(person, {"trips": [0, 1, 2, 3, 4], "works": works})),
        ("trip", count_cells(trip, {"goal": [*PLACES], "hour": hours})),
        ("trip", count_cells(trip, {"origin": [*PLACES], "person.works": works})),
    ]
    return {
        "llmsynthor": 1,
        "name": "days",
        "context": "Days of a small town.",
        "units": UNITS,
        "rules": RULES,
        "targets": [
            {"name": f"{unit} {number}", "unit": unit, "cells": cells} for number, (unit, cells) in enumerate(targets)
        ],
    }
