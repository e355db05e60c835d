"""The keys of geography: zones become variables and lookups, what is wrong is named, and a spec keeps them."""

from pathlib import Path
from typing import Any

import pytest

from llmsynthor.errors import SpecError
from llmsynthor.spec.expressions import Lookup
from llmsynthor.spec.reading.files import digest, save
from llmsynthor.spec.specification import Spec
from llmsynthor.spec.targets import EXACT, Table

TRACTS = {"levels": ["tract"], "crosswalk": {"cells": [{"tract": "1"}, {"tract": "2"}]}}
ROWS = [{"tract": "1", "block": "a"}, {"tract": "1", "block": "b"}, {"tract": "2", "block": "c"}]


def document(*targets: dict[str, Any], person: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    size = {"size": {"kind": "integer", "range": [1, 6]}}
    job = {"job": {"kind": "category", "levels": ["works", "studies", "neither"]}}
    homes = {"name": "homes", "unit": "household", "cells": [{"block": b, "count": 10} for b in "abc"]}
    return {
        "llmsynthor": 1,
        "geographies": {"zones": {"levels": ["tract", "block"], "crosswalk": {"cells": ROWS}}},
        "units": {
            "household": {"geography": "zones", "variables": size},
            "person": {"parent": "household", "count": "size", "variables": job, **(person or {})},
        },
        "targets": [homes, *targets],
        **more,
    }


STUDENTS = {
    "name": "students",
    "unit": "person",
    "of": "homes",
    "cells": [{"household.block": b, "job": "studies", "count": 3} for b in "abc"],
}


def test_a_unit_has_a_variable_for_its_finest_zone_and_lookups_above() -> None:
    """The finest level is a category of all zones, coarser ones follow from it."""
    top = Spec.load(document()).schema.top
    assert top.variables[0].name == "block"
    assert getattr(top.variables[0], "levels") == ("a", "b", "c")  # noqa: B009  (a category has levels)
    assert isinstance(top.derived[0].expression.tree, Lookup)
    assert top.derived[0].expression.tree.values == (0.0, 0.0, 1.0)
    assert top.zones == ("tract", "block")


def test_several_places_have_names_of_their_own() -> None:
    """A second place of a unit has its zones under its own name."""
    spec = Spec.load(document(person={"geography": {"home": "zones", "work": "zones"}}))
    assert spec.schema["person"].zones == ("home_tract", "home_block", "work_tract", "work_block")
    assert spec.frame_variable == "block"
    assert "work_tract" in spec.zone_variables
    assert spec.is_vetoed("work_block")


def test_a_target_may_have_any_level_and_its_unknown_zones_are_named() -> None:
    """Tables are by zones of any level; a zone that the geography does not have is an error with its row."""
    cells = [{"tract": "1", "count": 20}, {"tract": "9", "count": 10}]
    with pytest.raises(SpecError, match=r"row 2: tract has no such level"):
        Spec.load(document({"name": "by tract", "unit": "household", "cells": cells}))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"geographies": {}}, "there is no such geography"),
        ({"geographies": {"zones": {"levels": ["block", "block"], "crosswalk": {"cells": ROWS}}}}, "listed twice"),
        ({"geographies": {"zones": {"levels": ["county", "block"], "crosswalk": {"cells": ROWS}}}}, "no column"),
        (
            {
                "geographies": {
                    "zones": {
                        "levels": ["tract"],
                        "crosswalk": {"cells": ROWS},
                        "geometry": {"tract": {"file": "no.json", "key": "id"}},
                    }
                }
            },
            "there is no such file",
        ),
    ],
)
def test_what_is_wrong_with_a_geography_is_named(change: dict[str, Any], words: str) -> None:
    """A geography that is missing, repeats a level, lacks a column or a file is an error in those words."""
    with pytest.raises(SpecError, match=words):
        Spec.load({**document(), **change})


def test_a_variable_that_the_geography_gives_is_not_given_again() -> None:
    """A variable of the name of a level is an error."""
    wrong = document()
    wrong["units"]["household"]["variables"]["tract"] = {"kind": "category", "levels": ["1", "2"]}
    with pytest.raises(SpecError, match="a variable is there twice"):
        Spec.load(wrong)


def test_counts_of_another_target_are_absolute() -> None:
    """`of` makes counts so many per records of its target; cells that are not named are open."""
    table = Spec.load(document(STUDENTS)).targets[1]
    assert isinstance(table, Table)
    assert table.base is not None
    assert (table.base.unit, table.base.records) == ("household", 30.0)
    assert str(table.universe) == "job == 'studies'"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"of": "nothing"}, "names no table that counts"),
        ({"value": "share", "cells": [{"job": "studies", "share": 0.3}]}, "`of` is for counts"),
        ({"rest": "works"}, "leaves what is not named open"),
    ],
)
def test_what_is_wrong_with_absolute_counts_is_named(change: dict[str, Any], words: str) -> None:
    """A base that is none, shares, and a rest beside them are errors."""
    with pytest.raises(SpecError, match=words):
        Spec.load(document({**STUDENTS, **change}))


def test_a_cell_may_lie_between_two_numbers() -> None:
    """A value [1, 4] is the middle of its ends, with half its width as margin."""
    cells = [{"tract": "1", "count": "[1, 4]"}, {"tract": "2", "count": 8}]
    table = Spec.load(document({"name": "few", "unit": "household", "cells": cells})).targets[1]
    assert table.values == (2.5, 8.0)
    assert table.margins_of_error == (1.5, 0.0)


def test_sources_speak_for_their_targets() -> None:
    """A target has the importance of its source unless it says one; `exact` never yields."""
    sources = {"sources": {"acs": {"title": "ACS", "publisher": "Census Bureau", "year": 2020, "importance": 0.2}}}
    cells = [{"tract": "1", "count": 20}, {"tract": "2", "count": 10}]
    own = {"unit": "household", "cells": cells, "source": "acs"}
    spec = Spec.load(document({**own, "name": "a"}, {**own, "name": "b", "importance": "exact"}, **sources))
    assert [target.importance for target in spec.targets] == [1.0, 0.2, EXACT]
    assert str(spec.sources[0]) == "ACS (Census Bureau, 2020)"


def test_as_many_records_as_a_target_counts() -> None:
    """The number of records may be that of a target, or a share of it; a target that is none is an error."""
    made = document(synthesis={"records": {"of": "homes", "share": 0.5}})
    assert Spec.load(made).settings.records == 15
    with pytest.raises(SpecError, match="there is no such table of counts"):
        Spec.load(document(synthesis={"records": {"of": "nothing"}}))


def test_a_spec_keeps_its_geography(tmp_path: Path) -> None:
    """Reading a saved spec with zones, absolute counts and sources gives an equal one."""
    few = {"name": "few", "unit": "household", "cells": [{"tract": "1", "count": "[1, 4]"}, {"tract": "2", "count": 8}]}
    spec = Spec.load(
        document(
            STUDENTS, few, person={"geography": {"work": "zones"}}, sources={"acs": {"title": "ACS", "year": 2020}}
        )
    )
    again = Spec.load(save(spec, tmp_path))
    assert again == spec
    assert digest(again) == digest(spec)
