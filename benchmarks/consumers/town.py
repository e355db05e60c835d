"""A town of 25 zones in a square: households, persons and the trips of a day, as a spec of tables made here."""

import json
from pathlib import Path
from typing import Any

import yaml

ZONES = [str(number) for number in range(1, 26)]
"""As many as the example of ActivitySim has, and named as there."""
HOMES = 16
"""Households of the smallest zone."""
AGES = ["0-4", "5-15", "16-19", "20-29", "30-44", "45-64", "65-80", "81-99"]
OF_AGES = [6, 14, 4, 14, 21, 25, 13, 3]
SIZES = [(1, 0.22), (2, 0.28), (3, 0.2), (4, 0.18), (5, 0.12)]
"""Shares of households by their persons: 2.7 in the mean."""


def outlines(place: Path) -> Path:
    """Write the zones as squares of a hundredth of a degree, lon and lat."""
    features = []
    for k, zone in enumerate(ZONES):
        x, y = -122.4 + 0.01 * (k % 5), 37.7 + 0.01 * (k // 5)
        ring = [[x, y], [x + 0.01, y], [x + 0.01, y + 0.01], [x, y + 0.01], [x, y]]
        shape = {"type": "Polygon", "coordinates": [ring]}
        features.append({"type": "Feature", "properties": {"zone": zone}, "geometry": shape})
    path = place / "zones.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    return path


def shares(columns: list[str], rows: list[tuple[Any, ...]]) -> list[dict[str, Any]]:
    """Cells of a table, the last column their share."""
    return [dict(zip([*columns, "share"], row, strict=True)) for row in rows]


def targets() -> list[dict[str, Any]]:
    """Tables of all three units, in counts and shares."""
    homes = [{"zone": zone, "count": HOMES + number % 5} for number, zone in enumerate(ZONES)]
    sexes = [(age, sex, share / 200) for age, share in zip(AGES, OF_AGES, strict=True) for sex in ("male", "female")]
    work = [("16-19", 0.1, 0.3), ("20-29", 0.6, 0.2), ("30-64", 0.65, 0.15), ("65-99", 0.05, 0.1)]
    jobs = [
        (age, job, share)
        for age, full, part in work
        for job, share in zip(("full time", "part time", "not employed"), (full, part, 1 - full - part), strict=True)
    ]
    study = [("5-15", 1.0, 0.0), ("16-19", 0.8, 0.1), ("20-29", 0.0, 0.25), ("30-99", 0.0, 0.02)]
    learning = [
        (age, what, share)
        for age, school, university in study
        for what, share in zip(
            ("school", "university", "no"), (school, university, 1 - school - university), strict=True
        )
    ]
    places = [(zone, 0.08 if number < 5 else 0.03) for number, zone in enumerate(ZONES)]
    aims = [("Home", 0.42), ("Work", 0.2), ("School", 0.1), ("Shopping", 0.16), ("Leisure", 0.12)]
    means = [("Car", 0.55), ("Bus or train", 0.15), ("Bicycle", 0.1), ("On foot", 0.2)]
    return [
        {"name": "households", "unit": "household", "cells": homes, "importance": "exact"},
        {"name": "size", "unit": "household", "cells": shares(["size"], SIZES)},
        {"name": "cars", "unit": "household", "cells": shares(["cars"], [(0, 0.2), (1, 0.45), (2, 0.35)])},
        {
            "name": "income",
            "unit": "household",
            "cells": shares(["income"], [("0-29999", 0.3), ("30000-79999", 0.4), ("80000-249999", 0.3)]),
        },
        {"name": "age by sex", "unit": "person", "cells": shares(["age", "sex"], sexes)},
        {
            "name": "jobs",
            "unit": "person",
            "universe": "age >= 16",
            "given": ["age"],
            "cells": shares(["age", "employment"], jobs),
        },
        {
            "name": "pupils and students",
            "unit": "person",
            "universe": "age >= 5",
            "given": ["age"],
            "cells": shares(["age", "student"], learning),
        },
        {
            "name": "trips",
            "unit": "person",
            "cells": shares(["trips"], [(0, 0.2), (1, 0), (2, 0.5), (3, 0.2), (4, 0.1)]),
        },
        {"name": "purpose", "unit": "trip", "cells": shares(["activity"], aims)},
        {"name": "means", "unit": "trip", "cells": shares(["mode"], means)},
        {
            "name": "destinations",
            "unit": "trip",
            "universe": "activity != 'Home'",
            "cells": shares(["to_zone"], places),
        },
    ]


def spec(place: Path) -> Path:
    """Write the spec and the outlines of its zones into a folder; gives the spec."""
    sexes, jobs = ["female", "male"], ["under 16", "full time", "part time", "not employed"]
    activities = ["Home", "Work", "School", "Shopping", "Leisure"]
    crosswalk = {"cells": [{"zone": zone, "district": f"District {(int(zone) - 1) // 5 + 1}"} for zone in ZONES]}
    homes = {
        "size": {"kind": "integer", "range": [1, 6]},
        "income": {"kind": "integer", "range": [0, 250_000], "unit": "USD a year"},
        "cars": {"kind": "integer", "range": [0, 3]},
    }
    people = {
        "age": {"kind": "integer", "range": [0, 100], "unit": "years"},
        "sex": {"kind": "category", "levels": sexes},
        "employment": {"kind": "category", "levels": jobs},
        "student": {"kind": "category", "levels": ["no", "school", "university"]},
        "trips": {"kind": "integer", "range": [0, 5]},
    }
    trips = {
        "activity": {"kind": "category", "levels": activities, "label": "Purpose of the trip"},
        "mode": {"kind": "category", "levels": ["Car", "Bus or train", "Bicycle", "On foot"]},
        "depart": {"kind": "integer", "range": [300, 1_440], "unit": "minutes after midnight"},
    }
    rules = [
        ("children have no job", "person", "(age < 16) != (employment == 'under 16')"),
        ("a household has an adult", "household", "count(person.age >= 18) == 0"),
        ("trips are in order", "trip", "depart < previous(depart)"),
        ("the last trip leads home", "person", "trips > 0 and last(trip.activity) != 'Home'"),
        ("nobody goes home from home", "trip", "activity == 'Home' and previous(activity) == 'Home'"),
        ("the first trip leads away", "trip", "position == 1 and activity == 'Home'"),
        ("home is where the household lives", "trip", "activity == 'Home' and to_zone != household.zone"),
        ("no work without a job", "trip", "activity == 'Work' and person.employment in ('under 16', 'not employed')"),
    ]
    document = {
        "llmsynthor": 1,
        "name": "a town for other programs",
        "geographies": {
            "zones": {
                "levels": ["district", "zone"],
                "crosswalk": crosswalk,
                "geometry": {"zone": {"file": outlines(place).name, "key": "zone"}},
            }
        },
        "units": {
            "household": {"geography": "zones", "variables": homes},
            "person": {"parent": "household", "count": "size", "variables": people},
            "trip": {"parent": "person", "count": "trips", "geography": {"to": "zones"}, "variables": trips},
        },
        "targets": targets(),
        "rules": [{"name": name, "unit": unit, "forbid": text} for name, unit, text in rules],
        "synthesis": {"records": {"of": "households"}, "seed": 7},
    }
    path = place / "spec.yaml"
    path.write_text(yaml.safe_dump(document, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path
