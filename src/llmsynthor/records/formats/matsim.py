"""MATSim: a population (population_v6), streamed: typed attributes of persons and their households, a plan for each day."""

import re
from collections.abc import Iterator
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import polars as pl

from llmsynthor.errors import DataError, Problem
from llmsynthor.records.formats.made import Made
from llmsynthor.records.formats.mapping import Columns, Map, codes_like, variable_like
from llmsynthor.records.formats.places import write_gzip
from llmsynthor.records.formats.plans import Days, days_of
from llmsynthor.records.formats.roles import Roles, roles_of
from llmsynthor.spec.schema import Category
from llmsynthor.texts import clean

HEAD = (
    '<?xml version="1.0" encoding="utf-8"?>\n'
    '<!DOCTYPE population SYSTEM "http://www.matsim.org/files/dtd/population_v6.dtd">\n<population>\n'
)
BATCH = 20_000
KINDS = {
    "integer": "java.lang.Integer",
    "large": "java.lang.Long",
    "number": "java.lang.Double",
    "string": "java.lang.String",
}
LARGEST = 2_147_483_647
MODES = {
    r"motor": "motorcycle",
    r"passenger|as a rider|lift|mitfahr": "ride",
    r"taxi|cab\b": "taxi",
    r"bus|train|rail|tram|metro|subway|underground|transit|public|\bpt\b|bahn|öpnv|ferry": "pt",
    r"bicycl|bike|cycl|fahrrad|v[ée]lo": "bike",
    r"foot|walk|pied|fuß|marche": "walk",
    r"car\b|cars\b|auto|driv|\bvan|truck|suv|voiture|coche|pkw|conduc": "car",
}
ENDS = (r"^(to|dest|destination|end|arrival)_", r"^(to|dest|destination)$|_(dest|destination)$")
STARTS = (r"^(from|orig|origin|start|departure)_", r"_(orig|origin)$")
SPOTS: Columns = {"zone": None, "facility": None, "link": None, "x": None, "y": None}


def default_map(made: Made) -> Map:
    """Units, columns of trips and the zones of places, by the names of variables; nothing where there is none."""
    roles = roles_of(made)
    units: Columns = {"household": roles.household, "person": roles.person, "trip": roles.trip}
    trips: Columns = {"activity": None, "mode": None, "departure": None, "origin": None}
    homes, starts, ends = dict(SPOTS), dict(SPOTS), dict(SPOTS)
    codes = {}
    home = roles.household or roles.person
    if home is not None:
        homes["zone"] = _finest(made, home, 0)
    if roles.trip is not None:
        unit = roles.trip
        mode = variable_like(made, unit, (r"^mode$", r"mode|transport|vehicle"))
        trips |= {
            "activity": variable_like(made, unit, (r"^activity$", r"purpose|activity|destination_type")),
            "mode": mode,
            "departure": variable_like(made, unit, (r"^depart", r"depart|start_(time|hour|minute)|time|hour")),
            "origin": variable_like(
                made, unit, (r"^origin$", r"^origin_(activity|purpose|type)|^from_(activity|purpose)")
            ),
        }
        taken = {entry for entry in trips.values() if isinstance(entry, str)}
        ends["zone"] = _zone_like(made, unit, ENDS, taken)
        starts["zone"] = _zone_like(made, unit, STARTS, taken)
        codes = {"mode": _modes(made, unit, mode)}
    tables = {"units": units, "trips": trips, "homes": homes, "starts": starts, "ends": ends}
    return Map(tables={**tables, "places": {"zones": None, "crs": None}}, codes=codes)


def _finest(made: Made, unit: str, number: int) -> str | None:
    """The variable of the finest zone of one of a unit's places."""
    places = made.spec.schema[unit].places
    return places[number].variables[-1] if number < len(places) else None


