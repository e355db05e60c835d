"""Days as MATSim takes them: places by outlines, coordinates, facilities, or none; persons, trips and households told apart."""

import gzip
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import polars as pl
import pytest

import llmsynthor
from llmsynthor.errors import DataError
from llmsynthor.records.formats.export import export, map_of
from llmsynthor.records.formats.made import Made, made_of
from llmsynthor.records.formats.roles import Roles, roles_of

HOMES = pl.DataFrame({"household_id": [1, 2], "zone": ["a", "b"], "size": [2, 1]})
PEOPLE = pl.DataFrame({"person_id": [1, 2, 3], "household_id": [1, 1, 2], "trips": [2, 0, 2], "age": [40, 9, 70]})
TRIPS = pl.DataFrame(
    {
        "trip_id": [1, 2, 3, 4],
        "person_id": [1, 1, 3, 3],
        "to_zone": ["b", "a", "a", "b"],
        "activity": ["Work", "Home", "Shop & go", "Home"],
        "mode": ["Car, driving", "Car, as passenger", "On foot", "Hovercraft II"],
        "depart": [480, 1020, 600, 1500],
    }
)
RECORDS = {"household": HOMES, "person": PEOPLE, "trip": TRIPS}


def squares(place: Path) -> Path:
    """Two zones, one degree each."""
    rings = {"a": [[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]], "b": [[2, 0], [3, 0], [3, 1], [2, 1], [2, 0]]}
    features = [
        {"type": "Feature", "properties": {"id": zone}, "geometry": {"type": "Polygon", "coordinates": [ring]}}
        for zone, ring in rings.items()
    ]
    path = place / "zones.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    return path


def village(*units: str, outlines: Path | None = None, more: dict[str, Any] | None = None) -> Made:
    """The records of a village, of these units, with or without outlines of its zones."""
    zones: dict[str, Any] = {"levels": ["zone"], "crosswalk": {"cells": [{"zone": "a"}, {"zone": "b"}]}}
    if outlines is not None:
        zones["geometry"] = {"zone": {"file": str(outlines), "key": "id"}}
    modes = ["Car, driving", "Car, as passenger", "On foot", "Hovercraft II"]
    trip = {
        "activity": {"kind": "category", "levels": ["Home", "Work", "Shop & go"]},
        "mode": {"kind": "category", "levels": modes},
        "depart": {"kind": "integer", "range": [0, 1800], "unit": "minutes after midnight"},
        **(more or {}),
    }
    person = {"trips": {"kind": "integer", "range": [0, 5]}, "age": {"kind": "integer", "range": [0, 100]}}
    known: dict[str, Any] = {
        "household": {"geography": "zones", "variables": {"size": {"kind": "integer", "range": [1, 5]}}},
        "person": {"parent": "household", "count": "size", "variables": person},
        "trip": {"parent": "person", "count": "trips", "geography": {"to": "zones"}, "variables": trip},
    }
    chosen = {name: known[name] for name in units}
    for key in ("parent", "count"):
        chosen[units[0]].pop(key, None)
    target = {"name": "all", "unit": units[-1], "cells": [{"depart" if "trip" in units else "age": "0-99", "share": 1}]}
    document = {"llmsynthor": 1, "geographies": {"zones": zones}, "units": chosen, "targets": [target]}
    target["cells"][0] |= {"depart": "0-1799"} if "trip" in units else {}
    records = {name: frame for name, frame in RECORDS.items() if name in units}
    columns = {variable: pl.Series([0.5, 1.5, 2.5, 3.5]) for variable in more or {}}
    if columns:
        records["trip"] = records["trip"].with_columns(**columns)
    return made_of(llmsynthor.Spec.load(document), records, seed=3)


def people_of(out: Path) -> list[ElementTree.Element]:
    """The persons of a population."""
    return ElementTree.fromstring(gzip.decompress((out / "population.xml.gz").read_bytes())).findall("person")


def test_days_are_placed_in_the_outlines_of_zones(tmp_path: Path) -> None:
    """Activities have points inside their zones, degrees are named, all of a household are at home in one place."""
    pytest.importorskip("shapely")
    export(village("household", "person", "trip", outlines=squares(tmp_path)), "matsim", tmp_path / "out")
    one, two, three = people_of(tmp_path / "out")
    text = gzip.decompress((tmp_path / "out" / "population.xml.gz").read_bytes()).decode()
    assert text.index("coordinateReferenceSystem") < text.index("<person")
    first, work, last = one.iter("activity")
    assert 0 < float(first.get("x", "")) < 1
    assert 2 < float(work.get("x", "")) < 3
    assert (first.get("x"), first.get("y")) == (last.get("x"), last.get("y"))
    assert [own.get("end_time") for own in one.iter("activity")] == ["08:00:00", "17:00:00", None]
    (alone,) = two.iter("activity")
    assert (alone.get("type"), alone.get("x"), alone.get("end_time")) == ("Home", first.get("x"), None)
    assert [own.get("type") for own in three.iter("activity")] == ["Home", "Shop & go", "Home"]
    assert next(iter(three.iter("activity"))).get("x") != first.get("x")


def test_modes_are_those_that_matsim_knows(tmp_path: Path) -> None:
    """Levels become modes by their words, others are written small without blanks, and the map shows all of them."""
    made = village("household", "person", "trip")
    codes = {"Car, driving": "car", "Car, as passenger": "ride", "On foot": "walk", "Hovercraft II": "hovercraft_ii"}
    assert map_of(made, "matsim")["codes"]["mode"] == codes
    export(made, "matsim", tmp_path / "out")
    assert [leg.get("mode") for own in people_of(tmp_path / "out") for leg in own.iter("leg")] == list(codes.values())


