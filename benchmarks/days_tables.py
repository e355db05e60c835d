"""Make the tables of examples/days, and the diaries that they are scored against, from public files.

    python benchmarks/days_tables.py NHTS_DIR LEEDS_DIR OUT_DIR

NHTS_DIR has persons and trips.parquet of the National Household Travel Survey 2022, LEEDS_DIR od_by_mode.csv and centroids.csv of
the 2011 Census. OUT_DIR gets person and trip.parquet in the variables of examples/days: persons whose trips of the day are all on
file, with their minutes, in order. `OUT_DIR/tables` gets what the example knows: counts of these, and of the commuters. No run
reads the diaries.
"""

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl

KEY = ["household_id", "person_num"]
MOST_TRIPS, DAY = 12, 1_440
WORKER = {"Worker": "Worker", "Not worker": "Not a worker", "(not asked: under 16)": "Not a worker"}
ACTIVITY = {
    "Shopping/Errands": "Shopping or errands",
    "Transport someone": "Bring or fetch someone",
    "Something else": "Something else",
    "Work": "Work",
    "Medical/Dental services": "Health care",
    "Home": "Home",
    "School/Daycare/Religious": "School, daycare or religious",
    "Meals": "Meal out",
    "Social/Recreational": "Visit or recreation",
}
MODE = {
    "Car": "Car",
    "SUV/Crossover": "Car",
    "Motorcycle": "Car",
    "Van": "Car",
    "Pickup truck": "Car",
    "Recreational Vehicle": "Car",
    "Walked": "On foot",
    "Bicycle (including bikeshare, ebike, etc.)": "Bicycle",
    "E-scooter": "Bicycle",
    "School bus": "School bus",
    "Public or commuter bus": "Bus or train",
    "Subway or elevated rail": "Bus or train",
    "Commuter rail": "Bus or train",
    "Street car or trolley car": "Bus or train",
    "Amtrak": "Bus or train",
    "Paratransit/ Dial a ride": "Bus or train",
}
AGES = (5, 16, 25, 45, 65, 93)
HOURS, QUARTERS = tuple(range(240, DAY + 1, 60)), tuple(range(240, DAY + 1, 15))
MINUTES, STAYED = (1, 6, 11, 16, 21, 31, 46, 61, 91, 241), (0, 16, 31, 61, 121, 241, 481, DAY)
KM, KM_A_MILE = (0, 4, 8, 13, 30), 1.609
CENTRE, INNER, KM_A_DEGREE = 2.5, 6.0, 111.2
"""Zones: within so many km of the centre, and four sectors inside and outside another circle."""