def _zone_like(made: Made, unit: str, patterns: tuple[str, ...], taken: set[str]) -> str | None:
    """The variable that holds a zone, of the unit's places first: of two or more by its name, of one whatever it is called."""
    schema = made.spec.schema[unit]
    own = [place.variables[-1] for place in schema.places]
    named = [name for name in own if any(re.search(pattern, name, re.IGNORECASE) for pattern in patterns)]
    if named:
        return named[0]
    if len(own) == 1 and patterns is ENDS and not any(re.search(pattern, own[0]) for pattern in STARTS):
        return own[0]
    shown = (variable for variable in schema.shown if isinstance(variable, Category) and variable.name not in taken)
    zones = [
        variable.name for variable in shown if re.search(r"zone|taz|tract|district|area|block|msoa|cell", variable.name)
    ]
    return next((name for name in zones if any(re.search(pattern, name, re.IGNORECASE) for pattern in patterns)), None)


def _modes(made: Made, unit: str, name: str | None) -> dict[str, str]:
    """A mode of MATSim for each level: those it knows, else the level in small letters without blanks."""
    if name is None:
        return {}
    variable = made.spec.schema[unit].variable(name)
    known = codes_like(made, unit, name, MODES)
    levels = variable.levels if isinstance(variable, Category) else ()
    return {level: known.get(level) or re.sub(r"\W+", "_", level.lower()).strip("_") or "other" for level in levels}


def write_matsim(made: Made, out: Path, said: Map) -> list[Path]:
    """Write `population.xml.gz`: attributes of each person and (`household_…`) of its household, its day if there are trips."""
    roles = _roles(made, said)
    days = days_of(made, roles, said)
    return [write_gzip(out / "population.xml.gz", _pieces(made, roles, days))]


def _roles(made: Made, said: Map) -> Roles:
    """The units that the map names; raises DataError where they do not lie below each other."""
    schema = made.spec.schema
    roles = Roles(**{name: None if unit is None else str(unit) for name, unit in said.tables["units"].items()})
    pairs = ((roles.household, roles.person, "person"), (roles.person, roles.trip, "trip"))
    for above, unit, name in pairs:
        if unit is None:
            continue
        if unit not in made.frames or (above is not None and schema[unit].parent != above):
            advice = f"name one of: {', '.join(made.frames)}; trips lie below persons, persons below households"
            what = f"it is no unit below {above}" if above is not None else "there is no such unit"
            raise DataError(Problem(where=f"map units.{name}", what=what, found=unit, advice=advice))
    return roles


def _pieces(made: Made, roles: Roles, days: Days | None) -> Iterator[str]:
    yield HEAD
    if days is not None and days.crs:
        name = f'<attribute name="coordinateReferenceSystem" class="java.lang.String">{escape(days.crs)}</attribute>'
        yield f"<attributes>{name}</attributes>\n"
    unit = roles.person or roles.trip or made.top
    people = made.frames[unit].drop(f"{unit}_id", "position", strict=False)
    ids = made.frames[unit][f"{unit}_id"]
    for start in range(0, people.height, BATCH):
        part = people.slice(start, BATCH)
        if roles.household is not None:
            key = f"{roles.household}_id"
            above = (
                part.select(key).join(made.frames[roles.household], on=key, how="left", maintain_order="left").drop(key)
            )
            above = above.rename({name: f"household_{name}" for name in above.columns})
            part = pl.concat([part, above.drop(part.columns, strict=False)], how="horizontal")
        plans = days.plans(start, part.height) if days is not None else [""] * part.height
        yield "".join(
            f'<person id="{name}"><attributes>{text}</attributes>{plan}</person>\n'
            for name, text, plan in zip(ids.slice(start, BATCH).to_list(), _attributes(part), plans, strict=True)
        )
    yield "</population>\n"


def _attributes(frame: pl.DataFrame) -> list[str]:
    """The attributes of each row, typed; what is missing is left out."""
    columns = list[pl.Series]()
    for name in frame.columns:
        values = frame[name]
        integer = values.dtype.is_integer() and bool((values.is_null() | (values.abs() <= LARGEST)).all())
        kind = KINDS[
            "integer"
            if integer
            else "large"
            if values.dtype.is_integer()
            else "number"
            if values.dtype.is_numeric()
            else "string"
        ]
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
