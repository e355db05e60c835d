"""What the report shows unit by unit."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from llmsynthor.evaluation.compare import compare_nested
from llmsynthor.records.linked import Nested, nest
from llmsynthor.report.page import write_report
from llmsynthor.report.units import Distribution, distributions, pairs, sample
from llmsynthor.run.synthesize import synthesize
from llmsynthor.spec.specification import Spec
from tests.homes import AGE, HEAD_AGE, among, households_of_persons

HOMES = households_of_persons(
    {"tenure": among("own", "rent")},
    {"age": AGE, "income": {"kind": "number", "range": [0, 5000]}},
    most=3,
    derived={"head_age": HEAD_AGE},
    targets=[
        {
            "name": "size by tenure",
            "unit": "household",
            "cells": [
                {"size": size, "tenure": tenure, "count": 10} for size in (1, 2, 3) for tenure in ("own", "rent")
            ],
        },
        {
            "name": "age by tenure",
            "unit": "person",
            "cells": [
                {"age": age, "household.tenure": tenure, "share": 0.25}
                for age in ("0-29", "30+")
                for tenure in ("own", "rent")
            ],
        },
        {"name": "mean size", "unit": "household", "mean": "size", "cells": [{"mean": 2}]},
    ],
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Spec, Nested, Path]:
    out = tmp_path_factory.mktemp("report") / "out"
    spec = Spec.load(HOMES)
    solution = synthesize(spec, records=60, seed=1, llm="none", out=out)
    return spec, nest(solution.records, spec.schema, only=frozenset({("household", "head_age")})), out


def by_name(made: tuple[Spec, Nested, Path], unit: str) -> dict[str, Distribution]:
    spec, nested, _ = made
    return {d.name: d for d in distributions(spec.schema[unit], nested, compare_nested(spec, nested))}


def test_every_variable_of_every_unit_is_distributed(made: tuple[Spec, Nested, Path]) -> None:
    """Own and derived variables, of households and of persons, each over all records of its unit."""
    spec, nested, _ = made
    for unit, names in (("household", ["size", "tenure", "head_age"]), ("person", ["age", "income"])):
        found = by_name(made, unit)
        assert list(found) == names
        assert {d.got.sum() for d in found.values()} == {nested.frames[unit].height}
    assert spec.schema.top.name == "household"


def test_a_table_gives_the_target_and_else_there_is_none(made: tuple[Spec, Nested, Path]) -> None:
    """The margin of a joint table stands beside the records; what no table speaks of stands alone, and says so."""
    tenure, head = by_name(made, "household")["tenure"], by_name(made, "household")["head_age"]
    assert tenure.wanted == pytest.approx(np.array([30.0, 30.0]))
    assert tenure.note == "As in size by tenure."
    assert head.wanted is None
    assert head.note == "No table of all records speaks of it."


def test_pairs_are_told_for_every_unit(made: tuple[Spec, Nested, Path]) -> None:
    """A table of persons by their household's tenure gives a pair across units; what nothing joins is maximum entropy."""
    spec = made[0]
    told = pairs(spec, spec.schema["person"], None)
    label = {(a, told["names"][k]): kind for a, row in told["rows"] for k, kind in enumerate(row)}
    assert label["age", "household.tenure"] == "given"
    assert label["age", "income"] == "max. entropy"
    assert label["age", "age"] == ""


def test_estimated_pairs_are_of_their_own_unit(made: tuple[Spec, Nested, Path]) -> None:
    """An estimate about persons is not told of households."""
    spec = made[0]
    rows = pl.DataFrame({"one": ["age"], "other": ["income"], "unit": ["person"], "source": ["estimated"]})
    assert pairs(spec, spec.schema["person"], rows)["totals"]["estimated"] == 1
    assert pairs(spec, spec.schema["household"], rows)["totals"]["estimated"] == 0


def test_the_page_covers_every_unit_and_every_target(made: tuple[Spec, Nested, Path]) -> None:
    """Both units have their targets, pictures and records on the page; a mean is stated and obtained like a table's cells."""
    page = write_report(made[2]).read_text(encoding="utf-8")
    persons = made[1].frames["person"].height
    assert (
        f"60 household records, {persons:,} person records; all 3 targets exact, no cell is a whole record off." in page
    )
    assert page.count("<h3>household</h3>") == page.count("<h3>person</h3>") == 1
    assert '<td>all records</td><td class="n">2</td>' in page
    for name in ("size", "tenure", "head_age", "age", "income"):
        assert f"<figcaption>{name}</figcaption>" in page
    assert "person_id" in page


def test_the_sample_has_every_unit(made: tuple[Spec, Nested, Path]) -> None:
    """The first records of households and of persons, as they stand in the files."""
    found = {part["unit"]: part for part in sample(made[1].frames)}
    assert set(found) == {"household", "person"}
    assert len(found["person"]["rows"]) == 12
