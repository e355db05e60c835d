"""Derived variables from tables: what is read, what is refused and with which words, and that a spec keeps them."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from llmsynthor.errors import SpecError
from llmsynthor.spec.expressions import Lookup
from llmsynthor.spec.reading.files import digest, save
from llmsynthor.spec.schema import Category, Numeric
from llmsynthor.spec.specification import Spec

ZONES = ["A", "B", "C"]
ROWS = [{"zone": "A", "district": "North"}, {"zone": "B", "district": "South"}, {"zone": "C", "district": "North"}]


def document(derived: dict[str, Any], **person: Any) -> dict[str, Any]:
    variables = {"zone": {"kind": "category", "levels": ZONES}, "age": {"kind": "integer", "range": [0, 100]}}
    cells = [{"zone": zone, "count": 10} for zone in ZONES]
    home = {"variables": {**variables, "size": {"kind": "integer", "range": [1, 4]}}, "derived": derived}
    return {"llmsynthor": 1, "units": {"home": home, **person}, "targets": [{"unit": "home", "cells": cells}]}


def read(lookup: dict[str, Any], **more: Any) -> Any:
    return Spec.load(document({"found": {"lookup": lookup, **more}})).schema.top.derived[0]


def test_levels_are_taken_from_the_table() -> None:
    """A crosswalk without levels is a category with those of the table, in their order."""
    found = read({"cells": ROWS, "by": ["zone"], "value": "district"})
    assert found.variable == Category(name="found", levels=("North", "South"))
    assert isinstance(found.expression.tree, Lookup)


@pytest.mark.parametrize(
    ("values", "kind"),
    [(["1", "2", "3"], "integer"), (["1", "2.5", "3"], "number"), (["01", "02", "03"], "category")],
)
def test_the_kind_is_taken_from_the_values(values: list[str], kind: str) -> None:
    """Whole numbers are integers, others numbers, and codes with a leading zero texts."""
    cells = [{"zone": zone, "x": value} for zone, value in zip(ZONES, values, strict=True)]
    variable = read({"cells": cells, "by": ["zone"], "value": "x"}).variable
    assert variable.kind == kind if isinstance(variable, Numeric) else kind == "category"


def test_a_default_fills_what_is_not_listed() -> None:
    """With a default every combination has a value, gaps between intervals too."""
    cells = [{"age": "0-17", "zone": "A", "x": 1}, {"age": "65+", "zone": "B", "x": 2}]
    table = read({"cells": cells, "by": ["age", "zone"], "value": "x", "default": 9}).expression.tree
    assert [str(level) for level in table.levels[0]] == ["[0, 18)", "[18, 65)", "[65, 100)"]
    assert table.values == (1.0, 9.0, 9.0, 9.0, 9.0, 9.0, 9.0, 2.0, 9.0)


@pytest.mark.parametrize(
    ("rows", "more", "words"),
    [
        (ROWS[:2], {}, "no row for 1 of the combinations of zone (found: C)"),
        ([*ROWS, ROWS[0]], {}, "row 4: the lookup has a combination twice: row 1 gives it already (found: A)"),
        ([*ROWS, {"zone": "Q", "district": "North"}], {}, "row 4: zone has no such level (found: Q)"),
        (ROWS, {"levels": ["North"]}, "row 2: the lookup's value is no level of the variable (found: South)"),
        (ROWS, {"kind": "number"}, "row 1: the lookup's value is no number (found: North)"),
        ([*ROWS[:2], {"zone": "C", "district": None}], {}, "row 3: the lookup's value is missing"),
    ],
)
def test_what_is_wrong_is_named_with_its_row(rows: list[dict[str, Any]], more: dict[str, Any], words: str) -> None:
    """Combinations that are missing or there twice, unknown levels and values that do not fit are errors that name them."""
    with pytest.raises(SpecError) as caught:
        read({"cells": rows, "by": ["zone"], "value": "district"}, **more)
    assert words in str(caught.value)


def test_a_value_outside_a_given_range_is_refused() -> None:
    """A range that is given holds for the table too."""
    cells = [{"zone": zone, "km": 10 * k} for k, zone in enumerate(ZONES)]
    with pytest.raises(SpecError, match="row 3: the lookup's value lies outside its range"):
        read({"cells": cells, "by": ["zone"], "value": "km"}, kind="number", range=[0, 15])


def test_a_lookup_may_be_entered_by_another_one_and_by_a_parents_variable() -> None:
    """Keys are any variables that a record has, derived ones in any order, whatever the table calls them."""
    region = {
        "lookup": {
            "cells": [{"d": "North", "r": "1a"}, {"d": "South", "r": "2a"}],
            "by": {"district": "d"},
            "value": "r",
        }
    }
    crosswalk = {"lookup": {"cells": ROWS, "by": ["zone"], "value": "district"}}
    person = {
        "parent": "home",
        "count": "size",
        "variables": {"work": {"kind": "category", "levels": ZONES}},
        "derived": {
            "km": {
                "lookup": {
                    "cells": [
                        {"from": a, "to": b, "km": abs(i - j)} for i, a in enumerate(ZONES) for j, b in enumerate(ZONES)
                    ],
                    "by": {"home.zone": "from", "work": "to"},
                    "value": "km",
                }
            }
        },
    }
    spec = Spec.load(document({"region": region, "district": crosswalk}, person=person))
    assert [derived.name for derived in spec.schema.top.derived] == ["region", "district"]
    assert [str(key) for key in spec.schema["person"].derived[0].expression.tree.keys] == ["home.zone", "work"]


def test_lookups_that_use_each_other_are_refused() -> None:
    """Of two lookups that wait for each other neither can be read."""
    one = {"lookup": {"cells": [{"two": "x", "one": "y"}], "by": ["two"], "value": "one"}}
    two = {"lookup": {"cells": [{"one": "y", "two": "x"}], "by": ["one"], "value": "two"}}
    with pytest.raises(SpecError, match="no variable that it can be looked up by"):
        Spec.load(document({"one": one, "two": two}))


def test_spec_to_file_to_spec_is_the_identity(tmp_path: Path) -> None:
    """A saved spec has the tables of its lookups beside it and reads as the same; its digest knows them."""
    pl.DataFrame(ROWS).write_csv(tmp_path / "zones.csv")
    lookup = {"table": str(tmp_path / "zones.csv"), "by": ["zone"], "value": "district"}
    cells = [{"age": "0-17", "x": 0.25}, {"age": "18+", "x": 1.5}]
    spec = Spec.load(
        document({"d": {"lookup": lookup}, "x": {"lookup": {"cells": cells, "by": ["age"], "value": "x"}}})
    )
    again = Spec.load(save(spec, tmp_path / "saved"))
    assert again == spec
    assert digest(again) == digest(spec)
    other = Spec.load(
        document({"d": {"lookup": lookup}, "x": {"lookup": {"cells": cells[::-1], "by": ["age"], "value": "x"}}})
    )
    assert digest(other) == digest(spec)
    cells[0]["x"] = 0.5
    changed = Spec.load(
        document({"d": {"lookup": lookup}, "x": {"lookup": {"cells": cells, "by": ["age"], "value": "x"}}})
    )
    assert changed != spec
    assert digest(changed) != digest(spec)
