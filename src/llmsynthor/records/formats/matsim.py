"""MATSim: a population (population_v6) with typed attributes of persons and households, streamed; plans where trips have places."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import polars as pl

from llmsynthor.errors import DataError, Problem
from llmsynthor.records.formats.activitysim import units_of
from llmsynthor.records.formats.made import Made
from llmsynthor.records.formats.mapping import Map, variable_like
from llmsynthor.records.formats.places import write_gzip
from llmsynthor.texts import clean

HEAD = (
    '<?xml version="1.0" encoding="utf-8"?>\n'
    '<!DOCTYPE population SYSTEM "http://www.matsim.org/files/dtd/population_v6.dtd">\n<population>\n'
)
BATCH = 20_000
KINDS = {"integer": "java.lang.Integer", "number": "java.lang.Double", "string": "java.lang.String"}
LARGEST = 2_147_483_647


def default_map(made: Made) -> Map:
    """Columns of trips, by the names of variables of the unit below persons; nothing where there is none."""
    _, person = units_of(made)
    children = made.spec.schema.children(person)
    if not children:
        return Map(tables={"trips": {"activity": None, "mode": None, "departure": None, "origin": None}})
    unit = children[0].name
    return Map(
        tables={
            "trips": {
                "activity": variable_like(made, unit, (r"^activity$", r"purpose|activity|destination_type")),
                "mode": variable_like(made, unit, (r"^mode$", r"mode|transport")),
                "departure": variable_like(made, unit, (r"^depart", r"depart|start|time|hour")),
                "origin": variable_like(made, unit, (r"^origin$", r"origin|from")),
            }
        }
    )


def write_matsim(made: Made, out: Path, said: Map) -> list[Path]:
    """Write `population.xml.gz`: attributes of each person and (`household_…`) of its household, its day if it has trips."""
    household, person = units_of(made)
    pieces = _pieces(made, household, person, said.tables["trips"])
    return [write_gzip(out / "population.xml.gz", pieces)]


def _pieces(made: Made, household: str, person: str, trips: dict[str, str | float | None]) -> Iterator[str]:
    yield HEAD
    people = made.frames[person].drop(f"{person}_id", "position")
    homes = made.frames[household]
    days = _days(made, person, trips)
    ids = made.frames[person][f"{person}_id"]
    key = f"{household}_id"
    for start in range(0, people.height, BATCH):
        part = people.slice(start, BATCH)
        above = part.select(key).join(homes, on=key, how="left", maintain_order="left").drop(key)
        above = above.rename({name: f"household_{name}" for name in above.columns})
        lines = _attributes(pl.concat([part, above], how="horizontal"))
        own = ids.slice(start, BATCH).to_list()
        yield "".join(
            f'<person id="{name}"><attributes>{text}</attributes>{days.get(name, "")}</person>\n'
            for name, text in zip(own, lines, strict=True)
        )
    yield "</population>\n"


def _attributes(frame: pl.DataFrame) -> list[str]:
    """The attributes of each row, typed; what is missing is left out."""
    columns = list[pl.Series]()
    for name in frame.columns:
        values = frame[name]
        integer = values.dtype.is_integer() and bool((values.is_null() | (values.abs() <= LARGEST)).all())
        kind = KINDS["integer" if integer else "number" if values.dtype.is_numeric() else "string"]
        head = f"<attribute name={quoteattr(name)} class={quoteattr(kind)}>"
        texts = values.cast(pl.String)
        if not values.dtype.is_numeric():
            known = texts.unique().drop_nulls().to_list()
            texts = texts.replace_strict({text: escape(clean(text)) for text in known}, default=None)
        columns.append((head + texts + "</attribute>").fill_null("").alias(str(len(columns))))
    if not columns:
        return [""] * frame.height
    joined = pl.DataFrame(columns).select(pl.concat_str(pl.all()))
    return [str(text) for text in joined.to_series().to_list()]


def _days(made: Made, person: str, trips: dict[str, str | float | None]) -> dict[int, str]:
    """The plan of each person that has trips: activity, leg, activity; every activity but the last has an end."""
    children = made.spec.schema.children(person)
    if not children or trips.get("activity") is None:
        return {}
    unit = children[0].name
    frame = made.frames[unit]
    names = {key: trips.get(key) for key in ("activity", "mode", "departure", "origin")}
    for key, name in names.items():
        if isinstance(name, str) and name not in frame.columns:
            problem = Problem(
                where=f"map trips.{key}", what=f"{unit} has no such variable", found=name, advice="correct the map"
            )
            raise DataError(problem)
    columns = {
        key: _column(frame, name, default)
        for (key, name), default in zip(names.items(), ("other", "walk", "", "home"), strict=True)
    }
    owners = frame[f"{person}_id"].to_list()
    times = _times(columns["departure"], frame["position"].to_list())
    plans: dict[int, list[str]] = {}
    for row, owner in enumerate(owners):
        plan = plans.setdefault(owner, [])
        first = columns["origin"][row] if not plan else None
        if first is not None:
            plan.append(f'<activity type={quoteattr(first)} end_time="{times[row]}"/>')
        else:
            plan[-1] = plan[-1].removesuffix("/>") + f' end_time="{times[row]}"/>'
        plan.append(f"<leg mode={quoteattr(columns['mode'][row])}/>")
        plan.append(f"<activity type={quoteattr(columns['activity'][row])}/>")
    return {owner: f'<plan selected="yes">{"".join(plan)}</plan>' for owner, plan in plans.items()}


def _column(frame: pl.DataFrame, name: str | float | None, default: str) -> list[str]:
    if name is None:
        return [default] * frame.height
    texts = frame[name].cast(pl.String).to_list() if isinstance(name, str) else [str(name)] * frame.height
    return [clean(text or default) for text in texts]


def _times(departures: Sequence[str], positions: Sequence[int]) -> list[str]:
    """Times of day from hours (up to 30), minutes (up to 1,800) or seconds; without any, trips are spread over the day."""
    try:
        numbers = np.array([float(text) for text in departures])
    except ValueError:
        numbers = 7.0 + 2.0 * (np.array(positions, dtype=float) - 1)
    if len(numbers) == 0:
        return []
    top = numbers.max()
    seconds = (numbers * (3600 if top <= 30 else 60 if top <= 1800 else 1)).astype(np.int64)
    return [f"{s // 3600:02d}:{s % 3600 // 60:02d}:{s % 60:02d}" for s in seconds.tolist()]
