"""Which variable is held, and what follows from it."""

from typing import Any

import pytest

from llmsynthor.aims.aims import set_aims
from llmsynthor.aims.frames import frame_functions
from llmsynthor.spec.specification import Spec

ZONES = [f"z{k:02d}" for k in range(20)]


def document(columns: list[str], *, zones: int = 20, **home: Any) -> dict[str, Any]:
    levels = {"zone": ZONES[:zones], **{name: ["a", "b"] for name in "pqrs"}}
    targets = [
        {"unit": "home", "cells": [{**dict(zip(pair, cell, strict=True)), "count": 1} for cell in cells]}
        for pair in (text.split() for text in columns)
        for cells in [[(x, y) for x in levels[pair[0]] for y in levels[pair[1]]]]
    ]
    variables = {name: {"kind": "category", "levels": own} for name, own in levels.items()}
    return {"llmsynthor": 1, "units": {"home": {"variables": variables, **home}}, "targets": targets}


@pytest.mark.parametrize(
    ("columns", "zones", "held"),
    [
        (["zone p", "zone q", "zone r"], 20, 0),
        (["zone p", "zone q", "r s"], 20, 0),
        (["zone p", "q r", "r s"], 20, -1),
        (["zone p", "zone q"], 8, -1),
        (["p q", "r s"], 20, -1),
    ],
)
def test_a_zone_that_tables_share_is_held(columns: list[str], zones: int, held: int) -> None:
    """A category of many levels that most joint tables have is held; one of few levels, or in few tables, is not."""
    assert set_aims(Spec.load(document(columns, zones=zones))).own[0].frame == held


def test_what_follows_from_a_zone_is_known() -> None:
    """A lookup of the zone, and a lookup of that, are functions of it."""
    cells = [{"zone": zone, "district": "north" if k < 12 else "south"} for k, zone in enumerate(ZONES)]
    sides = [{"district": "north", "side": "up"}, {"district": "south", "side": "down"}]
    derived = {
        "district": {"lookup": {"cells": cells, "by": ["zone"], "value": "district"}},
        "side": {"lookup": {"cells": sides, "by": ["district"], "value": "side"}},
    }
    made = document(["zone p", "zone q"], derived=derived)
    made["units"]["pet"] = {
        "parent": "home",
        "count": "n",
        "variables": {"kind": {"kind": "category", "levels": ["cat"]}},
    }
    made["units"]["home"]["variables"]["n"] = {"kind": "integer", "range": [0, 3]}
    aims = set_aims(Spec.load(made))
    found = {aims.layout.columns[u][k].name: codes for (u, k), codes in frame_functions(aims.layout, 0).items()}
    assert set(found) == {"zone", "district", "side"}
    assert found["side"].tolist() == [0] * 12 + [1] * 8
