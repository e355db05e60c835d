"""Days as MATSim's plans: activity, leg, activity; every activity but the last has an end, all have places."""

import re
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

import numpy as np
import polars as pl
from numpy.typing import NDArray

from llmsynthor.errors import DataError, Problem
from llmsynthor.records.formats.made import Made
from llmsynthor.records.formats.mapping import Map, mapped
from llmsynthor.records.formats.roles import Roles
from llmsynthor.records.formats.spots import ADVICE, Spots
from llmsynthor.spec.schema import Numeric
from llmsynthor.texts import clean

HOME = r"^(at )?home\b|^(zu ?)?hause|^wohn|domicile|^hogar|^casa\b"
CLOCK = r"^\D*(\d{1,2})\s*[:.h]\s*(\d{2})\b"


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """Days of all persons: `begun` says what and where each begins, `trips` (ordered by person) what each adds.

    `ends` says where the trips of each person end.
    """

    begun: pl.DataFrame
    trips: pl.DataFrame
    ends: NDArray[np.int64]
    crs: str | None

    def plans(self, start: int, count: int) -> list[str]:
        """The plans of persons from `start` on; who makes no trip stays where the day begins."""
        first = int(self.ends[start - 1]) if start else 0
        ends = self.ends[start : start + count]
        part = self.trips.slice(first, int(ends[-1]) - first if count else 0)
        part = part.with_columns(time=_clock(part["seconds"].to_numpy()))
        text = pl.format(' end_time="{}"/><leg mode={}/><activity type={}{}', "time", "mode", "type", "place")
        pieces = part.select(text.alias("text"))["text"].to_list()
        begun = self.begun.slice(start, count).select(pl.format("<activity type={}{}", "type", "place").alias("text"))
        plans = []
        for k, opening in enumerate(begun["text"].to_list()):
            low, high = (int(ends[k - 1]) if k else first) - first, int(ends[k]) - first
            plans.append(f'<plan selected="yes">{opening}{"".join(pieces[low:high])}/></plan>')
        return plans


def days_of(made: Made, roles: Roles, said: Map) -> Days | None:
    """The days of all persons; None where there are no trips, or nothing says what they are for; raises DataError."""
    trips = said.tables["trips"]
    if roles.trip is None or trips["activity"] is None:
        return None
    unit = roles.trip
    frame = made.frames[unit]
    owner, people = _owners(made, roles)
    seconds = _seconds(made, unit, said)
    order = np.argsort(owner, kind="stable")
    if trips["origin"] is None and said.tables["starts"]["zone"] is None:
        order = np.lexsort((seconds, owner))
    activity = mapped(made, unit, "activity", trips["activity"], said.codes).cast(pl.String).fill_null("other")
    home = next(
        (own for own in activity.unique(maintain_order=True).to_list() if re.search(HOME, own, re.IGNORECASE)), "home"
    )
    spots = Spots(made=made, said=said)
    homes, home_zones = _homes(spots, roles, people)
    places = _ends(spots, unit, owner, activity, (home, homes, home_zones))
    counts = np.bincount(owner, minlength=people)
    ends = np.cumsum(counts)
    first = order[(ends - counts)[counts > 0]]
    begun_types, begun_places = _starts(spots, roles, (owner, first), (home, homes, home_zones))
    _check_places(spots, [places, begun_places.filter(pl.Series(counts > 0))])
    mode = mapped(made, unit, "mode", trips["mode"], said.codes) if trips["mode"] is not None else None
    modes = (
        pl.Series(["walk"]).new_from_index(0, frame.height) if mode is None else mode.cast(pl.String).fill_null("walk")
    )
    columns = {"seconds": seconds, "mode": _quoted(modes), "type": _quoted(activity), "place": places.fill_null("")}
    return Days(
        begun=pl.DataFrame({"type": _quoted(begun_types), "place": begun_places.fill_null("")}),
        trips=pl.DataFrame(columns)[order],
        ends=ends,
        crs=_crs(said, spots),
    )


