"""Households, persons and their trips: tables, the chain of trips, where the day ends, and queries about vehicles.

    python benchmarks/diaries.py --llm none local --seeds 1 --reference REFERENCE_DIR --out out
    python benchmarks/diaries.py --records-of RUN_FOLDER --reference REFERENCE_DIR

Prints a row per model and seed. The reference (household, person and trip.parquet in the spec's variables) is only compared with;
that a day ends at home stands in no table. No run reads the reference.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import polars as pl
from nested_rows import show, synthesized

SPEC = Path(__file__).parents[1] / "examples" / "diaries" / "spec.yaml"
UNITS = ("household", "person", "trip")
Frames = Mapping[str, pl.DataFrame]


def days(frames: Frames) -> dict[str, float]:
    """Shares of trips that start where the last ended, and of days that begin and that end at home."""
    trips = frames["trip"].with_columns(before=pl.col("activity").shift(1).over("person_id"))
    later = trips.filter(pl.col("before").is_not_null())
    ends = trips.group_by("person_id", maintain_order=True).agg(pl.col("origin").first(), pl.col("activity").last())
    found = {
        "chained": (later["origin"] == later["before"]).mean(),
        "days begin at home": (ends["origin"] == "Home").mean(),
        "days end at home": (ends["activity"] == "Home").mean(),
    }
    return {name: float(share) for name, share in found.items() if isinstance(share, float)}


def vehicle_queries(frames: Frames) -> dict[str, float]:
    """Shares of households: the paper's queries about vehicles."""
    ages = (
        frames["person"]
        .group_by("household_id")
        .agg(child=(pl.col("age") < 18).any(), elderly=(pl.col("age") >= 65).any())
    )
    homes = frames["household"].join(ages, on="household_id", how="left")
    none = pl.col("num_vehicles") == 0
    conditions = {
        "no vehicle and low income": none & (pl.col("income") < 25_000),
        "child and no vehicle": none & pl.col("child"),
        "elderly and no vehicle": none & pl.col("elderly"),
        "three or more vehicles and high income": (pl.col("num_vehicles") >= 3) & (pl.col("income") >= 100_000),
    }
    return {name: homes.filter(condition).height / homes.height for name, condition in conditions.items()}


def figures(made: Frames, reference: Frames | None) -> dict[str, float]:
    row = days(made)
    if reference is None:
        return row | vehicle_queries(made)
    row |= {f"{name} (reference)": share for name, share in days(reference).items()}
    wanted, got = vehicle_queries(reference), vehicle_queries(made)
    errors = {name: abs(got[name] - share) / share for name, share in wanted.items()}
    return row | {"MRE of vehicle queries": sum(errors.values()) / len(errors), **errors}


def read(folder: Path) -> dict[str, pl.DataFrame]:
    inner = folder / "records" if (folder / "records").is_dir() else folder
    return {unit: pl.read_parquet(inner / f"{unit}.parquet") for unit in UNITS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llm", nargs="+", default=["none", "local"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--records", type=int, default=7_120)
    parser.add_argument("--spec", type=Path, default=SPEC)
    parser.add_argument("--reference", type=Path, help="household, person and trip.parquet to compare with")
    parser.add_argument("--records-of", type=Path, help="score this run folder instead of making one")
    parser.add_argument("--out", type=Path, default=Path("out/diaries"), help="run folders; no call is made twice")
    arguments = parser.parse_args()
    reference = read(arguments.reference) if arguments.reference is not None else None
    if arguments.records_of is not None:
        show(figures(read(arguments.records_of), reference))
        return
    for llm in arguments.llm:
        for seed in arguments.seeds:
            row, solution = synthesized(arguments, llm, seed)
            show(row | figures(solution.records, reference))


if __name__ == "__main__":
    main()