def test_zones_without_outlines_are_facilities(tmp_path: Path) -> None:
    """Without outlines a zone's id is a facility; nothing is said of coordinates."""
    export(village("household", "person", "trip"), "matsim", tmp_path / "out")
    one, two, _ = people_of(tmp_path / "out")
    assert [own.get("facility") for own in one.iter("activity")] == ["a", "b", "a"]
    assert [own.get("facility") for own in two.iter("activity")] == ["a"]
    assert b"coordinateReferenceSystem" not in gzip.decompress((tmp_path / "out" / "population.xml.gz").read_bytes())


def test_coordinates_of_variables_are_taken_as_they_are(tmp_path: Path) -> None:
    """A map names coordinates and their system; x without y is an error."""
    numbers: dict[str, Any] = {name: {"kind": "number", "range": [0, 10]} for name in ("east", "north")}
    made = village("household", "person", "trip", more=numbers)
    said = {"ends": {"x": "east", "y": "north"}, "homes": {"x": 9, "y": 8}, "places": {"crs": "EPSG:27700"}}
    export(made, "matsim", tmp_path / "out", said)
    one, _, _ = people_of(tmp_path / "out")
    assert [own.get("x") for own in one.iter("activity")] == ["9", "0.5", "9"]
    with pytest.raises(DataError, match="both x and y"):
        export(made, "matsim", tmp_path / "two", {"ends": {"x": "east"}})


def test_days_without_places_are_refused_unless_asked_for(tmp_path: Path) -> None:
    """Where nothing says where trips lead the error names the keys of the map; asked for, days have no places."""
    bare = made_of(
        llmsynthor.Spec.load(_without_places()), {"person": PEOPLE.drop("household_id"), "trip": TRIPS.drop("to_zone")}
    )
    with pytest.raises(DataError, match=r"where activities are.*ends: \{zone"):
        export(bare, "matsim", tmp_path / "one")
    export(bare, "matsim", tmp_path / "two", {"places": {"zones": "none"}})
    one, two, _ = people_of(tmp_path / "two")
    assert [own.attrib for own in two.iter("activity")] == [{"type": "Home"}]
    assert [own.get("type") for own in one.iter("activity")] == ["Home", "Work", "Home"]


def _without_places() -> dict[str, Any]:
    trip = {
        "activity": {"kind": "category", "levels": ["Home", "Work", "Shop & go"]},
        "mode": {"kind": "category", "levels": ["Car, driving", "Car, as passenger", "On foot", "Hovercraft II"]},
        "depart": {"kind": "integer", "range": [0, 1800]},
    }
    person = {"trips": {"kind": "integer", "range": [0, 5]}, "age": {"kind": "integer", "range": [0, 100]}}
    units = {"person": {"variables": person}, "trip": {"parent": "person", "count": "trips", "variables": trip}}
    targets = [{"name": "all", "unit": "person", "cells": [{"age": "0-99", "share": 1}]}]
    return {"llmsynthor": 1, "units": units, "targets": targets}


def test_units_are_told_apart(tmp_path: Path) -> None:
    """Persons with trips are no households with persons, and an export that needs households says so."""
    assert roles_of(village("household", "person", "trip")) == Roles(
        household="household", person="person", trip="trip"
    )
    assert roles_of(village("person", "trip")) == Roles(household=None, person="person", trip="trip")
    assert roles_of(village("trip")) == Roles(household=None, person=None, trip="trip")
    assert roles_of(village("household", "person")) == Roles(household="household", person="person", trip=None)
    with pytest.raises(DataError, match="no households above person"):
        export(village("person", "trip"), "starsim", tmp_path / "out")


def test_trips_of_nobody_are_persons_of_one_trip(tmp_path: Path) -> None:
    """A table of trips alone, from zone to zone, gives a person a trip, from a place in the first to one in the second."""
    made = village("trip", more={"from_x": {"kind": "number", "range": [0, 10]}})
    export(made, "matsim", tmp_path / "out", {"starts": {"x": "from_x", "y": 7}})
    people = people_of(tmp_path / "out")
    assert [own.get("id") for own in people] == ["1", "2", "3", "4"]
    first, last = people[0].iter("activity")
    assert (first.attrib, last.attrib) == (
        {"type": "other", "x": "0.5", "y": "7", "end_time": "08:00:00"},
        {"type": "Work", "facility": "b"},
    )


def test_times_of_day_are_read_from_texts(tmp_path: Path) -> None:
    """Levels that begin with a time of day are times; of others codes must say the hour."""
    document = _without_places()
    levels = ["07:30-08:00", "17:05", "PM peak"]
    document["units"]["trip"]["variables"]["depart"] = {"kind": "category", "levels": levels}
    trips = TRIPS.drop("to_zone").with_columns(depart=pl.Series([*levels, "17:05"]))
    made = made_of(llmsynthor.Spec.load(document), {"person": PEOPLE.drop("household_id"), "trip": trips})
    none = {"places": {"zones": "none"}}
    with pytest.raises(DataError, match="no time of day"):
        export(made, "matsim", tmp_path / "one", none)
    codes = {"departure": {"07:30-08:00": 7.5, "17:05": 17, "PM peak": 16.25}}
    export(made, "matsim", tmp_path / "two", {**none, "codes": codes})
    assert next(people_of(tmp_path / "two")[2].iter("activity")).get("end_time") == "16:15:00"