def _crs(said: Map, spots: Spots) -> str | None:
    crs = said.tables["places"]["crs"]
    return str(crs) if crs is not None else spots.crs


def _owners(made: Made, roles: Roles) -> tuple[NDArray[np.int64], int]:
    """The row of each trip's person, and how many persons there are; trips of nobody have each a person of their own."""
    assert roles.trip is not None
    frame = made.frames[roles.trip]
    if roles.person is None:
        return np.arange(frame.height), frame.height
    key = f"{roles.person}_id"
    rows = made.frames[roles.person].select(key).with_row_index("row")
    return frame.select(key).join(rows, on=key, how="left", maintain_order="left")["row"].to_numpy().astype(
        np.int64
    ), rows.height


Home = tuple[str, pl.Series, pl.Series]
"""What home is called, the place of each person's, and its zone."""


def _homes(spots: Spots, roles: Roles, people: int) -> tuple[pl.Series, pl.Series]:
    """The place and the zone of each person's home, null where it is not known."""
    nothing = pl.Series([None], dtype=pl.String).new_from_index(0, people)
    unit = roles.household or roles.person
    if unit is None:
        return nothing, nothing
    frame = spots.made.frames[unit]
    texts = spots.texts(unit, "homes", pl.DataFrame({"own": np.arange(frame.height)}))
    zones = spots.zone(unit, "homes")
    if unit == roles.person:
        return texts, nothing if zones is None else zones
    assert roles.person is not None
    key = f"{unit}_id"
    above = frame.select(key).with_columns(texts.alias("text"), pl.lit(None, dtype=pl.String).alias("zone"))
    above = above if zones is None else above.with_columns(zones.alias("zone"))
    found = spots.made.frames[roles.person].select(key).join(above, on=key, how="left", maintain_order="left")
    return found["text"], found["zone"]


def _ends(spots: Spots, unit: str, owner: NDArray[np.int64], activity: pl.Series, home: Home) -> pl.Series:
    """Where each trip ends: at home, if it leads home and its zone is not another; else by its own variables."""
    texts = spots.texts(unit, "ends", pl.DataFrame({"owner": owner, "type": activity}))
    return _at_home(texts, spots.zone(unit, "ends"), activity, (home[0], home[1].gather(owner), home[2].gather(owner)))


def _at_home(texts: pl.Series, zones: pl.Series | None, activity: pl.Series, home: Home) -> pl.Series:
    columns = {"text": texts, "type": activity, "home": home[1], "home_zone": home[2]}
    frame = pl.DataFrame(columns | {"zone": home[2] if zones is None else zones})
    same = pl.col("zone").is_null() | pl.col("zone").eq_missing(pl.col("home_zone"))
    there = pl.col("type").str.contains(f"(?i){HOME}") & pl.col("home").is_not_null()
    there &= pl.col("text").is_null() | (same & pl.lit(zones is not None))
    return frame.select(pl.when(there).then("home").otherwise("text").alias("text")).to_series()


def _starts(
    spots: Spots, roles: Roles, trips: tuple[NDArray[np.int64], NDArray[np.int64]], home: Home
) -> tuple[pl.Series, pl.Series]:
    """What each person does before the first trip, and where; `trips` are the row of each trip's person and the first trips."""
    assert roles.trip is not None
    owner, first = trips[0][trips[1]], trips[1]
    said, unit = spots.said, roles.trip
    entry = said.tables["trips"]["origin"]
    kind = home[0] if roles.person is not None else "other"
    types = pl.Series([kind]).new_from_index(0, len(first))
    if entry is not None:
        codes = {"origin": said.codes["activity"], **said.codes} if "activity" in said.codes else said.codes
        types = mapped(spots.made, unit, "origin", entry, codes).gather(first).cast(pl.String).fill_null(kind)
    texts = spots.texts(unit, "starts", pl.DataFrame({"owner": owner, "type": types}), rows=first)
    zones = spots.zone(unit, "starts")
    zones = None if zones is None else zones.gather(first)
    texts = _at_home(texts, zones, types, (home[0], home[1].gather(owner), home[2].gather(owner)))
    found = pl.DataFrame({"owner": owner, "type": types, "text": texts, "out": True})
    everyone = pl.DataFrame({"owner": np.arange(len(home[1])), "home": home[1]})
    found = everyone.join(found, on="owner", how="left", maintain_order="left")
    place = pl.when(pl.col("out").is_null()).then("home").otherwise("text")
    return found["type"].fill_null(home[0]), found.select(place.alias("text")).to_series()


