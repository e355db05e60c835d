"""ActivitySim (1.6, prototype_mtc): households.csv and persons.csv, whole numbers without gaps."""

from pathlib import Path

import numpy as np
import polars as pl

from llmsynthor.errors import DataError, Problem
from llmsynthor.records.formats.made import Made
from llmsynthor.records.formats.mapping import Map, codes_like, mapped, variable_like, whole
from llmsynthor.records.formats.places import telling
from llmsynthor.records.formats.roles import units_of

SEX = {r"^(f|female|woman|women|weiblich|femme|mujer|2)": 2, r"^(m|male|man|men|männlich|homme|hombre|1)": 1}
WORK = {
    r"full|military|armed forces|army": 1,
    r"part": 2,
    r"under|child|less than 16|n/?a": 4,
    r"unemployed|not|no\b|none|retired|inactive|student|home": 3,
    r"employ|work|yes": 1,
}
STUDY = {
    r"not|no\b|none|never": 3,
    r"college|univer|under-?grad|graduate|tertiary": 2,
    r"school|grade|kinder|yes|enrol": 1,
}
SCHOOL_FROM, SCHOOL_TO, WORK_FROM = 5, 17, 16


def default_map(made: Made) -> Map:
    """What the columns may be, by the names of variables."""
    household, person = units_of(made)
    unit = made.spec.schema[household]
    zone = (
        unit.places[0].variables[-1]
        if unit.places
        else variable_like(made, household, (r"^(taz|zone|home_zone)", r"zone|tract"))
    )
    sex = variable_like(made, person, (r"^sex$", r"sex|gender"))
    work = variable_like(made, person, (r"pemploy|employment|work_status|employ|\bjob\b|^work",))
    study = variable_like(made, person, (r"pstudent|student|enrol|school",))
    return Map(
        tables={
            "households": {
                "home_zone_id": zone,
                "income": variable_like(made, household, (r"^income$", r"income|hinc")),
                "auto_ownership": variable_like(
                    made, household, (r"^(autos|cars|vehicles)$", r"vehicle|auto|car(s|_|$)|^veh")
                ),
                "HHT": variable_like(made, household, (r"^hht$",)),
            },
            "persons": {
                "age": variable_like(made, person, (r"^age$", r"^agep$", r"age")),
                "sex": sex,
                "pemploy": work,
                "pstudent": study,
            },
        },
        codes={
            "sex": codes_like(made, person, sex, SEX),
            "pemploy": codes_like(made, person, work, WORK),
            "pstudent": codes_like(made, person, study, STUDY),
        },
    )


def write_activitysim(made: Made, out: Path, said: Map) -> list[Path]:
    """Write both tables, and `zones.csv` where zones had to be numbered; raises DataError for what is not there."""
    household, person = units_of(made)
    people = _people(made, person, said)
    homes, numbered = _homes(made, household, said)
    number = pl.DataFrame(
        {"key": made.frames[household][f"{household}_id"], "household_id": np.arange(1, homes.height + 1)}
    )
    keys = made.frames[person].select(pl.col(f"{household}_id").alias("key"))
    people = people.with_columns(keys.join(number, on="key", how="left", maintain_order="left")["household_id"])
    counts = people.group_by("household_id").agg(
        hhsize=pl.len().cast(pl.Int64), num_workers=(pl.col("pemploy") <= 2).sum().cast(pl.Int64)
    )
    homes = homes.with_columns(pl.Series("household_id", np.arange(1, homes.height + 1)))
    homes = homes.join(counts, on="household_id", how="left", maintain_order="left").with_columns(
        pl.col("hhsize", "num_workers").fill_null(0)
    )
    if "HHT" not in homes.columns:
        homes = homes.with_columns(HHT=pl.when(pl.col("hhsize") == 1).then(4).otherwise(1))
    homes = homes.filter(pl.col("hhsize") > 0)
    order = ["household_id", "home_zone_id", "income", "hhsize", "HHT", "auto_ownership", "num_workers"]
    columns = ["person_id", "household_id", "age", "PNUM", "sex", "pemploy", "pstudent", "ptype"]
    people = people.with_columns(person_id=pl.int_range(1, pl.len() + 1, dtype=pl.Int64))
    paths = []
    tables = {"households.csv": homes.select(order), "persons.csv": people.select(columns)}
    if numbered is not None:
        tables["zones.csv"] = numbered
    for name, frame in tables.items():
        with telling(out / name):
            frame.write_csv(out / name)
        paths.append(out / name)
    return paths