def diaries(source: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Persons and trips of whole diaries, nobody whose trips overlap, reach into the next day or number more than MOST_TRIPS."""
    persons, trips = (pl.read_parquet(source / f"{name}.parquet") for name in ("persons", "trips"))
    group = dict(trips.group_by("activity").agg(pl.col("activity_group").first()).iter_rows())
    trips = trips.sort(*KEY, "trip_num").select(
        *KEY,
        origin=pl.col("origin_activity").replace_strict(group, default=None).replace_strict(ACTIVITY, default=None),
        activity=pl.col("activity_group").replace_strict(ACTIVITY, default=None),
        depart=pl.col("depart_minute").cast(pl.Int64),
        minutes=pl.col("arrive_minute").cast(pl.Int64) - pl.col("depart_minute"),
        mode=pl.col("mode").replace_strict(MODE, default="Other"),
        km=pl.col("distance_miles") * KM_A_MILE,
    )
    early = pl.col("depart") < (pl.col("depart") + pl.col("minutes")).shift(1).over(KEY)
    odd = pl.any_horizontal(pl.all().exclude("km").is_null()) | early.fill_null(value=False)
    odd |= ~pl.col("minutes").is_between(MINUTES[0], MINUTES[-1] - 1) | (pl.col("depart") + pl.col("minutes") >= DAY)
    made = trips.group_by(KEY).agg(made=pl.len(), odd=odd.any())
    persons = persons.join(made, on=KEY, how="left").filter(
        (pl.col("num_trips") == pl.col("made").fill_null(0))
        & ~pl.col("odd").fill_null(value=False)
        & (pl.col("num_trips") <= MOST_TRIPS)
        & pl.col("age").is_not_null()
    )
    persons = persons.sort(KEY).with_row_index("person_id", offset=1)
    person = persons.select(
        "person_id", "age", worker=pl.col("worker").replace_strict(WORKER), num_trips=pl.col("num_trips").cast(pl.Int64)
    )
    ids = persons.select(*KEY, "person_id")
    trip = ids.join(trips, on=KEY, how="inner", maintain_order="left_right").drop(*KEY).with_row_index("trip_id", 1)
    return person, trip


def zones(source: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Nine zones of a city around its centre, with their points, and the commuters from zone to zone."""
    points = pl.read_csv(source / "centroids.csv")
    flows = pl.read_csv(source / "od_by_mode.csv").select("origin_msoa", "destination_msoa", count="all")
    jobs = flows.group_by("destination_msoa").agg(jobs=pl.col("count").sum()).sort("jobs", descending=True)
    lon, lat = points.filter(msoa=jobs["destination_msoa"][0]).select("lon", "lat").row(0)
    east = (points["lon"].to_numpy() - lon) * KM_A_DEGREE * np.cos(np.radians(lat))
    north = (points["lat"].to_numpy() - lat) * KM_A_DEGREE
    away = np.hypot(east, north)
    side = np.where(
        np.abs(east) > np.abs(north), np.where(east > 0, "East", "West"), np.where(north > 0, "North", "South")
    )
    ring = np.where(away <= INNER, "Inner ", "Outer ")
    name = np.where(away <= CENTRE, "Centre", np.char.add(ring, np.char.lower(side)))
    zone = points.select("msoa").with_columns(zone=pl.Series(name))
    placed = (
        points.join(zone, on="msoa").group_by("zone").agg(pl.col("lon").mean().round(4), pl.col("lat").mean().round(4))
    )
    found = flows.join(zone.rename({"msoa": "origin_msoa", "zone": "home"}), on="origin_msoa")
    found = found.join(zone.rename({"msoa": "destination_msoa", "zone": "workplace"}), on="destination_msoa")
    return placed.sort("zone"), found.group_by("home", "workplace").agg(pl.col("count").sum()).sort("home", "workplace")


def _cut(name: str, breaks: tuple[int, ...]) -> pl.Expr:
    """The interval of each number, half-open as in a spec."""
    text = pl.lit(None, dtype=pl.String)
    for low, high in pairwise(breaks):
        text = pl.when((pl.col(name) >= low) & (pl.col(name) < high)).then(pl.lit(f"[{low}, {high})")).otherwise(text)
    return text.alias(name)


def _count(frame: pl.DataFrame, *names: str) -> pl.DataFrame:
    """Records in every combination of the levels that there are, those that nobody has with a zero."""
    every = frame.select(names[0]).unique()
    for name in names[1:]:
        every = every.join(frame.select(name).unique(), how="cross")
    counted = frame.group_by(names).agg(count=pl.len())
    return every.join(counted, on=names, how="left").with_columns(pl.col("count").fill_null(0)).sort(names)


def tables(person: pl.DataFrame, trip: pl.DataFrame, flows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """All that the example knows. Of the zones of those who do not work it takes the homes of those who do."""
    stayed = pl.col("depart") - (pl.col("depart") + pl.col("minutes")).shift(1).over("person_id")
    trip = trip.with_columns(stayed=stayed)
    persons = person.with_columns(_cut("age", AGES))
    trips = trip.with_columns(_cut("depart", HOURS), _cut("minutes", MINUTES), _cut("stayed", STAYED))
    homes = flows.group_by("home").agg(pl.col("count").sum()).sort("home")
    far = trips.filter(~pl.col("activity").is_in(("Home", "Work"))).with_columns(_cut("km", KM)).drop_nulls("km")
    return {
        "age_worker": _count(persons, "age", "worker"),
        "trips_worker": _count(persons, "num_trips", "worker"),
        "home": homes.with_columns(share=pl.col("count") / pl.col("count").sum()).select("home", "share"),
        "home_workplace": flows,
        "first_origin": _count(trips.group_by("person_id").first(), "origin"),
        "activity_hour": _count(trips, "activity", "depart"),
        "quarter": _count(trip.with_columns(_cut("depart", QUARTERS)), "depart"),
        "km_other": _count(far, "km"),
        "mode_activity": _count(trips, "mode", "activity"),
        "minutes_mode": _count(trips, "minutes", "mode"),
        "stayed_origin": _count(trips.drop_nulls("stayed"), "stayed", "origin"),
    }


def main(nhts: Path, leeds: Path, out: Path) -> None:
    person, trip = diaries(nhts)
    points, flows = zones(leeds)
    (out / "tables").mkdir(parents=True, exist_ok=True)
    person.write_parquet(out / "person.parquet")
    trip.write_parquet(out / "trip.parquet")
    points.write_csv(out / "tables" / "zones.csv")
    for name, table in tables(person, trip, flows).items():
        table.write_csv(out / "tables" / f"{name}.csv")
    travelled = int((person["num_trips"] > 0).sum())
    print(f"{len(person):,} persons, {travelled:,} of them with trips, {len(trip):,} trips; {len(points)} zones")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]))