def _check_places(spots: Spots, places: list[pl.Series]) -> None:
    """Raise DataError for activities without a place, unless this was asked for."""
    missing = sum(own.null_count() for own in places)
    if missing and spots.zones != "none":
        every = sum(len(own) for own in places)
        found = f"{missing:,} of {every:,} activities"
        raise DataError(
            Problem(where="export matsim", what="it is not said where activities are", found=found, advice=ADVICE)
        )


def _quoted(values: pl.Series) -> pl.Series:
    known = values.unique().to_list()
    return values.replace_strict(known, [quoteattr(clean(text)) for text in known], return_dtype=pl.String)


def _seconds(made: Made, unit: str, said: Map) -> NDArray[np.int64]:
    """Departures in seconds after midnight: by the variable's unit, else by its range; without any at 7, 9, 11 and so on."""
    entry = said.tables["trips"]["departure"]
    frame = made.frames[unit]
    if entry is None:
        place = frame["position"].to_numpy() if "position" in frame.columns else np.ones(frame.height)
        return (3600 * (7 + 2 * (place.astype(np.int64) - 1))).astype(np.int64)
    values = mapped(made, unit, "departure", entry, said.codes)
    if not values.dtype.is_numeric():
        return _clock_times(values, unit, str(entry))
    factor = 3600
    variable = (
        made.spec.schema[unit].variable(entry) if isinstance(entry, str) and "departure" not in said.codes else None
    )
    if isinstance(variable, Numeric):
        named = re.search(r"(second)|(minute)|(hour|clock)", f"{variable.unit} {variable.name}", re.IGNORECASE)
        high = variable.range.high
        by_range = 3600 if high <= 49 else 60 if high <= 2_881 else 1
        factor = (1, 60, 3600)[(named.lastindex or 3) - 1] if named else by_range
    return (values.cast(pl.Float64).fill_null(strategy="forward").fill_null(0).to_numpy() * factor).astype(np.int64)


def _clock_times(values: pl.Series, unit: str, name: str) -> NDArray[np.int64]:
    """Seconds of texts that begin with a time of day, 07:30 or 07:30-08:00; raises DataError for others."""
    texts = values.cast(pl.String)
    hours = texts.str.extract(CLOCK, 1).cast(pl.Int64)
    seconds = hours * 3600 + texts.str.extract(CLOCK, 2).cast(pl.Int64) * 60
    strange = texts.filter(seconds.is_null() & texts.is_not_null()).unique().to_list()
    if strange:
        advice = f"give hours after midnight: codes: {{departure: {{{strange[0]}: 7.5}}}}"
        where = f"map trips.departure: {name} of {unit}"
        raise DataError(Problem(where=where, what="it is no time of day", found=", ".join(strange[:4]), advice=advice))
    return seconds.fill_null(strategy="forward").fill_null(0).to_numpy()


def _clock(seconds: NDArray[np.int64]) -> pl.Series:
    """Times as 07:30:00; after midnight they go on, 25:10:00."""
    frame = pl.DataFrame({"s": seconds})
    parts = [pl.col("s") // 3600, pl.col("s") % 3600 // 60, pl.col("s") % 60]
    texts = [part.cast(pl.String).str.zfill(2) for part in parts]
    return frame.select(pl.concat_str(texts, separator=":")).to_series()
