"""A bench of tables that are known: specs with one-way tables only, and the records that say how their variables depend.

Persons, workers and households of states of the American Community Survey (none of South Carolina), persons of the National
Household Travel Survey, sales of an online shop. Other scripts ask a model about them, or judge what it said.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from copula import document, nhts, retail

PERSONS = {
    "age": "Age",
    "sex": "Sex",
    "race": "Race",
    "hispanic": "Hispanic or Latino origin",
    "nativity": "Nativity",
    "education": "Highest education completed",
    "marital_status": "Marital status",
    "health_insurance": "Health insurance",
    "disability": "Disability",
}
WORKERS = {
    "age": "Age",
    "sex": "Sex",
    "class_of_worker": "Class of worker",
    "weekly_hours": "Usual hours worked per week",
    "commute_mode": "Means of transport to work",
    "commute_minutes": "Travel time to work",
    "income": "Annual personal income",
    "education": "Highest education completed",
}
HOUSEHOLDS = {
    "num_persons": "Number of persons in the household",
    "housing_tenure": "Housing tenure",
    "householder_type": "Type of household",
    "multigenerational": "Multigenerational household",
    "household_income": "Annual household income",
    "units_in_structure": "Units in structure",
    "bedrooms": "Number of bedrooms",
}
ADULT_CUTS = [16, 20, 25, 35, 45, 55, 65, 75, 100]
AGE_CUTS = [0, 5, 16, 25, 35, 50, 65, 80, 100]
INCOME_CUTS = [-20_000, 1, 15_000, 30_000, 45_000, 60_000, 100_000, 5_000_000]
FEW = 0.004
"""Levels with a smaller share of the records are put together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A spec with one-way tables, and the records that were counted."""

    name: str
    spec: dict[str, Any]
    records: pl.DataFrame


def known(acs: Path, trips: Path, shop: Path) -> list[Known]:
    """The bench, in the order in which it is asked about."""
    persons, households = (pl.scan_parquet(acs / f"{name}.parquet") for name in ("persons", "households"))
    found = [Known(name=name, spec=spec, records=own) for name, (spec, own) in _surveys(trips, shop).items()]
    for state, of in (("Colorado", PERSONS), ("Illinois", WORKERS), ("Georgia", HOUSEHOLDS)):
        homes = households.filter(pl.col("state") == state)
        if of is HOUSEHOLDS:
            frame = homes.select(*of).collect()
        else:
            rows = persons.join(homes.select("household_id"), on="household_id")
            rows = rows.filter(pl.col("employment").str.starts_with("employed")) if of is WORKERS else rows
            frame = rows.select(*of).collect()
        unit = {id(PERSONS): "person", id(WORKERS): "worker", id(HOUSEHOLDS): "household"}[id(of)]
        found.append(_of_state(state, unit, frame, of))
    return found


def _surveys(trips: Path, shop: Path) -> dict[str, Any]:
    return {"nhts persons": nhts(trips), "shop sales": retail(shop)}


def _of_state(state: str, unit: str, frame: pl.DataFrame, labels: dict[str, str]) -> Known:
    age = ADULT_CUTS if unit == "worker" else AGE_CUTS
    cuts: dict[str, tuple[list[float], str]] = {
        "age": (list(age), "years"),
        "weekly_hours": ([1, 20, 30, 36, 40, 41, 50, 60, 100], "hours"),
        "commute_minutes": ([0, 1, 10, 15, 20, 30, 45, 60, 300], "minutes"),
        "income": (list(INCOME_CUTS), "USD"),
        "household_income": (list(INCOME_CUTS), "USD"),
        "num_persons": ([1, 2, 3, 4, 5, 6, 7, 21], "persons"),
        "bedrooms": ([0, 1, 2, 3, 4, 5, 21], "bedrooms"),
    }
    own = {name: cut for name, cut in cuts.items() if name in labels}
    numbers = [pl.col(n).fill_null(0).clip(c[0][0], c[0][-1] - 1).cast(pl.Int64) for n, c in own.items()]
    words = [_words(frame, name) for name in labels if name not in own]
    frame = frame.with_columns(*numbers, *words).select(*labels)
    context = f"{unit.capitalize()}s of {state}, USA, in 2024."
    return Known(name=f"{state} {unit}s", spec=document(unit, context, frame, labels, own), records=frame)


def persons_of(acs: Path, state: str) -> Known:
    """Persons of a state with the area they live in, `puma`."""
    persons, households = (pl.scan_parquet(acs / f"{name}.parquet") for name in ("persons", "households"))
    homes = households.filter(pl.col("state") == state).select("household_id", "puma")
    rows = persons.join(homes, on="household_id").select("puma", *PERSONS).collect()
    entry = _of_state(state, "person", rows.drop("puma"), PERSONS)
    return Known(name=entry.name, spec=entry.spec, records=entry.records.with_columns(rows["puma"]))


def sorted_levels(spec: dict[str, Any], name: str) -> list[str]:
    """Levels of a variable in the order of their codes."""
    variable = next(iter(spec["units"].values()))["variables"][name]
    if variable["kind"] == "category":
        return list(variable["levels"])
    target = next(t for t in spec["targets"] if t["name"] == name)
    return sorted((row[name] for row in target["cells"]), key=lambda text: float(text[1:].split(",")[0]))


def _words(frame: pl.DataFrame, name: str) -> pl.Expr:
    counts = frame[name].cast(pl.String).fill_null("not asked").value_counts(sort=True)
    kept = counts.filter(pl.col("count") >= FEW * frame.height)[name].to_list()[:11]
    word = pl.col(name).cast(pl.String).fill_null("not asked")
    return pl.when(word.is_in(kept)).then(word).otherwise(pl.lit("other")).alias(name)
