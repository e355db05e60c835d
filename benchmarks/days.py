"""Score diaries against those of a survey: participations, timing and transitions by acteval, and where days go.

    python -m pip install "acteval>=0.2,<0.3"
    python -m benchmarks.days RUN_FOLDER ... --reference REFERENCE_DIR

REFERENCE_DIR has person and trip.parquet, as `benchmarks/days_tables.py` (for examples/days) or `benchmarks/nhts_reference.py`
(for examples/diaries) write them. Prints a row for the survey itself, for one half of it against the other, and for each run. In
all of acteval's figures 0 is best; days are those of persons who made a trip. No run reads the reference.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

DAY = 1_440
DOMAINS = ("participations", "timing", "transitions")


def read(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Persons and trips of a run or of the survey, levels as texts, trips with minutes of departure and arrival."""
    inner = folder / "records" if (folder / "records").is_dir() else folder
    person, trip = (pl.read_parquet(inner / f"{name}.parquet") for name in ("person", "trip"))
    frames = [frame.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String)) for frame in (person, trip)]
    if "depart" not in trip.columns:
        hour = 60 * (pl.col("depart_hour").cast(pl.Int64) - 4)
        frames[1] = frames[1].with_columns(depart=hour, minutes=pl.lit(0, dtype=pl.Int64))
    return frames[0], frames[1]


def schedules(trip: pl.DataFrame) -> Any:
    """A row for each activity, from the arrival there to the next: pid, act, start, end, duration, in minutes."""
    number = pl.int_range(pl.len()).over("person_id")
    trips = trip.select(
        "origin", pid="person_id", act="activity", start=pl.col("depart") + pl.col("minutes"), number=number + 1
    )
    first = trips.filter(number=1).select("pid", act="origin", start=pl.lit(0, dtype=pl.Int64), number=pl.lit(0))
    later = trips.select("pid", "act", pl.col("start").cast(pl.Int64), "number")
    every = pl.concat([first, later], how="vertical_relaxed").sort("pid", "number")
    end = pl.col("start").shift(-1).over("pid").fill_null(DAY)
    every = every.with_columns(act=pl.col("act").str.to_lowercase(), end=end)
    return every.with_columns(duration=pl.col("end") - pl.col("start")).drop("number").to_pandas()


def where_days_go(person: pl.DataFrame, trip: pl.DataFrame) -> dict[str, float]:
    """Shares of days, of trips and of trips to work."""
    trips = trip.join(person.select("person_id", "worker"), on="person_id").with_columns(
        before=pl.col("mode").shift(1).over("person_id"),
        left=(pl.col("depart") + pl.col("minutes")).shift(1).over("person_id"),
    )
    later = trips.filter(pl.col("before").is_not_null())
    ends = trips.group_by("person_id", maintain_order=True).last()
    work = trips.filter(activity="Work")
    return {
        "days that end at home": float((ends["activity"] == "Home").to_numpy().mean()),
        "same means as before": float((later["mode"] == later["before"]).to_numpy().mean()),
        "trips to work without a job": float((work["worker"] != "Worker").to_numpy().mean()),
        "trips that begin before the last ended": float((later["depart"] < later["left"]).to_numpy().mean()),
    }


def distances(reference: Any, made: Any) -> dict[str, float]:
    from acteval import compare  # noqa: PLC0415  (a tool of benchmarks)

    found = compare(reference, made).summary()["synthetic"]
    return {name: float(found[name]) for name in DOMAINS}


def show(name: str, figures: dict[str, float]) -> None:
    print(f"{name}: " + "; ".join(f"{what} {value:.4f}" for what, value in figures.items()), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", type=Path)
    parser.add_argument("--reference", type=Path, required=True)
    arguments = parser.parse_args()
    person, trip = read(arguments.reference)
    every = schedules(trip)
    persons = np.unique(every["pid"])
    half = np.random.default_rng(0).permutation(persons)[: len(persons) // 2]
    inside = np.isin(every["pid"], half)
    show("the survey", where_days_go(person, trip))
    show("one half of it against the other", distances(every[inside], every[~inside]))
    for run in arguments.runs:
        made = read(run)
        show(str(run), distances(every, schedules(made[1])) | where_days_go(*made))


if __name__ == "__main__":
    main()
