"""The counties of the United States from their published tables: write the spec, make the records partition by partition, measure.

    python benchmarks/nation.py write DATA SPEC [--counties N]     DATA holds tables.parquet, one row per published cell
    python benchmarks/nation.py run SPEC OUT [--share 0.01] [--engine threads] [--workers 2] [--level county] [--size 5000]

`run` prints one line of JSON: households, persons, seconds of the clock and of the processor, peak memory, ends of all targets.
"""

import argparse
import json
import resource
import time
from pathlib import Path

import polars as pl

MEAN_OF_LARGE = 7.6
"""Persons of a household of 7 and more, on average, where the persons of a county are cut to those in households."""

EDUCATION = {
    "Less than high school": "less than high school",
    "High school graduate (incl. GED)": "high school",
    "Some college / Associate's": "some college",
    "Bachelor's degree": "bachelor",
    "Graduate / professional degree": "graduate degree",
}
EMPLOYMENT = {
    "Employed (civilian)": "employed",
    "Unemployed (civilian)": "unemployed",
    "Armed Forces": "armed forces",
    "Not in labor force": "not in labour force",
}
RACES = {
    "White, non-Hispanic": "white",
    "Black or African American, non-Hispanic": "black",
    "Asian, non-Hispanic": "asian",
    "American Indian / Alaska Native, non-Hispanic": "american indian",
    "Native Hawaiian / Pacific Islander, non-Hispanic": "pacific islander",
    "Some other race, non-Hispanic": "other",
    "Two or more races, non-Hispanic": "two or more",
    "Hispanic or Latino (any race)": "hispanic",
}
UNITS = """\
units:
  household:
    geography: zones
    variables:
      size: {kind: integer, range: [1, 13], label: "Persons in the household"}
      tenure: {kind: category, levels: [owner, renter], label: "Tenure"}
      income: {kind: integer, range: [0, 500000], unit: USD, label: "Household income in the past year"}
  person:
    parent: household
    count: size
    variables:
      age: {kind: integer, range: [0, 100], unit: years, label: "Age"}
      race: {kind: category, levels: [%(races)s], label: "Race, Hispanics of any race apart"}
      education: {kind: category, levels: [not applicable, %(education)s], label: "Education"}
      employment: {kind: category, levels: [not applicable, %(employment)s], label: "Employment"}
"""
TARGETS = """\
sources:
  acs: {title: "American Community Survey, 5-year tables", publisher: US Census Bureau, year: 2024, licence: public domain}
targets:
  - {name: size by county, unit: household, table: tables/size.csv, value: count, source: acs, importance: exact}
  - {name: tenure by county, unit: household, table: tables/tenure.csv, value: count, source: acs}
  - {name: income by county, unit: household, table: tables/income.csv, value: count, source: acs}
  - {name: age by county, unit: person, table: tables/age.csv, value: count, source: acs}
  - {name: race by county, unit: person, table: tables/race.csv, value: count, source: acs}
  - {name: education by county, unit: person, table: tables/education.csv, value: count, zeros: structural, source: acs}
  - {name: employment by county, unit: person, table: tables/employment.csv, value: count, zeros: structural, source: acs}
rules:
  - {name: a household has somebody of 16 or more, unit: household, forbid: "count(person.age >= 16) == 0"}
"""


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, dest="command")
    one = commands.add_parser("write")
    one.add_argument("data", type=Path)
    one.add_argument("spec", type=Path)
    one.add_argument("--counties", type=int, help="only so many, spread evenly over all")
    other = commands.add_parser("run")
    other.add_argument("spec", type=Path)
    other.add_argument("out", type=Path)
    other.add_argument("--share", type=float, default=0.01, help="of the households that the tables count")
    other.add_argument("--engine", default="threads")
    other.add_argument("--workers", type=int, default=2)
    other.add_argument("--level", default="county")
    other.add_argument("--size", type=int, default=5_000, help="households of a partition, about")
    given = parser.parse_args()
    if given.command == "write":
        write(read_cells(given.data, given.counties), given.spec)
    else:
        print(json.dumps(run(given)))


