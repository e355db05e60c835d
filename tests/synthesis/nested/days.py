"""Households, persons and trips for tests: a spec, a simulated population that keeps its rules, and tables counted from it."""

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
            "children": {"kind": "integer", "range": [0, 4], "expression": "count(person.age < 16)"},
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
            "older": {"kind": "category", "levels": ["yes", "no"], "expression": "'yes' if previous(age) > age else 'no'"}
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
        found.append({
            "trip_id": before + number + 1,
            "person_id": person["person_id"],
            "origin": place,
            "goal": goal,
            "hour": hour,
        })
        place = goal
    return found


def count_cells(frame: pl.DataFrame, **cuts: list[float] | None) -> list[dict[str, Any]]:
    """Count a table: a column with cuts becomes intervals, one without keeps its values."""
    shown = []
    for name, edges in cuts.items():
        column = pl.col(name.replace("__", "."))
        if edges is None:
            shown.append(column.alias(name.replace("__", ".")))
            continue
        label = pl.lit(None, dtype=pl.String)
        for low, high in zip(edges, edges[1:], strict=False):
            label = pl.when((column >= low) & (column < high)).then(pl.lit(f"[{low:g}, {high:g})")).otherwise(label)
        shown.append(label.alias(name.replace("__", ".")))
    counted = frame.select(shown).group_by(pl.all(), maintain_order=True).len("count")
    return counted.to_dicts()


def day_document(frames: dict[str, pl.DataFrame]) -> dict[str, Any]:
    """A spec whose tables are counted from a population."""
    person = frames["person"].join(
        frames["household"].select("household_id", pl.col("tenure").alias("household.tenure")), on="household_id"
    )
    trip = frames["trip"].join(frames["person"].select("person_id", pl.col("works").alias("person.works")), on="person_id")
    home = frames["household"].join(
        frames["person"]
        .group_by("household_id")
        .agg(children=(pl.col("age") < 16).sum().cast(pl.Int64), income=pl.col("pay").sum()),
        on="household_id",
    )
    ages, hours, pay = [0.0, 16, 40, 65, 90], [0.0, 9, 12, 17, 24], [0.0, 1, 30_000, 60_000, 100_000]
    targets = [
        ("household", count_cells(home, size=None, tenure=None)),
        ("household", count_cells(home, children=None, tenure=None)),
        ("household", count_cells(home, income=[0.0, 20_000, 60_000, 400_000])),
        ("person", count_cells(person, age=ages, household__tenure=None)),
        ("person", count_cells(person, works=None, age=ages)),
        ("person", count_cells(person, pay=pay)),
        ("person", count_cells(person, trips=None, works=None)),
        ("trip", count_cells(trip, goal=None, hour=hours)),
        ("trip", count_cells(trip, origin=None, person__works=None)),
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