def _homes(made: Made, household: str, said: Map) -> tuple[pl.DataFrame, pl.DataFrame | None]:
    columns = said.tables["households"]
    zones, numbered = _zones(made, household, columns.get("home_zone_id"))
    found = {"home_zone_id": zones}
    for name in ("income", "auto_ownership", "HHT"):
        entry = columns.get(name)
        if entry is None and name == "HHT":
            continue
        if entry is None:
            raise _lacking(f"households.{name}")
        found[name] = whole(mapped(made, household, name, entry, said.codes), name)
    return pl.DataFrame(found), numbered


def _zones(made: Made, household: str, entry: str | float | None) -> tuple[pl.Series, pl.DataFrame | None]:
    """Zones as whole numbers: their ids where these are such, else numbered by their names, the same in every run."""
    if entry is None:
        raise _lacking("households.home_zone_id")
    texts = mapped(made, household, "home_zone_id", entry, {})
    plain = texts.cast(pl.String)
    if plain.str.contains(r"^[0-9]{1,18}$").all():
        return plain.cast(pl.Int64), None
    ids = plain.unique().sort()
    table = pl.DataFrame({"home_zone_id": np.arange(1, len(ids) + 1), "zone": ids})
    return plain.replace_strict(ids.to_list(), table["home_zone_id"].to_list(), return_dtype=pl.Int64), table


def _people(made: Made, person: str, said: Map) -> pl.DataFrame:
    columns = said.tables["persons"]
    for name in ("age", "sex"):
        if columns.get(name) is None:
            raise _lacking(f"persons.{name}")
    age = whole(mapped(made, person, "age", columns["age"] or 0, said.codes), "age")
    found = pl.DataFrame({"age": age, "PNUM": made.frames[person]["position"].cast(pl.Int64)})
    found = found.with_columns(whole(mapped(made, person, "sex", columns["sex"] or 0, said.codes), "sex").alias("sex"))
    ages = age.to_numpy()
    if columns.get("pemploy") is None:
        raise _lacking("persons.pemploy")
    work = whole(mapped(made, person, "pemploy", columns["pemploy"] or 0, said.codes), "pemploy").to_numpy()
    work = np.where(ages < WORK_FROM, 4, np.where(work == 4, 3, work))
    if columns.get("pstudent") is None:
        study = np.where((ages >= SCHOOL_FROM) & (ages <= SCHOOL_TO), 1, 3)
    else:
        study = whole(mapped(made, person, "pstudent", columns["pstudent"] or 0, said.codes), "pstudent").to_numpy()
    return found.with_columns(
        pl.Series("pemploy", work), pl.Series("pstudent", study), pl.Series("ptype", person_types(ages, work, study))
    )


def person_types(age: np.ndarray, work: np.ndarray, study: np.ndarray) -> np.ndarray:
    """The eight types of prototype_mtc: who works full time first, then students, part time, children, the old, others.

    >>> work, study = np.array([1, 3, 2, 3, 4, 4, 3, 3]), np.array([3, 2, 3, 1, 1, 3, 3, 3])
    >>> person_types(np.array([40, 20, 30, 17, 9, 3, 70, 50]), work, study).tolist()
    [1, 3, 2, 6, 7, 8, 5, 4]
    """
    rules = [
        (age < 6, 8),
        (age < 16, 7),
        (work == 1, 1),
        ((study < 3) & (age >= 20), 3),
        ((study < 3) & (age < 20), 6),
        (work == 2, 2),
        (age >= 65, 5),
    ]
    return np.select([rule for rule, _ in rules], [kind for _, kind in rules], default=4)


def _lacking(column: str) -> DataError:
    advice = "name a variable, or a number for all, in a map: --write-map writes one to edit, --map takes it"
    return DataError(Problem(where="export activitysim", what=f"it is not said what {column} is", advice=advice))