def read_cells(data: Path, counties: int | None) -> pl.DataFrame:
    """All published cells of the counties asked for: by `state` and `county`."""
    names = ("table", "measure", "category", "county_geoid", "state_fips")
    frame = pl.read_parquet(data / "tables.parquet").with_columns(pl.col(name).cast(pl.String) for name in names)
    frame = frame.drop("county").rename({"county_geoid": "county", "state_fips": "state"})
    every = frame["county"].unique().sort()
    if counties is not None:
        kept = [every[k * len(every) // counties] for k in range(counties)]
        frame = frame.filter(pl.col("county").is_in(kept))
    return frame.sort("county", maintain_order=True)


def write(cells: pl.DataFrame, folder: Path) -> None:
    """Write spec.yaml and its tables."""
    tables = folder / "tables"
    tables.mkdir(parents=True, exist_ok=True)
    cells.select("state", "county").unique(maintain_order=True).write_csv(tables / "crosswalk.csv")
    for name, frame in tables_of(cells).items():
        frame.write_csv(tables / f"{name}.csv")
    texts = {
        name: ", ".join(levels.values())
        for name, levels in (("races", RACES), ("education", EDUCATION), ("employment", EMPLOYMENT))
    }
    zones = "geographies:\n  zones:\n    levels: [state, county]\n    crosswalk: {file: tables/crosswalk.csv}\n"
    head = (
        'llmsynthor: 1\nname: "counties of the United States"\ncontext: "Households of the United States, 2020-2024."\n'
    )
    (folder / "spec.yaml").write_text(head + zones + UNITS % texts + TARGETS, encoding="utf-8")


def tables_of(cells: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The tables of the spec in the long format; persons are brought to those that the households of their county hold.

    Published counts of persons include group quarters, and in small counties differ from sizes of households by sampling alone.
    """
    size = _named(cells, "B11016", None, "size").with_columns(pl.col("size").str.extract(r"(\d)"))
    size = size.with_columns(pl.when(pl.col("size") == "7").then(pl.lit("7+")).otherwise(pl.col("size")).alias("size"))
    persons = pl.col("size").str.extract(r"(\d)").cast(pl.Float64)
    mean = pl.when(persons == 7).then(MEAN_OF_LARGE).otherwise(persons)
    bounds = [(each * pl.col("count")).sum().alias(name) for name, each in (("least", persons * 1.002), ("most", mean))]
    totals = cells.filter(pl.col("measure") == "total_population").select("county", pl.col("value").alias("all"))
    held = size.group_by("county").agg(bounds).join(totals, on="county")
    cut = held.select("county", (pl.col("all").clip("least", "most") / pl.col("all")).alias("cut"))
    tenure = cells.filter(pl.col("measure").is_in(["owner_occupied_units", "renter_occupied_units"]))
    found = {
        "size": size,
        "tenure": tenure.select(
            "county", pl.col("measure").str.extract("^(owner|renter)").alias("tenure"), pl.col("value").alias("count")
        ),
        "income": _named(cells, "B19001", None, "income").with_columns(_money(pl.col("income")).alias("income")),
    }
    people = {
        "age": _ages(cells),
        "race": _named(cells, "B03002", RACES, "race"),
        "education": _of_age(cells, _named(cells, "B15003", EDUCATION, "education"), 25),
        "employment": _of_age(cells, _named(cells, "B23025", EMPLOYMENT, "employment"), 16),
    }
    for name, frame in people.items():
        whole = frame.join(cut, on="county", maintain_order="left").with_columns(pl.col("count") * pl.col("cut"))
        found[name] = whole.with_columns(pl.col("count").round(1)).drop("cut").rename({"county": "household.county"})
    return found


def _named(cells: pl.DataFrame, table: str, levels: dict[str, str] | None, name: str) -> pl.DataFrame:
    frame = cells.filter((pl.col("table") == table) & (pl.col("measure") == "count"))
    category = pl.col("category").replace_strict(levels) if levels else pl.col("category")
    return frame.select("county", category.alias(name), pl.col("value").alias("count"))


def _of_age(cells: pl.DataFrame, frame: pl.DataFrame, age: int) -> pl.DataFrame:
    """A table of those of an age and more, with all who are younger: they are not applicable."""
    older = frame.group_by("county", maintain_order=True).agg(pl.col("count").sum().alias("older"))
    totals = cells.filter(pl.col("measure") == "total_population").select("county", pl.col("value").alias("all"))
    younger = older.join(totals, on="county", maintain_order="left").select(
        "county",
        pl.lit(f"under {age}").alias("age"),
        pl.lit("not applicable").alias(frame.columns[1]),
        (pl.col("all") - pl.col("older")).alias("count"),
    )
    told = frame.select("county", pl.lit(f"{age}+").alias("age"), frame.columns[1], "count")
    return pl.concat([told, younger]).sort("county", maintain_order=True)


def _money(text: pl.Expr) -> pl.Expr:
    """Write "$10,000 to $14,999" as 10000-14999."""
    plain = text.str.replace_all(r"[$,]", "")
    low, high = plain.str.extract(r"^(\d+) to"), plain.str.extract(r"to (\d+)$")
    return (
        pl.when(plain.str.starts_with("Less"))
        .then(pl.lit("under ") + plain.str.extract(r"(\d+)"))
        .when(plain.str.ends_with("more"))
        .then(plain.str.extract(r"(\d+)") + pl.lit("+"))
        .otherwise(low + pl.lit("-") + high)
    )


def _ages(cells: pl.DataFrame) -> pl.DataFrame:
    """Persons under 16, of 16 to 24, of 25 and more: what the universes of the published tables say."""
    universes = {
        name: cells.filter(pl.col("table") == table)
        .group_by("county", maintain_order=True)
        .agg(pl.col("universe_total").first().alias(name))
        for name, table in (("all", "B03002"), ("adult", "B23025"), ("old", "B15003"))
    }
    wide = universes["all"].join(universes["adult"], on="county").join(universes["old"], on="county")
    groups = {
        "under 16": pl.col("all") - pl.col("adult"),
        "16-24": pl.col("adult") - pl.col("old"),
        "25+": pl.col("old"),
    }
    parts = [wide.select("county", pl.lit(name).alias("age"), count.alias("count")) for name, count in groups.items()]
    return pl.concat(parts).sort("county", maintain_order=True)


def run(given: argparse.Namespace) -> dict[str, object]:
    """Make the records and say what it took."""
    from llmsynthor.run.synthesize import synthesize  # noqa: PLC0415  (the time to import counts)

    began = time.perf_counter()
    households = float(pl.read_csv(given.spec / "tables" / "tenure.csv")["count"].sum())
    records = round(households * given.share)
    solution = synthesize(
        given.spec,
        records=records,
        llm="none",
        seed=1,
        out=given.out,
        resume=given.out.is_dir(),
        partition=given.level,
        partition_records=given.size,
        engine=given.engine,
        workers=given.workers,
    )
    own, below = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return {
        "made": solution.manifest.get("made"),
        "clock_seconds": round(time.perf_counter() - began, 1),
        "processor_seconds": round(sum(use.ru_utime + use.ru_stime for use in (own, below)), 1),
        "peak_megabytes": round(own.ru_maxrss / 1024),
        "ends": solution.manifest["alignment"]["ends"],
        "exit_code": solution.exit_code,
        "stop_reason": solution.stop_reason[:300],
    }


if __name__ == "__main__":
    main()
