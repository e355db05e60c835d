"""A small made-up survey: persons in households, whose age decides much, and the library that is built of it."""

from pathlib import Path

import numpy as np
import polars as pl

from llmsynthor.library.build import build_library
from llmsynthor.library.recipe import Recipe
from llmsynthor.library.store import Library

HOMES = 4_000

RECIPE = Recipe.model_validate(
    {
        "name": "village",
        "title": "A made-up village",
        "source": "made up",
        "licence": "none needed",
        "least": 3,
        "units": {
            "home": {
                "file": "homes.csv",
                "key": "home",
                "variables": {
                    "size": {"label": "Number of persons", "ends": [1, 2, 3, 4, 9]},
                    "kind": {"label": "Kind of home", "levels": {"c": "couple", "s": "single person"}},
                    "first_age": {"label": "Age of the first person", "first": "age", "ends": [18, 30, 50, 70, 100]},
                    "children": {
                        "label": "Number of children",
                        "count": {"variable": "age", "below": 16},
                        "ends": [0, 1, 2, 9],
                    },
                },
            },
            "person": {
                "file": "persons.csv",
                "key": "home",
                "parent": "home",
                "order": "number",
                "with_parent": True,
                "strata": {"age": [0, 5, 16, 18]},
                "kinship": {"kinds": "kind", "of": ["age"]},
                "variables": {
                    "age": {"label": "Age", "unit": "years", "ends": [*range(0, 81, 2), 100]},
                    "work": {
                        "label": "Employment status",
                        "levels": {"e": "has a paid job", "n": "has no paid job", "k": "child under 16"},
                    },
                    "pay": {
                        "label": "Yearly pay",
                        "unit": "USD a year",
                        "ends": [0, 1, 10_000, 20_000, 40_000, 60_000, 1_000_000],
                        "levels": {"": "no pay recorded"},
                    },
                },
            },
        },
    }
)


def records(seed: int = 1) -> dict[str, pl.DataFrame]:
    """Homes and persons: children have no work, workers have pay, and more of it when they are older."""
    rng = np.random.default_rng(seed)
    homes = pl.DataFrame({"home": np.arange(HOMES), "kind": rng.choice(["c", "s"], HOMES)})
    rows = []
    for home, kind in homes.iter_rows():
        first = int(rng.integers(20, 85))
        ages = [first, max(18, first + int(rng.integers(-4, 5)))] if kind == "c" else [first]
        ages += [int(rng.integers(0, 20)) for _ in range(int(rng.integers(0, 3)))] if first < 55 else []
        rows += [(home, number + 1, age) for number, age in enumerate(ages)]
    persons = pl.DataFrame(rows, schema=["home", "number", "age"], orient="row")
    age = persons["age"].to_numpy()
    work = np.where(age < 16, "k", np.where((age < 65) & (rng.random(len(age)) < 0.8), "e", "n"))
    pay = np.where(work == "e", (rng.gamma(4, 250, len(age)) * np.clip(age, 20, 60)).round(), 0.0)
    persons = persons.with_columns(work=pl.Series(work), pay=pl.Series(np.where(age < 15, np.nan, pay)).fill_nan(None))
    size = persons.group_by("home").len().rename({"len": "size"})
    return {"homes": homes.join(size, on="home"), "persons": persons}


def village(folder: Path, recipe: Recipe = RECIPE) -> Library:
    """Write the survey into a folder and build the library."""
    for name, frame in records().items():
        frame.write_csv(folder / f"{name}.csv")
    return build_library(recipe, folder)
