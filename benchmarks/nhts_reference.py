"""Make the reference of benchmarks/diaries.py from the public files of the National Household Travel Survey 2022.

    python benchmarks/nhts_reference.py NHTS_DIR OUT_DIR

NHTS_DIR has households, persons and trips.parquet in the survey's own words; OUT_DIR gets household, person and trip.parquet in the
variables of examples/diaries, of households whose members and trips are all on file. The tables of the example are counts of these
records (`llmsynthor measure examples/diaries/spec.yaml OUT_DIR/*.parquet --out TABLES`). No run reads them.
"""

import sys
from pathlib import Path

import polars as pl

TENURE = {
    "Owned by hh member with mortgage or loan": "Owned with a mortgage",
    "Owned by hh member free and clear (no mortgage)": "Owned free and clear",
    "Rented by hh member": "Rented",
    "Occupied without payment": "Occupied without payment",
}
INCOME = {
    "Less than $10,000": 5_000,
    "$10,000 to $14,999": 12_500,
    "$15,000 to $24,999": 20_000,
    "$25,000 to $34,999": 30_000,
    "$35,000 to $49,999": 42_500,
    "$50,000 to $74,999": 62_500,
    "$75,000 to $99,999": 87_500,
    "$100,000 to $124,999": 112_500,
    "$125,000 to $149,999": 137_500,
    "$150,000 to $199,999": 175_000,
    "$200,000 or more": 250_000,
}
WORKER = {"Worker": "Worker", "Not worker": "Not a worker", "(not asked: under 16)": "Under 16"}
DRIVER = {"Yes": "Driver", "No": "Not a driver"}
ACTIVITY = {
    "Regular activities at home": "Home",
    "Work from home (paid)": "Home",
    "Work at a non-home location": "Work",
    "Other work-related activities": "Work",
    "Work activity to drop-off/pickup someone/something": "Work",
    "Attend school as a student": "School or daycare",
    "Attend childcare or adult care": "School or daycare",
    "Shop/buy/pick-up or return goods": "Shopping or errands",
    "Other family/personal errands": "Shopping or errands",
    "Buy meals": "Meal out",
    "Drop off/pick up someone (personal)": "Drop off or pick up someone",
    "Visit friends or relatives": "Visit or recreation",
    "Exercise": "Visit or recreation",
    "Recreational activities": "Visit or recreation",
    "Rest or relaxation/vacation": "Visit or recreation",
    "Health care visit": "Health care",
    "Religious or other community activities": "Religious or community activity",
    "Volunteer activities (not paid)": "Religious or community activity",
    "Change type of transportation": "Something else",
    "Something else (specify)": "Something else",
}
MODE = {
    "Car": "Car or SUV",
    "SUV/Crossover": "Car or SUV",
    "Motorcycle": "Car or SUV",
    "Van": "Van or pickup truck",
    "Pickup truck": "Van or pickup truck",
    "Recreational Vehicle": "Van or pickup truck",
    "Walked": "Walk",
    "Bicycle (including bikeshare, ebike, etc.)": "Bicycle or scooter",
    "E-scooter": "Bicycle or scooter",
    "School bus": "School bus",
    "Public or commuter bus": "Bus or train",
    "Subway or elevated rail": "Bus or train",
    "Commuter rail": "Bus or train",
    "Street car or trolley car": "Bus or train",
    "Amtrak": "Bus or train",
    "Paratransit/ Dial a ride": "Bus or train",
    "Other ride-sharing service": "Taxi or ride-hailing",
    "Taxicab or limo service": "Taxi or ride-hailing",
}
MOST_TRIPS = 12


def main(source: Path, out: Path) -> None:
    homes, persons, trips = (pl.read_parquet(source / f"{name}.parquet") for name in ("households", "persons", "trips"))
    key = ["household_id", "person_num"]
    hour = pl.col("depart_hour") + 24 * (pl.col("depart_hour") < 4)
    trips = trips.sort(*key, "trip_num").select(
        *key,
        origin=pl.col("origin_activity").replace_strict(ACTIVITY, default=None),
        activity=pl.col("activity").replace_strict(ACTIVITY, default=None),
        depart_hour=hour,
        mode=pl.col("mode").replace_strict(MODE, default="Airplane or other"),
        distance=pl.col("distance_miles"),
    )
    back = pl.col("depart_hour") < pl.col("depart_hour").shift(1).over(key)
    made = trips.group_by(key).agg(
        made=pl.len(), odd=(pl.any_horizontal(pl.all().exclude(*key).is_null()) | back.fill_null(value=False)).any()
    )
    persons = persons.join(made, on=key, how="left").with_columns(pl.col("made").fill_null(0))
    odd = (pl.col("made") != pl.col("num_trips")) | (pl.col("made") > MOST_TRIPS) | pl.col("odd").fill_null(value=False)
    odd |= ((pl.col("person_num") == 1) & (pl.col("age") < 18)) | pl.col("age").is_null()
    whole = persons.group_by("household_id").agg(odd=odd.any(), listed=pl.len())
    homes = homes.filter("roster_complete").join(whole, on="household_id")
    homes = homes.filter(~pl.col("odd") & (pl.col("listed") == pl.col("num_persons"))).sort("household_id")
    under = pl.col("age") < 15
    frames = {
        "household": homes.select(
            "household_id",
            "num_persons",
            "num_vehicles",
            housing_tenure=pl.col("housing_tenure").replace_strict(TENURE),
            income=pl.col("household_income_group").replace_strict(INCOME),
        ),
        "person": persons.select(
            *key,
            "age",
            "sex",
            worker=pl.col("worker").replace_strict(WORKER),
            driver=pl.when(under)
            .then(pl.lit("Under 15"))
            .otherwise(pl.col("driver").replace_strict(DRIVER, default=None)),
            num_trips=pl.col("made"),
        ).with_columns(person_id=pl.col("household_id") * 100 + pl.col("person_num")),
    }
    frames["person"] = frames["person"].join(frames["household"].select("household_id"), on="household_id").sort(*key)
    ids = frames["person"].select(*key, "person_id")
    frames["trip"] = (
        trips.join(ids, on=key, how="inner", maintain_order="left_right").drop(*key).with_row_index("trip_id")
    )
    out.mkdir(parents=True, exist_ok=True)
    for name, frame in frames.items():
        frame.write_parquet(out / f"{name}.parquet")
        print(f"{len(frame):,} {name} records")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
