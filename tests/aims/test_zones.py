"""Zones whose tables cannot hold together are found one by one, and yield zone by zone."""

from typing import Any

import numpy as np

from llmsynthor import synthesize
from llmsynthor.aims.aims import set_aims
from llmsynthor.aims.zones import unmet_rooms
from llmsynthor.run.check import examine
from llmsynthor.spec.specification import Spec

ZONES = [f"z{k:02d}" for k in range(20)]


def document(persons: dict[str, int], *, of: bool = False) -> dict[str, Any]:
    """Twenty zones of ten households of 1 or of 2 to 4, with so many persons in some zones and 20 in the others."""
    sizes = [{"zone": zone, "size": size, "count": 5} for zone in ZONES for size in ("1", "2-4")]
    cells = [{"household.zone": zone, "count": persons.get(zone, 20)} for zone in ZONES]
    return {
        "llmsynthor": 1,
        "units": {
            "household": {
                "variables": {
                    "zone": {"kind": "category", "levels": ZONES},
                    "size": {"kind": "integer", "range": [1, 5]},
                }
            },
            "person": {
                "parent": "household",
                "count": "size",
                "variables": {"sex": {"kind": "category", "levels": ["m", "f"]}},
            },
        },
        "targets": [
            {"name": "sizes", "unit": "household", "cells": sizes},
            {"name": "persons", "unit": "person", "cells": cells, **({"of": "sizes"} if of else {})},
        ],
    }


def test_every_zone_that_cannot_be_met_is_found() -> None:
    """Zones with more persons than the sizes allow, or fewer than they need, are found with by how many."""
    rooms = unmet_rooms(Spec.load(document({"z03": 60, "z07": 8, "z09": 25})))
    assert len(rooms) == 1
    assert dict(zip(rooms[0].zones, rooms[0].excess, strict=True))["z03"] == 60 - 25
    assert dict(zip(rooms[0].zones, rooms[0].lacking, strict=True))["z07"] == 15 - 8
    assert (rooms[0].excess + rooms[0].lacking > 0).sum() == 2


def test_a_total_that_fits_hides_no_zone() -> None:
    """Zones that make up for each other in the sum are found all the same."""
    rooms = unmet_rooms(Spec.load(document({"z03": 30, "z07": 10})))
    assert [int((rooms[0].excess > 0).sum()), int((rooms[0].lacking > 0).sum())] == [1, 1]


def test_what_can_be_met_is_not_named() -> None:
    """Zones at the very ends of what their sizes allow are no problem."""
    assert unmet_rooms(Spec.load(document({"z03": 25, "z07": 15}))) == ()


def test_check_names_the_zones_and_what_to_do() -> None:
    """`check` lists each such zone with what it asks for and what it can have."""
    found = [str(p) for p in examine(Spec.load(document({"z03": 60, "z07": 8})), "none").warnings]
    said = next(text for text in found if "zones cannot be met" in text)
    assert "z03 (60, at most 25)" in said
    assert "z07 (8, at least 15)" in said
    assert "group quarters" in said


def test_a_zone_that_cannot_be_met_yields_alone() -> None:
    """It gets as many as it can have; all other zones get what they ask for, and the run says who yielded to whom."""
    spec = Spec.load(document({"z03": 60, "z07": 8}, of=True))
    made = synthesize(spec, records=200, llm="none", seed=1)
    persons = made.records["person"].join(made.records["household"], on="household_id")
    counts = dict(persons["zone"].value_counts().iter_rows())
    assert {zone: counts[zone] for zone in ZONES} == {**dict.fromkeys(ZONES, 20), "z03": 25, "z07": 15}
    row = made.alignment.filter(made.alignment["name"] == "persons").to_dicts()[0]
    assert (row["status"], row["yielded_to"]) == ("yielded", "sizes")


def test_goals_are_led_to_what_is_possible() -> None:
    """The shares of a table that yields are those of the possible numbers, what it states stays as it is."""
    goal = set_aims(Spec.load(document({"z03": 60}))).goals[1].tables[0]
    wanted = np.array([25.0 if zone == "z03" else 20.0 for zone in ZONES])
    assert np.allclose(goal.shares, wanted / wanted.sum())
    assert np.isclose(goal.stated[3], 60 / 440)
