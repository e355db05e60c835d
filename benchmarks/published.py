"""Alignment to published tables: commuting flows, zone controls, county tables.

    python benchmarks/published.py --data DATA leeds calm county households

DATA holds leeds_commute_od_2011/od_by_mode.csv (2011 Census flows, from the R package od), calm_oregon_controls/
control_totals_taz.csv (PopulationSim's CALM example), acs2024_south_carolina/macro_acs5_2020_2024_by_county.csv (ACS 5-year
tables B25002, B25003, B11016, B19001, B25024, B25041, in long form). Prints how every table was met, seconds and peak memory.
"""

import argparse
import resource
import time
from pathlib import Path
from typing import Any

import polars as pl

import llmsynthor

MODES = ("train", "bus", "taxi", "car_driver", "car_passenger", "bicycle", "foot")


def category(levels: list[str]) -> dict[str, Any]:
    return {"kind": "category", "levels": levels}


def leeds(data: Path) -> tuple[dict[str, Any], int]:
    """Origin × destination × mode of all commuters; what the listed modes leave of the total is another mode."""
    flows = pl.read_csv(data / "leeds_commute_od_2011" / "od_by_mode.csv")
    flows = flows.with_columns(other=pl.col("all") - pl.sum_horizontal(MODES))
    long = flows.unpivot([*MODES, "other"], index=["origin_msoa", "destination_msoa"], variable_name="mode")
    cells = long.filter(pl.col("value") > 0).rename(
        {"origin_msoa": "origin", "destination_msoa": "destination", "value": "count"}
    )
    zones = sorted(set(flows["origin_msoa"]) | set(flows["destination_msoa"]))
    variables = {"origin": category(zones), "destination": category(zones), "mode": category([*MODES, "other"])}
    target = {"name": "flows by mode", "unit": "commuter", "table": cells}
    spec = {"llmsynthor": 1, "name": "Leeds commuters", "units": {"commuter": {"variables": variables}}}
    return {**spec, "targets": [target]}, int(flows["all"].sum())


def calm(data: Path) -> tuple[dict[str, Any], int]:
    """Zone by household size, by age of the householder and by income."""
    controls = pl.read_csv(data / "calm_oregon_controls" / "control_totals_taz.csv")
    zones = [str(zone) for zone in controls["TAZ"].sort()]
    levels = {
        "size": ("HHSIZE", ["1", "2", "3", "4+"]),
        "age": ("HHAGE", ["15-24", "25-54", "55-64", "65+"]),
        "income": ("HHINC", ["up to 21,297", "to 42,593", "to 85,185", "above 85,185"]),
    }
    variables, targets = {"zone": category(zones)}, []
    for name, (prefix, labels) in levels.items():
        variables[name] = category(labels)
        names = {f"{prefix}{k + 1}": label for k, label in enumerate(labels)}
        long = controls.select("TAZ", *names).rename({**names, "TAZ": "zone"}).unpivot(index="zone", variable_name=name)
        table = long.rename({"value": "count"}).with_columns(pl.col("zone").cast(pl.String))
        targets.append({"name": f"zone by {name}", "unit": "household", "table": table})
    spec = {"llmsynthor": 1, "name": "CALM households", "units": {"household": {"variables": variables}}}
    return {**spec, "targets": targets}, int(controls["HHBASE"].sum())


def county(data: Path) -> tuple[dict[str, Any], int]:
    """Housing units of one county: occupied and vacant, tenure, household size, income, structure, bedrooms."""
    published = pl.read_csv(data / "acs2024_south_carolina" / "macro_acs5_2020_2024_by_county.csv")
    name = published["county"].sort()[0]
    own = published.filter(pl.col("county") == name)
    status = own.filter((pl.col("table") == "B25002") & pl.col("measure").str.ends_with("_units"))
    status = status.filter(pl.col("measure") != "total_housing_units")
    tenure = own.filter((pl.col("table") == "B25003") & pl.col("measure").str.contains("(owner|renter)_occupied_units"))
    tables = {"occupancy": status, "tenure": tenure}
    long = {
        key: frame.select(pl.col("measure").str.replace("_units", "").alias(key), pl.col("value").alias("count"))
        for key, frame in tables.items()
    }
    for key, table in {"size": "B11016", "income": "B19001", "structure": "B25024", "bedrooms": "B25041"}.items():
        counted = own.filter((pl.col("table") == table) & (pl.col("measure") == "count"))
        long[key] = counted.select(pl.col("category").alias(key), pl.col("value").alias("count"))
    about_households = ("tenure", "size", "income")
    variables = {
        key: category([*frame[key].to_list(), *(["none"] * (key in about_households))]) for key, frame in long.items()
    }
    targets = [
        {"name": key, "unit": "housing_unit", "table": frame}
        | ({"universe": "occupancy == 'occupied'"} if key in about_households else {})
        for key, frame in long.items()
    ]
    rules = [
        {
            "name": f"{key} of an occupied unit",
            "unit": "housing_unit",
            "forbid": f"(occupancy == 'occupied') == ({key} == 'none')",
        }
        for key in about_households
    ]
    spec = {"llmsynthor": 1, "name": str(name), "units": {"housing_unit": {"variables": variables}}}
    return {**spec, "targets": targets, "rules": rules}, int(own.filter(pl.col("table") == "B25001")["value"].sum())


def households(data: Path) -> tuple[dict[str, Any], int]:
    """The same county's households from the same tables as published: some are about all units, and nobody says so."""
    spec, _ = county(data)
    spec["units"]["housing_unit"]["variables"].pop("occupancy")
    spec["targets"] = [target for target in spec["targets"] if target["name"] != "occupancy"]
    for target in spec["targets"]:
        target.pop("universe", None)
    spec["rules"] = []
    for key in ("tenure", "size", "income"):
        spec["units"]["housing_unit"]["variables"][key]["levels"].remove("none")
    tenure = next(target["table"] for target in spec["targets"] if target["name"] == "tenure")
    return spec, int(tenure["count"].sum())


TASKS = {"leeds": leeds, "calm": calm, "county": county, "households": households}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("tasks", nargs="+", choices=sorted(TASKS))
    arguments = parser.parse_args()
    for name in arguments.tasks:
        document, records = TASKS[name](arguments.data)
        begun = time.perf_counter()
        solution = llmsynthor.synthesize(document, records=records, llm="none", seed=1)
        seconds = time.perf_counter() - begun
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{name}: {records:,} records in {seconds:.1f} s, peak {memory:,.0f} MB; {solution.stop_reason}")
        print(solution.alignment.select("name", "cells", "records", "tvd", "max_abs_error", "status", "yielded"))
        print(
            {
                **solution.manifest["alignment"]["disagreements"],
                "contradictions": solution.manifest["alignment"]["contradictions"],
                "warnings": solution.manifest["warnings"],
            }
        )


if __name__ == "__main__":
    main()
